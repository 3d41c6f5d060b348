//! Streams of HTTP/2 as HTTP/1: what the side of the clients and that of the apps have in common.
//!
//! A stream's body comes as frames and is read as HTTP/1 has it, by its length or in chunks, with
//! its trailers behind them ([`Incoming`]). Heads and trailers are lines of text there ([`Gathered`],
//! [`spelling`]).

pub mod gathered;
pub mod incoming;
pub mod spelling;

pub use gathered::Gathered;
pub use incoming::Incoming;

use h2::Reason;
use std::io;

/// What went wrong with a stream, as it would be with a connection.
pub fn broken(error: h2::Error) -> io::Error {
    let kind = match error.reason() {
        Some(Reason::FLOW_CONTROL_ERROR | Reason::PROTOCOL_ERROR) => io::ErrorKind::InvalidData,
        _ => io::ErrorKind::ConnectionReset,
    };
    io::Error::new(kind, error)
}
