//! Days that the operator deletes.

use super::sinking::{append, spool, wait_for};
use super::*;
use crate::visits::sink::SinkCounters;
use crate::visits::store::{StoreSink, schema};

fn filled() -> Bench {
    let mut bench = Bench::new("Asia/Tokyo");
    let paris = Zone::parse("Europe/Paris").unwrap();
    bench.policy.zones.insert("paris".to_string(), paris);
    bench.store().set(&bench.policy);
    for hour in 0..10 * 24 {
        let time = NOON - hour * HOUR;
        let shop = visit(time, 1);
        let partial = Visit {
            partial: true,
            ..visit(time + 1, 1)
        };
        let paris = Visit {
            site: "paris",
            ..visit(time + 2, 2)
        };
        bench.take(&[shop, partial, paris]);
    }
    bench.keep();
    bench
}

fn before(days: &[(Date, u64, u64)], date: Date) -> u64 {
    days.iter()
        .filter(|day| day.0 < date)
        .map(|day| day.1)
        .sum()
}

#[test]
fn days_of_one_site_go() {
    let mut bench = filled();
    let (shop, paris) = (bench.told(), told(bench.store(), "paris"));
    let date = TODAY.plus(-4);
    let version = bench.store().version();
    let deleted = bench.store().delete_before(Some("shop"), date).unwrap();
    assert_eq!(deleted, 2 * before(&shop, date));
    assert_ne!(bench.store().version(), version);
    let left: Vec<_> = shop.iter().filter(|day| day.0 >= date).copied().collect();
    assert_eq!(bench.told(), left);
    assert_eq!(told(bench.store(), "paris"), paris);
    check(bench.store());
    let rows = bench.number("SELECT count(*) FROM visits");
    assert_eq!(rows, 720 - deleted.cast_signed());
    bench.restart();
    assert_eq!(bench.told(), left);
    assert_eq!(bench.store().delete_before(Some("nobody"), date), Ok(0));
    assert_eq!(bench.store().delete_before(Some("shop"), date), Ok(0));
}

#[test]
fn days_of_all_sites_go() {
    let bench = filled();
    let date = TODAY.plus(-4);
    let expected = 2 * before(&bench.told(), date) + before(&told(bench.store(), "paris"), date);
    assert_eq!(bench.store().delete_before(None, date), Ok(expected));
    for site in ["shop", "paris"] {
        assert_eq!(told(bench.store(), site)[0].0, date);
    }
    check(bench.store());
}

#[test]
fn today_goes_as_well_and_begins_anew() {
    let mut bench = filled();
    assert_eq!(bench.store().delete_before(None, TODAY.plus(400)), Ok(720));
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 0);
    assert_eq!(bench.told(), []);
    bench.take(&[visit(NOON + 1, 1)]);
    assert_eq!(bench.told(), [(TODAY, 1, 1)]);
    bench.restart();
    assert_eq!(bench.told(), [(TODAY, 1, 1)]);
    check(bench.store());
}

