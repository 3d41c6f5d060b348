//! From the spool into the database.

use super::*;
use crate::visits::sink::SinkCounters;
use crate::visits::spool::{Batch, Spool};
use crate::visits::store::StoreSink;
use std::time::Instant;

pub const MOST: u64 = 1 << 30;

pub fn append(spool: &Spool, visits: impl Iterator<Item = (i64, u64)>) {
    let mut batch = Batch::new();
    for (time, visitor) in visits {
        batch.push(&visit(time, visitor));
    }
    spool.append(&batch);
}

pub fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn spool(bench: &Bench) -> Arc<Spool> {
    Arc::new(Spool::open(&bench.folder.0.join("spool"), MOST).unwrap())
}

#[test]
fn what_is_in_the_spool_comes_into_the_database_once() {
    let mut bench = Bench::new("UTC");
    let spool = spool(&bench);
    for round in 0..4 {
        let store = bench.shared();
        let counters = SinkCounters::default();
        let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
        append(
            &spool,
            (0..2500).map(|n| (NOON + round * 2500 + n, n as u64)),
        );
        if round % 2 == 0 {
            wait_for("taken", || counters.delivered() == 2500);
        }
        sink.end(Duration::from_secs(20));
        assert_eq!((counters.delivered(), counters.failures()), (2500, 0));
        // It still tells, also what it has to read, while another one is open already.
        bench.restart();
        let told = [(TODAY, (round.unsigned_abs() + 1) * 2500, 2500)];
        assert_eq!(super::told(&store, "shop"), told);
        assert_eq!(bench.told(), told);
        check(bench.store());
    }
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn in_a_rush_visits_wait_and_then_are_stored() {
    let mut bench = Bench::new("UTC");
    let (spool, store) = (spool(&bench), bench.shared());
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    let mut came = 0;
    wait_for("the rush was noticed", || {
        append(&spool, (came..came + 1000).map(|n| (NOON + n, n as u64)));
        came += 1000;
        counters.is_biding()
    });
    wait_for("stored", || counters.delivered() == came as u64);
    wait_for("no rush any more", || !counters.is_biding());
    sink.end(Duration::from_secs(20));
    assert_eq!(told(&store, "shop"), [(TODAY, came as u64, came as u64)]);
}

#[test]
fn the_database_knows_better_than_the_cursor() {
    let mut bench = Bench::new("UTC");
    let first = spool(&bench);
    let store = bench.shared();
    let sink = StoreSink::start(store, first.clone(), SinkCounters::default()).unwrap();
    append(&first, (0..100).map(|n| (NOON + n, 1)));
    sink.end(Duration::from_secs(20));
    drop((sink, first));
    // As when the process ended between the two.
    let cursor = bench.folder.0.join("spool/store.cursor");
    let held = std::fs::read(&cursor).unwrap();
    let again = spool(&bench);
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store, again.clone(), SinkCounters::default()).unwrap();
    append(&again, (100..150).map(|n| (NOON + n, 1)));
    sink.end(Duration::from_secs(20));
    drop((sink, again));
    std::fs::write(&cursor, held).unwrap();
    let last = spool(&bench);
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store.clone(), last, SinkCounters::default()).unwrap();
    sink.end(Duration::from_secs(20));
    assert_eq!(told(&store, "shop"), [(TODAY, 150, 1)]);
}

#[test]
fn the_end_waits_no_longer_than_it_is_told_to() {
    let mut bench = Bench::new("UTC");
    let spool = spool(&bench);
    let store = bench.shared();
    let sink = StoreSink::start(store, spool.clone(), SinkCounters::default()).unwrap();
    for round in 0..40 {
        append(
            &spool,
            (0..10_000).map(|n| (NOON + round * 10_000 + n, n as u64)),
        );
    }
    let began = Instant::now();
    sink.end(Duration::from_millis(300));
    assert!(
        began.elapsed() < Duration::from_secs(3),
        "{:?}",
        began.elapsed()
    );
    // The rest comes later.
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store.clone(), spool, SinkCounters::default()).unwrap();
    sink.end(Duration::from_secs(60));
    assert_eq!(told(&store, "shop"), [(TODAY, 400_000, 10_000)]);
    check(&store);
}

#[test]
fn the_end_breaks_off_what_takes_long() {
    let mut bench = Bench::new("UTC");
    for round in 0..40 {
        let visits: Vec<_> = (0..10_000)
            .map(|n| visit(NOON + round * 10_000 + n, n as u64))
            .collect();
        bench.take(&visits);
    }
    let spool = spool(&bench);
    // The open day is counted again first.
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store, spool.clone(), SinkCounters::default()).unwrap();
    append(&spool, std::iter::once((NOON - 1, 1)));
    let began = Instant::now();
    sink.end(Duration::ZERO);
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "{:?}",
        began.elapsed()
    );
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store.clone(), spool, SinkCounters::default()).unwrap();
    sink.end(Duration::from_secs(60));
    assert_eq!(told(&store, "shop"), [(TODAY, 400_001, 10_000)]);
}
