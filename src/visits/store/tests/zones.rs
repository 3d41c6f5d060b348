//! Days of 23 and 25 hours, and zones that change.

use super::*;
use crate::visits::statistics::By;

fn hours(bench: &Bench, date: Date) -> Vec<u64> {
    let mut hours = Vec::new();
    bench
        .store()
        .days("shop", date, date, Detail::Summary, &mut |_, day| {
            let mut tally = Tally::new(By::Hour);
            day.tally(&Filter::default(), &mut tally);
            hours = tally.hours().iter().map(|hour| hour.sum().views).collect();
        })
        .unwrap();
    while hours.last() == Some(&0) {
        hours.pop();
    }
    hours
}

/// One visit each half hour.
fn half_hours(bench: &Bench, from: i64, to: i64) {
    let visits: Vec<_> = (0..)
        .map(|n| from + n * HOUR / 2)
        .take_while(|time| *time < to)
        .map(|time| visit(time, 1))
        .collect();
    bench.take(&visits);
}

#[test]
fn a_change_of_summer_time_makes_days_of_23_and_25_hours() {
    let bench = Bench::new("Europe/Paris");
    let zone = &bench.policy.zones["shop"].clone();
    let cases = [("2025-03-30", 23), ("2025-10-26", 25), ("2025-10-27", 24)];
    for (date, length) in cases {
        let date: Date = date.parse().unwrap();
        let (begins, ends) = (zone.start(date), zone.start(date.plus(1)));
        assert_eq!(ends - begins, length * HOUR);
        bench.set_clock(ends);
        half_hours(&bench, begins, ends);
        assert_eq!(hours(&bench, date), vec![2; length as usize]);
        bench.set_clock(ends + HOUR);
        bench.keep();
        assert_eq!(hours(&bench, date), vec![2; length as usize]);
    }
    assert_eq!(bench.closed(), 3);
    check(bench.store());
}

#[test]
fn the_clock_moves_over_midnight_of_each_site() {
    let mut bench = Bench::new("Europe/Paris");
    let tokyo = Zone::parse("Asia/Tokyo").unwrap();
    bench.policy.zones.insert("tokyo".to_string(), tokyo);
    bench.store().set(&bench.policy);
    // 15:30 UTC: Tokyo has the next day, Paris has not.
    let time = NOON + 3 * HOUR + HOUR / 2;
    bench.set_clock(time);
    let elsewhere = Visit {
        site: "tokyo",
        ..visit(time, 1)
    };
    bench.take(&[visit(time, 1), elsewhere]);
    assert_eq!(told(bench.store(), "shop"), [(TODAY, 1, 1)]);
    assert_eq!(told(bench.store(), "tokyo"), [(TODAY.plus(1), 1, 1)]);
    check(bench.store());
}

/// From one zone to another in the middle of the day: each visit is in exactly one day, the dates
/// go on, and a restart makes no difference.
#[test]
fn a_changed_zone_makes_days_from_now_on() {
    let zones = [
        "Asia/Tokyo",
        "Pacific/Honolulu",
        "UTC",
        "Pacific/Kiritimati",
    ];
    for from in zones {
        for to in zones {
            let mut bench = Bench::new(from);
            half_hours(&bench, NOON - 2 * DAY, NOON);
            bench.keep();
            let before = bench.told();
            let to = Zone::parse(to).unwrap();
            bench.policy.zones.insert("shop".to_string(), to.clone());
            bench.store().set(&bench.policy);
            bench.set_clock(NOON + 3 * DAY);
            half_hours(&bench, NOON, NOON + 3 * DAY);
            check(bench.store());
            // Late ones find the day that their time was counted to.
            bench.take(&[visit(NOON - DAY, 2)]);
            check(bench.store());
            let after = bench.told();
            assert_eq!(after.iter().map(|day| day.1).sum::<u64>(), 5 * 48 + 1);
            assert_eq!(after[0], before[0]);
            // Today is a day of the new zone.
            let today = to.place(NOON + 3 * DAY - 1).0;
            assert_eq!(after.last().unwrap().0, today);
            bench.set_clock(NOON + 10 * DAY);
            bench.keep();
            check(bench.store());
            assert_eq!(bench.told(), after);
            bench.restart();
            assert_eq!(bench.told(), after);
        }
    }
}

#[test]
fn a_site_that_is_no_longer_configured_is_still_told() {
    let mut bench = Bench::new("Asia/Tokyo");
    bench.take(&[visit(NOON + 4 * HOUR, 1)]);
    bench.policy.zones.clear();
    let utc = Zone::utc();
    bench.policy.zones.insert("other".to_string(), utc.clone());
    bench.restart();
    let tokyo = Zone::parse("Asia/Tokyo").unwrap();
    assert_eq!(
        bench.store().sites(),
        Ok(vec![
            ("other".to_string(), utc.clone()),
            ("shop".to_string(), tokyo)
        ])
    );
    assert_eq!(bench.told(), [(TODAY.plus(1), 1, 1)]);
    // One that was never configured is taken all the same.
    let unknown = Visit {
        site: "unknown",
        ..visit(NOON, 1)
    };
    bench.take(&[unknown]);
    bench.restart();
    assert_eq!(told(bench.store(), "unknown"), [(TODAY, 1, 1)]);
    assert_eq!(
        bench.store().sites().unwrap()[2],
        ("unknown".to_string(), utc)
    );
}
