//! Servers that cannot be reached, or do not answer.

use crate::support::{Backend, Full, Parvis, Refusing};
use crate::{app, at, errors, shares};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[test]
fn a_refused_connect_is_tried_on_the_next_server_and_the_client_sees_nothing_of_it() {
    let refusing = Refusing::new();
    let backend = Backend::text("app");
    let parvis = Parvis::start(&app(&[at(refusing.address()), at(backend.address())], ""));
    let body = vec![b'x'; 300_000];
    for n in 0..5 {
        assert_eq!(parvis.get("/").text(), "app", "{n}");
        let reply = parvis.client().request("POST", "/", "", &body);
        assert_eq!(reply.text(), "app", "{n}");
        assert_eq!(backend.last().body, body);
    }
    assert_eq!(backend.requests().len(), 10, "each came once");
    let refused = errors(&parvis, "connect_refused");
    assert!(refused >= 1.0, "the first was never tried");
}

#[test]
fn a_connect_that_takes_too_long_is_tried_on_the_next_server() {
    let full = Full::new();
    let backend = Backend::text("app");
    let servers = [at(full.address()), at(backend.address())];
    let parvis = Parvis::start(&app(&servers, "connect_timeout = \"100ms\""));
    for _ in 0..4 {
        assert_eq!(parvis.get("/").text(), "app");
    }
    assert!(errors(&parvis, "connect_timeout") >= 1.0);
}

#[test]
fn there_are_at_most_two_tries() {
    let refusing = [Refusing::new(), Refusing::new(), Refusing::new()];
    let servers: Vec<String> = refusing.iter().map(|r| at(r.address())).collect();
    let parvis = Parvis::start(&app(&servers, ""));
    for n in 1..=4 {
        assert_eq!(parvis.get("/").status, 502);
        assert_eq!(errors(&parvis, "connect_refused"), 2.0 * f64::from(n));
    }
    let lines = parvis.log();
    let tried: BTreeSet<&str> = lines
        .lines()
        .filter(|line| line.contains("cannot connect"))
        .filter_map(|line| line.split("server=").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(tried.len(), 3, "each has its turns: {tried:?}");
}

#[test]
fn one_server_that_refuses_is_502_and_tried_once() {
    let refusing = Refusing::new();
    let parvis = Parvis::start(&app(&[at(refusing.address())], ""));
    for n in 1..=3 {
        let reply = parvis.get("/");
        assert_eq!(reply.status, 502);
        assert_eq!(reply.field("retry-after"), None);
        assert_eq!(errors(&parvis, "connect_refused"), f64::from(n));
    }
}

#[test]
fn one_server_that_takes_no_connection_is_504() {
    let full = Full::new();
    let settings = "connect_timeout = \"100ms\"";
    let parvis = Parvis::start(&app(&[at(full.address())], settings));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 504);
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(errors(&parvis, "connect_timeout"), 1.0);
}

#[test]
fn what_a_dead_server_does_not_take_is_shared_by_the_others() {
    let refusing = Refusing::new();
    let backends = [Backend::text("a"), Backend::text("c")];
    let servers = [
        at(backends[0].address()),
        at(refusing.address()),
        at(backends[1].address()),
    ];
    let parvis = Parvis::start(&app(&servers, ""));
    let mut client = parvis.client();
    for _ in 0..60 {
        assert_eq!(client.get("/").status, 200);
    }
    let shares = shares(&backends);
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
}

#[test]
fn an_app_that_does_not_answer_in_time_is_504_and_asked_once() {
    let backend = Backend::raw(|incoming| {
        incoming.request();
        while incoming.read(&mut [0; 100]) > 0 {}
    });
    let other = Backend::text("other");
    let servers = [at(backend.address()), at(other.address())];
    let parvis = Parvis::start(&app(&servers, "first_byte_timeout = \"200ms\""));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 504);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((backend.requests().len(), other.requests().len()), (1, 0));
    assert_eq!(errors(&parvis, "app_timeout"), 1.0);
}
