//! What requests may be like.

use super::{NOW, at, desk_of, get, json, memory, told};
use crate::visits::statistics::api::Asked;
use crate::visits::statistics::memory::Memory;
use crate::visits::statistics::reference::Random;
use crate::visits::statistics::{Date, Fact};
use crate::visits::visit::{Device, Source};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;

#[test]
fn every_wrong_parameter_is_named_with_what_is_allowed() {
    let memory = memory();
    let desk = desk_of(&memory);
    for (path, query, parameter, error, allowed) in [
        (
            "/top-pages/",
            "days=x",
            "days",
            "days is \"x\"",
            "a whole number from 1 to 3660",
        ),
        (
            "/top-pages/",
            "days=0",
            "days",
            "days is \"0\"",
            "a whole number from 1 to 3660",
        ),
        (
            "/top-pages/",
            "days=%2B5",
            "days",
            "days is \"+5\"",
            "a whole number from 1 to 3660",
        ),
        (
            "/top-pages/",
            "days=99999999999",
            "days",
            "days is \"99999999999\"",
            "a whole number from 1 to 3660",
        ),
        (
            "/os/",
            "limit=1001",
            "limit",
            "limit is \"1001\"",
            "a whole number from 1 to 1000",
        ),
        (
            "/os/",
            "limit=",
            "limit",
            "limit is \"\"",
            "a whole number from 1 to 1000",
        ),
        (
            "/os/",
            "offset=-1",
            "offset",
            "offset is \"-1\"",
            "a whole number from 0 to 1000000",
        ),
        (
            "/chart/",
            "period=yearly",
            "period",
            "period is \"yearly\"",
            "one of: hourly, daily, weekly, monthly",
        ),
        (
            "/chart/",
            "period=hourly&days=32",
            "days",
            "days is \"32\"",
            "a whole number from 1 to 31",
        ),
        (
            "/chart/",
            "period=weekly&days=7",
            "days",
            "days is \"7\"",
            "nothing: a chart of this period takes weeks",
        ),
        (
            "/chart/",
            "months=7",
            "months",
            "months is \"7\"",
            "nothing: a chart of this period takes days",
        ),
        (
            "/chart/",
            "period=weekly&weeks=521",
            "weeks",
            "weeks is \"521\"",
            "a whole number from 1 to 520",
        ),
        (
            "/chart/",
            "period=monthly&months=121",
            "months",
            "months is \"121\"",
            "a whole number from 1 to 120",
        ),
        (
            "/overview/",
            "source=tv",
            "source",
            "source is \"tv\"",
            "one of: web, app",
        ),
        (
            "/overview/",
            "device=Mobile",
            "device",
            "device is \"Mobile\"",
            "one of: mobile, tablet, desktop, bot, other",
        ),
        (
            "/overview/",
            "country=FRA",
            "country",
            "country is \"FRA\"",
            "two letters of ISO 3166-1, like FR; ZZ for unknown",
        ),
        (
            "/overview/",
            "country=%C3%A9",
            "country",
            "country is \"é\"",
            "two letters of ISO 3166-1, like FR; ZZ for unknown",
        ),
        (
            "/overview/",
            "path=about",
            "path",
            "path is \"about\"",
            "a path without a query, like /about/",
        ),
        (
            "/overview/",
            "path",
            "path",
            "path is \"\"",
            "a path without a query, like /about/",
        ),
        (
            "/overview/",
            "browser=",
            "browser",
            "browser is \"\"",
            "a browser's name, like Firefox",
        ),
        (
            "/overview/",
            "os=",
            "os",
            "os is \"\"",
            "a system's name, like Android",
        ),
        (
            "/overview/",
            "referrer=",
            "referrer",
            "referrer is \"\"",
            "another site's host, like example.org, or (direct)",
        ),
        (
            "/overview/",
            "site=x",
            "site",
            "site is \"x\"",
            "one of: blog, shop",
        ),
        (
            "/overview/",
            "site=shop&site=shop",
            "site",
            "site is given twice",
            "one value",
        ),
        (
            "/overview/",
            "path=%FF",
            "path",
            "path is \"%FF\"",
            "percent-encoded UTF-8",
        ),
        (
            "/overview/",
            "path=%2",
            "path",
            "path is \"%2\"",
            "percent-encoded UTF-8",
        ),
        (
            "/overview/",
            "path=%+1",
            "path",
            "path is \"%+1\"",
            "percent-encoded UTF-8",
        ),
        (
            "/overview/",
            "%zz=1",
            "%zz",
            "%zz is \"%zz\"",
            "percent-encoded UTF-8",
        ),
        (
            "/overview/",
            "days=7",
            "days",
            "there is no parameter \"days\" here",
            "one of: site, source, country, path, device, browser, os, referrer",
        ),
        ("/", "x=1", "x", "there is no parameter \"x\" here", "none"),
    ] {
        let reply = desk.answer(&get(path, query, at(NOW)));
        let wanted = json!({ "error": error, "parameter": parameter, "allowed": allowed });
        assert_eq!(
            (reply.status, json(&reply)),
            (400, wanted),
            "{path}?{query}"
        );
        assert_eq!(reply.etag, None);
    }
    for (query, error) in [
        ("", "before is missing"),
        ("before=yesterday", "before is \"yesterday\""),
        ("before=2026-02-30", "before is \"2026-02-30\""),
        (
            "before=2026-11-21&country=FR",
            "there is no parameter \"country\" here",
        ),
    ] {
        let asked = Asked {
            method: "DELETE",
            ..get("/visits/", query, at(NOW))
        };
        let reply = desk.answer(&asked);
        assert_eq!(
            (reply.status, &json(&reply)["error"]),
            (400, &json!(error)),
            "{query}"
        );
    }
    assert!(memory.deleted.lock().unwrap().is_empty());
    // A long value is not repeated whole.
    let query = format!("days={}", "é".repeat(10_000));
    let reply = desk.answer(&get("/os/", &query, at(NOW)));
    assert!(reply.status == 400 && reply.body.len() < 400);
    let query = format!("{}=1", "x".repeat(10_000));
    assert!(desk.answer(&get("/os/", &query, at(NOW))).body.len() < 600);
    let none = desk_of(&Arc::default()).answer(&get("/overview/", "site=x", at(NOW)));
    assert_eq!(json(&none)["allowed"], "nothing: no site records visits");
}

