//! 100,000 visits a second for ten seconds, into Redis, and into Redis and the database.
//!
//! Bars: none is lost on the way, what waits takes bounded memory, and a visit costs the thread
//! that notes it less than 1 us.

use crate::recording::Recording;
use crate::redis::{Folder, Redis};
use crate::table::Table;
use crate::traffic::{Numbers, Request, Traffic};
use crate::usage;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

const THREADS: u64 = 2;
/// What one thread notes at once, and how often: with two, 100,000 a second.
const BURST: u64 = 50;
const EVERY: Duration = Duration::from_millis(1);
/// The cost of noting is told of so many.
const BATCH: u64 = 1_000;
const BATCHES: u64 = 500;
/// A request's thread hands over what it has ten times a second.
const FLUSH_EVERY: u64 = 5;
const SENT: u64 = THREADS * BATCH * BATCHES;
/// The queue has room for 32 MiB. What the worker and the sinks remember comes on top of it: sessions,
/// the day that is counted, SQLite's pages.
const MEMORY: f64 = 200.0;
const PATIENCE: Duration = Duration::from_secs(15);

/// Measures both ways.
pub fn measure(table: &mut Table) -> Result<(), String> {
    let traffic = Traffic::new();
    let (before, _) = usage::memory();
    for with_store in [false, true] {
        run(with_store, &traffic, before, table)?;
    }
    Ok(())
}

/// `before`: the memory, in MiB, before anything was recorded.
fn run(with_store: bool, traffic: &Traffic, before: f64, table: &mut Table) -> Result<(), String> {
    let name = if with_store {
        "Redis and database"
    } else {
        "Redis"
    };
    let folder = Folder::new(if with_store { "both" } else { "redis" })?;
    let redis = Redis::start(&folder.0)?;
    let store = match with_store {
        true => folder.0.join("visits.sqlite").display().to_string(),
        false => "off".to_string(),
    };
    let visits = format!(
        "store = \"{store}\"\nip = \"full\"\n[visits.redis]\nurl = \"redis://127.0.0.1:{}/0\"\n\
         list = \"visits\"\nkeep = {}\n",
        redis.port,
        2 * SENT
    );
    let recording = Recording::start(&visits, &folder.0)?;
    usage::forget_peak();
    let (threads_before, redis_before) = (usage::threads(), redis.cpu());

    let began = Instant::now();
    let (batches, cpu) = push(&recording, traffic);
    let pushed = began.elapsed();
    let late = Instant::now();
    let in_redis = arrives(|| redis.length("visits"))?;
    let redis_after = late.elapsed();
    let in_store = match with_store {
        true => arrives(|| Ok(recording.delivered("store")))?,
        false => 0,
    };
    let store_after = late.elapsed();
    let (_, peak) = usage::memory();
    let spent = spent(&threads_before, &usage::threads());
    let redis_spent = redis.cpu().saturating_sub(redis_before);
    let (recorded, lost) = (recording.recorded(), recording.lost());
    recording.recorder.end(Duration::from_secs(5));

    let line = |what: &str| format!("{name}: {what}");
    let rate = SENT as f64 / pushed.as_secs_f64();
    table.bar(
        line("noted a second"),
        format!("{rate:.0}"),
        ">= 95,000",
        rate >= 95_000.0,
    );
    let held = lost == 0 && recorded == SENT && in_redis == SENT;
    let counts = format!("{SENT} / {recorded} / {in_redis} / {lost}");
    table.bar(
        line("noted / recorded / in Redis / lost"),
        counts,
        "none lost",
        held,
    );
    if with_store {
        table.bar(
            line("in the database"),
            in_store.to_string(),
            "all",
            in_store == SENT,
        );
    }
    let more = peak - before;
    let memory = format!("{before:.0} + {more:.0} MiB");
    table.bar(
        line("memory, at most"),
        memory,
        format!("< +{MEMORY}"),
        more < MEMORY,
    );
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    table.note(line("all in Redis after the last"), seconds(redis_after));
    if with_store {
        table.note(
            line("all in the database after the last"),
            seconds(store_after),
        );
    }
    let (median, worst) = usage::quantiles(batches);
    let nanos = format!("{median:.0} ns, p99 {worst:.0}");
    table.bar(line("to note one"), nanos, "< 1 us", median < 1_000.0);
    table.note(line("CPU of the threads that note"), per_visit(cpu));
    for (thread, cpu) in spent {
        table.note(line(&format!("CPU of {thread}")), per_visit(cpu));
    }
    table.note(line("CPU of redis-server"), per_visit(redis_spent));
    Ok(())
}

/// Notes all visits, at the pace of the clock. The nanoseconds per visit of each batch, and the CPU
/// time of the threads, what it takes to choose and read requests included.
fn push(recording: &Recording, traffic: &Traffic) -> (Vec<f64>, Duration) {
    let pusher = |number: u64| {
        let mut numbers = Numbers(number);
        let mut batches = Vec::new();
        let mut due = Instant::now();
        for batch in 0..BATCHES {
            let mut noting = Duration::ZERO;
            for _ in 0..BATCH / BURST {
                let requests: Vec<_> = (0..BURST).map(|_| traffic.request(&mut numbers)).collect();
                let now = Instant::now();
                std::thread::sleep(due.saturating_duration_since(now));
                // What a busy machine did not let us note in time is not made up for in a rush.
                due = due.max(now) + EVERY;
                requests.iter().for_each(Request::read);
                let start = Instant::now();
                requests.iter().for_each(|request| recording.note(request));
                noting += start.elapsed();
            }
            batches.push(noting.as_nanos() as f64 / BATCH as f64);
            if batch % FLUSH_EVERY == 0 {
                recording.recorder.flush();
            }
        }
        recording.recorder.flush();
        let name = format!("pusher-{number}");
        (batches, usage::thread(&name))
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .filter_map(|number| {
                let named = std::thread::Builder::new().name(format!("pusher-{number}"));
                named.spawn_scoped(scope, move || pusher(number)).ok()
            })
            .collect();
        let mut all = (Vec::new(), Duration::ZERO);
        for (batches, cpu) in threads.into_iter().filter_map(|thread| thread.join().ok()) {
            all.0.extend(batches);
            all.1 += cpu;
        }
        all
    })
}

/// Waits until all have arrived, or no more come. How many there are then.
fn arrives(count: impl Fn() -> Result<u64, String>) -> Result<u64, String> {
    let mut last = (count()?, Instant::now());
    while last.0 < SENT && last.1.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(10));
        let now = count()?;
        if now != last.0 {
            last = (now, Instant::now());
        }
    }
    Ok(last.0)
}

/// What the threads of visits have used meanwhile.
fn spent(
    before: &BTreeMap<String, Duration>,
    after: &BTreeMap<String, Duration>,
) -> Vec<(String, Duration)> {
    let of_visits = after.iter().filter(|(name, _)| name.starts_with("visits"));
    of_visits
        .map(|(name, cpu)| {
            let before = before.get(name).copied().unwrap_or_default();
            (name.clone(), cpu.saturating_sub(before))
        })
        .collect()
}

fn per_visit(cpu: Duration) -> String {
    format!("{:.2} us a visit", cpu.as_secs_f64() * 1e6 / SENT as f64)
}
