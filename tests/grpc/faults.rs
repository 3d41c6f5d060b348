//! Apps that refuse, fall silent, break off, or do not speak HTTP/2.

use crate::app::App;
use crate::support::http2::{CANCEL, END_STREAM, Http2, REFUSED_STREAM, kind};
use crate::support::{Client, PATIENCE, until};
use crate::*;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};

const INTERNAL_ERROR: u32 = 2;
const NO_WINDOW: (u16, u32) = (4, 0);

fn client(parvis: &Parvis) -> Http2 {
    Http2::connect(clear(parvis))
}

/// A request of gRPC's, whose body has begun.
fn call(client: &mut Http2) -> u32 {
    let grpc = [("content-type", "application/grpc"), ("te", "trailers")];
    let stream = client.ask("POST", "/svc/Call", &grpc, false);
    client.data(stream, b"body", false);
    stream
}

#[test]
fn a_request_that_the_app_did_not_look_at_is_sent_again() {
    let backend = Backend::raw(|io| {
        let number = io.number;
        let mut app = App::begin(io, &[]);
        let mut refusals = 0;
        while let Some((stream, _)) = app.request() {
            if number == 0 && refusals < 1 {
                refusals += 1;
                app.reset(stream, REFUSED_STREAM);
            } else if number == 0 {
                // It goes, and did not look at this one.
                app.send(kind::GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]);
            } else {
                while app.wait(kind::DATA).unwrap().flags & END_STREAM == 0 {}
                app.answer(stream, "at last");
            }
        }
    });
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    assert_eq!(client.answer(stream).whole().text(), "at last");
    assert_eq!(backend.connections(), 2);
}

/// An app whose connections do this with each request, and how many requests there were.
fn app_that(
    does: impl Fn(&mut App<'_>, u32) + Send + Sync + 'static,
) -> (Backend, std::sync::Arc<AtomicUsize>) {
    let count = std::sync::Arc::new(AtomicUsize::new(0));
    let own = count.clone();
    let backend = Backend::raw(move |io| {
        let mut app = App::begin(io, &[]);
        while let Some((stream, _)) = app.request() {
            own.fetch_add(1, Ordering::SeqCst);
            does(&mut app, stream);
        }
    });
    (backend, count)
}

#[test]
fn an_app_that_refuses_is_not_asked_for_ever() {
    let (backend, count) = app_that(|app, stream| app.reset(stream, REFUSED_STREAM));
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    assert_eq!(client.answer(stream).whole().status, 502);
    assert_eq!(count.load(Ordering::SeqCst), 4);
    assert!(client.lives());
}

#[test]
fn a_request_that_the_app_gives_up_fails() {
    let (backend, count) = app_that(|app, stream| app.reset(stream, INTERNAL_ERROR));
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    assert_eq!(client.answer(stream).whole().status, 502);
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // Only its stream is over.
    assert_eq!(client.get("/").status, 502);
    assert_eq!(backend.connections(), 1);
}

#[test]
fn an_answer_that_is_broken_off_does_not_look_whole() {
    let (backend, _) = app_that(|app, stream| {
        app.headers(stream, &[(":status", "200")], false);
        app.send(kind::DATA, 0, stream, b"begun");
        app.reset(stream, INTERNAL_ERROR);
    });
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    let answer = client.answer(stream);
    assert!(answer.reset.is_some() && !answer.ended, "{answer:?}");
    assert!(client.lives());
}

#[test]
fn a_client_that_goes_is_told_to_the_app() {
    let (told, hear) = channel();
    let told = Mutex::new(told);
    let (backend, _) = app_that(move |app, stream| {
        app.headers(stream, &[(":status", "200")], false);
        let reset = app.wait(kind::RST_STREAM).unwrap();
        told.lock()
            .unwrap()
            .send((reset.stream == stream, reset.payload))
            .unwrap();
    });
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    for _ in 0..2 {
        let stream = call(&mut client);
        assert_eq!(client.head(stream).status, 200);
        client.reset(stream, CANCEL);
        let expected = (true, CANCEL.to_be_bytes().to_vec());
        assert_eq!(hear.recv_timeout(PATIENCE).unwrap(), expected);
    }
    assert_eq!(backend.connections(), 1);
}

#[test]
fn a_silent_app_is_given_up_and_its_connection_too() {
    let (told, hear) = channel();
    let told = Mutex::new(told);
    let (backend, _) = app_that(move |app, stream| {
        if app
            .wait(kind::RST_STREAM)
            .is_some_and(|reset| reset.stream == stream)
        {
            told.lock().unwrap().send(()).unwrap();
        }
    });
    let parvis = edge_before(&backend, "first_byte_timeout = \"200ms\"");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    assert_eq!(client.answer(stream).whole().status, 504);
    hear.recv_timeout(PATIENCE).unwrap();
    // The next request does not meet the same.
    assert_eq!(client.get("/").status, 504);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn an_app_that_falls_silent_in_its_answer_is_given_up() {
    let (backend, _) = app_that(|app, stream| app.headers(stream, &[(":status", "200")], false));
    let parvis = edge_before(&backend, "read_timeout = \"200ms\"");
    let mut client = client(&parvis);
    let stream = call(&mut client);
    client.data(stream, b"", true);
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.ended), (200, false));
    assert!(answer.reset.is_some());
}

