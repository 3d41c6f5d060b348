//! How much and how long: limits of requests, time-outs of both sides, and what clients are told.

mod support;

#[path = "limits/errors.rs"]
mod errors;
#[path = "limits/sizes.rs"]
mod sizes;
#[path = "limits/times.rs"]
mod times;

use support::{Backend, Parvis};

/// parvis before one app.
struct Edge {
    parvis: Parvis,
    backend: Backend,
}

/// Every request goes to `backend`. The lines stand in `[server]`, in `[upstream.app]` and in the
/// site, which has that one route.
fn edge(backend: Backend, server: &str, upstream: &str, site: &str) -> Edge {
    let parvis = before(&backend.address().to_string(), server, upstream, site);
    Edge { parvis, backend }
}

/// The same for a server of any kind.
fn before(address: &str, server: &str, upstream: &str, site: &str) -> Parvis {
    Parvis::start(&format!(
        "[server]\n{server}\n\
         [upstream.app]\nservers = [\"{address}\"]\n{upstream}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{site}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n"
    ))
}

/// An app that takes requests and never answers.
fn silent() -> Backend {
    Backend::raw(|incoming| while incoming.request().is_some() {})
}
