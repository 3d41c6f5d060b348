//! WebSockets: the upgrade and its refusal, both directions, silence, and the end.

mod support;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::websocket::{ASK, SWITCH, echo, echoes, open};
use support::{Backend, Client, Incoming, PATIENCE, Parvis, Refusing, Reply, until};
use tungstenite::client::IntoClientRequest;
use tungstenite::handshake::server::{Callback, ErrorResponse, Request, Response};
use tungstenite::http::HeaderValue;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::protocol::{CloseFrame, Role};
use tungstenite::{Message, WebSocket};

const OPEN: &str = "parvis_upgraded_connections_open";

/// parvis in front of `backend`, with these keys in its tables.
fn edge_with(backend: &Backend, server: &str, upstream: &str, route: &str) -> Parvis {
    Parvis::start(&format!(
        "[server]\n{server}\n\
         [upstream.app]\nservers = [\"{}\"]\n{upstream}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        backend.address()
    ))
}

fn edge(backend: &Backend) -> Parvis {
    edge_with(backend, "", "", "")
}

/// A backend that upgrades everybody, and then does this.
fn upgrading(then: impl Fn(&mut Incoming) + Send + Sync + 'static) -> Backend {
    Backend::raw(move |app| {
        if app.request().is_some() && app.send(SWITCH) {
            then(app);
        }
    })
}

/// A block whose bytes tell where in it they stand; its length is a prime, so that blocks do not
/// fall together with buffers.
fn block(seed: u32) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..65_521).map(next).collect()
}

/// Writes so many bytes, blocks of this seed.
fn pour(into: &mut impl Write, seed: u32, total: usize) {
    let block = block(seed);
    let mut left = total;
    while left > 0 {
        let n = left.min(block.len());
        into.write_all(&block[..n]).unwrap();
        left -= n;
    }
}

/// Reads so many bytes; they must be those that [`pour`] wrote.
fn drain(seed: u32, total: usize, mut read: impl FnMut(&mut [u8]) -> usize) {
    let block = block(seed);
    let (mut at, mut space) = (0, vec![0; 65_536]);
    while at < total {
        let limit = space.len().min(total - at);
        let n = read(&mut space[..limit]);
        assert!(n > 0, "ended after {at} of {total} bytes");
        let mut fresh = &space[..n];
        while !fresh.is_empty() {
            let expected = &block[at % block.len()..];
            let n = fresh.len().min(expected.len());
            assert!(fresh[..n] == expected[..n], "other bytes after {at}");
            (at, fresh) = (at + n, &fresh[n..]);
        }
    }
}

/// A channel whose sending half a backend may keep, and what it saw.
fn seen<T: Send + 'static>() -> (impl Fn(T) + Send + Sync + 'static, Receiver<T>) {
    let (sender, receiver): (Sender<T>, _) = channel();
    let sender = Mutex::new(sender);
    // The test may be over already.
    (
        move |what| drop(sender.lock().unwrap().send(what)),
        receiver,
    )
}

fn one_field(reply: &Reply, name: &str) -> String {
    let mut all = reply.all(name);
    assert_eq!(all.len(), 1, "{name} in {}", reply.head);
    all.remove(0)
}

// The upgrade

