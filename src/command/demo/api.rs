//! The JSON documents of the demo site.

use std::time::{SystemTime, UNIX_EPOCH};

use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::answer::{self, Answer};
use super::query;

/// How many items are listed when the request does not say.
const ITEMS: u32 = 20;

/// How many items are listed at most.
const MOST_ITEMS: u32 = 1000;

const COLOURS: [&str; 5] = ["sand", "slate", "ochre", "ivory", "moss"];

/// Milliseconds since the Unix epoch; 0 with a clock that is set before it.
pub(super) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The time.
pub(super) fn time() -> Response<Answer> {
    answer::json(StatusCode::OK, &json!({ "unix_ms": unix_ms() }))
}

/// The request as it arrived here. The header fields are pairs in the order in which they
/// arrived, save that fields of one name stand together; a list can hold a name twice.
pub(super) async fn echo(request: Request<Incoming>) -> Response<Answer> {
    let (head, mut body) = request.into_parts();
    // Counted and let go, so that an upload of any length needs no memory.
    let mut length: u64 = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else {
            return answer::refusal(
                StatusCode::BAD_REQUEST,
                "the body ended early or is malformed",
            );
        };
        let piece = frame.data_ref().map_or(0, |data| data.len() as u64);
        length = length.saturating_add(piece);
    }
    let headers: Vec<Value> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    answer::json(
        StatusCode::OK,
        &json!({
            "method": head.method.as_str(),
            "path": head.uri.path(),
            "query": head.uri.query(),
            "headers": headers,
            "body_length": length,
        }),
    )
}

/// A list of as many items as the query asks for.
pub(super) fn items(query: Option<&str>) -> Response<Answer> {
    let Some(count) = item_count(query) else {
        let reason = format!("n must be a whole number from 1 to {MOST_ITEMS}");
        return answer::refusal(StatusCode::BAD_REQUEST, &reason);
    };
    let items: Vec<Value> = (1..=count)
        .zip(COLOURS.iter().cycle())
        .map(|(id, colour)| json!({ "id": id, "name": format!("Stone {id}"), "colour": colour }))
        .collect();
    answer::json(StatusCode::OK, &json!({ "count": count, "items": items }))
}

fn item_count(query: Option<&str>) -> Option<u32> {
    match query::value(query, "n") {
        None => Some(ITEMS),
        Some(text) => text.parse().ok().filter(|n| (1..=MOST_ITEMS).contains(n)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_items_is_bounded() {
        assert_eq!(item_count(None), Some(ITEMS));
        assert_eq!(item_count(Some("n=1")), Some(1));
        assert_eq!(item_count(Some("n=1000")), Some(1000));
        for query in [
            "n=0",
            "n=1001",
            "n=-1",
            "n=",
            "n=ten",
            "n=99999999999999999999",
        ] {
            assert_eq!(item_count(Some(query)), None, "{query}");
        }
    }
}
