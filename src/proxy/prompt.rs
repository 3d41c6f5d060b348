//! Answers of our own to requests without a body, without pingora's part in it.
//!
//! A stream of HTTP/2 costs nothing but its frames. Making a session of pingora's of it costs several
//! microseconds, most of them for things that a fixed answer has no use for.

use super::admit::{self, Admitted};
use super::challenge;
use super::connection::Connection;
use super::context::Context;
use super::record;
use super::respond::{Answer, Body};
use super::running::Running;
use crate::observe::Held;
use bytes::Bytes;
use http::{HeaderValue, Method};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::date::get_cached_date;
use std::sync::Arc;

/// The longest body that is sent so: it waits in memory until the client's window takes it.
const LONGEST: usize = 16 * 1024;

/// An answer, and what is to be written down about it.
#[derive(Debug)]
pub struct Prompt {
    /// Its head.
    pub head: ResponseHeader,
    /// Its body; empty for a HEAD.
    pub body: Bytes,
    request: RequestHeader,
    ctx: Context,
}

/// The answer to a request without a body, if it is one that parvis gives by itself and at once. The
/// head was judged already (`wire::head`). When it is not, nothing has happened: the request goes the
/// way of all others.
pub fn prompt(
    running: &Running,
    connection: &Arc<Connection>,
    mut request: RequestHeader,
) -> Option<Prompt> {
    if challenge::asks(&request) || running.stopping() {
        return None;
    }
    let in_flight = Held::new(&running.metrics.in_flight);
    let mut ctx = Context::new(running.edge.load_full(), in_flight);
    admit::identify(&mut request, connection.clone(), &mut ctx);
    let Ok(Admitted::Answer(answer)) = admit::admit(&request, &mut ctx) else {
        return None;
    };
    let Answer { mut head, body } = *answer;
    let body = match body {
        Body::None => Bytes::new(),
        Body::Whole(bytes) if bytes.len() <= LONGEST => bytes,
        Body::Whole(_) | Body::Parts(_) | Body::Encoded(..) => return None,
    };
    let body = match request.method == Method::HEAD {
        true => Bytes::new(),
        false => body,
    };
    head.insert_header(http::header::DATE, get_cached_date())
        .ok()?;
    ctx.status = head.status.as_u16();
    Some(Prompt {
        head,
        body,
        request,
        ctx,
    })
}

impl Prompt {
    /// Counts the answer and writes its line. `received`: bytes of the request's head, as HTTP/1 has
    /// them.
    pub fn record(&self, running: &Running, received: usize) {
        if let Some(connection) = &self.ctx.connection {
            let fields = self.head.headers.iter();
            let length = |(name, value): (&http::HeaderName, &HeaderValue)| {
                name.as_str()
                    .len()
                    .saturating_add(value.len())
                    .saturating_add(4)
            };
            let head = fields.map(length).fold(STATUS_LINE, usize::saturating_add);
            connection.exchange.count_received(received);
            connection
                .exchange
                .count_sent(head.saturating_add(self.body.len()));
        }
        record::record(running, &self.request, Some(&self.head), None, &self.ctx);
    }
}

/// Bytes of a status line and of the empty line, for counting alike in all versions of HTTP.
const STATUS_LINE: usize = 19;
