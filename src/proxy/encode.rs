//! An answer is encoded on its way to the client.

use super::context::Context;
use super::pages;
use super::respond::{Answer, Body as OwnBody};
use crate::compress::{Body, CompressPolicy, add_vary, encoded, weaken_tag, with_strong_twins};
use crate::content::{Coding, Form, Forms};
use crate::wire::{HeldBack, has_item};
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, IF_MATCH, IF_NONE_MATCH,
    TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long an encoder may hold something back while the app is silent. An app that is still
/// writing needs less; 50 ms is what a person does not notice.
const PATIENCE: Duration = Duration::from_millis(10);
/// What a costly piece gives the thread's other connections.
const REST: Duration = Duration::from_micros(1);

/// Gives a request for an app's answer the tags that the app knows: those that are weak may be so
/// because parvis made them so.
///
/// # Errors
/// More fields than a header map holds.
pub fn ask(request: &mut RequestHeader, ctx: &mut Context) -> Result<()> {
    let encodes = ctx.route().is_some_and(|route| route.compress.is_some());
    if !encodes && !pages::helps(ctx) {
        return Ok(());
    }
    for name in [IF_NONE_MATCH, IF_MATCH] {
        let lines: Vec<&[u8]> = request
            .headers
            .get_all(&name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        if lines.is_empty() {
            continue;
        }
        // Several lines are one list (RFC 9110 section 5.3).
        if let Some(tags) = with_strong_twins(&lines.join(&b", "[..])) {
            request.insert_header(name, tags)?;
            ctx.weak_tags = true;
        }
    }
    Ok(())
}

/// Decides on the coding of an app's answer, whose head is otherwise finished, and begins it.
///
/// # Errors
/// More fields than a header map holds.
pub fn begin(answer: &mut ResponseHeader, session: &mut Session, ctx: &mut Context) -> Result<()> {
    let edge = ctx.edge.clone();
    let Some(policy) = ctx.route().and_then(|route| route.compress.clone()) else {
        return Ok(());
    };
    if answer.status == StatusCode::NOT_MODIFIED && ctx.weak_tags {
        // What the 200 would say (RFC 9110 section 15.4.5).
        add_vary(answer)?;
        return weaken_tag(answer);
    }
    if ctx.plain || !policy.could_encode(answer) {
        return Ok(());
    }
    add_vary(answer)?;
    let request = session.req_header();
    if policy.betrays(&request.headers)
        || has_item(&request.headers, &CACHE_CONTROL, b"no-transform")
    {
        return Ok(());
    }
    let events = answer
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let accepted = match events {
        true => policy.accepted_for_events(&request.headers),
        false => policy.accepted(&request.headers),
    };
    let Some(coding) = accepted.first() else {
        return Ok(());
    };
    let length = length(&answer.headers);
    encoded(answer, coding)?;
    // An HTTP/1.0 client knows no chunks: its answer ends with the connection.
    let chunked = request.version == Version::HTTP_11;
    if request.method == Method::HEAD {
        answer.remove_header(&TRANSFER_ENCODING);
        return Ok(());
    }
    if chunked {
        answer.insert_header(TRANSFER_ENCODING, HeaderValue::from_static("chunked"))?;
    } else {
        session.set_keepalive(None);
    }
    let patience = if events { Duration::ZERO } else { PATIENCE };
    let memo = (!has_item(&answer.headers, &CACHE_CONTROL, b"no-store")).then(|| edge.memo.clone());
    let body = Arc::new(Mutex::new(match events {
        true => Body::of_events(coding),
        false => Body::new(coding, length, memo),
    }));
    if let Some(connection) = &ctx.connection {
        connection.exchange.hold(body.clone(), chunked, patience);
    }
    ctx.encoding = Some(body);
    Ok(())
}

fn length(headers: &HeaderMap) -> Option<u64> {
    headers
        .get(CONTENT_LENGTH)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// Encodes a piece of an app's answer. Returns what the thread's others are given after it.
/// `waits`: whether the connection will be read while the app is silent, so that what is held back
/// can be released then; it is not while an app leaves a request's body unread.
///
/// # Errors
/// The encoder failed.
pub fn piece(
    ctx: &Context,
    body: &mut Option<Bytes>,
    end: bool,
    waits: bool,
) -> Result<Option<Duration>> {
    let Some(encoding) = &ctx.encoding else {
        return Ok(None);
    };
    let mut encoding = encoding.lock().unwrap_or_else(PoisonError::into_inner);
    let piece = body.take().unwrap_or_default();
    if piece.is_empty() && !end {
        return Ok(None);
    }
    let failed =
        |error| Error::because(ErrorType::InternalError, "cannot compress", error).into_in();
    let mut out = encoding.put(piece, end).map_err(failed)?;
    if !waits && encoding.holds() {
        let mut all = out.to_vec();
        encoding.release(&mut all).map_err(failed)?;
        out = Bytes::from(all);
    }
    if let Some(connection) = &ctx.connection {
        connection.exchange.set_holding(encoding.holds());
    }
    // An empty piece would be written as a chunk, and that as the last one.
    *body = (!out.is_empty()).then_some(out);
    Ok(encoding.should_rest().then_some(REST))
}

/// The coding in which an answer of our own is sent; its head tells caches.
///
/// # Errors
/// More fields than a header map holds.
pub fn own_coding(
    answer: &mut Answer,
    policy: Option<&CompressPolicy>,
    request: &HeaderMap,
) -> Result<Option<Coding>> {
    let Some(policy) = policy.filter(|policy| policy.could_encode(&answer.head)) else {
        return Ok(None);
    };
    add_vary(&mut answer.head)?;
    Ok(policy.accepted(request).first())
}

/// Puts an encoded form into an answer of our own, when there is one worth it.
///
/// # Errors
/// More fields than a header map holds.
pub fn put_form(answer: &mut Answer, coding: Coding, form: &Form) -> Result<()> {
    let Some(bytes) = &form.bytes else {
        return Ok(());
    };
    encoded(&mut answer.head, coding)?;
    answer
        .head
        .insert_header(CONTENT_LENGTH, HeaderValue::from(bytes.len()))?;
    answer.body = OwnBody::Whole(bytes.clone());
    Ok(())
}

/// Encodes a fixed answer, in a form that is kept in `forms`.
///
/// # Errors
/// The encoder failed, or more fields than a header map holds.
pub fn fixed(
    answer: &mut Answer,
    forms: &Arc<Forms>,
    policy: Option<&CompressPolicy>,
    request: &HeaderMap,
    ctx: &Context,
) -> Result<()> {
    let coding = own_coding(answer, policy, request)?;
    let (Some(coding), OwnBody::Whole(body)) = (coding, &answer.body) else {
        return Ok(());
    };
    let form = ctx
        .edge
        .workshop
        .form(coding, body, forms)
        .map_err(|error| Error::because(ErrorType::InternalError, "cannot compress", error))?;
    put_form(answer, coding, &form)
}
