//! A site's task takes visits from the list, with Python, and understands them.

use crate::redis::{LIST, to_redis};
use crate::support::{Parvis, Redis, until};
use crate::{IPHONE, app, texts, view};
use serde_json::Value;
use std::process::{Command, Stdio};

/// What the task made of the list.
fn consumed(redis: &Redis, way: &str) -> Vec<Value> {
    let python = std::env::var("PARVIS_TEST_PYTHON")
        .unwrap_or_else(|_| format!("{}/target/venv/bin/python", env!("CARGO_MANIFEST_DIR")));
    let output = Command::new(&python)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/consume"))
        .args([&redis.url(), LIST, way])
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|error| {
            panic!("{python}: {error}: run `tests/run --install`, which installs it")
        });
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{way}: {}\n{errors}",
        output.status
    );
    let lines = String::from_utf8(output.stdout).unwrap();
    lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn a_python_task_understands_every_record() {
    let redis = Redis::start();
    let app = app();
    let mut text = to_redis(&app, &redis, "");
    text.insert_str(
        0,
        "[server]\nthreads = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\n",
    );
    let text = text.replace("visits = true", "visits = { api = [\"/api/*\"] }");
    let parvis = Parvis::start(&text);
    let json = "X-Say: 200 OK|Content-Type: application/json\r\n";
    let views = [
        ("/".to_string(), String::new()),
        (
            "/caf%C3%A9/%22quoted%22/%5C/%07%E2%80%A8".to_string(),
            String::new(),
        ),
        ("/bad/%ff%fe".to_string(), String::new()),
        (
            "/%3Cscript%3Ealert(1)%3C/script%3E".to_string(),
            String::new(),
        ),
        (
            "/from?utm_source=a+b&utm_medium=c&utm_campaign=%22d%22".to_string(),
            format!(
                "User-Agent: {IPHONE}\r\nReferer: https://news.example/x?y=1\r\n\
                 Accept-Language: fr\r\nX-Forwarded-For: 193.0.6.139\r\n"
            ),
        ),
        (
            "/six".to_string(),
            "X-Forwarded-For: 2001:67c:2e8:22::c100:68b\r\n".to_string(),
        ),
        ("/part".to_string(), "HX-Request: true\r\n".to_string()),
        (
            "/api/items".to_string(),
            format!("{json}X-App-Source: ios\r\n"),
        ),
        (
            "/same".to_string(),
            "X-Say: 304 Same\r\nAccept: text/html\r\n".to_string(),
        ),
        ("/long/".to_string() + &"x".repeat(5000), String::new()),
        (
            "/agent".to_string(),
            format!("User-Agent: {IPHONE} {}\r\n", "é\"\\".repeat(500)),
        ),
    ];
    for way in ["rpop", "range"] {
        // More than the task takes at once.
        for _ in 0..15 {
            let mut client = parvis.client();
            for (path, fields) in &views {
                let reply = view(&mut client, path, fields);
                assert!(matches!(reply.status, 200 | 304), "{path}: {}", reply.head);
            }
        }
        let total = 15 * views.len();
        until("all are in the list", || {
            (redis.length(LIST) as usize >= total).then_some(())
        });
        let visits = consumed(&redis, way);
        assert_eq!(visits.len(), total, "{way}");
        assert_eq!(redis.length(LIST), 0);
        assert_eq!(
            texts(&visits, "path")[..2],
            ["/", "/café/\"quoted\"/\\/\u{7}\u{2028}"]
        );
        let from = &visits[4];
        for (key, expected) in [
            ("path", "/from"),
            ("country", "NL"),
            ("device", "mobile"),
            ("os", "iOS"),
            ("referrer", "https://news.example/x"),
            ("language", "fr"),
            ("utm_source", "a b"),
            ("utm_campaign", "\"d\""),
            ("site", "s"),
            ("source", "web"),
        ] {
            assert_eq!(from[key], expected, "{key}: {from:#}");
        }
        assert_eq!(visits[7]["source"], "app");
        assert_eq!(visits[8]["status"], 304);
        // One visitor, one session.
        for key in ["visitor", "session_key"] {
            assert_eq!(visits[0][key], visits[1][key], "{key}");
            assert_ne!(visits[0][key], from[key], "{key}");
        }
    }
}

#[test]
fn the_lists_format_is_written_down() {
    let redis = Redis::start();
    let app = app();
    let parvis = Parvis::start(&to_redis(&app, &redis, ""));
    view(&mut parvis.client(), "/", "");
    until("it is in the list", || {
        (redis.length(LIST) == 1).then_some(())
    });
    let visit = &redis.list(LIST)[0];
    let keys: Vec<&str> = visit
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for key in [
        "source",
        "user_id",
        "session_key",
        "path",
        "method",
        "ip_address",
        "country",
        "device",
        "browser",
        "os",
        "user_agent",
        "referrer",
        "response_time",
        "timestamp",
        "site",
        "status",
        "visitor",
        "id",
    ] {
        assert!(keys.contains(&key), "no {key}: {visit:#}");
    }
    // Nothing is known of these.
    for key in ["region", "city", "asn", "language", "utm_source", "partial"] {
        assert!(!keys.contains(&key), "{key}: {visit:#}");
    }
}
