//! What goes over a connection with TLS: large bodies, streams, WebSockets, and how it ends.

use super::{SECURED, app_at};
use crate::support::certificates::Authority;
use crate::support::programs::{run, said};
use crate::support::secure::{Secure, client, trusting};
use crate::support::websocket::{ASK, echoing};
use crate::support::{Backend, Folder, PATIENCE, Parvis, until};
use rustls::version::{TLS12, TLS13};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::mpsc::channel;

struct Front {
    authority: Authority,
    parvis: Parvis,
    ca: PathBuf,
}

/// A site with TLS in front of an app; more at the configuration's top and in its route.
fn front(app: &Backend, top: &str, route: &str) -> Front {
    front_in(Folder::new(), app, top, route)
}

/// The same in a folder that has files already.
fn front_in(folder: Folder, app: &Backend, top: &str, route: &str) -> Front {
    let authority = Authority::new();
    authority.sign(&["a.test"]).write(&folder, "a");
    let ca = folder.write("ca.pem", &authority.pem);
    let site = app_at(SECURED, "a", app.address(), "");
    let parvis = Parvis::start_in(folder, &format!("{top}{site}{route}"), &[]);
    Front {
        authority,
        parvis,
        ca,
    }
}

impl Front {
    fn open(&self) -> Secure {
        let config = trusting(&self.authority);
        Secure::open(self.parvis.address(), "a.test", &config)
    }

    fn curl(&self, path: &str, arguments: &[&str], to: &Path) {
        let port = self.parvis.address().port();
        let output = run(Command::new("curl")
            .args(["-sS", "--fail-with-body", "--cacert"])
            .arg(&self.ca)
            .args(["--resolve", &format!("a.test:{port}:127.0.0.1"), "-o"])
            .arg(to)
            .args(arguments)
            .arg(format!("https://a.test:{port}{path}")));
        assert!(output.status.success(), "{}", said(&output));
    }
}

/// Bytes in which no two places look alike.
fn bytes(n: usize) -> Vec<u8> {
    let mut state = 1u64;
    let mut all = Vec::with_capacity(n + 8);
    while all.len() < n {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.extend(state.to_le_bytes());
    }
    all.truncate(n);
    all
}

const LARGE: usize = 50 * 1024 * 1024;

#[test]
fn fifty_megabytes_arrive_whole_in_both_directions() {
    let app = Backend::raw(|app| {
        while let Some(head) = app.head() {
            let length = head.field("content-length").unwrap();
            let Some(body) = app.exactly(length.parse().unwrap()) else {
                return;
            };
            app.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n"
            ));
            app.send(body);
        }
    });
    let front = front(&app, "", "max_body = \"0\"\n");
    let body = bytes(LARGE);
    let (from, to) = (
        front.parvis.folder.join("from"),
        front.parvis.folder.join("to"),
    );
    std::fs::write(&from, &body).unwrap();
    let data = format!("@{}", from.display());
    for version in ["--http1.1", "--http2"] {
        front.curl(
            "/",
            &[version, "-H", "Expect:", "--data-binary", &data],
            &to,
        );
        assert!(
            std::fs::read(&to).unwrap() == body,
            "{version}: it has changed"
        );
    }
}

#[test]
fn files_and_their_ranges_are_the_same_over_tls() {
    let app = Backend::text("app");
    let route = "[[site.route]]\npath = \"/files/*\"\nfiles = { root = \"@DIR/root\" }\n";
    let folder = Folder::new();
    let body = bytes(LARGE);
    std::fs::create_dir(folder.join("root")).unwrap();
    std::fs::write(folder.join("root/large"), &body).unwrap();
    let front = front_in(folder, &app, "", route);
    let to = front.parvis.folder.join("to");
    for version in ["--http1.1", "--http2"] {
        front.curl("/files/large", &[version], &to);
        assert!(
            std::fs::read(&to).unwrap() == body,
            "{version}: it has changed"
        );
        for (range, expected) in [
            ("0-0", &body[..1]),
            ("16000000-33554432", &body[16_000_000..=33_554_432]),
            ("-70000", &body[LARGE - 70_000..]),
        ] {
            front.curl("/files/large", &[version, "--range", range], &to);
            assert!(std::fs::read(&to).unwrap() == expected, "{version} {range}");
        }
    }
}

