//! Connections that are kept: to the client, to the app, and what ends them.

use crate::support::{Backend, Client, Reply, until};
use crate::{Edge, edge, edge_with};
use socket2::SockRef;
use std::time::Duration;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// An app that echoes the target, and one worker: all requests share its pool.
fn echo() -> Edge {
    let backend = Backend::http(|request| {
        let body = format!(
            "{} {}",
            request.target,
            String::from_utf8_lossy(&request.body)
        );
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    });
    edge_with(backend, "threads = 1", "")
}

#[test]
fn many_requests_pass_on_one_connection() {
    let edge = echo();
    let mut client = edge.parvis.client();
    for i in 0..300 {
        let reply = match i % 3 {
            0 => client.get(&format!("/{i}")),
            1 => client.request("POST", &format!("/{i}"), "", b"body"),
            _ => {
                client.send(format!(
                    "POST /{i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                     4\r\nbody\r\n0\r\n\r\n"
                ));
                client.reply()
            }
        };
        let body = if i % 3 == 0 { "" } else { "body" };
        assert_eq!(reply.text(), format!("/{i} {body}"));
        assert_eq!(reply.field("connection").as_deref(), Some("keep-alive"));
    }
    assert_eq!(
        edge.backend.connections(),
        1,
        "the app's connection is kept"
    );
    assert_eq!(edge.backend.last().field("connection"), None);
}

