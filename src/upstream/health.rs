//! Asking servers whether they can take requests.

use super::server::Server;
use super::settings::{HealthSettings, Target};
use super::stream::Socket;
use bytes::Bytes;
use http::{Request, header};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// A health check, compiled.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// Path asked for.
    pub path: http::Uri,
    /// `Host`, when it is not the server's address.
    pub host: Option<String>,
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
    /// Compiles the settings.
    ///
    /// # Errors
    /// A path or a time that cannot be used, in words.
    pub fn build(settings: &HealthSettings) -> Result<Self, String> {
        if !settings.path.starts_with('/') {
            return Err("the path of a health check starts with `/`".to_string());
        }
        if settings.interval < Duration::from_millis(10) || settings.timeout.is_zero() {
            return Err(
                "a health check needs an interval of 10ms or more and a timeout".to_string(),
            );
        }
        let path = settings
            .path
            .parse()
            .map_err(|error| format!("not a path: {error}"))?;
        Ok(HealthCheck {
            path,
            host: settings.host.clone(),
            interval: settings.interval,
            timeout: settings.timeout,
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
        (None, Target::Unix(_)) => "localhost".to_string(),
        (None, _) => server.label.clone(),
    };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
        .await
        .map_err(|error| error.to_string())?;
    let request = Request::get(check.path.clone())
        .header(header::HOST, host)
        .header(
            header::USER_AGENT,
            concat!("parvis/", env!("CARGO_PKG_VERSION"), " (health check)"),
        )
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    // The connection is driven only as long as the head of the answer is awaited.
    let answer = tokio::select! {
        answer = sender.send_request(request) => answer.map_err(|error| error.to_string())?,
        _ = connection => return Err("closed without an answer".to_string()),
    };
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("answered {}", status.as_u16()))
    }
}
