//! What all requests of the process share.

use crate::edge::Edge;
use crate::observe::{Logbook, Metrics};
use crate::tls::acme::{Issuer, Tallies};
use crate::visits::Recorder;
use crate::wire::headcount::Headcount;
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
    /// Who looks after certificates.
    pub issuer: Issuer,
    /// Clients' connections.
    pub headcount: Headcount,
    stopping: AtomicBool,
}

impl Running {
    /// Begins with this configuration.
    pub fn new(edge: Edge, metrics: Arc<Metrics>, logbook: Logbook, recorder: Recorder) -> Self {
        let tallies = Tallies {
            issued: metrics.acme_issued.clone(),
            failed: metrics.acme_failed.clone(),
        };
        Running {
            edge: ArcSwap::from_pointee(edge),
            issuer: Issuer::new(tallies),
            headcount: Headcount::default(),
            metrics,
            logbook,
            recorder,
            stopping: AtomicBool::new(false),
        }
    }

    /// Begins to look after the certificates of the configuration in force; to be called whenever
    /// that is another one.
    pub fn look_after_certificates(&self) {
        let edge = self.edge.load();
        edge.tls.begin();
        self.issuer.apply(&edge.orders());
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
