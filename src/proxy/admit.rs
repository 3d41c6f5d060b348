//! A request comes in: who sends it, what it is called, where it goes.

use super::connection::Connection;
use super::context::Context;
use super::encode;
use super::respond::{Answer, Envelope};
use crate::answer;
use crate::edge::{Action, Route, Site};
use crate::headers::{
    client_address, host, remove_client_certificate, remove_underscored, request_id,
};
use crate::route::{Facts, Found, without_port};
use crate::wire::{has_item, target};
use http::header::{
    CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, Method, Version};
use pingora::http::RequestHeader;
use std::sync::Arc;
use std::time::SystemTime;

/// When a client for whom there was no room may come again, seconds.
const FULL_RETRY: u64 = 5;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Who sends the request, and what it is called.
pub fn identify(request: &mut RequestHeader, connection: Arc<Connection>, ctx: &mut Context) {
    ctx.websocket = strip(request);
    ctx.trusted = ctx.edge.trusted.contains(connection.peer);
    ctx.client = Some(client_address(connection.peer, request, &ctx.edge.trusted));
    let own = request.headers.get(X_REQUEST_ID).filter(|_| ctx.trusted);
    let id = match own.filter(|id| request_id::acceptable(id)) {
        Some(id) => id.clone(),
        None => request_id::make(SystemTime::now()),
    };
    ctx.request_id = Some(id);
    ctx.connection = Some(connection);
}

/// Takes out of a request what is not for clients to say. Whether it asks for a WebSocket.
pub fn strip(request: &mut RequestHeader) -> bool {
    remove_underscored(request);
    remove_client_certificate(request);
    keep_websocket_only(request)
}

/// Whether the request asks for a WebSocket (RFC 6455 section 4.1). Any other upgrade is taken
/// out of it: the request goes on as the plain one that it may be (RFC 9110 section 7.8).
fn keep_websocket_only(request: &mut RequestHeader) -> bool {
    if !request.headers.contains_key(UPGRADE) {
        return false;
    }
    let mut upgrades = request.headers.get_all(UPGRADE).iter();
    let one = matches!((upgrades.next(), upgrades.next()), (Some(v), None) if v.as_bytes().eq_ignore_ascii_case(b"websocket"));
    let asked = has_item(&request.headers, &CONNECTION, b"upgrade");
    let able = request.method == Method::GET && request.version == Version::HTTP_11;
    let websocket = one && asked && able;
    if !websocket {
        request.remove_header(&UPGRADE);
    }
    websocket
}

/// What becomes of a request.
#[derive(Debug)]
pub enum Admitted {
    /// It is answered here.
    Answer(Box<Answer>),
    /// It goes to an app.
    Forward,
    /// It is for a file: its decoded path.
    File(Vec<u8>),
    /// It asks for the site's numbers: which, as the path behind theirs.
    Numbers(String),
}

impl Admitted {
    fn answer(answer: Answer) -> Self {
        Admitted::Answer(Box::new(answer))
    }
}

/// Finds the request's route, and what that makes of it.
///
/// # Errors
/// An answer that cannot be built.
pub fn admit(request: &RequestHeader, ctx: &mut Context) -> pingora::Result<Admitted> {
    let Some(connection) = ctx.connection.clone() else {
        return refuse(500, "internal", request, ctx);
    };
    if connection.full {
        // The next connection may find room.
        ctx.retry_after = Some(FULL_RETRY);
        return refuse(503, "full", request, ctx);
    }
    let edge = ctx.edge.clone();
    let host = host(request).map_or(&b""[..], HeaderValue::as_bytes);
    ctx.site = edge.find_site(connection.listener, host);
    let Some(site) = ctx.site.and_then(|index| edge.sites.get(index)) else {
        return refuse(
            if connection.tls() { 421 } else { 404 },
            "no_site",
            request,
            ctx,
        );
    };
    if let Some(secured) = &connection.secured
        && !site
            .tls
            .as_ref()
            .is_some_and(|own| own.covers(&secured.site))
    {
        // The certificate that the client has seen is not this site's (RFC 9110 section 15.5.20):
        // it may come again by a connection of its own.
        return refuse(421, "misdirected", request, ctx);
    }
    let (raw_path, query) = target::split_target(request.raw_path());
    if let (Some(port), false) = (site.https_port, connection.tls()) {
        return to_https(host, port, request.raw_path(), ctx).map(Admitted::answer);
    }
    // Also without TLS: what asks for a certificate is not for who cannot show one.
    if certificate_missing(&connection, site) {
        return refuse(403, "client_certificate", request, ctx);
    }
    let Some(path) = target::normalise(raw_path) else {
        return refuse(400, "path", request, ctx);
    };
    if let Some(numbers) = site.shared_numbers(&path) {
        return Ok(Admitted::Numbers(numbers));
    }
    let facts = Facts {
        method: &request.method,
        headers: &request.headers,
        query,
    };
    let found = site.table().find(&path, &facts);
    let index = match &found {
        Found::Route(index) | Found::AddSlash(index) => *index,
        Found::WrongMethod(methods) => {
            let allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
            return not_allowed(&allow.join(", "), request, ctx).map(Admitted::answer);
        }
        Found::Nothing => return refuse(404, "no_route", request, ctx),
    };
    ctx.route = Some(index);
    let Some(route) = site.routes.get(index) else {
        return refuse(500, "internal", request, ctx);
    };
    if matches!(found, Found::AddSlash(_)) {
        return add_slash(target::encode(&path).as_bytes(), query, ctx).map(Admitted::answer);
    }
    if too_large(&request.headers, route) {
        return refuse(413, "body_too_large", request, ctx);
    }
    if ctx.websocket && has_body(&request.headers) {
        return refuse(400, "websocket_with_body", request, ctx);
    }
    // Of interest where an app may answer.
    let policy = route.compress.as_deref();
    ctx.plain = policy.is_some_and(|policy| !policy.takes_path(&path));
    match &route.action {
        Action::Proxy(_) => Ok(Admitted::Forward),
        Action::Files(..) => Ok(Admitted::File(path.into_owned())),
        Action::Respond(fixed, forms) => {
            let body = fixed.body.clone();
            let mut answer = Answer::new(fixed.status, &fixed.content_type, body, &envelope(ctx))?;
            encode::fixed(&mut answer, forms, policy, &request.headers, ctx)?;
            Ok(Admitted::answer(answer))
        }
        Action::Redirect(redirect) => {
            let scheme = if connection.tls() { "https" } else { "http" };
            let asked = answer::Request {
                scheme,
                host,
                raw_path,
                path: &path,
                query,
            };
            match redirect.location(&route.pattern, &asked) {
                Some(to) => {
                    Answer::redirect(redirect.status, to, &envelope(ctx)).map(Admitted::answer)
                }
                None => refuse(400, "path", request, ctx),
            }
        }
    }
}

