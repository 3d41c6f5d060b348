//! Changed configuration files are loaded by themselves.

use super::reload::Reloader;
use crate::proxy::Running;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at. Looking is a few `stat` calls; unlike notifications it sees
/// changes on network file systems, through symbolic links, and by editors that rename over.
const EVERY: Duration = Duration::from_millis(500);

/// What tells a changed file: its inode, size and time of change (ns).
type Fingerprint = BTreeMap<PathBuf, Option<(u64, u64, i64, i64)>>;

/// Watches for as long as the task lives.
pub async fn watch(reloader: Arc<Reloader>, running: Arc<Running>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut loaded = fingerprint(&running);
    let mut last = loaded.clone();
    loop {
        ticks.tick().await;
        reloader.free_retired();
        if !running.edge.load().watch {
            continue;
        }
        let now = fingerprint(&running);
        // A file that is still being written is left alone until it rests for one look.
        let resting = now == last;
        last = now.clone();
        if resting && now != loaded {
            // The mistakes of a wrong file are logged by the reloader, once: until it changes
            // again it is not loaded again.
            let _ = reloader.reload("the files changed").await;
            loaded = now;
            last = fingerprint(&running);
            if last.keys().ne(loaded.keys()) {
                // Other files are included now than before.
                loaded = last.clone();
            }
        }
    }
}

fn fingerprint(running: &Running) -> Fingerprint {
    let edge = running.edge.load();
    let files = edge.sources.watched().map(|path| {
        let facts = std::fs::metadata(path)
            .ok()
            .map(|m| (m.ino(), m.size(), m.mtime(), m.mtime_nsec()));
        (path.to_path_buf(), facts)
    });
    files.collect()
}
