//! Answers that are kept.

use super::{NOW, at, desk_of, get, json, memory, told};
use crate::visits::statistics::api::{Asked, MOST_ANSWERS, MOST_BYTES};
use serde_json::json;
use std::sync::atomic::Ordering;

#[test]
fn an_answer_is_kept_until_something_is_different() {
    let memory = memory();
    let desk = desk_of(&memory);
    let reads = || memory.read.load(Ordering::Relaxed);
    let ask = |path, query, now: &str| desk.answer(&get(path, query, at(now)));
    let first = ask("/overview/", "", NOW);
    let before = reads();
    assert_eq!(ask("/overview/", "", "2026-11-21T14:35:59Z"), first);
    assert_eq!(ask("/overview", "", NOW), first);
    assert_eq!(reads(), before, "answered from memory");
    // The next minute.
    let next = ask("/overview/", "", "2026-11-21T14:36:00Z");
    assert_ne!(next.etag, first.etag);
    assert!(reads() > before);
    // What does not depend on the minute does not change with it, but with the date.
    let pages = ask("/top-pages/", "limit=3", NOW);
    assert_eq!(
        ask("/top-pages/", "limit=3&", "2026-11-21T22:59:59Z"),
        pages
    );
    let tomorrow = ask("/top-pages/", "limit=3", "2026-11-21T23:00:00Z");
    assert_ne!(tomorrow.etag, pages.etag);
    // Another version.
    memory.version.fetch_add(1, Ordering::Relaxed);
    let before = reads();
    assert_ne!(ask("/top-pages/", "limit=3", NOW).etag, pages.etag);
    assert!(reads() > before);
    // Other questions have other tags.
    let mut tags: Vec<_> = [
        "",
        "limit=4",
        "country=FR",
        "country=DE",
        "site=shop",
        "path=/",
        "os=/",
    ]
    .iter()
    .map(|query| ask("/top-pages/", query, NOW).etag)
    .collect();
    tags.push(ask("/os/", "", NOW).etag);
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), 8);
    // Cleared.
    let before = reads();
    let cleared = desk.answer(&Asked {
        method: "POST",
        ..get("/clear-cache/", "", at(NOW))
    });
    assert_eq!(
        (cleared.status, json(&cleared)),
        (200, json!({ "cleared": true }))
    );
    assert_eq!(memory.forgotten.load(Ordering::Relaxed), 1);
    ask("/os/", "", NOW);
    assert!(reads() > before);
}

#[test]
fn what_is_remembered_is_bounded() {
    let memory = memory();
    let desk = desk_of(&memory);
    for offset in 0..2000 {
        let query = format!("offset={offset}");
        assert_eq!(desk.answer(&get("/os/", &query, at(NOW))).status, 200);
        let remembered = desk.remembered.lock().unwrap();
        assert!((1..=MOST_ANSWERS).contains(&remembered.answers.len()));
        let bytes: usize = remembered.answers.values().map(Vec::len).sum();
        assert_eq!(bytes, remembered.bytes);
    }
    desk.remember(9, 1, &vec![0; MOST_BYTES]);
    desk.remember(9, 2, b"x");
    desk.remember(9, 3, &vec![0; MOST_BYTES + 1]);
    assert!(desk.remembered.lock().unwrap().bytes <= MOST_BYTES);
}

#[test]
fn who_has_the_answer_gets_304() {
    let memory = memory();
    let desk = desk_of(&memory);
    let asked = get("/top-pages/", "", at(NOW));
    let etag = desk.answer(&asked).etag.unwrap();
    let strong = etag.trim_start_matches("W/").to_string();
    for tags in [
        etag.clone(),
        strong,
        format!("\"a\", {etag} ,W/\"b\""),
        "*".to_string(),
    ] {
        for method in ["GET", "HEAD"] {
            let asked = Asked {
                method,
                if_none_match: Some(&tags),
                ..asked
            };
            let reply = desk.answer(&asked);
            assert_eq!(
                (reply.status, reply.body.len(), reply.etag.as_ref()),
                (304, 0, Some(&etag)),
                "{tags}"
            );
        }
    }
    for tags in ["", "\"a\"", "W/", "W/\"\""] {
        let asked = Asked {
            if_none_match: Some(tags),
            ..asked
        };
        assert_eq!(desk.answer(&asked).status, 200, "{tags}");
    }
    memory.version.fetch_add(1, Ordering::Relaxed);
    let asked = Asked {
        if_none_match: Some(&etag),
        ..asked
    };
    assert_eq!(desk.answer(&asked).status, 200);
    // Another process makes other tags.
    assert_eq!(desk_of(&memory).answer(&asked).status, 200);
}

#[test]
fn threads_share_a_desk() {
    let memory = memory();
    let desk = desk_of(&memory);
    let wanted = told(&desk, &get("/chart/", "country=FR", at(NOW)));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    memory.version.fetch_add(1, Ordering::Relaxed);
                    let asked = get("/chart/", "country=FR", at(NOW));
                    assert_eq!(told(&desk, &asked), wanted);
                }
            });
        }
    });
}
