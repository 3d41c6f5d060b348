//! What the store has in memory.

use super::variant::{Body, Kept, Uses, Variant};
use crate::media::VariantKey;
use nix::sys::resource::{Resource, getrlimit};
use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};
use std::os::unix::fs::MetadataExt;
use std::sync::Arc;

/// What is not larger is kept as bytes, the other ones as open files: sending a file costs a system
/// call more, and then the kernel has the bytes already.
pub const SMALL: u64 = 32 * 1024;

/// Bytes that something costs beside its body: the maps' entries, a head of an answer.
const OWN: u64 = 768;
const MARKER: u64 = 160;

/// Variants that may be kept open: a part of the descriptors that the process may have. The others
/// are for connections and for files.
fn open_files() -> u64 {
    const FEW: u64 = 32;
    const MANY: u64 = 2048;
    getrlimit(Resource::RLIMIT_NOFILE).map_or(FEW, |(soft, _)| (soft / 8).clamp(FEW, MANY))
}

/// Something kept, and when it was used.
#[derive(Debug, Clone)]
pub enum Held {
    /// A variant, which knows.
    Variant(Arc<Variant>),
    /// The original is best.
    Marker(Arc<Uses>),
}

impl Held {
    /// As callers see it.
    pub fn kept(self) -> Kept {
        match self {
            Held::Variant(variant) => Kept::Variant(variant),
            Held::Marker(_) => Kept::OriginalIsBest,
        }
    }

    /// When it was used.
    pub fn uses(&self) -> &Uses {
        match self {
            Held::Variant(variant) => &variant.uses,
            Held::Marker(uses) => uses,
        }
    }
}

#[derive(Debug, Clone)]
struct Weigh {
    /// What an open file counts for.
    descriptor: u64,
}

impl Weighter<VariantKey, Held> for Weigh {
    fn weight(&self, _: &VariantKey, held: &Held) -> u64 {
        let body = match held {
            Held::Marker(_) => return MARKER,
            Held::Variant(variant) => match &variant.body {
                Body::Memory(bytes) => bytes.len() as u64,
                Body::Disk(..) => self.descriptor,
            },
        };
        body.saturating_add(OWN)
    }
}

/// The memory. What was used lately and more than once stays the longest.
#[derive(Debug)]
pub struct Memory {
    cache: Cache<VariantKey, Held, Weigh, foldhash::quality::RandomState>,
}

impl Memory {
    /// Room for so many bytes.
    pub fn new(room: u64) -> Self {
        /// Each has its part of the room, and a large picture must fit into it.
        const SHARD: u64 = 8 << 20;
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let weigh = Weigh {
            descriptor: room / open_files(),
        };
        let hash = foldhash::quality::RandomState::default;
        // Without any room there is one byte, which nothing fits into.
        let room = room.max(1);
        let items = count(room / 16_384).clamp(64, 1 << 20);
        let options = OptionsBuilder::new()
            .weight_capacity(room)
            .estimated_items_capacity(items)
            .shards(count(room / SHARD).clamp(1, 16))
            .build();
        let cache = match options {
            Ok(options) => Cache::with_options(options, weigh, hash(), DefaultLifecycle::default()),
            // Only if something above was left out.
            Err(_) => Cache::with(items, room, weigh, hash(), DefaultLifecycle::default()),
        };
        Memory { cache }
    }

    /// Room for so many bytes from now on.
    pub fn set_room(&self, room: u64) {
        self.cache.set_capacity(room.max(1));
    }

    /// Bytes in use, as they are counted against the room.
    pub fn weight(&self) -> u64 {
        self.cache.weight()
    }

    /// What there is.
    pub fn get(&self, key: &VariantKey) -> Option<Held> {
        self.cache.get(key)
    }

    /// When it was used last, seconds since the Unix epoch; this is no use of it.
    pub fn last_used(&self, key: &VariantKey) -> Option<u64> {
        self.cache.peek(key).map(|held| held.uses().last())
    }

    /// Keeps it, if there is room.
    pub fn put(&self, key: VariantKey, held: Held) {
        self.cache.insert(key, held);
    }

    /// Gives it up.
    pub fn remove(&self, key: &VariantKey) {
        self.cache.remove(key);
    }

    /// Gives up files that were deleted: while they are open, the disk has no room of theirs.
    pub fn forget_deleted(&self) {
        // The disk is not asked while others wait for the cache.
        let open = self.cache.iter().filter_map(|(key, held)| match held {
            Held::Variant(variant) => match &variant.body {
                Body::Disk(file, _) => Some((key, file.clone())),
                Body::Memory(_) => None,
            },
            Held::Marker(_) => None,
        });
        for (key, file) in open.collect::<Vec<_>>() {
            if file.metadata().is_ok_and(|file| file.nlink() == 0) {
                self.cache.remove_if(&key, |held| holds(held, &file));
            }
        }
    }
}

/// Whether it is this file that is held, and not one that came in its place.
fn holds(held: &Held, file: &Arc<std::fs::File>) -> bool {
    let Held::Variant(variant) = held else {
        return false;
    };
    matches!(&variant.body, Body::Disk(own, _) if Arc::ptr_eq(own, file))
}
