//! A store in a folder of its own, with a clock that the test moves.

mod counting;
mod deleting;
mod ending;
mod killed;
mod reading;
mod sinking;
mod troubled;
mod zones;

use super::batch::Taken;
use super::spans::{Span, State};
use super::{Clock, Store, StorePolicy, days, locked};
use crate::visits::address::AddressKind;
use crate::visits::spool::Position;
use crate::visits::statistics::{Counts, Date, Detail, Filter, History, Tally, Totals, Zone};
use crate::visits::visit::{Device, Source, Visit};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

pub const SECOND: i64 = 1_000_000;
pub const HOUR: i64 = 3600 * SECOND;
pub const DAY: i64 = 24 * HOUR;
/// 2025-11-21 12:00 UTC.
pub const NOON: i64 = 1_763_726_400 * SECOND;
/// The day of it.
pub const TODAY: Date = Date(20_413);

/// A folder that goes with the test.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("parvis-store-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A store, or the time in which there is none.
pub struct Bench {
    pub folder: Folder,
    pub now: Arc<AtomicI64>,
    pub policy: StorePolicy,
    store: Option<Store>,
}

impl Bench {
    /// With the site `shop` in this zone.
    pub fn new(zone: &str) -> Self {
        let folder = Folder::new();
        let policy = policy(&folder.0, zone);
        let mut bench = Bench {
            folder,
            now: Arc::new(AtomicI64::new(NOON)),
            policy,
            store: None,
        };
        bench.restart();
        bench
    }

    pub fn clock(&self) -> Clock {
        let now = self.now.clone();
        Arc::new(move || now.load(Ordering::Relaxed))
    }

    pub fn set_clock(&self, now: i64) {
        self.now.store(now, Ordering::Relaxed);
    }

    pub fn restart(&mut self) {
        self.store = None;
        self.store = Some(Store::open_with(&self.policy, self.clock()).unwrap());
    }

    pub fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    /// The store, for a sink.
    pub fn shared(&mut self) -> Arc<Store> {
        Arc::new(self.store.take().unwrap())
    }

    pub fn take(&self, visits: &[Visit<'_>]) -> Taken {
        let records: Vec<Vec<u8>> = visits.iter().map(record).collect();
        let taken = self
            .store()
            .take(records.iter().map(Vec::as_slice), Some((1, AT)))
            .unwrap();
        self.store().settle().unwrap();
        taken
    }

    /// Housekeeping until nothing is due.
    pub fn keep(&self) {
        let now = self.now.load(Ordering::Relaxed);
        while self.store().keep(true, now).unwrap() {}
    }

    /// All days that have any: date, views, guests.
    pub fn told(&self) -> Vec<(Date, u64, u64)> {
        told(self.store(), "shop")
    }

    /// How many days are closed.
    pub fn closed(&self) -> usize {
        let board = locked(&self.store().board);
        let spans = board.sites().flat_map(|site| site.spans.iter());
        spans
            .filter(|span| matches!(span.state, State::Closed))
            .count()
    }

    pub fn sql(&self) -> Connection {
        Connection::open(&self.policy.path).unwrap()
    }

    pub fn number(&self, query: &str) -> i64 {
        self.sql().query_row(query, [], |row| row.get(0)).unwrap()
    }
}

pub const AT: Position = Position {
    segment: 1,
    offset: 2,
};

pub fn policy(folder: &Path, zone: &str) -> StorePolicy {
    StorePolicy {
        path: folder.join("visits.sqlite"),
        keep_raw: Duration::from_secs(30 * 86_400),
        ip: AddressKind::Truncated,
        zones: BTreeMap::from([("shop".to_string(), Zone::parse(zone).unwrap())]),
    }
}

pub fn visit(time: i64, visitor: u64) -> Visit<'static> {
    Visit {
        id: u128::from(visitor) << 64 | u128::from(time.unsigned_abs()),
        time,
        site: "shop",
        source: Source::Web,
        partial: false,
        status: 200,
        took: 12_345,
        address: Some("192.0.2.77".parse().unwrap()),
        visitor,
        session: 8,
        country: *b"FR",
        region: "Bretagne",
        city: "Brest",
        asn: 64_500,
        device: Device::Mobile,
        browser: "Firefox",
        os: "Android",
        language: "fr",
        path: "/",
        referrer: "https://example.org/a",
        referrer_host: "example.org",
        user_agent: "Mozilla/5.0",
        utm_source: "",
        utm_medium: "",
        utm_campaign: "",
    }
}

