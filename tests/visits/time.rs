//! The clock over midnight and over the changes to and from summer time, and long after.

use crate::clock::{Clock, day};
use crate::support::{Folder, Parvis, until};
use crate::{IPHONE, ON, app, ask, configuration, count, counted, end, query, see, stored};
use serde_json::Value;
use std::collections::BTreeSet;

const PARIS: &str = "time_zone = \"Europe/Paris\"";

/// Two visitors look at a page at this time, and are in the database.
fn two_come(parvis: &Parvis, clock: &Clock, time: &str, before: u64) -> u64 {
    clock.set(time);
    see(parvis, "/", "");
    see(parvis, "/", &format!("User-Agent: {IPHONE}\r\n"));
    stored(&parvis.folder, before + 2);
    before + 2
}

/// Whether a day is counted for good.
fn closed(parvis: &Parvis, date: &str) -> Option<()> {
    let days = query(&parvis.folder, "SELECT date, open FROM days");
    let mut of = days.iter().filter(|row| row["date"] == day(date));
    (of.next()?["open"] == 0).then_some(())
}

fn numbers(parvis: &Parvis, site: &str, what: &str) -> (Value, Value) {
    let overview = ask(parvis, &format!("overview/{site}"));
    let period = &overview[what];
    (period["guests"].clone(), period["views"].clone())
}

#[test]
fn a_visitor_is_another_after_midnight_and_the_key_is_gone() {
    let app = app();
    let text = configuration(&app, "", PARIS, ON);
    // 23:59:50 in Paris.
    let clock = Clock::at("2026-07-14T21:59:50Z");
    let parvis = clock.start(Folder::new(), &text);
    let mut sent = 0;
    for time in [
        "2026-07-14T21:59:50Z",
        "2026-07-14T21:59:55Z",
        "2026-07-14T22:00:05Z",
        "2026-07-14T22:00:10Z",
    ] {
        sent = two_come(&parvis, &clock, time, sent);
    }
    let rows = stored(&parvis.folder, 8);
    for column in ["visitor", "session"] {
        let of = |rows: &[Value]| -> BTreeSet<i64> {
            rows.iter()
                .map(|row| row[column].as_i64().unwrap())
                .collect()
        };
        let (yesterday, today) = (of(&rows[..4]), of(&rows[4..]));
        assert_eq!((yesterday.len(), today.len()), (2, 2), "{column}");
        assert!(
            yesterday.is_disjoint(&today),
            "{column}: {yesterday:?} {today:?}"
        );
    }
    counted(&parvis, 8);
    assert_eq!(numbers(&parvis, "", "today"), (2.into(), 4.into()));
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 4.into()));
    assert_eq!(numbers(&parvis, "", "days_7"), (4.into(), 8.into()));
    let chart = ask(&parvis, "chart/?period=daily&days=2");
    let points = chart["points"].as_array().unwrap();
    let starts: Vec<&str> = points
        .iter()
        .map(|point| point["start"].as_str().unwrap())
        .collect();
    assert_eq!(starts, ["2026-07-14", "2026-07-15"]);
    assert!(
        points
            .iter()
            .all(|point| point["views"] == 4 && point["guests"] == 2),
        "{chart:#}"
    );

    // A little later nobody has yesterday's key any more.
    clock.set("2026-07-14T22:01:30Z");
    until("yesterday's key is gone", || {
        let keys = parvis.folder.read("visits.sqlite.spool/visitor.keys");
        let days: Vec<&str> = keys
            .lines()
            .filter_map(|line| line.split(' ').next())
            .collect();
        (days == [day("2026-07-15").to_string()]).then_some(())
    });
    let left = std::fs::read_dir(parvis.folder.join("visits.sqlite.spool")).unwrap();
    let keys = left.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .file_name()
            .to_string_lossy()
            .contains("visitor")
    });
    assert_eq!(keys.count(), 1, "a copy of the keys is left");

    // Then the day is closed, and tells the same.
    clock.set("2026-07-14T22:20:00Z");
    until("the day is closed", || closed(&parvis, "2026-07-14"));
    assert_eq!(ask(&parvis, "chart/?period=daily&days=2"), chart);
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 4.into()));
    let mut parvis = parvis;
    end(&mut parvis);
    let folder = std::mem::replace(&mut parvis.folder, Folder::new());
    let parvis = clock.start(folder, &text);
    assert_eq!(ask(&parvis, "chart/?period=daily&days=2"), chart);
    // The same visitors come again: they are no new guests of this day.
    two_come(&parvis, &clock, "2026-07-14T22:21:00Z", 8);
    counted(&parvis, 10);
    assert_eq!(numbers(&parvis, "", "today"), (2.into(), 6.into()));
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 4.into()));
}

