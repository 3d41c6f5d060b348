//! HTTP/2: requests and answers, WebSockets, limits, and clients that mean harm. Without TLS
//! (`h2c`), which shows the same frames.

mod support;

#[path = "http2/basics.rs"]
mod basics;
#[path = "http2/bodies.rs"]
mod bodies;
#[path = "http2/floods.rs"]
mod floods;
#[path = "http2/garbage.rs"]
mod garbage;
#[path = "http2/life.rs"]
mod life;
#[path = "http2/priorities.rs"]
mod priorities;
#[path = "http2/requests.rs"]
mod requests;
#[path = "http2/secured.rs"]
mod secured;
#[path = "http2/streams.rs"]
mod streams;
#[path = "http2/websockets.rs"]
mod websockets;

use serde_json::Value;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use support::http2::Answer;
use support::{Backend, Http2, PATIENCE, Parvis, until};

/// parvis before one app.
struct Edge {
    parvis: Parvis,
    backend: Backend,
}

/// A listener that speaks HTTP/2 with who begins with it.
const LISTEN: &str = "listen = [{ address = \"127.0.0.1:0\", h2c = true }]";
/// The access log, for tests that read it.
const LOG: &str = "[log]\naccess = \"@DIR/access.log\"\nformat = \"json\"\n";

/// Every request goes to `backend`.
fn edge(backend: Backend) -> Edge {
    edge_with(backend, "", "")
}

/// The same with these lines at the top and in the site, routes included.
fn edge_with(backend: Backend, top: &str, site: &str) -> Edge {
    let parvis = Parvis::start(&configuration(&backend, top, site));
    Edge { parvis, backend }
}

fn configuration(backend: &Backend, top: &str, site: &str) -> String {
    format!(
        "{top}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\n{LISTEN}\n{site}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    )
}

impl Edge {
    fn client(&self) -> Http2 {
        Http2::connect(self.parvis.address())
    }

    /// The access log's lines, once there are so many.
    fn lines(&self, count: usize) -> Vec<Value> {
        until("the log has its lines", || {
            let text = self.parvis.folder.read("access.log");
            let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
            let lines: Vec<Value> = lines.collect();
            (lines.len() >= count).then_some(lines)
        })
    }
}

/// An app that tells what it was asked and what it was sent.
fn telling() -> Backend {
    Backend::http(|request| {
        let body = String::from_utf8_lossy(&request.body);
        ok(format!("{} {} {body}", request.method, request.target))
    })
}

/// An answer of an app's.
fn ok(body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

/// Waits for the test's signal, in a backend. False when the test is over.
fn signalled(signal: &Mutex<Receiver<()>>) -> bool {
    match signal.lock().unwrap().recv_timeout(PATIENCE) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => panic!("the test gave no signal"),
        Err(RecvTimeoutError::Disconnected) => false,
    }
}
