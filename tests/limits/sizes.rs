//! Limits of bodies and heads.

use crate::support::{Backend, Client, Parvis, Reply};
use crate::{Edge, edge};

/// An app behind a site that takes ten bytes, and routes that take other numbers.
fn ten() -> Edge {
    let backend = Backend::text("ok");
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nmax_body = \"10\"\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"/more\"\nproxy = \"app\"\nmax_body = \"1KiB\"\n\
         [[site.route]]\npath = \"/less\"\nproxy = \"app\"\nmax_body = \"5\"\n\
         [[site.route]]\npath = \"/any\"\nproxy = \"app\"\nmax_body = \"0\"\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"own\" }}\n",
        backend.address()
    ));
    Edge { parvis, backend }
}

fn post(edge: &Edge, path: &str, body: &[u8]) -> u16 {
    edge.parvis.client().request("POST", path, "", body).status
}

fn post_chunks(edge: &Edge, path: &str, body: &[u8]) -> u16 {
    let mut client = edge.parvis.client();
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    ));
    // What is refused may be refused before it is sent whole.
    for piece in body.chunks(4) {
        let _ = client.try_send(format!("{:x}\r\n", piece.len()));
        let _ = client.try_send(piece);
        let _ = client.try_send("\r\n");
    }
    let _ = client.try_send("0\r\n\r\n");
    client.reply().status
}

#[test]
fn a_body_that_is_too_long_is_refused_at_once() {
    let edge = ten();
    // Not a byte of the body is sent: the length says it all.
    let mut client = edge.parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n");
    let reply = client.reply();
    assert_eq!(reply.status, 413);
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert_eq!(edge.backend.connections(), 0, "the app does not hear of it");
    // For requests that parvis answers itself too.
    assert_eq!(post(&edge, "/own", &[b'x'; 11]), 413);
    assert_eq!(post(&edge, "/own", &[b'x'; 10]), 200);
}

#[test]
fn a_body_is_measured_by_its_bytes() {
    let edge = ten();
    assert_eq!(post(&edge, "/", &[b'x'; 10]), 200);
    assert_eq!(edge.backend.last().body, [b'x'; 10]);
    assert_eq!(post(&edge, "/", b""), 200);
    // Chunks are frames, not bytes of the body.
    assert_eq!(post_chunks(&edge, "/", &[b'x'; 10]), 200);
    assert_eq!(edge.backend.last().body, [b'x'; 10]);
}

#[test]
fn a_route_may_take_more_or_less_than_its_site() {
    let edge = ten();
    for (path, takes, refuses) in [("/", 10, 11), ("/more", 1024, 1025), ("/less", 5, 6)] {
        assert_eq!(post(&edge, path, &vec![b'x'; takes]), 200, "{path}");
        assert_eq!(post(&edge, path, &vec![b'x'; refuses]), 413, "{path}");
        assert_eq!(post_chunks(&edge, path, &vec![b'x'; takes]), 200, "{path}");
        assert_eq!(
            post_chunks(&edge, path, &vec![b'x'; refuses]),
            413,
            "{path}"
        );
    }
    let large = vec![b'x'; 3_000_000];
    assert_eq!(post(&edge, "/any", &large), 200);
    assert_eq!(edge.backend.last().body.len(), large.len());
    assert_eq!(
        edge.backend.requests().len(),
        7,
        "what was refused is no request"
    );
}

#[test]
fn chunks_are_refused_when_they_pass_the_limit() {
    let edge = ten();
    for i in 0..10 {
        let mut client = edge.parvis.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("a\r\n0123456789\r\n");
        if i % 2 == 0 {
            // One byte too much, and the end is not even near.
            client.send("1\r\nx\r\n");
        } else {
            // The same in the frame of a chunk that is not there yet.
            client.send("ffffff\r\nx");
        }
        let reply = client.reply();
        assert_eq!(reply.status, 413);
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        assert!(client.rest().is_empty());
    }
    assert_eq!(
        edge.backend.requests().len(),
        0,
        "an incomplete request is none"
    );
    assert_eq!(post(&edge, "/", b"fine"), 200);
}

#[test]
fn without_a_limit_any_body_passes() {
    let edge = edge(Backend::text("ok"), "", "", "");
    assert_eq!(post(&edge, "/", &vec![b'x'; 3_000_000]), 200);
}

fn ask(edge: &Edge, request: &str) -> Reply {
    let mut client: Client = edge.parvis.client();
    client.send(request);
    client.reply()
}

/// A request whose head has so many bytes.
fn head_of(bytes: usize) -> String {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nX: \r\n\r\n";
    frame.replace("X: ", &format!("X: {}", "x".repeat(bytes - frame.len())))
}

/// A request with so many fields.
fn fields_of(number: usize) -> String {
    format!(
        "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
        "X: y\r\n".repeat(number - 1)
    )
}

/// A request whose target has so many bytes.
fn target_of(bytes: usize) -> String {
    format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(bytes - 1))
}

#[test]
fn heads_have_limits_by_default() {
    let edge = edge(Backend::text("ok"), "", "", "");
    for (makes, limit, status) in [
        (head_of as fn(usize) -> String, 64 * 1024, 431),
        (fields_of, 100, 431),
        (target_of, 16 * 1024, 414),
    ] {
        assert_eq!(ask(&edge, &makes(limit)).status, 200, "{limit}");
        assert_eq!(ask(&edge, &makes(limit + 1)).status, status, "{limit}");
    }
    assert_eq!(edge.backend.requests().len(), 3);
}

#[test]
fn the_limits_of_heads_can_be_set() {
    let lower = "max_header = \"1KiB\"\nmax_fields = 5\nmax_uri = \"100\"";
    let higher = "max_header = \"200KiB\"\nmax_fields = 200\nmax_uri = \"40KiB\"";
    for (server, header, fields, uri) in
        [(lower, 1024, 5, 100), (higher, 200 * 1024, 200, 40 * 1024)]
    {
        let edge = edge(Backend::text("ok"), server, "", "");
        for (makes, limit, status) in [
            (head_of as fn(usize) -> String, header, 431),
            (fields_of, fields, 431),
            (target_of, uri, 414),
        ] {
            assert_eq!(ask(&edge, &makes(limit)).status, 200, "{limit}");
            assert_eq!(ask(&edge, &makes(limit + 1)).status, status, "{limit}");
        }
        assert_eq!(edge.backend.requests().len(), 3);
    }
}

#[test]
fn a_head_is_refused_as_soon_as_it_is_too_large() {
    let server = "max_header = \"1KiB\"\nmax_uri = \"100\"";
    let edge = edge(Backend::text("ok"), server, "", "");
    // Neither has an end.
    assert_eq!(
        ask(&edge, &head_of(2048).replace("\r\n\r\n", "")).status,
        431
    );
    assert_eq!(ask(&edge, &format!("GET /{}", "x".repeat(300))).status, 414);
}
