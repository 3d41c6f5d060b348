//! Days that begin, end and come back.

use super::*;
use crate::visits::store::keep::Steady;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::time::Instant;

#[test]
fn a_row_has_everything() {
    let mut bench = Bench::new("UTC");
    let kinds = [
        (AddressKind::Truncated, Some("192.0.2.0")),
        (AddressKind::Full, Some("192.0.2.77")),
        (AddressKind::None, None),
    ];
    for (at, (kind, address)) in kinds.into_iter().enumerate() {
        bench.policy.ip = kind;
        bench.store().set(&bench.policy);
        bench.take(&[visit(NOON + at as i64, 7)]);
        let kept: Option<String> = bench
            .sql()
            .query_row("SELECT address FROM visits ORDER BY id DESC", [], |row| {
                row.get(0)
            })
            .unwrap();
        assert_eq!(kept.as_deref(), address);
    }
    let db = bench.sql();
    let mut statement = db.prepare("SELECT * FROM readable ORDER BY time").unwrap();
    let columns: Vec<String> = statement.column_names().map(String::from).collect();
    let row: Vec<String> = statement
        .query_row([], |row| {
            (0..columns.len())
                .map(|at| {
                    row.get::<_, rusqlite::types::Value>(at)
                        .map(|value| format!("{value:?}"))
                })
                .collect()
        })
        .unwrap();
    let expected = [
        "Text(\"2025-11-21 12:00:00.000\")",
        "Text(\"shop\")",
        "Text(\"web\")",
        "Text(\"mobile\")",
        "Integer(0)",
        "Integer(200)",
        "Real(12.345)",
        "Text(\"/\")",
        "Text(\"https://example.org/a\")",
        "Text(\"FR\")",
        "Text(\"Bretagne\")",
        "Text(\"Brest\")",
        "Integer(64500)",
        "Text(\"192.0.2.0\")",
        "Text(\"Firefox\")",
        "Text(\"Android\")",
        "Text(\"fr\")",
        "Text(\"Mozilla/5.0\")",
        "Null",
        "Null",
        "Null",
        "Text(\"0000000000000007\")",
        "Text(\"0000000000000008\")",
    ];
    assert_eq!(&row[..23], expected);
    assert!(
        row[23].starts_with("Text(\"0000000000000007"),
        "{}",
        row[23]
    );
    bench.restart();
    assert_eq!(bench.told(), [(TODAY, 3, 1)]);
}

#[test]
fn a_crowd_in_one_microsecond_is_stored_one_by_one() {
    let bench = Bench::new("UTC");
    // The last microsecond of a day: the others go before it, not into the next day.
    let midnight = NOON + 12 * HOUR;
    for time in [NOON, midnight - 1, NOON, NOON + 5, midnight - 1] {
        let crowd: Vec<_> = (0..5000).map(|visitor| visit(time, visitor)).collect();
        bench.take(&crowd);
    }
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 25_000);
    assert_eq!(bench.told(), [(TODAY, 25_000, 5000)]);
    let moved = bench.number("SELECT max(id) FROM visits WHERE id < 1763760000000000");
    assert!(moved < NOON + SECOND, "{}", moved - NOON);
    check(bench.store());
}

#[test]
fn a_day_is_closed_minutes_after_its_end() {
    let mut bench = Bench::new("Europe/Paris");
    let midnight = NOON + 11 * HOUR;
    bench.set_clock(midnight - SECOND);
    bench.take(&[visit(midnight - 2 * SECOND, 1), visit(midnight - SECOND, 2)]);
    bench.set_clock(midnight + 299 * SECOND);
    bench.take(&[visit(midnight, 3)]);
    bench.keep();
    assert_eq!(bench.closed(), 0);
    let told = [(TODAY, 2, 2), (TODAY.plus(1), 1, 1)];
    assert_eq!(bench.told(), told);
    bench.set_clock(midnight + 300 * SECOND);
    let before = bench.store().version();
    // Not while visits wait.
    while bench.store().keep(false, midnight).unwrap() {}
    assert_eq!(bench.closed(), 0);
    bench.keep();
    assert_eq!(bench.closed(), 1);
    assert_ne!(bench.store().version(), before);
    assert_eq!(bench.told(), told);
    check(bench.store());
    bench.restart();
    assert_eq!(bench.closed(), 1);
    assert_eq!(bench.told(), told);
}

