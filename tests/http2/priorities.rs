//! What is urgent goes first (RFC 9218).

use crate::support::http2::kind;
use crate::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PIECE: usize = 65_536;
/// Several times what lies on the way when both begin (the kernel keeps some MiB).
const SIZE: usize = 320 * PIECE;
/// More than what is under way of an answer that waits for another to end.
const SHARED: usize = 16 * PIECE;

/// An app that has much to say, and counts how much of it was taken from it, by the path's first
/// letter.
fn app(taken: Arc<[AtomicUsize; 2]>) -> Backend {
    Backend::raw(move |app| {
        while let Some(request) = app.request() {
            let b = request.target.starts_with("/b");
            app.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            for _ in 0..SIZE / PIECE {
                if !app.send([b'x'; PIECE]) {
                    return;
                }
                taken[usize::from(b)].fetch_add(PIECE, Ordering::SeqCst);
            }
        }
    })
}

/// Asks for two large answers in this order on one connection, the second when the first is under
/// way: whether the second ended first, and how much of the other had come by then.
fn race(first: &[(&str, &str)], second: &[(&str, &str)]) -> (bool, usize) {
    let taken = Arc::new([const { AtomicUsize::new(0) }; 2]);
    let edge = edge(app(taken.clone()));
    // Windows of any size, and a narrow way: it is the server that chooses.
    let mut client = Http2::connect_narrow(edge.parvis.address(), &[(4, 100_000_000)]);
    client.give(0, 100_000_000);
    client.open_windows = false;
    let early = client.ask("GET", "/a", first, true);
    while client.so_far(early).body.len() < 100_000 {
        assert!(client.step());
    }
    let late = client.ask("GET", "/b", second, true);
    // Nothing is read until the app has begun with both, and parvis is stuck with them.
    until("both answers are under way", || {
        (taken[1].load(Ordering::SeqCst) > 100_000).then_some(())
    });
    while !client.is_over(early) && !client.is_over(late) {
        assert!(client.step());
    }
    let overtaken = client.is_over(late);
    let other = if overtaken { early } else { late };
    let so_far = client.so_far(other).body.len();
    for stream in [early, late] {
        assert_eq!(client.answer(stream).whole().body.len(), SIZE);
    }
    (overtaken, so_far)
}

#[test]
fn an_urgent_answer_overtakes_one_in_the_background() {
    let (overtaken, so_far) = race(&[("priority", "u=7")], &[("priority", "u=0")]);
    assert!(
        overtaken && so_far < SIZE,
        "{so_far} of the background were sent first"
    );
}

#[test]
fn one_in_the_background_waits_for_an_urgent_one() {
    let (overtaken, so_far) = race(&[("priority", "u=0")], &[("priority", "u=7")]);
    assert!(!overtaken);
    // A little may go where the urgent one had nothing ready.
    assert!(
        so_far < SIZE / 4,
        "{so_far} of the background came meanwhile"
    );
}

#[test]
fn equals_take_turns() {
    let both = [("priority", "u=3, i")];
    let (_, so_far) = race(&both, &both);
    assert!(so_far > SHARED, "only {so_far} of the other came meanwhile");
}

#[test]
fn who_says_nothing_is_served_by_turns() {
    let (_, so_far) = race(&[], &[]);
    assert!(so_far > SHARED, "only {so_far} of the other came meanwhile");
}

#[test]
fn nonsense_is_no_priority() {
    let edge = edge(telling());
    let mut client = edge.client();
    for value in [
        "u=9", "u=-1", "u=\"x\"", "u", "i=?2", ",,,", "u=1;", "\u{e9}",
    ] {
        let answer = client.get_with("/a", &[("priority", value)]);
        assert_eq!(answer.text(), "GET /a ", "{value}");
    }
    client.send(kind::PRIORITY_UPDATE, 0, 0, b"\0\0\0\x01u=9, nonsense");
    client.send(kind::PRIORITY_UPDATE, 0, 0, b"\0\0");
    assert!(client.lives());
}

#[test]
fn who_waits_for_an_urgent_one_is_not_given_up() {
    // A slow client: what it has room for goes to the urgent one, much longer than it may be that
    // a client takes nothing.
    const BOUND: Duration = Duration::from_millis(300);
    let top = "[server]\nsend_timeout = \"300ms\"\n";
    let mut edge = edge_with(app(Arc::default()), top, "");
    let mut client = Http2::connect_with(edge.parvis.address(), &[(4, 100_000_000)]);
    client.open_windows = false;
    let urgent = client.ask("GET", "/a", &[("priority", "u=0")], true);
    let patient = client.ask("GET", "/b", &[("priority", "u=7")], true);
    let began = Instant::now();
    let received =
        |client: &mut Http2| client.so_far(urgent).body.len() + client.so_far(patient).body.len();
    let mut given = 65_535;
    while began.elapsed() < BOUND * 5 && given < SIZE {
        while received(&mut client) < given {
            assert!(client.step(), "closed: {:?}", client.goaway);
            assert_eq!(client.so_far(urgent).reset, None);
            assert_eq!(
                client.so_far(patient).reset,
                None,
                "after {:?}",
                began.elapsed()
            );
        }
        std::thread::sleep(Duration::from_millis(20));
        client.give(0, 65_535);
        given += 65_535;
    }
    client.give(0, 100_000_000);
    for stream in [urgent, patient] {
        assert_eq!(client.answer(stream).whole().body.len(), SIZE);
    }
    assert!(edge.parvis.is_running());
}
