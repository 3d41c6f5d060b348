//! An app that breaks off in the middle: the client must not take what came for the whole.

use crate::bodies::prose;
use crate::decode::Decoder;
use crate::stream::Stream;
use crate::support::Backend;
use crate::{CODINGS, edge, same};
use std::time::Duration;

/// How an app breaks an answer off.
#[derive(Clone, Copy, Debug)]
enum Break {
    /// Less than its `Content-Length`.
    Length,
    /// Within a chunk.
    InChunk,
    /// Between two chunks: all that came is whole, but for the last one.
    BetweenChunks,
    /// By a reset.
    Reset,
}

const BREAKS: [Break; 4] = [
    Break::Length,
    Break::InChunk,
    Break::BetweenChunks,
    Break::Reset,
];

fn breaking(how: Break, length: usize) -> Backend {
    Backend::raw(move |incoming| {
        incoming.request();
        let body = prose(length, 1);
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
        let frame = match how {
            Break::Length => format!("Content-Length: {}\r\n\r\n", length + 1_000),
            _ => "Transfer-Encoding: chunked\r\n\r\n".to_string(),
        };
        incoming.send(format!("{head}{frame}"));
        match how {
            Break::Length => {}
            Break::InChunk => drop(incoming.send(format!("{:x}\r\n", length + 1_000))),
            // An empty chunk would be the last one.
            Break::BetweenChunks | Break::Reset if length == 0 => {}
            Break::BetweenChunks | Break::Reset => {
                incoming.send(format!("{length:x}\r\n"));
            }
        }
        incoming.send(&body);
        match how {
            Break::Length | Break::InChunk => {}
            Break::BetweenChunks => drop(incoming.send(if length == 0 { "" } else { "\r\n" })),
            Break::Reset => {
                let socket = socket2::SockRef::from(&incoming.stream);
                socket.set_linger(Some(Duration::ZERO)).unwrap();
            }
        }
    })
}

#[test]
fn an_answer_that_breaks_off_is_not_whole_for_the_client() {
    for how in BREAKS {
        for length in [0, 1, 2_000, 300_000] {
            for coding in CODINGS {
                let what = format!("{how:?} after {length} bytes in {coding}");
                let edge = edge(breaking(how, length));
                let mut client = edge.parvis.client();
                client.send(format!(
                    "GET / HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\r\n"
                ));
                let head = client.head_only();
                if head.status != 200 {
                    // It was noticed before the client was told anything.
                    assert_eq!(head.status, 502, "{what}");
                    continue;
                }
                assert_eq!(head.field("content-length"), None, "{what}");
                let rest = client.rest();
                assert!(!rest.ends_with(b"0\r\n\r\n"), "{what}: a clean end");
            }
        }
    }
}

/// Without chunks, only the coding itself can tell that something is missing.
#[test]
fn an_answer_that_breaks_off_is_not_whole_for_an_http_1_0_client() {
    for how in BREAKS {
        for length in [1, 2_000, 300_000] {
            for coding in CODINGS {
                let what = format!("{how:?} after {length} bytes in {coding}");
                let edge = edge(breaking(how, length));
                let mut client = edge.parvis.client();
                client.send(format!(
                    "GET / HTTP/1.0\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\r\n"
                ));
                let head = client.head_only();
                if head.status != 200 {
                    assert_eq!(head.status, 502, "{what}");
                    continue;
                }
                assert_eq!(crate::coding(&head), coding, "{what}");
                let mut decoder = Decoder::new(coding);
                let decoded = decoder.push(&client.rest());
                assert!(!decoder.ended(), "{what}: a clean end");
                let sent = prose(length, 1);
                let right = sent.starts_with(&decoded);
                assert!(right, "{what}: what came is not the beginning");
            }
        }
    }
}

/// What parvis needs is still there after a hundred answers that broke off.
#[test]
fn answers_that_break_off_leave_nothing_behind() {
    let edge = edge(Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let body = prose(50_000, 1);
            let head =
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 50000\r\n\r\n";
            incoming.send(head);
            if request.target == "/broken" {
                incoming.send(&body[..20_000]);
                return;
            }
            incoming.send(&body);
        }
    }));
    for i in 0..120 {
        let coding = CODINGS[i % CODINGS.len()];
        let fields = format!("Host: test\r\nAccept-Encoding: {coding}\r\n\r\n");
        let mut client = edge.parvis.client();
        client.send(format!("GET /broken HTTP/1.1\r\n{fields}"));
        if client.head_only().status == 200 {
            client.rest();
        }
        let stream = Stream::open(&edge, coding);
        // An encoder that was used before has nothing of the other answer in it.
        same(coding, &stream.finish(), &prose(50_000, 1));
    }
}
