//! A site's numbers, told on the site itself to who has the token.

use super::admit::{envelope, not_allowed, refusal};
use super::context::Context;
use super::respond::Answer;
use super::running::Running;
use crate::headers::has_token;
use crate::visits::micros;
use crate::visits::statistics::api::{Asked, Reply};
use crate::wire::target;
use bytes::Bytes;
use http::Method;
use http::header::{CACHE_CONTROL, ETAG, HeaderValue, IF_NONE_MATCH, WWW_AUTHENTICATE};
use pingora::http::RequestHeader;
use std::time::SystemTime;
use tokio::sync::Semaphore;

/// Questions that are answered at a time, all sites and threads together.
static QUESTIONS: Semaphore = Semaphore::const_new(2);

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Answers a request for a site's numbers. `path`: what stands behind the shared prefix, with a
/// slash before it.
///
/// # Errors
/// More fields than a header map holds.
pub async fn answer(
    request: &RequestHeader,
    ctx: &mut Context,
    running: &Running,
    path: String,
) -> pingora::Result<Answer> {
    let site = ctx.site().and_then(|site| site.visits.clone());
    let Some((site, share)) = site
        .as_ref()
        .and_then(|site| Some((site, site.share.as_ref()?)))
    else {
        return plain(404, br#"{"error":"nothing is shared here"}"#, ctx);
    };
    if !has_token(&request.headers, &share.token) {
        ctx.fault = Some("token");
        let body = br#"{"error":"a token is needed: Authorization: Bearer TOKEN"}"#;
        let mut answer = plain(401, body, ctx)?;
        let scheme = HeaderValue::from_static("Bearer");
        answer.head.insert_header(WWW_AUTHENTICATE, scheme)?;
        return Ok(answer);
    }
    // What changes something is the operator's, on the admin interface.
    if ![Method::GET, Method::HEAD].contains(&request.method) {
        return not_allowed("GET, HEAD", request, ctx);
    }
    let Some(desk) = running.recorder.desk() else {
        let body = br#"{"error":"visits are kept in no database: set `store` in [visits]"}"#;
        return plain(503, body, ctx);
    };
    // Files are read by the same threads: questions must not take them all.
    let Ok(_turn) = QUESTIONS.try_acquire() else {
        ctx.retry_after = Some(1);
        return refusal(503, "numbers_busy", request, ctx);
    };
    let (_, query) = target::split_target(request.raw_path());
    let query = String::from_utf8_lossy(query.unwrap_or_default()).into_owned();
    let method = request.method.as_str().to_string();
    let if_none_match = request.headers.get(IF_NONE_MATCH);
    let if_none_match = if_none_match.and_then(|value| Some(value.to_str().ok()?.to_string()));
    let site = site.name.clone();
    // The database is on a disk.
    let asked = tokio::task::spawn_blocking(move || {
        desk.answer(&Asked {
            method: &method,
            path: &path,
            query: &query,
            only_site: Some(&site),
            if_none_match: if_none_match.as_deref(),
            now: micros(SystemTime::now()),
        })
    });
    match asked.await {
        Ok(reply) => json(reply, ctx),
        Err(_) => plain(
            500,
            br#"{"error":"the question could not be answered"}"#,
            ctx,
        ),
    }
}

fn plain(status: u16, body: &'static [u8], ctx: &Context) -> pingora::Result<Answer> {
    let mut answer = Answer::new(status, &JSON, Bytes::from_static(body), &envelope(ctx))?;
    let never = HeaderValue::from_static("no-store");
    answer.head.insert_header(CACHE_CONTROL, never)?;
    Ok(answer)
}

fn json(reply: Reply, ctx: &Context) -> pingora::Result<Answer> {
    let mut answer = Answer::new(reply.status, &JSON, reply.body.into(), &envelope(ctx))?;
    // Kept by nobody but who asked, and asked for again each time.
    let private = HeaderValue::from_static("private, no-cache");
    answer.head.insert_header(CACHE_CONTROL, private)?;
    if let Some(etag) = reply.etag {
        answer.head.insert_header(ETAG, etag)?;
    }
    if let Some(allow) = reply.allow {
        answer.head.insert_header("Allow", allow)?;
    }
    Ok(answer)
}
