//! `/api/analytics/`: questions about visits, for the dashboard and for scripts.

use super::http_interface::{Answer, Interface, json};
use crate::visits::micros;
use crate::visits::statistics::api::{Asked, Reply};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, IF_NONE_MATCH};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use std::time::SystemTime;

/// Where the questions are.
pub const PREFIX: &str = "/api/analytics";

/// Answers a question. `path`: what stands behind [`PREFIX`].
pub async fn answer<B>(interface: &Interface, request: &Request<B>, path: &str) -> Answer {
    let Some(desk) = interface.running.recorder.desk() else {
        let records = interface.running.edge.load().visits.is_some();
        let (status, error) = match (interface.running.recorder.trouble(), records) {
            (Some(trouble), true) => (StatusCode::SERVICE_UNAVAILABLE, trouble.to_string()),
            (_, true) => (
                StatusCode::NOT_FOUND,
                "visits are kept in no database: give `store` a path in [visits]".to_string(),
            ),
            (_, false) => (
                StatusCode::NOT_FOUND,
                "no site records visits: set visits = true for a site".to_string(),
            ),
        };
        return json(status, &serde_json::json!({ "error": error }));
    };
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_string);
    let if_none_match = request.headers().get(IF_NONE_MATCH).and_then(text);
    let method = request.method().as_str().to_string();
    let query = request.uri().query().unwrap_or("").to_string();
    let path = path.to_string();
    // The database is on a disk, and the interface has one thread.
    let asked = tokio::task::spawn_blocking(move || {
        desk.answer(&Asked {
            method: &method,
            path: &path,
            query: &query,
            only_site: None,
            if_none_match: if_none_match.as_deref(),
            now: micros(SystemTime::now()),
        })
    });
    match asked.await {
        Ok(reply) => told(reply),
        Err(error) => {
            let body = serde_json::json!({ "error": error.to_string() });
            json(StatusCode::INTERNAL_SERVER_ERROR, &body)
        }
    }
}

fn told(reply: Reply) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(reply.body)));
    *answer.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let private = HeaderValue::from_static("private, no-cache");
    headers.insert(CACHE_CONTROL, private);
    let etag = reply.etag.and_then(|etag| HeaderValue::try_from(etag).ok());
    if let Some(etag) = etag {
        headers.insert(ETAG, etag);
    }
    if let Some(allow) = reply.allow {
        headers.insert(ALLOW, HeaderValue::from_static(allow));
    }
    answer
}
