//! Asking servers whether they can take requests.

use super::connect::Speech;
use super::http2;
use super::server::Server;
use super::settings::{HealthSettings, Target};
use super::socket::Socket;
use crate::config::{Diagnostic, Diagnostics};
use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Closer to each other, health checks would be a load of their own.
const SHORTEST: Duration = Duration::from_millis(10);

/// A health check, compiled.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// Path asked for.
    pub path: http::Uri,
    /// `Host`, when it is not the server's address.
    pub host: Option<HeaderValue>,
    /// Between two checks.
    pub interval: Duration,
    /// For one.
    pub timeout: Duration,
    /// Failures until down.
    pub fall: u32,
    /// Successes until up.
    pub rise: u32,
}

impl HealthCheck {
    /// Compiles the settings. `None` when they cannot be used, which is then said in `errors`.
    pub fn build(settings: &HealthSettings, errors: &mut Diagnostics) -> Option<Self> {
        let before = errors.found();
        let (interval, timeout) = (&settings.interval, &settings.timeout);
        if interval.value < SHORTEST {
            errors.push(
                Diagnostic::new(interval.place, "health checks too close to each other")
                    .label("expected \"10ms\" or more"),
            );
        }
        if timeout.value.is_zero() {
            errors.push(
                Diagnostic::new(timeout.place, "no health check succeeds in no time")
                    .label("expected \"1ms\" or more"),
            );
        }
        let path = &settings.path.value;
        let parsed: Option<http::Uri> = path
            .text
            .starts_with('/')
            .then(|| path.text.parse().ok())
            .flatten();
        if parsed.is_none() && settings.sound {
            errors.push(
                Diagnostic::new(settings.path.place, path.for_messages("path"))
                    .label("expected a path such as \"/health\""),
            );
        }
        let host = settings.host.as_ref().map(|host| {
            let value = host.value.host_value();
            if value.is_none() {
                let what = host.value.for_messages("host");
                errors.push(
                    Diagnostic::new(host.place, what)
                        .label("expected a name such as \"example.org\""),
                );
            }
            value
        });
        if errors.found() > before {
            return None;
        }
        Some(HealthCheck {
            path: parsed?,
            host: host.flatten(),
            interval: interval.value,
            timeout: timeout.value,
            fall: u32::from(settings.unhealthy_after),
            rise: u32::from(settings.healthy_after),
        })
    }
}

/// Checks one server for as long as the task lives.
pub async fn watch(upstream: String, server: Arc<Server>, check: HealthCheck) {
    let mut ticks = tokio::time::interval(check.interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let result = match tokio::time::timeout(check.timeout, ask(&server, &check)).await {
            Ok(result) => result,
            Err(_) => Err(format!("no answer within {:?}", check.timeout)),
        };
        if server.health.note(result.is_ok(), check.fall, check.rise) {
            match &result {
                Ok(()) => tracing::info!(upstream, server = server.label, "server is up again"),
                Err(why) => tracing::warn!(upstream, server = server.label, why, "server is down"),
            }
        }
    }
}

async fn ask(server: &Server, check: &HealthCheck) -> Result<(), String> {
    let socket = match &server.target {
        Target::Unix(path) => UnixStream::connect(path).await.map(Socket::Unix),
        _ => {
            let address = server.address().ok_or("its name has no address")?;
            TcpStream::connect(address).await.map(Socket::Tcp)
        }
    }
    .map_err(|error| error.to_string())?;
    let host = match (&check.host, &server.target) {
        (Some(host), _) => host.clone(),
        (None, Target::Unix(_)) => HeaderValue::from_static("localhost"),
        (None, _) => HeaderValue::from_str(&server.label).map_err(|error| error.to_string())?,
    };
    let status = match server.speech {
        Speech::Http1 => get(socket, check, host).await?,
        Speech::Http2 => get_by_http2(socket, check, &host).await?,
    };
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("answered {}", status.as_u16()))
    }
}

/// Who asks.
const AGENT: &str = concat!("parvis/", env!("CARGO_PKG_VERSION"), " (health check)");

async fn get(socket: Socket, check: &HealthCheck, host: HeaderValue) -> Result<StatusCode, String> {
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::get(check.path.clone())
        .header(header::HOST, host)
        .header(header::USER_AGENT, AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The connection is driven only as long as the head of the answer is awaited. A short answer
    // ends it, and is there then.
    let mut answer = std::pin::pin!(sender.send_request(request));
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    let answer = answer.map_err(|error| error.to_string())?;
    Ok(answer.status())
}

async fn get_by_http2(
    socket: Socket,
    check: &HealthCheck,
    host: &HeaderValue,
) -> Result<StatusCode, String> {
    let opened = http2::open(socket).await;
    let (mut sender, connection) = opened.map_err(|error| error.to_string())?;
    let uri = http::Uri::builder()
        .scheme("http")
        .authority(host.as_bytes())
        .path_and_query(check.path.to_string())
        .build()
        .map_err(|error| error.to_string())?;
    let request = Request::get(uri)
        .header(header::USER_AGENT, AGENT)
        .body(())
        .map_err(|error| error.to_string())?;
    let sent = sender.send_request(request, true);
    let (mut answer, _) = sent.map_err(|error| error.to_string())?;
    let answer = tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    };
    Ok(answer.map_err(|error| error.to_string())?.status())
}
