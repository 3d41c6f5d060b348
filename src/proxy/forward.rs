//! A request goes to the app, and the app's answer comes back.

use super::context::Context;
use crate::edge::Action;
use crate::headers::Forwarding;
use crate::upstream::{NoServer, Terms, Upstream};
use http::header::{CONNECTION, EXPECT, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Method, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Instant;

/// The upstream of the request's route.
pub fn upstream(ctx: &Context) -> Option<&Arc<Upstream>> {
    match &ctx.route()?.action {
        Action::Proxy(upstream) => Some(upstream),
        _ => None,
    }
}

/// Chooses a server.
///
/// # Errors
/// 503 when no server is up, 502 when the only one left has no address.
pub fn choose(ctx: &mut Context) -> Result<Box<HttpPeer>> {
    let Some(upstream) = upstream(ctx).cloned() else {
        return Error::e_explain(ErrorType::InternalError, "the route has no upstream");
    };
    let (index, server) = match upstream.choose(&ctx.tried) {
        Ok(chosen) => chosen,
        Err(NoServer::AllDown | NoServer::NoAddress) => {
            ctx.retry_after = Some(upstream.retry_after());
            return Error::e_explain(ErrorType::HTTPStatus(503), "no server is up");
        }
    };
    ctx.tried.push(index);
    ctx.server = Some(server.clone());
    ctx.chosen = Some(Instant::now());
    match server.peer() {
        Some(peer) => Ok(peer),
        None => Error::e_explain(
            ErrorType::HTTPStatus(502),
            "the server's name has no address",
        ),
    }
}

/// What the exchange asks of the connection to the server.
pub fn terms(session: &Session, ctx: &Context) -> Option<Terms> {
    let upstream = upstream(ctx)?;
    Some(Terms {
        exchange: ctx.connection.as_ref()?.exchange.clone(),
        first_byte: upstream.first_byte,
        between: upstream.between,
        send: upstream.send,
        idle: ctx.route()?.idle_timeout,
        bodiless: session.req_header().method == Method::HEAD,
    })
}

/// Writes our fields into the request for the app.
///
/// # Errors
/// More fields than a header map holds, or a client that is gone.
pub async fn prepare(
    session: &mut Session,
    request: &mut RequestHeader,
    ctx: &Context,
) -> Result<()> {
    let (Some(connection), Some(client), Some(route)) = (&ctx.connection, ctx.client, ctx.route())
    else {
        return Error::e_explain(ErrorType::InternalError, "a request without its connection");
    };
    let forwarding = Forwarding {
        peer: connection.peer,
        client,
        trusted: ctx.trusted,
        tls: connection.tls,
        host: session.req_header().headers.get(HOST),
        rfc7239: route.forwarded,
    };
    forwarding.apply(request)?;
    if let Some(id) = &ctx.request_id {
        request.insert_header("X-Request-ID", id.clone())?;
    }
    if let Some(host) = &route.upstream_host {
        request.insert_header(HOST, host.clone())?;
    } else if !request.headers.contains_key(HOST)
        && let Some(server) = &ctx.server
    {
        // HTTP/1.0 clients may leave it out; the app is spoken to in HTTP/1.1.
        request.insert_header(
            HOST,
            HeaderValue::from_str(&server.label)
                .unwrap_or_else(|_| HeaderValue::from_static("localhost")),
        )?;
    }
    if wants_trailers(session.req_header()) {
        // `TE` is for the next hop only (RFC 9110 section 10.1.4); this hop takes trailers too.
        request.insert_header("TE", HeaderValue::from_static("trailers"))?;
        request.insert_header(CONNECTION, HeaderValue::from_static("TE"))?;
    }
    if request.headers.contains_key(EXPECT) {
        // The request is accepted and a server is there: the client need not wait for the app,
        // many of which never say 100.
        request.remove_header(&EXPECT);
        if session.req_header().version == Version::HTTP_11 && !session.is_body_empty() {
            session.write_continue_response().await?;
        }
    }
    Ok(())
}

fn wants_trailers(request: &RequestHeader) -> bool {
    request.headers.get_all(TE).iter().any(|value| {
        value
            .as_bytes()
            .split(|b| *b == b',')
            .any(|t| t.trim_ascii().eq_ignore_ascii_case(b"trailers"))
    }) && !request.headers.contains_key(http::header::UPGRADE)
}

/// Takes fields out of an app's answer that are for one hop only (RFC 9110 section 7.6.1).
pub fn strip_hop_by_hop(answer: &mut ResponseHeader) {
    const HOP: [&str; 3] = ["keep-alive", "proxy-connection", "proxy-authenticate"];
    let named: Vec<HeaderName> = answer
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|token| HeaderName::from_bytes(token.trim_ascii()).ok())
        // What frames the body stays, whoever names it.
        .filter(|name| *name != TRANSFER_ENCODING && *name != http::header::CONTENT_LENGTH)
        .filter(|name| *name != http::header::UPGRADE)
        .collect();
    for name in &named {
        answer.remove_header(name);
    }
    for name in HOP {
        answer.remove_header(name);
    }
}

/// Gives the app's final answer the fields of the route.
///
/// # Errors
/// More fields than a header map holds.
pub fn dress(answer: &mut ResponseHeader, session: &Session, ctx: &Context) -> Result<()> {
    strip_hop_by_hop(answer);
    if session.req_header().version == Version::HTTP_10 {
        // An HTTP/1.0 client knows no chunks: its answer ends with the connection.
        answer.remove_header(&TRANSFER_ENCODING);
        if let Some(connection) = &ctx.connection {
            connection.exchange.refuse_response_trailers();
        }
    }
    if let Some(id) = &ctx.request_id {
        answer.insert_header("X-Request-ID", id.clone())?;
    }
    let Some(route) = ctx.route() else {
        return Ok(());
    };
    if route.server_timing {
        let edge = super::record::millis(ctx.started.elapsed());
        let value = match (ctx.connected, ctx.answered) {
            (Some(sent), Some(answered)) => {
                let app = answered.saturating_duration_since(sent);
                let edge = ctx.started.elapsed().saturating_sub(app);
                format!(
                    "edge;dur={}, app;dur={}",
                    super::record::millis(edge),
                    super::record::millis(app)
                )
            }
            _ => format!("edge;dur={edge}"),
        };
        answer.append_header("Server-Timing", value)?;
    }
    route.headers.apply(answer, ctx.tls())
}
