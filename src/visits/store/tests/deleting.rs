//! Days that the operator deletes.

use super::*;

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
