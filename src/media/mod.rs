//! Pictures in the size and format that a visitor needs.
//!
//! In: a picture's bytes, and what a request wants of it. Out: a variant of it, kept on disk, or
//! the word that the original is best. Nothing here knows routes, files or connections.
//!
//! [`wish`]: what a request wants (query, `Accept`, hints) as recipes. `facts`: what a header says.
//! `make`: decode, reshape, encode. [`store`]: variants on disk and in memory. [`workshop`]: the
//! threads that make them. [`Images`] puts these together for a route.

mod ahead;
mod decode;
mod encode;
mod facts;
mod fault;
mod format;
pub mod html;
mod images;
mod make;
mod original;
mod picture;
mod process;
mod recipe;
pub mod settings;
mod shape;
mod sizes;
mod store;
mod strip;
mod tallies;
pub mod wish;
mod work;
mod workshop;

pub use ahead::{Ahead, Gate, Size};
pub use decode::decode;
pub use encode::{MOST_AVIF_PIXELS, encode};
pub use facts::{Facts, Frames, Orientation, probe, probe_head};
pub use fault::{Deadline, Fault, Limits};
pub use format::Format;
pub use images::{Images, Served};
pub use make::{Made, make};
pub use original::{Original, OriginalId};
pub use picture::{Decoded, Frame, Layout, Picture};
pub use process::Media;
pub use recipe::{ContentKey, Fit, Recipe, VariantKey};
pub use shape::{Plan, reshape};
pub use sizes::Sizes;
pub use store::{Body, Bounds, Kept, Statistics, Store, Variant};
pub use tallies::{Figures, Tallies};
pub use wish::{Policy, Refusal, SigningKey, Wish};
pub use workshop::{Full, Outcome, Queue, Ticket, Urgency, Workshop};
