//! The database: what a visit costs the thread that stores it, and how long questions take.
//!
//! Bars: at most 3 us a visit when they are much alike; every question about 10 million visits of
//! 30 days in less than 100 ms, with nothing in memory but the pages of the file.
//!
//! `PARVIS_BENCH_VISITS` asks for another number than 10,000,000. That many take about 4 GiB of
//! the temporary folder.

use crate::table::Table;
use crate::usage;
use parvis::visits::address::AddressKind;
use parvis::visits::sink::SinkCounters;
use parvis::visits::spool::{Batch, Spool};
use parvis::visits::statistics::api::{Asked, Desk};
use parvis::visits::statistics::{Date, History, Zone};
use parvis::visits::store::{Store, StorePolicy, StoreSink};
use parvis::visits::visit::{Device, Source, Visit};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

const VISITS: u64 = 10_000_000;
const DAYS: i64 = 30;
/// Visits of which the cost is measured.
const COSTED: u64 = 1_000_000;
/// Appended at once.
const BATCH: u64 = 5_000;
const SECOND: i64 = 1_000_000;
const DAY: i64 = 86_400 * SECOND;
/// 2025-10-23 00:00 UTC, a Thursday; the month has a change of summer time.
const BEGIN: i64 = 1_761_177_600 * SECOND;
const PATIENCE: Duration = Duration::from_secs(600);

/// Measures both.
pub fn measure(table: &mut Table) -> Result<(), String> {
    let visits = std::env::var("PARVIS_BENCH_VISITS").ok();
    let visits = visits.and_then(|text| text.parse().ok()).unwrap_or(VISITS);
    cost(
        table,
        "much alike",
        |world, n, time| world.alike(n, time),
        Some(3.0),
    )?;
    cost(
        table,
        "of all kinds",
        |world, n, time| world.diverse(n, time),
        None,
    )?;
    questions(table, visits)
}

type Make = for<'a> fn(&'a World, u64, i64) -> Visit<'a>;

fn cost(table: &mut Table, kind: &str, make: Make, bar: Option<f64>) -> Result<(), String> {
    let world = World::new();
    let mut running = Running::start(BEGIN)?;
    // What comes in a quarter of an hour.
    let visits = (0..COSTED).map(|n| make(&world, n, BEGIN + (n * 900) as i64));
    // The spool is filled first, so that batches are full.
    running.end()?;
    append(&running.spool, visits);
    running.open()?;
    running.wait(COSTED)?;
    let used = usage::thread("visits-store");
    let each = used.as_secs_f64() * 1e6 / COSTED as f64;
    let what = format!("to store a visit, {kind}");
    match bar {
        Some(most) => table.bar(
            what,
            format!("{each:.2} us"),
            format!("<= {most} us"),
            each <= most,
        ),
        None => table.note(what, format!("{each:.2} us")),
    }
    let size = std::fs::metadata(running.folder.0.join("visits.sqlite"));
    let size = size.map_or(0, |file| file.len()) / COSTED;
    table.note(format!("a raw row, {kind}"), format!("{size} bytes"));
    running.end()
}

