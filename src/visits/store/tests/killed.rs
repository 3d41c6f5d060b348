//! A process that is killed while it writes: a child runs this test binary again.

use super::sinking::{MOST, append, wait_for};
use super::*;
use crate::visits::sink::SinkCounters;
use crate::visits::spool::Spool;
use crate::visits::store::StoreSink;
use rand::Rng;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

const FOLDER: &str = "PARVIS_TEST_STORE_FOLDER";
const FIRST: &str = "PARVIS_TEST_STORE_FIRST";
const ROUNDS: u64 = 10;
/// Visits of the child are this far apart: days go by.
const APART: i64 = 2 * SECOND;

/// A visit whose `took` is its number.
fn numbered(number: u64) -> (i64, u64) {
    (NOON + number.cast_signed() * APART, number % 997)
}

/// Not a test of its own: what the child does until it is killed.
#[test]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else {
        return;
    };
    let first: u64 = std::env::var(FIRST).unwrap().parse().unwrap();
    let folder = Path::new(&folder);
    let now = Arc::new(AtomicI64::new(numbered(first).0));
    let clock = now.clone();
    let clock: Clock = Arc::new(move || clock.load(Ordering::Relaxed));
    let store = Arc::new(Store::open_with(&policy(folder, "Europe/Paris"), clock).unwrap());
    let spool = Arc::new(Spool::open(&folder.join("spool"), MOST).unwrap());
    let counters = SinkCounters::default();
    let _sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    for batch in 0_u64.. {
        let numbers = first + batch * 500..first + (batch + 1) * 500;
        append(&spool, numbers.clone().map(numbered));
        now.store(numbered(numbers.end).0, Ordering::Relaxed);
        println!("appended {}", numbers.end);
        std::io::stdout().flush().unwrap();
        if batch % 50 == 49 {
            // Old rows go as well.
            let date = Date(TODAY.0 + i32::try_from(numbered(first).0 / DAY).unwrap() - 20_413);
            store.totals("shop", date, date.plus(10)).unwrap();
        }
        // Not without bounds ahead of the sink.
        let behind = first + (batch + 1) * 500 - counters.delivered();
        if behind > first + 50_000 {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Ends the child also when the test fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_killed_process_leaves_each_visit_exactly_once() {
    let folder = Folder::new();
    let mut first = 0;
    let mut expected: Vec<(u64, u64)> = Vec::new();
    for _ in 0..ROUNDS {
        let mut child = Running(
            Command::new(std::env::current_exe().unwrap())
                .args([
                    "visits::store::tests::killed::child",
                    "--exact",
                    "--nocapture",
                ])
                .env(FOLDER, &folder.0)
                .env(FIRST, first.to_string())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .spawn()
                .unwrap(),
        );
        let lines = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let mut last = first;
        let life = Duration::from_millis(rand::thread_rng().gen_range(5..900));
        let mut began = None;
        for line in lines {
            let line = line.unwrap();
            // The test runner's own words stand before the first.
            let Some((_, number)) = line.split_once("appended ") else {
                continue;
            };
            last = number.parse().unwrap();
            let began = *began.get_or_insert_with(std::time::Instant::now);
            if began.elapsed() >= life {
                break;
            }
        }
        assert!(last > first, "the child did nothing");
        drop(child);
        expected.push((first, last));
        // What it appended after the last word we heard may be there or not.
        first = last + 10_000_000;
    }
    // What is in the spool is taken by the next one.
    let now = Arc::new(AtomicI64::new(numbered(first).0));
    let clock: Clock = Arc::new(move || now.load(Ordering::Relaxed));
    let store = Store::open_with(&policy(&folder.0, "Europe/Paris"), clock).unwrap();
    check(&store);
    let store = Arc::new(store);
    let spool = Arc::new(Spool::open(&folder.0.join("spool"), MOST).unwrap());
    let sink = StoreSink::start(store.clone(), spool.clone(), SinkCounters::default()).unwrap();
    wait_for("taken", || {
        spool
            .counts()
            .readers
            .iter()
            .all(|reader| reader.waiting == 0)
    });
    sink.end(Duration::from_secs(60));
    assert_eq!(spool.counts().lost(), 0);
    check(&store);
    // Their times are their numbers: each is there, and no other.
    let db = Connection::open(store.path()).unwrap();
    for (first, last) in expected {
        let (begin, end) = (numbered(first).0, numbered(last).0);
        let beyond = numbered(last + 9_000_000).0;
        let count = |from: i64, to: i64| -> i64 {
            let query = "SELECT count(*) FROM visits WHERE id >= ?1 AND id < ?2";
            db.query_row(query, (from, to), |row| row.get(0)).unwrap()
        };
        assert_eq!(count(begin, end).cast_unsigned(), last - first);
        let odd = "SELECT count(*) FROM visits WHERE id >= ?1 AND id < ?2
            AND ((id - ?3) % ?4 != 0 OR visitor != ((id - ?3) / ?4) % 997)";
        let odd: i64 = db
            .query_row(odd, (begin, beyond, NOON, APART), |row| row.get(0))
            .unwrap();
        assert_eq!(odd, 0);
        let more = count(end, beyond);
        let newest: Option<i64> = db
            .query_row(
                "SELECT max(id) FROM visits WHERE id >= ?1 AND id < ?2",
                (end, beyond),
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(newest.map_or(0, |newest| (newest - end) / APART + 1), more);
    }
}
