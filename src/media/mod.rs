//! Pictures in the size and format that a visitor needs.
//!
//! In: a picture's bytes, and what a request wants of it. Out: a variant of it, kept on disk, or
//! the word that the original is best. Nothing here knows routes, files or connections.

mod decode;
mod encode;
mod facts;
mod fault;
mod format;
mod make;
mod picture;
mod recipe;
mod shape;

pub use decode::decode;
pub use encode::encode;
pub use facts::{Facts, Frames, Orientation, probe, probe_head};
pub use fault::{Deadline, Fault, Limits};
pub use format::Format;
pub use make::{Made, make};
pub use picture::{Decoded, Frame, Layout, Picture};
pub use recipe::{ContentKey, Fit, Recipe, VariantKey};
pub use shape::{Plan, reshape};
