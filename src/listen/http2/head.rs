//! Heads, from HTTP/2 to HTTP/1 and back.

use crate::wire::http2::spelling::{field, lines, split};
use bytes::{Bytes, BytesMut};
use h2::ext::Protocol;
use http::header::{
    CONTENT_LENGTH, COOKIE, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_KEY, TRANSFER_ENCODING,
};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version};
use pingora::http::RequestHeader;
use std::io;
use tokio_tungstenite::tungstenite::handshake::client::generate_key;

/// Never the same twice: not worth a place in the table that heads are compressed with.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// A request's head as HTTP/1 has it.
#[derive(Debug)]
pub struct Spelled {
    /// Its bytes, to the empty line.
    pub bytes: BytesMut,
    /// Whether the body is to be framed by chunks: its length is not known.
    pub chunked: bool,
    /// Whether it asks for a WebSocket (RFC 8441).
    pub websocket: bool,
}

/// Spells a request's head. It is judged as any head is, so what is no target or no host here is
/// answered like one that came by HTTP/1. `ended`: it has no body.
pub fn spell<T>(request: &Request<T>, ended: bool) -> Spelled {
    let protocol = request.extensions().get::<Protocol>();
    let websocket = request.method() == Method::CONNECT
        && protocol.is_some_and(|protocol| protocol.as_str().eq_ignore_ascii_case("websocket"));
    let headers = request.headers();
    let mut out = BytesMut::with_capacity(512);
    let method = if websocket {
        "GET"
    } else {
        request.method().as_str()
    };
    out.extend_from_slice(method.as_bytes());
    out.extend_from_slice(b" ");
    let authority = request.uri().authority().map(http::uri::Authority::as_str);
    match request.uri().path_and_query() {
        Some(path) => out.extend_from_slice(path.as_str().as_bytes()),
        // A plain CONNECT has no path; its target is the authority (RFC 9113 section 8.5).
        None => out.extend_from_slice(authority.unwrap_or("/").as_bytes()),
    }
    out.extend_from_slice(b" HTTP/1.1\r\n");
    if let Some(authority) = authority {
        field(&mut out, HOST.as_str(), authority.as_bytes());
    }
    for (name, value) in headers {
        if name == COOKIE {
            continue;
        }
        // The same as the authority, or a second one, which is refused (RFC 9113 section 8.3.1).
        if name == HOST
            && authority.is_some_and(|a| value.as_bytes().eq_ignore_ascii_case(a.as_bytes()))
        {
            continue;
        }
        // Would be the frame of the body, or the key, that is written here.
        if websocket && [CONTENT_LENGTH, TRANSFER_ENCODING, SEC_WEBSOCKET_KEY].contains(name) {
            continue;
        }
        field(&mut out, name.as_str(), value.as_bytes());
    }
    cookies(&mut out, headers);
    let chunked = !ended && !websocket && !headers.contains_key(CONTENT_LENGTH);
    if websocket {
        out.extend_from_slice(b"connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: ");
        out.extend_from_slice(generate_key().as_bytes());
        out.extend_from_slice(b"\r\n");
    } else if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Spelled {
        bytes: out,
        chunked,
        websocket,
    }
}

/// The request's head as the rooms know it: like one that came by HTTP/1. For requests that were
/// spelled and judged.
pub fn header<T>(request: &Request<T>) -> RequestHeader {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = request.uri().clone();
    parts.version = Version::HTTP_11;
    parts.headers = request.headers().clone();
    let authority = request
        .uri()
        .authority()
        .map(|a| HeaderValue::from_str(a.as_str()));
    if let Some(Ok(authority)) = authority {
        parts.headers.insert(HOST, authority);
    }
    let mut crumbs = BytesMut::new();
    cookies(&mut crumbs, &parts.headers);
    let joined = crumbs
        .strip_prefix(b"cookie: ")
        .and_then(|line| line.strip_suffix(b"\r\n"));
    if let Some(Ok(joined)) = joined.map(HeaderValue::from_bytes) {
        parts.headers.insert(COOKIE, joined);
    }
    parts.into()
}

