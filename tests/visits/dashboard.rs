//! The page in a real browser: it says what the API says, and nothing else happens.

use crate::api::busy;
use crate::support::browser::Look;
use crate::support::{Browser, Client, Parvis};
use crate::{FIREFOX, ON, app, ask, configuration, counted, see};
use serde_json::Value;
use std::path::PathBuf;

const DESK: Look = Look {
    language: "en",
    dark: false,
    width: 1280,
};

/// A name that would do something if it were taken for markup.
const HOSTILE: &str = "/<img src=x onerror=\"document.title='gone'\">";

fn screenshot(name: &str) -> PathBuf {
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/target/screenshots");
    PathBuf::from(target).join(name)
}

fn ready(browser: &mut Browser) {
    browser.until("document.documentElement.dataset.state === 'ready'");
}

/// Nothing failed, nothing was forbidden, and nobody else was asked.
fn clean(browser: &Browser, parvis: &Parvis) {
    assert_eq!(browser.complaints, Vec::<String>::new());
    let own = format!("http://{}/", parvis.admin());
    assert!(browser.requests.len() > 10);
    for request in &browser.requests {
        assert!(
            request.starts_with(&own) || request.starts_with("data:"),
            "{request}"
        );
    }
}

fn dashboard(parvis: &Parvis) -> String {
    format!("http://{}/dashboard", parvis.admin())
}

/// What the page shows equals what the API says to the same question.
fn same(browser: &mut Browser, parvis: &Parvis, query: &str) {
    let overview = ask(parvis, &format!("overview/?{query}"));
    let shown = browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-number]')]\
         .map((each) => [each.dataset.number, Number(each.dataset.value)]))",
    );
    for period in ["today", "yesterday", "days_7", "days_30", "all_time"] {
        let of = &overview[period];
        let name = period.replace('_', "-");
        for (number, expected) in [
            ("guests", &of["guests"]),
            ("views", &of["views"]),
            ("web-guests", &of["web"]["guests"]),
            ("web-views", &of["web"]["views"]),
            ("app-guests", &of["app"]["guests"]),
            ("app-views", &of["app"]["views"]),
        ] {
            let found = &shown[format!("{name}-{number}")];
            assert_eq!(found, expected, "{name}-{number} {query}");
        }
    }
    let chart = ask(parvis, &format!("chart/?period=daily&days=30&{query}"));
    let points = chart["points"].as_array().unwrap();
    for what in ["views", "guests"] {
        let sum: u64 = points
            .iter()
            .map(|point| point[what].as_u64().unwrap())
            .sum();
        assert_eq!(shown[format!("chart-{what}")], sum, "{query}");
    }
    for (table, path) in [
        ("pages", "top-pages"),
        ("countries", "top-countries"),
        ("referrers", "top-referrers"),
        ("devices", "devices"),
        ("browsers", "browsers"),
        ("systems", "os"),
    ] {
        let expected = ask(parvis, &format!("{path}/?days=30&limit=8&{query}"));
        let expected: Vec<(String, String, String)> = expected["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| {
                let name = item["name"].as_str().unwrap().to_string();
                (name, item["views"].to_string(), item["guests"].to_string())
            })
            .collect();
        let rows = browser.evaluate(&format!(
            "[...document.querySelectorAll('[data-table={table}] tr[data-name]')]\
             .map((row) => [row.dataset.name, row.dataset.views, row.dataset.guests])"
        ));
        let rows: Vec<(String, String, String)> = serde_json::from_value(rows).unwrap();
        assert_eq!(rows, expected, "{table} {query}");
    }
    let countries = ask(
        parvis,
        &format!("top-countries/?days=30&limit=1000&{query}"),
    );
    for item in countries["items"].as_array().unwrap() {
        let code = item["name"].as_str().unwrap();
        let land = browser.evaluate(&format!(
            "document.querySelector('[data-country={code}]')?.dataset.views ?? null"
        ));
        let views = item["views"].to_string();
        // The unknown land is on no map.
        assert!(
            code == "ZZ" || land == views.as_str(),
            "{code}: {land} {item}"
        );
    }
}

