//! HTTP/2 (RFC 9113): a connection of many requests, each given on as an HTTP/1 connection of one.
//!
//! The frames, their compression and their windows are the `h2` crate's. What stands here is the
//! way between a stream and the rest of parvis, which speaks HTTP/1: heads ([`head`]), bodies
//! ([`stream`]), and what a connection may cost ([`connection`], [`watched`]).

mod connection;
mod head;
mod stream;
mod watched;

pub use connection::{Service, serve};
pub use stream::Http2Stream;
