//! Time-outs. Each is set so short that, were it not heeded, the default of a minute or so would
//! let the test's patience end first; nothing is expected to be fast.

use crate::support::ports::{Full, Refusing};
use crate::support::{Backend, Client, PATIENCE, until};
use crate::{before, edge, silent};
use socket2::SockRef;
use std::io::{Read, Write};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Sends `byte` again and again, much more often than any time-out here asks for, until the
/// connection ends.
fn drip(client: &Client, byte: u8) -> std::thread::JoinHandle<()> {
    let mut stream = client.stream.try_clone().unwrap();
    std::thread::spawn(move || {
        let end = Instant::now() + 2 * PATIENCE;
        while stream.write_all(&[byte]).is_ok() && Instant::now() < end {
            std::thread::sleep(ms(20));
        }
    })
}

#[test]
fn a_head_that_drips_is_answered_with_408() {
    let edge = edge(Backend::text("ok"), "header_timeout = \"1s\"", "", "");
    for first in ["", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"] {
        let mut client = edge.parvis.client();
        if !first.is_empty() {
            client.send(first);
            assert_eq!(client.reply().status, 200);
        }
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX: ");
        let dripping = drip(&client, b'x');
        let reply = client.reply();
        assert_eq!(reply.status, 408);
        assert!(began.elapsed() >= ms(1000), "{:?}", began.elapsed());
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        assert!(client.rest().is_empty());
        drop(client);
        dripping.join().unwrap();
    }
    assert_eq!(edge.backend.requests().len(), 1);
}

#[test]
fn a_head_that_stops_is_answered_with_408() {
    let edge = edge(Backend::text("ok"), "header_timeout = \"300ms\"", "", "");
    for part in ["G", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n"] {
        let mut client = edge.parvis.client();
        client.send(part);
        assert_eq!(client.reply().status, 408, "{part:?}");
        assert!(client.rest().is_empty());
    }
    assert_eq!(edge.backend.connections(), 0);
}

#[test]
fn a_connection_that_never_sends_anything_is_closed() {
    let edge = edge(Backend::text("ok"), "header_timeout = \"300ms\"", "", "");
    let began = Instant::now();
    assert!(edge.parvis.client().is_closed(), "without a word");
    assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let edge = edge(Backend::text("ok"), "keepalive_timeout = \"500ms\"", "", "");
    let mut client = edge.parvis.client();
    assert_eq!(client.get("/").text(), "ok");
    let began = Instant::now();
    assert_eq!(client.get("/").text(), "ok");
    assert!(client.is_closed());
    assert!(began.elapsed() >= ms(500), "{:?}", began.elapsed());
}

#[test]
fn the_time_for_a_head_does_not_run_between_requests() {
    let edge = edge(Backend::text("ok"), "header_timeout = \"300ms\"", "", "");
    let mut client = edge.parvis.client();
    assert_eq!(client.get("/").text(), "ok");
    // What must not happen would happen in this time.
    std::thread::sleep(ms(900));
    assert_eq!(client.get("/").text(), "ok");
}

#[test]
fn a_body_that_stops_is_answered_with_408() {
    let edge = edge(Backend::text("ok"), "body_timeout = \"300ms\"", "", "");
    for start in [
        "Content-Length: 10\r\n\r\n",
        "Content-Length: 10\r\n\r\nhello",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 7\r\n",
    ] {
        let mut client = edge.parvis.client();
        let began = Instant::now();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{start}"));
        let reply = client.reply();
        assert_eq!(reply.status, 408, "{start:?}");
        assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        assert!(client.rest().is_empty());
    }
    assert_eq!(
        edge.backend.requests().len(),
        0,
        "an incomplete request is none"
    );
}

/// Sends a body in eight pieces that take four seconds in all.
fn slowly(client: &mut Client) {
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
    for _ in 0..8 {
        std::thread::sleep(ms(500));
        client.send("x");
    }
}

#[test]
fn a_body_may_take_long_as_long_as_it_moves() {
    // The app's time begins when it has the request, and neither time is for the whole body.
    let times = ("body_timeout = \"3s\"", "first_byte_timeout = \"3s\"");
    let edge = edge(Backend::text("ok"), times.0, times.1, "");
    let mut client = edge.parvis.client();
    slowly(&mut client);
    assert_eq!(client.reply().text(), "ok");
    assert_eq!(edge.backend.last().body, b"xxxxxxxx");
}

/// An app that sends until it cannot, and then says how much.
fn endless(said: std::sync::mpsc::Sender<u64>) -> Backend {
    Backend::raw(move |incoming| {
        incoming.head();
        incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\n");
        let mut sent = 0;
        while incoming.send([b'x'; 65_536]) {
            sent += 65_536;
        }
        let _ = said.send(sent);
    })
}

