//! Variants that were made: in memory, and in a folder on disk that outlives the process.
//!
//! The folder is bounded, may be shared by several processes, and may be removed at any time. What
//! cannot be kept on disk is kept in memory only; nobody is told of an error.

mod disk;
mod keeper;
mod memory;
#[cfg(test)]
mod tests;
mod totals;
mod trailer;
mod variant;

pub use variant::{Body, Kept, Variant};

use super::{Format, VariantKey};
use bytes::Bytes;
use disk::{Disk, Found, Kind};
use keeper::{Desk, seconds, time};
use memory::{Held, Memory, SMALL};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};
use totals::Totals;
use variant::Uses;

/// Trouble with the disk is told so often, seconds.
const WARN_EVERY: u64 = 60;

/// How much is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the disk. It may be exceeded for the time that removing takes, and by what other
    /// processes write until the folder is looked at: after five minutes; with a million files,
    /// half an hour at most.
    pub disk: u64,
    /// Bytes of memory.
    pub memory: u64,
}

/// What a store holds, and what happened to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Variants on disk.
    pub variants: u64,
    /// Notes on disk that an original is best.
    pub originals_best: u64,
    /// Bytes of the disk, notes included, each file rounded up to 4 KiB.
    pub bytes: u64,
    /// Variants on disk and their bytes, for each format that there are some of.
    pub formats: Vec<(Format, u64, u64)>,
    /// Whether the folder was looked at since the start; before, only what was added is counted.
    pub complete: bool,
    /// Bytes in memory.
    pub memory: u64,
    /// Files removed for others, by this process.
    pub evicted: u64,
    /// Files that could not be written.
    pub failed_writes: u64,
    /// Files that were not as they had been written, and were removed.
    pub damaged: u64,
}

impl Statistics {
    /// What these totals say; all else is 0.
    fn of(totals: &Totals) -> Self {
        let (mut variants, mut originals_best, mut formats) = (0_u64, 0, Vec::new());
        for (kind, files, bytes) in totals.kinds() {
            match kind {
                Kind::Marker => originals_best = files,
                Kind::Picture(_) if files == 0 => {}
                Kind::Picture(format) => {
                    variants = variants.saturating_add(files);
                    formats.push((format, files, bytes));
                }
            }
        }
        Statistics {
            variants,
            originals_best,
            bytes: totals.bytes(),
            formats,
            ..Statistics::default()
        }
    }
}

#[derive(Debug)]
struct Shared {
    memory: Memory,
    disk: Option<Disk>,
    desk: Desk,
    /// Bytes of the disk.
    bound: AtomicU64,
    evicted: AtomicU64,
    failed_writes: AtomicU64,
    damaged: AtomicU64,
    /// When trouble was told, seconds since the Unix epoch.
    told: AtomicU64,
}

impl Shared {
    fn new(disk: Option<Disk>, bounds: Bounds) -> Self {
        Shared {
            memory: Memory::new(bounds.memory),
            disk,
            desk: Desk::default(),
            bound: AtomicU64::new(bounds.disk),
            evicted: AtomicU64::default(),
            failed_writes: AtomicU64::default(),
            damaged: AtomicU64::default(),
            told: AtomicU64::default(),
        }
    }

    fn bound(&self) -> u64 {
        self.bound.load(Ordering::Relaxed)
    }

    /// Tells of trouble with the disk, now and then.
    fn trouble(&self, what: &str, error: &io::Error) {
        let (now, told) = (now(), self.told.load(Ordering::Relaxed));
        let due = now.abs_diff(told) >= WARN_EVERY;
        let order = Ordering::Relaxed;
        if due && self.told.compare_exchange(told, now, order, order).is_ok() {
            tracing::warn!(%error, "{what}");
        }
    }

    /// Where something of this size is to be written, if it is.
    fn disk_for(&self, room: u64) -> Option<&Disk> {
        self.disk.as_ref().filter(|_| room <= self.bound())
    }

    /// What became of a file.
    fn written<T>(&self, kind: Kind, room: u64, done: io::Result<T>) -> Option<T> {
        match done {
            Ok(done) => {
                self.desk.added(kind, room, self.bound());
                Some(done)
            }
            Err(error) => {
                self.failed_writes.fetch_add(1, Ordering::Relaxed);
                self.trouble("cannot keep a picture on disk", &error);
                use io::ErrorKind::{QuotaExceeded, StorageFull};
                if matches!(error.kind(), StorageFull | QuotaExceeded) {
                    self.desk.full();
                }
                None
            }
        }
    }
}

/// Variants that were made. Its thread ends with it.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
}

impl Store {
    /// A store with this folder, which is made when there is none. Returns at once: what is in the
    /// folder is counted beside, and found meanwhile.
    ///
    /// # Errors
    /// The folder cannot be made, or the thread that keeps it.
    pub fn open(folder: &Path, bounds: Bounds) -> io::Result<Arc<Store>> {
        let store = Store::without_keeper(folder, bounds)?;
        let shared = store.shared.clone();
        let thread = std::thread::Builder::new().name("pictures".to_string());
        thread.spawn(move || {
            if let Some(disk) = &shared.disk {
                keeper::keep(&shared, disk);
            }
        })?;
        Ok(store)
    }