#[test]
fn the_handshake_passes_with_subprotocols_and_extensions() {
    let backend = Backend::raw(|app| {
        app.request();
        app.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
             Sec-WebSocket-Protocol: chat.v2\r\n\
             Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n\
             Set-Cookie: room=1\r\n\r\n",
        );
        echo(app);
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    client.send(
        "GET /ws/chat/lobby/?a=b HTTP/1.1\r\nHost: test\r\nConnection: keep-alive, Upgrade\r\n\
         Upgrade: WebSocket\r\nOrigin: http://test\r\nCookie: session=2\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: chat.v2, chat.v1\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-other\r\n\r\n",
    );
    let reply = client.reply();
    assert_eq!(reply.status, 101);
    for (name, value) in [
        ("sec-websocket-accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("sec-websocket-protocol", "chat.v2"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; server_no_context_takeover",
        ),
        ("set-cookie", "room=1"),
        ("upgrade", "websocket"),
    ] {
        assert_eq!(one_field(&reply, name), value);
    }
    let request = backend.last();
    assert_eq!(request.target, "/ws/chat/lobby/?a=b");
    for (name, value) in [
        ("host", "test"),
        ("upgrade", "websocket"),
        ("connection", "Upgrade"),
        ("origin", "http://test"),
        ("cookie", "session=2"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat.v2, chat.v1"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits, x-other",
        ),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(request.field(name).as_deref(), Some(value), "{name}");
    }
    assert!(request.field("content-length").is_none());
    assert!(request.field("transfer-encoding").is_none());
    echoes(&mut client, "hello");
}

#[test]
fn the_fields_of_the_101_are_those_of_an_answer_of_parvis() {
    let backend = Backend::raw(|app| {
        app.request();
        app.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
             Connection: keep-alive, Upgrade, X-Internal\r\nKeep-Alive: timeout=5\r\n\
             X-Internal: secret\r\nX-Powered-By: app\r\nContent-Length: 0\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        echo(app);
    });
    let parvis = edge_with(
        &backend,
        "",
        "",
        "headers = { security = \"strict\", set = { \"X-Edge\" = \"1\" }, remove = [\"X-Powered-By\"] }",
    );
    let mut client = parvis.client();
    client.send(ASK);
    let reply = client.reply();
    assert_eq!(reply.status, 101);
    assert_eq!(one_field(&reply, "connection").to_lowercase(), "upgrade");
    assert_eq!(one_field(&reply, "upgrade"), "websocket");
    // Hop-by-hop, named by Connection, framing of a body that a 101 has not: for parvis only.
    for name in [
        "keep-alive",
        "x-internal",
        "content-length",
        "transfer-encoding",
    ] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    // What every answer has.
    assert_eq!(reply.field("x-edge").as_deref(), Some("1"));
    assert_eq!(reply.field("x-powered-by"), None);
    assert_eq!(one_field(&reply, "x-content-type-options"), "nosniff");
    let id = backend.last().field("x-request-id");
    assert_eq!(Some(one_field(&reply, "x-request-id")), id);
    echoes(&mut client, "hello");
}

/// A server's choice of a subprotocol.
struct ChooseV2;

impl Callback for ChooseV2 {
    fn on_request(
        self,
        request: &Request,
        mut response: Response,
    ) -> Result<Response, ErrorResponse> {
        assert_eq!(request.headers()["sec-websocket-protocol"], "soap, chat.v2");
        let chosen = HeaderValue::from_static("chat.v2");
        response
            .headers_mut()
            .insert("sec-websocket-protocol", chosen);
        Ok(response)
    }
}

#[test]
fn a_websocket_client_and_a_websocket_server_understand_each_other() {
    let (saw, ends) = seen();
    let backend = Backend::raw(move |app| {
        let stream = app.stream.try_clone().unwrap();
        let mut socket = tungstenite::accept_hdr(stream, ChooseV2).unwrap();
        loop {
            match socket.read() {
                Ok(message @ (Message::Text(_) | Message::Binary(_))) => {
                    socket.send(message).unwrap();
                }
                Ok(Message::Close(frame)) => saw(frame),
                Ok(_) => {}
                // Closed, with the closing handshake done.
                Err(error) => {
                    assert!(matches!(error, tungstenite::Error::ConnectionClosed));
                    return;
                }
            }
        }
    });
    let parvis = edge(&backend);
    let mut request = "ws://test/ws".into_client_request().unwrap();
    let offer = HeaderValue::from_static("soap, chat.v2");
    request
        .headers_mut()
        .insert("sec-websocket-protocol", offer);
    let stream = TcpStream::connect(parvis.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut socket, response) = tungstenite::client::client(request, stream).unwrap();
    assert_eq!(response.headers()["sec-websocket-protocol"], "chat.v2");
    for message in [
        Message::text("grüezi"),
        Message::text(""),
        Message::binary(block(1)),
        Message::text("x".repeat(1_000_000)),
    ] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Pong("are you there".into())
    );
    let goodbye = CloseFrame {
        code: CloseCode::Away,
        reason: "going home".into(),
    };
    socket.close(Some(goodbye.clone())).unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Close(Some(goodbye.clone()))
    );
    let end = socket.read().unwrap_err();
    assert!(matches!(end, tungstenite::Error::ConnectionClosed), "{end}");
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), Some(goodbye));
}

