//! The operator's interface: metrics, status, the token, reloading, and what it does with clients
//! that do not behave.

mod support;

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::SystemTime;
use support::{Backend, Client, Folder, Full, Parvis, Refusing, Reply, until};

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
fn requests_are_counted_by_site_route_method_and_status_class() {
    let busy = busy();
    let families = metrics(&busy.parvis);
    let mut expected = BTreeMap::new();
    for (route, method, status, n) in [
        ("/app/*", "GET", "2xx", 3.0),
        ("/app/*", "GET", "3xx", 1.0),
        ("/app/*", "GET", "4xx", 2.0),
        ("/app/*", "GET", "5xx", 1.0),
        ("/app/*", "HEAD", "2xx", 1.0),
        ("/app/*", "POST", "2xx", 2.0),
        ("/app/*", "PUT", "2xx", 1.0),
        ("/app/*", "PATCH", "2xx", 1.0),
        ("/app/*", "DELETE", "2xx", 1.0),
        ("/app/*", "OPTIONS", "2xx", 1.0),
        ("/app/*", "other", "2xx", 3.0),
        ("/own", "GET", "2xx", 4.0),
        ("", "GET", "4xx", 5.0),
    ] {
        expected.insert(
            (route.to_string(), method.to_string(), status.to_string()),
            n,
        );
    }
    let mut found = BTreeMap::new();
    for (_, (labels, value)) in &families["parvis_requests_total"].samples {
        assert_eq!(labels["site"], "s");
        assert_eq!(labels.len(), 4, "{labels:?}");
        let label = |name: &str| labels[name].clone();
        found.insert((label("route"), label("method"), label("status")), *value);
    }
    assert_eq!(found, expected);
}

#[test]
fn durations_and_bytes_are_told_by_site_and_route() {
    let busy = busy();
    let families = metrics(&busy.parvis);
    let of = |name: &str, route: &str| value(&families, name, &[("site", "s"), ("route", route)]);
    for (route, requests, passed) in [("/app/*", 17.0, 17.0), ("/own", 4.0, 0.0), ("", 5.0, 0.0)] {
        assert_eq!(of("parvis_request_duration_seconds_count", route), requests);
        assert_eq!(
            of("parvis_upstream_duration_seconds_count", route),
            passed,
            "{route}"
        );
    }
    let whole = of("parvis_request_duration_seconds_sum", "/app/*");
    let app = of("parvis_upstream_duration_seconds_sum", "/app/*");
    assert!(whole >= app && app > 0.0, "{whole} {app}");
    let sum = |name: &str| -> f64 { families[name].samples.iter().map(|s| s.1.1).sum() };
    assert_eq!(sum("parvis_received_bytes_total"), busy.received as f64);
    assert_eq!(sum("parvis_sent_bytes_total"), busy.sent as f64);
}

#[test]
fn a_duration_is_the_time_that_passed() {
    let backend = Backend::raw(|incoming| {
        while incoming.request().is_some() {
            std::thread::sleep(std::time::Duration::from_millis(120));
            incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\no");
            std::thread::sleep(std::time::Duration::from_millis(120));
            incoming.send("k");
        }
    });
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address(),
        site("")
    ));
    let began = std::time::Instant::now();
    parvis.get("/");
    let labels = [("site", "s"), ("route", "/*")];
    let families = until("it is counted", || {
        let families = metrics(&parvis);
        let count = value(&families, "parvis_request_duration_seconds_count", &labels);
        (count == 1.0).then_some(families)
    });
    let took = began.elapsed().as_secs_f64();
    let whole = value(&families, "parvis_request_duration_seconds_sum", &labels);
    let app = value(&families, "parvis_upstream_duration_seconds_sum", &labels);
    assert!(app >= 0.12 && whole >= app + 0.12, "{app} {whole}");
    assert!(whole <= took, "{whole} {took}");
    // It lies in the right bucket.
    let at_most = |bound: &str| {
        let labels = [("site", "s"), ("route", "/*"), ("le", bound)];
        value(&families, "parvis_request_duration_seconds_bucket", &labels)
    };
    assert_eq!(at_most("0.1"), 0.0);
    assert_eq!(at_most("+Inf"), 1.0);
}

