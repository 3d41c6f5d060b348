//! A request ends: what is counted and written about it.

use super::connection::Connection;
use super::context::Context;
use super::running::Running;
use super::status;
use crate::observe::settings::Destination;
use crate::observe::{Counted, Entry};
use crate::visits;
use crate::wire::target;
use http::Version;
use http::header::{HOST, HeaderName, HeaderValue, REFERER, USER_AGENT};
use pingora::Error;
use pingora::http::{RequestHeader, ResponseHeader};
use std::sync::PoisonError;
use std::time::{Duration, SystemTime};

/// Milliseconds with three decimals, as `Server-Timing` has them.
pub fn millis(duration: Duration) -> String {
    let micros = duration.as_micros();
    format!("{}.{:03}", micros / 1000, micros % 1000)
}

/// nginx's number for a client that went before its answer.
const CLIENT_CLOSED: u16 = 499;

/// Counts the request and writes its line. `answer`: the head that the client was sent last.
pub fn record(
    running: &Running,
    request: &RequestHeader,
    answer: Option<&ResponseHeader>,
    error: Option<&Error>,
    ctx: &Context,
) {
    let duration = ctx.started.elapsed();
    let upstream_duration = ctx
        .answered
        .zip(ctx.connected)
        .map(|(answered, sent)| answered.saturating_duration_since(sent));
    let written = answer
        .map(|head| head.status.as_u16())
        // An interim answer is none.
        .filter(|s| *s == 101 || *s >= 200);
    let status = written.unwrap_or(if error.is_some() {
        CLIENT_CLOSED
    } else {
        ctx.status
    });
    let fault = ctx
        .fault
        .or_else(|| error.map(|error| status::verdict(error).kind));
    let (bytes_in, bytes_out) = ctx
        .connection
        .as_ref()
        .map_or((0, 0), |connection| connection.exchange.bytes());
    let site = ctx.site();
    let (site_name, route_label) = (
        site.map_or("", |s| s.name.as_str()),
        ctx.route().map_or("", |r| r.label.as_str()),
    );
    let counted = Counted {
        method: request.method.as_str(),
        status,
        seconds: duration.as_secs_f64(),
        app_seconds: upstream_duration.map(|d| d.as_secs_f64()),
        received: bytes_in,
        sent: bytes_out,
    };
    match (ctx.route(), site) {
        (Some(route), _) => route
            .metrics
            .count(&running.metrics, site_name, route_label, &counted),
        (None, Some(site)) => site
            .metrics
            .count(&running.metrics, site_name, "", &counted),
        (None, None) => running.metrics.refuse(fault.unwrap_or("no_site")),
    }
    if let Some(encoding) = &ctx.encoding {
        let encoding = encoding.lock().unwrap_or_else(PoisonError::into_inner);
        let (taken, made) = encoding.counts();
        running
            .metrics
            .compressed(encoding.coding().name(), taken, made);
    }
    note_visit(running, request, answer, error, ctx, (status, duration));
    let log = &ctx.edge.log;
    if log
        .slow
        .is_some_and(|limit| duration > limit && ctx.upgraded.is_none())
    {
        warn_of_slow(ctx, request.raw_path(), status, duration);
    }
    if log.access == Destination::Off {
        return;
    }
    let (path, query) = target::split_target(request.raw_path());
    let field = |name: &HeaderName| {
        request
            .headers
            .get(name)
            .map_or(&b""[..], HeaderValue::as_bytes)
    };
    let entry = Entry {
        time: SystemTime::now(),
        site: site_name,
        route: route_label,
        client: ctx.client,
        method: request.method.as_str(),
        host: field(&HOST),
        path,
        query,
        status,
        bytes_in,
        bytes_out,
        duration,
        upstream_duration,
        upstream: ctx
            .connected
            .and(ctx.server.as_ref())
            .map(|server| server.label.as_str()),
        protocol: protocol(request.version, ctx.connection.as_deref()),
        request_id: ctx
            .request_id
            .as_ref()
            .map_or(&b""[..], HeaderValue::as_bytes),
        referrer: field(&REFERER),
        user_agent: field(&USER_AGENT),
        fault,
    };
    running.logbook.note(log.format, &entry);
}

/// A page that was sent whole may be a guest's visit.
fn note_visit(
    running: &Running,
    request: &RequestHeader,
    answer: Option<&ResponseHeader>,
    error: Option<&Error>,
    ctx: &Context,
    (status, took): (u16, Duration),
) {
    let (Some(policy), Some(site)) = (&ctx.edge.visits, ctx.site()) else {
        return;
    };
    let (Some(site), Some(answer)) = (&site.visits, answer) else {
        return;
    };
    if error.is_some() || ctx.upgraded.is_some() {
        return;
    }
    let ended = visits::Ended {
        method: &request.method,
        request: &request.headers,
        status,
        answer: &answer.headers,
        known: ctx.known,
    };
    let facts = visits::Facts {
        took,
        client: ctx.client,
        target: request.raw_path(),
    };
    running.recorder.note(policy, site, &ended, &facts);
}

/// As clients speak it: pingora is given HTTP/1 always.
fn protocol(version: Version, connection: Option<&Connection>) -> &'static str {
    match (
        version,
        connection.is_some_and(|connection| connection.http2),
    ) {
        (_, true) => "HTTP/2.0",
        (Version::HTTP_10, _) => "HTTP/1.0",
        _ => "HTTP/1.1",
    }
}

/// A slow request with its phases: choosing a server and connecting, the app's head, the rest.
fn warn_of_slow(ctx: &Context, target: &[u8], status: u16, duration: Duration) {
    let (path, _) = target::split_target(target);
    let between = |a: Option<std::time::Instant>, b: Option<std::time::Instant>| {
        a.zip(b)
            .map(|(a, b)| millis(b.saturating_duration_since(a)))
            .unwrap_or_default()
    };
    let body = ctx
        .answered
        .map(|answered| millis(answered.elapsed()))
        .unwrap_or_default();
    tracing::warn!(
        site = ctx.site().map_or("", |s| s.name.as_str()),
        route = ctx.route().map_or("", |r| r.label.as_str()),
        path = %String::from_utf8_lossy(path).escape_debug(),
        status,
        request_id = ctx.request_id.as_ref().and_then(|id| id.to_str().ok()).unwrap_or(""),
        total_ms = millis(duration),
        connect_ms = between(ctx.chosen, ctx.connected),
        app_ms = between(ctx.connected, ctx.answered),
        body_ms = body,
        "slow request"
    );
}
