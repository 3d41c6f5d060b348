//! The answers of the demo site, each built in one place.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH,
    LOCATION,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};

use super::assets::Asset;
use super::trickle::Trickle;

const HTML: &str = "text/html; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The body of an answer.
pub(super) enum Answer {
    /// Known from the start, so its length is too.
    Whole(Full<Bytes>),
    /// Written a piece at a time.
    Trickle(Trickle),
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.get_mut() {
            Self::Whole(whole) => Pin::new(whole).poll_frame(context),
            Self::Trickle(trickle) => trickle.poll_piece(context),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Whole(whole) => whole.is_end_stream(),
            Self::Trickle(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(whole) => whole.size_hint(),
            Self::Trickle(_) => SizeHint::default(),
        }
    }
}

/// An asset, or 304 when the client has it already (RFC 9110 section 13.1.2).
pub(super) fn asset(asset: &Asset, request: &HeaderMap) -> Response<Answer> {
    let etag = asset.etag();
    let mut response = if holds(request, &etag) {
        let mut response = Response::new(Answer::Whole(Full::default()));
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        whole(
            StatusCode::OK,
            asset.content_type,
            Bytes::from_static(asset.body),
        )
    };
    // Kept, but asked for again every time: a new parvis is seen at once, and 304 is seen at all.
    set(&mut response, CACHE_CONTROL, "no-cache");
    // Hexadecimal digits in quotes are always a field value.
    if let Ok(etag) = HeaderValue::try_from(etag) {
        response.headers_mut().insert(ETAG, etag);
    }
    response
}

/// A page that is no asset of its own: an error.
pub(super) fn page(status: StatusCode, html: &'static str) -> Response<Answer> {
    fresh(whole(status, HTML, Bytes::from_static(html.as_bytes())))
}

/// A line of text.
pub(super) fn text(status: StatusCode, line: String) -> Response<Answer> {
    fresh(whole(status, TEXT, Bytes::from(line)))
}

/// A JSON document.
pub(super) fn json(status: StatusCode, value: &Value) -> Response<Answer> {
    let body = Bytes::from(format!("{value}\n"));
    fresh(whole(status, "application/json", body))
}

/// The error answer of everything that is not a page: 400 and the like, saying what is wrong.
pub(super) fn refusal(status: StatusCode, reason: &str) -> Response<Answer> {
    json(status, &json!({ "error": reason }))
}

/// An answer that is written a piece at a time.
pub(super) fn trickle(content_type: &'static str, trickle: Trickle) -> Response<Answer> {
    let mut response = Response::new(Answer::Trickle(trickle));
    set(&mut response, CONTENT_TYPE, content_type);
    fresh(response)
}

/// An answer without a body: a status says it all.
pub(super) fn empty(status: StatusCode) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Full::default()));
    *response.status_mut() = status;
    response
}

/// 308 to another path.
pub(super) fn moved(path: &'static str) -> Response<Answer> {
    let mut response = empty(StatusCode::PERMANENT_REDIRECT);
    set(&mut response, LOCATION, path);
    response
}

/// 405 for what can only be read.
pub(super) fn method_not_allowed() -> Response<Answer> {
    let mut response = text(
        StatusCode::METHOD_NOT_ALLOWED,
        "This can only be read: GET or HEAD.\n".to_owned(),
    );
    set(&mut response, ALLOW, "GET, HEAD");
    response
}

/// Sets one header field to a value that is known to be valid.
pub(super) fn set(response: &mut Response<Answer>, name: HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

fn whole(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Answer> {
    let mut response = Response::new(Answer::Whole(Full::new(body)));
    *response.status_mut() = status;
    set(&mut response, CONTENT_TYPE, content_type);
    response
}

fn fresh(mut response: Response<Answer>) -> Response<Answer> {
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

// The comparison is weak: a proxy that compresses makes the entity tag a weak one. None of the
// site's tags has a comma in it, so one inside a foreign tag does no harm.
fn holds(request: &HeaderMap, etag: &str) -> bool {
    request
        .get_all(IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds_one(value: &'static str) -> bool {
        let mut request = HeaderMap::new();
        request.insert(IF_NONE_MATCH, HeaderValue::from_static(value));
        holds(&request, "\"5a\"")
    }

    #[test]
    fn an_entity_tag_is_compared_weakly() {
        assert!(holds_one("\"5a\""));
        assert!(holds_one("W/\"5a\""));
        assert!(holds_one("\"77\" , W/\"5a\""));
        assert!(holds_one("*"));
    }

    #[test]
    fn another_entity_tag_is_not_held() {
        assert!(!holds_one("\"5b\""));
        assert!(!holds_one("5a"));
        assert!(!holds_one(""));
        assert!(!holds(&HeaderMap::new(), "\"5a\""));
    }

    #[test]
    fn a_held_asset_is_answered_without_its_body() {
        let page = Asset::new("/", HTML, b"<!doctype html>");
        let mut request = HeaderMap::new();
        assert_eq!(asset(&page, &request).status(), StatusCode::OK);
        let etag = asset(&page, &request).headers_mut().remove(ETAG);
        assert!(etag.is_some());
        request.extend(etag.map(|etag| (IF_NONE_MATCH, etag)));
        let response = asset(&page, &request);
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert!(response.body().is_end_stream());
    }
}
