//! Heads of requests: what the app gets of them, and which are none.

use crate::support::http2::{END_HEADERS, END_STREAM, PROTOCOL_ERROR, kind};
use crate::*;

#[test]
fn crumbs_of_cookies_are_one_field_for_the_app() {
    let edge = edge(telling());
    let crumbs = [
        ("cookie", "a=1"),
        ("accept", "*/*"),
        ("cookie", "b=2"),
        ("cookie", "c=3; d=4"),
    ];
    edge.client().get_with("/", &crumbs);
    let request = edge.backend.last();
    let cookies = request
        .fields
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
    let cookies: Vec<&str> = cookies.map(|(_, value)| value.as_str()).collect();
    assert_eq!(cookies, ["a=1; b=2; c=3; d=4"]);
}

#[test]
fn fields_reach_the_app_and_those_of_one_hop_are_ours() {
    let edge = edge(telling());
    let fields = [
        ("x-one", "1"),
        ("x-empty", ""),
        ("x-latin", "caf\u{e9}"),
        ("x-one", "2"),
        ("x_underscored", "no"),
        ("x-forwarded-for", "6.6.6.6"),
        ("te", "trailers"),
    ];
    edge.client().get_with("/", &fields);
    let request = edge.backend.last();
    assert_eq!(request.field("x-one").as_deref(), Some("1, 2"));
    assert_eq!(request.field("x-empty").as_deref(), Some(""));
    assert_eq!(request.field("x-latin").as_deref(), Some("caf\u{e9}"));
    assert_eq!(request.field("x_underscored"), None);
    assert_eq!(
        request.field("x-forwarded-for").as_deref(),
        Some("127.0.0.1")
    );
    assert_eq!(request.field("te").as_deref(), Some("trailers"));
    for field in ["transfer-encoding", "content-length", "upgrade"] {
        assert_eq!(request.field(field), None, "{request:?}");
    }
}

/// A request of these fields, on a connection with others before and after it.
fn asked(fields: &[(&str, &str)]) -> (Answer, usize) {
    let edge = edge(telling());
    let mut client = edge.client();
    assert_eq!(client.get("/before").status, 200);
    let stream = client.open(fields, true);
    let answer = client.answer(stream);
    assert_eq!(
        client.get("/after").text(),
        "GET /after ",
        "the connection lives"
    );
    (answer, edge.backend.requests().len() - 2)
}

/// Malformed (RFC 9113 section 8.1.1): the stream is reset, and no app hears of it.
fn malformed(fields: &[(&str, &str)]) {
    let (answer, forwarded) = asked(fields);
    assert_eq!(answer.reset, Some(PROTOCOL_ERROR), "{fields:?}: {answer:?}");
    assert_eq!((answer.status, forwarded), (0, 0), "{fields:?}");
}

/// Understood and refused.
fn refused(fields: &[(&str, &str)], status: u16) {
    let (answer, forwarded) = asked(fields);
    assert_eq!(
        (answer.status, forwarded),
        (status, 0),
        "{fields:?}: {answer:?}"
    );
    answer.whole();
}

const METHOD: (&str, &str) = (":method", "GET");
const SCHEME: (&str, &str) = (":scheme", "http");
const HOST: (&str, &str) = (":authority", "test");
const PATH: (&str, &str) = (":path", "/");

fn plus<'a>(field: (&'a str, &'a str)) -> [(&'a str, &'a str); 5] {
    [METHOD, SCHEME, HOST, PATH, field]
}

#[test]
fn malformed_heads_are_errors_of_their_streams() {
    malformed(&plus(("connection", "close")));
    malformed(&plus(("keep-alive", "timeout=5")));
    malformed(&plus(("proxy-connection", "close")));
    malformed(&plus(("transfer-encoding", "chunked")));
    malformed(&plus(("upgrade", "websocket")));
    malformed(&plus(("te", "gzip")));
    malformed(&plus((":status", "200")));
    malformed(&plus((":path", "/twice")));
    malformed(&[METHOD, SCHEME, HOST, ("x", "1"), PATH]);
    malformed(&[SCHEME, HOST, PATH]);
    malformed(&[METHOD, HOST, PATH]);
    malformed(&[METHOD, SCHEME, HOST]);
}

/// What is no name or no value is the error of the connection, as a mistake in HPACK is: a server
/// may end a connection for what is only an error of a stream (RFC 9113 section 5.4.1).
fn unreadable(fields: &[(&str, &str)]) {
    let edge = edge(telling());
    let mut client = edge.client();
    assert_eq!(client.get("/before").status, 200);
    let stream = client.open(fields, true);
    let answer = client.answer(stream);
    assert_eq!(answer.status, 0, "{fields:?}: {answer:?}");
    if answer.reset.is_none() {
        let (_, code) = client.end().expect("GOAWAY");
        assert_eq!(code, PROTOCOL_ERROR, "{fields:?}");
    } else {
        assert_eq!(client.get("/after").status, 200);
    }
    let targets = edge.backend.requests();
    assert!(
        targets.iter().all(|request| request.target != "/"),
        "{fields:?}"
    );
    assert_eq!(edge.client().get("/other").status, 200);
}

