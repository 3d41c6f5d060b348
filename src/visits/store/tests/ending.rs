//! How the sink's thread ends, and what it leaves behind.

use super::sinking::{append, spool, wait_for};
use super::*;
use crate::visits::sink::SinkCounters;
use crate::visits::store::{StoreSink, schema};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

/// Files beside the database that have anything in them, or are there at all.
fn left(path: &Path) -> Vec<(&'static str, u64)> {
    let ends = ["-wal", "-shm"].into_iter();
    ends.filter_map(|end| {
        let file = std::fs::metadata(schema::beside(path, end)).ok()?;
        Some((end, file.len()))
    })
    .collect()
}

#[test]
fn no_wal_is_left_even_when_the_last_thing_was_broken_off() {
    let mut bench = Bench::new("UTC");
    for _ in 0..2 {
        bench.take(&[visit(NOON - DAY, 1), visit(NOON, 1)]);
        bench.keep();
        let store = bench.store();
        store.interrupt();
        store.retire();
        assert_eq!(left(&bench.policy.path), []);
        // Who asks it from now on leaves nothing either, be it for what is not in memory.
        store.forget_cache();
        assert_eq!(bench.told().len(), 2);
        locked(&store.board).forgetful = true;
        assert_eq!(bench.told().len(), 2);
        assert_eq!(left(&bench.policy.path), []);
        bench.restart();
    }
}

#[test]
fn another_process_that_reads_keeps_an_empty_wal() {
    let bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1)]);
    let other = Store::read_only(&bench.policy.path, &BTreeMap::new()).unwrap();
    assert_eq!(told(&other, "shop"), [(TODAY, 1, 1)]);
    bench.store().retire();
    assert_eq!(left(&bench.policy.path)[0], ("-wal", 0));
    drop(other);
    assert_eq!(left(&bench.policy.path), []);
}

#[test]
fn a_sink_that_gets_no_time_leaves_no_wal() {
    let mut bench = Bench::new("UTC");
    let spool = spool(&bench);
    for round in 0..20 {
        let store = bench.shared();
        let counters = SinkCounters::default();
        let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
        append(&spool, (0..5000).map(|n| (NOON + round * 5000 + n, 1)));
        if round % 2 == 0 {
            wait_for("taken", || counters.delivered() > 0);
        }
        sink.end(Duration::ZERO);
        assert_eq!(left(store.path()), []);
        bench.restart();
    }
}

/// A clock that does what the test wants, besides telling the time.
fn odd_clock(does: impl Fn() + Send + Sync + 'static) -> (Clock, Arc<AtomicBool>) {
    let is_odd = Arc::new(AtomicBool::new(false));
    let told = is_odd.clone();
    let clock = move || {
        if told.load(Ordering::Acquire) {
            does();
        }
        NOON
    };
    (Arc::new(clock), is_odd)
}

#[test]
fn a_fault_in_the_thread_is_told_and_nothing_is_lost() {
    let mut bench = Bench::new("UTC");
    let spool = spool(&bench);
    drop(bench.shared());
    let (clock, is_odd) = odd_clock(|| {
        if std::thread::current().name() == Some("visits-store") {
            panic!("as this test wants");
        }
    });
    let store = Arc::new(Store::open_with(&bench.policy, clock).unwrap());
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    append(&spool, (0..10).map(|n| (NOON - DAY + n, 1)));
    wait_for("stored", || counters.delivered() == 10);
    is_odd.store(true, Ordering::Release);
    append(&spool, (0..10).map(|n| (NOON + n, 1)));
    wait_for("told", || !counters.is_up());
    let error = counters.error();
    assert_eq!(
        error.as_deref(),
        Some("its thread ended by a fault of parvis")
    );
    assert_eq!(told(&store, "shop"), [(TODAY.plus(-1), 10, 1)]);
    assert_eq!(store.delete_before(None, TODAY.plus(-1)), Ok(0));
    let began = Instant::now();
    sink.end(Duration::from_secs(60));
    assert!(began.elapsed() < Duration::from_secs(30));
    assert_eq!(left(store.path()), []);
    bench.restart();
    let store = bench.shared();
    let sink = StoreSink::start(store.clone(), spool, SinkCounters::default()).unwrap();
    sink.end(Duration::from_secs(60));
    let days = [(TODAY.plus(-1), 10, 1), (TODAY, 10, 1)];
    assert_eq!(told(&store, "shop"), days);
}

#[test]
fn a_thread_that_hangs_is_left_behind() {
    let mut bench = Bench::new("UTC");
    let spool = spool(&bench);
    drop(bench.shared());
    let disk = Arc::new(Mutex::new(()));
    let hung = disk.clone();
    let hangs = Arc::new(AtomicBool::new(false));
    let told = hangs.clone();
    let (clock, is_odd) = odd_clock(move || {
        told.store(true, Ordering::Release);
        drop(hung.lock().unwrap());
    });
    let store = Arc::new(Store::open_with(&bench.policy, clock).unwrap());
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    let hanging = disk.lock().unwrap();
    is_odd.store(true, Ordering::Release);
    append(&spool, (0..10).map(|n| (NOON + n, 1)));
    wait_for("it hangs", || hangs.load(Ordering::Acquire));
    let began = Instant::now();
    sink.end_within(Duration::from_millis(10), Duration::from_millis(200));
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert!(began.elapsed() < Duration::from_secs(30));
    drop(sink);
    drop(hanging);
    // It ends in an orderly way when the disk answers again.
    wait_for("its end", || Arc::strong_count(&store) == 1);
    assert_eq!(left(store.path()), []);
}
