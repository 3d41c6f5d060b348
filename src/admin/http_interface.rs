//! The operator's HTTP interface.

use super::reload::Reloader;
use super::status::{Listener, Status, note_gauges};
use crate::proxy::Running;
use bytes::Bytes;
use http::header::{ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};
use subtle::ConstantTimeEq;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};

/// What the interface tells about and acts on.
#[derive(Debug)]
pub struct Interface {
    /// The process.
    pub running: Arc<Running>,
    /// Puts configurations in force.
    pub reloader: Arc<Reloader>,
    /// Where clients are listened for.
    pub listeners: Vec<Listener>,
    /// When the process began.
    pub started: Instant,
}

/// Connections at a time: scrapers and people, not visitors.
const CONNECTIONS: usize = 64;
/// A head must be there within this time.
const HEADER: Duration = Duration::from_secs(5);
/// An answer that the client does not take for this long is given up.
const TAKEN: Duration = Duration::from_secs(5);

/// Serves the interface for as long as the task lives.
pub async fn serve(interface: Arc<Interface>, listener: TcpListener) {
    let mut open = JoinSet::new();
    let mut places: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    places.retain(|place| !place.is_finished());
                    // A request takes milliseconds: when all places are taken, the connection that
                    // is open for longest is the one that wants nothing, and leaves.
                    if places.len() >= CONNECTIONS
                        && let Some(oldest) = places.pop_front()
                    {
                        oldest.abort();
                    }
                    places.push_back(open.spawn(connection(interface.clone(), stream)));
                }
                Err(error) => {
                    tracing::warn!(%error, "the admin interface cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            Some(_) = open.join_next() => {}
        }
    }
}

async fn connection(interface: Arc<Interface>, stream: TcpStream) {
    // hyper has no time-out for writing; the kernel does.
    if let Err(error) = SockRef::from(&stream).set_tcp_user_timeout(Some(TAKEN)) {
        tracing::debug!(%error, "admin connection");
    }
    let service = service_fn(|request| {
        let interface = interface.clone();
        async move { Ok::<_, Infallible>(answer(&interface, &request).await) }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "admin connection");
    }
}

type Answer = Response<Full<Bytes>>;

async fn answer(interface: &Interface, request: &Request<Incoming>) -> Answer {
    let path = request.uri().path();
    let method = request.method();
    let read = *method == Method::GET || *method == Method::HEAD;
    if path == "/health" {
        return if !read {
            not_allowed("GET, HEAD")
        } else {
            health(interface)
        };
    }
    if !authorised(interface, request) {
        let mut answer = text(
            StatusCode::UNAUTHORIZED,
            "a token is needed: Authorization: Bearer TOKEN\n",
        );
        answer
            .headers_mut()
            .insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer"));
        return answer;
    }
    match path {
        "/metrics" if read => metrics(interface),
        "/status" if read => {
            let edge = interface.running.edge.load_full();
            let status = Status::now(
                &interface.running,
                &edge,
                &interface.reloader,
                &interface.listeners,
                interface.started,
            );
            json(StatusCode::OK, &status)
        }
        "/reload" if *method == Method::POST => reload(interface).await,
        "/metrics" | "/status" => not_allowed("GET, HEAD"),
        "/reload" => not_allowed("POST"),
        "/" if read => text(
            StatusCode::OK,
            "parvis\n\nGET  /health\nGET  /metrics\nGET  /status\nPOST /reload\n",
        ),
        "/" => not_allowed("GET, HEAD"),
        _ => text(
            StatusCode::NOT_FOUND,
            "there is /health, /metrics, /status and /reload\n",
        ),
    }
}

fn health(interface: &Interface) -> Answer {
    if interface.running.stopping() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    text(StatusCode::OK, "ok\n")
}

/// Compares in a time that tells nothing of how much was right.
fn authorised(interface: &Interface, request: &Request<Incoming>) -> bool {
    let edge = interface.running.edge.load();
    if edge.token.is_empty() {
        return true;
    }
    let given = request
        .headers()
        .get(AUTHORIZATION)
        .map_or(&b""[..], |value| value.as_bytes());
    let (scheme, token) = given.split_at_checked(7).unwrap_or_default();
    scheme.eq_ignore_ascii_case(b"bearer ")
        && bool::from(token.trim_ascii().ct_eq(edge.token.as_bytes()))
}

fn metrics(interface: &Interface) -> Answer {
    note_gauges(&interface.running);
    match interface.running.metrics.render() {
        Ok(page) => {
            let mut answer = text(StatusCode::OK, page);
            let kind = http::HeaderValue::from_static(prometheus::TEXT_FORMAT);
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

async fn reload(interface: &Interface) -> Answer {
    match interface.reloader.reload("POST /reload").await {
        Ok(reloaded) => json(StatusCode::OK, &reloaded),
        Err(error) => json(
            StatusCode::UNPROCESSABLE_ENTITY,
            &serde_json::json!({ "error": error }),
        ),
    }
}

fn not_allowed(allow: &'static str) -> Answer {
    let mut answer = text(
        StatusCode::METHOD_NOT_ALLOWED,
        format!("expected {allow}\n"),
    );
    answer
        .headers_mut()
        .insert(ALLOW, http::HeaderValue::from_static(allow));
    answer
}

fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
    match serde_json::to_string_pretty(value) {
        Ok(body) => {
            let mut answer = text(status, format!("{body}\n"));
            let kind = http::HeaderValue::from_static("application/json");
            answer.headers_mut().insert(CONTENT_TYPE, kind);
            answer
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        http::HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
    answer
}
