//! Clients that ask for much work and want nothing of it: ended with ENHANCE_YOUR_CALM and
//! counted, while others are served.

use crate::support::http2::{
    CALM, CANCEL, END_HEADERS, END_STREAM, frame, header_frames, kind, request, setting,
};
use crate::*;

/// An edge whose answers are its own but for `/app`.
fn quick() -> Edge {
    let own = "[[site.route]]\npath = \"/own\"\nrespond = { body = \"own\" }\n";
    let slow = Backend::raw(|app| {
        app.request();
        // Never answers.
        while app.read(&mut [0; 100]) > 0 {}
    });
    edge_with(slow, "", own)
}

/// Waits until a counter has counted something.
fn counted(edge: &Edge, series: &str) {
    until(series, || (edge.parvis.metric(series) >= 1.0).then_some(()));
}

/// Sends what `unit` makes, 1 to `most` times. By then the connection must have ended with
/// ENHANCE_YOUR_CALM, counted for this reason, and another one never have suffered.
fn flood(reason: &str, most: u32, unit: impl Fn(&mut Http2, u32) -> Vec<u8>) {
    let edge = quick();
    let mut other = edge.client();
    let mut client = edge.client();
    let mut sent = 0;
    for i in 1..=most {
        let bytes = unit(&mut client, i);
        if !client.try_raw(bytes) {
            break;
        }
        sent = i;
        if i % 500 == 0 {
            assert_eq!(other.get("/own").text(), "own");
        }
    }
    assert!(!client.lives(), "{sent} of {reason} were not too many");
    let code = client.end().map(|(_, code)| code);
    assert_eq!(code, Some(CALM), "{reason}, after {sent}");
    counted(
        &edge,
        &format!("parvis_http2_floods_total{{reason=\"{reason}\"}}"),
    );
    assert_eq!(other.get("/own").text(), "own");
    assert!(other.lives());
    assert_eq!(edge.client().get("/own").text(), "own");
}

fn opened(stream: u32, path: &str) -> Vec<u8> {
    header_frames(stream, &request("GET", path, &[]), true)
}

fn taken_back(stream: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, &CANCEL.to_be_bytes())
}

#[test]
fn rapid_reset() {
    // CVE-2023-44487: one by one, and in heaps.
    flood("resets", 3_000, |client, _| {
        let stream = client.number();
        [opened(stream, "/app"), taken_back(stream)].concat()
    });
    flood("resets", 30, |client, _| {
        let pair = |_| {
            let stream = client.number();
            [opened(stream, "/app"), taken_back(stream)].concat()
        };
        (0..100).flat_map(pair).collect()
    });
}

#[test]
fn made_you_reset() {
    // CVE-2025-8671: the server is made to reset what it was asked for. By a window that
    // overflows, and by a body that is longer than its length.
    let overflows = |stream| {
        frame(
            kind::WINDOW_UPDATE,
            0,
            stream,
            &0x7fff_ffff_u32.to_be_bytes(),
        )
    };
    // What was reset is known when it was told: so they are waited for, twenty at a time.
    flood("provoked_resets", 2_000, |client, i| {
        if i % 20 == 0 {
            client.lives();
        }
        let stream = client.number();
        [opened(stream, "/app"), overflows(stream)].concat()
    });
    flood("provoked_resets", 2_000, |client, i| {
        if i % 20 == 0 {
            client.lives();
        }
        let stream = client.number();
        let fields = request("POST", "/app", &[("content-length", "1")]);
        let head = header_frames(stream, &fields, false);
        [head, frame(kind::DATA, 0, stream, b"more")].concat()
    });
}

#[test]
fn made_you_reset_all_at_once() {
    let mut edge = quick();
    let mut client = edge.client();
    let overflows = 0x7fff_ffff_u32.to_be_bytes();
    let one = |_| {
        let stream = client.number();
        [
            opened(stream, "/app"),
            frame(kind::WINDOW_UPDATE, 0, stream, &overflows),
        ]
        .concat()
    };
    let bytes: Vec<u8> = (0..3_000).flat_map(one).collect();
    client.try_raw(bytes);
    let (_, code) = client.end().expect("GOAWAY");
    assert_eq!(code, CALM);
    // Whether the library saw it first, or the watch.
    until("it is counted", || {
        let count = |reason: &str| {
            let series = format!("parvis_http2_floods_total{{reason=\"{reason}\"}}");
            edge.parvis.metric(&series)
        };
        (count("provoked_resets") + count("frames") == 1.0).then_some(())
    });
    assert!(edge.parvis.is_running());
}

