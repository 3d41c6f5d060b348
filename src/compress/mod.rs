//! Compression: what is encoded, in which coding, and how.
//!
//! In: an answer's head and its body in pieces. Out: the same, encoded in the best coding that the
//! client takes, or untouched.

mod body;
mod encoder;
mod memo;
mod negotiate;
mod policy;
pub mod settings;
mod workshop;

pub use crate::content::Effort;
pub use body::Body;
pub use encoder::{Encoder, whole};
pub use memo::Memo;
pub use negotiate::{Accepted, accepted};
pub use policy::{
    CompressPolicy, add_vary, encoded, must_not_change, shrinks, weak, weaken_tag,
    with_strong_twins,
};
pub use workshop::Workshop;
