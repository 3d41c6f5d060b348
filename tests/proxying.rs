//! Requests through parvis to an app, and answers back.

mod support;

#[path = "proxying/forwarding.rs"]
mod forwarding;
#[path = "proxying/framing.rs"]
mod framing;
#[path = "proxying/interim.rs"]
mod interim;
#[path = "proxying/persistence.rs"]
mod persistence;
#[path = "proxying/routes.rs"]
mod routes;
#[path = "proxying/streaming.rs"]
mod streaming;

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use support::{Backend, PATIENCE, Parvis};

/// parvis before one app.
struct Edge {
    parvis: Parvis,
    backend: Backend,
}

/// Every request of every host goes to `backend`.
fn edge(backend: Backend) -> Edge {
    edge_with(backend, "", "")
}

/// The same with these lines in `[server]` and in the route.
fn edge_with(backend: Backend, server: &str, route: &str) -> Edge {
    let parvis = Parvis::start(&format!(
        "[server]\n{server}\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        backend.address()
    ));
    Edge { parvis, backend }
}

/// Waits for the test's signal, in a backend. False when the test is over.
fn signalled(signal: &std::sync::Mutex<Receiver<()>>) -> bool {
    match signal.lock().unwrap().recv_timeout(PATIENCE) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => panic!("the test gave no signal"),
        Err(RecvTimeoutError::Disconnected) => false,
    }
}
