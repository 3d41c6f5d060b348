//! The table of certificates.

use super::*;
use serde_json::{Value, json};

fn drawn(certificates: Value, acme: Value) -> Vec<String> {
    let report = json!({ "running": true, "certificates": certificates, "acme": acme });
    let report: Report = serde_json::from_value(report).unwrap();
    draw(&report).lines().map(String::from).collect()
}

fn file(state: &str, days: i64) -> Value {
    json!({
        "site": "shop", "names": ["shop.example", "www.shop.example", "a.example", "b.example"],
        "not_before": 0, "not_after": 0, "ends": "2027-01-21T10:00:00Z", "days_left": days,
        "issuer": "CN=R11,O=Let's Encrypt,C=US", "self_signed": false, "fingerprint": "", "serial": "",
        "key": "ECDSA P-256", "state": state,
        "source": { "from": "file", "certificate": "/etc/shop.pem", "key": "/etc/shop.key" },
    })
}

fn ordered(from: &str, state: &str) -> Value {
    json!({
        "site": "blog", "names": ["blog.example"], "ends": "2026-12-21T10:00:00Z", "days_left": 30,
        "issuer": "CN=x", "self_signed": from == "stand_in", "state": state, "source": { "from": from },
    })
}

fn order(state: &str, next: Value, trouble: Value) -> Value {
    json!({
        "site": "blog", "names": ["blog.example"], "on_demand": false, "failures": 3,
        "directory": "https://acme.example:14000/dir", "state": state, "not_after": null,
        "next": next, "trouble": trouble,
    })
}

#[test]
fn the_columns_stand_below_each_other() {
    let lines = drawn(
        json!([file("good", 61), ordered("stand_in", "stand_in")]),
        json!([order("ordering", Value::Null, Value::Null)]),
    );
    assert_eq!(
        lines,
        [
            "SITE  NAMES                                      SOURCE              ISSUER             ENDS                    STATE",
            "shop  shop.example, www.shop.example and 2 more  /etc/shop.pem       Let's Encrypt R11  2027-01-21, in 61 days  good",
            "blog  blog.example                               acme.example:14000  parvis             2026-12-21, in 30 days  self-signed stand-in, ordering",
        ]
    );
    assert_eq!(drawn(json!([]), json!([])), ["no site has a certificate"]);
}

#[test]
fn every_state_has_its_words() {
    for (state, days, end, words) in [
        ("good", 61, "in 61 days", "good"),
        ("ends_soon", 1, "in 1 day", "ends soon"),
        ("ends_soon", 0, "today", "ends soon"),
        ("expired", -1, "1 day ago", "expired"),
        ("expired", -9, "9 days ago", "expired"),
        ("not_yet", 90, "in 90 days", "not valid yet"),
    ] {
        let lines = drawn(json!([file(state, days)]), json!([]));
        let end = format!("2027-01-21, {end}");
        assert!(lines[1].contains(&end), "{lines:?}");
        assert!(lines[1].ends_with(&format!("  {words}")), "{lines:?}");
    }
    let next = json!("2026-11-21T22:41:07Z");
    for (from, own, state, next, words) in [
        (
            "acme",
            "good",
            "good",
            next.clone(),
            "good, to be renewed on 2026-11-21",
        ),
        ("acme", "good", "good", Value::Null, "good"),
        (
            "acme",
            "ends_soon",
            "waiting",
            next.clone(),
            "ends soon, waiting until 2026-11-21 22:41 UTC",
        ),
        (
            "stand_in",
            "stand_in",
            "waiting",
            Value::Null,
            "self-signed stand-in, waiting for its turn",
        ),
        (
            "stand_in",
            "stand_in",
            "elsewhere",
            Value::Null,
            "self-signed stand-in, ordered by another edge",
        ),
        (
            "stand_in",
            "stand_in",
            "not_running",
            Value::Null,
            "self-signed stand-in",
        ),
    ] {
        let acme = json!([order(state, next, Value::Null)]);
        let lines = drawn(json!([ordered(from, own)]), acme);
        assert!(lines[1].ends_with(&format!("  {words}")), "{lines:?}");
    }
}

#[test]
fn the_last_error_stands_below_its_certificate() {
    let trouble = json!({
        "message": "the CA refuses it\u{1b}[2J", "names": [["blog.example", "no such name"], ["a.example", "refuses it"]],
        "at": 1_795_300_000,
    });
    let lines = drawn(
        json!([ordered("stand_in", "stand_in"), file("good", 61)]),
        json!([order("waiting", json!("2026-11-22T00:00:00Z"), trouble)]),
    );
    assert_eq!(
        lines[2..4],
        [
            "    last error (2026-11-21 22:26 UTC, 3 in a row): the CA refuses it\u{fffd}[2J",
            "    blog.example: no such name",
        ]
    );
    assert!(lines[4].starts_with("shop "));
}

#[test]
fn names_that_were_asked_for_are_rows_of_their_own() {
    let mut asked = order("good", Value::Null, Value::Null);
    asked["on_demand"] = json!(true);
    asked["not_after"] = json!("2027-02-01T00:00:00Z");
    let lines = drawn(json!([]), json!([asked]));
    assert_eq!(
        lines[1],
        "blog  blog.example  acme.example:14000  -       2027-02-01  good, asked for by a client"
    );
}

#[test]
fn an_issuer_is_told_by_its_names() {
    for (name, shown) in [
        ("CN=R11,O=Let's Encrypt,C=US", "Let's Encrypt R11"),
        ("CN=Shop CA,O=Shop", "Shop CA"),
        ("CN=a\\, b", "a, b"),
        ("O=Only", "Only"),
        ("C=US", "C=US"),
        ("", ""),
    ] {
        assert_eq!(issuer(name), shown);
    }
}
