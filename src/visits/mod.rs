//! Guests' visits: who counts, where they are from, and how many they were.
//!
//! In: a request that has ended. Out: records for the site's database and its Redis, and answers
//! about them. The way of a visit:
//!
//! ```text
//! request's thread: guest (may it count?) -> sighting (packed) -> recorder (a buffer, a bounded queue)
//!   worker: enrich (path, user agent, country, visitor, session) -> spool (a log on disk)
//!     store: the spool -> SQLite: single visits, and days counted by statistics
//!     redis: the spool -> a list or a stream, in the format of json
//! statistics: days counted -> answers (JSON, a table in the terminal)
//! ```
//!
//! A request's thread tests a few fields and copies a few hundred bytes: nothing is parsed, looked
//! up or written there. The spool is what survives: a sink that is away, slow or killed goes on
//! where it was, and neither loses a visit nor has one twice. While visits come thick and fast they
//! wait there for the database, which costs more than all the rest.

pub mod address;
mod agent;
mod enrich;
pub mod geo;
mod guest;
mod json;
mod pipeline;
mod policy;
mod recorder;
pub mod redis;
pub mod settings;
mod sighting;
pub mod sink;
pub mod spool;
pub mod statistics;
pub mod store;
pub mod visit;
mod visitor;
mod watching;
mod worker;

pub use guest::Ended;
pub use policy::{Share, SitePolicy, VisitsPolicy};
pub use recorder::{Facts, Recorder, Tallies};
pub use visit::micros;
pub use watching::VisitsStatus;