/// Clients send cookies in crumbs, for the sake of compression; apps know one field
/// (RFC 9113 section 8.2.3).
fn cookies(out: &mut BytesMut, headers: &HeaderMap) {
    let mut crumbs = headers.get_all(COOKIE).iter();
    let Some(first) = crumbs.next() else { return };
    out.extend_from_slice(b"cookie: ");
    out.extend_from_slice(first.as_bytes());
    for crumb in crumbs {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(crumb.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// How an answer's body is framed in HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// There is none.
    Empty,
    /// So many bytes.
    Length(u64),
    /// In chunks.
    Chunked,
    /// To the end of the connection.
    Close,
}

/// Reads an answer's head that was written for HTTP/1, to its empty line. Fields that are for one
/// hop are left out (RFC 9113 section 8.2.2). `head_only`: the request was a HEAD.
///
/// # Errors
/// It is no head.
pub fn read(head: &Bytes, head_only: bool) -> io::Result<(Response<()>, Framed)> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no head of an answer");
    let mut lines = lines(head);
    let status = lines.next().and_then(|line| line.get(9..12));
    let status = StatusCode::from_bytes(status.ok_or_else(broken)?).map_err(|_| broken())?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.reserve(16);
    let (mut length, mut chunked) = (None, false);
    for line in lines {
        if line.is_empty() {
            break;
        }
        let (name, value) = split(line).ok_or_else(broken)?;
        match name.as_str() {
            "transfer-encoding" => {
                chunked = true;
                continue;
            }
            "connection"
            | "keep-alive"
            | "proxy-connection"
            | "upgrade"
            | "sec-websocket-accept" => {
                continue;
            }
            "content-length" => {
                length = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok())
            }
            _ => {}
        }
        let mut value =
            HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| broken())?;
        value.set_sensitive(name == X_REQUEST_ID);
        fields.append(name, value);
    }
    let framed = match (status.as_u16(), chunked, length) {
        (204 | 304, ..) => Framed::Empty,
        _ if head_only || status.is_informational() => Framed::Empty,
        (_, true, _) => Framed::Chunked,
        (_, _, Some(0)) => Framed::Empty,
        (_, _, Some(length)) => Framed::Length(length),
        _ => Framed::Close,
    };
    Ok((response, framed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spelled(request: Request<()>, ended: bool) -> String {
        String::from_utf8(spell(&request, ended).bytes.to_vec()).unwrap()
    }

    #[test]
    fn crumbs_of_cookies_become_one_field() {
        let request = Request::get("https://example.org/a?b")
            .header("cookie", "a=1")
            .header("accept", "*/*")
            .header("cookie", "b=2")
            .body(())
            .unwrap();
        let expected =
            "GET /a?b HTTP/1.1\r\nhost: example.org\r\naccept: */*\r\ncookie: a=1; b=2\r\n\r\n";
        assert_eq!(spelled(request, true), expected);
    }

    #[test]
    fn a_body_of_unknown_length_is_chunked() {
        let post = |length: Option<&str>| {
            let mut request = Request::post("https://example.org/").body(()).unwrap();
            if let Some(length) = length {
                let length = HeaderValue::from_str(length).unwrap();
                request.headers_mut().insert(CONTENT_LENGTH, length);
            }
            request
        };
        assert!(spelled(post(None), false).contains("transfer-encoding: chunked\r\n"));
        assert!(!spelled(post(Some("3")), false).contains("chunked"));
        assert!(!spelled(post(None), true).contains("chunked"));
    }

    #[test]
    fn a_second_host_is_not_hidden() {
        let mut request = Request::get("https://example.org/").body(()).unwrap();
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("Example.org"));
        assert_eq!(spelled(request, true).matches("host:").count(), 1);
        let mut request = Request::get("https://example.org/").body(()).unwrap();
        request
            .headers_mut()
            .insert(HOST, HeaderValue::from_static("other.org"));
        assert_eq!(spelled(request, true).matches("host:").count(), 2);
    }

    #[test]
    fn a_websocket_is_asked_for_as_http_1_does() {
        let mut request = Request::builder()
            .method(Method::CONNECT)
            .uri("https://example.org/ws/1")
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        request
            .extensions_mut()
            .insert(Protocol::from_static("websocket"));
        let spelled = spell(&request, false);
        let text = String::from_utf8(spelled.bytes.to_vec()).unwrap();
        assert!(spelled.websocket && !spelled.chunked);
        assert!(
            text.starts_with("GET /ws/1 HTTP/1.1\r\nhost: example.org\r\n"),
            "{text}"
        );
        assert!(text.contains("\r\nupgrade: websocket\r\n"), "{text}");
    }

    #[test]
    fn answers_lose_what_is_for_one_hop() {
        let head = Bytes::from_static(
            b"HTTP/1.1 200 OK\r\nServer: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n",
        );
        let (response, framed) = read(&head, false).unwrap();
        assert_eq!(
            (response.status(), framed),
            (StatusCode::OK, Framed::Chunked)
        );
        assert_eq!(response.headers().len(), 3);
        assert_eq!(response.headers().get_all("set-cookie").iter().count(), 2);
        assert_eq!(read(&head, true).unwrap().1, Framed::Empty);
        let short = Bytes::from_static(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n");
        assert_eq!(read(&short, false).unwrap().1, Framed::Length(5));
        assert!(read(&Bytes::from_static(b"HTTP/1.1\r\n\r\n"), false).is_err());
        assert!(
            read(
                &Bytes::from_static(b"HTTP/1.1 200 OK\r\nno field\r\n\r\n"),
                false
            )
            .is_err()
        );
    }
}
