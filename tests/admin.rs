//! The operator's interface: metrics, status, the token, reloading, and what it does with clients
//! that do not behave.

mod support;

#[path = "admin/counts.rs"]
mod counts;
#[path = "admin/interface.rs"]
mod interface;
#[path = "admin/page.rs"]
mod page;
#[path = "admin/status.rs"]
mod status;
#[path = "admin/token.rs"]
mod token;

use std::collections::BTreeMap;
use support::{Backend, Parvis, until};

/// A sample: the labels and the value.
type Sample = (BTreeMap<String, String>, f64);

#[derive(Debug, Default)]
struct Family {
    kind: String,
    /// By the name as written: a histogram has `_bucket`, `_sum` and `_count`.
    samples: Vec<(String, Sample)>,
}

/// The page, read as strictly as the format says (version 0.0.4), and checked as a whole.
fn parse(text: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut helped = String::new();
    assert!(text.ends_with('\n'));
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(!help.is_empty(), "{line}");
            helped = name.to_string();
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(name, helped, "a type without its help");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            current = name.to_string();
            let family = Family {
                kind: kind.into(),
                ..Family::default()
            };
            assert!(
                families.insert(current.clone(), family).is_none(),
                "twice: {line}"
            );
        } else {
            let (name, sample) = sample(line);
            let family = families.get_mut(&current).unwrap();
            let suffixes: &[&str] = match family.kind.as_str() {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let fits = |s: &str| name.strip_suffix(s) == Some(current.as_str());
            assert!(suffixes.iter().any(|s| fits(s)), "{name} within {current}");
            let same = |s: &(String, Sample)| s.0 == name && s.1.0 == sample.0;
            assert!(!family.samples.iter().any(same), "twice: {line}");
            family.samples.push((name, sample));
        }
    }
    families
}

fn is_name(name: &str) -> bool {
    let first = name.as_bytes()[0];
    let sound = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    first.is_ascii_lowercase() && name.bytes().all(sound)
}

fn sample(line: &str) -> (String, Sample) {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    assert!(is_name(name), "{line}");
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (label, after) = rest.split_once("=\"").unwrap();
            assert!(is_name(label), "{line}");
            let mut value = String::new();
            let mut chars = after.char_indices();
            let end = loop {
                match chars.next().unwrap() {
                    (at, '"') => break at,
                    (_, '\\') => match chars.next().unwrap().1 {
                        'n' => value.push('\n'),
                        c @ ('"' | '\\') => value.push(c),
                        c => panic!("an escape that is none: \\{c} in {line}"),
                    },
                    (_, c) => value.push(c),
                }
            };
            assert!(labels.insert(label.to_string(), value).is_none(), "{line}");
            rest = &after[end + 1..];
            if let Some(after) = rest.strip_prefix('}') {
                rest = after;
                break;
            }
            rest = rest.strip_prefix(',').unwrap_or_else(|| panic!("{line}"));
        }
    }
    let value = rest.strip_prefix(' ').unwrap();
    let value = value
        .parse()
        .unwrap_or_else(|_| panic!("no number: {line}"));
    (name.to_string(), (labels, value))
}

fn metrics(parvis: &Parvis) -> BTreeMap<String, Family> {
    let reply = parvis.admin_request("GET", "/metrics", "");
    assert_eq!(reply.status, 200);
    parse(&reply.text())
}

/// The value of a series, 0 when there is none.
fn value(families: &BTreeMap<String, Family>, name: &str, labels: &[(&str, &str)]) -> f64 {
    let labels: BTreeMap<String, String> = labels
        .iter()
        .map(|(n, v)| (n.to_string(), v.to_string()))
        .collect();
    let all = families.values().flat_map(|family| &family.samples);
    let mut found = all.filter(|(n, (l, _))| n == name && *l == labels);
    found.next().map_or(0.0, |(_, (_, value))| *value)
}

const NO_LABELS: &[(&str, &str)] = &[];

fn site(rest: &str) -> String {
    format!("[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{rest}")
}

const OWN: &str = "[[site.route]]\npath = \"/own\"\nrespond = { body = \"own\" }\n";

/// Every kind of request that is counted.
struct Busy {
    parvis: Parvis,
    backend: Backend,
    requests: usize,
    received: usize,
    sent: usize,
}

fn busy() -> Busy {
    let backend = Backend::http(|request| {
        let status = match request.target.as_str() {
            "/app/201" => "201 Created",
            "/app/302" => "302 Found",
            "/app/404" => "404 Not Found",
            "/app/500" => "500 Oh",
            _ => "200 OK",
        };
        let body = if request.method == "HEAD" {
            ""
        } else {
            "hello"
        };
        format!("HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n{body}").into_bytes()
    });
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}{OWN}\
         [[site.route]]\npath = \"/app/*\"\nproxy = \"app\"\n",
        backend.address(),
        site(""),
    ));
    let mut busy = Busy {
        parvis,
        backend,
        requests: 0,
        received: 0,
        sent: 0,
    };
    for (method, path, times) in [
        ("GET", "/app/200", 3),
        ("GET", "/app/302", 1),
        ("GET", "/app/404", 2),
        ("GET", "/app/500", 1),
        ("HEAD", "/app/200", 1),
        ("POST", "/app/201", 2),
        ("PUT", "/app/200", 1),
        ("PATCH", "/app/200", 1),
        ("DELETE", "/app/200", 1),
        ("OPTIONS", "/app/200", 1),
        ("BREW", "/app/200", 1),
        ("PROPFIND", "/app/200", 1),
        ("get", "/app/200", 1),
        ("GET", "/own", 4),
        ("GET", "/nowhere", 5),
    ] {
        for _ in 0..times {
            let request =
                format!("{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n");
            let body = if method == "POST" {
                "Content-Length: 3\r\n\r\nabc"
            } else {
                "\r\n"
            };
            let request = request + body;
            let mut client = busy.parvis.client();
            client.send(&request);
            busy.requests += 1;
            busy.received += request.len();
            busy.sent += client.rest().len();
        }
    }
    until("all are counted", || {
        let parvis = &busy.parvis;
        let idle = parvis.metric("parvis_requests_in_flight") == 0.0;
        (idle && parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    busy
}

/// Status of a request to the admin interface with these fields.
fn status_of(parvis: &Parvis, method: &str, path: &str, fields: &str) -> u16 {
    parvis.admin_request(method, path, fields).status
}