#[test]
fn a_late_visit_opens_its_day_again() {
    let mut bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1), visit(NOON + 1, 2)]);
    bench.set_clock(NOON + DAY);
    bench.keep();
    assert_eq!(bench.closed(), 1);
    bench.take(&[visit(NOON + 2, 2), visit(NOON + 3, 3)]);
    assert_eq!(bench.told(), [(TODAY, 4, 3)]);
    assert_eq!(bench.closed(), 0);
    // It is not closed before it has been quiet.
    bench.keep();
    assert_eq!(bench.closed(), 0);
    // Should the process end now, nothing is forgotten.
    bench.restart();
    assert_eq!(bench.told(), [(TODAY, 4, 3)]);
    bench.set_clock(NOON + DAY + 301 * SECOND);
    bench.keep();
    assert_eq!(bench.closed(), 1);
    assert_eq!(bench.told(), [(TODAY, 4, 3)]);
    check(bench.store());
}

#[test]
fn a_late_visit_without_raw_rows_is_a_view() {
    let mut bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1), visit(NOON + HOUR, 2)]);
    // Half of the day's rows are older than 30 days.
    bench.set_clock(NOON + 30 * DAY + HOUR);
    bench.keep();
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 1);
    assert_eq!(bench.told(), [(TODAY, 2, 2)]);
    bench.take(&[visit(NOON + 2 * HOUR, 2), visit(NOON + 2 * HOUR, 9)]);
    assert_eq!(bench.told(), [(TODAY, 4, 2)]);
    assert_eq!(bench.closed(), 1);
    bench.restart();
    assert_eq!(bench.told(), [(TODAY, 4, 2)]);
    check(bench.store());
}

#[test]
fn old_rows_go_and_their_days_stay() {
    let bench = Bench::new("UTC");
    for day in 0..10 {
        let visits: Vec<_> = (0..3000)
            .map(|n| visit(NOON + day * DAY + n as i64 * SECOND, n))
            .collect();
        bench.set_clock(NOON + day * DAY);
        bench.take(&visits);
    }
    bench.set_clock(NOON + 9 * DAY + HOUR);
    bench.keep();
    let told = bench.told();
    assert_eq!(told.len(), 10);
    let pages = bench.number("PRAGMA page_count");
    bench.set_clock(NOON + 38 * DAY);
    bench.keep();
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 6000);
    bench.set_clock(NOON + 400 * DAY);
    bench.keep();
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 0);
    assert_eq!(bench.told(), told);
    // Some free pages stay for what comes.
    assert!(bench.number("PRAGMA freelist_count") <= 1024);
    assert!(bench.number("PRAGMA page_count") <= pages);
    check(bench.store());
}

#[test]
fn an_open_day_keeps_its_rows() {
    let mut bench = Bench::new("UTC");
    bench.policy.keep_raw = Duration::ZERO;
    bench.store().set(&bench.policy);
    bench.take(&[visit(NOON - HOUR, 1), visit(NOON, 2)]);
    bench.keep();
    bench.restart();
    assert_eq!(bench.told(), [(TODAY, 2, 2)]);
    bench.set_clock(NOON + DAY);
    bench.keep();
    assert_eq!(bench.number("SELECT count(*) FROM visits"), 0);
    assert_eq!(bench.told(), [(TODAY, 2, 2)]);
}

