//! What an operator can see: metrics, the access log, parvis's own log.
//!
//! In: facts about requests, from `proxy`. Out: counters, lines. Nothing here ever waits for a
//! disk or a lock on a request's thread.

pub mod access;
mod logbook;
mod metrics;
pub mod settings;
mod snapshot;
mod trace;

pub use access::Entry;
pub use logbook::{FLUSH_EVERY, Logbook, open_file};
pub use metrics::{Counted, Held, Metrics, OpenConnection, RouteMetrics};
pub use trace::{Verbosity, start};
