//! WebSocket over HTTP/2 (RFC 8441), to apps that know WebSocket as HTTP/1.1 has it.

use crate::support::http2::{CANCEL, END_STREAM, Line, kind};
use crate::support::websocket::{SWITCH, echo};
use crate::support::{Incoming, Site};
use crate::*;
use serde_json::json;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use tungstenite::protocol::Role;
use tungstenite::protocol::frame::CloseFrame;
use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

type Socket = WebSocket<Line>;
type Shared = Rc<RefCell<Http2>>;

/// An app that upgrades who asks for it below `/ws`, and gives the connection to `then`.
fn upgrading(then: impl Fn(&mut Incoming) + Send + Sync + 'static) -> Backend {
    Backend::raw(move |app| {
        while let Some(request) = app.request() {
            if request.field("upgrade").is_none() {
                app.send(ok("page"));
            } else if request.target == "/ws/no" {
                app.send("HTTP/1.1 403 Forbidden\r\nX-Why: banned\r\nContent-Length: 14\r\n\r\nnot in my room");
            } else {
                app.send(SWITCH.replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: chat.v1\r\n\r\n"));
                return then(app);
            }
        }
    })
}

fn shared(edge: &Edge) -> Shared {
    Rc::new(RefCell::new(edge.client()))
}

/// Asks for a WebSocket. The stream, and the head of its answer.
fn ask(client: &Shared, path: &str, more: &[(&str, &str)]) -> (u32, Answer) {
    let mut client = client.borrow_mut();
    let mut fields = vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", path),
        ("sec-websocket-version", "13"),
        ("origin", "http://test"),
    ];
    fields.extend_from_slice(more);
    let stream = client.open(&fields, false);
    let head = client.head(stream);
    (stream, head)
}

fn open(client: &Shared, path: &str) -> Socket {
    let (stream, head) = ask(client, path, &[("sec-websocket-protocol", "x, chat.v1")]);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.field("sec-websocket-protocol"), Some("chat.v1"));
    for name in [
        "sec-websocket-accept",
        "upgrade",
        "connection",
        "transfer-encoding",
    ] {
        assert_eq!(head.field(name), None, "{head:?}");
    }
    socket(client, stream)
}

fn socket(client: &Shared, stream: u32) -> Socket {
    let line = Line {
        client: client.clone(),
        stream,
    };
    WebSocket::from_raw_socket(line, Role::Client, None)
}

/// A server that says every message back (what it is told is a whole WebSocket server's work).
fn speaking() -> Backend {
    upgrading(|app| {
        let stream = app.stream.try_clone().unwrap();
        let mut socket = WebSocket::from_raw_socket(stream, Role::Server, None);
        while let Ok(message) = socket.read() {
            match message {
                Message::Text(text) if text.as_str() == "bye" => {
                    let frame = CloseFrame {
                        code: CloseCode::from(4000),
                        reason: "as you wish".into(),
                    };
                    let _ = socket.close(Some(frame));
                }
                Message::Text(_) | Message::Binary(_) => socket.send(message).unwrap(),
                _ => {}
            }
        }
        let _ = socket.flush();
    })
}

#[test]
fn messages_go_both_ways() {
    let edge = edge(speaking());
    let client = shared(&edge);
    assert_eq!(
        client.borrow().settings.get(&8),
        Some(&1),
        "it is announced"
    );
    let mut socket = open(&client, "/ws/a?b=c");
    for message in [
        Message::text("héllo"),
        Message::binary(vec![0, 255, 1, 254]),
        Message::text(""),
        Message::binary(
            (0..1_048_576u32)
                .map(|i| (i / 3) as u8)
                .collect::<Vec<u8>>(),
        ),
        Message::text("x".repeat(70_000)),
    ] {
        socket.send(message.clone()).unwrap();
        assert!(socket.read().unwrap() == message);
    }
    socket.send(Message::Ping("are you there".into())).unwrap();
    assert_eq!(
        socket.read().unwrap(),
        Message::Pong("are you there".into())
    );
    let request = &edge.backend.requests()[0];
    assert_eq!(request.line, "GET /ws/a?b=c HTTP/1.1");
    for (name, value) in [
        ("host", "test"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "x, chat.v1"),
        ("origin", "http://test"),
    ] {
        assert_eq!(request.field(name).as_deref(), Some(value));
    }
    let connection = request.field("connection").unwrap().to_lowercase();
    assert_eq!(connection, "upgrade");
    assert_eq!(request.field("sec-websocket-key").unwrap().len(), 24);
}