pub fn record(visit: &Visit<'_>) -> Vec<u8> {
    let mut record = Vec::new();
    visit.encode(&mut record);
    record
}

pub fn told(store: &Store, site: &str) -> Vec<(Date, u64, u64)> {
    let all = (Date(i32::MIN), Date(i32::MAX));
    let totals = store.totals(site, all.0, all.1).unwrap();
    let mut days = Vec::new();
    let each = &mut |date, day: &dyn crate::visits::statistics::Tallied| {
        for by in [
            crate::visits::statistics::By::Nothing,
            crate::visits::statistics::By::Page,
        ] {
            let mut tally = Tally::new(by);
            day.tally(&Filter::default(), &mut tally);
            if by == crate::visits::statistics::By::Nothing {
                let Counts { views, guests } = tally.split().sum();
                days.push((date, views, guests));
            }
        }
    };
    store.days(site, all.0, all.1, Detail::Rows, each).unwrap();
    days.retain(|day| (day.1, day.2) != (0, 0));
    let seen: Vec<_> = totals
        .iter()
        .filter(|(_, totals)| views(totals) > 0)
        .map(|(date, totals)| (*date, views(totals), totals.guests_web + totals.guests_app))
        .collect();
    assert_eq!(seen, days);
    days
}

fn views(totals: &Totals) -> u64 {
    totals.views_web + totals.views_app
}

/// The file is whole, and its days tell all that its raw rows are.
pub fn check(store: &Store) {
    store.settle().unwrap();
    let db = Connection::open(store.path()).unwrap();
    let sound: String = db
        .query_row("PRAGMA integrity_check", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sound, "ok");
    let rows = |site: i64, begins: i64, ends: i64| -> u64 {
        let query = "SELECT count(*) FROM visits WHERE site = ?1 AND id >= ?2 AND id < ?3";
        db.query_row(query, (site, begins, ends), |row| row.get::<_, i64>(0))
            .unwrap()
            .cast_unsigned()
    };
    let mut sum = 0;
    let sites: Vec<(i64, String)> = locked(&store.board)
        .sites()
        .map(|site| (site.id, site.name.clone()))
        .collect();
    for (id, name) in sites {
        let all = store.totals(&name, Date(i32::MIN), Date(i32::MAX)).unwrap();
        let spans: Vec<_> = {
            let board = locked(&store.board);
            board
                .named(&name)
                .unwrap()
                .spans
                .iter()
                .map(Span::bare)
                .collect()
        };
        let mut before = i64::MIN;
        for span in spans {
            assert!(before <= span.begins && span.begins < span.ends, "{span:?}");
            before = span.ends;
            let counted = all.iter().find(|(date, _)| *date == span.date);
            let counted = counted.map_or(0, |(_, totals)| views(totals) + totals.partials);
            let found = rows(id, span.begins, span.ends);
            if span.whole {
                assert_eq!(counted, found, "{name} {}", span.date);
            }
            sum += found;
        }
    }
    let count: i64 = db
        .query_row("SELECT count(*) FROM visits", [], |row| row.get(0))
        .unwrap();
    assert_eq!(sum, count.cast_unsigned());
    let stored = days::load(&db).unwrap();
    for (site, span) in stored {
        let mut board = locked(&store.board);
        let known = board.day(site, span.date).unwrap();
        assert_eq!((known.begins, known.ends), (span.begins, span.ends));
    }
}