#[test]
fn a_refusal_is_passed_on_and_the_connection_stays_usable() {
    let backend = Backend::raw(|app| {
        while let Some(request) = app.request() {
            let answer = match (request.target.as_str(), request.field("upgrade")) {
                ("/no", Some(_)) => {
                    "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain\r\nX-Why: banned\r\n\
                     Content-Length: 14\r\n\r\nnot in my room"
                }
                ("/chunked", Some(_)) => {
                    "HTTP/1.1 403 Forbidden\r\nTransfer-Encoding: chunked\r\n\r\n\
                     6\r\nnot in\r\n8\r\n my room\r\n0\r\n\r\n"
                }
                ("/login", Some(_)) => {
                    "HTTP/1.1 302 Found\r\nLocation: /account\r\nContent-Length: 0\r\n\r\n"
                }
                (_, None) => "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage",
                _ => {
                    app.send(SWITCH);
                    return echo(app);
                }
            };
            app.send(answer);
        }
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    let mut ask = |path: &str| {
        client.send(ASK.replace("/ws", path));
        client.reply()
    };
    let reply = ask("/no");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (403, "not in my room")
    );
    assert_eq!(reply.field("x-why").as_deref(), Some("banned"));
    assert_eq!(reply.field("content-type").as_deref(), Some("text/plain"));
    let reply = ask("/chunked");
    assert_eq!(
        (reply.status, reply.text().as_str()),
        (403, "not in my room")
    );
    let reply = ask("/login");
    assert_eq!(reply.status, 302);
    assert_eq!(reply.field("location").as_deref(), Some("/account"));
    assert_eq!(parvis.metric(OPEN), 0.0);
    // All of that was one connection, and it still is one.
    assert_eq!(client.get("/").text(), "page");
    client.send(ASK);
    assert_eq!(client.reply().status, 101);
    echoes(&mut client, "hello");
    assert_eq!(parvis.metric("parvis_connections_accepted_total"), 1.0);
}

#[test]
fn frames_sent_before_a_refusal_are_no_request() {
    let backend = Backend::raw(|app| {
        while app.request().is_some() {
            app.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        }
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    client.send([ASK.as_bytes(), b"\x81\x85\x01\x02\x03\x04iglhn\r\n\r\n"].concat());
    assert_eq!(client.reply().text(), "no");
    assert_eq!(client.reply().status, 400);
    assert!(client.is_closed());
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn an_app_that_is_gone_is_a_502() {
    let nobody = Refusing::new();
    let address = nobody.address();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{address}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n"
    ));
    let mut client = parvis.client();
    client.send(ASK);
    assert_eq!(client.reply().status, 502);
    assert_eq!(parvis.metric(OPEN), 0.0);
}

// Only WebSockets

#[test]
fn nothing_but_a_websocket_is_upgraded() {
    let backend = Backend::text("plain");
    let parvis = edge(&backend);
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for (what, request) in [
        (
            "h2c",
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade, HTTP2-Settings\r\n\
             Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n"
                .to_string(),
        ),
        (
            "TLS",
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n".into(),
        ),
        (
            "a protocol of one's own",
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket2\r\n".into(),
        ),
        (
            "a version of websocket",
            "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket/2\r\n"
                .into(),
        ),
        (
            "websocket among others",
            format!(
                "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c, websocket\r\n{key}"
            ),
        ),
        (
            "two fields",
            format!(
                "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Upgrade: h2c\r\n{key}"
            ),
        ),
        (
            "Connection without Upgrade",
            format!("GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\n{key}"),
        ),
        (
            "Upgrade without Connection",
            format!("GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\n{key}"),
        ),
        (
            "Connection that says something else",
            format!(
                "GET / HTTP/1.1\r\nHost: test\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n{key}"
            ),
        ),
        (
            "another method",
            format!(
                "POST / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Content-Length: 0\r\n{key}"
            ),
        ),
        (
            "HTTP/1.0",
            format!(
                "GET / HTTP/1.0\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{key}"
            ),
        ),
    ] {
        let mut client = parvis.client();
        client.send(format!("{request}X-What: {what}\r\n\r\n"));
        let reply = client.reply();
        assert_eq!(
            (reply.status, reply.text().as_str()),
            (200, "plain"),
            "{what}"
        );
        let request = backend.last();
        assert_eq!(request.field("x-what").as_deref(), Some(what));
        assert_eq!(request.field("upgrade"), None, "{what}");
        assert_eq!(request.field("http2-settings"), None, "{what}");
        let connection = request.field("connection").unwrap_or_default();
        assert!(
            !connection.to_lowercase().contains("upgrade"),
            "{what}: {connection}"
        );
    }
    assert_eq!(parvis.metric(OPEN), 0.0);
}

/// The app answers with a 101 that must not be passed on: 502, and that is the end of both
/// connections.
fn unexpected_101(request: &str, answer: &'static str) {
    let (saw, ends) = seen();
    let backend = Backend::raw(move |app| {
        app.request();
        app.send(answer);
        // What comes next can only be the end: nobody may speak to this app any more.
        saw(app.read(&mut [0; 100]));
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    client.send(request);
    let reply = client.reply();
    assert_eq!(reply.status, 502, "{}", reply.head);
    assert!(!reply.text().contains("smuggled"));
    assert!(client.is_closed());
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    assert_eq!(parvis.metric(OPEN), 0.0);
    let kind = "parvis_upstream_errors_total{kind=\"bad_answer\",upstream=\"app\"}";
    assert_eq!(parvis.metric(kind), 1.0);
}

#[test]
fn a_101_to_a_plain_request_is_a_502() {
    unexpected_101(
        "GET / HTTP/1.1\r\nHost: test\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nsmuggled",
    );
}

#[test]
fn a_101_to_an_upgrade_that_was_not_passed_on_is_a_502() {
    unexpected_101(
        "GET / HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nsmuggled",
    );
}

#[test]
fn a_101_to_another_protocol_than_asked_for_is_a_502() {
    unexpected_101(
        ASK,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\nsmuggled",
    );
}

#[test]
fn a_101_that_names_no_protocol_is_a_502() {
    unexpected_101(
        ASK,
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\nsmuggled",
    );
}

#[test]
fn a_websocket_request_with_a_body_is_refused() {
    let backend = upgrading(echo);
    let parvis = edge(&backend);
    let ask = ASK.trim_end();
    for request in [
        format!("{ask}\r\nContent-Length: 5\r\n\r\nhello"),
        format!("{ask}\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
    ] {
        let mut client = parvis.client();
        client.send(request);
        let reply = client.reply();
        assert_eq!(reply.status, 400, "{}", reply.head);
        // The body is no request, and whatever follows it is not for the app as it stands.
        if reply.field("connection").as_deref() == Some("close") {
            assert!(client.is_closed());
        } else {
            client.send("GET /%zz HTTP/1.1\r\nHost: test\r\n\r\n");
            assert_eq!(client.reply().status, 400);
        }
    }
    assert_eq!(backend.requests().len(), 0);
    // A length of nothing is no body.
    let mut client = parvis.client();
    client.send(format!("{ask}\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(client.reply().status, 101);
    echoes(&mut client, "hello");
}

// Both directions

#[test]
fn both_directions_carry_large_volumes_at_once() {
    const VOLUME: usize = 48 * 1024 * 1024;
    let (saw, drained) = seen();
    let backend = upgrading(move |app| {
        let mut out = app.stream.try_clone().unwrap();
        let pouring = std::thread::spawn(move || pour(&mut out, 1, VOLUME));
        drain(2, VOLUME, |space| app.read(space));
        saw(());
        pouring.join().unwrap();
        // The client closes first: all of it is under way by then.
        app.read(&mut [0; 1]);
    });
    let parvis = edge(&backend);
    let mut client = open(&parvis);
    let mut out = client.stream.try_clone().unwrap();
    let pouring = std::thread::spawn(move || pour(&mut out, 2, VOLUME));
    drain(1, VOLUME, |space| client.read(space));
    pouring.join().unwrap();
    drained.recv_timeout(PATIENCE).unwrap();
}

#[test]
fn a_side_that_does_not_read_yet_can_still_send() {
    // More than all buffers on the way hold.
    const VOLUME: usize = 24 * 1024 * 1024;
    let backend = upgrading(move |app| {
        let mut out = app.stream.try_clone().unwrap();
        let pouring = std::thread::spawn(move || pour(&mut out, 1, VOLUME));
        drain(2, VOLUME, |space| app.read(space));
        pouring.join().unwrap();
        app.read(&mut [0; 1]);
    });
    let parvis = edge(&backend);
    let mut client = open(&parvis);
    // Meanwhile the app's bytes pile up, as nobody reads them.
    pour(&mut client.stream, 2, VOLUME);
    drain(1, VOLUME, |space| client.read(space));
}

#[test]
fn bytes_right_after_the_request_reach_the_app() {
    // More than parvis keeps of them while it waits for the app.
    const EARLY: usize = 1024 * 1024;
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |app| {
        app.request();
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        app.send(SWITCH);
        drain(3, EARLY, |space| app.read(space));
        app.send("got them");
        app.read(&mut [0; 1]);
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    let mut out = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let mut first = ASK.as_bytes().to_vec();
        first.extend_from_slice(&block(3)[..1000]);
        out.write_all(&first).unwrap();
        // From here on parvis has some of them: they left in one piece with the request.
        go.send(()).unwrap();
        let rest = [&block(3)[1000..], &block(3).repeat(EARLY / 65_521)].concat();
        out.write_all(&rest[..EARLY - 1000]).unwrap();
    });
    assert_eq!(client.reply().status, 101);
    assert_eq!(client.exactly(8), b"got them");
    sending.join().unwrap();
}

#[test]
fn bytes_before_the_101_reach_the_app_after_it() {
    let (saw, asked) = seen();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |app| {
        app.request();
        saw(());
        wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        app.send(SWITCH);
        echo(app);
    });
    let parvis = edge(&backend);
    let mut client = parvis.client();
    client.send(ASK);
    asked.recv_timeout(PATIENCE).unwrap();
    // Each on its own, so that parvis reads them while it waits.
    for piece in ["one ", "two ", "three"] {
        client.send(piece);
    }
    go.send(()).unwrap();
    assert_eq!(client.reply().status, 101);
    assert_eq!(client.exactly(13), b"one two three");
}

#[test]
fn bytes_that_come_with_the_101_reach_the_client() {
    for size in [1, 1000, 100_000, 1_000_000] {
        let backend = Backend::raw(move |app| {
            app.request();
            let payload = block(4).repeat(size / 65_521 + 1);
            app.send([SWITCH.as_bytes(), &payload[..size]].concat());
            echo(app);
        });
        let parvis = edge(&backend);
        let mut client = open(&parvis);
        drain(4, size, |space| client.read(space));
        echoes(&mut client, "and on");
    }
}

/// pingora issue 946: a 101 that arrives before pingora has noticed that the request has no body
/// ended the connection, now and then.
#[test]
fn an_answer_at_once_never_kills_the_connection() {
    const THREADS: usize = 4;
    const EACH: usize = 150;
    let backend = Backend::raw(|app| {
        // The 101 is on its way as soon as parvis connects, before the request is read.
        if app.number.is_multiple_of(3) {
            app.send([SWITCH.as_bytes(), b"\x81\x02hi"].concat());
            app.request();
        } else {
            app.request();
            app.send([SWITCH.as_bytes(), b"\x81\x02hi"].concat());
        }
        echo(app);
    });
    let parvis = edge(&backend);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let address = parvis.address();
            scope.spawn(move || {
                for turn in 0..EACH {
                    let mut client = Client::connect(address);
                    client.send(ASK);
                    let reply = client.reply();
                    assert_eq!(reply.status, 101, "{thread}/{turn}: {}", reply.head);
                    assert_eq!(client.exactly(4), b"\x81\x02hi", "{thread}/{turn}");
                    echoes(&mut client, "\u{1}\u{2}yo");
                }
            });
        }
    });
    until("all have ended", || {
        (parvis.metric(OPEN) == 0.0).then_some(())
    });
}

#[test]
fn max_body_does_not_limit_a_websocket() {
    let backend = upgrading(echo);
    let parvis = edge_with(&backend, "", "", "max_body = \"1KiB\"");
    let mut client = open(&parvis);
    for _ in 0..100 {
        echoes(&mut client, &"x".repeat(1024));
    }
    // The limit is there.
    let reply = parvis.client().request("POST", "/", "", &[b'x'; 1025]);
    assert_eq!(reply.status, 413);
}

// Silence

#[test]
fn a_silent_connection_ends_after_its_idle_timeout() {
    let (saw, ends) = seen();
    let backend = upgrading(move |app| saw(app.read(&mut [0; 1])));
    let parvis = edge_with(&backend, "", "", "idle_timeout = \"700ms\"");
    let before = Instant::now();
    let mut client = open(&parvis);
    assert!(client.is_closed());
    assert!(before.elapsed() >= Duration::from_millis(700));
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    until("it is counted no more", || {
        (parvis.metric(OPEN) == 0.0).then_some(())
    });
    // It is what the operator asked for, and nobody's failure.
    assert!(!parvis.log().contains("request failed"), "{}", parvis.log());
}

#[test]
fn traffic_in_one_direction_keeps_a_connection_alive() {
    // Much longer than the beats lie apart, much shorter than they go on.
    const IDLE: Duration = Duration::from_secs(2);
    const BEAT: Duration = Duration::from_millis(50);
    let end = move |start: Instant| start.elapsed() > IDLE * 3;
    let beat = move |stream: &mut TcpStream| {
        let start = Instant::now();
        while !end(start) {
            stream.write_all(b".").unwrap();
            std::thread::sleep(BEAT);
        }
        stream.write_all(b"!").unwrap();
    };
    let (saw, heard) = seen();
    let backend = Backend::raw(move |app| {
        let request = app.request().unwrap();
        app.send(SWITCH);
        if request.target == "/down" {
            beat(&mut app.stream);
        } else {
            let mut byte = [0];
            while app.read(&mut byte) == 1 && byte == *b"." {}
            saw(byte[0]);
        }
        app.read(&mut [0; 1]);
    });
    let parvis = edge_with(&backend, "", "", "idle_timeout = \"2s\"");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut client = parvis.client();
            client.send(ASK.replace("/ws", "/down"));
            assert_eq!(client.reply().status, 101);
            while client.exactly(1) == b"." {}
        });
        let mut client = parvis.client();
        client.send(ASK.replace("/ws", "/up"));
        assert_eq!(client.reply().status, 101);
        beat(&mut client.stream);
        assert_eq!(heard.recv_timeout(PATIENCE), Ok(b'!'));
    });
}

