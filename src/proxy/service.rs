//! The only `impl ProxyHttp`: the order of the rooms. Each phase calls one and goes on.

use super::admit::{self, Admitted};
use super::connection::Connection;
use super::context::Context;
use super::respond::Answer;
use super::running::Running;
use super::{challenge, encode, file, forward, numbers, pages, picture_of_app, record, status};
use crate::observe::Held;
use crate::upstream::Lease;
use crate::wire::Fault;
use async_trait::async_trait;
use bytes::Bytes;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// parvis, as pingora sees it.
#[derive(Debug)]
pub struct EdgeProxy {
    /// What all requests share.
    pub running: Arc<Running>,
}

/// A connect that failed is tried once more, on the next server.
const CONNECT_TRIES: usize = 2;
/// A request that a server of HTTP/2 did not look at is sent again so often: a server that ends says
/// so on each of its connections, and one that is overloaded must not be asked for ever.
const UNPROCESSED_TRIES: u8 = 3;

/// Whether the client has the head of its final answer. A 101 is one: what follows is no HTTP.
fn answered(session: &Session) -> bool {
    let head = session.response_written();
    head.is_some_and(|head| !head.status.is_informational() || head.status == 101)
}

impl EdgeProxy {
    /// Sends an answer of our own; the request is over with it.
    async fn answer(
        &self,
        answer: Answer,
        session: &mut Session,
        ctx: &mut Context,
    ) -> Result<bool> {
        ctx.status = answer.head.status.as_u16();
        if ctx
            .connection
            .as_ref()
            .is_some_and(|connection| connection.full)
        {
            session.set_keepalive(None);
        }
        answer
            .send(session, ctx.connection.as_deref())
            .await
            .map_err(status::clients_unless_ours)?;
        Ok(true)
    }
}

