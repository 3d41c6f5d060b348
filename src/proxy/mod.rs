//! A request's way through the rooms.
//!
//! In: a session of pingora's on a connection of ours. Out: an answer, a line in the log, counts.
//! This room knows the order of the others and composes them; they do not know each other.

mod admit;
mod challenge;
mod connection;
mod context;
mod encode;
mod engine;
mod file;
mod forward;
mod numbers;
mod pages;
mod picture;
mod picture_of_app;
mod prompt;
mod record;
mod refuse;
mod respond;
mod running;
mod send_file;
mod service;
mod status;

pub use connection::{Connection, Facts, Secured};
pub use engine::{Engine, engine};
pub use picture::read as read_picture;
pub use prompt::{Prompt, prompt};
pub use refuse::refuse;
pub use running::Running;