#[test]
fn no_rubbish_panics() {
    let memory = memory();
    let desk = desk_of(&memory);
    let mut random = Random(6);
    let words = [
        "days",
        "=",
        "&",
        "%",
        "%41",
        "limit",
        "period",
        "hourly",
        "weekly",
        "1",
        "30",
        "99999",
        "offset",
        "path",
        "/",
        "+",
        "country",
        "FR",
        "é",
        "\0",
        "site",
        "shop",
        "before",
        "2026-11-21",
        "-",
        "weeks",
        "months",
    ];
    let paths = [
        "/overview/",
        "/chart/",
        "/top-pages/",
        "/os",
        "/visits/",
        "/clear-cache",
        "/",
        "",
        "//",
        "/é",
    ];
    for _ in 0..20_000 {
        let count = random.below(8);
        let query: String = (0..count).map(|_| random.of(&words)).collect();
        let asked = Asked {
            method: random.of(&["GET", "HEAD", "POST", "DELETE", "", "é"]),
            if_none_match: random.of(&[None, Some(""), Some("*"), Some("W/\"x\", \"")]),
            ..get(random.of(&paths), &query, at(NOW))
        };
        let reply = desk.answer(&asked);
        assert!([200, 304, 400, 404, 405].contains(&reply.status));
        assert!(reply.status == 304 || json(&reply).is_object());
    }
    for now in [i64::MIN, -1, 0, i64::MAX] {
        for (path, query) in [
            ("/overview/", ""),
            ("/chart/", "period=hourly&days=31"),
            ("/chart/", "period=monthly&months=120"),
        ] {
            assert_eq!(desk.answer(&get(path, query, now)).status, 200);
        }
    }
}

