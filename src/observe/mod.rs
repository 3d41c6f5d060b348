//! What an operator can see: metrics, the access log, parvis's own log.
//!
//! In: facts about requests, from `proxy`. Out: counters, lines. No count and no line of the access
//! log ever waits for a disk on a request's thread. parvis's own log does: it is written to stderr
//! at once, so that nothing of it is lost when the process ends badly, and it says little.

pub mod access;
mod images;
mod logbook;
mod metrics;
pub mod settings;
mod snapshot;
mod trace;

pub use access::Entry;
pub use images::{ImageFigures, ImageMetrics};
pub use logbook::{FLUSH_EVERY, Logbook, open_file};
pub use metrics::{Counted, Held, Metrics, OpenConnection, RouteMetrics, SinkFigures};
pub use trace::{Verbosity, start};