#[test]
fn connections_are_counted_while_they_are_open_and_for_ever() {
    let parvis = Parvis::start(&(site("") + OWN));
    let mut clients: Vec<Client> = (0..3).map(|_| parvis.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("/own").status, 200);
        assert_eq!(client.get("/own").status, 200);
    }
    let families = metrics(&parvis);
    assert_eq!(value(&families, "parvis_connections_open", NO_LABELS), 3.0);
    assert_eq!(
        value(&families, "parvis_connections_accepted_total", NO_LABELS),
        3.0
    );
    assert_eq!(
        value(&families, "parvis_connections_failed_total", NO_LABELS),
        0.0
    );
    assert_eq!(parvis.status()["connections"]["open"], 3);
    drop(clients);
    until("they are closed", || {
        (parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    assert_eq!(parvis.metric("parvis_connections_accepted_total"), 3.0);
}

#[test]
fn connections_that_cannot_be_accepted_are_counted_and_later_ones_served() {
    let limit = |command: &mut Command| {
        let limit = libc::rlimit {
            rlim_cur: 48,
            rlim_max: 48,
        };
        // SAFETY: `setrlimit` is async-signal-safe and reads `limit` only.
        unsafe {
            command.pre_exec(move || match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            })
        };
    };
    let parvis = Parvis::start_as(Folder::new(), &(site("") + OWN), limit);
    // The kernel completes them; parvis runs out of file descriptors for some.
    let clients: Vec<Client> = (0..60).map(|_| parvis.client()).collect();
    until("it is said", || {
        parvis
            .log()
            .contains("cannot accept connections")
            .then_some(())
    });
    drop(clients);
    until("it serves again", || {
        let mut client = parvis.client();
        client.send("GET /own HTTP/1.1\r\nHost: test\r\n\r\n");
        (client.reply().status == 200).then_some(())
    });
    assert!(parvis.metric("parvis_connections_failed_total") > 0.0);
}

#[test]
fn upgraded_connections_are_counted_while_they_are_open() {
    let backend = Backend::raw(|incoming| {
        if incoming.request().is_some() {
            incoming.send("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n");
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address(),
        site("")
    ));
    let mut client = parvis.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    assert_eq!(client.head_only().status, 101);
    let open = || parvis.metric("parvis_upgraded_connections_open");
    until("it is counted", || (open() == 1.0).then_some(()));
    assert_eq!(parvis.status()["connections"]["upgraded"], 1);
    drop(client);
    until("it is closed", || (open() == 0.0).then_some(()));
    let families = metrics(&parvis);
    let labels = [
        ("site", "s"),
        ("route", "/*"),
        ("method", "GET"),
        ("status", "1xx"),
    ];
    assert_eq!(value(&families, "parvis_requests_total", &labels), 1.0);
}

#[test]
fn a_request_is_in_flight_as_long_as_it_is_open() {
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let backend = Backend::http(move |_| {
        wait.lock().unwrap().recv().unwrap();
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    let parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address(),
        site("")
    ));
    let in_flight = || parvis.metric("parvis_requests_in_flight");
    assert_eq!(in_flight(), 0.0);
    let mut clients: Vec<Client> = (0..2).map(|_| parvis.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    until("both are in flight", || (in_flight() == 2.0).then_some(()));
    assert_eq!(parvis.status()["requests_in_flight"], 2);
    for client in &mut clients {
        answer.send(()).unwrap();
        let _ = client;
    }
    for mut client in clients {
        assert_eq!(client.reply().status, 200);
    }
    until("none is", || (in_flight() == 0.0).then_some(()));
}

#[test]
fn upstream_errors_are_counted_by_kind() {
    let refusing = [Refusing::new(), Refusing::new()];
    let full = Full::new();
    let broken = Backend::raw(|incoming| {
        let Some(request) = incoming.request() else {
            return;
        };
        match request.target.as_str() {
            "/broken/reset" => {}
            "/broken/rubbish" => drop(incoming.send("HTTP/1.1 200 OK\r\nno field\r\n\r\n")),
            _ => while incoming.read(&mut [0; 100]) > 0 {},
        }
    });
    let parvis = Parvis::start(&format!(
        "[upstream.refused]\nservers = [\"{}\"]\n\
         [upstream.full]\nservers = [\"{}\"]\nconnect_timeout = \"100ms\"\n\
         [upstream.broken]\nservers = [\"{}\"]\nfirst_byte_timeout = \"100ms\"\n\
         [upstream.down]\nservers = [\"{}\"]\nhealth = {{ path = \"/\", interval = \"20ms\", unhealthy_after = 1 }}\n\
         {}\
         [[site.route]]\npath = \"/refused\"\nproxy = \"refused\"\n\
         [[site.route]]\npath = \"/full\"\nproxy = \"full\"\n\
         [[site.route]]\npath = \"/broken/*\"\nproxy = \"broken\"\n\
         [[site.route]]\npath = \"/down\"\nproxy = \"down\"\n",
        refusing[0].address(),
        full.address(),
        broken.address(),
        refusing[1].address(),
        site("")
    ));
    let down = refusing[1].address().to_string();
    let up = |families: &_, upstream: &str, server: &str| {
        value(
            families,
            "parvis_upstream_server_up",
            &[("upstream", upstream), ("server", server)],
        )
    };
    until("the server is down", || {
        let families = metrics(&parvis);
        let known = families["parvis_upstream_server_up"].samples.len() == 4;
        (known && up(&families, "down", &down) == 0.0).then_some(())
    });
    for (path, status, times) in [
        ("/refused", 502, 2),
        ("/full", 504, 1),
        ("/broken/reset", 502, 3),
        ("/broken/rubbish", 502, 1),
        ("/broken/silent", 504, 1),
        ("/down", 503, 1),
    ] {
        for _ in 0..times {
            assert_eq!(parvis.get(path).status, status, "{path}");
        }
    }
    let families = metrics(&parvis);
    let mut found = BTreeMap::new();
    for (_, (labels, value)) in &families["parvis_upstream_errors_total"].samples {
        found.insert(
            (labels["upstream"].as_str(), labels["kind"].as_str()),
            *value,
        );
    }
    let expected = [
        (("broken", "app_timeout"), 1.0),
        (("broken", "bad_answer"), 1.0),
        (("broken", "reset"), 3.0),
        (("down", "no_server"), 1.0),
        (("full", "connect_timeout"), 1.0),
        (("refused", "connect_refused"), 2.0),
    ];
    assert_eq!(found, BTreeMap::from(expected));
    assert_eq!(
        up(&families, "refused", &refusing[0].address().to_string()),
        1.0
    );
}

#[test]
fn refused_requests_are_counted_by_reason() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nhosts = [\"test\"]\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/own\"\nrespond = {}\n",
    );
    for bytes in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "rubbish\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: other\r\nConnection: close\r\n\r\n",
    ] {
        let mut client = parvis.client();
        client.send(bytes);
        client.rest();
    }
    until("all are counted", || {
        (parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    let families = metrics(&parvis);
    let of = |reason| {
        value(
            &families,
            "parvis_refused_requests_total",
            &[("reason", reason)],
        )
    };
    assert_eq!(
        [of("host"), of("request_line"), of("no_site")],
        [2.0, 1.0, 1.0]
    );
    assert!(!families.contains_key("parvis_requests_total"));
}

fn proc_status(pid: u32, key: &str) -> f64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.trim_end_matches("kB").trim().parse::<f64>().unwrap() * 1024.0
}

#[test]
fn the_process_and_its_build_are_told() {
    let parvis = Parvis::start(&(site("") + OWN));
    for _ in 0..200 {
        parvis.get("/own");
    }
    let families = metrics(&parvis);
    let of = |name: &str| value(&families, name, NO_LABELS);
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    assert_eq!(value(&families, "parvis_build_info", &version), 1.0);
    let resident = proc_status(parvis.pid(), "VmRSS:");
    let told = of("process_resident_memory_bytes");
    assert!(
        told > resident / 2.0 && told < resident * 2.0,
        "{told} {resident}"
    );
    let open = std::fs::read_dir(format!("/proc/{}/fd", parvis.pid()))
        .unwrap()
        .count() as f64;
    let told = of("process_open_fds");
    assert!(told >= 8.0 && (told - open).abs() <= 8.0, "{told} {open}");
    assert!(of("process_max_fds") >= told);
    until("some CPU time is told", || {
        parvis.get("/own");
        (parvis.metric("process_cpu_seconds_total") > 0.0).then_some(())
    });
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs_f64();
    let started = of("process_start_time_seconds");
    assert!(
        (now - 60.0..=now + 2.0).contains(&started),
        "{started} {now}"
    );
    assert_eq!(of("parvis_log_dropped_total"), 0.0);
}

#[test]
fn the_configurations_generation_and_last_load_are_told() {
    let parvis = Parvis::start(&format!("[server]\nwatch = false\n{}{OWN}", site("")));
    let now = || {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64()
    };
    let told = || {
        let families = metrics(&parvis);
        let of = |name: &str| value(&families, name, NO_LABELS);
        assert!(of("parvis_config_last_reload_duration_seconds") > 0.0);
        let time = of("parvis_config_last_reload_timestamp_seconds");
        (
            of("parvis_config_generation"),
            of("parvis_config_last_reload_success"),
            time,
        )
    };
    let (generation, success, first) = told();
    assert_eq!((generation, success), (1.0, 1.0));
    assert!((now() - 60.0..=now()).contains(&first), "{first}");
    let before = now();
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    let (generation, success, second) = told();
    assert_eq!((generation, success), (2.0, 1.0));
    assert!((before..=now()).contains(&second), "{before} {second}");
    Parvis::write_configuration(&parvis.folder, "[[site]]\nname = 1\n");
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 422);
    let (generation, success, third) = told();
    assert_eq!((generation, success), (2.0, 0.0));
    assert!(third >= second);
    assert_eq!(parvis.get("/own").status, 200, "the one in force stays");
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
            BTreeSet::from(["host", "request_line", "target", "no_site"]),
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

#[test]
fn the_status_tells_the_state_of_the_process() {
    let busy = busy();
    let status = busy.parvis.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], busy.parvis.pid());
    assert!(status["uptime_seconds"].as_u64().unwrap() < 60);
    assert_eq!(status["stopping"], false);
    assert_eq!(status["generation"], 1);
    let file = busy.parvis.configuration().display().to_string();
    assert_eq!(status["files"], serde_json::json!([file]));
    assert_eq!(status["last_load"]["success"], true);
    assert_eq!(status["last_load"]["error"], Value::Null);
    assert!(status["last_load"]["time"].as_f64().unwrap() > 1.7e9);
    assert!(status["last_load"]["duration_ms"].as_f64().unwrap() > 0.0);
    let listener = &status["listeners"][0];
    assert_eq!(listener["configured"], "127.0.0.1:0");
    assert_eq!(listener["address"], busy.parvis.address().to_string());
    assert_eq!(status["connections"]["accepted"], busy.requests);
    assert_eq!(status["connections"]["open"], 0);
    assert_eq!(status["connections"]["failed"], 0);
    assert_eq!(status["connections"]["upgraded"], 0);
    assert_eq!(status["requests_in_flight"], 0);
    assert_eq!(status["log_dropped"], 0);
    let site = &status["sites"][0];
    assert_eq!(site["name"], "s");
    assert!(
        site["defined"].as_str().unwrap().contains("parvis.toml:"),
        "{site}"
    );
    assert_eq!(
        site["routes"],
        serde_json::json!([
            { "path": "/own", "does": "respond 200" },
            { "path": "/app/*", "does": "proxy app" },
        ])
    );
    let upstream = &status["upstreams"][0];
    assert_eq!(upstream["name"], "app");
    assert_eq!(upstream["checked"], false);
    let server = &upstream["servers"][0];
    assert_eq!(server["address"], busy.backend.address().to_string());
    assert_eq!(server["up"], true);
}

#[test]
fn the_status_has_every_metric_with_its_value() {
    let busy = busy();
    let status = busy.parvis.status();
    let families = metrics(&busy.parvis);
    let told = status["metrics"].as_object().unwrap();
    let names: BTreeSet<&String> = told.keys().collect();
    assert_eq!(names, families.keys().collect::<BTreeSet<_>>());
    for (name, family) in &families {
        if name.starts_with("process_") {
            // They change from one look to the next.
            assert!(told[name][0]["value"].as_f64().is_some(), "{name}");
            continue;
        }
        for (sample, (labels, value)) in &family.samples {
            let key = match sample.strip_prefix(name.as_str()).unwrap() {
                "" => "value",
                "_count" => "count",
                "_sum" => "sum",
                _ => continue,
            };
            let fits = |series: &&Value| labels.iter().all(|(n, v)| series["labels"][n] == *v);
            let series = told[name].as_array().unwrap().iter().find(fits);
            let series = series.unwrap_or_else(|| panic!("no {name} {labels:?}"));
            let said = series[key].as_f64().unwrap();
            // A number read from decimal digits may be off by the last bit.
            let near = (said - value).abs() <= value.abs() * 1e-12;
            assert!(near, "{name} {labels:?}: {said} {value}");
        }
    }
}

#[test]
fn the_status_tells_of_a_reload_that_was_refused() {
    let parvis = Parvis::start(&format!("[server]\nwatch = false\n{}{OWN}", site("")));
    Parvis::write_configuration(&parvis.folder, "[[site]]\nnaem = \"s\"\n");
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422);
    let error = reply.json()["error"].as_str().unwrap().to_string();
    assert!(
        error.contains("naem") && error.contains("parvis.toml:"),
        "{error}"
    );
    let status = parvis.status();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["last_load"]["success"], false);
    assert_eq!(status["last_load"]["error"], error);
}

