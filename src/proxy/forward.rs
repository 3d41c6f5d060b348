//! A request goes to the app, and the app's answer comes back.

use super::context::Context;
use super::{encode, pages, picture_of_app};
use crate::edge::Action;
use crate::headers::{Forwarding, ShownCertificate};
use crate::upstream::{NoServer, Speech, Terms, Upstream};
use crate::wire::has_item;
use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HOST, HeaderName, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use http::{Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};
use std::sync::Arc;
use std::time::Instant;

/// The upstream of the request's route.
pub fn upstream(ctx: &Context) -> Option<&Arc<Upstream>> {
    match &ctx.route()?.action {
        Action::Proxy(upstream) | Action::Files(_, Some(upstream)) => Some(upstream),
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
    // The server that was tried before has nothing more to do with this.
    ctx.busy = None;
    if ctx.websocket && upstream.speech == Speech::Http2 {
        let what = "a WebSocket, which cannot be passed on by HTTP/2: its route needs an upstream without http2";
        return Error::e_explain(ErrorType::HTTPStatus(501), what);
    }
    let (index, server) = match upstream.choose(&ctx.tried) {
        Ok(chosen) => chosen,
        Err(NoServer::AllDown) => {
            ctx.retry_after = Some(upstream.retry_after());
            return Error::e_explain(ErrorType::HTTPStatus(503), "no server is up");
        }
        Err(NoServer::NoAddress) => return no_address(),
    };
    ctx.tried.push(index);
    ctx.server = Some(server.clone());
    ctx.busy = Some(server.load.begin());
    ctx.chosen = Some(Instant::now());
    match server.peer() {
        Some(peer) => Ok(peer),
        None => no_address(),
    }
}

fn no_address<T>() -> Result<T> {
    Error::e_explain(
        ErrorType::HTTPStatus(502),
        "no server's name has an address",
    )
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
        websocket: ctx.websocket,
        rework: picture_of_app::rework(ctx),
    })
}

/// Writes our fields into the request for the app.
///
/// # Errors
/// More fields than a header map holds, or a client that is gone.
pub async fn prepare(
    session: &mut Session,
    request: &mut RequestHeader,
    ctx: &mut Context,
) -> Result<()> {
    encode::ask(request, ctx)?;
    pages::ask(request, ctx);
    picture_of_app::ask(request, ctx);
    let (Some(connection), Some(client), Some(route)) = (&ctx.connection, ctx.client, ctx.route())
    else {
        return Error::e_explain(ErrorType::InternalError, "a request without its connection");
    };
    let forwarding = Forwarding {
        peer: connection.peer,
        client,
        trusted: ctx.trusted,
        tls: connection.tls(),
        host: session.req_header().headers.get(HOST),
        rfc7239: route.forwarded,
    };
    forwarding.apply(request)?;
    if let Some(secured) = &connection.secured
        && let Some(identity) = &secured.identity
    {
        let shown = ShownCertificate {
            verified: identity.verified,
            subject: &identity.subject,
            serial: &identity.serial,
            fingerprint: &identity.fingerprint,
            certificate: &identity.header,
        };
        shown.apply(request)?;
    }
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
    // pingora closes the connection after an answer that comes before the whole request did, and
    // takes an interim answer for one: that is for the final answer alone.
    session.set_close_on_response_before_downstream_finish(false);
    if session.req_header().version == Version::HTTP_10 {
        // An HTTP/1.0 client knows no interim answers (RFC 9110 section 15.2).
        session.set_ignore_info_resp(true);
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
    has_item(&request.headers, &TE, b"trailers") && !request.headers.contains_key(UPGRADE)
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
        .filter(|name| *name != TRANSFER_ENCODING && *name != CONTENT_LENGTH)
        .filter(|name| *name != UPGRADE)
        .collect();
    for name in &named {
        answer.remove_header(name);
    }
    for name in HOP {
        answer.remove_header(name);
    }
}

/// The app switches protocols. It may do so only to a WebSocket, and only when asked to: bytes that
/// are taken for HTTP on one side alone are how requests are smuggled.
///
/// # Errors
/// 502 for any other switch.
pub fn switch(answer: &mut ResponseHeader, ctx: &Context) -> Result<()> {
    let mut upgrades = answer.headers.get_all(UPGRADE).iter();
    let to_websocket = matches!((upgrades.next(), upgrades.next()), (Some(v), None) if v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let Some(connection) = ctx
        .connection
        .as_ref()
        .filter(|_| ctx.websocket && to_websocket)
    else {
        let what = "the app switches protocols, unasked or to something else than a WebSocket";
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
    };
    strip_hop_by_hop(answer);
    // What follows is no body (RFC 9110 section 15.2).
    answer.remove_header(&CONTENT_LENGTH);
    answer.remove_header(&TRANSFER_ENCODING);
    answer.insert_header(CONNECTION, HeaderValue::from_static("Upgrade"))?;
    connection.exchange.upgrade();
    Ok(())
}

/// The app may say that it knows the visitor, which is for this hop alone.
pub fn note_known(answer: &mut ResponseHeader, ctx: &mut Context) {
    let name = ctx.site().and_then(|site| site.known_by.as_ref());
    let known = name.is_some_and(|name| answer.remove_header(name).is_some());
    ctx.known |= known;
}

/// Gives the app's final answer the fields of the route.
///
/// # Errors
/// More fields than a header map holds.
pub fn dress(answer: &mut ResponseHeader, session: &mut Session, ctx: &mut Context) -> Result<()> {
    strip_hop_by_hop(answer);
    let named = [
        StatusCode::SWITCHING_PROTOCOLS,
        StatusCode::UPGRADE_REQUIRED,
    ];
    if !named.contains(&answer.status) {
        // An offer to this hop alone, which takes none. A refusal that names it is passed on.
        answer.remove_header(&UPGRADE);
    }
    let coded = |coding: &HeaderValue| !coding.as_bytes().eq_ignore_ascii_case(b"chunked");
    if answer.headers.get_all(TRANSFER_ENCODING).iter().any(coded) {
        // No client asked for it, and where such a body ends is known to its app alone.
        let what = "a transfer coding other than chunked";
        return Err(Error::explain(ErrorType::InvalidHTTPHeader, what).into_up());
    }
    session.set_close_on_response_before_downstream_finish(true);
    // The version is that of whoever sends, and this hop is ours (RFC 9110 section 2.5).
    answer.set_version(Version::HTTP_11);
    if session.req_header().version == Version::HTTP_10 {
        // An HTTP/1.0 client knows no chunks: its answer ends with the connection, which pingora
        // would notice only after it has written that the connection is kept.
        if answer.remove_header(&TRANSFER_ENCODING).is_some() {
            session.set_keepalive(None);
        }
        if let Some(connection) = &ctx.connection {
            connection.exchange.refuse_response_trailers();
        }
    }
    if let Some(id) = &ctx.request_id {
        answer.insert_header("X-Request-ID", id.clone())?;
    }
    note_known(answer, ctx);
    let Some(route) = ctx.route() else {
        return Ok(());
    };
    if let Some(timing) = ctx.timing() {
        answer.append_header("Server-Timing", timing)?;
    }
    route.headers.apply(answer, ctx.tls())?;
    picture_of_app::dress(answer, session.req_header(), ctx)?;
    pages::begin(answer, session, ctx)?;
    encode::begin(answer, session, ctx)
}