    fn without_keeper(folder: &Path, bounds: Bounds) -> io::Result<Arc<Store>> {
        let disk = Disk::open(folder)?;
        let shared = Arc::new(Shared::new(Some(disk), bounds));
        Ok(Arc::new(Store { shared }))
    }

    /// A store without a folder, with room for so many bytes.
    pub fn in_memory(memory: u64) -> Arc<Store> {
        let shared = Arc::new(Shared::new(None, Bounds { disk: 0, memory }));
        Arc::new(Store { shared })
    }

    /// Other bounds from now on.
    pub fn set_bounds(&self, bounds: Bounds) {
        self.shared.memory.set_room(bounds.memory);
        self.shared.bound.store(bounds.disk, Ordering::Relaxed);
        self.shared.desk.look_again();
    }

    /// What is in memory. Waits for nothing: for the event loop.
    pub fn hot(&self, key: &VariantKey) -> Option<Kept> {
        let held = self.shared.memory.get(key)?;
        self.use_now(*key, &held);
        Some(held.kept())
    }

    /// What is in memory or on disk. Reads the disk: not for the event loop.
    pub fn find(&self, key: &VariantKey) -> Option<Kept> {
        if let Some(kept) = self.hot(key) {
            return Some(kept);
        }
        let found = match self.shared.disk.as_ref()?.read(key, SMALL) {
            Ok(found) => found?,
            Err(error) => {
                self.shared.trouble("cannot read a picture", &error);
                return None;
            }
        };
        let held = match found {
            Found::Damaged => {
                self.shared.damaged.fetch_add(1, Ordering::Relaxed);
                return None;
            }
            Found::Marker(used) => Held::Marker(Arc::new(Uses::told(seconds(used)))),
            Found::Picture {
                format,
                trailer,
                file,
                used,
                bytes,
            } => Held::Variant(Arc::new(Variant {
                key: *key,
                format,
                width: trailer.width,
                height: trailer.height,
                body: match bytes {
                    Some(bytes) => Body::Memory(bytes),
                    None => Body::Disk(Arc::new(file), trailer.length),
                },
                modified: time(trailer.made),
                uses: Uses::told(seconds(used)),
                notes: OnceLock::new(),
            })),
        };
        self.shared.memory.put(*key, held.clone());
        self.use_now(*key, &held);
        Some(held.kept())
    }

    /// Keeps a variant; width and height in pixels. Writes to the disk: not for the event loop.
    pub fn put(
        &self,
        key: &VariantKey,
        format: Format,
        size: (u32, u32),
        picture: Vec<u8>,
    ) -> Kept {
        let (length, made) = (picture.len() as u64, now());
        let room = disk::room_of_picture(length);
        let disk = self.shared.disk_for(room);
        let file = disk.and_then(|disk| {
            let written = disk.write(key, format, size, made, &picture);
            self.shared.written(Kind::Picture(format), room, written)
        });
        let body = match file {
            Some(file) if length > SMALL => Body::Disk(Arc::new(file), length),
            _ => Body::Memory(Bytes::from(picture)),
        };
        let variant = Arc::new(Variant {
            key: *key,
            format,
            width: size.0,
            height: size.1,
            body,
            modified: time(made),
            uses: Uses::told(made),
            notes: OnceLock::new(),
        });
        let held = Held::Variant(variant.clone());
        self.shared.memory.put(*key, held);
        Kept::Variant(variant)
    }

    /// Keeps the word that no variant is better than the original. Writes to the disk, as above.
    pub fn put_original_is_best(&self, key: &VariantKey) {
        let room = disk::room(0);
        if let Some(disk) = self.shared.disk_for(room) {
            let written = disk.mark(key);
            self.shared.written(Kind::Marker, room, written);
        }
        let uses = Arc::new(Uses::told(now()));
        self.shared.memory.put(*key, Held::Marker(uses));
    }

    /// What there is in a folder, which is only looked at: nothing is made, and nothing removed. What
    /// happened to it is not known. Blocks for as long as it takes to look at each file.
    pub fn survey(folder: &Path) -> Statistics {
        let mut totals = Totals::default();
        Disk::at(folder).walk(Duration::MAX, &mut |seen| {
            totals.add(seen.kind, seen.room);
            true
        });
        Statistics {
            complete: true,
            ..Statistics::of(&totals)
        }
    }

    /// What there is, and what happened.
    pub fn statistics(&self) -> Statistics {
        let shared = &*self.shared;
        let (totals, complete) = shared.desk.totals();
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Statistics {
            complete: complete || shared.disk.is_none(),
            memory: shared.memory.weight(),
            evicted: count(&shared.evicted),
            failed_writes: count(&shared.failed_writes),
            damaged: count(&shared.damaged),
            ..Statistics::of(&totals)
        }
    }

    fn use_now(&self, key: VariantKey, held: &Held) {
        let now = now();
        if held.uses().used(now) && self.shared.disk.is_some() {
            let kind = match held {
                Held::Variant(variant) => Kind::Picture(variant.format),
                Held::Marker(_) => Kind::Marker,
            };
            self.shared.desk.touch(key, kind, now);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.shared.desk.close();
    }
}

/// Seconds since the Unix epoch.
fn now() -> u64 {
    seconds(SystemTime::now())
}
