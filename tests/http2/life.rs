//! How long connections and requests may take, how much they may bring, and how parvis ends.

use crate::support::http2::{NO_ERROR, header_frames, kind, request};
use crate::support::{Client, Folder};
use crate::*;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

/// Bounds of time that are short, one at a time.
fn timed(server: &str) -> Edge {
    let own = "[[site.route]]\npath = \"/own\"\nrespond = { body = \"own\" }\n";
    edge_with(telling(), &format!("[server]\n{server}\n"), own)
}

/// Waits until parvis has no connection any more.
fn gone(edge: &Edge) {
    until("the connection is closed", || {
        (edge.parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
}

#[test]
fn a_connection_that_asks_for_nothing_ends() {
    let edge = timed("header_timeout = \"300ms\"");
    // Nothing, a part of the preface, the preface alone, the settings too, and half a head.
    let head = header_frames(1, &request("GET", "/own", &[]), true);
    let half = &head[..head.len() / 2];
    let preface = support::http2::PREFACE;
    let settings = support::http2::frame(kind::SETTINGS, 0, 0, &[]);
    std::thread::scope(|scope| {
        for bytes in [
            Vec::new(),
            preface[..10].to_vec(),
            preface.to_vec(),
            [preface, &settings].concat(),
            [preface, &settings, half].concat(),
        ] {
            let address = edge.parvis.address();
            scope.spawn(move || {
                let mut client = Client::connect(address);
                client.send(bytes);
                client.rest();
            });
        }
    });
    gone(&edge);
}

#[test]
fn an_idle_connection_is_told_to_go() {
    const IDLE: Duration = Duration::from_millis(500);
    let top = "[server.http2]\nidle_timeout = \"500ms\"\n";
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let app = Backend::raw(move |app| {
        app.request();
        if signalled(&wait) {
            app.send(ok("late"));
        }
    });
    let edge = edge_with(app, top, "");
    let mut client = edge.client();
    let began = Instant::now();
    let stream = client.ask("GET", "/", &[], true);
    // It is not idle while a request is open.
    while began.elapsed() < IDLE * 3 {
        assert!(client.lives());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(client.goaway, None);
    go.send(()).unwrap();
    assert_eq!(client.answer(stream).whole().text(), "late");
    let answered = Instant::now();
    assert_eq!(client.end(), Some((stream, NO_ERROR)));
    assert!(answered.elapsed() >= IDLE - Duration::from_millis(50));
    gone(&edge);
}

#[test]
fn a_client_without_a_window_is_given_up() {
    let top = format!("[server]\nsend_timeout = \"400ms\"\n{LOG}");
    let own = "[[site.route]]\npath = \"/own\"\nrespond = { body = \"own\" }\n";
    let large = Backend::http(|_| ok(vec![b'x'; 1_000_000]));
    let edge = edge_with(large, &top, own);
    let mut client = Http2::connect_with(edge.parvis.address(), &[(4, 0)]);
    // A small one of our own waits for its window, for as long, and holds nobody up.
    let own = client.ask("GET", "/own", &[], true);
    let stream = client.ask("GET", "/app", &[], true);
    let began = Instant::now();
    let answer = client.answer(stream);
    assert!(answer.reset.is_some(), "{answer:?}");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert!(client.answer(own).reset.is_some());
    // Who opens windows is served still.
    client.raw(support::http2::frame(
        kind::SETTINGS,
        0,
        0,
        &support::http2::setting(4, 1_000_000),
    ));
    assert_eq!(client.get("/own").text(), "own");
    assert_eq!(edge.lines(3).len(), 3);
}

#[test]
fn a_client_that_reads_nothing_is_given_up() {
    let large = Backend::http(|_| ok(vec![b'x'; 3_000_000]));
    let edge = edge_with(large, "[server]\nsend_timeout = \"400ms\"\n", "");
    // All the windows that there are, so that TCP alone stands still.
    let mut client = Http2::connect_with(edge.parvis.address(), &[(4, 0x7fff_ffff)]);
    client.give(0, 0x7fff_0000);
    for _ in 0..20 {
        client.ask("GET", "/", &[], true);
    }
    gone(&edge);
}

#[test]
fn a_body_that_does_not_come_is_a_408() {
    let edge = timed("body_timeout = \"300ms\"");
    let mut client = edge.client();
    for length in [Some(("content-length", "10")), None] {
        let fields: Vec<(&str, &str)> = length.into_iter().collect();
        let stream = client.ask("POST", "/", &fields, false);
        client.data(stream, b"some", false);
        assert_eq!(client.answer(stream).status, 408, "{length:?}");
        assert_eq!(client.get("/own").text(), "own");
    }
    assert!(edge.backend.requests().is_empty());
}

#[test]
fn a_body_that_is_too_large_is_a_413_while_it_comes() {
    let edge = edge_with(telling(), "", "max_body = \"100KiB\"");
    let mut client = edge.client();
    // It says so, or is found to be.
    let stream = client.ask("POST", "/", &[("content-length", "200000")], false);
    assert_eq!(client.answer(stream).whole().status, 413);
    let stream = client.ask("POST", "/", &[], false);
    let piece = [b'x'; 16_384];
    let mut sent = 0;
    while !client.is_over(stream) && sent < 10_000_000 {
        client.data(stream, &piece, false);
        sent += piece.len();
        // What came of it so far.
        assert!(client.lives());
    }
    assert!(sent < 10_000_000, "it is not refused");
    assert_eq!(client.answer(stream).status, 413);
    client.data(stream, b"", true);
    assert_eq!(client.get("/after").text(), "GET /after ");
    let requests = edge.backend.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    // One just as large is taken.
    let stream = client.ask("POST", "/", &[], false);
    client.data(stream, &vec![b'x'; 100 * 1024], true);
    assert_eq!(client.answer(stream).whole().status, 200);
}

#[test]
fn a_stop_lets_open_requests_end_and_takes_no_new_ones() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let app = Backend::raw(move |app| {
        while let Some(request) = app.request() {
            if request.target == "/slow" && !signalled(&wait) {
                return;
            }
            app.send(ok(request.target));
        }
    });
    let mut edge = edge_with(app, "[server]\nshutdown_grace = \"1h\"\n", "");
    let mut client = edge.client();
    let mut idle = edge.client();
    assert_eq!(idle.get("/").text(), "/");
    let slow = client.ask("GET", "/slow", &[], true);
    until("the app was asked", || {
        (edge.backend.requests().len() == 2).then_some(())
    });
    edge.parvis.signal("TERM");
    // Who has nothing open is told to go, and closed.
    let (_, code) = idle.end().expect("GOAWAY");
    assert_eq!(code, NO_ERROR);
    // The other is told which its last stream is.
    client.wait("the last word", |c| {
        c.goaway.is_some_and(|(last, _)| last == slow)
    });
    assert_eq!(client.goaway, Some((slow, NO_ERROR)));
    let late = client.ask("GET", "/late", &[], true);
    assert!(client.lives());
    assert!(edge.parvis.is_running());
    go.send(()).unwrap();
    assert_eq!(client.answer(slow).whole().text(), "/slow");
    client.end();
    assert_eq!(client.so_far(late).status, 0, "it was not served");
    assert!(edge.parvis.wait().success());
    let asked = edge.backend.requests().into_iter();
    assert!(asked.map(|r| r.target).all(|target| target != "/late"));
}

#[test]
fn a_stop_ends_what_does_not_end_in_time() {
    let app = Backend::raw(|app| {
        app.request();
        app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n");
        while app.read(&mut [0; 10]) > 0 {}
    });
    let mut edge = edge_with(app, "[server]\nshutdown_grace = \"300ms\"\n", "");
    let mut client = edge.client();
    let stream = client.ask("GET", "/", &[], true);
    assert_eq!(client.head(stream).status, 200);
    edge.parvis.signal("TERM");
    let answer = client.answer(stream);
    assert!(!answer.ended, "it looks whole: {answer:?}");
    edge.parvis.wait();
}

#[test]
fn reloads_under_load_lose_nothing() {
    let folder = Folder::new();
    let configuration = |text: &str| {
        format!(
            "[server]\nwatch = false\n[[site]]\nname = \"s\"\n{LISTEN}\n\
             [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"{text}\" }}\n"
        )
    };
    let parvis = Parvis::start_in(folder, &configuration("generation 1"), &[]);
    let stop = AtomicBool::new(false);
    let served = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = Http2::connect(parvis.address());
                while !stop.load(Ordering::Relaxed) {
                    let streams: Vec<u32> =
                        (0..20).map(|_| client.ask("GET", "/", &[], true)).collect();
                    for stream in streams {
                        let answer = client.answer(stream);
                        assert!(answer.ended && answer.status == 200, "{answer:?}");
                        assert!(answer.text().starts_with("generation "), "{answer:?}");
                        served.fetch_add(1, Ordering::Relaxed);
                    }
                }
                // The connection lived through all of them, and knows the newest.
                assert_eq!(client.goaway, None);
                assert_eq!(client.get("/").text(), "generation 6");
            });
        }
        for generation in 2..=6 {
            let before = served.load(Ordering::Relaxed);
            let text = configuration(&format!("generation {generation}"));
            Parvis::write_configuration(&parvis.folder, &text);
            parvis.signal("HUP");
            until("the configuration is reloaded and more were served", || {
                let more = served.load(Ordering::Relaxed) > before + 200;
                (more && parvis.status()["generation"] == generation).then_some(())
            });
        }
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
fn connections_are_counted_and_bounded_as_others() {
    let edge = timed("[server.connections]\nper_address = 2\n");
    let mut first = edge.client();
    let mut second = edge.client();
    let mut third = Client::connect(edge.parvis.address());
    assert_eq!(third.reply().status, 429);
    assert_eq!(first.get("/own").text(), "own");
    assert_eq!(second.get("/own").text(), "own");
    drop(first);
    drop(third);
    until("there is room again", || {
        (edge.parvis.metric("parvis_connections_open") == 1.0).then_some(())
    });
    assert_eq!(edge.client().get("/own").text(), "own");
}

#[test]
fn a_client_that_says_goodbye_gets_what_it_asked_for() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let edge = edge(Backend::raw(move |app| {
        app.request();
        if signalled(&wait) {
            app.send(ok("whole"));
        }
    }));
    let mut client = edge.client();
    let stream = client.ask("GET", "/", &[], true);
    client.send(kind::GOAWAY, 0, 0, &[0; 8]);
    assert!(client.lives());
    go.send(()).unwrap();
    assert_eq!(client.answer(stream).whole().text(), "whole");
    client.end();
    gone(&edge);
}

#[test]
fn an_endless_head_beside_open_streams_is_bounded() {
    // Half a header block, and nothing more: the connection is silent, and its idle time counts.
    let edge = edge_with(telling(), "[server.http2]\nidle_timeout = \"300ms\"\n", "");
    let mut client = edge.client();
    assert_eq!(client.get("/").status, 200);
    let block = support::hpack::encode(&request("GET", "/", &[]));
    let stream = client.number();
    client.send(kind::HEADERS, 0, stream, &block);
    client.end();
    gone(&edge);
}