#[test]
fn a_visit_of_the_far_future_is_put_at_the_present() {
    let bench = Bench::new("UTC");
    let taken = bench.take(&[
        visit(NOON + 20 * HOUR, 1),
        visit(NOON + 400 * DAY, 2),
        visit(i64::MAX, 3),
        visit(i64::MIN, 4),
    ]);
    assert_eq!((taken.stored, taken.moved), (4, 2));
    assert_eq!(
        bench.told(),
        [(Date(0), 1, 1), (TODAY, 2, 2), (TODAY.plus(1), 1, 1)]
    );
    check(bench.store());
}

#[test]
fn a_clock_that_goes_back_takes_nothing_away() {
    let bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1)]);
    bench.set_clock(NOON + DAY);
    bench.take(&[visit(NOON + DAY, 1)]);
    bench.keep();
    assert_eq!(bench.closed(), 1);
    // Back to the day before, and even to 1970: what was true stays.
    bench.set_clock(NOON + HOUR);
    bench.take(&[visit(NOON + HOUR, 1)]);
    bench.set_clock(0);
    bench.take(&[visit(SECOND, 1), visit(NOON + DAY, 2)]);
    bench.keep();
    let told = [(Date(0), 1, 1), (TODAY, 2, 1), (TODAY.plus(1), 2, 2)];
    assert_eq!(bench.told(), told);
    bench.set_clock(NOON + 3 * DAY);
    bench.keep();
    assert_eq!(bench.closed(), 3);
    assert_eq!(bench.told(), told);
    check(bench.store());
}

#[test]
fn a_clock_that_jumps_ahead_is_not_believed_at_once() {
    let start = Instant::now();
    let after = |seconds: u64| start + Duration::from_secs(seconds);
    let mut steady = Steady::new(NOON, start);
    assert_eq!(steady.time(NOON + SECOND, after(1)), NOON + SECOND);
    // Set right by a minute.
    assert_eq!(
        steady.time(NOON + 62 * SECOND, after(2)),
        NOON + 62 * SECOND
    );
    // Years ahead.
    let far = NOON + 2000 * DAY;
    assert_eq!(steady.time(far, after(12)), NOON + 72 * SECOND);
    assert_eq!(
        steady.time(far + HOUR, after(3612)),
        NOON + 72 * SECOND + HOUR
    );
    // Back again.
    let right = NOON + HOUR + 80 * SECOND;
    assert_eq!(steady.time(right, after(3620)), right);
    // It is really later: a day after, it is believed.
    assert_eq!(steady.time(far, after(3630)), right + 10 * SECOND);
    assert_eq!(steady.time(far, after(3630 + 86_400)), far);
    // Behind is always believed.
    assert_eq!(steady.time(NOON, after(90_100)), NOON);
}

#[test]
fn visits_in_any_order_come_to_the_same() {
    let mut random = StdRng::seed_from_u64(4);
    let zone = Zone::parse("America/New_York").unwrap();
    let bench = Bench::new("America/New_York");
    let mut expected: BTreeMap<Date, u64> = BTreeMap::new();
    bench.set_clock(NOON + 20 * DAY);
    for round in 0..60 {
        let visits: Vec<_> = (0..200)
            .map(|_| {
                let time = NOON + random.gen_range(0..20 * DAY);
                *expected.entry(zone.place(time).0).or_default() += 1;
                visit(time, random.gen_range(0..50))
            })
            .collect();
        bench.take(&visits);
        if round % 10 == 9 {
            bench.set_clock(NOON + 20 * DAY + round * 400 * SECOND);
            bench.keep();
        }
    }
    let told: BTreeMap<Date, u64> = bench.told().iter().map(|day| (day.0, day.1)).collect();
    assert_eq!(told, expected);
    check(bench.store());
}

#[test]
fn what_is_no_record_is_passed_over() {
    let bench = Bench::new("UTC");
    let good = record(&visit(NOON, 1));
    let records: [&[u8]; 4] = [b"", b"rubbish", &good, &good[..50]];
    let taken = bench.store().take(records.into_iter(), None).unwrap();
    assert_eq!((taken.stored, taken.unreadable), (1, 3));
}