#[test]
fn a_reload_is_answered_with_what_it_did() {
    let parvis = Parvis::start(&format!("[server]\nwatch = false\n{}{OWN}", site("")));
    let changed = format!(
        "[server]\nwatch = false\nthreads = 7\n{}{}",
        site(""),
        OWN.replace("\"own\"", "\"new\"")
    );
    Parvis::write_configuration(&parvis.folder, &changed);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.field("content-type").as_deref(),
        Some("application/json")
    );
    let told = reply.json();
    assert_eq!(told["generation"], 2);
    assert!(told["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(
        told["needs_restart"],
        serde_json::json!(["server.threads from 0 to 7"])
    );
    assert_eq!(parvis.get("/own").text(), "new");
    assert_eq!(parvis.status()["generation"], 2);
}

/// Status of a request to the admin interface with these fields.
fn status_of(parvis: &Parvis, method: &str, path: &str, fields: &str) -> u16 {
    parvis.admin_request(method, path, fields).status
}

fn token_is_needed(parvis: &Parvis, token: &str) {
    for (method, path) in [
        ("GET", "/"),
        ("GET", "/metrics"),
        ("GET", "/status"),
        ("POST", "/reload"),
        ("GET", "/reload"),
        ("GET", "/nowhere"),
        ("GET", "/health/"),
        ("GET", "//health"),
    ] {
        let longer = format!("Bearer {token}x");
        let shorter = format!("Bearer {}", &token[1..]);
        let basic = format!("Basic {token}");
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            token,
            &longer,
            &shorter,
            &basic,
            "Bearer\t",
        ];
        for given in wrong {
            let fields = match given {
                "" => String::new(),
                _ => format!("Authorization: {given}\r\n"),
            };
            let reply = parvis.admin_request(method, path, &fields);
            assert_eq!(reply.status, 401, "{method} {path} {given:?}");
            assert_eq!(reply.field("www-authenticate").as_deref(), Some("Bearer"));
            assert!(!reply.text().contains(token), "{}", reply.text());
        }
    }
    assert_eq!(status_of(parvis, "GET", "/health", ""), 200);
    assert_eq!(
        status_of(parvis, "GET", "/health", "Authorization: Bearer wrong\r\n"),
        200
    );
    let generation = parvis.admin_request(
        "GET",
        "/status",
        &format!("Authorization: Bearer {token}\r\n"),
    );
    assert_eq!(
        generation.json()["generation"],
        1,
        "a refused reload reloaded"
    );
    for scheme in ["Bearer", "bearer", "BEARER", "BeArEr"] {
        for (method, path) in [
            ("GET", "/metrics"),
            ("GET", "/status"),
            ("POST", "/reload"),
            ("GET", "/"),
        ] {
            let fields = format!("Authorization: {scheme} {token}\r\n");
            assert_eq!(
                status_of(parvis, method, path, &fields),
                200,
                "{scheme} {path}"
            );
        }
    }
    assert!(!parvis.log().contains(token), "the token is in the log");
}