#[test]
fn a_websocket_outlives_all_time_outs_of_requests() {
    let backend = upgrading(echo);
    let parvis = edge_with(
        &backend,
        "header_timeout = \"1s\"\nbody_timeout = \"1s\"\nkeepalive_timeout = \"1s\"\nsend_timeout = \"1s\"",
        "first_byte_timeout = \"1s\"\nread_timeout = \"1s\"\nsend_timeout = \"1s\"\nkeepalive_timeout = \"1s\"",
        "",
    );
    // Both have the same second behind them when the one that is no WebSocket is closed.
    let mut plain = parvis.client();
    let mut client = open(&parvis);
    assert!(plain.is_closed());
    let mut second = parvis.client();
    assert!(second.is_closed());
    echoes(&mut client, "still here");
    // And the same again after traffic, which sets clocks.
    assert!(parvis.client().is_closed());
    assert!(parvis.client().is_closed());
    echoes(&mut client, "and still");
    assert_eq!(parvis.metric(OPEN), 1.0);
}

// The end

#[test]
fn the_client_sees_all_that_the_app_sent_and_then_its_end() {
    const VOLUME: usize = 3 * 1024 * 1024;
    let backend = upgrading(|app| pour(&mut app.stream, 5, VOLUME));
    let parvis = edge(&backend);
    let mut client = open(&parvis);
    drain(5, VOLUME, |space| client.read(space));
    assert!(client.is_closed());
    until("it is counted no more", || {
        (parvis.metric(OPEN) == 0.0).then_some(())
    });
}