/// Whether the site asks for a certificate and the client has none that is good now: it came back
/// with a ticket, and its certificate has ended since it was shown.
fn certificate_missing(connection: &Connection, site: &Site) -> bool {
    let identity = connection
        .secured
        .as_ref()
        .and_then(|s| s.identity.as_ref());
    let required = site
        .tls
        .as_ref()
        .is_some_and(|tls| tls.requires_certificate());
    required && !identity.is_some_and(|identity| identity.verified)
}

/// Sends the client to the same URL with `https`.
fn to_https(host: &[u8], port: u16, target: &[u8], ctx: &Context) -> pingora::Result<Answer> {
    let name = without_port(host);
    let port = match port {
        443 => String::new(),
        port => format!(":{port}"),
    };
    // `OPTIONS *` is about the server.
    let target = if target.starts_with(b"/") {
        target
    } else {
        b"/"
    };
    let to = [b"https://", name, port.as_bytes(), target].concat();
    match HeaderValue::from_bytes(&to) {
        Ok(to) if !name.is_empty() => Answer::redirect(308, to, &envelope(ctx)),
        _ => Answer::error(400, None, None, &envelope(ctx)),
    }
}

fn too_large(headers: &HeaderMap, route: &Route) -> bool {
    let length = headers
        .get(CONTENT_LENGTH)
        .and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    matches!((length, route.max_body), (Some(length), Some(limit)) if length > limit)
}

fn has_body(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers
            .get(CONTENT_LENGTH)
            .is_some_and(|length| length.as_bytes() != b"0")
}

/// What answers to this request carry.
pub fn envelope(ctx: &Context) -> Envelope<'_> {
    let site = || {
        let listener = ctx.connection.as_ref()?.listener;
        ctx.site()
            .or_else(|| ctx.edge.site_for_errors(listener))
            .map(|site| &site.headers)
    };
    Envelope {
        policy: ctx.route().map(|route| &route.headers).or_else(site),
        request_id: ctx.request_id.as_ref(),
        timing: ctx.timing(),
        tls: ctx.tls(),
    }
}

fn refuse(
    status: u16,
    why: &'static str,
    request: &RequestHeader,
    ctx: &mut Context,
) -> pingora::Result<Admitted> {
    refusal(status, why, request, ctx).map(Admitted::answer)
}

/// Refuses a request: an error's page, and `why` for the log.
///
/// # Errors
/// A status outside of 100 to 999.
pub fn refusal(
    status: u16,
    why: &'static str,
    request: &RequestHeader,
    ctx: &mut Context,
) -> pingora::Result<Answer> {
    ctx.fault = Some(why);
    error_answer(status, request, ctx)
}

/// A 405, which names what may be done instead (RFC 9110 section 15.5.6).
///
/// # Errors
/// More fields than a header map holds.
pub fn not_allowed(allow: &str, request: &RequestHeader, ctx: &Context) -> pingora::Result<Answer> {
    let mut answer = error_answer(405, request, ctx)?;
    answer.head.insert_header("Allow", allow)?;
    Ok(answer)
}

/// Sends the client to the same path with a slash at its end. `path`: as it may stand in a URL.
///
/// # Errors
/// More fields than a header map holds.
pub fn add_slash(path: &[u8], query: Option<&[u8]>, ctx: &Context) -> pingora::Result<Answer> {
    let mut to = [path, b"/"].concat();
    if let Some(query) = query {
        to.push(b'?');
        to.extend_from_slice(query);
    }
    let to = HeaderValue::from_bytes(&to).unwrap_or_else(|_| HeaderValue::from_static("/"));
    Answer::redirect(308, to, &envelope(ctx))
}

/// An error's page for this request.
///
/// # Errors
/// A status outside of 100 to 999.
pub fn error_answer(
    status: u16,
    request: &RequestHeader,
    ctx: &Context,
) -> pingora::Result<Answer> {
    Answer::error(
        status,
        Some(&request.headers),
        ctx.retry_after,
        &envelope(ctx),
    )
}
