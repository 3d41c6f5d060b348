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

/// Notes a connection of this worker's.
pub fn add(io: &TcpStream) {
    OPEN.with_borrow_mut(|open| open.insert(io.as_raw_fd()));
}

/// Forgets it; to be called before it is closed, for its number is given to the next one.
pub fn remove(io: &TcpStream) {
    OPEN.with_borrow_mut(|open| open.remove(&io.as_raw_fd()));
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
