//! A list that is full.

use super::*;

/// Takes what is in the list, `most` visits at most, the oldest first.
fn take(server: &Server, most: u64) -> Vec<u64> {
    let taken: Option<Vec<String>> = server.run(&format!("RPOP {LIST} {most}"));
    numbers(&taken.unwrap_or_default())
}

fn length(server: &Server) -> u64 {
    server.run(&format!("LLEN {LIST}"))
}

/// A consumer that comes when the list is full, or has the last visits, until it has all.
fn consume(server: &Server, keep: u64, most: u64, all: u64) {
    let mut found: Vec<u64> = Vec::new();
    while (found.len() as u64) < all {
        let expected = keep.min(all - found.len() as u64);
        until("the list is full", || length(server) >= expected);
        assert!(length(server) <= keep);
        found.extend(take(server, most));
    }
    assert_eq!(found, sequence(0..all));
}

#[test]
fn a_consumer_that_comes_now_and_then_gets_all() {
    for (keep, most, all) in [(100, 1_000, 5_000), (100, 30, 500), (1, 1, 30)] {
        let server = Server::start(&[]);
        let spool = spool(&server);
        append(&spool, 0..all);
        let (sink, counters) = start(&spool, policy(&server, keep, ListMode::List));
        consume(&server, keep, most, all);
        until("all is noted", || waiting(&spool) == 0);
        assert_eq!((counters.delivered(), counters.trimmed()), (all, 0));
        assert_eq!((counters.failures(), counters.is_up()), (0, true));
        sink.end(LONG);
    }
}

#[test]
fn visits_that_come_while_it_is_full_wait_too() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    let (sink, counters) = start(&spool, policy(&server, 100, ListMode::List));
    let mut found = Vec::new();
    for start in (0..1_000).step_by(50) {
        append(&spool, start..start + 50);
        if start % 200 == 150 {
            until("the list is full", || length(&server) == 100);
            found.extend(take(&server, 100));
        }
    }
    assert!(waiting(&spool) > 0 && counters.is_up());
    while found.len() < 1_000 {
        found.extend(take(&server, 100));
    }
    assert_eq!(found, sequence(0..1_000));
    assert_eq!(counters.trimmed(), 0);
    sink.end(LONG);
}

#[test]
fn without_a_consumer_the_newest_are_kept_in_the_end() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..5_000);
    let policy = policy(&server, 100, ListMode::List);
    let absent = Duration::from_millis(300);
    let began = Instant::now();
    let (sink, counters) = start_absent(&spool, policy, absent);
    until("all is delivered", || waiting(&spool) == 0);
    assert!(began.elapsed() >= absent);
    assert_eq!((counters.delivered(), counters.failures()), (5_000, 0));
    // It goes on so.
    append(&spool, 5_000..5_050);
    until("all is delivered", || waiting(&spool) == 0);
    sink.end(LONG);
    assert_eq!((counters.trimmed(), counters.length()), (4_950, Some(100)));
    assert_eq!(numbers(&server.list(LIST)), sequence(4_950..5_050));
}

#[test]
fn ending_does_not_wait_for_a_consumer() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..1_000);
    let policy = |keep| policy(&server, keep, ListMode::List);
    let (sink, counters) = start(&spool, policy(300));
    until("it is full", || counters.length() == Some(300));
    let began = Instant::now();
    sink.end(LONG);
    // One that finds the list full, and longer than its bound even.
    let (sink, counters) = start(&spool, policy(100));
    sink.end(LONG);
    assert!(began.elapsed() < LONG / 2);
    assert_eq!((counters.trimmed(), waiting(&spool)), (0, 700));
    assert_eq!(take(&server, 1_000), sequence(0..300));
    let (sink, _) = start(&spool, policy(100));
    sink.end(LONG);
    assert!(began.elapsed() < LONG / 2);
    assert_eq!(take(&server, 1_000), sequence(300..400));
    assert_eq!(waiting(&spool), 600);
}

#[test]
fn a_server_that_is_killed_while_visits_wait() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let spool = spool(&server);
    append(&spool, 0..1_000);
    let (sink, counters) = start(&spool, policy(&server, 100, ListMode::List));
    let mut found = Vec::new();
    for _ in 0..5 {
        until("it is full", || counters.length() == Some(100));
        server.signal("KILL");
        let failures = counters.failures();
        until("that was seen", || counters.failures() > failures);
        server.again();
        until("it is up again", || counters.is_up());
        found.extend(take(&server, 100));
        until("it is full again", || length(&server) == 100);
    }
    while found.len() < 1_000 {
        found.extend(take(&server, 100));
    }
    assert_eq!(found, sequence(0..1_000));
    assert_eq!(counters.trimmed(), 0);
    sink.end(LONG);
}

#[test]
fn a_list_with_room_is_not_asked_about() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    let (sink, counters) = start(&spool, policy(&server, 1_000_000, ListMode::List));
    for start in (0..1_000).step_by(100) {
        append(&spool, start..start + 100);
        until("it is delivered", || counters.delivered() == start + 100);
    }
    let calls: String = server.run("INFO commandstats");
    assert!(calls.contains("cmdstat_llen:calls=1,"), "{calls}");
    assert!(!calls.contains("cmdstat_ltrim"), "{calls}");
    sink.end(LONG);
}
