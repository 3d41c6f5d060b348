//! Idle connections to servers, of one worker.
//!
//! pingora has a pool of its own: keeping a connection in it takes a task that watches it, an entry
//! in a shared map, and a `getpeername` when it is used again. A worker is one thread, so a stack
//! per server is enough, and a look now and then at the connections that servers have closed. Those
//! that speak HTTP/2 are not idle ones but shared, and kept in a place of their own.

use super::http2;
use super::stream::ServerStream;
use pingora::protocols::l4::socket::SocketAddr;
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::{Duration, Instant};

struct Idle {
    stream: Box<ServerStream>,
    until: Instant,
}

thread_local! {
    static IDLE: RefCell<HashMap<SocketAddr, Vec<Idle>>> = RefCell::default();
}

/// Idle connections kept per server and worker; more are closed.
const MOST: usize = 1024;

/// How often [`sweep`] is to be called.
pub const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// Keeps a connection.
pub fn put(mut stream: Box<ServerStream>) {
    let Some(until) = Instant::now().checked_add(stream.keep()) else {
        return;
    };
    stream.rest();
    IDLE.with_borrow_mut(|idle| {
        if let Some(stack) = idle.get_mut(stream.server()) {
            if stack.len() < MOST {
                stack.push(Idle { stream, until });
            }
        } else {
            idle.insert(stream.server().clone(), vec![Idle { stream, until }]);
        }
    });
}

/// The connection that was used last, if one is still open.
pub fn take(server: &SocketAddr) -> Option<Box<ServerStream>> {
    IDLE.with_borrow_mut(|idle| {
        let stack = idle.get_mut(server)?;
        let now = Instant::now();
        while let Some(mut candidate) = stack.pop() {
            if candidate.until > now && candidate.stream.is_open() {
                return Some(candidate.stream);
            }
        }
        None
    })
}

/// Closes connections that servers have closed, or that were kept for too long.
pub fn sweep() {
    IDLE.with_borrow_mut(|idle| {
        let now = Instant::now();
        idle.retain(|_, stack| {
            stack.retain_mut(|idle| idle.until > now && idle.stream.is_open());
            !stack.is_empty()
        });
    });
    http2::sweep();
}

/// Closes all, before the worker's runtime ends.
pub fn clear() {
    IDLE.with_borrow_mut(HashMap::clear);
    http2::clear();
}
