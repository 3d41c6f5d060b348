//! Certificates for names that are not in the configuration: those that were asked for.

use super::certificate::Issued;
use super::slot::Slot;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

/// So many are in memory: 10,000 are about 50 MB. The others lie on disk, from where one is fetched
/// when a client comes for it.
const MOST: usize = 10_000;

/// The certificates that a site has in memory.
#[derive(Debug, Default)]
pub struct Held {
    names: RwLock<HashMap<String, Arc<Entry>>>,
}

/// One of them.
#[derive(Debug, Default)]
pub struct Entry {
    /// Where it is.
    pub slot: Slot,
    /// When a client came for it last: seconds since the Unix epoch.
    used: AtomicU64,
}

impl Entry {
    /// When a client came for it last: seconds since the Unix epoch.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}

impl Held {
    /// What a handshake for this name is to use.
    pub fn issued(&self, name: &str) -> Option<Arc<Issued>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        let entry = names.get(name)?;
        entry
            .used
            .store(crate::tls::clock::now(), Ordering::Relaxed);
        entry.slot.issued()
    }

    /// The place of a name's, if it has one.
    pub fn find(&self, name: &str) -> Option<Arc<Entry>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(name).cloned()
    }

    /// The place of a name's. When there are too many, the one that was not used for the longest
    /// time goes: its name is given too.
    pub fn place(&self, name: &str, now: u64) -> (Arc<Entry>, Option<String>) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = names.get(name) {
            return (entry.clone(), None);
        }
        let mut gone = None;
        if names.len() >= MOST {
            let oldest = names.iter().min_by_key(|(_, entry)| entry.used());
            gone = oldest.map(|(name, _)| name.clone());
        }
        if let Some(gone) = &gone {
            names.remove(gone);
        }
        let entry = Arc::new(Entry::default());
        entry.used.store(now, Ordering::Relaxed);
        names.insert(name.to_string(), entry.clone());
        (entry, gone)
    }

    /// Lets a name go from memory.
    pub fn remove(&self, name: &str) {
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        names.remove(name);
    }
}
