//! Bodies and trailers, in both directions.

use crate::support::http2::{CANCEL, PROTOCOL_ERROR};
use crate::*;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// More than any of these answers takes on a slow, busy machine.
const SOON: Duration = Duration::from_secs(5);

#[test]
fn a_body_with_a_length_keeps_it() {
    let edge = edge(telling());
    let mut client = edge.client();
    let stream = client.ask("POST", "/", &[("content-length", "10")], false);
    client.data(stream, b"01234", false);
    client.data(stream, b"56789", true);
    assert_eq!(client.answer(stream).whole().text(), "POST / 0123456789");
    let request = edge.backend.last();
    assert_eq!(request.field("content-length").as_deref(), Some("10"));
    assert_eq!(request.field("transfer-encoding"), None);
}

#[test]
fn a_body_without_a_length_is_chunked_for_the_app() {
    let edge = edge(telling());
    let mut client = edge.client();
    for (pieces, whole) in [
        (&["01234", "56789"][..], "0123456789"),
        // Ended by an empty frame.
        (&["01234", ""], "01234"),
        (&["", "a", "", "b", ""], "ab"),
        (&[""], ""),
    ] {
        let stream = client.ask("POST", "/", &[], false);
        for (i, piece) in pieces.iter().enumerate() {
            client.data(stream, piece.as_bytes(), i + 1 == pieces.len());
        }
        let answer = client.answer(stream).whole();
        assert_eq!(answer.text(), format!("POST / {whole}"), "{pieces:?}");
        let request = edge.backend.last();
        assert_eq!(request.field("content-length"), None, "{pieces:?}");
        assert_eq!(
            request.field("transfer-encoding").as_deref(),
            Some("chunked")
        );
    }
    // None at all.
    let stream = client.ask("POST", "/", &[], true);
    assert_eq!(client.answer(stream).whole().text(), "POST / ");
    assert_eq!(edge.backend.last().field("transfer-encoding"), None);
    let stream = client.ask("POST", "/", &[("content-length", "0")], false);
    client.data(stream, b"", true);
    assert_eq!(client.answer(stream).whole().text(), "POST / ");
}

#[test]
fn a_body_that_contradicts_its_length_is_no_request() {
    for (length, body) in [("5", "0123456789"), ("20", "0123456789"), ("5x", "0")] {
        let edge = edge(telling());
        let mut client = edge.client();
        let stream = client.ask("POST", "/", &[("content-length", length)], false);
        client.data(stream, body.as_bytes(), true);
        let answer = client.answer(stream);
        // Malformed (RFC 9113 section 8.1.1), or refused as a 400.
        assert!(
            answer.reset == Some(PROTOCOL_ERROR) || answer.status == 400,
            "{length}: {answer:?}"
        );
        assert_eq!(client.get("/after").text(), "GET /after ");
        // The app never saw it whole.
        assert_eq!(edge.backend.requests().len(), 1, "{length}");
    }
}

#[test]
fn bytes_behind_an_empty_body_are_no_request() {
    let edge = edge(telling());
    let mut client = edge.client();
    let stream = client.ask("POST", "/", &[("content-length", "0")], false);
    client.data(
        stream,
        b"GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n",
        true,
    );
    client.answer(stream);
    assert_eq!(client.get("/after").text(), "GET /after ");
    for request in edge.backend.requests() {
        assert!(
            request.body.is_empty() && request.target != "/smuggled",
            "{request:?}"
        );
    }
}

/// An app whose answer to an upload comes when it is told to read it: its length and a sum.
fn patient() -> (Backend, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |app| {
        while let Some(head) = app.head() {
            if head.target != "/upload" {
                app.send(ok("small"));
                continue;
            }
            let length: usize = head.field("content-length").unwrap().parse().unwrap();
            if !signalled(&wait) {
                return;
            }
            let (mut space, mut left, mut sum) = (vec![0; 65_536], length, 0u64);
            while left > 0 {
                let n = app.read(&mut space[..left.min(65_536)]);
                if n == 0 {
                    return;
                }
                sum = space[..n].iter().fold(sum, |sum, byte| {
                    sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
                });
                left -= n;
            }
            app.send(ok(format!("{length} {sum}")));
        }
    });
    (backend, go)
}

