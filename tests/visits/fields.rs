//! What is recorded of a page view.

use crate::support::{Folder, Parvis};
use crate::{FIREFOX, IPHONE, ON, again, app, configuration, end, see, stored, texts, view};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::time::{SystemTime, UNIX_EPOCH};

/// Connections of the tests come from a proxy that is believed.
const BEHIND: &str = "[server]\nthreads = 1\ntrusted_proxies = [\"127.0.0.0/8\"]\n";

fn micros() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_micros()).unwrap()
}

#[test]
fn a_visit_has_what_is_known_of_it() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, BEHIND, "", ON));
    let before = micros();
    let fields = format!(
        "User-Agent: {IPHONE}\r\nAccept-Language: fr;q=0.8, fr-CA, en;q=0.5\r\n\
         Referer: https://www.News.example:8443/a/b?token=secret#part\r\n\
         X-Forwarded-For: 193.0.6.139\r\n"
    );
    let path = "/caf%C3%A9/a%20b%2Fc?utm_source=news+letter&utm_medium=e%2Dmail&\
        utm_campaign=%C3%A9t%C3%A9&token=secret";
    see(&parvis, path, &fields);
    // One of which nothing is known.
    see(&parvis, "/plain", "");
    let rows = stored(&parvis.folder, 2);
    let row = &rows[0];
    for (column, expected) in [
        ("path", "/café/a b/c"),
        ("referrer", "https://www.News.example:8443/a/b"),
        ("referrer_host", "news.example"),
        ("language", "fr-CA"),
        ("utm_source", "news letter"),
        ("utm_medium", "e-mail"),
        ("utm_campaign", "été"),
        ("country", "NL"),
        ("address", "193.0.6.0"),
        ("user_agent", IPHONE),
        ("os", "iOS"),
        ("name", "s"),
    ] {
        assert_eq!(row[column], expected, "{column}: {row:#}");
    }
    assert!(
        row["browser"].as_str().unwrap().contains("Safari"),
        "{row:#}"
    );
    // Mobile, as `readable` says too.
    assert_eq!((&row["device"], &row["status"]), (&0.into(), &200.into()));
    let id = row["id"].as_i64().unwrap();
    assert!((before..=micros()).contains(&id), "{id}");
    let took = row["took"].as_i64().unwrap();
    assert!((1..20_000_000).contains(&took), "{took} microseconds");
    // RFC 9562: version 7, and its time.
    let uuid = row["uuid"].as_str().unwrap();
    assert_eq!((uuid.len(), &uuid[12..13]), (32, "7"), "{uuid}");
    let millis = i64::from_str_radix(&uuid[..12], 16).unwrap();
    assert!((millis - id / 1000).abs() <= 1, "{millis} {id}");
    let row = &rows[1];
    for column in [
        "referrer",
        "referrer_host",
        "language",
        "utm_source",
        "region",
        "city",
    ] {
        assert_eq!(row[column], Value::Null, "{column}: {row:#}");
    }
    for (column, expected) in [
        ("path", "/plain"),
        ("country", "ZZ"),
        ("browser", "Firefox"),
    ] {
        assert_eq!(row[column], expected, "{column}: {row:#}");
    }
    assert_eq!(row["asn"], 0);
    assert!(!format!("{rows:?}").contains("secret"));
    // People's addresses and paths are for parvis's user alone.
    for name in [
        "visits.sqlite",
        "visits.sqlite-wal",
        "visits.sqlite.spool/visitor.keys",
    ] {
        let mode = std::fs::metadata(parvis.folder.join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
    let spool = parvis.folder.join("visits.sqlite.spool");
    assert_eq!(
        std::fs::metadata(spool).unwrap().permissions().mode() & 0o777,
        0o700
    );
}

#[test]
fn countries_are_those_of_clients_behind_trusted_proxies() {
    let app = app();
    let cases = [
        ("193.0.6.139", "NL"),
        ("8.8.8.8", "US"),
        ("2001:67c:2e8:22::c100:68b", "NL"),
        ("::ffff:193.0.6.139", "NL"),
        ("10.1.2.3", "ZZ"),
        ("192.168.1.1", "ZZ"),
        ("127.0.0.1", "ZZ"),
        ("100.64.0.1", "ZZ"),
        ("203.0.113.5", "ZZ"),
        ("::1", "ZZ"),
        ("fd00::1", "ZZ"),
        ("2001:db8::1", "ZZ"),
        // The last address before the trusted proxies is the client.
        ("8.8.8.8, 193.0.6.139", "NL"),
        ("193.0.6.139, 127.0.0.7", "NL"),
    ];
    for (top, believed) in [(BEHIND, true), ("[server]\nthreads = 1\n", false)] {
        let parvis = Parvis::start(&configuration(&app, top, "ip = \"full\"", ON));
        let mut client = parvis.client();
        for (forwarded, _) in cases {
            view(
                &mut client,
                "/",
                &format!("X-Forwarded-For: {forwarded}\r\n"),
            );
        }
        let rows = stored(&parvis.folder, cases.len() as u64);
        for (row, (forwarded, country)) in rows.iter().zip(cases) {
            let expected = if believed { country } else { "ZZ" };
            assert_eq!(row["country"], expected, "{forwarded}: {row:#}");
            if !believed {
                assert_eq!(row["address"], "127.0.0.1", "{forwarded}");
            }
        }
    }
}

#[test]
fn addresses_are_kept_as_whole_as_the_operator_says() {
    let app = app();
    for (ip, four, six) in [
        (
            "full",
            Some("193.0.6.139"),
            Some("2001:67c:2e8:22::c100:68b"),
        ),
        ("truncated", Some("193.0.6.0"), Some("2001:67c:2e8::")),
        ("none", None, None),
    ] {
        let text = configuration(&app, BEHIND, &format!("ip = \"{ip}\""), ON);
        let mut parvis = Parvis::start(&text);
        for address in ["193.0.6.139", "2001:67c:2e8:22::c100:68b"] {
            see(&parvis, "/", &format!("X-Forwarded-For: {address}\r\n"));
        }
        let rows = stored(&parvis.folder, 2);
        let addresses: Vec<Option<&str>> = rows.iter().map(|row| row["address"].as_str()).collect();
        assert_eq!(addresses, [four, six]);
        assert_eq!(
            texts(&rows, "country"),
            ["NL", "NL"],
            "told by the whole address"
        );
        end(&mut parvis);
        if ip != "full" {
            // Nowhere else either.
            let six: std::net::Ipv6Addr = "2001:67c:2e8:22::c100:68b".parse().unwrap();
            assert_nowhere(
                &parvis.folder,
                &[b"193.0.6.139", b"c100:68b", &six.octets()],
            );
        }
    }
}

/// No file of parvis's has any of these in it.
fn assert_nowhere(folder: &Folder, secrets: &[&[u8]]) {
    let mut folders = vec![folder.path().to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let bytes = std::fs::read(&path).unwrap();
            for secret in secrets {
                let found = bytes.windows(secret.len()).any(|part| part == *secret);
                assert!(!found, "{} has {secret:x?}", path.display());
            }
        }
    }
}

