//! Servers behind the edge: whose turn it is, which are up, what happens when one cannot be
//! reached, and the connections that are kept.

mod support;

#[path = "upstreams/balance.rs"]
mod balance;
#[path = "upstreams/health.rs"]
mod health;
#[path = "upstreams/kept.rs"]
mod kept;
#[path = "upstreams/names.rs"]
mod names;
#[path = "upstreams/turns.rs"]
mod turns;
#[path = "upstreams/unreachable.rs"]
mod unreachable;

use support::{Backend, Incoming, Parvis};

/// One upstream `app` with these servers (as written in TOML) and other settings, for all paths.
/// One worker: connections to servers are kept by each worker for itself.
fn app(servers: &[String], settings: &str) -> String {
    format!(
        "[server]\nthreads = 1\n[upstream.app]\nservers = [{}]\n{settings}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        servers.join(", ")
    )
}

fn at(address: impl std::fmt::Display) -> String {
    format!("\"{address}\"")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn errors(parvis: &Parvis, kind: &str) -> f64 {
    parvis.metric(&format!(
        "parvis_upstream_errors_total{{kind=\"{kind}\",upstream=\"app\"}}"
    ))
}

/// Whether a server may get requests; `None` while that is not told.
fn is_up(parvis: &Parvis, upstream: &str, server: impl std::fmt::Display) -> bool {
    let status = parvis.status();
    let upstreams = status["upstreams"].as_array().unwrap();
    let upstream = upstreams.iter().find(|u| u["name"] == upstream).unwrap();
    let servers = upstream["servers"].as_array().unwrap();
    let server = servers.iter().find(|s| s["address"] == server.to_string());
    server.unwrap()["up"].as_bool().unwrap()
}

/// An app that takes a request on a kept connection and closes it instead of answering, once per
/// connection: what a client sees of an app that closes just when a request is under way.
fn closes_on_the_second() -> Backend {
    Backend::raw(|incoming: &mut Incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            incoming.request();
        }
    })
}

/// How many requests each of these had.
fn shares(backends: &[Backend]) -> Vec<usize> {
    backends.iter().map(|b| b.requests().len()).collect()
}
