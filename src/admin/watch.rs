//! Changed configuration files are loaded by themselves.

use super::reload::Reloader;
use crate::proxy::Running;
use std::sync::Arc;
use std::time::Duration;

/// How often the files are looked at. Looking is a few `stat` calls; unlike notifications it sees
/// changes on network file systems, through symbolic links, and by editors that rename over.
const EVERY: Duration = Duration::from_millis(500);

/// After so many looks, files that were deleted are given up: every five seconds.
const SWEEP: u32 = 10;

/// Watches for as long as the task lives.
pub async fn watch(reloader: Arc<Reloader>, running: Arc<Running>) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    let mut looks = 0u32;
    loop {
        ticks.tick().await;
        reloader.free_retired();
        looks = looks.wrapping_add(1);
        if looks.is_multiple_of(SWEEP) {
            let edge = running.edge.load_full();
            let sweep = move || edge.files.forget_deleted();
            // Should it panic, the next one may not.
            let _ = tokio::task::spawn_blocking(sweep).await;
        }
        if !running.edge.load().watch {
            continue;
        }
        // What was read last counts, whether it was right or wrong, and by whose wish it was read:
        // a wrong file is reported once, and a reload by hand is not done again.
        let tried = reloader.tried();
        let now = tried.now();
        // A file that is still being written is left alone until it rests for one look.
        if now != tried.seen() && last.as_ref() == Some(&now) {
            // The mistakes of a wrong file are logged by the reloader.
            let _ = reloader.reload("the files changed").await;
        }
        last = Some(now);
    }
}