#[test]
fn the_app_sees_all_that_the_client_sent_and_then_its_end() {
    const VOLUME: usize = 3 * 1024 * 1024;
    let (saw, ends) = seen();
    let backend = upgrading(move |app| {
        drain(6, VOLUME, |space| app.read(space));
        saw(app.read(&mut [0; 1]));
    });
    let parvis = edge(&backend);
    let mut client = open(&parvis);
    pour(&mut client.stream, 6, VOLUME);
    drop(client);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    until("it is counted no more", || {
        (parvis.metric(OPEN) == 0.0).then_some(())
    });
}

#[test]
fn a_side_that_has_said_all_ends_the_connection() {
    let (saw, ends) = seen();
    let backend = upgrading(move |app| {
        let mut byte = [0];
        app.read(&mut byte);
        if byte == *b"x" {
            app.stream.shutdown(Shutdown::Write).unwrap();
        }
        saw(app.read(&mut byte));
    });
    let parvis = edge(&backend);
    // The app has said all.
    let mut client = open(&parvis);
    client.send("x");
    assert!(client.is_closed());
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    // The client has.
    let mut client = open(&parvis);
    client.send("y");
    client.close_write();
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    assert!(client.is_closed());
}

#[test]
fn an_app_that_breaks_off_ends_the_connection() {
    let backend = upgrading(|app| {
        app.read(&mut [0; 1]);
        // Closed with bytes unread and no time to linger: the kernel resets it.
        socket2::SockRef::from(&app.stream)
            .set_linger(Some(Duration::ZERO))
            .unwrap();
    });
    let parvis = edge(&backend);
    let mut client = open(&parvis);
    client.send("xyz");
    assert!(client.is_closed());
    until("it is counted no more", || {
        (parvis.metric(OPEN) == 0.0).then_some(())
    });
    assert!(!parvis.log().contains("panicked"), "{}", parvis.log());
}

