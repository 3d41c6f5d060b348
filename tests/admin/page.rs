//! The page of metrics: its form, and where its labels come from.

use crate::support::{Backend, Parvis};
use crate::{Family, OWN, busy, metrics, parse};
use std::collections::{BTreeMap, BTreeSet};

#[test]
fn the_page_is_what_prometheus_reads_and_names_follow_its_conventions() {
    let busy = busy();
    let reply = busy.parvis.admin_request("GET", "/metrics", "");
    let kind = reply.field("content-type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    assert_eq!(reply.field("cache-control").as_deref(), Some("no-store"));
    for (name, family) in parse(&reply.text()) {
        assert!(
            name.starts_with("parvis_") || name.starts_with("process_"),
            "{name}"
        );
        let total = name.ends_with("_total");
        assert_eq!(
            family.kind == "counter",
            total,
            "{name} is a {}",
            family.kind
        );
        for word in ["_ms", "_milliseconds", "_kb", "_percent", "_time"] {
            assert!(
                !name.ends_with(word),
                "{name}: seconds and bytes, not {word}"
            );
        }
        if name.contains("duration") || name.contains("timestamp") {
            assert!(name.ends_with("_seconds"), "{name}");
        }
        assert!(!family.samples.is_empty(), "{name} has no samples");
        for (name, (_, value)) in &family.samples {
            assert!(*value >= 0.0 && value.is_finite(), "{name} {value}");
        }
        if family.kind == "histogram" {
            check_histogram(&name, &family);
        }
    }
}

/// Buckets rise, and the last, `+Inf`, has all.
fn check_histogram(name: &str, family: &Family) {
    let mut series: BTreeMap<BTreeMap<String, String>, Vec<(String, f64)>> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    for (sample, (labels, value)) in &family.samples {
        let mut labels = labels.clone();
        let bound = labels.remove("le");
        if sample.ends_with("_bucket") {
            series
                .entry(labels)
                .or_default()
                .push((bound.unwrap(), *value));
        } else if sample.ends_with("_count") {
            counts.insert(labels, *value);
        }
    }
    assert_eq!(series.len(), counts.len(), "{name}");
    for (labels, buckets) in series {
        let bounds: Vec<f64> = buckets
            .iter()
            .map(|(b, _)| b.replace("+Inf", "inf").parse().unwrap())
            .collect();
        assert!(bounds.is_sorted_by(|a, b| a < b), "{name} {bounds:?}");
        assert!(
            buckets.is_sorted_by(|a, b| a.1 <= b.1),
            "{name} {buckets:?}"
        );
        let last = buckets.last().unwrap();
        assert_eq!(
            (last.0.as_str(), last.1),
            ("+Inf", counts[&labels]),
            "{name}"
        );
    }
}

#[test]
fn no_label_comes_from_a_request() {
    let backend = Backend::text("app");
    let parvis = Parvis::start(&format!(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"a\"\nhosts = [\"a.test\", \"*.a.test\"]\nlisten = [\"127.0.0.1:0\"]\n{OWN}\
         [[site.route]]\npath = \"/app/*\"\nproxy = \"app\"\n\
         [[site.route]]\npath = \"~ ^/u/([0-9]+)$\"\nrespond = {{}}\n",
        backend.address()
    ));
    let methods = ["GET", "get", "M-EVIL", "evil\"", "\\evil", "OPTIONS"];
    let hosts = [
        "a.test",
        "evil.a.test",
        "evil.test",
        "EVIL",
        "evil{}=\"",
        "evil\\",
    ];
    let paths = [
        "/own",
        "/app/evil",
        "/u/123",
        "/evil",
        "/evil\"},\\",
        "/%00evil",
        "*",
        "evil",
        "/?evil",
    ];
    let mut sent = 0;
    for method in methods {
        for host in hosts {
            for path in paths {
                let mut client = parvis.client();
                client.send(format!(
                    "{method} {path} HTTP/1.1\r\nHost: {host}\r\nX-Request-ID: evil\r\n\
                     X-Forwarded-For: evil\r\nUser-Agent: evil\r\nReferer: evil\r\nConnection: close\r\n\r\n"
                ));
                assert!(client.reply().status > 0);
                sent += 1;
            }
        }
    }
    assert_eq!(sent, 324);
    let server = backend.address().to_string();
    let allowed: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::from([
        ("site", BTreeSet::from(["a"])),
        (
            "route",
            BTreeSet::from(["", "/own", "/app/*", "~ ^/u/([0-9]+)$"]),
        ),
        ("method", BTreeSet::from(["GET", "OPTIONS", "other"])),
        ("status", BTreeSet::from(["2xx", "4xx"])),
        (
            "reason",
            BTreeSet::from([
                "host",
                "request_line",
                "target",
                "no_site",
                // Why page views are not recorded.
                "authenticated",
                "bot",
                "excluded",
                "prefetch",
                "privacy",
            ]),
        ),
        ("upstream", BTreeSet::from(["app"])),
        ("server", BTreeSet::from([server.as_str()])),
        ("version", BTreeSet::from([env!("CARGO_PKG_VERSION")])),
    ]);
    for (name, family) in metrics(&parvis) {
        for (_, (labels, _)) in family.samples {
            for (label, value) in labels.iter().filter(|(label, _)| *label != "le") {
                let known = allowed
                    .get(label.as_str())
                    .is_some_and(|v| v.contains(value.as_str()));
                assert!(known, "{name} has {label}={value:?}");
            }
        }
    }
}