#[test]
fn a_visitor_is_an_address_and_a_user_agent_on_a_site_for_a_day() {
    let app = app();
    let mut text = configuration(&app, BEHIND, "", ON);
    text.push_str(
        "[[site]]\nname = \"other\"\nhosts = [\"other.test\"]\nlisten = [\"127.0.0.1:0\"]\n\
         visits = true\n[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
    );
    let mut parvis = Parvis::start(&text);
    let visit = |parvis: &Parvis, host: &str, address: &str, agent: &str| {
        let mut client = parvis.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\n\
             X-Forwarded-For: {address}\r\n\r\n"
        ));
        assert_eq!(client.reply().status, 200);
    };
    let all = [
        ("s.test", "193.0.6.139", FIREFOX),
        ("s.test", "193.0.6.140", FIREFOX),
        ("s.test", "193.0.6.139", IPHONE),
        ("other.test", "193.0.6.139", FIREFOX),
    ];
    for (host, address, agent) in all.iter().chain(&all) {
        visit(&parvis, host, address, agent);
    }
    let rows = stored(&parvis.folder, 8);
    for column in ["visitor", "session"] {
        let found: Vec<i64> = rows
            .iter()
            .map(|row| row[column].as_i64().unwrap())
            .collect();
        assert_eq!(found[..4], found[4..], "{column}");
        let different: BTreeSet<i64> = found.iter().copied().collect();
        assert_eq!(different.len(), 4, "{column}: {found:?}");
    }
    let overview = crate::counted(&parvis, 8);
    assert_eq!(overview["today"]["guests"], 4);
    // The day's key outlives the process.
    end(&mut parvis);
    let parvis = again(parvis, &text);
    visit(&parvis, "s.test", "193.0.6.139", FIREFOX);
    let rows = stored(&parvis.folder, 9);
    assert_eq!(rows[8]["visitor"], rows[0]["visitor"]);
    let overview = crate::counted(&parvis, 9);
    assert_eq!(overview["today"]["guests"], 4, "{overview:#}");
    // Two ids are never the same.
    let ids: BTreeSet<&str> = texts(&rows, "uuid").into_iter().collect();
    assert_eq!(ids.len(), 9);
}
