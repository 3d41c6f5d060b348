//! Sizes of pictures, for pages that pass: known by path, and looked at beside the requests.

use quick_cache::sync::Cache;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Paths whose pictures' sizes are remembered.
const REMEMBERED: usize = 16_384;
/// After this long a size is looked at again. Until it has been, the old one is told.
const FRESH: Duration = Duration::from_secs(10);
/// Sizes being looked at, at most. What finds no room is looked at for the next page.
const LOOKING: usize = 16;

/// A picture's width and height, pixels, upright; `None`: it is no picture.
type Size = Option<(u32, u32)>;

#[derive(Debug, Clone, Copy)]
struct Known {
    size: Size,
    seen: Instant,
}

/// Sizes of the pictures of a route.
#[derive(Debug)]
pub struct Sizes {
    known: Cache<Box<[u8]>, Known>,
    looking: AtomicUsize,
}

impl Default for Sizes {
    fn default() -> Self {
        Sizes {
            known: Cache::new(REMEMBERED),
            looking: AtomicUsize::new(0),
        }
    }
}

/// Room to look at one.
struct Looking(Arc<Sizes>);

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.looking.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Sizes {
    /// The size of the picture at this path, as far as it is known; `None` when it is not, or it is no
    /// picture. `look` tells it, blocking: it is called beside the caller, for the next time, when that
    /// is due. To be called within a runtime.
    pub fn get(
        self: &Arc<Self>,
        path: &[u8],
        now: Instant,
        look: impl FnOnce() -> Size + Send + 'static,
    ) -> Size {
        let known = self.known.get(path);
        let due = |known: &Known| now.saturating_duration_since(known.seen) >= FRESH;
        if known.as_ref().is_none_or(due) && self.looking.fetch_add(1, Ordering::Relaxed) < LOOKING
        {
            let looking = Looking(self.clone());
            // Others need not look too.
            self.note(path, known.and_then(|known| known.size), now);
            let path: Box<[u8]> = path.into();
            tokio::task::spawn_blocking(move || {
                let size = look();
                looking.0.note(&path, size, now);
            });
        } else if known.as_ref().is_none_or(due) {
            self.looking.fetch_sub(1, Ordering::Relaxed);
        }
        known.and_then(|known| known.size)
    }

    fn note(&self, path: &[u8], size: Size, seen: Instant) {
        self.known.insert(path.into(), Known { size, seen });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn a_size_is_looked_at_once_and_again_when_it_is_old() {
        let sizes = Arc::new(Sizes::default());
        let now = Instant::now();
        let (told, tells) = channel();
        let look = |size: Size| {
            let told = told.clone();
            move || {
                told.send(()).unwrap();
                size
            }
        };
        assert_eq!(sizes.get(b"a", now, look(Some((4, 3)))), None);
        // The look is noted just after it was told.
        let known = loop {
            if let Some(size) = sizes.get(b"a", now, || None) {
                break size;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(known, (4, 3));
        tells.recv().unwrap();
        let later = now + FRESH;
        assert_eq!(sizes.get(b"a", later, look(Some((8, 6)))), Some((4, 3)));
        loop {
            if sizes.get(b"a", later, || unreachable!()) == Some((8, 6)) {
                break;
            }
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn not_more_are_looked_at_than_there_is_room_for() {
        let sizes = Arc::new(Sizes::default());
        let now = Instant::now();
        let gate = Arc::new(std::sync::Barrier::new(LOOKING + 1));
        for number in 0..LOOKING {
            let gate = gate.clone();
            let look = move || {
                gate.wait();
                None
            };
            assert_eq!(sizes.get(format!("{number}").as_bytes(), now, look), None);
        }
        assert_eq!(sizes.get(b"one more", now, || unreachable!()), None);
        gate.wait();
    }
}
