//! Clients' connections: sockets, workers, and the life of a connection.
//!
//! In: addresses to bind. Out: checked requests, one after another, for `proxy`. The only room
//! that binds.

mod bind;
mod carrier;
mod client;
mod connection;
mod handshake;
mod http2;
mod newcomer;
mod open;
mod proxied;
mod worker;

pub use bind::{Bound, bind};

use crate::proxy::Running;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::watch;

/// Returns when the process is told to end, or nobody is left to tell it.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    while !*stop.borrow_and_update() {
        if stop.changed().await.is_err() {
            return;
        }
    }
}

/// Starts a thread per worker, and returns when each serves, or one of them cannot.
///
/// # Errors
/// No thread could be started.
pub fn start(
    bound: Vec<Bound>,
    workers: usize,
    running: &Arc<Running>,
    stop: &watch::Receiver<bool>,
) -> io::Result<Vec<JoinHandle<io::Result<()>>>> {
    let mut shares: Vec<Vec<_>> = (0..workers).map(|_| Vec::new()).collect();
    for address in bound {
        let configured = address.configured;
        let sockets: Vec<TcpListener> = address.sockets;
        for (share, socket) in shares.iter_mut().zip(sockets) {
            share.push((configured, socket));
        }
    }
    let (ready, begun) = std::sync::mpsc::channel();
    let started: io::Result<Vec<_>> = shares
        .into_iter()
        .enumerate()
        .map(|(index, share)| {
            let (running, stop, ready) = (running.clone(), stop.clone(), ready.clone());
            std::thread::Builder::new()
                .name(format!("worker-{index}"))
                .spawn(move || worker::run(share, running, stop, ready))
        })
        .collect();
    drop(ready);
    // It ends when all have told it or ended themselves; the caller notices the latter.
    begun.iter().for_each(drop);
    started
}