/// An app that takes nothing of a body, and tells when a request was taken back.
fn unwilling(told: Sender<u32>) -> Backend {
    let told = Mutex::new(told);
    Backend::raw(move |io| {
        let mut app = App::begin(io, &[NO_WINDOW]);
        while let Some(reset) = app.wait(kind::RST_STREAM) {
            told.lock().unwrap().send(reset.stream).unwrap();
        }
    })
}

/// Sends as much of a body as parvis takes.
fn upload(client: &mut Http2) -> u32 {
    let stream = client.ask("POST", "/", &[], false);
    let mut sent = 0;
    loop {
        let room = client.room(stream);
        client.data(stream, &vec![0; room], false);
        sent += room;
        assert!(
            sent < 4 << 20,
            "{sent} bytes were taken for an app that takes none"
        );
        // What parvis reads it gives room for, and that is here before the third answer.
        let more = (0..3).any(|_| !client.lives() || client.room(stream) > 0);
        if !more {
            return stream;
        }
    }
}

#[test]
fn no_more_is_read_of_a_body_than_the_app_takes() {
    let (told, hear): (_, Receiver<u32>) = channel();
    let backend = unwilling(told);
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let stream = upload(&mut client);
    // A client that goes meanwhile is noticed.
    client.reset(stream, CANCEL);
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap(), 1);
    assert!(client.lives());
}

#[test]
fn an_app_that_takes_nothing_is_given_up() {
    let (told, hear) = channel();
    let backend = unwilling(told);
    let parvis = edge_before(&backend, "send_timeout = \"300ms\"");
    let mut client = client(&parvis);
    let stream = upload(&mut client);
    assert_eq!(client.answer(stream).status, 504);
    assert_eq!(hear.recv_timeout(PATIENCE).unwrap(), 1);
}

#[test]
fn as_many_requests_go_on_a_connection_as_the_app_takes() {
    let (go, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let asked = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let backend = Backend::raw(move |io| {
        let mut app = App::begin(io, &[(3, 2)]);
        let mut streams = Vec::new();
        while streams.len() < 2 {
            let Some((stream, _)) = app.request() else {
                return;
            };
            streams.push(stream);
            counted.fetch_add(1, Ordering::SeqCst);
        }
        // The test is over when nobody signals any more.
        let _ = wait.lock().unwrap().recv();
        for stream in streams {
            app.answer(stream, "yes");
        }
        while app.frame().is_some() {}
    });
    let parvis = edge_before(&backend, "");
    let mut client = client(&parvis);
    let streams: Vec<u32> = (0..6).map(|_| client.ask("GET", "/", &[], true)).collect();
    until("all have arrived", || {
        (asked.load(Ordering::SeqCst) == 6).then_some(())
    });
    assert_eq!(backend.connections(), 3);
    for _ in 0..3 {
        go.send(()).unwrap();
    }
    for stream in streams {
        assert_eq!(client.answer(stream).whole().text(), "yes");
    }
}

#[test]
fn a_websocket_is_refused_with_a_reason() {
    let (backend, count) = app_that(|_, _| {});
    let parvis = edge_before(&backend, "");
    let mut client = Client::connect(clear(&parvis));
    client.send(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.reply().status, 501);
    let log = parvis.log();
    assert!(log.contains("cannot be passed on by HTTP/2"), "{log}");
    assert_eq!(count.load(Ordering::SeqCst), 0);
}

#[test]
fn an_app_that_does_not_speak_http_2_is_told() {
    let backend = Backend::raw(|io| {
        // Its preface is no request.
        io.exactly(24);
        io.send("HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        // Closed with something unread, its answer might be lost.
        while io.read(&mut [0; 100]) > 0 {}
    });
    let parvis = edge_before(&backend, "");
    assert_eq!(client(&parvis).get("/").status, 502);
    let log = parvis.log();
    assert!(log.contains("does not speak HTTP/2"), "{log}");
    // One that says nothing, as one of HTTP/1 that waits for the rest.
    let backend = Backend::raw(|io| while io.read(&mut [0; 100]) > 0 {});
    let parvis = edge_before(&backend, "connect_timeout = \"200ms\"");
    assert_eq!(client(&parvis).get("/").status, 504);
}