#[test]
fn clients_share_the_connections_to_the_app() {
    let edge = echo();
    for i in 0..50 {
        let path = format!("/{i}");
        assert_eq!(edge.parvis.get(&path).text(), format!("{path} "));
    }
    assert_eq!(edge.backend.connections(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let edge = echo();
    let mut client = edge.parvis.client();
    let mut all = String::new();
    for i in 0..40 {
        match i % 4 {
            0 => all += &format!("GET /{i} HTTP/1.1\r\nHost: a\r\n\r\n"),
            1 => all += &format!("POST /{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
            2 => {
                all += &format!(
                    "POST /{i} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                     4\r\nbody\r\n0\r\nX-Sum: 7\r\n\r\n"
                );
            }
            _ => all += &format!("\r\nGET /{i} HTTP/1.1\r\nHost: a\r\n\r\n"),
        }
    }
    client.send(&all);
    for i in 0..40 {
        let body = if matches!(i % 4, 1 | 2) { "body" } else { "" };
        assert_eq!(client.reply().text(), format!("/{i} {body}"));
    }
    // Cut at any place, the same.
    let three = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\
                 GET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n";
    for cut in (1..three.len()).step_by(3) {
        client.send(&three[..cut]);
        client.send(&three[cut..]);
        for text in ["/a body", "/b ", "/c "] {
            assert_eq!(client.reply().text(), text, "cut at {cut}");
        }
    }
}

#[test]
fn requests_that_were_sent_before_the_client_closed_its_side_are_answered() {
    let edge = echo();
    let mut client = edge.parvis.client();
    client.send(
        "GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(client.reply().text(), "/1 ");
    assert_eq!(client.reply().text(), "/2 ");
    assert!(client.is_closed());
}

#[test]
fn a_client_that_asks_for_it_is_closed() {
    let edge = echo();
    for request in [
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nConnection: X-A, Close\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
    ] {
        let mut client = edge.parvis.client();
        client.send(request);
        let reply = client.head_only();
        assert_eq!(reply.status, 200);
        assert_eq!(
            reply.field("connection").as_deref(),
            Some("close"),
            "{request:?}"
        );
        assert_eq!(client.rest(), b"/ ", "{request:?}");
    }
    // The app's connection is none of the client's business.
    assert_eq!(edge.backend.connections(), 1);
}

#[test]
fn an_http_1_0_client_may_keep_its_connection() {
    let edge = echo();
    let mut client = edge.parvis.client();
    for i in 0..5 {
        client.send(format!(
            "GET /{i} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        ));
        let reply = client.reply();
        assert_eq!(reply.text(), format!("/{i} "));
        // Without this field it would take the connection for closed.
        assert_eq!(reply.field("connection").as_deref(), Some("keep-alive"));
    }
}

#[test]
fn an_app_that_closes_its_connection_does_not_close_the_clients() {
    let edge = edge_with(
        Backend::raw(|incoming| {
            incoming.request();
            incoming.send("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok");
        }),
        "threads = 1",
        "",
    );
    let mut client = edge.parvis.client();
    for i in 1..=20 {
        let reply = client.get("/");
        assert_eq!(reply.text(), "ok");
        assert_eq!(reply.field("connection").as_deref(), Some("keep-alive"));
        assert_eq!(
            edge.backend.connections(),
            i,
            "a closed one is not used again"
        );
    }
}

/// An app that serves one request per connection, says nothing of it, and when the second comes on
/// the connection ends it without an answer: the race that every kept connection can lose.
fn forgetful(reset: bool) -> Edge {
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_none() {
            return;
        }
        incoming.send(OK);
        // The second request is read (a head only) and not answered.
        if incoming.head().is_some() && reset {
            let socket = SockRef::from(&incoming.stream);
            socket.set_linger(Some(Duration::ZERO)).unwrap();
        }
    });
    edge_with(backend, "threads = 1", "")
}

#[test]
fn a_kept_connection_that_the_app_closes_is_retried_unseen() {
    for reset in [false, true] {
        let edge = forgetful(reset);
        let mut client = edge.parvis.client();
        for i in 0..100 {
            let method = ["GET", "HEAD", "OPTIONS", "DELETE"][i % 4];
            let reply = client.request(method, "/", "", b"");
            assert_eq!(reply.status, 200, "request {i}, reset: {reset}");
        }
        assert_eq!(edge.backend.requests().len(), 100);
    }
}

#[test]
fn a_body_is_sent_again_when_a_request_is_retried() {
    let edge = forgetful(false);
    let mut client = edge.parvis.client();
    for _ in 0..20 {
        assert_eq!(client.request("PUT", "/", "", b"whole").text(), "ok");
        assert_eq!(edge.backend.last().body, b"whole");
    }
    assert_eq!(edge.backend.requests().len(), 20);
}

#[test]
fn a_kept_connection_that_the_app_closed_long_ago_is_not_used() {
    // The app closes after each answer: parvis hears of it sooner or later.
    let edge = edge_with(
        Backend::raw(|incoming| {
            incoming.request();
            incoming.send(OK);
        }),
        "threads = 1",
        "",
    );
    let mut client = edge.parvis.client();
    for _ in 0..200 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(edge.backend.requests().len(), 200);
}

#[test]
fn what_may_have_been_done_is_not_done_again() {
    let edge = forgetful(false);
    let mut client = edge.parvis.client();
    assert_eq!(client.get("/").text(), "ok");
    // On the kept connection, which the app then closes: nobody knows how far it came.
    assert_eq!(client.request("POST", "/", "", b"order").status, 502);
    assert_eq!(edge.backend.requests().len(), 1);
    assert_eq!(edge.backend.connections(), 1, "it was not tried again");
    assert_eq!(edge.parvis.get("/").text(), "ok");
}

#[test]
fn a_fresh_connection_that_the_app_closes_is_not_retried() {
    let edge = edge(Backend::raw(|incoming| {
        incoming.head();
    }));
    assert_eq!(edge.parvis.get("/").status, 502);
    assert_eq!(edge.backend.connections(), 1);
}

#[test]
fn an_answer_may_come_before_the_body_was_read() {
    let edge = edge(Backend::raw(|incoming| {
        while let Some(request) = incoming.head() {
            incoming.send("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno");
            let length: usize = request.field("content-length").unwrap().parse().unwrap();
            if incoming.exactly(length).is_none() {
                return;
            }
        }
    }));
    for _ in 0..20 {
        let mut client = edge.parvis.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nsome");
        // The answer is there although most of the body is not.
        let reply = client.reply();
        assert_eq!((reply.status, reply.text().as_str()), (401, "no"));
        // The client need not send the rest: then nothing else may come on this connection.
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        client.send(vec![b'x'; 100_000 - 4]);
        assert!(client.is_closed());
    }
}

#[test]
fn an_app_may_answer_and_close_before_the_body_was_read() {
    for reset in [false, true] {
        let edge = edge(Backend::raw(move |incoming| {
            incoming.head();
            incoming.send(
                "HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno",
            );
            if reset {
                // What came already goes unread: the kernel says so with a reset.
                return;
            }
            let _ = incoming.stream.shutdown(std::net::Shutdown::Write);
            while incoming.read(&mut [0; 65_536]) > 0 {}
        }));
        for _ in 0..20 {
            let mut client = edge.parvis.client();
            client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n");
            // It goes on as long as it can.
            let _ = client.try_send(vec![b'x'; 4_000_000]);
            let reply = client.reply();
            assert_eq!(
                (reply.status, reply.text().as_str()),
                (413, "no"),
                "reset: {reset}"
            );
        }
    }
}

#[test]
fn an_app_that_answers_and_reads_no_more_is_heard_in_the_end() {
    let backend = Backend::raw(|incoming| {
        incoming.head();
        incoming.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
        // Neither read nor closed, until parvis closes.
        let mut peek = [0];
        while incoming.stream.peek(&mut peek).is_ok_and(|n| n > 0) {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let parvis = crate::support::Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\nsend_timeout = \"500ms\"\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    ));
    let mut client = parvis.client();
    let mut upload = client.stream.try_clone().unwrap();
    // Ends when the connection does.
    std::thread::spawn(move || {
        use std::io::Write;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n";
        let _ = upload.write_all(head.as_bytes());
        while upload.write_all(&[b'x'; 65_536]).is_ok() {}
    });
    let reply = client.head_only();
    assert_eq!(reply.status, 403, "{}", reply.head);
    assert_eq!(client.exactly(2), b"no");
}

#[test]
fn a_client_that_goes_ends_the_request_to_the_app() {
    let edge = edge(Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            if request.target == "/ok" {
                incoming.send(OK);
                continue;
            }
            // Never answered: ends when parvis closes.
            let _ = incoming.read(&mut [0]);
            return;
        }
    }));
    for _ in 0..5 {
        let mut client = edge.parvis.client();
        client.send("GET /hang HTTP/1.1\r\nHost: a\r\n\r\n");
        until("the app has the request", || {
            (edge.parvis.metric("parvis_requests_in_flight") >= 1.0).then_some(())
        });
        drop(client);
        until("the request is given up", || {
            (edge.parvis.metric("parvis_requests_in_flight") == 0.0).then_some(())
        });
    }
    let reply: Reply = Client::connect(edge.parvis.address()).get("/ok");
    assert_eq!(reply.text(), "ok");
}
