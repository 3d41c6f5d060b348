//! Pictures in the size and format that a visitor needs.
//!
//! In: a picture's bytes, and what a request wants of it. Out: a variant of it, kept on disk, or
//! the word that the original is best. Nothing here knows routes, files or connections.

mod fault;
mod format;
mod picture;
mod recipe;
mod store;
mod workshop;

pub use fault::{Deadline, Fault, Limits};
pub use format::Format;
pub use picture::{Decoded, Frame, Layout, Picture};
pub use recipe::{ContentKey, Fit, Recipe, VariantKey};
pub use store::{Body, Bounds, Kept, Statistics, Store, Variant};
pub use workshop::{Full, Outcome, Queue, Ticket, Urgency, Workshop};
