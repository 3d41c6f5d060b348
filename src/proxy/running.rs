//! What all requests of the process share.

use crate::edge::Edge;
use crate::observe::{Logbook, Metrics};
use crate::visits::Recorder;
use arc_swap::ArcSwap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The process at work: the configuration in force, and where it is told what happens.
#[derive(Debug)]
pub struct Running {
    /// The configuration in force.
    pub edge: ArcSwap<Edge>,
    /// Counts.
    pub metrics: Arc<Metrics>,
    /// The access log.
    pub logbook: Logbook,
    /// Guests' visits.
    pub recorder: Recorder,
    stopping: AtomicBool,
}

impl Running {
    /// Begins with this configuration.
    pub fn new(edge: Edge, metrics: Arc<Metrics>, logbook: Logbook, recorder: Recorder) -> Self {
        Running {
            edge: ArcSwap::from_pointee(edge),
            metrics,
            logbook,
            recorder,
            stopping: AtomicBool::new(false),
        }
    }

    /// From here on connections are closed after the answer in hand.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
    }

    /// Whether the process is ending.
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire)
    }
}
