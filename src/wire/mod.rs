//! Protocols on the wire. HTTP/1: what a message must look like before any other room sees it.
//!
//! pingora's parser is forgiving where a proxy must not be (RFC 9112 sections 2.2, 3.2, 5 and 6.3
//! leave room in which two parsers disagree, and a smuggled request lives in that room). So every
//! head is checked here byte by byte first, every chunk is followed, and what does not fit is
//! answered and the connection closed. Trailers, which pingora drops, are carried past it.
//!
//! HTTP/2 is the `h2` crate's, but for what a client may cost ([`frames`]), in which order answers
//! go ([`turns`], [`priority`]), and how a stream is given on as HTTP/1 ([`http2`]). Before either may stand a header of the PROXY protocol
//! ([`proxy_protocol`]), and there may be too many connections ([`headcount`]).
//!
//! Plain functions and state machines over bytes. No sockets; the clock is passed in, but for
//! [`Patience`] and [`turns`], which wait.

pub mod chunked;
pub mod dechunk;
pub mod exchange;
pub mod fault;
pub mod frames;
pub mod head;
pub mod headcount;
pub mod http2;
mod list;
pub mod outbox;
pub mod patience;
pub mod priority;
pub mod proxy_protocol;
pub mod target;
pub mod tunnel;
pub mod turns;

pub use dechunk::{Dechunk, Piece};
pub use exchange::{Exchange, HeldBack, Lent};
pub use fault::Fault;
pub use frames::{Flood, Watch};
pub use head::{Framing, Head, Limits};
pub use headcount::{Entered, Headcount, Seat};
pub use list::has_item;
pub use outbox::Outbox;
pub use patience::{Patience, Times};
pub use priority::Priority;
pub use tunnel::{AppSide, Tunnel};
pub use turns::{Turn, Turns};
