//! What the store gives: a picture, or the word that there is no better one than the original.

use crate::media::{Format, VariantKey};
use bytes::Bytes;
use std::any::Any;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

/// A file's time is set at most so often, seconds: each time is a write to the disk.
const TOUCH_EVERY: u64 = 3600;

/// What is known of a variant.
#[derive(Debug, Clone)]
pub enum Kept {
    /// Here it is.
    Variant(Arc<Variant>),
    /// It was made once, and was not smaller than the original.
    OriginalIsBest,
}

/// Where a variant's bytes are.
#[derive(Debug, Clone)]
pub enum Body {
    /// In memory.
    Memory(Bytes),
    /// In this file, from its beginning, so many bytes. What stands behind them is not the picture.
    Disk(Arc<File>, u64),
}

impl Body {
    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::Disk(_, length) => *length,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of it. Blocks.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> io::Result<Bytes> {
        match self {
            Body::Memory(bytes) => Ok(bytes.clone()),
            Body::Disk(file, length) => {
                let mut bytes = vec![0; usize::try_from(*length).map_err(io::Error::other)?];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(Bytes::from(bytes))
            }
        }
    }
}

/// A picture that was made of another one.
#[derive(Debug)]
pub struct Variant {
    /// Which one it is.
    pub key: VariantKey,
    /// What it is written as.
    pub format: Format,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Its bytes.
    pub body: Body,
    /// When it was made, whole seconds; also after a restart.
    pub modified: SystemTime,
    pub(super) uses: Uses,
    pub(super) notes: OnceLock<Box<dyn Any + Send + Sync>>,
}

impl Variant {
    /// What the caller makes of it once, to have it with every use: fields of an answer, say. Kept
    /// as long as the variant is in memory. `None`: there are notes of another type.
    pub fn notes<T: Any + Send + Sync>(&self, make: impl FnOnce() -> T) -> Option<&T> {
        let notes = self.notes.get_or_init(|| Box::new(make()));
        notes.downcast_ref()
    }
}

/// When something was used. Seconds since the Unix epoch, all of them.
#[derive(Debug, Default)]
pub struct Uses {
    /// Last.
    last: AtomicU64,
    /// As its file says.
    told: AtomicU64,
}

impl Uses {
    /// Its file says that it was used then.
    pub fn told(told: u64) -> Self {
        Uses {
            last: AtomicU64::new(told),
            told: AtomicU64::new(told),
        }
    }

    /// It is used now. Whether its file is to be told, says so to one caller only.
    pub fn used(&self, now: u64) -> bool {
        // Without need nothing is written: others have this line of memory in their caches.
        if self.last.load(Ordering::Relaxed) < now {
            self.last.store(now, Ordering::Relaxed);
        }
        let told = self.told.load(Ordering::Relaxed);
        now.saturating_sub(told) >= TOUCH_EVERY
            && self
                .told
                .compare_exchange(told, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }

    /// When it was used last.
    pub fn last(&self) -> u64 {
        self.last.load(Ordering::Relaxed)
    }
}