#[test]
fn paths_and_methods() {
    let memory = memory();
    let desk = desk_of(&memory);
    let ask = |method, path| {
        desk.answer(&Asked {
            method,
            ..get(path, "", at(NOW))
        })
    };
    for path in [
        "/overview/",
        "/chart/",
        "/top-pages/",
        "/top-countries/",
        "/top-referrers/",
        "/devices/",
        "/browsers/",
        "/os/",
        "/",
    ] {
        let whole = ask("GET", path);
        assert_eq!(whole.status, 200, "{path}");
        assert_eq!(ask("GET", path.trim_end_matches('/')), whole);
        assert_eq!(ask("HEAD", path), whole);
        for method in ["POST", "DELETE", "PUT", "get", ""] {
            let reply = ask(method, path);
            assert_eq!(
                (reply.status, reply.allow),
                (405, Some("GET, HEAD")),
                "{path}"
            );
            assert_eq!(
                json(&reply),
                json!({ "error": "this path is for GET, HEAD" })
            );
        }
    }
    assert_eq!(ask("GET", "/visits/").allow, Some("DELETE"));
    assert_eq!(ask("GET", "/clear-cache/").allow, Some("POST"));
    for path in ["/x/", "/overview/x", "/overview//", "//", "overview"] {
        let reply = ask("GET", path);
        assert_eq!(reply.status, 404, "{path}");
        assert_eq!(json(&reply)["endpoints"].as_array().unwrap().len(), 11);
    }
    let list = json(&ask("GET", "/"));
    assert_eq!(list["endpoints"][2]["path"], "/chart/");
    assert!(list["endpoints"][2]["parameters"]["period"].is_string());
    for endpoint in list["endpoints"].as_array().unwrap() {
        let parameters = endpoint["parameters"].as_object().unwrap();
        assert!(parameters.values().all(|allowed| allowed != ""));
    }
}

#[test]
fn visits_are_deleted_before_a_date() {
    let memory = memory();
    let desk = desk_of(&memory);
    let delete = |query, only| {
        desk.answer(&Asked {
            method: "DELETE",
            only_site: only,
            ..get("/visits", query, at(NOW))
        })
    };
    let date: Date = "2026-10-01".parse().unwrap();
    let reply = delete("before=2026-10-01", None);
    assert_eq!(
        (reply.status, json(&reply)),
        (200, json!({ "deleted": 123, "before": "2026-10-01" }))
    );
    assert_eq!(delete("before=2026-10-01&site=shop", None).status, 200);
    assert_eq!(delete("before=2026-10-01", Some("blog")).status, 200);
    assert_eq!(
        delete("before=2026-10-01&site=shop", Some("blog")).status,
        400
    );
    let wanted = [
        (None, date),
        (Some("shop".to_string()), date),
        (Some("blog".to_string()), date),
    ];
    assert_eq!(*memory.deleted.lock().unwrap(), wanted);
}

#[test]
fn a_site_is_told_only_about_itself() {
    let memory = memory();
    let desk = desk_of(&memory);
    let ask = |query, only| {
        desk.answer(&Asked {
            only_site: only,
            ..get("/overview/", query, at(NOW))
        })
    };
    let mut of_one = json(&ask("", Some("shop")));
    let mut of_all = json(&ask("site=shop", None));
    assert_eq!(of_one["sites"].take(), json!(["shop"]));
    assert_eq!(of_all["sites"].take(), json!(["blog", "shop"]));
    assert_eq!(of_one, of_all);
    assert_eq!(ask("site=shop", Some("shop")).status, 200);
    let other = ask("site=blog", Some("shop"));
    assert_eq!(
        (other.status, &json(&other)["allowed"]),
        (400, &json!("shop"))
    );
    let none = ask("", Some("new"));
    assert_eq!(
        json(&none)["allowed"],
        "nothing: this site records no visits"
    );
    assert!(!String::from_utf8(none.body).unwrap().contains("blog"));
}

#[test]
fn who_may_ask_about_one_site_changes_nothing() {
    let memory = memory();
    let desk = desk_of(&memory);
    let ask = |method, path| {
        desk.answer(&Asked {
            method,
            only_site: Some("shop"),
            ..get(path, "", at(NOW))
        })
    };
    for method in ["POST", "GET", "DELETE"] {
        let reply = ask(method, "/clear-cache/");
        assert_eq!((reply.status, reply.allow), (405, Some("GET, HEAD")));
    }
    assert_eq!(memory.forgotten.load(Ordering::Relaxed), 0);
    for list in [ask("GET", "/"), ask("GET", "/x/")] {
        assert_eq!(json(&list)["endpoints"].as_array().unwrap().len(), 9);
        assert!(!String::from_utf8(list.body).unwrap().contains("clear"));
    }
}