#[test]
fn header_blocks_that_do_not_end() {
    // CVE-2024-27316: small ones, empty ones, and full ones.
    for (length, most) in [(10, 50), (0, 50), (16_000, 70)] {
        flood("continuations", most, |client, i| {
            let field = match length {
                0 => Vec::new(),
                _ => support::hpack::encode(&[("x-y", "z".repeat(length))]),
            };
            if i == 1 {
                let stream = client.number();
                let block = support::hpack::encode(&request("GET", "/app", &[]));
                return frame(kind::HEADERS, END_STREAM, stream, &block);
            }
            frame(kind::CONTINUATION, 0, 1, &field)
        });
    }
}

#[test]
fn settings() {
    flood("settings", 2_000, |_, _| {
        frame(kind::SETTINGS, 0, 0, &setting(4, 65_535))
    });
}

#[test]
fn pings() {
    flood("pings", 2_000, |_, _| frame(kind::PING, 0, 0, &[0; 8]));
}

#[test]
fn data_without_data() {
    for flags in [0, 8] {
        flood("empty_data", 2_000, |client, i| {
            if i == 1 {
                let stream = client.number();
                return header_frames(stream, &request("POST", "/app", &[]), false);
            }
            // Nothing, and nothing but padding.
            frame(kind::DATA, flags, 1, if flags == 8 { &[0] } else { &[] })
        });
    }
}

#[test]
fn priorities() {
    flood("priorities", 5_000, |_, i| {
        frame(kind::PRIORITY, 0, 2 * i + 1, &[0, 0, 0, 0, 15])
    });
    flood("priorities", 5_000, |_, _| {
        frame(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=1")
    });
}

#[test]
fn windows_by_one() {
    flood("window_updates", 30_000, |client, i| {
        if i == 1 {
            let stream = client.number();
            return opened(stream, "/app");
        }
        frame(kind::WINDOW_UPDATE, 0, 1, &1u32.to_be_bytes())
    });
}

#[test]
fn windows_for_nothing() {
    flood("window_updates", 5_000, |_, _| {
        frame(kind::WINDOW_UPDATE, 0, 0, &100u32.to_be_bytes())
    });
}

#[test]
fn frames_of_no_kind() {
    flood("unknown_frames", 2_000, |_, _| frame(0xbb, 0, 0, b"grease"));
}

#[test]
fn who_leaves_a_page_is_no_flood() {
    // A browser resets all that a page still loads, at once, and does so page after page.
    let edge = quick();
    let mut client = edge.client();
    for _ in 0..5 {
        let streams: Vec<u32> = (0..100).map(|_| client.number()).collect();
        let mut bytes: Vec<u8> = streams.iter().flat_map(|s| opened(*s, "/app")).collect();
        bytes.extend(streams.iter().flat_map(|s| taken_back(*s)));
        client.raw(bytes);
        assert_eq!(client.get("/own").text(), "own");
    }
    assert!(client.lives());
    assert_eq!(client.goaway, None);
}

#[test]
fn a_busy_client_is_no_flood() {
    let edge = quick();
    let mut client = edge.client();
    // Two windows and a ping for each answer, and priorities as a browser has them.
    for i in 0..1_200u32 {
        let stream = client.ask("GET", "/own", &[], true);
        client.send(
            kind::PRIORITY_UPDATE,
            0,
            0,
            &[&stream.to_be_bytes()[..], b"u=2"].concat(),
        );
        assert_eq!(client.answer(stream).whole().text(), "own");
        if i % 3 == 0 {
            assert!(client.lives());
        }
    }
    assert_eq!(client.goaway, None);
}

#[test]
fn mistakes_of_a_long_life_are_no_flood() {
    // One stream in ten is the client's mistake, and the connection has many: counted by time,
    // not over its whole life, it would take a quick one.
    let edge = quick();
    let mut client = edge.client();
    for i in 0..150 {
        let flags = END_HEADERS | END_STREAM;
        let stream = client.number();
        let block = support::hpack::encode(&request("GET", "/own", &[("te", "gzip")]));
        client.send(kind::HEADERS, flags, stream, &block);
        assert!(client.answer(stream).reset.is_some(), "{i}");
        assert_eq!(client.get("/own").text(), "own", "after {i} mistakes");
    }
}