/// The points of a day by the hour, with how often somebody came.
fn hours(parvis: &Parvis) -> Vec<(String, i64)> {
    let chart = ask(parvis, "chart/?period=hourly&days=1");
    let points = chart["points"].as_array().unwrap();
    let times: Vec<i64> = points
        .iter()
        .map(|point| point["time"].as_i64().unwrap())
        .collect();
    assert!(
        times.windows(2).all(|pair| pair[1] - pair[0] == 3600),
        "{chart:#}"
    );
    points
        .iter()
        .map(|point| {
            let start = point["start"].as_str().unwrap();
            let parsed: jiff::Timestamp = start.parse().unwrap();
            assert_eq!(parsed.as_second(), point["time"].as_i64().unwrap());
            (start.to_string(), point["views"].as_i64().unwrap())
        })
        .collect()
}

fn came(hours: &[(String, i64)]) -> Vec<(&str, i64)> {
    hours
        .iter()
        .filter(|hour| hour.1 > 0)
        .map(|(start, views)| (start.as_str(), *views))
        .collect()
}

#[test]
fn a_day_in_spring_has_23_hours() {
    let app = app();
    let clock = Clock::at("2026-03-28T22:59:50Z");
    let parvis = clock.start(Folder::new(), &configuration(&app, "", PARIS, ON));
    let mut sent = 0;
    for time in [
        "2026-03-28T22:59:55Z", // 23:59:55 of the day before
        "2026-03-28T23:00:05Z", // 00:00:05
        "2026-03-29T00:59:50Z", // 01:59:50
        "2026-03-29T01:00:05Z", // 03:00:05
        "2026-03-29T21:59:50Z", // 23:59:50
    ] {
        sent = two_come(&parvis, &clock, time, sent);
    }
    counted(&parvis, sent);
    let day = hours(&parvis);
    assert_eq!(day.len(), 23);
    assert!(
        !day.iter().any(|(start, _)| start.contains("T02:")),
        "{day:?}"
    );
    let expected = [
        ("2026-03-29T00:00:00+01:00", 2),
        ("2026-03-29T01:00:00+01:00", 2),
        ("2026-03-29T03:00:00+02:00", 2),
        ("2026-03-29T23:00:00+02:00", 2),
    ];
    assert_eq!(came(&day), expected);
    assert_eq!(numbers(&parvis, "", "today"), (2.into(), 8.into()));
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 2.into()));
    two_come(&parvis, &clock, "2026-03-29T22:00:05Z", sent);
    counted(&parvis, sent + 2);
    assert_eq!(numbers(&parvis, "", "today"), (2.into(), 2.into()));
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 8.into()));
    let two = ask(&parvis, "chart/?period=hourly&days=3");
    assert_eq!(two["points"].as_array().unwrap().len(), 24 + 23 + 24);
}

#[test]
fn a_day_in_autumn_has_25_hours() {
    let app = app();
    let clock = Clock::at("2026-10-24T21:59:50Z");
    let parvis = clock.start(Folder::new(), &configuration(&app, "", PARIS, ON));
    let mut sent = 0;
    for time in [
        "2026-10-24T21:59:55Z", // 23:59:55 of the day before
        "2026-10-24T22:00:05Z", // 00:00:05
        "2026-10-25T00:59:50Z", // 02:59:50, summer time
        "2026-10-25T01:00:05Z", // 02:00:05, winter time
        "2026-10-25T02:00:05Z", // 03:00:05
        "2026-10-25T22:59:50Z", // 23:59:50
    ] {
        sent = two_come(&parvis, &clock, time, sent);
    }
    counted(&parvis, sent);
    let day = hours(&parvis);
    assert_eq!(day.len(), 25);
    let expected = [
        ("2026-10-25T00:00:00+02:00", 2),
        ("2026-10-25T02:00:00+02:00", 2),
        ("2026-10-25T02:00:00+01:00", 2),
        ("2026-10-25T03:00:00+01:00", 2),
        ("2026-10-25T23:00:00+01:00", 2),
    ];
    assert_eq!(came(&day), expected);
    assert_eq!(numbers(&parvis, "", "today"), (2.into(), 10.into()));
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 2.into()));
    two_come(&parvis, &clock, "2026-10-25T23:00:05Z", sent);
    counted(&parvis, sent + 2);
    assert_eq!(numbers(&parvis, "", "yesterday"), (2.into(), 10.into()));
}

