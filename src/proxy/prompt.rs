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
    ctx: Box<Context>,
}

/// The answer to a request without a body, if it is one that parvis gives by itself and at once. The
/// head was judged already (`wire::head`). When it is not, the request goes the way of all others, and
/// what was found of it is kept with its connection.
pub fn prompt(
    running: &Running,
    connection: &Arc<Connection>,
    mut request: RequestHeader,
) -> Option<Prompt> {
    if challenge::asks(&request) || running.stopping() {
        return None;
    }
    let in_flight = Held::new(&running.metrics.in_flight);
    let mut ctx = Box::new(Context::new(running.edge.load_full(), in_flight));
    admit::identify(&mut request, connection.clone(), &mut ctx);
    let Answer { mut head, body } = match admit::admit(&request, &mut ctx).ok()? {
        Admitted::Answer(answer) if is_short(&answer.body) => *answer,
        other => {
            connection.keep((ctx, other));
            return None;
        }
    };
    let body = match body {
        Body::Whole(bytes) => bytes,
        _ => Bytes::new(),
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

/// Whether a body can be sent at once.
fn is_short(body: &Body) -> bool {
    match body {
        Body::None => true,
        Body::Whole(bytes) => bytes.len() <= LONGEST,
        Body::Parts(_) | Body::Encoded(..) => false,
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::load_text;
    use crate::observe::{Logbook, Metrics};
    use crate::proxy::Facts;
    use crate::visits::{Recorder, Tallies};

    const SITE: &str = "[upstream.app]\nservers = [\"127.0.0.1:1\"]\n\
        [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
        [[site.route]]\npath = \"/short\"\nrespond = { body = \"x\" }\n\
        [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n";

    fn running() -> Running {
        let edge = load_text("test.toml", SITE.to_string()).result.unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let logbook = Logbook::start(metrics.log_dropped.clone()).unwrap();
        let tallies = Tallies {
            recorded: metrics.visits_recorded.clone(),
            skipped: metrics.visits_skipped.clone(),
            dropped: metrics.visits_dropped.clone(),
        };
        Running::new(edge, metrics, logbook, Recorder::start(tallies).unwrap())
    }

    fn connection(running: &Running) -> Arc<Connection> {
        let edge = running.edge.load();
        Arc::new(Connection::new(Arc::new(Facts {
            listener: edge.listeners()[0],
            peer: [127, 0, 0, 1].into(),
            secured: None,
            http2: true,
            full: false,
        })))
    }

    fn get(path: &str) -> RequestHeader {
        let mut request = RequestHeader::build("GET", path.as_bytes(), None).unwrap();
        request.insert_header("Host", "s.example").unwrap();
        request
    }

    #[test]
    fn what_is_answered_at_once_leaves_nothing_behind() {
        let running = running();
        let connection = connection(&running);
        let prompt = prompt(&running, &connection, get("/short")).unwrap();
        assert_eq!(
            (prompt.head.status.as_u16(), &prompt.body[..]),
            (200, &b"x"[..])
        );
        assert!(connection.found().is_none());
    }

    #[test]
    fn what_is_for_others_is_found_once() {
        let running = running();
        let connection = connection(&running);
        assert!(prompt(&running, &connection, get("/app")).is_none());
        let (ctx, admitted) = connection.found().unwrap();
        assert!(matches!(admitted, Admitted::Forward));
        assert_eq!(ctx.route().unwrap().label, "/*");
        assert!(ctx.request_id.is_some() && ctx.connection.is_some());
        assert!(connection.found().is_none());
    }

    #[test]
    fn a_request_that_goes_no_further_is_not_in_flight() {
        let running = running();
        let connection = connection(&running);
        assert!(prompt(&running, &connection, get("/app")).is_none());
        assert_eq!(running.metrics.in_flight.get(), 1);
        drop(connection);
        assert_eq!(running.metrics.in_flight.get(), 0);
    }
}
