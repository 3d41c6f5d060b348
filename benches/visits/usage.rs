//! What this process uses, as the kernel tells it.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// CPU time by the name of threads that live now. The first is not among them: it is named after
/// this program.
pub fn threads() -> BTreeMap<String, Duration> {
    let mut found = BTreeMap::new();
    let Ok(tasks) = fs::read_dir("/proc/self/task") else {
        return found;
    };
    let own = std::process::id().to_string();
    for task in tasks.flatten().filter(|task| *task.file_name() != *own) {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        let (name, times) = (read("comm"), read("schedstat"));
        // The first number is the time on a processor, in nanoseconds.
        let nanos = times.split(' ').next().and_then(|text| text.parse().ok());
        *found.entry(name.trim().to_string()).or_default() +=
            Duration::from_nanos(nanos.unwrap_or(0));
    }
    found
}

/// CPU time of all threads of this name.
pub fn thread(name: &str) -> Duration {
    threads().remove(name).unwrap_or_default()
}

/// The memory now and its peak, in MiB.
pub fn memory() -> (f64, f64) {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or(0.0) / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Forgets the peak of the memory (proc(5), `clear_refs`).
pub fn forget_peak() {
    // Where that is not allowed, the peak is of the whole run: too much, never too little.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// The median and the 99th percentile.
pub fn quantiles(mut values: Vec<f64>) -> (f64, f64) {
    values.sort_by(f64::total_cmp);
    let at = |share: usize| {
        let last = values.len().saturating_sub(1);
        values.get(last * share / 100).copied().unwrap_or(0.0)
    };
    (at(50), at(99))
}