#[test]
fn a_store_in_trouble_says_so() {
    let memory = memory();
    let desk = desk_of(&memory);
    *memory.trouble.lock().unwrap() = Some("/var/lib/visits.db is locked".to_string());
    for path in ["/overview/", "/chart/", "/os/"] {
        let reply = desk.answer(&get(path, "country=FR", at(NOW)));
        assert_eq!((reply.status, reply.etag.clone()), (503, None));
        assert_eq!(
            json(&reply),
            json!({ "error": "/var/lib/visits.db is locked" })
        );
    }
    for path in ["/overview/", "/chart/", "/os/"] {
        let asked = Asked {
            only_site: Some("shop"),
            ..get(path, "", at(NOW))
        };
        let reply = desk.answer(&asked);
        assert_eq!((reply.status, reply.etag.clone()), (503, None));
        let wanted = json!({ "error": "the numbers cannot be read just now" });
        assert_eq!(json(&reply), wanted);
    }
    let delete = Asked {
        method: "DELETE",
        ..get("/visits/", "before=2026-10-01", at(NOW))
    };
    assert_eq!(desk.answer(&delete).status, 503);
    *memory.trouble.lock().unwrap() = None;
    assert_eq!(desk.answer(&get("/os/", "country=FR", at(NOW))).status, 200);
}

#[test]
fn nobody_came() {
    for memory in [Memory::default(), Memory::default().with("s", "UTC", &[])] {
        let desk = desk_of(&Arc::new(memory));
        let overview = told(&desk, &get("/overview/", "", at(NOW)));
        let nothing = json!({ "guests": 0, "views": 0 });
        assert_eq!(overview["generated"], 1_795_271_712.34);
        assert_eq!(overview["all_time"]["from"], "2026-11-21");
        assert_eq!(overview["all_time"]["before"], Value::Null);
        assert_eq!(overview["all_time"]["change"], Value::Null);
        assert_eq!(
            overview["days_7"]["change"],
            json!({ "guests": null, "views": null })
        );
        assert_eq!(overview["days_7"]["web"], nothing);
        let chart = told(&desk, &get("/chart/", "period=monthly", at(NOW)));
        assert_eq!(chart["points"].as_array().unwrap().len(), 12);
        let top = told(&desk, &get("/os/", "", at(NOW)));
        assert_eq!(
            top,
            json!({
                "from": "2026-10-23", "to": "2026-11-21", "items": [], "others": nothing, "total": nothing,
                "count": 0, "limit": 10, "offset": 0, "next": null,
            })
        );
    }
}

#[test]
fn names_of_all_scripts_are_found_and_shown() {
    let fact = Fact {
        hour: 0,
        source: Source::Web,
        partial: false,
        device: Device::Desktop,
        country: [0xff, 0],
        page: "/日本/\u{202e}<script>\"\u{0}",
        referrer: "bücher.example",
        internal: false,
        browser: "",
        os: "",
        visitor: 1,
    };
    let memory = Memory::default().with("s", "UTC", &[(at(NOW) - 1, fact)]);
    let desk = desk_of(&Arc::new(memory));
    let path = "path=/%E6%97%A5%E6%9C%AC/%E2%80%AE%3Cscript%3E%22%00";
    for (endpoint, name) in [
        ("/top-pages/", fact.page),
        ("/top-referrers/", "bücher.example"),
        ("/top-countries/", "ZZ"),
        ("/browsers/", "(unknown)"),
        ("/os/", "(unknown)"),
    ] {
        let top = told(&desk, &get(endpoint, path, at(NOW)));
        let item = json!({ "name": name, "views": 1, "guests": 1, "share": 1.0 });
        assert_eq!(top["items"], json!([item]), "{endpoint}");
    }
    // Two letters in any case; a plus is a space.
    let top = told(&desk, &get("/os/", "country=zz&browser=(unknown)", at(NOW)));
    assert_eq!(top["count"], 1);
    let top = told(&desk, &get("/os/", "browser=a+b%2B", at(NOW)));
    assert_eq!(top["count"], 0);
    // A path that is too long to be counted whole is found by its beginning.
    let long: &'static str = Box::leak(format!("/{}", "a".repeat(3000)).into_boxed_str());
    let memory = Memory::default().with("s", "UTC", &[(at(NOW), Fact { page: long, ..fact })]);
    let desk = desk_of(&Arc::new(memory));
    let query = format!("path={long}");
    assert_eq!(told(&desk, &get("/os/", &query, at(NOW)))["count"], 1);
}