#[test]
fn visits_that_come_meanwhile_are_not_lost_nor_brought_back() {
    let mut bench = Bench::new("UTC");
    bench.set_clock(NOON);
    for day in 0..5 {
        let visits: Vec<_> = (0..20_000)
            .map(|n| visit(NOON - day * DAY - n as i64 * SECOND, n))
            .collect();
        bench.take(&visits);
    }
    let store = bench.shared();
    let deleting = store.clone();
    let thread = std::thread::spawn(move || deleting.delete_before(None, TODAY).unwrap());
    let mut today = 20_000;
    let mut longest = Duration::ZERO;
    while !thread.is_finished() {
        today += 1;
        let new = record(&visit(NOON + today, 5));
        let old = record(&visit(NOON - 2 * DAY + today, 5));
        let began = std::time::Instant::now();
        let records = [new.as_slice(), old.as_slice()];
        store.take(records.into_iter(), None).unwrap();
        longest = longest.max(began.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(thread.join().unwrap() >= 80_000);
    let days = told(&store, "shop");
    let last = days.last().unwrap();
    assert_eq!((last.0, last.1), (TODAY, today.unsigned_abs()));
    check(&store);
    eprintln!("{} took meanwhile, the longest {longest:?}", today - 20_000);
}

#[test]
fn visits_that_waited_in_the_spool_do_not_come_back() {
    let mut bench = Bench::new("UTC");
    bench.set_clock(NOON);
    bench.take(&[visit(NOON - 2 * DAY, 1), visit(NOON, 1)]);
    let spool = spool(&bench);
    let store = bench.shared();
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    // The sink cannot write meanwhile.
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let waiting = [NOON - 2 * DAY + 1, NOON - DAY, NOON + 1];
    append(&spool, waiting.into_iter().map(|time| (time, 2)));
    wait_for("trouble", || counters.failures() > 0);
    other.execute_batch("COMMIT").unwrap();
    // It may be first, or the one who deletes may be.
    store.delete_before(None, TODAY).unwrap();
    wait_for("taken", || spool.counts().readers[0].waiting == 0);
    sink.end(Duration::from_secs(20));
    assert_eq!(told(&store, "shop"), [(TODAY, 2, 2)]);
    check(&store);
}

#[test]
fn what_was_deleted_is_remembered_when_the_database_is_opened_again() {
    let bench = Bench::new("UTC");
    bench.take(&[visit(NOON - 2 * DAY, 1), visit(NOON, 1)]);
    let store = bench.store();
    assert_eq!(store.delete_before(Some("shop"), TODAY), Ok(1));
    // Less is asked for later: what was deleted before stays so.
    assert_eq!(store.delete_before(None, TODAY.plus(-1)), Ok(0));
    store.let_go();
    let unknown = Visit {
        site: "unknown",
        ..visit(NOON - DAY, 1)
    };
    let late = [
        visit(NOON - 2 * DAY, 2),
        visit(NOON - DAY, 2),
        visit(NOON + 1, 2),
        Visit {
            time: NOON - 2 * DAY,
            ..unknown
        },
        unknown,
    ];
    let taken = bench.take(&late);
    assert_eq!((taken.stored, taken.deleted), (2, 3));
    assert_eq!(bench.told(), [(TODAY, 2, 2)]);
    assert_eq!(told(store, "unknown"), [(TODAY.plus(-1), 1, 1)]);
    check(store);
}

#[test]
fn the_rest_of_a_deleted_day_is_stored() {
    let bench = Bench::new("UTC");
    bench.take(&[visit(NOON - 1, 1)]);
    let store = bench.store();
    assert_eq!(store.delete_before(None, TODAY.plus(7)), Ok(1));
    let taken = bench.take(&[visit(NOON - 1, 1), visit(NOON, 1), visit(NOON + 9 * DAY, 1)]);
    assert_eq!((taken.stored, taken.deleted), (2, 1));
    assert_eq!(bench.told()[0], (TODAY, 2, 1));
}

#[test]
fn who_was_deleted_was_not_there_in_the_last_minutes() {
    let bench = Bench::new("UTC");
    let store = bench.store();
    let midnight = TODAY.0 as i64 * DAY;
    bench.set_clock(midnight + 60 * SECOND);
    bench.take(&[visit(midnight - SECOND, 1), visit(midnight + SECOND, 2)]);
    let since = midnight - 100 * SECOND;
    assert_eq!(store.recent(None, since), (2, 2));
    store.delete_before(None, TODAY).unwrap();
    assert_eq!(store.recent(None, since), (1, 1));
    store.delete_before(None, TODAY.plus(1)).unwrap();
    assert_eq!(store.recent(None, since), (0, 0));
}

/// How often a text is in the database's files.
fn found(path: &Path, text: &str) -> usize {
    let mut found = 0;
    for end in ["", "-wal"] {
        let bytes = std::fs::read(schema::beside(path, end)).unwrap_or_default();
        let windows = bytes.windows(text.len());
        found += windows.filter(|part| *part == text.as_bytes()).count();
    }
    found
}

#[test]
fn what_was_deleted_is_in_no_file_any_more() {
    const MARK: &str = "/looked/for/by/somebody";
    let bench = Bench::new("UTC");
    let store = bench.store();
    for day in 0..3 {
        // Rows with pages of their own, days with pages of their own, and both with less.
        let paths: Vec<String> = (0..200)
            .map(|n| format!("{MARK}/{n}{}", "x".repeat(n % 3 * 4000)))
            .collect();
        let visits = paths.iter().zip(0..).map(|(path, n)| Visit {
            path,
            address: Some(std::net::IpAddr::from([198, 51, 100, 7])),
            ..visit(NOON - day * DAY + n, 1)
        });
        bench.take(&visits.collect::<Vec<_>>());
    }
    bench.set_clock(NOON + HOUR);
    bench.keep();
    assert!(bench.closed() == 2 && found(store.path(), MARK) > 600);
    store.delete_before(None, TODAY).unwrap();
    assert_eq!(bench.told().len(), 1);
    store.delete_before(None, TODAY.plus(1)).unwrap();
    assert_eq!(found(store.path(), MARK), 0);
    assert_eq!(found(store.path(), "198.51.100"), 0);

    // One who reads keeps it in the WAL only as long as he does.
    bench.take(&[Visit {
        path: MARK,
        ..visit(NOON + 2 * HOUR, 1)
    }]);
    let other = bench.sql();
    other.execute_batch("BEGIN; SELECT * FROM visits").unwrap();
    bench.set_clock(NOON + 3 * HOUR);
    store.delete_before(None, TODAY.plus(1)).unwrap();
    assert!(found(store.path(), MARK) > 0);
    drop(other);
    bench.keep();
    assert_eq!(found(store.path(), MARK), 0);
}
