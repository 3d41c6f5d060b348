//! The sockets of this worker's open connections, so that they can be ended from outside.
//!
//! A connection whose task is dropped has no line in the log. One whose socket ends notices, and
//! does all that it does when a client goes.

use std::cell::RefCell;
use std::collections::HashSet;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use tokio::net::TcpStream;

thread_local! {
    static OPEN: RefCell<HashSet<RawFd>> = RefCell::default();
}

/// An open socket of this worker's; to be dropped before the socket is closed, for its number is
/// given to the next one.
#[derive(Debug)]
pub struct Open(RawFd);

impl Open {
    /// Notes a socket.
    pub fn new(io: &TcpStream) -> Self {
        let fd = io.as_raw_fd();
        OPEN.with_borrow_mut(|open| open.insert(fd));
        Open(fd)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        // A worker that ends drops its connections after its list.
        let _ = OPEN.try_with(|open| open.borrow_mut().remove(&self.0));
    }
}

/// Ends them all, in both directions.
pub fn end_all() {
    OPEN.with_borrow(|open| {
        for fd in open {
            // SAFETY: the number is that of an open socket: its owner, which lives on this thread,
            // takes it out before closing it.
            let socket = unsafe { BorrowedFd::borrow_raw(*fd) };
            // One that ended by itself meanwhile is no news.
            let _ = socket2::SockRef::from(&socket).shutdown(std::net::Shutdown::Both);
        }
    });
}
