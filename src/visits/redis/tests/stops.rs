//! The server goes away in the middle of the load, and comes back: nothing is lost, nothing is
//! there twice.

use super::*;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

const DURABLE: &[&str] = &["--appendonly", "yes", "--appendfsync", "always"];

/// Appends until `stop`; says how many.
fn load(spool: &Spool, stop: &AtomicBool, appended: &AtomicU64) {
    while !stop.load(Ordering::Relaxed) {
        let next = appended.load(Ordering::Relaxed);
        append(spool, next..next + 37);
        appended.store(next + 37, Ordering::Relaxed);
        std::thread::sleep(Duration::from_micros(300));
    }
}

/// Runs `trouble` some rounds during a load, each after some visits came through.
fn under_load(server: &Server, mode: ListMode, rounds: u64, trouble: impl Fn(u64)) -> u64 {
    let spool = spool(server);
    let policy = policy(server, 100_000_000, mode);
    let (sink, counters) = start(&spool, policy);
    let (stop, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| load(&spool, &stop, &appended));
        for round in 0..rounds {
            let before = counters.delivered();
            until("visits come through", || {
                counters.delivered() > before + 500
            });
            trouble(round);
        }
        stop.store(true, Ordering::Relaxed);
    });
    let appended = appended.into_inner();
    until("all is delivered", || waiting(&spool) == 0);
    sink.end(LONG);
    assert_eq!(spool.counts().lost(), 0);
    assert_eq!(counters.delivered(), appended);
    let found = match mode {
        ListMode::List => server.list(LIST),
        ListMode::Stream => server.stream(LIST),
    };
    assert!(
        numbers(&found) == sequence(0..appended),
        "{} of {appended}",
        found.len()
    );
    appended
}

#[test]
fn a_server_that_is_stopped_and_started() {
    for (mode, rounds) in [(ListMode::List, 24), (ListMode::Stream, 6)] {
        let server = Server::start(DURABLE);
        under_load(&server, mode, rounds, |round| {
            server.signal(if round % 3 == 0 { "TERM" } else { "KILL" });
            server.again();
        });
    }
}

#[test]
fn connections_that_are_cut() {
    for server in [Server::start(&[]), Server::tcp(&[])] {
        under_load(&server, ListMode::List, 100, |_| {
            let _: i64 = server.run("CLIENT KILL TYPE normal SKIPME yes");
        });
    }
}

#[test]
fn a_frozen_server() {
    // With the batch whose answer does not come still in its buffers.
    for server in [Server::start(&[]), Server::tcp(&[])] {
        let (spool, counters);
        {
            spool = self::spool(&server);
            let sink = start(&spool, policy(&server, 100_000_000, ListMode::List));
            counters = sink.1;
            let mut appended = 0;
            for count in [10, 100, 5_000, 50_000] {
                until("all is delivered", || waiting(&spool) == 0);
                let failures = counters.failures();
                server.signal("STOP");
                append(&spool, appended..appended + count / 2);
                until("it was given up", || counters.failures() > failures + 1);
                append(&spool, appended + count / 2..appended + count);
                appended += count;
                assert_eq!(waiting(&spool), count);
                server.signal("CONT");
            }
            until("all is delivered", || waiting(&spool) == 0);
            sink.0.end(LONG);
            assert_eq!(numbers(&server.list(LIST)), sequence(0..appended));
        }
        assert_eq!(counters.delivered(), 55_110);
    }
}

#[test]
fn a_process_that_was_killed_before_it_noted_the_answer() {
    let server = Server::start(&[]);
    let cursor = server.directory().join("spool/redis.cursor");
    let policy = policy(&server, 100_000, ListMode::List);
    let spool = spool(&server);
    append(&spool, 0..5_000);
    let before = std::fs::read(&cursor).unwrap();
    let (sink, _) = start(&spool, policy.clone());
    // Nothing is freed: another sink has not taken it.
    let other = spool.reader("store");
    sink.end(LONG);
    drop((spool, other));
    std::fs::write(&cursor, before).unwrap();
    let spool = self::spool(&server);
    append(&spool, 5_000..6_000);
    let (sink, _) = start(&spool, policy);
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(0..6_000));
}

#[test]
fn a_process_that_was_killed_at_the_begin_of_a_segment() {
    let server = Server::start(&[]);
    let cursor = server.directory().join("spool/redis.cursor");
    let policy = policy(&server, 100_000, ListMode::List);
    // What it finds is not written on in: each start begins a segment.
    for first in [0, 100, 200] {
        let spool = spool(&server);
        append(&spool, first..first + 100);
        let before = std::fs::read(&cursor).unwrap();
        let (sink, _) = start(&spool, policy.clone());
        let other = spool.reader("store");
        sink.end(LONG);
        drop((spool, other));
        std::fs::write(&cursor, before).unwrap();
        let spool = self::spool(&server);
        let (sink, _) = start(&spool, policy.clone());
        sink.end(LONG);
        assert_eq!(numbers(&server.list(LIST)), sequence(0..first + 100));
    }
}

#[test]
fn a_server_that_forgot_its_marker() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    let policy = policy(&server, 100_000, ListMode::List);
    for round in 0..3 {
        append(&spool, round * 100..round * 100 + 100);
        let (sink, _) = start(&spool, policy.clone());
        sink.end(LONG);
        let marker = marker::key(LIST, spool.id(), &marker::machine());
        match round {
            0 => drop(server.run::<i64>(&format!("DEL {marker}"))),
            _ => drop(server.run::<String>(&format!("SET {marker} 1:28"))),
        }
    }
    assert_eq!(numbers(&server.list(LIST)), sequence(0..300));
}

#[test]
fn of_two_transactions_from_one_place_one_is_refused() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    let policy = policy(&server, 100_000, ListMode::List);
    let marker = marker::key(LIST, spool.id(), &marker::machine());
    append(&spool, 0..10);
    let mut reader = spool.reader(NAME);
    let short = reader.read(1_000).unwrap();
    let long = reader.read(100_000).unwrap();
    let limit = Duration::from_secs(5);
    // The first one's request is late: the second has asked for the marker before it arrives.
    let (mut first, none) = Connection::open(&policy, &marker, limit).unwrap();
    let (mut second, also) = Connection::open(&policy, &marker, limit).unwrap();
    assert_eq!((none, also), (None, None));
    let mut commands = Commands::default();
    commands.pack(&short, &policy, &marker, false);
    let outcome = first.exchange(&commands, &marker, short.start).unwrap();
    assert!(matches!(outcome, Outcome::Applied(n) if n == short.count as u64));
    commands.pack(&long, &policy, &marker, false);
    let refused = second.exchange(&commands, &marker, long.start).unwrap();
    let Outcome::Refused(Some(place)) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(place, short.end);
    reader.set(place);
    let rest = reader.read(100_000).unwrap();
    commands.pack(&rest, &policy, &marker, false);
    assert!(matches!(
        second.exchange(&commands, &marker, rest.start),
        Ok(Outcome::Applied(10))
    ));
    assert_eq!(numbers(&server.list(LIST)), sequence(0..10));
}
