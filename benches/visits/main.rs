//! What guests' visits cost, beside the requests in which they are seen.
//!
//! ```text
//! cargo bench --bench visits                  all parts
//! cargo bench --bench visits -- queue         100,000 visits a second for ten seconds
//! cargo bench --bench visits -- enrich        what the worker does with one visit
//! cargo bench --bench visits -- store         questions about 10 million visits
//! ```
//!
//! `store` takes two minutes and 4 GiB in the temporary folder; PARVIS_BENCH_VISITS gives another
//! number of visits. `queue` needs redis-server, and room in memory for a million visits in a list, 1 GiB. What
//! recording costs a running server is measured by `benches/versus/run --rows visits`.
//!
//! Exit status: 0 all bars held, 1 a bar was missed, 2 something did not work.

mod enrich;
mod queue;
mod recording;
mod redis;
mod store;
mod table;
mod traffic;
mod usage;

use std::process::ExitCode;
use table::Table;

// As in parvis itself.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A part: its name, and what measures it.
type Part = (&'static str, fn(&mut Table) -> Result<(), String>);

const PARTS: [Part; 3] = [
    ("enrich", enrich::measure),
    ("queue", queue::measure),
    ("store", store::measure),
];

fn main() -> ExitCode {
    // cargo adds `--bench`.
    let chosen: Vec<String> = std::env::args()
        .skip(1)
        .filter(|word| word != "--bench")
        .collect();
    let names = PARTS.map(|(name, _)| name);
    if let Some(other) = chosen.iter().find(|word| !names.contains(&word.as_str())) {
        eprintln!("no part {other:?}; there are {}", names.join(", "));
        return ExitCode::from(2);
    }
    let mut table = Table::default();
    for (name, measure) in PARTS {
        if !chosen.is_empty() && !chosen.iter().any(|word| word == name) {
            continue;
        }
        if let Err(error) = measure(&mut table) {
            eprintln!("{name}: {error}");
            return ExitCode::from(2);
        }
    }
    print!("{table}");
    ExitCode::from(u8::from(!table.held()))
}