#[test]
fn with_a_token_in_the_file_everything_but_health_needs_it() {
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = \"s3cret-t0ken\"\n";
    token_is_needed(
        &Parvis::start(&format!("{admin}{}{OWN}", site(""))),
        "s3cret-t0ken",
    );
}

#[test]
fn a_token_may_come_from_the_environment() {
    let admin = "[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { env = \"PARVIS_TEST_TOKEN\" }\n";
    let configuration = format!("{admin}{}{OWN}", site(""));
    let environment = [("PARVIS_TEST_TOKEN", "from-the-env")];
    let parvis = Parvis::start_in(Folder::new(), &configuration, &environment);
    token_is_needed(&parvis, "from-the-env");
}

#[test]
fn a_token_may_come_from_a_file_and_change_with_a_reload() {
    let folder = Folder::new();
    folder.write("token", "from-a-file\n");
    let admin = "[server]\nwatch = false\n[admin]\nlisten = \"127.0.0.1:0\"\ntoken = { file = \"token\" }\n";
    let parvis = Parvis::start_in(folder, &format!("{admin}{}{OWN}", site("")), &[]);
    token_is_needed(&parvis, "from-a-file");
    parvis.folder.write("token", "another\n");
    let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
    assert_eq!(
        status_of(&parvis, "POST", "/reload", &with("from-a-file")),
        200
    );
    assert_eq!(
        status_of(&parvis, "GET", "/status", &with("from-a-file")),
        401
    );
    assert_eq!(status_of(&parvis, "GET", "/status", &with("another")), 200);
}

