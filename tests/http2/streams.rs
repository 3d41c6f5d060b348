//! Many requests at a time, and requests that do not come to their end.

use crate::support::http2::{CANCEL, REFUSED_STREAM};
use crate::support::{Client, Refusing};
use crate::*;
use std::sync::mpsc::channel;

#[test]
fn a_thousand_streams_on_ten_connections_are_answered_rightly() {
    let edge = edge(telling());
    std::thread::scope(|scope| {
        for number in 0..10 {
            let edge = &edge;
            scope.spawn(move || {
                let mut client = edge.client();
                let streams: Vec<u32> = (0..100)
                    .map(|i| client.ask("GET", &format!("/{number}/{i}"), &[], true))
                    .collect();
                for (i, stream) in streams.into_iter().enumerate() {
                    let answer = client.answer(stream).whole();
                    assert_eq!(answer.text(), format!("GET /{number}/{i} "));
                }
                assert!(client.lives());
            });
        }
    });
    assert_eq!(edge.backend.requests().len(), 1_000);
}

/// An app that answers when it is told to.
fn held() -> (Backend, std::sync::mpsc::Sender<()>) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |app| {
        while let Some(request) = app.request() {
            if request.target != "/free" && !signalled(&wait) {
                return;
            }
            app.send(ok(request.target));
        }
    });
    (backend, go)
}

#[test]
fn more_streams_at_a_time_than_announced_are_refused() {
    let (backend, go) = held();
    let edge = edge(backend);
    let mut client = edge.client();
    assert_eq!(client.settings.get(&3), Some(&100));
    let streams: Vec<u32> = (0..350)
        .map(|i| client.ask("GET", &format!("/{i}"), &[], true))
        .collect();
    for stream in &streams[100..] {
        let answer = client.answer(*stream);
        // It was not served, and may be sent again (RFC 9113 section 8.7).
        assert_eq!(
            (answer.reset, answer.status),
            (Some(REFUSED_STREAM), 0),
            "{:?}",
            client.goaway
        );
    }
    for _ in 0..100 {
        go.send(()).unwrap();
    }
    for (i, stream) in streams[..100].iter().enumerate() {
        assert_eq!(client.answer(*stream).whole().text(), format!("/{i}"));
    }
    assert_eq!(client.get("/free").text(), "/free");
    assert_eq!(edge.backend.requests().len(), 101);
}

#[test]
fn a_request_that_is_taken_back_ends_at_the_app_too() {
    let (ended, end) = channel();
    let ended = Mutex::new(ended);
    let edge = edge_with(
        Backend::raw(move |app| {
            let Some(head) = app.head() else { return };
            match head.target.as_str() {
                "/waits" => {}
                "/streams" => {
                    app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n");
                }
                "/reads" => while app.chunk().is_some_and(|chunk| !chunk.is_empty()) {},
                _ => {
                    app.send(ok("free"));
                    return;
                }
            }
            while app.read(&mut [0; 100]) > 0 {}
            ended.lock().unwrap().send(head.target).unwrap();
        }),
        LOG,
        "",
    );
    let mut client = edge.client();
    for (i, path) in ["/waits", "/streams", "/reads"].into_iter().enumerate() {
        let reads = path == "/reads";
        let stream = client.ask(if reads { "POST" } else { "GET" }, path, &[], !reads);
        match path {
            "/streams" => assert_eq!(client.head(stream).status, 200),
            "/reads" => client.data(stream, b"some", false),
            _ => until("the app was asked", || {
                (edge.backend.connections() > 0).then_some(())
            }),
        }
        client.reset(stream, CANCEL);
        assert_eq!(end.recv_timeout(PATIENCE).unwrap(), path);
        let lines = edge.lines(i + 1);
        let line = lines.iter().find(|line| line["path"] == path).unwrap();
        let status = if path == "/streams" { 200 } else { 499 };
        assert_eq!(line["status"], status, "{line}");
        assert!(client.lives());
    }
    assert_eq!(client.get("/free").text(), "free");
}

#[test]
fn a_client_that_goes_ends_all_of_its_requests() {
    let (ended, end) = channel();
    let ended = Mutex::new(ended);
    let edge = edge_with(
        Backend::raw(move |app| {
            app.request();
            while app.read(&mut [0; 100]) > 0 {}
            ended.lock().unwrap().send(()).unwrap();
        }),
        LOG,
        "",
    );
    let mut client = edge.client();
    for i in 0..10 {
        client.ask("GET", &format!("/{i}"), &[], true);
    }
    until("the app was asked", || {
        (edge.backend.requests().len() == 10).then_some(())
    });
    drop(client);
    for _ in 0..10 {
        end.recv_timeout(PATIENCE).unwrap();
    }
    let lines = edge.lines(10);
    assert!(lines.iter().all(|line| line["status"] == 499), "{lines:?}");
}

#[test]
fn an_app_that_breaks_off_does_not_look_whole() {
    let edge = edge(Backend::raw(|app| {
        let Some(request) = app.request() else { return };
        match request.target.as_str() {
            "/length" => app.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"),
            "/chunks" => {
                app.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\n")
            }
            "/garbage" => app
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nsome\r\nxyz\r\n"),
            "/sound" => app.send(ok("sound")),
            _ => true,
        };
    }));
    let mut client = edge.client();
    for path in ["/length", "/chunks", "/garbage"] {
        let stream = client.ask("GET", path, &[], true);
        let answer = client.answer(stream);
        assert!(
            answer.reset.is_some() && !answer.ended,
            "{path}: {answer:?}"
        );
        assert_eq!(client.get("/sound").text(), "sound", "the connection lives");
    }
    // Before it began to answer: told as it is.
    assert_eq!(client.get("/nothing").status, 502);
    assert_eq!(client.get("/sound").text(), "sound");
}

#[test]
fn an_app_that_is_down_is_told_as_502() {
    let down = Refusing::new();
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n[[site]]\nname = \"s\"\n{LISTEN}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        down.address()
    ));
    let mut client = Http2::connect(parvis.address());
    for _ in 0..3 {
        let answer = client.get_with("/", &[("accept", "text/html")]);
        assert_eq!(answer.status, 502);
        assert_eq!(
            answer.field("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(answer.text().contains("502"), "{}", answer.text());
    }
}

#[test]
fn connections_to_the_app_are_kept_over_streams() {
    let edge = edge_with(telling(), "[server]\nthreads = 1\n", "");
    let mut client = edge.client();
    for i in 0..50 {
        let path = format!("/{i}");
        assert_eq!(client.get(&path).text(), format!("GET {path} "));
    }
    assert_eq!(edge.backend.connections(), 1);
    // They are the same as those of HTTP/1.
    let mut plain = Client::connect(edge.parvis.address());
    assert_eq!(plain.get("/plain").text(), "GET /plain ");
    assert_eq!(edge.backend.connections(), 1);
}
