//! Changed configuration files are loaded by themselves.

use super::reload::Reloader;
use crate::proxy::Running;
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at. Looking is a few `stat` calls; unlike notifications it sees
/// changes on network file systems, through symbolic links, and by editors that rename over.
const EVERY: Duration = Duration::from_millis(500);

/// Watches for as long as the task lives.
pub async fn watch(reloader: Arc<Reloader>, running: Arc<Running>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    loop {
        ticks.tick().await;
        reloader.free_retired();
        if !running.edge.load().watch {
            continue;
        }
        // What was read last counts, whether it was right or wrong, and by whose wish it was read:
        // a wrong file is reported once, and a reload by hand is not done again.
        let tried = reloader.tried();
        let now = tried.now();
        // A file that is still being written is left alone until it rests for one look.
        if now != *tried.seen() && last.as_ref() == Some(&now) {
            // The mistakes of a wrong file are logged by the reloader.
            let _ = reloader.reload("the files changed").await;
        }
        last = Some(now);
    }
}
