//! Apps that are spoken to in HTTP/2, with prior knowledge and without TLS ("h2c", RFC 9113 section
//! 3.3): gRPC servers speak nothing else.
//!
//! pingora speaks HTTP/1 here as everywhere: a request and its answer are an [`AppStream`], which
//! takes HTTP/1 and gives HTTP/1, and in between is a stream of a connection that a worker's requests
//! to one server share ([`link`]). The frames, their compression and their windows are the `h2`
//! crate's.

mod head;
mod link;
mod links;
mod stream;
#[cfg(test)]
mod tests;

pub use link::open;
pub use links::{acquire, clear, see_off, sweep};
pub use stream::AppStream;
