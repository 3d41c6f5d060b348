//! Connections that are kept, and what is repeated when one breaks.

use crate::support::{Backend, Client, Parvis, until};
use crate::{OK, app, at, closes_on_the_second, errors};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

#[test]
fn connections_to_servers_are_kept_and_used_again() {
    let backends = [Backend::text("a"), Backend::text("b")];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    let parvis = Parvis::start(&app(&servers, ""));
    // The connections of clients have nothing to do with it.
    for _ in 0..10 {
        assert_eq!(parvis.get("/").status, 200);
        let reply = parvis.client().request("POST", "/", "", b"body");
        assert_eq!(reply.status, 200);
    }
    for backend in &backends {
        assert_eq!(backend.requests().len(), 10);
        assert_eq!(backend.connections(), 1);
    }
}

#[test]
fn requests_at_one_time_have_a_connection_each() {
    let (asked, wait) = std::sync::mpsc::channel();
    let (release, go) = std::sync::mpsc::channel::<()>();
    let go = Mutex::new(go);
    let backend = Backend::http(move |_| {
        asked.send(()).unwrap();
        go.lock().unwrap().recv().unwrap();
        OK.as_bytes().to_vec()
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for round in 0..2 {
        let mut clients: Vec<Client> = (0..3).map(|_| parvis.client()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        }
        for _ in 0..3 {
            wait.recv_timeout(crate::support::PATIENCE).unwrap();
        }
        (0..3).for_each(|_| release.send(()).unwrap());
        for mut client in clients {
            assert_eq!(client.reply().status, 200);
        }
        assert_eq!(backend.connections(), 3, "round {round}");
    }
}

#[test]
fn a_kept_connection_is_closed_when_its_time_is_over() {
    let (closed, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        while incoming.request().is_some() {
            incoming.send(OK);
        }
        closed.send(Instant::now()).unwrap();
    });
    let settings = "keepalive_timeout = \"300ms\"";
    let parvis = Parvis::start(&app(&[at(backend.address())], settings));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 200);
    let closed = wait
        .recv_timeout(crate::support::PATIENCE)
        .expect("it was kept");
    assert!(
        closed - began >= Duration::from_millis(300),
        "{:?}",
        closed - began
    );
    assert_eq!(parvis.get("/").status, 200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_connection_that_the_app_ends_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        // Who sends more than was asked for cannot be trusted with another request.
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        "HTTP/1.1 304 Not Modified\r\n\r\npoison",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    ] {
        let backend = Backend::raw(move |incoming| {
            incoming.request();
            incoming.send(answer);
            // It stays open: only parvis can end it.
            while let Some(_second) = incoming.request() {
                incoming.send("HTTP/1.1 500 Second\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let parvis = Parvis::start(&app(&[at(backend.address())], ""));
        for n in 1..=4 {
            let reply = parvis.get("/");
            assert!(
                matches!(reply.status, 200 | 304),
                "{answer}: {}",
                reply.head
            );
            assert!(!reply.text().contains("poison"), "{answer}");
            assert_eq!(backend.connections(), n, "{answer}");
        }
    }
}

#[test]
fn a_connection_that_the_app_closed_while_it_was_idle_is_noticed() {
    let (close, told) = std::sync::mpsc::channel::<()>();
    let (closed, wait) = std::sync::mpsc::channel();
    let told = Mutex::new(told);
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            told.lock().unwrap().recv().unwrap();
            incoming.stream.shutdown(std::net::Shutdown::Both).unwrap();
            closed.send(()).unwrap();
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    // A POST may not be repeated, so it must not be sent on a connection that is closed.
    for n in 1..=10 {
        let reply = parvis.client().request("POST", "/", "", b"body");
        assert_eq!(reply.status, 200, "{n}");
        until("the request is over, and its connection kept", || {
            (parvis.metric("parvis_requests_in_flight") == 0.0).then_some(())
        });
        close.send(()).unwrap();
        wait.recv_timeout(crate::support::PATIENCE).unwrap();
    }
    assert_eq!(backend.requests().len(), 10);
    assert_eq!(errors(&parvis, "reset"), 0.0);
}

#[test]
fn a_get_is_repeated_when_the_app_closes_a_kept_connection() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for n in 0..10 {
        let reply = parvis.get(&format!("/{n}"));
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{n}");
    }
    // All but the first came twice.
    assert_eq!(backend.requests().len(), 19);
    assert_eq!(errors(&parvis, "reset"), 0.0, "it is no error");
}

#[test]
fn a_put_is_repeated_with_its_body() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for (body, field) in [
        (b"small".to_vec(), ""),
        (vec![b'x'; 10_000], "X-Large: 1\r\n"),
    ] {
        for _ in 0..2 {
            let reply = parvis.client().request("PUT", "/", field, &body);
            assert_eq!(reply.status, 200);
            assert_eq!(backend.last().body, body);
        }
    }
}

#[test]
fn a_post_is_never_repeated() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for (method, body) in [
        ("POST", b"body".as_slice()),
        ("POST", b""),
        ("PATCH", b"body"),
    ] {
        let before = backend.requests().len();
        assert_eq!(
            parvis.client().request(method, "/kept", "", body).status,
            200
        );
        let reply = parvis.client().request(method, "/once", "", body);
        assert_eq!(reply.status, 502, "{method}");
        let after = backend.requests();
        let once = after[before..]
            .iter()
            .filter(|r| r.target == "/once")
            .count();
        assert_eq!(once, 1, "{method} came {once} times");
    }
    assert_eq!(errors(&parvis, "reset"), 3.0);
}

#[test]
fn a_get_is_not_repeated_on_a_connection_that_was_new() {
    let backend = Backend::raw(|incoming| drop(incoming.request()));
    let other = Backend::text("other");
    let servers = [at(backend.address()), at(other.address())];
    let parvis = Parvis::start(&app(&servers, ""));
    assert_eq!(parvis.get("/").status, 502);
    assert_eq!((backend.requests().len(), other.requests().len()), (1, 0));
}

#[test]
fn a_get_is_not_repeated_once_its_answer_began() {
    let backend = Backend::raw(|incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            incoming.request();
            incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    assert_eq!(parvis.get("/").status, 200);
    let mut client = parvis.client();
    client.send("GET /half HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    assert_eq!(client.rest(), b"half", "cut off, not repeated");
    let half = backend
        .requests()
        .iter()
        .filter(|r| r.target == "/half")
        .count();
    assert_eq!(half, 1);
}

#[test]
fn a_get_gets_through_however_many_kept_connections_are_dead() {
    const DEAD: usize = 4;
    let restarted = Arc::new(AtomicBool::new(false));
    let all_asked = Arc::new(AtomicUsize::new(0));
    let (flag, asked) = (restarted.clone(), all_asked.clone());
    let backend = Backend::raw(move |incoming| {
        let old = !flag.load(Ordering::SeqCst);
        while incoming.request().is_some() {
            if old && flag.load(Ordering::SeqCst) {
                return;
            }
            if old {
                // Each of the first has a connection of its own.
                asked.fetch_add(1, Ordering::SeqCst);
                until("all are asked", || {
                    (asked.load(Ordering::SeqCst) >= DEAD).then_some(())
                });
            }
            incoming.send(OK);
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    let mut clients: Vec<Client> = (0..DEAD).map(|_| parvis.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(backend.connections(), DEAD);
    restarted.store(true, Ordering::SeqCst);
    assert_eq!(parvis.get("/").status, 200);
    assert_eq!(backend.connections(), DEAD + 1);
}