/// Does something, and waits until the page shows the answer to another question.
fn then_loaded(browser: &mut Browser, what: &str) {
    let loads = browser.evaluate("Number(document.documentElement.dataset.loads)");
    browser.evaluate(what);
    browser.until(&format!(
        "document.documentElement.dataset.state === 'ready' && \
         Number(document.documentElement.dataset.loads) > {loads}"
    ));
}

#[test]
fn the_page_says_what_the_api_says() {
    let (_app, parvis) = busy(150);
    let path = "/%3Cimg%20src%3Dx%20onerror%3D%22document.title%3D'gone'%22%3E";
    for _ in 0..80 {
        see(
            &parvis,
            path,
            "Referer: https://<script>alert(1)<\\script>.example/\r\n",
        );
    }
    counted(&parvis, 230);
    let mut browser = Browser::start();
    browser.open(&dashboard(&parvis), DESK);
    ready(&mut browser);
    same(&mut browser, &parvis, "");
    // Names are text, whatever they look like.
    assert_eq!(
        browser.evaluate("document.querySelectorAll('#all img, #all script').length"),
        0
    );
    let name = browser
        .evaluate("document.querySelector('[data-table=pages] tr[data-name] bdi').textContent");
    assert_eq!(name, HOSTILE);
    assert_ne!(browser.evaluate("document.title"), "gone");
    browser.screenshot(&screenshot("visits-1280-light-en.png"));

    // The numbers behind the line.
    browser.evaluate("document.getElementById('chart-details').open = true");
    browser.until("document.querySelectorAll('#points tr[data-start]').length === 30");

    // A filter applies to everything; another one beside it; the site; and none again.
    let click = |table: &str, name: &str| {
        format!(
            "[...document.querySelectorAll('[data-table={table}] tr[data-name]')]\
             .find((row) => row.dataset.name === {}).querySelector('a').click()",
            Value::from(name)
        )
    };
    then_loaded(&mut browser, &click("countries", "NL"));
    same(&mut browser, &parvis, "country=NL");
    then_loaded(&mut browser, &click("pages", "/a/"));
    same(&mut browser, &parvis, "country=NL&path=%2Fa%2F");
    browser.screenshot(&screenshot("visits-1280-filtered.png"));
    then_loaded(
        &mut browser,
        "document.querySelector('#source [data-value=app]').click()",
    );
    same(&mut browser, &parvis, "country=NL&path=%2Fa%2F&source=app");
    then_loaded(&mut browser, "document.getElementById('clear-all').click()");
    then_loaded(
        &mut browser,
        "location.hash = new URLSearchParams({ path: document.querySelector(\
         '[data-table=pages] tr[data-name]').dataset.name })",
    );
    same(&mut browser, &parvis, &format!("path={}", encoded(HOSTILE)));
    then_loaded(&mut browser, "location.hash = 'site=other'");
    same(&mut browser, &parvis, "site=other");
    // A fragment that somebody made up.
    then_loaded(&mut browser, "location.hash = 'days=-3&period=%00&x=<b>'");
    same(&mut browser, &parvis, "");

    // Somebody comes: the counter moves by itself.
    let before = browser.evaluate("Number(document.getElementById('live').dataset.views)");
    see(&parvis, "/", "");
    browser.until(&format!(
        "Number(document.getElementById('live').dataset.views) > {before}"
    ));
    clean(&browser, &parvis);
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

#[test]
fn in_english_and_french_light_and_dark_on_a_desk_and_a_telephone() {
    let (_app, parvis) = busy(80);
    see(&parvis, &format!("/{}", "long-".repeat(150)), "");
    counted(&parvis, 81);
    let mut browser = Browser::start();
    // Each with each, once.
    for (language, dark, width) in [
        ("en", true, 1280),
        ("fr", false, 1280),
        ("en", false, 390),
        ("fr", true, 390),
    ] {
        let look = Look {
            language,
            dark,
            width,
        };
        let today = if language == "fr" {
            "Aujourd’hui"
        } else {
            "Today"
        };
        browser.open(&dashboard(&parvis), look);
        ready(&mut browser);
        let text = browser.evaluate("document.getElementById('numbers').textContent");
        assert!(text.as_str().unwrap().contains(today), "{look:?}: {text}");
        assert_eq!(browser.evaluate("document.documentElement.lang"), language);
        // Nothing is wider than the screen.
        let wide = browser.evaluate("document.documentElement.scrollWidth");
        assert!(
            wide.as_u64().unwrap() <= u64::from(width),
            "{look:?}: {wide}"
        );
        let light = browser.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g)\
                     .slice(0, 3).reduce((sum, part) => sum + Number(part), 0) > 384",
        );
        assert_eq!(light, !dark, "{look:?}");
        let name = if dark { "dark" } else { "light" };
        let name = format!("visits-{width}-{name}-{language}.png");
        browser.screenshot(&screenshot(&name));
        assert!(std::fs::metadata(screenshot(&name)).unwrap().len() > 10_000);
        clean(&browser, &parvis);
    }
}

