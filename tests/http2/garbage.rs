//! What is no HTTP/2, and what breaks its rules: the connection ends, parvis does not.

use crate::support::Client;
use crate::support::http2::{
    END_HEADERS, END_STREAM, PREFACE, frame, header_frames, kind, request, setting,
};
use crate::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{Read, Write};
use std::net::Shutdown;
use std::time::Duration;

/// Errors' codes (RFC 9113 section 7). The library says PROTOCOL_ERROR for frames of a wrong size.
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;

fn own() -> Parvis {
    Parvis::start(&format!(
        "[[site]]\nname = \"s\"\n{LISTEN}\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"own\" }}\n"
    ))
}

/// parvis lives and has nothing to be ashamed of.
fn unharmed(parvis: &mut Parvis) {
    assert!(parvis.is_running());
    assert_eq!(Http2::connect(parvis.address()).get("/").text(), "own");
    assert!(!parvis.log().contains("panic"), "{}", parvis.log());
}

fn get(stream: u32) -> Vec<u8> {
    header_frames(stream, &request("GET", "/", &[]), true)
}

fn post(stream: u32) -> Vec<u8> {
    header_frames(stream, &request("POST", "/", &[]), false)
}

fn number(value: u32) -> [u8; 4] {
    value.to_be_bytes()
}

