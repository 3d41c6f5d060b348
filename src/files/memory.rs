//! Files kept in memory, for all routes of the process.

use super::entry::Entry;
use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};
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
struct Weigh;

impl Weighter<Key, Arc<Entry>> for Weigh {
    fn weight(&self, key: &Key, entry: &Arc<Entry>) -> u64 {
        entry.weight().saturating_add(key.path.len() as u64)
    }
}

/// The memory. What was used lately and more than once stays the longest: a walk over all files
/// does not push out those that everybody asks for.
#[derive(Debug)]
pub struct Memory {
    room: u64,
    largest: u64,
    cache: Option<Cache<Key, Arc<Entry>, Weigh, foldhash::quality::RandomState>>,
    began: Instant,
    /// Numbers of routes, by what makes their files what they are: a reload that changes nothing
    /// about a route keeps its files.
    routes: Mutex<HashMap<String, u64>>,
}

impl Memory {
    /// Room for so many bytes, and for files that are not larger than `largest`.
    pub fn new(room: u64, largest: u64) -> Self {
        let items = usize::try_from(room / 16_384).unwrap_or(0).max(64);
        let cache = || {
            Cache::with(
                items,
                room,
                Weigh,
                foldhash::quality::RandomState::default(),
                quick_cache::sync::DefaultLifecycle::default(),
            )
        };
        Memory {
            room,
            largest: if room == 0 { 0 } else { largest },
            cache: (room > 0).then(cache),
            began: Instant::now(),
            routes: Mutex::default(),
        }
    }

    /// The room and the largest file, bytes.
    pub fn bounds(&self) -> (u64, u64) {
        (self.room, self.largest)
    }

    /// The largest file that is kept, bytes.
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Bytes in use, as they are counted against the room.
    pub fn weight(&self) -> u64 {
        self.cache.as_ref().map_or(0, Cache::weight)
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
        self.cache.as_ref()?.get(&KeyRef { files, path })
    }

    pub(super) fn put(&self, files: u64, path: &[u8], entry: Arc<Entry>) {
        if let Some(cache) = &self.cache {
            let path = path.into();
            cache.insert(Key { files, path }, entry);
        }
    }

    pub(super) fn remove(&self, files: u64, path: &[u8]) {
        if let Some(cache) = &self.cache {
            cache.remove(&KeyRef { files, path });
        }
    }
}