fn ended(configuration: &str, environment: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    Parvis::write_configuration(&folder, configuration);
    let child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["run", "-c"])
        .arg(folder.join("parvis.toml"))
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let pid = child.id();
    let (done, wait) = std::sync::mpsc::channel();
    std::thread::spawn(move || done.send(child.wait_with_output().unwrap()));
    let output = wait.recv_timeout(support::PATIENCE).unwrap_or_else(|_| {
        let _ = Command::new("kill").arg(pid.to_string()).status();
        panic!("it did not end: {configuration}")
    });
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn an_interface_that_others_can_reach_does_not_start_without_a_token() {
    for address in [
        "0.0.0.0:0",
        "[::]:0",
        "192.0.2.1:9180",
        "[::ffff:192.0.2.1]:0",
    ] {
        for token in [
            "",
            "token = \"\"",
            "token = { env = \"PARVIS_TEST_NONE\", default = \"\" }",
        ] {
            let admin = format!("[admin]\nlisten = \"{address}\"\n{token}\n");
            let (code, said) = ended(&format!("{admin}{}{OWN}", site("")), &[]);
            assert_eq!(code, Some(2), "{address} {token}: {said}");
            assert!(
                said.contains("has no token") && said.contains("can be reached"),
                "{said}"
            );
            assert!(
                said.contains(":2:") || said.contains(":3:") || said.contains(":4:"),
                "{said}"
            );
            assert!(said.contains("help:") || said.contains("token ="), "{said}");
        }
    }
    let admin = "[admin]\nlisten = \"0.0.0.0:0\"\ntoken = { env = \"PARVIS_TEST_NONE\" }\n";
    let (code, said) = ended(&format!("{admin}{}{OWN}", site("")), &[]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("PARVIS_TEST_NONE"), "{said}");
}

