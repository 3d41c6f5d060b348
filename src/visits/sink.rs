//! What the sinks have in common: how they fare.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// How a sink fares; counted by the sink's thread, read by any.
#[derive(Debug, Clone, Default)]
pub struct SinkCounters(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    delivered: AtomicU64,
    trimmed: AtomicU64,
    /// One more than the length; 0: not known.
    length: AtomicU64,
    failures: AtomicU64,
    down: AtomicBool,
    /// Lets visits wait on purpose.
    biding: AtomicBool,
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

    /// It lets visits wait on purpose, or does so no more.
    pub fn bides(&self, biding: bool) {
        self.0.biding.store(biding, Ordering::Relaxed);
    }

    /// Whether it lets visits wait on purpose: that they are many is no trouble then.
    pub fn is_biding(&self) -> bool {
        self.0.biding.load(Ordering::Relaxed)
    }

    /// So many visits went out of a list that was longer than it may be.
    pub fn trim(&self, visits: u64) {
        self.0.trimmed.fetch_add(visits, Ordering::Relaxed);
    }

    /// So many visits are in the list that the sink delivers to.
    pub fn has_length(&self, visits: u64) {
        let length = visits.saturating_add(1);
        self.0.length.store(length, Ordering::Relaxed);
    }

    /// Visits taken so far.
    pub fn delivered(&self) -> u64 {
        self.0.delivered.load(Ordering::Relaxed)
    }

    /// Failures so far.
    pub fn failures(&self) -> u64 {
        self.0.failures.load(Ordering::Relaxed)
    }

    /// Visits that were delivered, and went out of the list again so far because it was longer than
    /// it may be: its consumer never saw them.
    pub fn trimmed(&self) -> u64 {
        self.0.trimmed.load(Ordering::Relaxed)
    }

    /// How many visits were in the list that the sink delivers to when it last saw it; `None` when
    /// it has not seen it yet, or delivers to something else.
    pub fn length(&self) -> Option<u64> {
        self.0.length.load(Ordering::Relaxed).checked_sub(1)
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