fn questions(table: &mut Table, visits: u64) -> Result<(), String> {
    let world = World::new();
    let mut running = Running::start(BEGIN)?;
    let daily = visits / DAYS as u64;
    let mut done = 0;
    for day in 0..DAYS {
        let start = BEGIN + day * DAY;
        // So that the last day is not over.
        let length = if day + 1 == DAYS { DAY * 3 / 4 } else { DAY };
        let times = (0..daily).map(|n| start + world.moment(n, daily, length));
        running.now.store(start + length, Ordering::Relaxed);
        append(
            &running.spool,
            times
                .enumerate()
                .map(|(n, time)| world.diverse(done + n as u64, time)),
        );
        done += daily;
        running.wait(done)?;
    }
    let used = usage::thread("visits-store");
    let each = used.as_secs_f64() * 1e6 / done as f64;
    table.note(
        "to store one of a month's, closing days included",
        format!("{each:.2} us"),
    );
    let store = running.store.clone().ok_or("no store")?;
    running.wait_closed()?;
    let size = std::fs::metadata(store.path()).map_or(0, |file| file.len()) >> 20;
    table.note("the file", format!("{size} MiB"));
    let now = running.now.load(Ordering::Relaxed);
    ask_all(table, &store, now)?;
    let (from, to) = (Date(i32::MIN), Date(i32::MAX));
    let totals = store
        .totals("shop", from, to)
        .map_err(|trouble| trouble.0)?;
    let told: u64 = totals
        .iter()
        .map(|(_, totals)| totals.views_web + totals.views_app + totals.partials)
        .sum();
    if told != done {
        return Err(format!("{done} visits were stored, {told} are told"));
    }
    // As the command does: another connection, today counted from raw rows.
    let began = Instant::now();
    let other = Store::read_only(store.path(), &BTreeMap::new()).map_err(|trouble| trouble.0)?;
    other
        .totals("shop", from, to)
        .map_err(|trouble| trouble.0)?;
    table.note(
        "opened by another process, today counted",
        format!("{:.0} ms", ms(began.elapsed())),
    );
    let before = store.totals("shop", from, to).map_or(0, |days| days.len());
    let began = Instant::now();
    let date = store
        .sites()
        .map_err(|trouble| trouble.0)?
        .first()
        .map(|(_, zone)| zone.place(BEGIN + 3 * DAY).0);
    let gone = store
        .delete_before(None, date.unwrap_or_default())
        .map_err(|trouble| trouble.0)?;
    table.note(
        format!("to delete {gone} visits of {before} days' in small steps"),
        format!("{:.1} s", began.elapsed().as_secs_f64()),
    );
    running.end()
}

/// Each kind of question with all filters: the slowest is told.
fn ask_all(table: &mut Table, store: &Arc<Store>, now: i64) -> Result<(), String> {
    for (path, fixed) in KINDS {
        let mut slowest = Took::default();
        for filter in FILTERS {
            let query = [fixed, filter].join("&").replace(' ', "%20");
            let query = query.trim_matches('&');
            let took = ask(store, path, query, now)?;
            if took.cold > slowest.cold {
                slowest = took;
            }
        }
        let Took {
            cold,
            worst,
            again,
            query,
        } = slowest;
        let text = format!(
            "{:.1} ms (at worst {:.1}; again {:.1})",
            ms(cold),
            ms(worst),
            ms(again)
        );
        let what = format!("{path}?{query}");
        table.bar(what, text, "< 100 ms", ms(cold) < 100.0);
    }
    Ok(())
}

/// How long a question takes.
#[derive(Default)]
struct Took {
    /// With nothing in memory but the file's pages: the median of several, and the longest.
    cold: Duration,
    worst: Duration,
    /// With what the store keeps.
    again: Duration,
    query: String,
}

