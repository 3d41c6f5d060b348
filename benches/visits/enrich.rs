//! What one visit costs the thread that notes it, the worker, and a look-up of its country.
//!
//! Bars: noting takes less than 1 us, and so does the look-up.

use crate::recording::Recording;
use crate::redis::Folder;
use crate::table::Table;
use crate::traffic::{Numbers, Request, Traffic, address, agent};
use crate::usage;
use http::header::{HeaderValue, USER_AGENT};
use parvis::visits::geo::{GeoPaths, Geography};
use std::hint::black_box;
use std::net::IpAddr;
use std::time::{Duration, Instant};

const BATCH: usize = 1_000;
const BATCHES: usize = 200;
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures all three.
pub fn measure(table: &mut Table) -> Result<(), String> {
    let folder = Folder::new("enrich")?;
    // Nobody listens there: visits wait in the spool, and the worker is alone.
    let visits = "store = \"off\"\n[visits.redis]\nurl = \"redis://127.0.0.1:1/0\"\n";
    let recording = Recording::start(visits, &folder.0)?;
    let traffic = Traffic::new();
    let mut numbers = Numbers(1);
    let requests: Vec<_> = (0..BATCH).map(|_| traffic.request(&mut numbers)).collect();
    let same: Vec<_> = requests
        .iter()
        .take(1)
        .copied()
        .cycle()
        .take(BATCH)
        .collect();

    let (note, _) = worker(&recording, BATCHES, &same)?;
    let (median, worst) = usage::quantiles(note);
    let text = format!("{median:.0} ns, p99 {worst:.0}");
    table.bar(
        "to note one, the same again",
        text,
        "< 1 us",
        median < 1_000.0,
    );
    let (_, cost) = worker(&recording, BATCHES, &requests)?;
    table.note("the worker, user agents seen before", micros(cost));

    // Each has a user agent of its own, which none of those above has.
    let cost = {
        let mut fields: Vec<_> = requests
            .iter()
            .map(|request| request.headers.clone())
            .collect();
        let mut cpu = Duration::ZERO;
        for number in 0..BATCHES {
            for (offset, fields) in fields.iter_mut().enumerate() {
                let agent = agent(1_000_000 + number * BATCH + offset);
                if let Ok(value) = HeaderValue::from_str(&agent) {
                    fields.insert(USER_AGENT, value);
                }
            }
            let own = fields.iter().zip(&requests);
            let own = own.map(|(headers, request)| Request {
                headers,
                ..*request
            });
            cpu += worker(&recording, 1, &own.collect::<Vec<_>>())?.1;
        }
        cpu / u32::try_from(BATCHES).unwrap_or(1)
    };
    table.note("the worker, user agents never seen", micros(cost));
    recording.recorder.end(Duration::ZERO);

    let geography = Geography::open(&GeoPaths::default()).map_err(|error| error.to_string())?;
    for (family, wanted) in [("IPv4", false), ("IPv6", true)] {
        let (median, worst) = look_ups(&geography, wanted);
        let text = format!("{median:.0} ns, p99 {worst:.0}");
        table.bar(
            format!("country of an {family} address"),
            text,
            "< 1 us",
            median < 1_000.0,
        );
    }
    Ok(())
}

/// Has a batch noted so many times, each time after the worker is done. The nanoseconds that noting
/// took per visit, by batch, and the CPU time of the worker per visit.
fn worker(
    recording: &Recording,
    batches: usize,
    requests: &[Request<'_>],
) -> Result<(Vec<f64>, Duration), String> {
    let (mut noted, mut sent) = (Vec::new(), 0);
    let (cpu, before) = (usage::thread("visits"), recording.recorded());
    for _ in 0..batches {
        let start = Instant::now();
        requests.iter().for_each(|request| recording.note(request));
        noted.push(start.elapsed().as_nanos() as f64 / requests.len() as f64);
        recording.recorder.flush();
        sent += requests.len() as u64;
        let began = Instant::now();
        while recording.recorded() - before < sent {
            if began.elapsed() > PATIENCE {
                let recorded = recording.recorded() - before;
                return Err(format!("of {sent} visits {recorded} were recorded"));
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        // The kernel brings a thread's time up to date when it goes to sleep.
        std::thread::sleep(Duration::from_millis(1));
    }
    let cpu = usage::thread("visits").saturating_sub(cpu);
    Ok((noted, cpu / u32::try_from(sent).unwrap_or(1).max(1)))
}

/// The median and the 99th percentile of what a look-up takes, in nanoseconds.
fn look_ups(geography: &Geography, six: bool) -> (f64, f64) {
    let all = (0..)
        .map(address)
        .filter(|address| address.is_ipv6() == six);
    let addresses: Vec<IpAddr> = all.take(BATCH * BATCHES).collect();
    let batches = addresses.chunks(BATCH).map(|batch| {
        let start = Instant::now();
        for address in batch {
            black_box(geography.look_up(black_box(*address)));
        }
        start.elapsed().as_nanos() as f64 / batch.len() as f64
    });
    usage::quantiles(batches.collect())
}

fn micros(cpu: Duration) -> String {
    format!("{:.2} us CPU a visit", cpu.as_secs_f64() * 1e6)
}
