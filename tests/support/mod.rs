//! The harness: the real binary on ports that the kernel gives, backends built for a purpose,
//! and a client that sends exactly the bytes it is told to.
//!
//! Nothing here sleeps for a fixed time: [`until`] waits for conditions. When a test fails, the
//! log of every parvis that it started is shown.

// Each test file uses its own part of the harness.
#![allow(dead_code, unused_imports)]

pub mod backend;
pub mod browser;
pub mod certificates;
pub mod client;
pub mod folder;
pub mod held;
pub mod hpack;
pub mod http2;
/// Small databases of countries.
#[path = "../../src/visits/geo/tests/writer.rs"]
pub mod mmdb;
pub mod parvis;
pub mod pebble;
pub mod pictures;
pub mod ports;
pub mod programs;
pub mod redis;
pub mod secure;
pub mod site;
pub mod websocket;

pub use backend::{Backend, Incoming};
pub use browser::Browser;
pub use client::{Client, Reply};
pub use folder::Folder;
pub use http2::Http2;
pub use parvis::{Parvis, command};
pub use pebble::{Pebble, Ports as CaPorts};
pub use ports::{Full, Refusing};
pub use redis::Redis;
pub use site::Site;

use std::time::{Duration, Instant};

/// Longer than anything a test waits for takes on a slow, busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `condition` gives something, looking again and again.
///
/// # Panics
/// When it has not within [`PATIENCE`].
pub fn until<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < end, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
