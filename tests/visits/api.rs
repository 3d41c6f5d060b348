//! The numbers over HTTP: that they are right, whatever is asked.

use crate::support::Parvis;
use crate::{FIREFOX, IPHONE, about_noon, app, ask, configuration, counted, rows, stored};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/138.0.0.0 Safari/537.36";
const PIXEL: &str = "Mozilla/5.0 (Linux; Android 15; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/138.0.0.0 Mobile Safari/537.36";
const ADDRESSES: [&str; 5] = [
    "193.0.6.139",
    "8.8.8.8",
    "10.0.0.1",
    "193.0.6.140",
    "8.8.4.4",
];
const PAGES: [&str; 6] = ["/", "/a/", "/b/", "/caf%C3%A9/", "/a+b%26c/", "/%3Cb%3E/"];
const REFERRERS: [&str; 5] = [
    "",
    "https://news.example/x?y",
    "https://www.search.example/",
    "http://s.test/before",
    "https://news.example/z",
];

/// Two sites with zones of their own, each with visits of all kinds.
pub fn busy(views: usize) -> (crate::Backend, Parvis) {
    let app = app();
    let top = "[server]\nthreads = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
    let mut text = configuration(&app, top, "", "visits = { api = [\"/api/*\"] }");
    text.push_str(&format!(
        "[[site]]\nname = \"other\"\nhosts = [\"other.test\"]\nlisten = [\"127.0.0.1:0\"]\n\
         visits = {{ time_zone = \"{}\" }}\n[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        about_noon(2)
    ));
    let parvis = Parvis::start(&text);
    let mut client = parvis.client();
    for view in 0..views {
        // Small primes, so that all come together in all ways.
        let host = if view % 4 == 3 {
            "other.test"
        } else {
            "s.test"
        };
        let agent = [FIREFOX, IPHONE, CHROME, PIXEL, FIREFOX, CHROME, FIREFOX][view % 7];
        let address = ADDRESSES[view / 3 % 5];
        let page = PAGES[view * view % 11 % 6];
        let referrer = REFERRERS[view / 2 % 5];
        let more = match view % 13 {
            5 => "HX-Request: true\r\n",
            7 => "X-App-Source: ios\r\n",
            _ => "",
        };
        client.send(format!(
            "GET {page} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nReferer: {referrer}\r\n\
             X-Forwarded-For: {address}\r\n{more}\r\n"
        ));
        assert_eq!(client.reply().status, 200);
    }
    stored(&parvis.folder, views as u64);
    counted(&parvis, views as u64);
    (app, parvis)
}

/// A visit as the statistics see it: what is counted by, and whether it is the visitor's first of
/// the day, and on this page.
struct Counted {
    of: BTreeMap<&'static str, String>,
    /// From a page of the same site.
    internal: bool,
    first: bool,
    first_here: bool,
}

fn counted_rows(rows: &[Value]) -> Vec<Counted> {
    let (mut seen, mut here) = (BTreeSet::new(), BTreeSet::new());
    let text = |row: &Value, column: &str| row[column].as_str().unwrap_or("").to_string();
    rows.iter()
        .filter(|row| row["partial"] == 0)
        .map(|row| {
            let (visitor, host) = (row["visitor"].as_i64().unwrap(), text(row, "referrer_host"));
            let devices = ["mobile", "tablet", "desktop", "bot", "other"];
            let device = devices[row["device"].as_u64().unwrap() as usize];
            let internal = host.is_empty() && row["referrer"].is_string();
            let source = if row["source"] == 1 { "app" } else { "web" };
            let referrer = if host.is_empty() {
                "(direct)".to_string()
            } else {
                host
            };
            Counted {
                first: seen.insert(visitor),
                first_here: here.insert((visitor, text(row, "path"))),
                internal,
                of: BTreeMap::from([
                    ("site", text(row, "name")),
                    ("source", source.to_string()),
                    ("country", text(row, "country")),
                    ("path", text(row, "path")),
                    ("device", device.to_string()),
                    ("browser", text(row, "browser")),
                    ("os", text(row, "os")),
                    ("referrer", referrer),
                ]),
            }
        })
        .collect()
}

/// What passes the filters; who is directly there has come from no page at all.
fn passing<'a>(all: &'a [Counted], filters: &[(&str, &str)]) -> Vec<&'a Counted> {
    let passes = |visit: &&Counted| {
        filters.iter().all(|(name, value)| {
            visit.of[name] == *value && !(*name == "referrer" && visit.internal)
        })
    };
    all.iter().filter(passes).collect()
}

fn pair(visits: &[&Counted], by_page: bool) -> (u64, u64) {
    let guest = |visit: &&&Counted| {
        if by_page {
            visit.first_here
        } else {
            visit.first
        }
    };
    (
        visits.len() as u64,
        visits.iter().filter(guest).count() as u64,
    )
}