#[test]
fn small_answers_pass_an_upload_of_the_same_connection() {
    const SIZE: usize = 50_000_000;
    let (backend, go) = patient();
    let edge = edge_with(backend, "", "max_body = \"64MiB\"");
    let mut client = edge.client();
    let body: Vec<u8> = (0..SIZE).map(|i| (i / 7) as u8).collect();
    let sum = body.iter().fold(0u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let upload = client.ask(
        "POST",
        "/upload",
        &[("content-length", &SIZE.to_string())],
        false,
    );
    let mut sent = 0;
    let mut slowest = Duration::ZERO;
    for round in 0..20 {
        // Half of them while the app reads nothing and the upload stands still, half while it flows.
        if round == 10 {
            go.send(()).unwrap();
        }
        let until = if round < 10 {
            8_000_000
        } else {
            sent + 2_000_000
        };
        while sent < until && (round >= 10 || client.room(upload) > 0) {
            let n = client.room(upload).min(16_384).min(SIZE - sent);
            if n == 0 {
                assert!(client.step());
                continue;
            }
            client.data(upload, &body[sent..sent + n], false);
            sent += n;
        }
        let asked = Instant::now();
        assert_eq!(client.get("/small").text(), "small");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(
        sent < SIZE && !client.is_over(upload),
        "the upload is still under way"
    );
    assert!(
        slowest < SOON,
        "the slowest of the small ones took {slowest:?}"
    );
    client.data(upload, &body[sent..], true);
    let answer = client.answer(upload).whole();
    assert_eq!(answer.text(), format!("{SIZE} {sum}"));
    assert_eq!(client.ended.last(), Some(&upload));
}

#[test]
fn a_stuck_upload_does_not_fill_the_connection_for_others() {
    // The app never reads it: at most one stream's window of it is taken.
    let (backend, _go) = patient();
    let edge = edge_with(backend, "", "max_body = \"64MiB\"");
    let mut client = edge.client();
    let upload = client.ask("POST", "/upload", &[("content-length", "50000000")], false);
    let piece = vec![0; 16_384];
    let mut sent = 0;
    // To the end of the windows, and of what comes of them.
    loop {
        let n = client.room(upload).min(16_384);
        if n > 0 {
            client.data(upload, &piece[..n], false);
            sent += n;
        } else if client.room(0) > 0 || sent > 30_000_000 {
            break;
        } else {
            client.step();
        }
    }
    assert!(
        sent < 30_000_000,
        "{sent} bytes were taken for an app that reads none"
    );
    let other = client.ask("POST", "/other", &[("content-length", "0")], true);
    assert_eq!(client.answer(other).whole().text(), "small");
    client.reset(upload, CANCEL);
    assert!(client.lives());
}

#[test]
fn trailers_of_a_request_reach_the_app() {
    let edge = edge(telling());
    let mut client = edge.client();
    let stream = client.ask("POST", "/", &[("trailer", "x-sum")], false);
    client.data(stream, b"body", false);
    client.headers(stream, &[("x-sum", "7"), ("x-more", "a b")], true);
    assert_eq!(client.answer(stream).whole().text(), "POST / body");
    let trailers = edge.backend.last().trailers;
    let expected = [("x-sum", "7"), ("x-more", "a b")].map(|(n, v)| (n.to_string(), v.to_string()));
    assert_eq!(trailers, expected);
    // Trailers right after the head: a body of nothing.
    let stream = client.ask("POST", "/", &[], false);
    client.headers(stream, &[("x-sum", "8")], true);
    assert_eq!(client.answer(stream).whole().text(), "POST / ");
    assert_eq!(edge.backend.last().trailers[0].1, "8");
    // Trailers end the stream.
    let stream = client.ask("POST", "/", &[], false);
    client.data(stream, b"body", false);
    client.headers(stream, &[("x-sum", "9")], false);
    assert!(client.answer(stream).reset.is_some());
    assert_eq!(edge.backend.requests().len(), 2);
    // What is no trailer is none for the app.
    let stream = client.ask("POST", "/", &[], false);
    client.headers(
        stream,
        &[
            (":path", "/x"),
            ("content-length", "5"),
            ("host", "b"),
            ("x", "y"),
        ],
        true,
    );
    let answer = client.answer(stream);
    if answer.reset.is_none() {
        let request = edge.backend.last();
        assert_eq!(
            (request.target.as_str(), request.trailers.len()),
            ("/", 1),
            "{request:?}"
        );
    }
    assert!(client.lives());
}

#[test]
fn trailers_of_an_answer_reach_the_client() {
    let edge = edge(Backend::http(|_| {
        b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n\
          4\r\nbody\r\n0\r\nX-Sum: 7\r\nServer-Timing: db;dur=2\r\n\r\n"
            .to_vec()
    }));
    let answer = edge.client().get("/");
    assert_eq!(answer.text(), "body");
    let trailers = [("x-sum", "7"), ("server-timing", "db;dur=2")];
    assert_eq!(
        answer.trailers,
        trailers.map(|(n, v)| (n.to_string(), v.to_string()))
    );
    assert_eq!(answer.field("trailer"), Some("X-Sum"));
}

#[test]
fn grpc_goes_through_an_app_of_http_1() {
    // Says each message back when it comes, and the status in the trailers.
    let edge = edge(Backend::raw(|app| {
        while let Some(head) = app.head() {
            assert_eq!(head.field("te").as_deref(), Some("trailers"), "{head:?}");
            if head.target == "/svc/Missing" {
                while app.chunk().is_some_and(|chunk| !chunk.is_empty()) {}
                app.exactly(2);
                app.send(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n\
                     Grpc-Status: 12\r\nGrpc-Message: none\r\nContent-Length: 0\r\n\r\n",
                );
                continue;
            }
            app.send(
                "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\n\
                 Transfer-Encoding: chunked\r\nTrailer: grpc-status\r\n\r\n",
            );
            loop {
                let Some(chunk) = app.chunk() else { return };
                if chunk.is_empty() {
                    break;
                }
                app.send(format!("{:x}\r\n", chunk.len()));
                app.send(&chunk);
                app.send("\r\n");
            }
            app.exactly(2);
            app.send("0\r\nGrpc-Status: 0\r\nGrpc-Message: fine\r\n\r\n");
        }
    }));
    let mut client = edge.client();
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    // Both sides speak by turns: each message comes back before the next is sent.
    let stream = client.ask("POST", "/svc/Talk", &grpc, false);
    let head = client.head(stream);
    assert_eq!(head.field("content-type"), Some("application/grpc"));
    let mut said = Vec::new();
    for i in 0..50u8 {
        let message = [&[0, 0, 0, 0, 100][..], &[i; 100]].concat();
        client.data(stream, &message, false);
        said.extend(message);
        while client.so_far(stream).body.len() < said.len() {
            assert!(client.step());
        }
        assert_eq!(client.so_far(stream).body, said);
    }
    client.data(stream, b"", true);
    let answer = client.answer(stream).whole();
    let trailers = [("grpc-status", "0"), ("grpc-message", "fine")];
    assert_eq!(
        answer.trailers,
        trailers.map(|(n, v)| (n.to_string(), v.to_string()))
    );
    // Trailers only: the status is in the head, and nothing follows.
    let stream = client.ask("POST", "/svc/Missing", &grpc, false);
    client.data(stream, &[0; 5], true);
    let answer = client.answer(stream).whole();
    assert_eq!(answer.field("grpc-status"), Some("12"));
    assert!(answer.body.is_empty() && answer.trailers.is_empty());
}

#[test]
fn an_answer_of_unknown_length_ends_when_the_app_closes() {
    let edge = edge(Backend::raw(|app| {
        app.request();
        app.send("HTTP/1.0 200 OK\r\n\r\n");
        app.send("all that there is");
    }));
    assert_eq!(edge.client().get("/").whole().text(), "all that there is");
}

#[test]
fn pieces_of_an_answer_come_when_they_are_there() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let edge = edge(Backend::raw(move |app| {
        app.request();
        app.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..5 {
            app.send("7\r\ndata: x\r\n");
            if !signalled(&wait) {
                return;
            }
        }
        app.send("0\r\n\r\n");
    }));
    let mut client = edge.client();
    let stream = client.ask("GET", "/", &[], true);
    for i in 1..=5 {
        while client.so_far(stream).body.len() < 7 * i {
            assert!(client.step());
        }
        go.send(()).unwrap();
    }
    assert_eq!(client.answer(stream).whole().body.len(), 35);
}

#[test]
fn who_asks_first_is_told_to_go_on() {
    let edge = edge(telling());
    let mut client = edge.client();
    let expect = [("expect", "100-continue"), ("content-length", "4")];
    let stream = client.ask("POST", "/", &expect, false);
    while client.so_far(stream).interim.is_empty() {
        assert!(client.step());
    }
    assert_eq!(client.so_far(stream).interim[0].0, 100);
    assert_eq!(client.so_far(stream).status, 0);
    client.data(stream, b"body", true);
    let answer = client.answer(stream).whole();
    assert_eq!(
        (answer.text().as_str(), answer.interim.len()),
        ("POST / body", 1)
    );
    assert_eq!(edge.backend.last().field("expect"), None);
}

#[test]
fn early_hints_pass_at_once() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let edge = edge(Backend::raw(move |app| {
        while app.request().is_some() {
            app.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            app.send("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
            if !signalled(&wait) {
                return;
            }
            app.send(ok("page"));
        }
    }));
    let mut client = edge.client();
    let stream = client.ask("GET", "/", &[], true);
    while client.so_far(stream).interim.len() < 2 {
        assert!(client.step());
    }
    go.send(()).unwrap();
    let answer = client.answer(stream).whole();
    assert_eq!(answer.text(), "page");
    for (hints, link) in answer.interim.iter().zip(["</a.css>", "</b.css>"]) {
        assert_eq!(hints.0, 103);
        let found = hints.1.iter().find(|(name, _)| name == "link");
        assert!(found.unwrap().1.starts_with(link), "{hints:?}");
    }
}
