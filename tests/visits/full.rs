//! A crowd, and more that waits than there is room for: then the oldest go, and are counted.

use crate::redis::{LIST, to_redis};
use crate::support::{Client, Parvis, Redis, until};
use crate::{DATABASE, FIREFOX, ON, app, configuration, counted, sink, stored, texts, view};
use std::collections::BTreeSet;

/// Most of what is kept of a view, so that few of them fill the room.
const LONG: usize = 900;

#[test]
fn the_oldest_go_when_there_is_no_room_and_are_counted() {
    let mut redis = Redis::away();
    let app = app();
    let text = to_redis(&app, &redis, "").replace(
        &format!("store = \"@DIR/{DATABASE}\""),
        "store = \"off\"\nspool = \"@DIR/spool\"\nspool_size = \"16MiB\"",
    );
    let parvis = Parvis::start(&text);
    let filler = "x".repeat(LONG);
    let agent = format!("{FIREFOX} {filler}{filler}");
    let mut client = Client::connect(parvis.address());
    let mut sent = 0;
    let lost = |parvis: &Parvis| parvis.status()["visits"]["lost"].as_u64().unwrap();
    while sent < 5_000 || lost(&parvis) == 0 {
        assert!(
            sent < 30_000,
            "nothing is lost: {:#}",
            parvis.status()["visits"]
        );
        // A thousand at a time, without waiting for each answer.
        for page in sent..sent + 1_000 {
            client.send(format!(
                "GET /{page}/{filler} HTTP/1.1\r\nHost: t\r\nUser-Agent: {agent}\r\n\
                 Referer: https://news.example/{filler}\r\n\r\n"
            ));
            assert_eq!(client.reply().status, 200);
        }
        sent += 1_000;
    }
    until("all wait or are lost", || {
        let waiting = sink(&parvis, "redis")["waiting"].as_u64()?;
        (waiting + lost(&parvis) == sent).then_some(())
    });
    let bytes = parvis.status()["visits"]["spool_bytes"].as_u64().unwrap();
    assert!(bytes <= 16 << 20, "{bytes} bytes");
    let lost = lost(&parvis);
    assert_eq!(parvis.metric("parvis_visits_lost_total"), lost as f64);
    assert!(lost < sent / 2, "{lost} of {sent}");
    redis.begin();
    until("the others are delivered", || {
        (redis.length(LIST) as u64 >= sent - lost).then_some(())
    });
    let list = redis.list(LIST);
    let numbers = texts(&list, "path");
    let numbers = numbers
        .iter()
        .map(|path| path.split('/').nth(1).unwrap().parse::<u64>().unwrap());
    assert!(
        numbers.eq(lost..sent),
        "other ones than the oldest were lost"
    );
}

#[test]
fn a_crowd_is_counted_to_the_last() {
    const VISITORS: u64 = 16;
    const PAGES: u64 = 250;
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    let address = parvis.address();
    std::thread::scope(|scope| {
        for visitor in 0..VISITORS {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for page in 0..PAGES {
                    let path = format!("/{visitor}/{page}");
                    assert_eq!(view(&mut client, &path, "").status, 200);
                }
            });
        }
    });
    let rows = stored(&parvis.folder, VISITORS * PAGES);
    let paths: BTreeSet<&str> = texts(&rows, "path").into_iter().collect();
    assert_eq!(paths.len(), rows.len());
    let overview = counted(&parvis, VISITORS * PAGES);
    assert_eq!(overview["today"]["guests"], 1);
    let series = "parvis_visits_total{site=\"s\",source=\"web\"}";
    assert_eq!(parvis.metric(series), (VISITORS * PAGES) as f64);
    assert_eq!(parvis.metric("parvis_visits_dropped_total"), 0.0);
}
