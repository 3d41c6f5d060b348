//! Databases of countries: good ones, bad ones, and ones that change.

use crate::support::mmdb::{Written, city, country, network};
use crate::support::{Folder, Parvis, command, until};
use crate::{ON, app, configuration, count, see, stored};
use std::process::Output;

const BEHIND: &str = "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n";
const FROM: &str = "X-Forwarded-For: 81.2.69.142\r\n";

/// A database in which the visitor is in this country.
fn is_in(code: &'static str) -> Vec<u8> {
    Written::new("GeoLite2-Country")
        .with("81.2.69.0/24", country(code))
        .bytes()
}

/// Written beside and renamed, as `geoip/update` does.
fn replace(folder: &Folder, name: &str, bytes: &[u8]) {
    let beside = folder.join("beside.mmdb");
    std::fs::write(&beside, bytes).unwrap();
    std::fs::rename(beside, folder.join(name)).unwrap();
}

fn text(app: &crate::Backend, geoip: &str) -> String {
    configuration(app, &format!("{BEHIND}[geoip]\n{geoip}"), "", ON)
}

#[test]
fn what_the_databases_know_is_recorded() {
    let app = app();
    let folder = Folder::new();
    replace(&folder, "country.mmdb", &is_in("GB"));
    let cities =
        Written::new("GeoLite2-City").with("81.2.69.0/24", city("FR", "Île-de-France", "Paris"));
    replace(&folder, "city.mmdb", &cities.bytes());
    let networks = Written::new("GeoLite2-ASN").with("81.2.0.0/16", network(3215));
    replace(&folder, "asn.mmdb", &networks.bytes());
    let all = "database = \"country.mmdb\"\ncity = \"@DIR/city.mmdb\"\nasn = \"@DIR/asn.mmdb\"\n";
    let parvis = Parvis::start_in(folder, &text(&app, all), &[]);
    see(&parvis, "/", FROM);
    see(&parvis, "/", "X-Forwarded-For: 8.8.8.8\r\n");
    let rows = stored(&parvis.folder, 2);
    for (column, expected) in [
        ("country", "GB"),
        ("region", "Île-de-France"),
        ("city", "Paris"),
    ] {
        assert_eq!(rows[0][column], expected, "{column}");
    }
    assert_eq!(rows[0]["asn"], 3215);
    // The operator's own database knows nothing of this one; no other is asked.
    assert_eq!(rows[1]["country"], "ZZ");
    assert!(rows[1]["city"].is_null() && rows[1]["asn"] == 0);
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn a_database_that_cannot_be_used_is_told_where_it_is_named() {
    let app = app();
    let good = is_in("GB");
    let networks = Written::new("GeoLite2-ASN")
        .with("81.2.0.0/16", network(3215))
        .bytes();
    // Its metadata are at its end: half of them are gone.
    let cut = &good[..good.len() - 60];
    let bundled =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb")).unwrap();
    let cases: [(&str, Option<&[u8]>, &str); 8] = [
        ("database", None, "no such file"),
        ("database", Some(b""), "no MaxMind DB"),
        ("database", Some(b"<html>not found</html>"), "no MaxMind DB"),
        (
            "database",
            Some(&bundled[..bundled.len() / 2]),
            "no MaxMind DB",
        ),
        ("database", Some(cut), "country.mmdb"),
        (
            "database",
            Some(b"\x1f\x8b\x08\0\0\0\0\0\0\0\0\0"),
            "packed",
        ),
        ("database", Some(&networks), "geoip.asn"),
        ("city", Some(&networks), "geoip.asn"),
    ];
    for (key, bytes, words) in cases {
        let folder = Folder::new();
        if let Some(bytes) = bytes {
            replace(&folder, "country.mmdb", bytes);
        }
        Parvis::write_configuration(&folder, &text(&app, &format!("{key} = \"country.mmdb\"\n")));
        let line = folder.read("parvis.toml");
        let line = line
            .lines()
            .position(|line| line.contains("country.mmdb"))
            .unwrap()
            + 1;
        let path = folder.join("parvis.toml");
        for arguments in [["check", "-c"], ["run", "-c"]] {
            let output = command(&[arguments[0], arguments[1], path.to_str().unwrap()]);
            let said = said(&output);
            assert_eq!(output.status.code(), Some(2), "{words}: {said}");
            assert!(said.contains(words), "no {words:?}: {said}");
            assert!(
                said.contains(&format!("parvis.toml:{line}:")),
                "line {line}: {said}"
            );
            assert!(said.contains("country.mmdb"), "{said}");
            assert!(!said.contains("panicked"), "{said}");
        }
    }
}

/// Visits until one is recorded in this country.
fn until_in(parvis: &Parvis, code: &str) {
    until(&format!("visitors are in {code}"), || {
        let before = count(&parvis.folder);
        see(parvis, "/", FROM);
        let rows = stored(&parvis.folder, before + 1);
        (rows.last()?["country"] == code).then_some(())
    });
}

fn until_wrong(parvis: &Parvis, words: &str) {
    until(&format!("it is told: {words}"), || {
        let status = parvis.status();
        let error = status["visits"]["geography_error"].as_str()?.to_string();
        error.contains(words).then_some(())
    });
    assert!(parvis.log().contains(words), "{}", parvis.log());
}

#[test]
fn a_database_is_exchanged_while_visitors_come() {
    let app = app();
    let folder = Folder::new();
    replace(&folder, "country.mmdb", &is_in("GB"));
    let parvis = Parvis::start_in(folder, &text(&app, "database = \"country.mmdb\"\n"), &[]);
    until_in(&parvis, "GB");
    replace(&parvis.folder, "country.mmdb", &is_in("FR"));
    until_in(&parvis, "FR");
    // What is no database changes nothing.
    replace(&parvis.folder, "country.mmdb", b"a broken download");
    until_wrong(&parvis, "no MaxMind DB");
    until_in(&parvis, "FR");
    std::fs::remove_file(parvis.folder.join("country.mmdb")).unwrap();
    until_wrong(&parvis, "no such file");
    until_in(&parvis, "FR");
    replace(&parvis.folder, "country.mmdb", &is_in("NL"));
    until_in(&parvis, "NL");
    until("all is well", || {
        parvis.status()["visits"]["geography_error"]
            .is_null()
            .then_some(())
    });
}

#[test]
fn a_reload_to_a_bad_database_is_refused() {
    let app = app();
    let folder = Folder::new();
    replace(&folder, "country.mmdb", &is_in("GB"));
    replace(&folder, "bad.mmdb", b"bad");
    let good = text(&app, "database = \"country.mmdb\"\n");
    let parvis = Parvis::start_in(
        folder,
        &format!("{}\n", good.replace("[server]", "[server]\nwatch = false")),
        &[],
    );
    until_in(&parvis, "GB");
    let bad =
        text(&app, "database = \"bad.mmdb\"\n").replace("[server]", "[server]\nwatch = false");
    Parvis::write_configuration(&parvis.folder, &bad);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422, "{}", reply.text());
    assert!(reply.text().contains("bad.mmdb"), "{}", reply.text());
    until_in(&parvis, "GB");
}