#[test]
fn either_side_closes() {
    let edge = edge(speaking());
    let client = shared(&edge);
    // The app.
    let mut socket = open(&client, "/ws/a");
    socket.send(Message::text("bye")).unwrap();
    match socket.read().unwrap() {
        Message::Close(Some(frame)) => {
            assert_eq!(
                (u16::from(frame.code), frame.reason.as_str()),
                (4000, "as you wish")
            );
        }
        other => panic!("{other:?}"),
    }
    // The rest of the closing handshake, and the end of the stream.
    while socket.read().is_ok() {}
    let stream = socket.get_ref().stream;
    let answer = client.borrow_mut().answer(stream);
    assert!(
        answer.ended && answer.reset.is_none_or(|code| code == 0),
        "{answer:?}"
    );
    // The client.
    let mut socket = open(&client, "/ws/b");
    socket.close(None).unwrap();
    while socket.read().is_ok() {}
    let stream = socket.get_ref().stream;
    client
        .borrow_mut()
        .send(kind::DATA, END_STREAM, stream, b"");
    let answer = client.borrow_mut().answer(stream);
    assert!(answer.ended, "{answer:?}");
    assert_eq!(client.borrow_mut().get("/").text(), "page");
}

#[test]
fn ends_reach_the_app() {
    let (saw, ends) = channel();
    let saw = Mutex::new(saw);
    let edge = edge(upgrading(move |app| {
        let mut all = Vec::new();
        let mut space = [0; 100];
        loop {
            match app.read(&mut space) {
                0 => break,
                n => all.extend_from_slice(&space[..n]),
            }
        }
        saw.lock().unwrap().send(all).unwrap();
    }));
    let client = shared(&edge);
    // The end of the stream, a reset, and the end of the connection.
    let (stream, _) = ask(&client, "/ws/a", &[]);
    client.borrow_mut().data(stream, b"last words", true);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), b"last words");
    assert!(client.borrow_mut().answer(stream).ended);
    let (stream, _) = ask(&client, "/ws/a", &[]);
    client.borrow_mut().reset(stream, CANCEL);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), b"");
    ask(&client, "/ws/a", &[]);
    drop(client);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), b"");
    until("none is counted", || {
        (edge.parvis.metric("parvis_upgraded_connections_open") == 0.0).then_some(())
    });
}

#[test]
fn an_app_that_says_goodbye_with_its_last_bytes_is_heard_to_the_end() {
    let edge = edge(upgrading(|app| {
        app.send(vec![b'x'; 300_000]);
    }));
    let client = shared(&edge);
    let (stream, head) = ask(&client, "/ws/a", &[]);
    assert_eq!(head.status, 200);
    let answer = client.borrow_mut().answer(stream);
    assert_eq!((answer.body.len(), answer.ended), (300_000, true));
}

#[test]
fn refusals_of_the_app_are_passed_on() {
    let edge = edge(upgrading(echo));
    let client = shared(&edge);
    let (stream, head) = ask(&client, "/ws/no", &[]);
    assert_eq!((head.status, head.field("x-why")), (403, Some("banned")));
    let answer = client.borrow_mut().answer(stream);
    assert_eq!(answer.text(), "not in my room");
    // Nobody below it, and nobody at all.
    let (stream, head) = ask(&client, "/else", &[]);
    assert_eq!(
        head.status, 200,
        "an app that does not see the upgrade answers as ever"
    );
    client.borrow_mut().reset(stream, CANCEL);
    assert_eq!(client.borrow_mut().get("/").text(), "page");
}

#[test]
fn frames_that_come_before_a_refusal_are_no_request() {
    let edge = edge(upgrading(echo));
    let mut client = edge.client();
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/ws/no"),
        ("sec-websocket-version", "13"),
    ];
    let stream = client.open(&fields, false);
    client.data(
        stream,
        b"GET /smuggled HTTP/1.1\r\nhost: test\r\n\r\n",
        false,
    );
    let answer = client.answer(stream);
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (403, "not in my room")
    );
    assert_eq!(client.get("/").text(), "page");
    let targets: Vec<String> = edge
        .backend
        .requests()
        .into_iter()
        .map(|r| r.target)
        .collect();
    assert_eq!(targets, ["/ws/no", "/"]);
}