#[async_trait]
impl ProxyHttp for EdgeProxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(
            self.running.edge.load_full(),
            Held::new(&self.running.metrics.in_flight),
        )
    }

    // pingora would add a compression module to every request.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn request_filter(&self, session: &mut Session, ctx: &mut Context) -> Result<bool> {
        // Time-outs are the streams' own: one per direction and purpose.
        session.set_read_timeout(None);
        let connection = Connection::of(session.digest()).cloned();
        let found = connection.as_ref().and_then(Connection::found);
        let admitted = found.map(|(found, admitted)| {
            // It was looked at when it came by its stream of HTTP/2.
            admit::strip(session.req_header_mut());
            *ctx = *found;
            admitted
        });
        if let (None, Some(connection)) = (&admitted, connection) {
            admit::identify(session.req_header_mut(), connection, ctx);
        }
        if self.running.stopping() {
            session.set_keepalive(None);
        }
        // Before all else: a site may send plain HTTP elsewhere, or be nobody's yet.
        if let Some(answer) = challenge::answer(session.req_header(), ctx, &self.running).await? {
            return self.answer(answer, session, ctx).await;
        }
        let admitted = match admitted {
            Some(admitted) => admitted,
            None => admit::admit(session.req_header(), ctx)?,
        };
        let answer = match admitted {
            Admitted::Forward => None,
            Admitted::Answer(answer) => Some(*answer),
            Admitted::File(path) => file::answer(session.req_header(), ctx, &path).await?,
            Admitted::Numbers(path) => {
                // Who looks at the numbers is not a guest.
                ctx.known = true;
                Some(numbers::answer(session.req_header(), ctx, &self.running, path).await?)
            }
        };
        let answer = match answer {
            None => picture_of_app::begin(session.req_header(), ctx)?,
            answer => answer,
        };
        let Some(answer) = answer else {
            return Ok(false);
        };
        self.answer(answer, session, ctx).await
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        let chosen = forward::choose(ctx);
        if let (Err(error), Some(upstream)) = (&chosen, forward::upstream(ctx)) {
            self.running
                .metrics
                .upstream_error(&upstream.name, status::verdict(error).kind);
        }
        chosen
    }

    async fn connected_to_upstream(
        &self,
        session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _fd: std::os::unix::io::RawFd,
        digest: Option<&Digest>,
        ctx: &mut Context,
    ) -> Result<()> {
        if let (Some(lease), Some(terms)) =
            (digest.and_then(Lease::of), forward::terms(session, ctx))
        {
            // The pool is ours: pingora takes every connection for a new one.
            ctx.reused = lease.reused();
            lease.begin(terms);
        }
        ctx.connected = Some(Instant::now());
        Ok(())
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        forward::prepare(session, request, ctx).await
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<()> {
        // An empty last piece would be written as a chunk of its own (pingora issue 935).
        if end && body.as_ref().is_some_and(Bytes::is_empty) {
            *body = None;
        }
        let Some(piece) = body else { return Ok(()) };
        ctx.body = ctx.body.saturating_add(piece.len() as u64);
        let limit = ctx.route().and_then(|route| route.max_body);
        // After an upgrade there is no body, only what the two sides say to each other.
        if limit.is_some_and(|limit| ctx.body > limit) && ctx.upgraded.is_none() {
            let error = Error::explain(
                ErrorType::HTTPStatus(413),
                "the body is larger than max_body",
            );
            return Err(error.into_down());
        }
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        answer: &mut ResponseHeader,
        ctx: &mut Context,
    ) -> Result<()> {
        if answer.status.is_informational() && answer.status != 101 {
            forward::note_known(answer, ctx);
            return Ok(());
        }
        let came = picture_of_app::came(ctx).unwrap_or_else(Instant::now);
        ctx.answered.get_or_insert(came);
        if answer.status == 101 {
            forward::switch(answer, ctx)?;
            ctx.upgraded = Some(Held::new(&self.running.metrics.upgraded_open));
        } else if self.running.stopping() {
            session.set_keepalive(None);
        }
        forward::dress(answer, session, ctx)
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        ctx: &mut Context,
    ) -> Result<Option<Duration>> {
        if end {
            // What is left is between parvis and the client.
            ctx.busy = None;
        }
        let waits = session.as_downstream_mut().is_body_done();
        pages::piece(ctx, body, end);
        encode::piece(ctx, body, end, waits)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        ctx: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let Some(upstream) = forward::upstream(ctx) else {
            return error;
        };
        self.running
            .metrics
            .upstream_error(&upstream.name, status::verdict(&error).kind);
        let server = ctx
            .server
            .as_ref()
            .map_or("", |server| server.label.as_str());
        let words = status::in_words(&error);
        tracing::warn!(
            upstream = upstream.name,
            server,
            error = words,
            "cannot connect"
        );
        let again = ctx.tried.len() < CONNECT_TRIES && upstream.has_other(&ctx.tried);
        error.set_retry(again);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        ctx: &mut Context,
        _reused: bool,
    ) -> Box<Error> {
        // A server that did not look at the request may be sent it again, whatever it is.
        let unprocessed = status::fault(&error) == Some(Fault::Unprocessed)
            && ctx.unprocessed < UNPROCESSED_TRIES;
        let harmless = unprocessed || session.req_header().method.is_idempotent();
        // Nothing of an answer may have reached the client, and all of the request must be at hand.
        if !harmless
            || answered(session)
            || ctx.websocket
            || session.as_ref().retry_buffer_truncated()
        {
            error.set_retry(false);
        } else if unprocessed {
            ctx.unprocessed = ctx.unprocessed.saturating_add(1);
            error.set_retry(true);
        } else {
            error.retry.decide_reuse(ctx.reused);
        }
        if error.retry() {
            // The server closed a connection that was kept idle; it is as good as it was.
            ctx.tried.pop();
            ctx.body = 0;
        } else if let Some(upstream) = forward::upstream(ctx)
            && *error.esource() == pingora::ErrorSource::Upstream
        {
            self.running
                .metrics
                .upstream_error(&upstream.name, status::verdict(&error).kind);
        }
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        ctx: &mut Context,
    ) -> FailToProxy {
        let verdict = status::verdict(error);
        ctx.fault.get_or_insert(verdict.kind);
        if verdict.status >= 500 && ctx.upgraded.is_none() {
            let (site, route) = (ctx.site(), ctx.route());
            tracing::warn!(
                site = site.map_or("", |s| s.name.as_str()),
                route = route.map_or("", |r| r.label.as_str()),
                upstream = forward::upstream(ctx).map_or("", |u| u.name.as_str()),
                server = ctx
                    .server
                    .as_ref()
                    .map_or("", |server| server.label.as_str()),
                request_id = ctx
                    .request_id
                    .as_ref()
                    .and_then(|id| id.to_str().ok())
                    .unwrap_or(""),
                status = verdict.status,
                error = status::in_words(error),
                "request failed"
            );
        }
        if verdict.status > 0 && !answered(session) {
            ctx.status = verdict.status;
            session.set_keepalive(None);
            let answer = admit::error_answer(verdict.status, session.req_header(), ctx);
            let sent = match answer {
                Ok(answer) => answer.send(session, ctx.connection.as_deref()).await,
                Err(error) => Err(error),
            };
            if let Err(error) = sent {
                tracing::debug!(%error, "an error's page could not be sent");
            }
        }
        FailToProxy {
            error_code: verdict.status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, ctx: &mut Context) {
        record::record(
            &self.running,
            session.req_header(),
            session.response_written(),
            error,
            ctx,
        );
    }

    // What matters of an error is said above.
    fn suppress_error_log(&self, _session: &Session, _ctx: &Context, _error: &Error) -> bool {
        true
    }
}
