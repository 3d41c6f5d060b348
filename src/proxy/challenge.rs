//! An ACME authority asks whether a name is ours.

use super::admit::envelope;
use super::context::Context;
use super::respond::{Answer, Body};
use super::running::Running;
use bytes::Bytes;
use http::Method;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use pingora::http::{RequestHeader, ResponseHeader};

/// Where it asks (RFC 8555 section 8.3).
const PREFIX: &[u8] = b"/.well-known/acme-challenge/";

/// Whether a request may be such a question.
pub fn asks(request: &RequestHeader) -> bool {
    request.raw_path().starts_with(PREFIX)
}

/// The answer, when the request asks for a token of an order in hand. Any other request goes its
/// way, also for a token: the app may have orders of its own.
///
/// # Errors
/// An answer that cannot be built.
pub async fn answer(
    request: &RequestHeader,
    ctx: &Context,
    running: &Running,
) -> pingora::Result<Option<Answer>> {
    let Some(token) = request.raw_path().strip_prefix(PREFIX) else {
        return Ok(None);
    };
    let asks = matches!(request.method, Method::GET | Method::HEAD);
    let (true, Ok(token)) = (asks, std::str::from_utf8(token)) else {
        return Ok(None);
    };
    let Some(proof) = running.issuer.http(token).await else {
        return Ok(None);
    };
    let mut head = ResponseHeader::build(200, Some(8))?;
    head.insert_header(CONTENT_LENGTH, HeaderValue::from(proof.len()))?;
    head.insert_header(CONTENT_TYPE, "application/octet-stream")?;
    Answer::with(head, Body::Whole(Bytes::from(proof)), &envelope(ctx)).map(Some)
}