#[test]
fn names_and_values_that_are_none_are_refused() {
    unreadable(&plus(("X-Upper", "1")));
    unreadable(&plus(("cookiE", "a=1")));
    unreadable(&plus((":made-up", "1")));
    unreadable(&plus(("", "no name")));
    unreadable(&plus(("x y", "1")));
    unreadable(&plus(("x:y", "1")));
    unreadable(&plus(("x", "a\r\ny: b")));
    unreadable(&plus(("x", "a\0b")));
    unreadable(&[(":method", "G T"), SCHEME, HOST, PATH]);
    unreadable(&[(":method", ""), SCHEME, HOST, PATH]);
    unreadable(&[METHOD, SCHEME, HOST, (":path", "")]);
}

#[test]
fn heads_that_parvis_refuses_are_answered() {
    refused(&[METHOD, SCHEME, PATH], 400);
    refused(&[METHOD, SCHEME, (":authority", "u@test"), PATH], 400);
    refused(&plus(("host", "other")), 400);
    refused(&[(":method", "CONNECT"), (":authority", "test:443")], 405);
    let long = format!("/{}", "a".repeat(16 * 1024));
    refused(&[METHOD, SCHEME, HOST, (":path", &long)], 414);
    let many: Vec<(&str, &str)> = plus(("a", "b"))
        .into_iter()
        .chain(std::iter::repeat_n(("x", "y"), 100))
        .collect();
    refused(&many, 431);
}

#[test]
fn a_host_beside_the_authority_or_instead_of_it() {
    let edge = edge(telling());
    let mut client = edge.client();
    for fields in [
        &[METHOD, SCHEME, HOST, PATH, ("host", "test")][..],
        &[METHOD, SCHEME, HOST, PATH, ("host", "TEST")],
        &[METHOD, SCHEME, PATH, ("host", "test")],
    ] {
        let stream = client.open(fields, true);
        assert_eq!(client.answer(stream).whole().status, 200, "{fields:?}");
        let request = edge.backend.last();
        let hosts = request
            .fields
            .iter()
            .filter(|(name, _)| name.eq_ignore_ascii_case("host"));
        assert_eq!(hosts.count(), 1, "{fields:?}");
        assert_eq!(request.field("host").as_deref(), Some("test"));
    }
}

#[test]
fn a_header_list_that_is_too_large_is_refused_and_its_connection_lives() {
    let edge = edge(telling());
    let mut client = edge.client();
    assert!(client.settings[&6] >= 64 * 1024, "{:?}", client.settings);
    let value = "x".repeat(70_000);
    let stream = client.ask("GET", "/", &[("x-long", &value)], true);
    let answer = client.answer(stream);
    assert!(
        answer.status == 431 || answer.reset.is_some(),
        "{answer:?}, {:?}",
        client.goaway
    );
    assert_eq!(client.get("/after").text(), "GET /after ");
    // One just below the bound is served.
    let value = "x".repeat(60_000);
    assert_eq!(client.get_with("/", &[("x-long", &value)]).status, 200);
    assert_eq!(edge.backend.requests().len(), 2);
    assert_eq!(
        edge.backend.last().field("x-long").map(|v| v.len()),
        Some(60_000)
    );
}

#[test]
fn the_configured_bounds_are_announced_and_kept() {
    let top = "[server.http2]\nstreams = 7\nheader_list = \"4KiB\"\nstream_window = \"100KB\"\n";
    let edge = edge_with(telling(), top, "");
    let mut client = edge.client();
    assert_eq!(client.settings.get(&3), Some(&7));
    assert_eq!(client.settings.get(&6), Some(&4096));
    assert_eq!(client.settings.get(&4), Some(&100_000));
    // WebSockets may be asked for (RFC 8441 section 3).
    assert_eq!(client.settings.get(&8), Some(&1));
    let value = "x".repeat(5_000);
    let stream = client.ask("GET", "/", &[("x", &value)], true);
    let answer = client.answer(stream);
    assert!(answer.status == 431 || answer.reset.is_some(), "{answer:?}");
    assert_eq!(client.get("/").status, 200);
}

#[test]
fn padding_and_priorities_in_heads_are_passed_over() {
    let edge = edge(telling());
    let mut client = edge.client();
    let block = support::hpack::encode(&support::http2::request("GET", "/padded", &[]));
    let stream = client.number();
    // PADDED and PRIORITY: five bytes of padding, a dependency and a weight.
    let payload = [&[5, 0, 0, 0, 0, 15], block.as_slice(), &[0; 5]].concat();
    client.send(
        kind::HEADERS,
        0x28 | END_HEADERS | END_STREAM,
        stream,
        &payload,
    );
    assert_eq!(client.answer(stream).whole().text(), "GET /padded ");
}
