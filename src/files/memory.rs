//! Files kept in memory, for all routes of the process.

use super::entry::Entry;
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, OptionsBuilder, Weighter};
use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A route's files by their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    files: u64,
    path: Box<[u8]>,
}

#[derive(PartialEq, Eq)]
struct KeyRef<'a> {
    files: u64,
    path: &'a [u8],
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let path = &self.path;
        KeyRef {
            files: self.files,
            path,
        }
        .hash(state);
    }
}

impl Hash for KeyRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.files);
        state.write(self.path);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        self.files == key.files && self.path == &*key.path
    }
}

#[derive(Debug, Clone)]
struct Weigh {
    /// What an open file counts for.
    descriptor: u64,
}

/// Files that may be kept open: a part of the descriptors that the process may have. The others are
/// for connections.
fn open_files() -> u64 {
    const FEW: u64 = 64;
    const MANY: u64 = 4096;
    let limit = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE);
    limit.map_or(FEW, |(soft, _)| (soft / 4).clamp(FEW, MANY))
}

/// A file, by its own path or by another one that leads to it.
#[derive(Debug, Clone)]
struct Kept {
    entry: Arc<Entry>,
    alias: bool,
}

impl Weighter<Key, Kept> for Weigh {
    fn weight(&self, key: &Key, kept: &Kept) -> u64 {
        // What another path leads to is counted where it lies: a single-page app has one page, at
        // however many addresses.
        const ALIAS: u64 = 256;
        let own = match kept.alias {
            true => ALIAS,
            false => kept.entry.weight(self.descriptor),
        };
        own.saturating_add(key.path.len() as u64)
    }
}

/// The memory. What was used lately and more than once stays the longest: a walk over all files
/// does not push out those that everybody asks for.
#[derive(Debug)]
pub struct Memory {
    bounds: (u64, u64),
    largest: u64,
    cache: Option<Cache<Key, Kept, Weigh, foldhash::quality::RandomState>>,
    began: Instant,
    /// Numbers of routes, by what makes their files what they are: a reload that changes nothing
    /// about a route keeps its files.
    routes: Mutex<HashMap<String, u64>>,
}

impl Memory {
    /// Room for so many bytes, and for files that are not larger than `largest`.
    pub fn new(room: u64, largest: u64) -> Self {
        let cache = || {
            let options = OptionsBuilder::new()
                .weight_capacity(room)
                .estimated_items_capacity(usize::try_from(room / 16_384).unwrap_or(0).max(64))
                // Each has its part of the room, and the largest file must fit into it.
                .shards(
                    usize::try_from(room / largest.saturating_mul(8).max(1))
                        .map_or(1, |n| n.clamp(1, 16)),
                )
                .build()
                .ok()?;
            Some(Cache::with_options(
                options,
                Weigh {
                    descriptor: room / open_files(),
                },
                foldhash::quality::RandomState::default(),
                DefaultLifecycle::default(),
            ))
        };
        Memory {
            bounds: (room, largest),
            // One file must not push out all others.
            largest: largest.min(room / 4),
            cache: if room > 0 { cache() } else { None },
            began: Instant::now(),
            routes: Mutex::default(),
        }
    }

    /// The room and the largest file as they were asked for, bytes.
    pub fn bounds(&self) -> (u64, u64) {
        self.bounds
    }

