//! What all images routes of the process share.

use super::original::Sources;
use super::settings::MediaPolicy;
use super::store::{Bounds, Statistics, Store};
use super::tallies::Tallies;
use super::workshop::Workshop;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// Originals read at the same time, for their hashes and headers: each is in memory meanwhile.
const READERS: usize = 4;

/// Variants of the process: where they are kept, and who makes them.
#[derive(Debug)]
pub struct Media {
    terms: MediaPolicy,
    store: OnceLock<Arc<Store>>,
    pub(super) workshop: Workshop,
    pub(super) sources: Sources,
    pub(super) readers: Arc<Semaphore>,
    /// Counts.
    pub tallies: Arc<Tallies>,
}

impl Media {
    /// Media on these terms; those of `before` when they are the same. Nothing is opened or begun
    /// yet. Counts go on.
    pub fn new(terms: MediaPolicy, before: Option<&Arc<Media>>) -> Arc<Self> {
        if let Some(before) = before.filter(|before| before.terms == terms) {
            return before.clone();
        }
        let tallies = before.map(|before| before.tallies.clone());
        Arc::new(Media {
            workshop: Workshop::new(terms.workers, terms.queue),
            store: OnceLock::new(),
            sources: Sources::default(),
            readers: Arc::new(Semaphore::new(READERS)),
            tallies: tallies.unwrap_or_default(),
            terms,
        })
    }

    /// Where variants are kept on disk.
    pub fn folder(&self) -> &Path {
        &self.terms.storage
    }

    /// Where variants are kept. The first call opens it, which blocks; when its folder cannot be
    /// had, variants are kept in memory alone, and the operator is told.
    pub fn store(&self) -> &Arc<Store> {
        self.store.get_or_init(|| {
            let bounds = Bounds {
                disk: self.terms.disk,
                memory: self.terms.memory,
            };
            let folder = &self.terms.storage;
            Store::open(folder, bounds).unwrap_or_else(|error| {
                tracing::warn!(
                    folder = %folder.display(),
                    %error,
                    "variants of pictures cannot be kept on disk, only in memory: \
                     make the folder writable, or name another one as `storage` in [media]"
                );
                Store::in_memory(bounds.memory)
            })
        })
    }

    /// The same for who needs the folder: nothing is opened when it cannot be had. Blocks.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn open_folder(&self) -> std::io::Result<()> {
        if self.store.get().is_none() {
            let bounds = Bounds {
                disk: self.terms.disk,
                memory: self.terms.memory,
            };
            // Who was faster has opened the same.
            let _ = self.store.set(Store::open(&self.terms.storage, bounds)?);
        }
        Ok(())
    }

    /// What variants may take of the disk, bytes; 0: none is kept there.
    pub fn room(&self) -> u64 {
        self.terms.disk
    }

    /// Threads that make variants.
    pub fn threads(&self) -> usize {
        self.terms.workers
    }

    /// So many threads from now on, where nobody but them has work to do.
    pub fn set_threads(&self, threads: usize) {
        self.workshop.resize(threads, threads);
    }

    /// The same, when it was opened before.
    pub fn opened(&self) -> Option<&Arc<Store>> {
        self.store.get()
    }

    /// What is kept; nothing before it is opened.
    pub fn statistics(&self) -> Statistics {
        self.opened()
            .map(|store| store.statistics())
            .unwrap_or_default()
    }

    /// The workshop's queue.
    pub fn queue(&self) -> super::workshop::Queue {
        self.workshop.status()
    }
}
