//! The operator's HTTP interface.

use super::reload::Reloader;
use super::status::{Listener, Status, note_gauges};
use super::{analytics, dashboard};
use crate::headers::has_token;
use crate::proxy::Running;
use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HOST, HeaderName, HeaderValue, IF_NONE_MATCH,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
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

/// What the interface answers.
pub type Answer = Response<Full<Bytes>>;

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
    if path != "/metrics" && !is_meant(interface, request) {
        return text(
            StatusCode::FORBIDDEN,
            "ask by address or as localhost, or set a token in [admin]\n",
        );
    }
    // The page itself tells nothing: it asks its visitor for the token.
    if let Some(asset) = dashboard::file(path) {
        return if !read {
            not_allowed("GET, HEAD")
        } else {
            page(asset, request.headers())
        };
    }
    if !read && by_another_site(request) {
        return text(
            StatusCode::FORBIDDEN,
            "a page of another site asks for this\n",
        );
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
    if let Some(rest) = path.strip_prefix(analytics::PREFIX)
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return analytics::answer(interface, request, rest).await;
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
            "parvis\n\nGET  /health\nGET  /metrics\nGET  /status\nPOST /reload\n\
             GET  /dashboard\nGET  /api/analytics/\n",
        ),
        "/" => not_allowed("GET, HEAD"),
        _ => text(
            StatusCode::NOT_FOUND,
            "there is /health, /metrics, /status, /reload, /dashboard and /api/analytics/\n",
        ),
    }
}

/// A file of the dashboard, unless the browser has it already.
fn page(asset: &'static dashboard::Asset, request: &HeaderMap) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from_static(asset.bytes)));
    let has = request.get_all(IF_NONE_MATCH).iter();
    if has
        .flat_map(|field| field.as_bytes().split(|b| *b == b','))
        .any(|tag| tag.trim_ascii() == asset.etag.as_bytes())
    {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        *answer.body_mut() = Full::default();
    }
    let headers = answer.headers_mut();
    for (name, value) in dashboard::HEADERS {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(asset.content_type));
    if let Ok(etag) = HeaderValue::from_str(&asset.etag) {
        headers.insert(ETAG, etag);
    }
    answer
}

fn health(interface: &Interface) -> Answer {
    if interface.running.stopping() {
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    text(StatusCode::OK, "ok\n")
}

fn authorised(interface: &Interface, request: &Request<Incoming>) -> bool {
    let edge = interface.running.edge.load();
    edge.token.is_empty() || has_token(request.headers(), &edge.token)
}

/// Whether a request names an address or localhost, or must have the token. A name that somebody
/// else gave this machine is how another site's page gets at what only this machine reaches (DNS
/// rebinding).
fn is_meant(interface: &Interface, request: &Request<Incoming>) -> bool {
    if !interface.running.edge.load().token.is_empty() {
        return true;
    }
    let host = request
        .headers()
        .get(HOST)
        .and_then(|host| host.to_str().ok());
    // HTTP/1.0 knows no Host, and no browser speaks it.
    host.is_none_or(|host| {
        let name = host.rsplit_once(':').map_or(host, |(name, port)| {
            match port.bytes().all(|b| b.is_ascii_digit()) {
                true => name,
                false => host,
            }
        });
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.ends_with(".localhost") || address.parse::<IpAddr>().is_ok()
    })
}

/// Whether a browser says that another site's page makes it ask: the operator's browser reaches
/// what the world does not.
fn by_another_site(request: &Request<Incoming>) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| !matches!(site.as_bytes(), b"same-origin" | b"none"))
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

/// An answer in JSON.
pub fn json(status: StatusCode, value: &impl serde::Serialize) -> Answer {
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