#[test]
fn a_token_is_asked_for() {
    let app = app();
    let top = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"a-long-token\"\n";
    let parvis = Parvis::start(&configuration(&app, top, "", ON));
    for page in ["/", "/a", "/a"] {
        see(&parvis, page, "");
    }
    let mut browser = Browser::start();
    browser.open(&dashboard(&parvis), DESK);
    browser.until("document.documentElement.dataset.state === 'token'");
    let enter = |browser: &mut Browser, token: &str| {
        browser.evaluate(&format!(
            "document.getElementById('token-value').value = '{token}';\
             document.querySelector('#token button').click()"
        ));
    };
    enter(&mut browser, "wrong");
    browser.until("document.getElementById('token-wrong').textContent !== ''");
    browser.screenshot(&screenshot("visits-token.png"));
    enter(&mut browser, "a-long-token");
    browser.until("document.querySelector('[data-number=all-time-views]')?.dataset.value === '3'");
    ready(&mut browser);
    // The token is in no address, and what else was said was that it is needed.
    assert!(
        !browser
            .requests
            .iter()
            .any(|request| request.contains("a-long-token"))
    );
    let other = browser
        .complaints
        .iter()
        .filter(|complaint| !complaint.contains("401"));
    assert_eq!(other.collect::<Vec<_>>(), Vec::<&String>::new());
    browser.evaluate("document.getElementById('forget').click()");
    browser.until("document.documentElement.dataset.state === 'token'");
}

#[test]
fn without_visits_the_page_says_how_to_record_them() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    let mut browser = Browser::start();
    browser.open(&dashboard(&parvis), DESK);
    browser.until("document.documentElement.dataset.state === 'empty'");
    see(&parvis, "/", "");
    ready(&mut browser);
    same(&mut browser, &parvis, "");
    clean(&browser, &parvis);
}

#[test]
fn the_pages_files_are_served_with_a_strict_policy() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    for path in [
        "/dashboard",
        "/dashboard/",
        "/dashboard/app.js",
        "/dashboard/vendor/world.json",
    ] {
        let reply = parvis.admin_request("GET", path, "");
        assert_eq!(reply.status, 200, "{path}");
        let policy = reply.field("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(
            reply.field("x-content-type-options").as_deref(),
            Some("nosniff")
        );
        let tag = reply.field("etag").unwrap();
        let again = parvis.admin_request("GET", path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        let mut client = Client::connect(parvis.admin());
        client.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {FIREFOX}\r\n\r\n"
        ));
        let head = client.head_only();
        assert_eq!(
            head.field("content-length"),
            Some(reply.body.len().to_string())
        );
        assert_eq!(parvis.admin_request("POST", path, "").status, 405, "{path}");
    }
    assert_eq!(
        parvis
            .admin_request("GET", "/dashboard/nothing.js", "")
            .status,
        404
    );
}
