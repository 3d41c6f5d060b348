//! What is counted, with the right values.

use crate::support::{Backend, Client, Folder, Full, Parvis, Refusing, until};
use crate::{NO_LABELS, OWN, busy, metrics, site, value};
use std::collections::BTreeMap;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::time::SystemTime;

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
    assert!(
        app >= 0.12 && whole >= app && whole >= 0.24,
        "{app} {whole}"
    );
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
    let broken = Backend::breaking();
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
        // It is told in whole seconds.
        for _ in 0..100 {
            parvis.get("/own");
        }
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