#[test]
fn events_arrive_when_they_happen() {
    let (next, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let app = Backend::raw(move |app| {
        app.request();
        app.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n");
        for n in 0..5 {
            let event = format!("data: {n}\n\n");
            app.send(format!("{:x}\r\n{event}\r\n", event.len()));
            // The next one happens when this one has been seen.
            if wait.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                return;
            }
        }
        app.send("0\r\n\r\n");
    });
    let front = front(&app, "", "");
    let mut client = front.open();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().unwrap().status, 200);
    for n in 0..5 {
        let event = client.chunk().unwrap().unwrap();
        assert_eq!(event, format!("data: {n}\n\n").into_bytes());
        next.send(()).unwrap();
    }
    assert_eq!(client.chunk().unwrap(), None);
}

#[test]
fn a_websocket_carries_a_megabyte_in_both_directions() {
    let app = echoing();
    let front = front(&app, "", "");
    let mut client = front.open();
    client.send(ASK.replace("Host: test", "Host: a.test"));
    assert_eq!(client.reply().unwrap().status, 101);
    let body = bytes(1024 * 1024);
    // As much at a time as fits into sockets on the way.
    for piece in body.chunks(64 * 1024) {
        client.send(piece);
        assert!(client.exactly(piece.len()).unwrap() == piece);
    }
    client.stream.conn.send_close_notify();
    client.try_send("").unwrap();
    // The app's end of it ends too.
    assert_eq!(client.rest().unwrap(), b"");
}

/// Without it, who cuts a connection could shorten what is sent over it.
#[test]
fn the_end_is_announced() {
    let app = Backend::text("app");
    let front = front(&app, "[server]\nkeepalive_timeout = \"200ms\"\n", "");
    for version in [&[&TLS12][..], &[&TLS13]] {
        let config = client(&front.authority, version, None);
        for last in ["Connection: close\r\n", ""] {
            let mut client = Secure::open(front.parvis.address(), "a.test", &config);
            client.send(format!("GET / HTTP/1.1\r\nHost: a.test\r\n{last}\r\n"));
            assert_eq!(client.reply().unwrap().text(), "app");
            assert_eq!(client.rest().expect("it was cut off"), b"");
        }
        let mut client = Secure::open(front.parvis.address(), "a.test", &config);
        client.send("rubbish\r\n\r\n");
        assert_eq!(client.reply().unwrap().status, 400);
        assert_eq!(client.rest().expect("it was cut off"), b"");
    }
}

#[test]
fn an_answer_that_breaks_off_is_no_whole_one() {
    let app = Backend::raw(|app| {
        let Some(request) = app.request() else { return };
        match request.target.as_str() {
            "/length" => app.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"),
            _ => app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"),
        };
    });
    let front = front(&app, "", "");
    for path in ["/length", "/chunks"] {
        let mut client = front.open();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n"));
        let reply = client.reply();
        assert!(reply.is_err(), "{path}: {reply:?}");
        // Where the end of the connection is the end of the answer, it must not be announced.
        let mut old = front.open();
        old.send(format!("GET {path} HTTP/1.0\r\nHost: a.test\r\n\r\n"));
        let rest = old.rest();
        if path == "/chunks" {
            assert!(rest.is_err(), "{path}: {:?}", rest.map(String::from_utf8));
        }
    }
}

#[test]
fn a_client_that_takes_nothing_is_not_waited_for() {
    let app = Backend::raw(|app| {
        app.request();
        app.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        let piece = vec![b'a'; 65536];
        while app.send(&piece) {}
    });
    let front = front(&app, "[server]\nsend_timeout = \"300ms\"\n", "");
    let mut client = front.open();
    client.send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
    assert_eq!(client.head().unwrap().status, 200);
    until("it is closed", || {
        (front.parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    assert!(client.reply().is_err() || client.rest().is_err());
}
