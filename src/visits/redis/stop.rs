//! How the sink's thread is told to end.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Not set: go on. Set: until when.
#[derive(Debug, Default)]
pub struct Stop {
    until: Mutex<Option<Instant>>,
    set: Condvar,
}

impl Stop {
    /// Tells the thread to end, at the latest after `patience`.
    pub fn set(&self, patience: Duration) {
        *self.until() = Instant::now().checked_add(patience);
        self.set.notify_all();
    }

    /// How much time is left; `None` when it shall go on.
    pub fn left(&self) -> Option<Duration> {
        let until = *self.until();
        until.map(|until| until.saturating_duration_since(Instant::now()))
    }

    /// Waits. Ends when the thread is told to end: what it waited for is tried once more; and not
    /// later than it must end.
    pub fn pause(&self, pause: Duration) {
        let began = Instant::now();
        let mut until = self.until();
        let told = until.is_some();
        loop {
            let end = until.map(|until| until.saturating_duration_since(began));
            let left = end.map_or(pause, |end| end.min(pause));
            let left = left.saturating_sub(began.elapsed());
            if left.is_zero() || until.is_some() != told {
                return;
            }
            let waited = self.set.wait_timeout(until, left);
            until = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
