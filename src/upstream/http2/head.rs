//! Heads, from HTTP/1 to HTTP/2 and back: the mirror of what the side of the clients does.

use crate::wire::http2::spelling::{field, lines, split};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, TE};
use http::uri::{Authority, Parts, PathAndQuery, Scheme};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use std::io;

/// How a request's body is framed in HTTP/1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framed {
    /// So many bytes; 0 for no body.
    Length(u64),
    /// In chunks.
    Chunked,
}

/// Reads a request's head that was written for HTTP/1, to its empty line. Fields that are for one
/// hop are left out, but for `TE: trailers`, which HTTP/2 has too (RFC 9113 section 8.2.2).
///
/// # Errors
/// It is no head of a request that can be sent by HTTP/2.
pub fn read(head: &Bytes) -> io::Result<(Request<()>, Framed)> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no head of a request");
    let mut lines = lines(head);
    let first = lines.next().ok_or_else(broken)?;
    let mut words = first.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(b"HTTP/1.1"), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(broken());
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method).map_err(|_| broken())?;
    let mut authority = None;
    let mut framed = Framed::Length(0);
    let fields = request.headers_mut();
    fields.reserve(16);
    for line in lines {
        if line.is_empty() {
            break;
        }
        let (name, value) = split(line).ok_or_else(broken)?;
        match name.as_str() {
            "host" => {
                authority = Authority::from_maybe_shared(head.slice_ref(value)).ok();
                continue;
            }
            "transfer-encoding" => {
                framed = Framed::Chunked;
                continue;
            }
            "connection" | "keep-alive" | "proxy-connection" | "upgrade" | "http2-settings" => {
                continue;
            }
            "te" => {
                let kept = value.eq_ignore_ascii_case(b"trailers");
                if kept {
                    fields.insert(TE, HeaderValue::from_static("trailers"));
                }
                continue;
            }
            "content-length" => {
                let text = std::str::from_utf8(value).map_err(|_| broken())?;
                framed = Framed::Length(text.parse().map_err(|_| broken())?);
            }
            _ => {}
        }
        let value = HeaderValue::from_maybe_shared(head.slice_ref(value)).map_err(|_| broken())?;
        fields.try_append(name, value).map_err(|_| broken())?;
    }
    if framed == Framed::Chunked {
        fields.remove(CONTENT_LENGTH);
    }
    let mut parts = Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    // The name of a Unix socket is none.
    parts.authority = authority.or(Some(Authority::from_static("localhost")));
    let target = head.slice_ref(target);
    parts.path_and_query = Some(PathAndQuery::from_maybe_shared(target).map_err(|_| broken())?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|_| broken())?;
    Ok((request, framed))
}

/// An answer's head as HTTP/1 has it.
#[derive(Debug)]
pub struct Spelled {
    /// Its bytes, to the empty line.
    pub bytes: Bytes,
    /// Whether the body is framed by chunks.
    pub chunked: bool,
}