    /// The largest file that is kept, bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Bytes in use, as they are counted against the room.
    pub fn weight(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weight)
    }

    /// Gives up files that were deleted: while they are open, the disk has no room of theirs.
    pub fn forget_deleted(&self) {
        if let Some(cache) = &self.cache {
            cache.retain(|_, kept| !kept.entry.is_deleted());
        }
    }

    /// The number of a route of which `text` tells all that its files depend on.
    pub(super) fn number(&self, text: String) -> u64 {
        let mut routes = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let next = routes.len() as u64;
        *routes.entry(text).or_insert(next)
    }

    /// Milliseconds of the memory's clock.
    pub(super) fn clock(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.began);
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn get(&self, files: u64, path: &[u8]) -> Option<Arc<Entry>> {
        let kept = self.cache.as_ref()?.get(&KeyRef { files, path })?;
        Some(kept.entry)
    }

    pub(super) fn put(&self, files: u64, path: &[u8], entry: Arc<Entry>) {
        if let Some(cache) = &self.cache {
            // Also where it lies, so that all that leads to it shares it.
            let alias = *path != *entry.path;
            if alias {
                let own = entry.path.as_slice().into();
                let kept = Kept {
                    entry: entry.clone(),
                    alias: false,
                };
                cache.insert(Key { files, path: own }, kept);
            }
            let path = path.into();
            cache.insert(Key { files, path }, Kept { entry, alias });
        }
    }

    pub(super) fn remove(&self, files: u64, path: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.remove(&KeyRef { files, path });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Files, Found, Shrinks, settings::FilesSettings};
    use super::*;
    use crate::config::{Diagnostics, Document, Sources, Value};
    use std::time::Duration;

    /// Files of these sizes below a folder, served with so much memory.
    fn files(name: &str, room: u64, sizes: &[(&str, usize)]) -> (Arc<Files>, Arc<Memory>) {
        let folder = std::env::temp_dir().join(format!("parvis-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for (name, size) in sizes {
            std::fs::write(folder.join(name), vec![b'x'; *size]).unwrap();
        }
        let mut sources = Sources::default();
        let text = format!("files = {{ root = {:?} }}", folder.to_str().unwrap());
        let file = sources.add("t.toml".into(), text);
        let mut errors = Diagnostics::default();
        let document = Document::parse(&sources, &[file], &mut errors);
        let (_, _, node) = document.entries().next().unwrap();
        let settings = FilesSettings::read(&node, &mut errors).unwrap();
        let memory = Arc::new(Memory::new(room, 1 << 20));
        let shrinks = Shrinks {
            name: String::new(),
            test: Box::new(|_| true),
        };
        let files = Files::build(&settings, shrinks, &memory, &mut errors);
        assert!(errors.is_empty(), "{}", errors.render(&sources));
        (files.unwrap(), memory)
    }

    fn find(files: &Arc<Files>, path: &str, now: Instant) -> Arc<Entry> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        match runtime.block_on(files.find(path.as_bytes(), now)).unwrap() {
            Found::File(entry) => entry,
            found => panic!("{path}: {found:?}"),
        }
    }

    #[test]
    fn a_file_is_read_once_and_looked_at_now_and_then() {
        let (files, memory) = files("once", 4 << 20, &[("a", 1000), ("large", 1 << 20)]);
        let now = Instant::now();
        for path in ["a", "large"] {
            let first = find(&files, path, now);
            assert!(Arc::ptr_eq(&first, &find(&files, path, now)), "{path}");
            let later = now + Duration::from_secs(5);
            assert!(Arc::ptr_eq(&first, &find(&files, path, later)), "{path}");
            let place = files_folder("once").join(path);
            std::fs::write(&place, "changed").unwrap();
            assert!(Arc::ptr_eq(&first, &find(&files, path, later)), "{path}");
            let changed = find(&files, path, later + Duration::from_secs(1));
            assert_eq!(changed.content.len(), 7);
        }
        assert!(memory.weight() > 0);
        std::fs::remove_dir_all(files_folder("once")).unwrap();
    }

    fn files_folder(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("parvis-{name}-{}", std::process::id()))
    }

    #[test]
    fn the_room_is_never_exceeded() {
        let names: Vec<String> = (0..200).map(|n| format!("f{n}")).collect();
        let sizes: Vec<(&str, usize)> = names.iter().map(|n| (n.as_str(), 50_000)).collect();
        let (files, memory) = files("room", 1 << 20, &sizes);
        let now = Instant::now();
        for _ in 0..2 {
            for (name, size) in &sizes {
                assert_eq!(find(&files, name, now).content.len(), *size as u64);
                assert!(memory.weight() <= 1 << 20);
            }
        }
        std::fs::remove_dir_all(files_folder("room")).unwrap();
    }
}
