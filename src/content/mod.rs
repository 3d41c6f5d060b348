//! Content codings: what they are called, and the encoded forms of one body.
//!
//! Below the rooms that encode (`compress`) and that keep bodies (`files`), so that neither has to
//! know the other.

mod coding;
mod forms;

pub use coding::{Coding, Effort};
pub use forms::{Form, Forms, saves_enough};