#[test]
fn a_client_that_does_not_take_the_answer_is_cut_off() {
    let (said, heard) = channel();
    let edge = edge(endless(said), "send_timeout = \"1s\"", "", "");
    let mut client = edge.parvis.client();
    let began = Instant::now();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let sent = heard
        .recv_timeout(PATIENCE)
        .expect("the app may go on sending");
    assert!(began.elapsed() >= ms(1000), "{:?}", began.elapsed());
    until("the connection is closed", || {
        (edge.parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    // What the kernel had taken already is all that the client gets.
    let mut got = Vec::new();
    let _ = client.stream.read_to_end(&mut got);
    assert!(got.len() as u64 <= sent + 1000, "{} of {sent}", got.len());
}

#[test]
fn a_client_may_take_the_answer_slowly() {
    let size = 24 * 1024 * 1024usize;
    let backend = Backend::http(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n");
        [head.as_bytes(), &vec![b'x'; size]].concat()
    });
    let edge = edge(backend, "send_timeout = \"3s\"", "", "");
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    client.head_only();
    // Four seconds and more in all: longer than the time-out, which is for each piece.
    let mut space = vec![0; 3 * 1024 * 1024];
    let mut got = 0;
    while got < size {
        std::thread::sleep(ms(500));
        let mut filled = 0;
        while filled < space.len() && got + filled < size {
            let n = client.read(&mut space[filled..]);
            assert!(n > 0, "cut off after {} bytes", got + filled);
            filled += n;
        }
        got += filled;
    }
}

#[test]
fn an_app_that_does_not_take_the_request_is_given_up() {
    let (stay, wait) = channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        incoming.head();
        // The next connection may wait for the same: nobody ever sends.
        let _ = wait.lock().unwrap().recv();
    });
    let edge = edge(backend, "", "send_timeout = \"500ms\"", "");
    // Large pieces go straight to the kernel, small ones are gathered before.
    for size in [65_536, 1_000, 65_536, 1_000] {
        let mut client = edge.parvis.client();
        let mut upload = client.stream.try_clone().unwrap();
        // Ends when the connection does.
        std::thread::spawn(move || {
            let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
            let _ = upload.write_all(head.as_bytes());
            let piece = vec![b'x'; size];
            while upload.write_all(&piece).is_ok() {}
        });
        let began = Instant::now();
        assert_eq!(client.reply().status, 504);
        assert!(began.elapsed() >= ms(500), "{:?}", began.elapsed());
    }
    drop(stay);
}

#[test]
fn a_refused_connect_is_a_bad_gateway() {
    let refusing = Refusing::new();
    let parvis = before(&refusing.address().to_string(), "", "", "");
    let reply = parvis.get("/");
    assert_eq!(reply.status, 502);
    let series = "parvis_upstream_errors_total{kind=\"connect_refused\",upstream=\"app\"}";
    until("it is counted", || {
        (parvis.metric(series) == 1.0).then_some(())
    });
}

#[test]
fn a_socket_that_is_not_there_is_a_bad_gateway() {
    let parvis = before("unix:@DIR/nobody.sock", "", "", "");
    assert_eq!(parvis.get("/").status, 502);
}

#[test]
fn a_connect_that_takes_too_long_is_a_time_out() {
    let full = Full::new();
    let address = full.address().to_string();
    let parvis = before(&address, "", "connect_timeout = \"300ms\"", "");
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 504);
    assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
    let series = "parvis_upstream_errors_total{kind=\"connect_timeout\",upstream=\"app\"}";
    until("it is counted", || {
        (parvis.metric(series) == 1.0).then_some(())
    });
}

#[test]
fn an_app_that_does_not_answer_is_a_time_out() {
    let edge = edge(silent(), "", "first_byte_timeout = \"300ms\"", "");
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ] {
        let mut client = edge.parvis.client();
        let began = Instant::now();
        client.send(request);
        assert_eq!(client.reply().status, 504);
        assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
    }
    assert_eq!(edge.backend.requests().len(), 3, "asked once each");
}

#[test]
fn an_app_that_stops_within_its_head_is_a_time_out() {
    let backend = Backend::raw(|incoming| {
        incoming.request();
        incoming.send("HTTP/1.1 200 OK\r\nContent-Le");
        while incoming.request().is_some() {}
    });
    let edge = edge(backend, "", "read_timeout = \"300ms\"", "");
    assert_eq!(edge.parvis.get("/").status, 504);
}

#[test]
fn an_app_that_stops_within_its_answer_ends_the_connection() {
    for (framing, part) in [
        ("Content-Length: 10", "hello"),
        ("Transfer-Encoding: chunked", "5\r\nhello\r\n"),
    ] {
        let backend = Backend::raw(move |incoming| {
            incoming.request();
            incoming.send(format!("HTTP/1.1 200 OK\r\n{framing}\r\n\r\n{part}"));
            while incoming.request().is_some() {}
        });
        let edge = edge(backend, "", "read_timeout = \"300ms\"", "");
        let mut client = edge.parvis.client();
        let began = Instant::now();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.head_only().status, 200);
        let rest = String::from_utf8(client.rest()).unwrap();
        assert!(began.elapsed() >= ms(300), "{:?}", began.elapsed());
        // No last chunk, no page of ours: nothing that could be taken for the rest.
        assert_eq!(rest, part);
    }
}

#[test]
fn an_answer_may_take_long_as_long_as_it_moves() {
    let backend = Backend::raw(|incoming| {
        incoming.request();
        incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
        for _ in 0..8 {
            std::thread::sleep(ms(500));
            incoming.send("x");
        }
    });
    let times = "first_byte_timeout = \"3s\"\nread_timeout = \"3s\"";
    let edge = edge(backend, "", times, "");
    assert_eq!(edge.parvis.get("/").text(), "xxxxxxxx");
}

#[test]
fn an_app_that_resets_is_a_bad_gateway() {
    let backend = Backend::raw(|incoming| {
        incoming.head();
        let socket = SockRef::from(&incoming.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    });
    let edge = edge(backend, "", "", "");
    for _ in 0..10 {
        assert_eq!(edge.parvis.get("/").status, 502);
        let mut client = edge.parvis.client();
        assert_eq!(client.request("POST", "/", "", b"body").status, 502);
    }
    let series = "parvis_upstream_errors_total{kind=\"reset\",upstream=\"app\"}";
    until("they are counted", || {
        (edge.parvis.metric(series) == 20.0).then_some(())
    });
}
