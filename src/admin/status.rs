//! `GET /status`: what the metrics say, for people and scripts.

use super::certificates::{SiteCertificate, certificates, now};
use super::images;
use super::reload::{LastLoad, Reloader};
use crate::edge::{Action, Edge};
use crate::observe::SinkFigures;
use crate::proxy::Running;
use crate::tls::acme::status::OrderStatus;
use crate::visits::VisitsStatus;
use serde::Serialize;
use std::net::SocketAddr;
use std::time::Instant;

/// A listener of the process.
#[derive(Debug, Clone, Serialize)]
pub struct Listener {
    /// As the configuration names it.
    pub configured: SocketAddr,
    /// As it is: port 0 has become a real one.
    pub address: SocketAddr,
}

/// The state of the process.
#[derive(Debug, Serialize)]
pub struct Status<'a> {
    version: &'static str,
    pid: u32,
    uptime_seconds: u64,
    stopping: bool,
    generation: u64,
    files: Vec<String>,
    last_load: LastLoad,
    listeners: &'a [Listener],
    connections: Connections,
    requests_in_flight: i64,
    log_dropped: u64,
    sites: Vec<SiteStatus<'a>>,
    upstreams: Vec<UpstreamStatus<'a>>,
    certificates: Vec<SiteCertificate>,
    acme: Vec<OrderStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visits: Option<VisitsStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    images: Option<images::ImagesStatus>,
    metrics: serde_json::Value,
}

#[derive(Debug, Serialize)]
struct Connections {
    open: i64,
    accepted: u64,
    failed: u64,
    upgraded: i64,
}

#[derive(Debug, Serialize)]
struct SiteStatus<'a> {
    name: &'a str,
    defined: String,
    routes: Vec<RouteStatus<'a>>,
    /// Routes beyond those listed.
    #[serde(skip_serializing_if = "is_zero")]
    more_routes: usize,
}

#[derive(Debug, Serialize)]
struct RouteStatus<'a> {
    path: &'a str,
    does: String,
}

#[derive(Debug, Serialize)]
struct UpstreamStatus<'a> {
    name: &'a str,
    checked: bool,
    servers: Vec<ServerStatus<'a>>,
}

#[derive(Debug, Serialize)]
struct ServerStatus<'a> {
    address: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    resolved: Option<SocketAddr>,
    up: bool,
    checks: u64,
    in_flight: usize,
}

fn is_zero(n: &usize) -> bool {
    *n == 0
}

/// Routes listed per site: a status is for reading.
const ROUTES: usize = 100;

impl<'a> Status<'a> {
    /// The state now.
    pub fn now(
        running: &Running,
        edge: &'a Edge,
        reloader: &Reloader,
        listeners: &'a [Listener],
        started: Instant,
    ) -> Self {
        let metrics = &running.metrics;
        note_gauges(running);
        Status {
            version: env!("CARGO_PKG_VERSION"),
            pid: std::process::id(),
            uptime_seconds: started.elapsed().as_secs(),
            stopping: running.stopping(),
            generation: edge.generation,
            files: edge
                .sources
                .paths()
                .map(|path| path.display().to_string())
                .collect(),
            last_load: reloader.last(),
            listeners,
            connections: Connections {
                open: metrics.connections_open.get(),
                accepted: metrics.connections_accepted.get(),
                failed: metrics.connections_failed.get(),
                upgraded: metrics.upgraded_open.get(),
            },
            requests_in_flight: metrics.in_flight.get(),
            log_dropped: metrics.log_dropped.get(),
            sites: edge
                .sites
                .iter()
                .map(|site| SiteStatus {
                    name: &site.name,
                    defined: edge.sources.line(site.place),
                    routes: site
                        .routes
                        .iter()
                        .take(ROUTES)
                        .map(|route| RouteStatus {
                            path: &route.label,
                            does: does(&route.action),
                        })
                        .collect(),
                    more_routes: site.routes.len().saturating_sub(ROUTES),
                })
                .collect(),
            upstreams: edge
                .upstreams
                .values()
                .map(|upstream| UpstreamStatus {
                    name: &upstream.name,
                    checked: upstream.checked(),
                    servers: upstream
                        .servers
                        .iter()
                        .map(|server| ServerStatus {
                            address: &server.label,
                            resolved: server.address().filter(|a| a.to_string() != server.label),
                            up: server.health.is_up(),
                            checks: server.health.checks(),
                            in_flight: server.load.count(),
                        })
                        .collect(),
                })
                .collect(),
            certificates: certificates(edge, now()),
            acme: running.issuer.status(),
            visits: running.recorder.watching().map(|watching| watching.now()),
            images: edge.media.as_deref().map(images::status),
            metrics: metrics.snapshot(),
        }
    }
}

fn does(action: &Action) -> String {
    match action {
        Action::Proxy(upstream) => format!("proxy {}", upstream.name),
        Action::Files(files, None) => format!("files {}", files.root()),
        Action::Files(files, Some(app)) => format!("files {}, else {}", files.root(), app.name),
        Action::Redirect(redirect) => format!("redirect {}", redirect.status),
        Action::Respond(fixed, _) => format!("respond {}", fixed.status),
    }
}

/// Writes the servers' health, what is kept in memory and when certificates end into the metrics, as
/// they are asked for.
pub fn note_gauges(running: &Running) {
    let edge = running.edge.load();
    let count = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    running.metrics.files_memory.set(count(edge.files.weight()));
    running
        .metrics
        .answers_memory
        .set(count(edge.memo.weight()));
    let metrics = &running.metrics;
    // Those that were asked for by clients are not here: nobody outside makes series.
    let ends = certificates(&edge, now()).into_iter().map(|one| {
        let label = one.label();
        (one.site, label, one.certificate.not_after as f64)
    });
    metrics.certificates(ends);
    metrics.forget_sinks();
    metrics.visits_spool.set(0);
    if let Some(visits) = running.recorder.watching().map(|watching| watching.now()) {
        metrics.visits_spool.set(count(visits.spool_bytes));
        metrics.visits_lost(visits.lost);
        for sink in &visits.sinks {
            metrics.visits_sink(
                sink.name,
                &SinkFigures {
                    up: sink.up,
                    waiting: sink.waiting,
                    delivered: sink.delivered,
                    failures: sink.failures,
                    trimmed: sink.trimmed,
                    length: sink.length,
                },
            );
        }
    }
    if let Some(media) = &edge.media {
        metrics.images.note(&images::figures(media));
    }
    for upstream in edge.upstreams.values() {
        for server in &upstream.servers {
            running
                .metrics
                .server_up(&upstream.name, &server.label, server.health.is_up());
        }
    }
}
