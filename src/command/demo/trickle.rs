//! The answers of the demo site that take their time.

use std::convert::Infallible;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use hyper::body::Frame;
use serde_json::json;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep};

use super::answer::{self, Answer};
use super::api::unix_ms;
use super::query;

/// The time between two pieces.
const PAUSE: Duration = Duration::from_millis(300);

const LINES: u32 = 5;
const EVENTS: u32 = 10;

/// How long `/slow` takes when the request does not say, in milliseconds.
const SLOW_MS: u64 = 1500;

/// The most that `/slow` takes: more would only keep a connection busy.
const SLOWEST_MS: u64 = 10_000;

/// A body written a piece at a time. hyper sends each piece on while it waits for the next.
pub(super) struct Trickle {
    next: u32,
    last: u32,
    piece: fn(u32) -> String,
    pause: Interval,
}

impl Trickle {
    fn new(next: u32, last: u32, piece: fn(u32) -> String) -> Self {
        let mut pause = interval(PAUSE);
        // After a client that could not keep up: no burst to catch up.
        pause.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            next,
            last,
            piece,
            pause,
        }
    }

    /// The next piece, when it is time.
    pub(super) fn poll_piece(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.next > self.last {
            return Poll::Ready(None);
        }
        ready!(self.pause.poll_tick(context));
        let piece = (self.piece)(self.next);
        self.next = self.next.saturating_add(1);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(piece)))))
    }
}

/// Lines of text.
pub(super) fn stream() -> Response<Answer> {
    answer::trickle("text/plain; charset=utf-8", Trickle::new(1, LINES, line))
}

/// Server-sent events. A browser whose connection broke asks for those after the last it has;
/// after all of them it is told with 204 to ask no more (HTML Standard section 9.2).
pub(super) fn events(request: &HeaderMap) -> Response<Answer> {
    let next = next_event(request);
    if next > EVENTS {
        return answer::empty(StatusCode::NO_CONTENT);
    }
    answer::trickle("text/event-stream", Trickle::new(next, EVENTS, event))
}

/// An answer after as many milliseconds as the query asks for.
pub(super) async fn slow(query: Option<&str>) -> Response<Answer> {
    let ms = match query::value(query, "ms").map(|text| text.parse::<u64>()) {
        None => SLOW_MS,
        Some(Ok(ms)) => ms.min(SLOWEST_MS),
        Some(Err(_)) => {
            let reason = "ms must be a whole number; more than 10000 counts as 10000";
            return answer::refusal(StatusCode::BAD_REQUEST, reason);
        }
    };
    sleep(Duration::from_millis(ms)).await;
    answer::text(StatusCode::OK, format!("Answered after {ms} ms.\n"))
}

fn line(number: u32) -> String {
    format!("Line {number} of {LINES}\n")
}

fn event(number: u32) -> String {
    let data = json!({ "event": number, "of": EVENTS, "unix_ms": unix_ms() });
    format!("id: {number}\ndata: {data}\n\n")
}

fn next_event(request: &HeaderMap) -> u32 {
    request
        .get("last-event-id")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.parse::<u32>().ok())
        .map_or(1, |last| last.saturating_add(1))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn events_go_on_after_the_last_one_received() {
        let mut request = HeaderMap::new();
        assert_eq!(next_event(&request), 1);
        for (last, next) in [("3", 4), ("4294967295", u32::MAX), ("-1", 1), ("x", 1)] {
            request.insert("last-event-id", HeaderValue::from_static(last));
            assert_eq!(next_event(&request), next);
        }
    }
}
