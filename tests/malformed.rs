//! Malformed requests: answered, the connection closed, never forwarded. One test each.

mod support;

use support::{Backend, Client, Parvis};

struct Edge {
    parvis: Parvis,
    backend: Backend,
}

fn edge() -> Edge {
    let backend = Backend::text("app");
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    ));
    Edge { parvis, backend }
}

/// Sends the bytes; the answer must have this status, the connection must end, and the app must
/// not have heard of it. A request that follows on the same connection must not be served either.
fn refused(bytes: impl AsRef<[u8]>, status: u16) {
    let edge = edge();
    let mut client = edge.parvis.client();
    client.send(bytes);
    // It may be refused before it is sent whole.
    let _ = client.try_send("GET /after HTTP/1.1\r\nHost: test\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.status, status, "{}", reply.head);
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert!(reply.field("x-request-id").is_some());
    assert!(client.rest().is_empty(), "more than one answer");
    assert_eq!(
        edge.backend.requests().len(),
        0,
        "forwarded: {:?}",
        edge.backend.requests()
    );
    // The process lives and serves on.
    assert_eq!(edge.parvis.get("/").text(), "app");
}

macro_rules! refused {
    ($($(#[$meta:meta])* $name:ident: $status:literal, $bytes:expr;)*) => {$(
        $(#[$meta])*
        #[test]
        fn $name() {
            refused($bytes, $status);
        }
    )*};
}

refused! {
    length_and_encoding: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    several_lengths: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello";
    equal_lengths: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello";
    a_list_of_lengths: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello";
    a_signed_length: 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello";
    a_negative_length: 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello";
    a_hexadecimal_length: 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello";
    an_empty_length: 400, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n";
    a_length_past_all_numbers: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n";
    encoding_that_is_not_chunked: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n";
    encoding_that_ends_in_something_else: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n";
    encoding_that_is_almost_chunked: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n";
    encoding_with_a_vertical_tab: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n";
    encoding_twice: 400,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    encoding_in_http_1_0: 400,
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    bare_lf_in_the_request_line: 400, "GET / HTTP/1.1\nHost: a\r\n\r\n";
    bare_lf_after_a_field: 400, "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n";
    bare_lf_at_the_end: 400, "GET / HTTP/1.1\r\nHost: a\r\n\n";
    bare_cr_in_a_value: 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n";
    bare_cr_in_the_request_line: 400, "GET /\rHTTP/1.1\r\nHost: a\r\n\r\n";
    a_folded_field: 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n";
    a_field_folded_by_a_tab: 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n\tb\r\n\r\n";
    nul_in_a_value: 400, "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
    nul_in_a_name: 400, "GET / HTTP/1.1\r\nHost: a\r\nX\0: b\r\n\r\n";
    nul_in_the_target: 400, "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n";
    space_before_the_colon: 400, "GET / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello";
    a_field_without_a_colon: 400, "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n";
    a_field_without_a_name: 400, "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n";
    no_host: 400, "GET / HTTP/1.1\r\n\r\n";
    an_empty_host: 400, "GET / HTTP/1.1\r\nHost:\r\n\r\n";
    several_hosts: 400, "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n";
    a_host_with_a_path: 400, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n";
    a_host_with_a_user: 400, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n";
    a_target_that_contradicts_host: 400, "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n";
    a_control_character_in_the_target: 400, "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n";
    a_delete_in_the_target: 400, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n";
    a_tab_in_the_request_line: 400, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n";
    a_target_that_is_no_path: 400, "GET a HTTP/1.1\r\nHost: a\r\n\r\n";
    two_spaces_in_the_request_line: 400, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n";
    no_version: 400, "GET /\r\nHost: a\r\n\r\n";
    a_version_that_is_none: 400, "GET / HTTP/1.x\r\nHost: a\r\n\r\n";
    a_version_that_is_not_spoken: 505, "GET / HTTP/3.0\r\nHost: a\r\n\r\n";
    a_preface_of_http_2: 505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    rubbish: 400, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n";
    connect: 405, "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n";
    a_target_that_is_too_long: 414, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(16 * 1024));
    a_head_that_is_too_large: 431, format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(64 * 1024));
    too_many_fields: 431, format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(100));
}

/// A body whose framing breaks is noticed when the head has been passed on already: the app gets
/// an incomplete request, which is no request, and the client 400.
fn broken_body(body: &str) {
    let edge = edge();
    let mut client = edge.parvis.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"
    ));
    let reply = client.reply();
    assert_eq!(reply.status, 400, "{}", reply.head);
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert!(client.rest().is_empty());
    assert_eq!(
        edge.backend.requests().len(),
        0,
        "forwarded as if it were whole"
    );
    assert_eq!(edge.parvis.get("/").text(), "app");
}

#[test]
fn a_chunk_size_that_is_no_number() {
    broken_body("xyz\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_longer_than_its_size() {
    broken_body("3\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_without_its_cr() {
    broken_body("5\nhello\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_size_past_all_numbers() {
    broken_body("fffffffffffffffff\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_size_with_a_sign() {
    broken_body("+5\r\nhello\r\n0\r\n\r\n");
}

#[test]
fn an_endless_chunk_extension() {
    broken_body(&format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(1000)));
}

#[test]
fn a_trailer_that_is_no_field() {
    broken_body("0\r\nno field\r\n\r\n");
}

#[test]
fn a_smuggled_request_is_not_served() {
    let edge = edge();
    let mut client = edge.parvis.client();
    // TE.CL: a forgiving parser would see `GET /smuggled` as a second request.
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
         5c\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n0\r\n\r\n",
    );
    assert_eq!(client.reply().status, 400);
    assert!(client.rest().is_empty());
    assert_eq!(edge.backend.requests().len(), 0);
}

#[test]
fn sound_oddities_are_served() {
    let edge = edge();
    for request in [
        "\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET HTTP://A:80?x HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET / HTTP/1.1\r\nHOST:a\r\nX-Empty:\r\nX-Tab:\ta\tb\t\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:  CHUNKED \r\n\r\n5;ext=\"x\"\r\nhello\r\n0\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut client = Client::connect(edge.parvis.address());
        client.send(request);
        let reply = client.reply();
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "app"),
            "{request:?}"
        );
    }
    let targets: Vec<String> = edge
        .backend
        .requests()
        .iter()
        .map(|r| r.target.clone())
        .collect();
    assert_eq!(targets[1..3], ["/", "/?x"]);
}
