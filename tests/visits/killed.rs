//! What is left of visits when parvis is killed, and that an end in order leaves nothing undone.

use crate::load::{Load, Seen};
use crate::redis::{LIST, to_redis};
use crate::support::{Folder, Parvis, Redis, until};
use crate::{ON, again, app, ask, configuration, count, counted, end, query, rows, stored, texts};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// What arrived less than this long before a kill may be lost.
const LOST: Duration = Duration::from_secs(1);

/// Kills parvis in the middle of a load; what each visitor saw, and how many pages of it must not
/// be lost.
fn killed(parvis: &mut Parvis, name: &str, least: u64) -> Vec<(Vec<Seen>, usize)> {
    let load = Load::start(parvis.address(), name, 2);
    let began = Instant::now();
    until("visitors have come for a while", || {
        (load.sent() >= least && began.elapsed() > LOST + LOST / 2).then_some(())
    });
    let now = Instant::now();
    parvis.signal("KILL");
    assert!(!parvis.wait().success());
    let seen = load.end().into_iter();
    seen.map(|pages| {
        let safe = pages.iter().filter(|(_, at)| *at + LOST < now).count();
        (pages, safe)
    })
    .collect()
}

/// Each visitor's pages are there once, in order, up to one that was late enough to be lost.
fn kept(found: &[&str], seen: &[(Vec<Seen>, usize)]) {
    let mut all = 0;
    for (pages, safe) in seen {
        let name = pages[0].0.trim_end_matches('0');
        let own: Vec<&str> = found
            .iter()
            .copied()
            .filter(|path| path.starts_with(name))
            .collect();
        let expected: Vec<String> = (0..own.len()).map(|n| format!("{name}{n}")).collect();
        assert_eq!(own, expected);
        // The last one may have been answered when the visitor could not hear it any more.
        assert!(
            (*safe..=pages.len() + 1).contains(&own.len()),
            "{name}: {} pages are there; {} were seen, {safe} more than a second before the kill",
            own.len(),
            pages.len()
        );
        all += own.len();
    }
    assert_eq!(found.len(), all);
}

fn sound(folder: &Folder) {
    let found = query(folder, "PRAGMA integrity_check");
    assert_eq!(found[0]["integrity_check"], "ok", "{found:?}");
}

/// Waits until the sinks have taken all that is in the spool.
fn settled(parvis: &Parvis) {
    until("nothing waits", || {
        let status = parvis.status();
        let sinks = status["visits"]["sinks"].as_array()?.clone();
        sinks.iter().all(|sink| sink["waiting"] == 0).then_some(())
    });
}

#[test]
fn a_kill_loses_at_most_the_last_second_and_doubles_nothing() {
    let app = app();
    let text = configuration(&app, "", "", ON);
    let mut parvis = Parvis::start(&text);
    let mut seen = Vec::new();
    for (round, least) in [100, 250, 400].into_iter().enumerate() {
        seen.extend(killed(&mut parvis, &format!("round{round}"), least));
        parvis = again(parvis, &text);
    }
    settled(&parvis);
    let rows = rows(&parvis.folder);
    kept(&texts(&rows, "path"), &seen);
    let ids: BTreeSet<&str> = texts(&rows, "uuid").into_iter().collect();
    assert_eq!(ids.len(), rows.len());
    // The day's key outlives a kill: it was one visitor all the time.
    let visitors: BTreeSet<i64> = rows
        .iter()
        .map(|row| row["visitor"].as_i64().unwrap())
        .collect();
    assert_eq!(visitors.len(), 1);
    let overview = counted(&parvis, rows.len() as u64);
    assert_eq!(overview["all_time"]["guests"], 1);
    let pages = ask(&parvis, "top-pages/?limit=100");
    assert_eq!(pages["total"]["views"], rows.len() as u64);
    assert_eq!(pages["count"], rows.len() as u64);
    sound(&parvis.folder);
    // And it is not taken once more.
    end(&mut parvis);
    let parvis = again(parvis, &text);
    counted(&parvis, rows.len() as u64);
    assert_eq!(count(&parvis.folder), rows.len() as u64);
}

#[test]
fn a_kill_while_redis_takes_visits_doubles_nothing() {
    let redis = Redis::start();
    let app = app();
    let text = to_redis(&app, &redis, "");
    let mut parvis = Parvis::start(&text);
    let mut seen = Vec::new();
    for round in 0..2 {
        seen.extend(killed(&mut parvis, &format!("round{round}"), 100));
        parvis = again(parvis, &text);
    }
    settled(&parvis);
    let list = redis.list(LIST);
    let ids: BTreeSet<&str> = texts(&list, "id").into_iter().collect();
    assert_eq!(ids.len(), list.len(), "an id is there twice");
    kept(&texts(&list, "path"), &seen);
    assert_eq!(list.len() as u64, count(&parvis.folder));
}

#[test]
fn an_end_in_order_leaves_nothing_undone() {
    let redis = Redis::start();
    let app = app();
    let text = to_redis(&app, &redis, "");
    let mut parvis = Parvis::start(&text);
    let load = Load::start(parvis.address(), "load", 4);
    until("visitors came", || (load.sent() > 300).then_some(()));
    end(&mut parvis);
    // parvis is gone: what is there now is all.
    let seen: Vec<(Vec<Seen>, usize)> = load
        .end()
        .into_iter()
        .map(|pages| (pages.clone(), pages.len()))
        .collect();
    let rows = rows(&parvis.folder);
    kept(&texts(&rows, "path"), &seen);
    kept(&texts(&redis.list(LIST), "path"), &seen);
    sound(&parvis.folder);
    let parvis = again(parvis, &text);
    counted(&parvis, rows.len() as u64);
    stored(&parvis.folder, rows.len() as u64);
    assert_eq!(redis.length(LIST), rows.len() as i64);
}
