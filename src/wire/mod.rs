//! HTTP/1 on the wire: what a message must look like before any other room sees it.
//!
//! pingora's parser is forgiving where a proxy must not be (RFC 9112 sections 2.2, 3.2, 5 and 6.3
//! leave room in which two parsers disagree, and a smuggled request lives in that room). So every
//! head is checked here byte by byte first, every chunk is followed, and what does not fit is
//! answered and the connection closed. Trailers, which pingora drops, are carried past it.
//!
//! Plain functions and state machines over bytes: no sockets, no clock but [`Patience`]'s.

pub mod chunked;
pub mod dechunk;
pub mod exchange;
pub mod fault;
pub mod frames;
pub mod head;
pub mod headcount;
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