fn told(of: &Value) -> (u64, u64) {
    let number = |what: &str| {
        of[what]
            .as_u64()
            .unwrap_or_else(|| panic!("no {what}: {of:#}"))
    };
    (number("views"), number("guests"))
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn every_number_is_what_was_sent_whatever_is_filtered() {
    let (_app, parvis) = busy(300);
    let rows = rows(&parvis.folder);
    let all = counted_rows(&rows);
    let partials = rows.len() - all.len();
    assert!(partials > 10);
    let some = |name: &'static str| all[all.len() / 2].of[name].clone();
    let (browser, os) = (some("browser"), some("os"));
    let filters: Vec<Vec<(&str, &str)>> = vec![
        vec![],
        vec![("site", "s")],
        vec![("site", "other")],
        vec![("source", "app")],
        vec![("source", "web")],
        vec![("country", "NL")],
        vec![("country", "ZZ"), ("site", "s")],
        vec![("path", "/café/")],
        vec![("path", "/a+b&c/"), ("source", "web")],
        vec![("device", "mobile")],
        vec![("browser", &browser)],
        vec![("os", &os), ("country", "US")],
        vec![("referrer", "news.example")],
        vec![("referrer", "(direct)")],
        vec![
            ("path", "/"),
            ("referrer", "search.example"),
            ("device", "desktop"),
        ],
        vec![("country", "FR")],
        vec![("path", "/nowhere")],
    ];
    for filters in filters {
        let query: String = filters
            .iter()
            .map(|(name, value)| format!("&{name}={}", encoded(value)))
            .collect();
        let by_page = filters.iter().any(|(name, _)| *name == "path");
        let visits = passing(&all, &filters);
        let sum = pair(&visits, by_page);
        let overview = ask(
            &parvis,
            &format!("overview/?{}", query.trim_start_matches('&')),
        );
        for what in ["today", "days_7", "days_30", "all_time"] {
            let period = &overview[what];
            assert_eq!(told(period), sum, "{what} {filters:?}");
            for source in ["web", "app"] {
                let own: Vec<&Counted> = visits
                    .iter()
                    .copied()
                    .filter(|visit| visit.of["source"] == source)
                    .collect();
                assert_eq!(
                    told(&period[source]),
                    pair(&own, by_page),
                    "{what} {source} {filters:?}"
                );
            }
        }
        assert_eq!(told(&overview["yesterday"]), (0, 0));
        if filters.is_empty() {
            assert_eq!(overview["today"]["partials"], partials);
        }
        for (question, points) in [
            ("period=daily&days=7", 7),
            ("period=hourly&days=1", 24),
            ("period=weekly&weeks=2", 2),
            ("period=monthly&months=3", 3),
        ] {
            let chart = ask(&parvis, &format!("chart/?{question}{query}"));
            let all = chart["points"].as_array().unwrap();
            assert_eq!(all.len(), points, "{question}");
            let views: u64 = all.iter().map(|point| told(point).0).sum();
            assert_eq!(views, sum.0, "{question} {filters:?}");
            if !question.contains("hourly") {
                assert_eq!(told(all.last().unwrap()), sum, "{question} {filters:?}");
            }
        }
        for (path, by) in [
            ("top-pages", "path"),
            ("top-countries", "country"),
            ("top-referrers", "referrer"),
            ("devices", "device"),
            ("browsers", "browser"),
            ("os", "os"),
        ] {
            let mut groups: BTreeMap<&str, Vec<&Counted>> = BTreeMap::new();
            let own = visits
                .iter()
                .filter(|visit| by != "referrer" || !visit.internal);
            for visit in own {
                groups.entry(&visit.of[by]).or_default().push(visit);
            }
            let pages = by_page || by == "path";
            let mut expected: Vec<(&str, (u64, u64))> = groups
                .iter()
                .map(|(name, visits)| (*name, pair(visits, pages)))
                .collect();
            expected.sort_by_key(|(name, (views, _))| (u64::MAX - views, *name));
            let top = ask(&parvis, &format!("{path}/?days=1&limit=100{query}"));
            let items = top["items"].as_array().unwrap();
            let items: Vec<(&str, (u64, u64))> = items
                .iter()
                .map(|item| (item["name"].as_str().unwrap(), told(item)))
                .collect();
            assert_eq!(items, expected, "{path} {filters:?}");
            assert_eq!(top["count"], expected.len());
            let total: u64 = expected.iter().map(|(_, (views, _))| views).sum();
            assert_eq!(top["total"]["views"], total, "{path} {filters:?}");
            assert_eq!(top["next"], Value::Null);
        }
    }
}

#[test]
fn lists_are_paged() {
    let (_app, parvis) = busy(60);
    let whole = ask(&parvis, "top-pages/?limit=100");
    let all = whole["items"].as_array().unwrap();
    assert!(all.len() >= 5, "{whole:#}");
    let mut paged = Vec::new();
    let mut offset = json!(0);
    while let Some(from) = offset.as_u64() {
        let part = ask(&parvis, &format!("top-pages/?limit=2&offset={from}"));
        let items = part["items"].as_array().unwrap();
        assert!(items.len() <= 2 && !items.is_empty());
        assert_eq!((&part["limit"], &part["offset"]), (&json!(2), &json!(from)));
        let (views, _) = told(&part["total"]);
        let shown: u64 = items.iter().map(|item| told(item).0).sum();
        assert_eq!(told(&part["others"]).0, views - shown);
        paged.extend(items.clone());
        offset = part["next"].clone();
    }
    assert_eq!(paged, *all);
    let shares: f64 = all.iter().map(|item| item["share"].as_f64().unwrap()).sum();
    assert!((shares - 1.0).abs() < 0.01, "{shares}");
    let beyond = ask(&parvis, "top-pages/?offset=1000");
    assert_eq!(beyond["items"], json!([]));
    assert_eq!(beyond["next"], Value::Null);
    let live = &ask(&parvis, "overview/")["live"];
    assert!(
        live["views"].as_u64() > Some(40) && live["guests"].as_u64() > Some(4),
        "{live}"
    );
    let of_one = &ask(&parvis, "overview/?site=other")["live"];
    assert!(
        of_one["views"].as_u64() < live["views"].as_u64(),
        "{of_one}"
    );
}
