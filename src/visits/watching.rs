//! How visits fare on their way, for metrics and `/status`.

use super::sink::SinkCounters;
use super::spool::Spool;
use serde::Serialize;
use std::sync::{Arc, Mutex, PoisonError};

/// What can be looked at from other threads.
#[derive(Debug)]
pub struct Watching {
    /// Where visits wait.
    pub spool: Arc<Spool>,
    /// The sinks, by name.
    pub sinks: Vec<(&'static str, SinkCounters)>,
    /// What is wrong with the databases of countries.
    pub geography: Arc<Mutex<Option<String>>>,
}

/// The state now.
#[derive(Debug, Clone, Serialize)]
pub struct VisitsStatus {
    /// Bytes of visits on disk, delivered ones that share a segment with others included.
    pub spool_bytes: u64,
    /// Bytes in memory because the disk takes nothing.
    pub held_bytes: u64,
    /// Visits that some sink will never see.
    pub lost: u64,
    /// The sinks.
    pub sinks: Vec<SinkStatus>,
    /// What is wrong with the databases of countries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub geography_error: Option<String>,
}

/// A sink.
#[derive(Debug, Clone, Serialize)]
pub struct SinkStatus {
    /// `store` or `redis`.
    pub name: &'static str,
    /// Whether it takes visits.
    pub up: bool,
    /// Visits delivered since it began.
    pub delivered: u64,
    /// Deliveries that failed and were tried again.
    pub failures: u64,
    /// Visits that wait for it.
    pub waiting: u64,
    /// Visits that went out of Redis's list because nobody took them.
    pub trimmed: u64,
    /// How long Redis's list was when it was last seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub length: Option<u64>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Watching {
    /// The state now.
    pub fn now(&self) -> VisitsStatus {
        let counts = self.spool.counts();
        let waiting = |name: &str| {
            let reader = counts.readers.iter().find(|reader| reader.name == name);
            reader.map_or(0, |reader| reader.waiting)
        };
        let geography = self
            .geography
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        VisitsStatus {
            spool_bytes: counts.bytes,
            held_bytes: counts.held,
            lost: counts.lost(),
            sinks: self
                .sinks
                .iter()
                .map(|(name, counters)| SinkStatus {
                    name,
                    up: counters.is_up(),
                    delivered: counters.delivered(),
                    failures: counters.failures(),
                    waiting: waiting(name),
                    trimmed: counters.trimmed(),
                    length: counters.length(),
                    error: counters.error(),
                })
                .collect(),
            geography_error: geography.clone(),
        }
    }
}
