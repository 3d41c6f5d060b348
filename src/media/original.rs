//! Originals: what is known of them, so that they are read once and not for each request.

use super::{ContentKey, Facts, Fault, Limits, probe};
use bytes::Bytes;
use foldhash::quality::RandomState;
use quick_cache::UnitWeighter;
use quick_cache::sync::{Cache, DefaultLifecycle};
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Originals of which is remembered what they are; each costs about 150 bytes.
const REMEMBERED: usize = 65_536;
/// What may have been the machine's fault and not the picture's is tried again after this long.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// What tells one content of an original from another without reading it: of a file its device,
/// inode, length and times; of what came from an app its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct OriginalId(pub [u64; 5]);

impl From<&ContentKey> for OriginalId {
    fn from(key: &ContentKey) -> Self {
        let mut parts = [u64::MAX; 5];
        for (part, bytes) in parts.iter_mut().zip(key.0.chunks_exact(8)) {
            *part = bytes
                .iter()
                .fold(0, |sum, byte| sum << 8 | u64::from(*byte));
        }
        OriginalId(parts)
    }
}

/// Reads an original; blocks. An error when it is not what it was when its id was taken.
pub type Read = dyn Fn() -> io::Result<Bytes> + Send + Sync;

/// A picture as it lies there.
#[derive(Clone)]
pub struct Original {
    /// Which content it is.
    pub id: OriginalId,
    /// Bytes.
    pub length: u64,
    /// How to get at it.
    pub read: Arc<Read>,
}

impl fmt::Debug for Original {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Original({:?}, {} bytes)", self.id, self.length)
    }
}

/// What is known of an original that was read once.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its bytes' hash.
    pub key: ContentKey,
    /// What its header says, or why there are no variants of it.
    pub facts: Result<Facts, Fault>,
    /// Until when that holds; `None`: for good.
    until: Option<Instant>,
}

/// What is known of originals, under the limits that they were judged by: routes may differ.
#[derive(Debug)]
pub struct Sources {
    known: Known,
}

type Known = Cache<(OriginalId, Limits), Arc<Source>, UnitWeighter, RandomState>;

impl Default for Sources {
    fn default() -> Self {
        Sources {
            known: Cache::with(
                REMEMBERED,
                REMEMBERED as u64,
                UnitWeighter,
                RandomState::default(),
                DefaultLifecycle::default(),
            ),
        }
    }
}

impl Sources {
    /// What is known of this one.
    pub fn get(&self, id: OriginalId, limits: &Limits) -> Option<Arc<Source>> {
        let source = self.known.get(&(id, *limits))?;
        match source.until {
            Some(until) if Instant::now() >= until => None,
            _ => Some(source),
        }
    }

    /// Reads an original and remembers what it is. Blocks.
    ///
    /// # Errors
    /// It cannot be read, or is another one by now.
    pub fn read(&self, original: &Original, limits: &Limits) -> io::Result<Arc<Source>> {
        let source = if original.length > limits.bytes {
            // It is not read: it has no hash, and needs none.
            Source {
                key: ContentKey([0; 32]),
                facts: Err(Fault::TooLarge),
                until: None,
            }
        } else {
            let bytes = (original.read)()?;
            Source {
                key: ContentKey::of(&bytes),
                facts: probe(&bytes, limits),
                until: None,
            }
        };
        let source = Arc::new(source);
        self.known.insert((original.id, *limits), source.clone());
        Ok(source)
    }

    /// Remembers that there are no variants of an original, and why.
    pub fn give_up(&self, id: OriginalId, limits: &Limits, source: &Source, fault: Fault) {
        let passing = matches!(fault, Fault::TooSlow | Fault::Encoder(_));
        let given_up = Source {
            key: source.key,
            facts: Err(fault),
            until: passing.then(|| Instant::now() + TRY_AGAIN),
        };
        self.known.insert((id, *limits), Arc::new(given_up));
    }
}