#[test]
fn an_interface_that_others_can_reach_starts_with_a_token() {
    let admin = "[admin]\nlisten = \"0.0.0.0:0\"\ntoken = \"t\"\n";
    let parvis = Parvis::start(&format!("{admin}{}{OWN}", site("")));
    let address = SocketAddr::from(([127, 0, 0, 1], parvis.admin().port()));
    let ask = |path: &str, fields: &str| {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: admin\r\n{fields}\r\n"
        ));
        client.reply().status
    };
    assert_eq!(ask("/health", ""), 200);
    assert_eq!(ask("/status", ""), 401);
    assert_eq!(ask("/status", "Authorization: Bearer t\r\n"), 200);
}

#[test]
fn a_loopback_interface_needs_no_token() {
    for address in ["127.0.0.1:0", "127.1.2.3:0"] {
        let admin = format!("[admin]\nlisten = \"{address}\"\n");
        let parvis = Parvis::start(&format!("{admin}{}{OWN}", site("")));
        assert_eq!(status_of(&parvis, "GET", "/status", ""), 200, "{address}");
    }
}

#[test]
fn what_is_not_there_is_404_and_what_is_not_done_405_with_allow() {
    let parvis = Parvis::start(&(site("") + OWN));
    for path in [
        "/nowhere",
        "/metrics/",
        "/Metrics",
        "/status/x",
        "/reload/",
        "/dashboard",
    ] {
        for method in ["GET", "POST"] {
            assert_eq!(status_of(&parvis, method, path, ""), 404, "{method} {path}");
        }
    }
    for (path, method, allow) in [
        ("/metrics", "POST", "GET, HEAD"),
        ("/status", "DELETE", "GET, HEAD"),
        ("/health", "POST", "GET, HEAD"),
        ("/reload", "GET", "POST"),
        ("/reload", "HEAD", "POST"),
        ("/", "POST", "GET, HEAD"),
    ] {
        let mut client = Client::connect(parvis.admin());
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: admin\r\n\r\n"));
        let reply = client.head_only();
        assert_eq!(reply.status, 405, "{method} {path}");
        assert_eq!(
            reply.field("allow").as_deref(),
            Some(allow),
            "{method} {path}"
        );
    }
    assert_eq!(
        parvis.metric("parvis_config_generation"),
        1.0,
        "GET /reload reloaded"
    );
}