#[test]
fn two_sites_have_days_of_their_own() {
    let app = app();
    let text = configuration(&app, "", "time_zone = \"Asia/Tokyo\"", ON) + &site_of_paris();
    // 23:58 in Tokyo, 16:58 in Paris.
    let clock = Clock::at("2026-07-14T14:58:00Z");
    let parvis = clock.start(Folder::new(), &text);
    let both = |sent: u64| {
        for host in ["paris.test", "tokyo.test"] {
            seen_at(&parvis, host);
        }
        stored(&parvis.folder, sent);
    };
    // Yesterday in Tokyo.
    clock.set("2026-07-14T14:59:00Z");
    both(2);
    clock.set("2026-07-14T15:00:10Z");
    both(4);
    until("both are counted", || {
        (numbers(&parvis, "?site=s", "days_7").1 == 2).then_some(())
    });
    assert_eq!(
        numbers(&parvis, "?site=paris", "today"),
        (1.into(), 2.into())
    );
    assert_eq!(
        numbers(&parvis, "?site=paris", "yesterday"),
        (0.into(), 0.into())
    );
    assert_eq!(numbers(&parvis, "?site=s", "today"), (1.into(), 1.into()));
    assert_eq!(
        numbers(&parvis, "?site=s", "yesterday"),
        (1.into(), 1.into())
    );
    assert_eq!(ask(&parvis, "overview/?site=s")["time_zone"], "Asia/Tokyo");
    // Midnight of one is not the end of the other's day: its key stays.
    clock.set("2026-07-14T15:02:00Z");
    both(6);
    until("its visitor is no new guest", || {
        (numbers(&parvis, "?site=paris", "today") == (1.into(), 3.into())).then_some(())
    });
}

#[test]
fn all_sites_together_leave_nobody_out() {
    let app = app();
    let text = configuration(&app, "", "time_zone = \"Asia/Tokyo\"", ON) + &site_of_paris();
    // Already the 15th in Tokyo, still the 14th elsewhere.
    let clock = Clock::at("2026-07-14T15:30:00Z");
    let parvis = clock.start(Folder::new(), &text);
    for host in ["paris.test", "tokyo.test"] {
        seen_at(&parvis, host);
    }
    stored(&parvis.folder, 2);
    until("each is counted", || {
        let of = |site: &str| numbers(&parvis, site, "today").1 == 1;
        (of("?site=s") && of("?site=paris")).then_some(())
    });
    for what in ["all_time", "days_30", "today"] {
        assert_eq!(numbers(&parvis, "", what), (2.into(), 2.into()), "{what}");
    }
}

fn site_of_paris() -> String {
    "[[site]]\nname = \"paris\"\nhosts = [\"paris.test\"]\nlisten = [\"127.0.0.1:0\"]\n\
     visits = { time_zone = \"Europe/Paris\" }\n[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n"
        .to_string()
}

fn seen_at(parvis: &Parvis, host: &str) {
    let mut client = parvis.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {IPHONE}\r\n\r\n"
    ));
    assert_eq!(client.reply().status, 200);
}

#[test]
fn a_clock_that_goes_back_loses_nothing() {
    let app = app();
    let clock = Clock::at("2026-07-14T22:30:00Z");
    let parvis = clock.start(Folder::new(), &configuration(&app, "", PARIS, ON));
    let mut sent = 0;
    // An hour back, over midnight, and to the same second again and again.
    for time in ["22:30:00", "21:30:00", "21:30:00", "22:30:00", "21:30:00"] {
        sent = two_come(&parvis, &clock, &format!("2026-07-14T{time}Z"), sent);
    }
    clock.set("2026-07-14T22:31:00Z");
    counted(&parvis, sent);
    let today = numbers(&parvis, "", "today");
    assert_eq!(
        (today.1, numbers(&parvis, "", "yesterday").1),
        (4.into(), 6.into())
    );
    let rows = stored(&parvis.folder, sent);
    let ids: BTreeSet<&str> = rows
        .iter()
        .map(|row| row["uuid"].as_str().unwrap())
        .collect();
    assert_eq!(ids.len() as u64, sent);
}

#[test]
fn single_visits_go_after_their_time_and_what_was_counted_stays() {
    let app = app();
    // A zone of its own: the usual one goes by the clock on the wall, not by the one that is set here.
    let visits = "time_zone = \"Etc/GMT\"\nkeep_raw = \"2d\"";
    let text = configuration(&app, "", visits, ON);
    let clock = Clock::at("2026-05-01T12:00:00Z");
    let mut parvis = clock.start(Folder::new(), &text);
    let mut sent = two_come(&parvis, &clock, "2026-05-01T12:00:00Z", 0);
    sent = two_come(&parvis, &clock, "2026-05-03T12:00:00Z", sent);
    assert_eq!(sent, 4);
    until("the first day is closed", || closed(&parvis, "2026-05-01"));
    end(&mut parvis);
    clock.set("2026-05-04T12:00:00Z");
    let folder = std::mem::replace(&mut parvis.folder, Folder::new());
    let parvis = clock.start(folder, &text);
    until("old ones are gone", || {
        (count(&parvis.folder) == 2).then_some(())
    });
    counted(&parvis, 4);
    let chart = ask(&parvis, "chart/?period=daily&days=4");
    let views: Vec<i64> = chart["points"]
        .as_array()
        .unwrap()
        .iter()
        .map(|point| point["views"].as_i64().unwrap())
        .collect();
    assert_eq!(views, [2, 0, 2, 0]);
    let pages = ask(&parvis, "top-pages/?days=30");
    assert_eq!(pages["total"]["views"], 4);
    assert_eq!(pages["total"]["guests"], 4);
}