#[test]
fn other_protocols_are_refused() {
    let edge = edge(upgrading(echo));
    for protocol in ["connect-udp", "webtransport", "h2c", "websocket2"] {
        let mut client = edge.client();
        let fields = [
            (":method", "CONNECT"),
            (":protocol", protocol),
            (":scheme", "http"),
            (":authority", "test"),
            (":path", "/ws/a"),
        ];
        let stream = client.open(&fields, false);
        let answer = client.answer(stream);
        assert!(matches!(answer.status, 405 | 501), "{protocol}: {answer:?}");
        assert_eq!(client.get("/").text(), "page");
    }
    // `:protocol` is for CONNECT alone (RFC 8441 section 4).
    let mut client = edge.client();
    let stream = client.ask("GET", "/ws/a", &[], true);
    client.answer(stream).whole();
    let fields = [
        (":method", "GET"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", "/ws/a"),
    ];
    let stream = client.open(&fields, true);
    let answer = client.answer(stream);
    assert!(answer.reset.is_some() || answer.status >= 400, "{answer:?}");
    assert!(
        edge.backend
            .requests()
            .iter()
            .all(|r| r.field("upgrade").is_none())
    );
}

#[test]
fn several_on_one_connection_beside_plain_requests() {
    let edge = edge(speaking());
    let client = shared(&edge);
    let mut sockets: Vec<Socket> = (0..20)
        .map(|i| open(&client, &format!("/ws/{i}")))
        .collect();
    let open = edge.parvis.metric("parvis_upgraded_connections_open");
    assert_eq!(open, 20.0);
    for round in 0..5 {
        for (i, socket) in sockets.iter_mut().enumerate() {
            socket.send(Message::text(format!("{i} {round}"))).unwrap();
        }
        assert_eq!(client.borrow_mut().get("/").text(), "page");
        for (i, socket) in sockets.iter_mut().enumerate().rev() {
            let said = socket.read().unwrap();
            assert_eq!(said, Message::text(format!("{i} {round}")));
        }
    }
    // One that ends takes none along.
    let first = sockets.remove(0);
    client.borrow_mut().reset(first.get_ref().stream, CANCEL);
    for socket in &mut sockets {
        socket.send(Message::text("still here")).unwrap();
        assert_eq!(socket.read().unwrap(), Message::text("still here"));
    }
}

#[test]
fn a_silent_one_ends_after_its_idle_timeout() {
    const IDLE: Duration = Duration::from_millis(700);
    let (saw, ends) = channel();
    let saw = Mutex::new(saw);
    let app = upgrading(move |app| {
        let n = app.read(&mut [0; 1]);
        saw.lock().unwrap().send(n).unwrap();
    });
    let edge = edge_with(app, "", "idle_timeout = \"700ms\"");
    let client = shared(&edge);
    let before = Instant::now();
    let (stream, _) = ask(&client, "/ws/a", &[]);
    let answer = client.borrow_mut().answer(stream);
    assert!(answer.ended || answer.reset.is_some(), "{answer:?}");
    assert!(before.elapsed() >= IDLE);
    assert_eq!(ends.recv_timeout(PATIENCE).unwrap(), 0);
    assert!(
        client.borrow_mut().lives(),
        "the others of the connection go on"
    );
}

fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => return serde_json::from_str(&text).unwrap(),
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

#[test]
fn the_chat_of_a_django_site() {
    let site = Site::start();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n[[site]]\nname = \"s\"\n{LISTEN}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        site.address()
    ));
    let connect = || Rc::new(RefCell::new(Http2::connect(parvis.address())));
    let chat = |client: &Shared, name: &str| {
        let path = format!("/ws/chat/tea/?name={name}");
        // Channels looks whether the page is of the same host.
        open(client, &path)
    };
    // Two on one connection, one on another.
    let (first, second) = (connect(), connect());
    let mut ada = chat(&first, "ada");
    hear(&mut ada);
    assert_eq!(hear(&mut ada)["users"], json!(["ada"]));
    let mut bob = chat(&first, "bob");
    hear(&mut bob);
    assert_eq!(hear(&mut bob)["users"], json!(["ada", "bob"]));
    hear(&mut ada);
    let mut eve = chat(&second, "eve");
    hear(&mut eve);
    for socket in [&mut ada, &mut bob, &mut eve] {
        assert_eq!(hear(socket)["users"], json!(["ada", "bob", "eve"]));
    }
    for n in 0..30 {
        let text = json!({ "type": "message", "text": n.to_string() }).to_string();
        bob.send(Message::text(text)).unwrap();
        if n % 10 == 0 {
            let page = first.borrow_mut().get("/health/");
            assert_eq!((page.status, page.text().as_str()), (200, "ok"));
        }
    }
    for socket in [&mut ada, &mut bob, &mut eve] {
        for n in 0..30 {
            let heard = hear(socket);
            assert_eq!(
                (&heard["user"], &heard["text"]),
                (&json!("bob"), &json!(n.to_string()))
            );
        }
    }
    // The site says who may not, and ends whom it likes.
    let (_, head) = ask(&second, "/ws/chat/closed/?name=eve", &[]);
    assert_eq!(head.status, 403, "{head:?}");
    ada.send(Message::text(json!({ "type": "bye" }).to_string()))
        .unwrap();
    match ada.read().unwrap() {
        Message::Close(Some(frame)) => assert_eq!(u16::from(frame.code), 4000),
        other => panic!("{other:?}"),
    }
    assert_eq!(
        hear(&mut bob),
        json!({ "type": "leave", "user": "ada", "users": ["bob", "eve"] })
    );
    // A page that is left takes its stream back.
    first.borrow_mut().reset(bob.get_ref().stream, CANCEL);
    hear(&mut eve);
    assert_eq!(hear(&mut eve)["users"], json!(["eve"]));
}
