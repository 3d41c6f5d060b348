//! Answers before the answer: `100 Continue`, `103 Early Hints`.

use crate::support::{Backend, Client};
use crate::{edge, edge_with, signalled};
use std::sync::Mutex;
use std::sync::mpsc::channel;

/// Whether an answer to `GET /probe` on this connection is the next thing that comes: then nothing
/// came before it.
fn next_is_probe(client: &mut Client) {
    client.send("GET /probe HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
}

#[test]
fn a_client_that_expects_100_gets_it_before_it_sends_the_body() {
    let edge = edge(Backend::text("ok"));
    let mut client = edge.parvis.client();
    for framing in [
        ("Content-Length: 5", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n0\r\n\r\n"),
    ] {
        client.send(format!(
            "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{}\r\n\r\n",
            framing.0
        ));
        assert_eq!(client.head_only().status, 100);
        client.send(framing.1);
        let reply = client.head_only();
        assert_eq!(reply.status, 200, "one 100 and no more");
        assert_eq!(client.exactly(2), b"ok");
        let request = edge.backend.last();
        assert_eq!(request.body, b"hello");
        assert_eq!(request.field("expect"), None, "the app need not know");
    }
}

#[test]
fn a_client_that_expects_100_but_does_not_wait_is_served() {
    let edge = edge(Backend::text("ok"));
    let mut client = edge.parvis.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: a\r\nexpect: 100-Continue\r\nContent-Length: 5\r\n\r\nhello",
    );
    assert_eq!(client.reply().text(), "ok");
    assert_eq!(edge.backend.last().body, b"hello");
    assert_eq!(edge.backend.last().field("expect"), None);
    next_is_probe(&mut client);
}

#[test]
fn a_body_that_is_too_large_is_refused_instead_of_continued() {
    let edge = edge_with(Backend::text("ok"), "", "max_body = \"10\"");
    let mut client = edge.parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 11\r\n\r\n");
    let reply = client.head_only();
    assert_eq!(reply.status, 413, "and no 100 before it");
    assert_eq!(edge.backend.connections(), 0);
}

#[test]
fn a_request_that_goes_nowhere_is_refused_instead_of_continued() {
    let edge = edge_with(Backend::text("ok"), "", "methods = [\"GET\"]");
    let mut client = edge.parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.head_only().status, 405);
    assert_eq!(edge.backend.connections(), 0);
}

#[test]
fn an_http_1_0_client_gets_no_100() {
    let edge = edge(Backend::text("ok"));
    let mut client = edge.parvis.client();
    client.send("POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello");
    assert_eq!(client.head_only().status, 200);
    assert_eq!(edge.backend.last().body, b"hello");
    assert_eq!(edge.backend.last().field("expect"), None);
}

#[test]
fn a_request_without_a_body_gets_no_100() {
    let edge = edge(Backend::text("ok"));
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    assert_eq!(edge.backend.last().field("expect"), None);
}

#[test]
fn early_hints_pass_at_once() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            incoming.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            if request.target == "/probe" {
                incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
                continue;
            }
            incoming.send("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
            if !signalled(&wait) {
                return;
            }
            incoming.send(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n",
            );
        }
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    for link in ["</a.css>; rel=preload", "</b.css>; rel=preload"] {
        let hints = client.head_only();
        assert_eq!(hints.status, 103);
        assert_eq!(hints.field("link").as_deref(), Some(link));
    }
    go.send(()).unwrap();
    let reply = client.reply();
    assert_eq!((reply.status, reply.text().as_str()), (200, "ok"));
    assert_eq!(reply.trailers, [("X-Sum".to_string(), "7".to_string())]);
}

#[test]
fn an_http_1_0_client_gets_no_interim_answer() {
    let edge = edge(Backend::http(|_| {
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n\
          HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
            .to_vec()
    }));
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    assert_eq!(client.rest(), b"ok");
}
