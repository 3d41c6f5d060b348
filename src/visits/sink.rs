//! What the sinks have in common: how they fare.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How a sink fares; counted by the sink's thread, read by any.
#[derive(Debug, Clone, Default)]
pub struct SinkCounters(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    failures: AtomicU64,
    down: AtomicBool,
    error: Mutex<Option<String>>,
}

impl SinkCounters {
    /// So many visits were taken.
    pub fn took(&self, visits: u64) {
        self.0.delivered.fetch_add(visits, Ordering::Relaxed);
        if self.0.down.swap(false, Ordering::Relaxed) {
            *self.0.error.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }

    /// A delivery failed; it will be tried again.
    pub fn failed(&self, why: &str) {
        self.0.failures.fetch_add(1, Ordering::Relaxed);
        self.0.down.store(true, Ordering::Relaxed);
        *self.0.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_string());
    }

    /// Visits taken so far.
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Failures so far.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Whether the last delivery went well, or none was tried yet.
    pub fn is_up(&self) -> bool {
        !self.0.down.load(Ordering::Relaxed)
    }

    /// What is wrong.
    pub fn error(&self) -> Option<String> {
        let error = self.0.error.lock().unwrap_or_else(PoisonError::into_inner);
        error.clone()
    }
}