#[test]
fn frames_that_break_the_rules_end_the_connection() {
    use kind::*;
    let block = support::hpack::encode(&request("GET", "/", &[]));
    let cases: Vec<(&str, Vec<u8>, &[u32])> = vec![
        ("data on stream 0", frame(DATA, 0, 0, b"x"), &[PROTOCOL]),
        (
            "data on an idle stream",
            frame(DATA, 0, 1, b"x"),
            &[PROTOCOL, STREAM_CLOSED],
        ),
        (
            "headers on stream 0",
            frame(HEADERS, 5, 0, &block),
            &[PROTOCOL],
        ),
        (
            "headers on an even stream",
            frame(HEADERS, 5, 2, &block),
            &[PROTOCOL],
        ),
        (
            "an older stream",
            [get(5), get(3)].concat(),
            &[PROTOCOL, STREAM_CLOSED],
        ),
        (
            "reset of stream 0",
            frame(RST_STREAM, 0, 0, &number(8)),
            &[PROTOCOL],
        ),
        (
            "reset of an idle stream",
            frame(RST_STREAM, 0, 9, &number(8)),
            &[PROTOCOL],
        ),
        (
            "a short reset",
            [post(1), frame(RST_STREAM, 0, 1, b"abc")].concat(),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "settings on a stream",
            frame(SETTINGS, 0, 1, &[]),
            &[PROTOCOL],
        ),
        (
            "settings of five bytes",
            frame(SETTINGS, 0, 0, &[0; 5]),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "an answer to settings with content",
            frame(SETTINGS, 1, 0, &[0; 6]),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "a push that is neither on nor off",
            frame(SETTINGS, 0, 0, &setting(2, 2)),
            &[PROTOCOL],
        ),
        (
            "a window past all windows",
            frame(SETTINGS, 0, 0, &setting(4, 0x8000_0000)),
            &[FLOW_CONTROL, PROTOCOL],
        ),
        (
            "frames too small to be",
            frame(SETTINGS, 0, 0, &setting(5, 100)),
            &[PROTOCOL],
        ),
        (
            "a ping on a stream",
            frame(PING, 0, 1, &[0; 8]),
            &[PROTOCOL],
        ),
        (
            "a ping of seven bytes",
            frame(PING, 0, 0, &[0; 7]),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "a goodbye on a stream",
            frame(GOAWAY, 0, 1, &[0; 8]),
            &[PROTOCOL],
        ),
        (
            "a short goodbye",
            frame(GOAWAY, 0, 0, &[0; 5]),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "a window of nothing",
            frame(WINDOW_UPDATE, 0, 0, &number(0)),
            &[PROTOCOL],
        ),
        (
            "a short window",
            frame(WINDOW_UPDATE, 0, 0, b"abc"),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "a window that flows over",
            frame(WINDOW_UPDATE, 0, 0, &number(0x7fff_ffff)),
            &[FLOW_CONTROL],
        ),
        (
            "a window of an idle stream",
            frame(WINDOW_UPDATE, 0, 9, &number(5)),
            &[PROTOCOL],
        ),
        (
            "a promise",
            frame(PUSH_PROMISE, 4, 1, &[number(2).as_slice(), &block].concat()),
            &[PROTOCOL],
        ),
        (
            "a continuation of nothing",
            frame(CONTINUATION, 4, 1, &block),
            &[PROTOCOL],
        ),
        (
            "a frame within a head",
            [frame(HEADERS, 1, 1, &block), frame(PING, 0, 0, &[0; 8])].concat(),
            &[PROTOCOL],
        ),
        (
            "a head that goes on elsewhere",
            [frame(HEADERS, 1, 1, &block), frame(CONTINUATION, 4, 3, &[])].concat(),
            &[PROTOCOL],
        ),
        (
            "a frame that is too large",
            frame(DATA, 0, 1, &[0; 16_385]),
            &[FRAME_SIZE, PROTOCOL],
        ),
        (
            "padding past the frame",
            frame(HEADERS, 0xd, 1, &[200, 0x82]),
            &[PROTOCOL],
        ),
        (
            "no HPACK",
            frame(HEADERS, 5, 1, &[0xff; 20]),
            &[PROTOCOL, COMPRESSION],
        ),
        (
            "an index past the table",
            frame(HEADERS, 5, 1, &[0xc0]),
            &[PROTOCOL, COMPRESSION],
        ),
        (
            "index 0",
            frame(HEADERS, 5, 1, &[0x80]),
            &[PROTOCOL, COMPRESSION],
        ),
        (
            "a table past its bound",
            frame(HEADERS, 5, 1, &[0x3f, 0xff, 0xff, 0x7f]),
            &[PROTOCOL, COMPRESSION],
        ),
        (
            "broken Huffman",
            frame(HEADERS, 5, 1, &[0, 0x84, 0xff, 0xff, 0xff, 0xff]),
            &[PROTOCOL, COMPRESSION],
        ),
    ];
    let mut parvis = own();
    let mut wrong = Vec::new();
    for (what, bytes, codes) in cases {
        let mut client = Http2::connect(parvis.address());
        client.try_raw(&bytes);
        // An error of the stream alone is no less right where it can be.
        let lives = client.lives();
        let code = client.goaway.map(|(_, code)| code);
        let reset = client.so_far(1).reset;
        let found = code.or(reset);
        if !found.is_some_and(|found| codes.contains(&found)) {
            wrong.push(format!(
                "{what}: GOAWAY {code:?}, RST_STREAM {reset:?}, lives: {lives}"
            ));
        }
        assert!(!lives || code.is_none(), "{what}: it goes on after its end");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    unharmed(&mut parvis);
}

#[test]
fn data_past_the_window_is_an_error_of_flow_control() {
    let stuck = Backend::raw(|app| {
        app.head();
        std::thread::park_timeout(PATIENCE);
    });
    let top = "[server.http2]\nstream_window = \"100KiB\"\nconnection_window = \"1MiB\"\n";
    let mut edge = edge_with(stuck, top, "");
    let mut client = edge.client();
    let stream = client.ask("POST", "/", &[], false);
    for _ in 0..40 {
        client.try_raw(frame(kind::DATA, 0, stream, &[b'x'; 16_384]));
    }
    let lives = client.lives();
    let code = client.goaway.map(|(_, code)| code);
    let reset = client.so_far(stream).reset;
    assert_eq!(code.or(reset), Some(FLOW_CONTROL), "lives: {lives}");
    assert!(edge.parvis.is_running());
}

#[test]
fn what_is_no_preface_is_no_http_2() {
    let mut parvis = own();
    let settings = frame(kind::SETTINGS, 0, 0, &[]);
    for (bytes, status) in [
        // These have HTTP/1's answers: they are no HTTP/2.
        (b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec(), Some(505)),
        (b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), None),
        (b"PRI / HTTP/2.0\r\n\r\n".to_vec(), Some(505)),
        (settings.clone(), None),
        (vec![0; 100], None),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r".to_vec(), Some(505)),
        // These begin as HTTP/2 does.
        (
            [PREFACE, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"].concat(),
            None,
        ),
        ([PREFACE, &[0xff; 100]].concat(), None),
        ([PREFACE, &[0; 1_000]].concat(), None),
        ([PREFACE, PREFACE].concat(), None),
        (PREFACE.to_vec(), None),
    ] {
        let mut client = Client::connect(parvis.address());
        client.send(&bytes);
        client.stream.shutdown(Shutdown::Write).unwrap();
        let said = client.rest();
        if let Some(status) = status {
            let said = String::from_utf8_lossy(&said);
            let expected = format!("HTTP/1.1 {status} ");
            assert!(
                said.starts_with(&expected),
                "{:?}: {said}",
                String::from_utf8_lossy(&bytes)
            );
        }
    }
    unharmed(&mut parvis);
}

/// What an answer needs on a quiet machine.
const MOMENT: Duration = Duration::from_millis(10);

/// A sound connection: settings, a request, an upload with trailers, a ping, a window, a reset.
fn session() -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    out.extend(frame(kind::SETTINGS, 0, 0, &setting(4, 100_000)));
    out.extend(frame(kind::SETTINGS, 1, 0, &[]));
    out.extend(get(1));
    out.extend(header_frames(
        3,
        &request("POST", "/a?b", &[("cookie", "a=1"), ("x-y", "z")]),
        false,
    ));
    out.extend(frame(kind::DATA, 0, 3, b"a piece of a body"));
    out.extend(frame(kind::WINDOW_UPDATE, 0, 0, &number(1_000)));
    out.extend(frame(kind::DATA, 8, 3, b"\x03padded\0\0\0"));
    out.extend(header_frames(3, &[("x-sum", "7")], true));
    out.extend(frame(kind::PING, 0, 0, b"12345678"));
    out.extend(frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x05u=1, i"));
    // A compressed head: names and values of the static table, and one that is kept.
    let compressed = [0x82, 0x86, 0x84, 0x41, 0x83, 0x49, 0x50, 0x9f];
    out.extend(frame(
        kind::HEADERS,
        END_HEADERS | END_STREAM,
        5,
        &compressed,
    ));
    out.extend(get(7));
    out.extend(frame(kind::RST_STREAM, 0, 7, &number(8)));
    out.extend(frame(kind::GOAWAY, 0, 0, &[0; 8]));
    out
}

fn mutated(random: &mut StdRng) -> Vec<u8> {
    let mut bytes = session();
    for _ in 0..random.gen_range(1..8) {
        // Most of them behind the preface, which would only end it.
        let from = if random.gen_ratio(1, 20) {
            0
        } else {
            PREFACE.len()
        };
        let at = random.gen_range(from..bytes.len().max(from + 1));
        match random.gen_range(0..6) {
            0 => bytes[at] = random.r#gen(),
            1 => bytes[at] ^= 1 << random.gen_range(0..8),
            2 => bytes.truncate(at.max(PREFACE.len() + 9)),
            3 => drop(bytes.remove(at)),
            4 => bytes.insert(at, random.r#gen()),
            _ => {
                let end = (at + random.gen_range(1..60)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn a_thousand_broken_sessions_break_nothing() {
    let mut edge = edge_with(telling(), "", "");
    // The sound one is served, or nothing would be shown by the others.
    let mut client = Client::connect(edge.parvis.address());
    client.send(session());
    until("it is served", || {
        let mut asked = edge.backend.requests().into_iter();
        asked.any(|r| r.target == "/a?b").then_some(())
    });
    drop(client);
    std::thread::scope(|scope| {
        for part in 0..4 {
            let address = edge.parvis.address();
            scope.spawn(move || {
                let mut random = StdRng::seed_from_u64(part);
                for _ in 0..250 {
                    let bytes = mutated(&mut random);
                    let mut client = Client::connect(address);
                    // It may be refused before it is sent whole.
                    let _ = client.stream.write_all(&bytes);
                    // What it asked for is under way when it goes, as far as a moment tells.
                    client.stream.set_read_timeout(Some(MOMENT)).unwrap();
                    while client.stream.read(&mut [0; 65_536]).is_ok_and(|n| n > 0) {}
                    client.stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let _ = client.stream.shutdown(Shutdown::Write);
                    // It ends, however broken: a connection that stays would be waited for in vain.
                    while client.read_or_end(&mut [0; 65_536]) > 0 {}
                }
            });
        }
    });
    assert!(edge.parvis.is_running());
    assert!(
        !edge.parvis.log().contains("panic"),
        "{}",
        edge.parvis.log()
    );
    assert_eq!(edge.client().get("/after").text(), "GET /after ");
    until("no connection is left behind", || {
        (edge.parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
}
