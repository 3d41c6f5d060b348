//! Against a real redis-server (Debian: `apt install redis-server`).

mod copies;
mod full;
mod server;
mod stops;
mod troubles;

use super::batch::Batch as Commands;
use super::connection::{Connection, Outcome};
use super::policy::ListMode;
use super::*;
use crate::visits::address::AddressKind;
use crate::visits::spool::Batch;
use crate::visits::visit::{Device, Source, Visit};
use server::Server;

const LIST: &str = "analytics:queue";
const BOUND: u64 = 1 << 30;
const LONG: Duration = Duration::from_secs(60);

fn visit(path: &str) -> Visit<'_> {
    Visit {
        id: rand::random(),
        time: 1_763_740_000_123_456,
        site: "shop",
        source: Source::Web,
        partial: false,
        status: 200,
        took: 1_234,
        address: Some("203.0.113.7".parse().unwrap()),
        visitor: 1,
        session: 2,
        country: *b"FR",
        region: "",
        city: "",
        asn: 0,
        device: Device::Desktop,
        browser: "Firefox",
        os: "Linux",
        language: "fr",
        path,
        referrer: "https://example.org/somewhere",
        referrer_host: "example.org",
        user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        utm_source: "",
        utm_medium: "",
        utm_campaign: "",
    }
}

fn append(spool: &Spool, numbers: std::ops::Range<u64>) {
    let mut batch = Batch::new();
    for number in numbers {
        batch.push(&visit(&format!("/{number}")));
    }
    spool.append(&batch);
}

/// The numbers of visits, from their JSON.
fn numbers(visits: &[String]) -> Vec<u64> {
    let number = |visit: &String| {
        let visit: serde_json::Value = serde_json::from_str(visit).unwrap();
        visit["path"].as_str().unwrap()[1..].parse().unwrap()
    };
    visits.iter().map(number).collect()
}

fn policy(server: &Server, keep: u64, mode: ListMode) -> RedisPolicy {
    RedisPolicy::new(&server.url, LIST, keep, mode, AddressKind::Full).unwrap()
}

fn spool(server: &Server) -> Arc<Spool> {
    let spool = Spool::open(&server.directory().join("spool"), BOUND).unwrap();
    let spool = Arc::new(spool);
    // The sink's place is made before anything is appended.
    drop(spool.reader(NAME));
    spool
}

fn start(spool: &Arc<Spool>, policy: RedisPolicy) -> (RedisSink, SinkCounters) {
    start_absent(spool, policy, room::ABSENT)
}

/// A sink for which a list without a consumer is one after `absent`.
fn start_absent(
    spool: &Arc<Spool>,
    policy: RedisPolicy,
    absent: Duration,
) -> (RedisSink, SinkCounters) {
    let counters = SinkCounters::default();
    let limit = Duration::from_millis(500);
    let sink = RedisSink::begin(spool.clone(), policy, counters.clone(), limit, absent).unwrap();
    (sink, counters)
}

fn until(what: &str, reached: impl Fn() -> bool) {
    let began = Instant::now();
    while !reached() {
        assert!(began.elapsed() < LONG, "{what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn waiting(spool: &Spool) -> u64 {
    spool.counts().readers[0].waiting
}

fn sequence(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

#[test]
fn visits_come_into_the_list_in_order() {
    for server in [Server::start(&[]), Server::tcp(&[])] {
        let spool = spool(&server);
        let (sink, counters) = start(&spool, policy(&server, 100_000, ListMode::List));
        until("the sink is up", || counters.is_up());
        for start in (0..10_000).step_by(500) {
            append(&spool, start..start + 500);
        }
        until("all is delivered", || waiting(&spool) == 0);
        assert_eq!(numbers(&server.list(LIST)), sequence(0..10_000));
        assert_eq!((counters.delivered(), counters.failures()), (10_000, 0));
        sink.end(LONG);
    }
}

#[test]
fn the_newest_are_kept() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..5_000);
    let policy = policy(&server, 100, ListMode::List);
    let (sink, counters) = start_absent(&spool, policy, Duration::ZERO);
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(4_900..5_000));
    assert_eq!((counters.delivered(), counters.trimmed()), (5_000, 4_900));
    assert_eq!((waiting(&spool), counters.length()), (0, Some(100)));
}

#[test]
fn a_stream_has_an_entry_for_each_visit() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..5_000);
    let (sink, _) = start(&spool, policy(&server, 1_000_000, ListMode::Stream));
    sink.end(LONG);
    assert_eq!(numbers(&server.stream(LIST)), sequence(0..5_000));
    // The bound is about what is asked for.
    append(&spool, 5_000..20_000);
    let (sink, _) = start(&spool, policy(&server, 1_000, ListMode::Stream));
    sink.end(LONG);
    let left = numbers(&server.stream(LIST));
    assert!(left.len() >= 1_000 && left.len() < 2_000, "{}", left.len());
    assert_eq!(left, sequence(20_000 - left.len() as u64..20_000));
}

#[test]
fn ending_delivers_what_is_there() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    for closed in [false, true] {
        let first = if closed { 3_000 } else { 0 };
        append(&spool, first..first + 3_000);
        if closed {
            spool.close();
        }
        let (sink, _) = start(&spool, policy(&server, 100_000, ListMode::List));
        sink.end(LONG);
        assert_eq!(waiting(&spool), 0);
    }
    assert_eq!(numbers(&server.list(LIST)), sequence(0..6_000));
}

#[test]
fn a_server_that_is_away_does_not_hold_up_the_end() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..100);
    let policy = policy(&server, 100_000, ListMode::List);
    server.signal("KILL");
    let (sink, counters) = start(&spool, policy.clone());
    until("it was tried", || counters.failures() > 0);
    assert!(!counters.is_up());
    assert!(counters.error().unwrap().contains("is Redis running"));
    let began = Instant::now();
    sink.end(Duration::from_millis(50));
    assert!(began.elapsed() < LONG);
    assert_eq!(waiting(&spool), 100);
    server.again();
    let (sink, _) = start(&spool, policy);
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(0..100));
}

#[test]
fn a_thread_that_panics_is_told_of() {
    let counters = SinkCounters::default();
    guarded(&counters, || {});
    assert!(counters.is_up());
    guarded(&counters, || panic!("a fault"));
    assert!(!counters.is_up());
    let error = counters.error().unwrap();
    assert_eq!(error, "its thread ended by a fault of parvis");
}

#[test]
fn records_that_cannot_be_read_are_passed_over() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..10);
    let mut batch = Batch::new();
    batch.push_bytes(b"of another version");
    spool.append(&batch);
    append(&spool, 10..20);
    spool.append(&batch);
    let (sink, counters) = start(&spool, policy(&server, 100, ListMode::List));
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(0..20));
    assert_eq!((waiting(&spool), counters.delivered()), (0, 20));
    // Nothing else is there.
    spool.append(&batch);
    let (sink, _) = start(&spool, policy(&server, 100, ListMode::List));
    sink.end(LONG);
    assert_eq!(waiting(&spool), 0);
}