/// Spells an answer's head. `ended`: nothing follows it. `head_only`: the request was a HEAD.
///
/// # Errors
/// 101, which HTTP/2 does not have (RFC 9113 section 8.6): whoever reads HTTP/1 would take what
/// follows for another protocol.
pub fn spell<T>(response: &Response<T>, ended: bool, head_only: bool) -> io::Result<Spelled> {
    let status = response.status();
    if status == StatusCode::SWITCHING_PROTOCOLS {
        let what = "a 101 by HTTP/2";
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    let headers = response.headers();
    let bodiless = head_only
        || status.is_informational()
        || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    // Trailers need chunks, and are what gRPC is about.
    let known = headers.contains_key(CONTENT_LENGTH) && !is_grpc(headers);
    let chunked = !bodiless && !ended && !known;
    let mut out = BytesMut::with_capacity(512);
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(status.as_str().as_bytes());
    out.extend_from_slice(b" ");
    out.extend_from_slice(status.canonical_reason().unwrap_or_default().as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in headers {
        let hop = matches!(
            name.as_str(),
            "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
        );
        if hop || (chunked && *name == CONTENT_LENGTH) {
            continue;
        }
        field(&mut out, name.as_str(), value.as_bytes());
    }
    if chunked {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    } else if ended && !bodiless && !headers.contains_key(CONTENT_LENGTH) {
        out.extend_from_slice(b"content-length: 0\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(Spelled {
        bytes: out.freeze(),
        chunked,
    })
}

/// Whether a message is one of gRPC's: `application/grpc`, with or without the kind of messages.
fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let (name, rest) = kind
        .and_then(|kind| kind.split_at_checked("application/grpc".len()))
        .unwrap_or_default();
    name.eq_ignore_ascii_case(b"application/grpc")
        && matches!(rest.first(), None | Some(b'+' | b';'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(text: &str) -> io::Result<(Request<()>, Framed)> {
        read(&Bytes::copy_from_slice(text.as_bytes()))
    }

    fn spelled(response: http::response::Builder, ended: bool, head_only: bool) -> String {
        let response = response.body(()).unwrap();
        let spelled = spell(&response, ended, head_only).unwrap();
        let text = String::from_utf8(spelled.bytes.to_vec()).unwrap();
        assert_eq!(spelled.chunked, text.contains("transfer-encoding"));
        text
    }

    #[test]
    fn a_request_keeps_what_is_not_for_one_hop() {
        let (request, framed) = asked(
            "POST /svc/Talk?a=b HTTP/1.1\r\nHost: app.example:8080\r\nTE: trailers\r\n\
             Connection: TE\r\nKeep-Alive: 5\r\nTransfer-Encoding: chunked\r\n\
             Content-Type: application/grpc\r\nGrpc-Timeout: 5S\r\nX-Bin: a\r\nX-Bin: b\r\n\r\n",
        )
        .unwrap();
        assert_eq!(framed, Framed::Chunked);
        assert_eq!(request.method(), Method::POST);
        assert_eq!(
            request.uri().to_string(),
            "http://app.example:8080/svc/Talk?a=b"
        );
        let mut fields: Vec<&str> = request.headers().keys().map(|name| name.as_str()).collect();
        fields.sort_unstable();
        assert_eq!(fields, ["content-type", "grpc-timeout", "te", "x-bin"]);
        assert_eq!(request.headers().get_all("x-bin").iter().count(), 2);
    }

    #[test]
    fn a_request_without_a_name_has_one() {
        let (request, framed) =
            asked("GET / HTTP/1.1\r\nHost: unix:/run/app.sock\r\nTE: deflate\r\n\r\n").unwrap();
        assert_eq!(request.uri().authority().unwrap(), "localhost");
        assert_eq!(framed, Framed::Length(0));
        assert!(request.headers().is_empty());
        let (request, _) = asked("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        assert_eq!(request.uri().path(), "*");
        let (_, framed) = asked("PUT /\u{e9} HTTP/1.1\r\nContent-Length: 7\r\n\r\n").unwrap();
        assert_eq!(framed, Framed::Length(7));
    }

    #[test]
    fn what_is_no_request_is_told() {
        for text in [
            "",
            "\r\n\r\n",
            "GET /\r\n\r\n",
            "GET / HTTP/1.0\r\n\r\n",
            "GET / / HTTP/1.1\r\n\r\n",
            "GET a HTTP/1.1\r\n\r\n",
            "G(T / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nno field\r\n\r\n",
            "GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
            "GET / HTTP/1.1\r\na: \0\r\n\r\n",
        ] {
            assert!(asked(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_answer_is_framed_as_its_body_needs() {
        let ok = || Response::builder().status(200);
        let chunked = "HTTP/1.1 200 OK\r\na: b\r\ntransfer-encoding: chunked\r\n\r\n";
        assert_eq!(spelled(ok().header("a", "b"), false, false), chunked);
        let long = || ok().header("content-length", "5");
        let length = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n";
        assert_eq!(spelled(long(), false, false), length);
        assert_eq!(spelled(long(), true, true), length);
        let grpc = long().header("content-type", "application/grpc+proto");
        assert!(spelled(grpc, false, false).ends_with("transfer-encoding: chunked\r\n\r\n"));
        // Trailers only: what is said is in the head.
        let refused = ok().header("grpc-status", "12");
        let text = "HTTP/1.1 200 OK\r\ngrpc-status: 12\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(spelled(refused, true, false), text);
    }

    #[test]
    fn an_answer_without_a_body_has_no_frame() {
        let empty = |status: u16| Response::builder().status(status);
        assert_eq!(
            spelled(empty(204), true, false),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
        assert_eq!(
            spelled(empty(304), false, false),
            "HTTP/1.1 304 Not Modified\r\n\r\n"
        );
        assert_eq!(
            spelled(empty(103), false, false),
            "HTTP/1.1 103 Early Hints\r\n\r\n"
        );
        assert_eq!(spelled(empty(200), true, true), "HTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(
            spelled(empty(299), true, false),
            "HTTP/1.1 299 \r\ncontent-length: 0\r\n\r\n"
        );
        let switched = empty(101).body(()).unwrap();
        assert!(spell(&switched, false, false).is_err());
    }
}