#[test]
fn open_websockets_are_counted() {
    let backend = upgrading(echo);
    let parvis = edge(&backend);
    let open_now = |n: f64| {
        until("they are counted", || {
            (parvis.metric(OPEN) == n).then_some(())
        })
    };
    let mut clients: Vec<Client> = (0..5).map(|_| open(&parvis)).collect();
    open_now(5.0);
    assert_eq!(parvis.status()["connections"]["upgraded"], 5);
    assert_eq!(parvis.metric("parvis_requests_in_flight"), 5.0);
    clients.truncate(2);
    open_now(2.0);
    clients.push(open(&parvis));
    open_now(3.0);
    clients.clear();
    open_now(0.0);
    let answered = "parvis_requests_total{method=\"GET\",route=\"/*\",site=\"s\",status=\"1xx\"}";
    until("all are counted", || {
        (parvis.metric(answered) == 6.0).then_some(())
    });
    assert_eq!(parvis.metric("parvis_requests_in_flight"), 0.0);
}

#[test]
fn a_websocket_has_its_line_in_the_log_when_it_ends() {
    let backend = upgrading(echo);
    let parvis = Parvis::start(&format!(
        "[log]\naccess = \"@DIR/access.log\"\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    ));
    let mut client = open(&parvis);
    echoes(&mut client, &"x".repeat(10_000));
    assert_eq!(parvis.folder.read("access.log"), "");
    drop(client);
    let line = until("its line is written", || {
        let log = parvis.folder.read("access.log");
        log.ends_with('\n').then_some(log)
    });
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(line["status"], 101);
    assert_eq!(line["path"], "/ws");
    assert_eq!(line["fault"], serde_json::Value::Null);
    assert!(line["bytes_in"].as_u64().unwrap() >= 10_000, "{line}");
    assert!(line["bytes_out"].as_u64().unwrap() >= 10_000, "{line}");
}

/// Frames as a browser masks them, made by tungstenite over a stream that was upgraded by hand:
/// what parvis carries is what a real endpoint understands.
#[test]
fn many_clients_talk_at_once() {
    const CLIENTS: usize = 24;
    let backend = upgrading(|app| {
        let stream = app.stream.try_clone().unwrap();
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        while let Ok(message) = socket.read() {
            if message.is_text() && socket.send(message).is_err() {
                return;
            }
        }
    });
    let parvis = edge(&backend);
    let ready = Arc::new(std::sync::Barrier::new(CLIENTS));
    std::thread::scope(|scope| {
        for number in 0..CLIENTS {
            let (ready, parvis) = (ready.clone(), &parvis);
            scope.spawn(move || {
                let client = open(parvis);
                let mut socket = WebSocket::from_raw_socket(client.stream, Role::Client, None);
                ready.wait();
                for turn in 0..50 {
                    let text = Message::text(format!("{number}/{turn}"));
                    socket.send(text.clone()).unwrap();
                    assert_eq!(socket.read().unwrap(), text);
                }
            });
        }
    });
}

#[test]
fn the_reader_of_the_harness_is_not_fooled() {
    // `drain` must notice lost, doubled and swapped bytes: the tests above stand on it.
    let sound = |bytes: Vec<u8>| {
        let mut from = std::io::Cursor::new(bytes);
        std::panic::catch_unwind(move || drain(1, 200_000, |space| from.read(space).unwrap()))
            .is_ok()
    };
    let mut bytes = Vec::new();
    pour(&mut bytes, 1, 200_000);
    assert!(sound(bytes.clone()));
    let mut swapped = bytes.clone();
    swapped.swap(150_000, 150_001);
    let mut lost = bytes.clone();
    lost.remove(70_000);
    assert!(!sound(swapped) && !sound(lost) && !sound(bytes[..199_999].to_vec()));
}