fn ask(store: &Arc<Store>, path: &str, query: &str, now: i64) -> Result<Took, String> {
    let asked = Asked {
        method: "GET",
        path,
        query,
        if_none_match: None,
        only_site: None,
        now,
    };
    let mut took = Vec::new();
    for _ in 0..5 {
        store.forget_cache();
        let began = Instant::now();
        // A desk of its own: none remembers answers.
        let reply = Desk::new(store.clone()).answer(&asked);
        took.push(began.elapsed());
        if reply.status != 200 {
            return Err(format!(
                "{path}?{query}: {}",
                String::from_utf8_lossy(&reply.body)
            ));
        }
    }
    took.sort();
    let began = Instant::now();
    Desk::new(store.clone()).answer(&asked);
    Ok(Took {
        cold: took[2],
        worst: took[4],
        again: began.elapsed(),
        query: query.to_string(),
    })
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Every kind of question.
const KINDS: [(&str, &str); 11] = [
    ("/overview/", ""),
    ("/chart/", "period=hourly&days=31"),
    ("/chart/", "period=daily&days=30"),
    ("/chart/", "period=weekly&weeks=12"),
    ("/chart/", "period=monthly&months=12"),
    ("/top-pages/", "days=30&limit=100"),
    ("/top-countries/", "days=30&limit=100"),
    ("/top-referrers/", "days=30&limit=100"),
    ("/devices/", "days=30&limit=100"),
    ("/browsers/", "days=30&limit=100"),
    ("/os/", "days=30&limit=100"),
];

/// Filters: none, one, several.
const FILTERS: [&str; 7] = [
    "",
    "country=FR",
    "path=/page-7/of-the-shop/",
    "source=web",
    "device=mobile&browser=Browser 3",
    "country=FR&referrer=site-9.example&os=System 1",
    "path=/&country=US&device=mobile&source=web",
];

/// A store with its sink and spool, in a folder that goes with it.
struct Running {
    folder: Folder,
    now: Arc<AtomicI64>,
    spool: Arc<Spool>,
    store: Option<Arc<Store>>,
    sink: Option<StoreSink>,
    counters: SinkCounters,
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Running {
    fn start(now: i64) -> Result<Self, String> {
        let name = format!("parvis-bench-store-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).map_err(|error| error.to_string())?;
        let spool =
            Spool::open(&folder.0.join("spool"), 8 << 30).map_err(|error| error.to_string())?;
        let mut running = Running {
            folder,
            now: Arc::new(AtomicI64::new(now)),
            spool: Arc::new(spool),
            store: None,
            sink: None,
            counters: SinkCounters::default(),
        };
        running.open()?;
        Ok(running)
    }

    fn open(&mut self) -> Result<(), String> {
        let now = self.now.clone();
        let clock = Arc::new(move || now.load(Ordering::Relaxed));
        let policy = policy(&self.folder.0)?;
        let store = Store::open_with(&policy, clock).map_err(|trouble| trouble.0)?;
        let store = Arc::new(store);
        self.counters = SinkCounters::default();
        let sink = StoreSink::start(store.clone(), self.spool.clone(), self.counters.clone());
        self.sink = Some(sink.map_err(|error| error.to_string())?);
        self.store = Some(store);
        Ok(())
    }

    fn end(&mut self) -> Result<(), String> {
        if let Some(sink) = self.sink.take() {
            sink.end(PATIENCE);
        }
        self.store = None;
        Ok(())
    }

    fn wait(&self, stored: u64) -> Result<(), String> {
        let began = Instant::now();
        while self.counters.delivered() < stored {
            if began.elapsed() > PATIENCE {
                return Err(format!("only {} were stored", self.counters.delivered()));
            }
            if let Some(error) = self.counters.error() {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// Until only the last day is open.
    fn wait_closed(&self) -> Result<(), String> {
        let path = self.folder.0.join("visits.sqlite");
        let db = rusqlite::Connection::open(path).map_err(|error| error.to_string())?;
        let open = || db.query_row("SELECT sum(open) FROM days", [], |row| row.get::<_, i64>(0));
        let began = Instant::now();
        while open().map_err(|error| error.to_string())? > 1 {
            if began.elapsed() > PATIENCE {
                return Err("days are not closed".to_string());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(())
    }
}

fn policy(folder: &Path) -> Result<StorePolicy, String> {
    Ok(StorePolicy {
        path: folder.join("visits.sqlite"),
        keep_raw: Duration::from_secs(40 * 86_400),
        ip: AddressKind::Truncated,
        zones: BTreeMap::from([("shop".to_string(), Zone::parse("Europe/Paris")?)]),
    })
}

fn append<'a>(spool: &Spool, visits: impl Iterator<Item = Visit<'a>>) {
    let mut batch = Batch::new();
    let mut count = 0;
    for visit in visits {
        batch.push(&visit);
        count += 1;
        if count % BATCH == 0 {
            spool.append(&batch);
            batch.clear();
        }
    }
    spool.append(&batch);
}

/// What visits are made of.
struct World {
    pages: Vec<String>,
    /// Zipf's distribution over the pages: each one's share and that of those before it.
    shares: Vec<f64>,
    countries: Vec<[u8; 2]>,
    referrers: Vec<(String, String)>,
    browsers: Vec<String>,
    systems: Vec<String>,
    agents: Vec<String>,
}

impl World {
    fn new() -> Self {
        let mut sum = 0.0;
        let shares = (1..=2_000).map(|rank| {
            sum += 1.0 / f64::from(rank);
            sum
        });
        let shares: Vec<f64> = shares.collect();
        let countries = (0..150_u8).map(|n| [b'A' + n / 26, b'A' + n % 26]);
        let mut countries: Vec<[u8; 2]> = countries.collect();
        countries.splice(0..3, [*b"FR", *b"US", *b"DE"]);
        World {
            pages: (0..2_000)
                .map(|n| match n {
                    0 => "/".to_string(),
                    _ => format!("/page-{n}/of-the-shop/"),
                })
                .collect(),
            shares,
            countries,
            referrers: (0..500)
                .map(|n| (format!("https://site-{n}.example/a/page"), format!("site-{n}.example")))
                .collect(),
            browsers: (0..25).map(|n| format!("Browser {n}")).collect(),
            systems: (0..12).map(|n| format!("System {n}")).collect(),
            agents: (0..3_000)
                .map(|n| format!("Mozilla/5.0 (Linux; Android 14; SM-S9{n}B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0 Mobile Safari/537.36", 90 + n % 50))
                .collect(),
        }
    }

    /// Few visitors, pages and everything.
    fn alike(&self, n: u64, time: i64) -> Visit<'_> {
        let pick = |end: u64| usize::try_from(mixed(n) % end).unwrap_or(0);
        Visit {
            visitor: mixed(n % 1_000),
            path: &self.pages[pick(10)],
            country: self.countries[pick(3)],
            ..self.visit(n, time)
        }
    }

    /// Two in five are of a visitor who is new that day.
    fn diverse(&self, n: u64, time: i64) -> Visit<'_> {
        let mut random = n;
        let mut next = || {
            random = mixed(random);
            random
        };
        let day = n / 333_333;
        let visitor = mixed(next() % 130_000 + day * 1_000_000);
        let mut own = visitor;
        let mut of_visitor = |end: usize| {
            own = mixed(own);
            // Small ones more often.
            let share = (own >> 11) as f64 / (1_u64 << 53) as f64;
            (share * share * share * end as f64) as usize
        };
        let share = (next() >> 11) as f64 / (1_u64 << 53) as f64;
        let share = share * self.shares.last().copied().unwrap_or(1.0);
        let page = self.shares.partition_point(|sum| *sum < share);
        let referrer = usize::try_from(next() % 10).unwrap_or(0);
        let site = usize::try_from(next() % 500 * (next() % 500) / 500).unwrap_or(0);
        let (referrer, host) = match referrer {
            0..=2 => (
                self.referrers[site].0.as_str(),
                self.referrers[site].1.as_str(),
            ),
            3..=5 => ("", ""),
            _ => ("https://shop.example/somewhere", ""),
        };
        Visit {
            visitor,
            partial: next() % 20 == 0,
            source: if of_visitor(10) == 9 {
                Source::App
            } else {
                Source::Web
            },
            country: self.countries[of_visitor(150)],
            device: Device::ALL[of_visitor(3)],
            browser: &self.browsers[of_visitor(25)],
            os: &self.systems[of_visitor(12)],
            user_agent: &self.agents[of_visitor(3_000)],
            path: &self.pages[page.min(1_999)],
            referrer,
            referrer_host: host,
            ..self.visit(n, time)
        }
    }

    fn visit(&self, n: u64, time: i64) -> Visit<'_> {
        Visit {
            id: u128::from(mixed(n)) << 64 | u128::from(n),
            time,
            site: "shop",
            source: Source::Web,
            partial: false,
            status: 200,
            took: 12_345,
            address: Some(std::net::IpAddr::from(
                (mixed(n) >> 32).to_be_bytes()[4..]
                    .try_into()
                    .map_or([0, 0, 0, 0], |four: [u8; 4]| four),
            )),
            visitor: 0,
            session: mixed(n / 3),
            country: *b"FR",
            region: "",
            city: "",
            asn: 0,
            device: Device::Mobile,
            browser: "Firefox",
            os: "Android",
            language: "fr-FR",
            path: "/",
            referrer: "",
            referrer_host: "",
            user_agent: &self.agents[0],
            utm_source: "",
            utm_medium: "",
            utm_campaign: "",
        }
    }

    /// The time of a day's visit: fewer by night.
    fn moment(&self, n: u64, daily: u64, length: i64) -> i64 {
        let share = n as f64 / daily as f64;
        let swing = (share * std::f64::consts::TAU).sin() / 10.0;
        ((share - swing).clamp(0.0, 0.999_999) * length as f64) as i64
    }
}

/// Numbers that are the same in every run (Steele et al., splitmix64).
fn mixed(n: u64) -> u64 {
    let mut z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