#[test]
fn head_is_answered_as_get_without_a_body() {
    let parvis = Parvis::start(&(site("") + OWN));
    for path in ["/health", "/metrics", "/status", "/"] {
        let mut client = Client::connect(parvis.admin());
        client.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n"
        ));
        let reply = client.head_only();
        assert_eq!(reply.status, 200, "{path}");
        assert!(
            reply
                .field("content-length")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                > 0
        );
        assert!(client.rest().is_empty(), "{path}");
    }
}

#[test]
fn health_is_ok_until_the_process_is_told_to_end() {
    let (asked, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_some() {
            asked.send(()).unwrap();
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let mut parvis = Parvis::start(&format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}[[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address(),
        site("")
    ));
    assert_eq!(parvis.admin_request("GET", "/health", "").text(), "ok\n");
    let mut client = parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    wait.recv_timeout(support::PATIENCE).unwrap();
    parvis.signal("TERM");
    until("health is 503", || {
        (status_of(&parvis, "GET", "/health", "") == 503).then_some(())
    });
    assert_eq!(parvis.status()["stopping"], true);
    drop(client);
    assert_eq!(parvis.wait().code(), Some(0));
}

fn health(address: SocketAddr) -> Option<u16> {
    let mut client = Client::connect(address);
    client
        .try_send("GET /health HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        .ok()?;
    let answer = String::from_utf8(client.rest()).unwrap();
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn idle_and_slow_connections_do_not_keep_the_operator_out() {
    let parvis = Parvis::start(&(site("") + OWN));
    // More than it has places for: silent ones, half heads, half bodies, and some that were
    // answered and went silent.
    let mut idle = Vec::new();
    for n in 0..200 {
        let mut client = Client::connect(parvis.admin());
        let sent = match n % 4 {
            0 => Ok(()),
            1 => client.try_send("GET /health HTTP/1.1\r\nHost:"),
            2 => client.try_send("POST /reload HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nx"),
            _ => client.try_send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n"),
        };
        sent.unwrap();
        idle.push(client);
    }
    for _ in 0..5 {
        assert_eq!(health(parvis.admin()), Some(200));
    }
    assert_eq!(parvis.admin_request("GET", "/metrics", "").status, 200);
    assert_eq!(parvis.status()["stopping"], false);
}

#[test]
fn connections_that_do_not_finish_a_request_are_closed() {
    let parvis = Parvis::start(&(site("") + OWN));
    let mut silent = Client::connect(parvis.admin());
    let mut half = Client::connect(parvis.admin());
    half.send("GET /health HTTP/1.1\r\nHost:");
    let mut answered = Client::connect(parvis.admin());
    answered.send("GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answered.reply().status, 200);
    // They are read with a time-out of the harness's, which is longer than the interface's.
    half.rest();
    assert!(silent.is_closed());
    assert!(answered.is_closed());
}

#[test]
fn a_client_that_does_not_read_is_closed() {
    let parvis = Parvis::start(&(site("") + OWN));
    let mut client = Client::connect(parvis.admin());
    client.stream.set_nonblocking(true).unwrap();
    // Answers that it does not take pile up until neither side can write.
    let requests = "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n".repeat(1000);
    until("it is closed", || {
        match std::io::Write::write(&mut client.stream, requests.as_bytes()) {
            Ok(_) => None,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(()),
        }
    });
    assert_eq!(health(parvis.admin()), Some(200));
}

#[test]
fn rubbish_is_answered_and_closed() {
    let parvis = Parvis::start(&(site("") + OWN));
    for bytes in [
        "rubbish\r\n\r\n",
        "GET /health\r\n\r\n",
        "\x16\x03\x01\r\n\r\n",
    ] {
        let mut client = Client::connect(parvis.admin());
        client.send(bytes);
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{answer}"
        );
    }
    assert_eq!(health(parvis.admin()), Some(200));
}

#[test]
fn it_can_be_off() {
    let parvis = Parvis::start(&format!("[admin]\nlisten = \"off\"\n{}{OWN}", site("")));
    assert_eq!(parvis.get("/own").status, 200);
    assert!(
        !parvis.log().contains("admin interface"),
        "{}",
        parvis.log()
    );
    let listening = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let inodes: BTreeSet<String> = std::fs::read_dir(format!("/proc/{}/fd", parvis.pid()))
        .unwrap()
        .filter_map(|fd| {
            let target = std::fs::read_link(fd.ok()?.path()).ok()?;
            let inode = target
                .to_str()?
                .strip_prefix("socket:[")?
                .strip_suffix(']')?;
            Some(inode.to_string())
        })
        .collect();
    let ports: BTreeSet<u16> = listening
        .lines()
        .skip(1)
        .filter_map(|line| {
            let parts: Vec<&str> = line.split_whitespace().collect();
            let own = parts[3] == "0A" && inodes.contains(parts[9]);
            own.then(|| u16::from_str_radix(parts[1].split(':').nth(1)?, 16).ok())?
        })
        .collect();
    assert_eq!(ports, BTreeSet::from([parvis.address().port()]));
}

#[test]
fn the_front_page_names_what_is_there() {
    let parvis = Parvis::start(&(site("") + OWN));
    let reply: Reply = parvis.admin_request("GET", "/", "");
    assert_eq!(reply.status, 200);
    for path in ["/health", "/metrics", "/status", "/reload"] {
        assert!(reply.text().contains(path), "{}", reply.text());
    }
}
