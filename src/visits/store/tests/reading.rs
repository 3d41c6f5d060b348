//! Others that read while one writes.

use super::*;

#[test]
fn another_process_tells_the_same() {
    let mut bench = Bench::new("Europe/Paris");
    for hour in 0..72 {
        bench.take(&[visit(NOON - hour * HOUR, 1), visit(NOON - hour * HOUR, 2)]);
    }
    bench.set_clock(NOON + 300 * SECOND);
    bench.keep();
    assert!(bench.closed() > 0);
    bench.take(&[visit(NOON - 40 * HOUR, 3)]);
    let other = Store::read_only(&bench.policy.path, &BTreeMap::new()).unwrap();
    assert_eq!(told(&other, "shop"), bench.told());
    assert_eq!(other.sites(), bench.store().sites());
    assert_eq!(other.sites().unwrap().len(), 1);
    // It does not write.
    let refused = other.delete_before(None, TODAY).unwrap_err();
    assert!(refused.0.contains("only read here"), "{refused}");
    // Nor does it hold up the one who does.
    bench.take(&[visit(NOON, 9)]);
    bench.restart();
    let again = Store::read_only(&bench.policy.path, &bench.policy.zones).unwrap();
    assert_eq!(told(&again, "shop"), bench.told());
}

#[test]
fn readers_of_other_threads_see_whole_batches() {
    let mut bench = Bench::new("UTC");
    let store = bench.shared();
    let now = bench.now.clone();
    let writer = {
        let store = store.clone();
        std::thread::spawn(move || {
            for batch in 0..200_i64 {
                let time = NOON + batch * HOUR / 2;
                now.store(time, Ordering::Relaxed);
                let records: Vec<_> = (0..100)
                    .map(|n| record(&visit(time + n as i64, n)))
                    .collect();
                store.take(records.iter().map(Vec::as_slice), None).unwrap();
                store.keep(true, time).unwrap();
            }
        })
    };
    let mut before = 0;
    loop {
        let finished = writer.is_finished();
        let totals = store.totals("shop", TODAY, TODAY.plus(100)).unwrap();
        let sum: u64 = totals.iter().map(|(_, totals)| totals.views_web).sum();
        assert!(sum >= before && sum.is_multiple_of(100), "{before} {sum}");
        let mut seen = 0;
        let each = &mut |_, day: &dyn crate::visits::statistics::Tallied| {
            let mut tally = Tally::new(crate::visits::statistics::By::Nothing);
            day.tally(&Filter::default(), &mut tally);
            seen += tally.split().sum().views;
        };
        let (from, to) = (TODAY, TODAY.plus(100));
        store.days("shop", from, to, Detail::Summary, each).unwrap();
        assert!(seen >= sum && seen.is_multiple_of(100), "{sum} {seen}");
        before = seen;
        if finished {
            break;
        }
        store.forget_cache();
    }
    assert_eq!(before, 20_000);
    writer.join().unwrap();
}

#[test]
fn the_last_minutes_are_told_also_after_a_restart() {
    let mut bench = Bench::new("UTC");
    let partial = Visit {
        partial: true,
        ..visit(NOON - 10 * SECOND, 9)
    };
    let elsewhere = Visit {
        site: "other",
        ..visit(NOON - SECOND, 3)
    };
    bench.take(&[
        visit(NOON - 400 * SECOND, 1),
        visit(NOON - 200 * SECOND, 1),
        visit(NOON - 100 * SECOND, 1),
        visit(NOON - 50 * SECOND, 2),
        partial,
        elsewhere,
    ]);
    let since = NOON - 300 * SECOND;
    for _ in 0..2 {
        assert_eq!(bench.store().recent(Some("shop"), since), (2, 3));
        assert_eq!(bench.store().recent(Some("other"), since), (1, 1));
        assert_eq!(bench.store().recent(None, since), (3, 4));
        assert_eq!(bench.store().recent(Some("nobody"), since), (0, 0));
        bench.restart();
    }
    // A day that is counted again is not new.
    bench.set_clock(NOON + DAY);
    bench.keep();
    bench.take(&[visit(NOON - 60 * SECOND, 2)]);
    assert_eq!(
        bench.store().recent(None, NOON + DAY - 300 * SECOND),
        (0, 0)
    );
}

#[test]
fn the_wal_stays_short_with_readers_that_hang_about() {
    let bench = Bench::new("UTC");
    let reader = bench.sql();
    let length = || {
        std::fs::metadata(bench.folder.0.join("visits.sqlite-wal"))
            .unwrap()
            .len()
    };
    let agent = "x".repeat(4000);
    let long = Visit {
        user_agent: &agent,
        ..visit(NOON, 1)
    };
    let fill = || {
        for _ in 0..10 {
            bench.take(&[long; 2000]);
        }
    };
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM sites")
        .unwrap();
    fill();
    bench.keep();
    assert!(length() > 64 << 20, "{}", length());
    reader.execute_batch("COMMIT").unwrap();
    bench.keep();
    assert_eq!(length(), 0);
    // With readers that come and go it does not grow at all.
    fill();
    assert!(length() < 40 << 20, "{}", length());
}
