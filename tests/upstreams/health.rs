//! Health checks.

use crate::support::{Backend, Folder, Full, Parvis, Refusing, until};
use crate::{app, at, errors, is_up};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

fn checks(parvis: &Parvis, upstream: &str) -> u64 {
    let status = parvis.status();
    let upstreams = status["upstreams"].as_array().unwrap();
    let upstream = upstreams.iter().find(|u| u["name"] == upstream).unwrap();
    upstream["servers"][0]["checks"].as_u64().unwrap()
}

/// An app whose health can be changed: the status that `/health` answers with. 0: no answer.
fn patient(name: &'static str) -> (Backend, Arc<AtomicU16>) {
    let status = Arc::new(AtomicU16::new(200));
    let own = status.clone();
    let backend = Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let status = match request.target.as_str() {
                "/health" => own.load(Ordering::SeqCst),
                _ => 200,
            };
            if status == 0 {
                while incoming.read(&mut [0; 100]) > 0 {}
                return;
            }
            incoming.send(format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{name}",
                name.len()
            ));
        }
    });
    (backend, status)
}

/// Requests that were no health checks.
fn served(backend: &Backend) -> usize {
    let requests = backend.requests();
    requests.iter().filter(|r| r.target != "/health").count()
}

const HEALTH: &str = "health = { path = \"/health\", interval = \"20ms\", timeout = \"5s\", unhealthy_after = 2, healthy_after = 2 }";

#[test]
fn a_server_that_fails_its_checks_gets_no_requests_until_it_is_well_again() {
    let (sick, health) = patient("sick");
    let (well, _) = patient("well");
    let servers = [at(sick.address()), at(well.address())];
    let parvis = Parvis::start(&app(&servers, HEALTH));
    let answers = || -> BTreeSet<String> { (0..8).map(|_| parvis.get("/").text()).collect() };
    assert_eq!(answers().len(), 2, "both serve");
    for _ in 0..2 {
        health.store(500, Ordering::SeqCst);
        until("it is down", || {
            (!is_up(&parvis, "app", sick.address())).then_some(())
        });
        let before = served(&sick);
        assert_eq!(answers(), BTreeSet::from(["well".to_string()]));
        assert_eq!(served(&sick), before);
        let series = format!(
            "parvis_upstream_server_up{{server=\"{}\",upstream=\"app\"}}",
            sick.address()
        );
        assert_eq!(parvis.metric(&series), 0.0);
        health.store(200, Ordering::SeqCst);
        until("it is up", || {
            is_up(&parvis, "app", sick.address()).then_some(())
        });
        assert_eq!(parvis.metric(&series), 1.0);
        assert_eq!(answers().len(), 2, "both serve again");
    }
    let log = parvis.log();
    assert_eq!(log.matches("server is down").count(), 2, "{log}");
    assert_eq!(log.matches("server is up again").count(), 2, "{log}");
    assert!(log.contains("answered 500"), "{log}");
}

#[test]
fn a_verdict_takes_as_many_checks_in_a_row_as_configured() {
    // By the number of the check: whether it is good.
    let count = Arc::new(AtomicUsize::new(0));
    let script: [u8; 14] = *b"nnynnynnnyynyy";
    let own = count.clone();
    let backend = Backend::http(move |_| {
        let n = own.fetch_add(1, Ordering::SeqCst);
        let good = script.get(n).is_none_or(|c| *c == b'y');
        let status = if good { "200 OK" } else { "500 No" };
        format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").into_bytes()
    });
    let health =
        "health = { path = \"/\", interval = \"20ms\", unhealthy_after = 3, healthy_after = 2 }";
    let parvis = Parvis::start(&app(&[at(backend.address())], health));
    until("the script is played", || {
        (count.load(Ordering::SeqCst) >= 20).then_some(())
    });
    // Two, two and three bad ones in a row; then two good ones, and not the one before them.
    let log = parvis.log();
    assert_eq!(log.matches("server is down").count(), 1, "{log}");
    assert_eq!(log.matches("server is up again").count(), 1, "{log}");
    assert!(is_up(&parvis, "app", backend.address()));
}

#[test]
fn a_verdict_is_reached_at_exactly_that_check() {
    let (backend, health) = patient("app");
    health.store(500, Ordering::SeqCst);
    let settings = "health = { path = \"/health\", interval = \"20ms\", unhealthy_after = 5 }";
    let parvis = Parvis::start(&app(&[at(backend.address())], settings));
    loop {
        let before = checks(&parvis, "app");
        let up = is_up(&parvis, "app", backend.address());
        let after = checks(&parvis, "app");
        assert!(up || after >= 5, "down after {after} checks");
        assert!(!up || before < 5, "up after {before} checks");
        if !up {
            break;
        }
    }
}

#[test]
fn answers_of_2xx_and_3xx_are_good_and_all_else_is_bad() {
    let cases: [(u16, bool); 16] = [
        (200, true),
        (201, true),
        (204, true),
        (299, true),
        (301, true),
        (302, true),
        (304, true),
        (399, true),
        (400, false),
        (401, false),
        (404, false),
        (429, false),
        (500, false),
        (502, false),
        (503, false),
        (599, false),
    ];
    let mut backends = Vec::new();
    let mut configuration = app(&[at("127.0.0.1:1")], "");
    for (status, _) in cases {
        let backend = Backend::http(move |_| {
            let length = if status == 204 || status == 304 {
                ""
            } else {
                "Content-Length: 0\r\n"
            };
            format!("HTTP/1.1 {status} X\r\n{length}\r\n").into_bytes()
        });
        configuration.push_str(&format!(
            "[upstream.u{status}]\nservers = [\"{}\"]\n\
             health = {{ path = \"/\", interval = \"20ms\", unhealthy_after = 1 }}\n",
            backend.address()
        ));
        backends.push(backend);
    }
    let parvis = Parvis::start(&configuration);
    for ((status, good), backend) in cases.iter().zip(&backends) {
        let name = format!("u{status}");
        until("it is checked", || {
            (checks(&parvis, &name) >= 3).then_some(())
        });
        assert_eq!(is_up(&parvis, &name, backend.address()), *good, "{status}");
    }
}

#[test]
fn no_answer_a_slow_one_and_rubbish_are_bad() {
    let silent = Backend::raw(|incoming| while incoming.read(&mut [0; 100]) > 0 {});
    let slow = Backend::raw(|incoming| {
        incoming.request();
        // Always something new, and never an answer.
        while incoming.send("HTTP/1.1 200 OK\r\n") && incoming.send("X: y\r\n") {
            std::thread::sleep(Duration::from_millis(20));
            if !incoming.send("X: y\r\n") {
                return;
            }
            while incoming.send("X: y\r\n") {
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    });
    let rubbish = Backend::raw(|incoming| {
        incoming.request();
        incoming.send("rubbish\r\n\r\n");
    });
    let closing = Backend::raw(|incoming| drop(incoming.request()));
    let refusing = Refusing::new();
    let full = Full::new();
    let cases = [
        ("silent", silent.address()),
        ("slow", slow.address()),
        ("rubbish", rubbish.address()),
        ("closing", closing.address()),
        ("refusing", refusing.address()),
        ("full", full.address()),
    ];
    let mut configuration = app(&[at("127.0.0.1:1")], "");
    for (name, address) in cases {
        configuration.push_str(&format!(
            "[upstream.{name}]\nservers = [\"{address}\"]\n\
             health = {{ path = \"/\", interval = \"20ms\", timeout = \"150ms\", unhealthy_after = 2 }}\n"
        ));
    }
    let parvis = Parvis::start(&configuration);
    for (name, address) in cases {
        until(&format!("{name} is down"), || {
            (!is_up(&parvis, name, address)).then_some(())
        });
    }
    let log = parvis.log();
    assert!(log.contains("no answer within 150ms"), "{log}");
}

#[test]
fn a_check_says_who_asks_for_what() {
    let plain = Backend::text("");
    let hosted = Backend::text("");
    let configuration = format!(
        "[upstream.plain]\nservers = [\"{}\"]\nhealth = {{ path = \"/up?deep=1\", interval = \"20ms\" }}\n\
         [upstream.hosted]\nservers = [\"{}\"]\nhealth = {{ path = \"/\", host = \"shop.example\", interval = \"20ms\" }}\n{}",
        plain.address(),
        hosted.address(),
        app(&[at("127.0.0.1:1")], "")
    );
    let _parvis = Parvis::start(&configuration);
    for (backend, target, host) in [
        (&plain, "/up?deep=1", plain.address().to_string()),
        (&hosted, "/", "shop.example".to_string()),
    ] {
        until("it is asked", || {
            (backend.requests().len() >= 2).then_some(())
        });
        for request in backend.requests() {
            assert_eq!(request.line, format!("GET {target} HTTP/1.1"));
            assert_eq!(request.field("host"), Some(host.clone()));
            let agent = request.field("user-agent").unwrap();
            let version = env!("CARGO_PKG_VERSION");
            assert_eq!(agent, format!("parvis/{version} (health check)"));
            assert!(request.body.is_empty());
        }
        // A check proves that the server takes connections: each has its own.
        assert!(backend.connections() >= 2);
    }
}

#[test]
fn checks_come_at_their_interval() {
    let backend = Backend::text("");
    let settings = "health = { path = \"/\", interval = \"100ms\" }";
    let began = Instant::now();
    let _parvis = Parvis::start(&app(&[at(backend.address())], settings));
    until("there are eleven", || {
        (backend.requests().len() >= 11).then_some(())
    });
    assert!(
        began.elapsed() >= Duration::from_millis(1000),
        "they come too often"
    );
}

#[test]
fn a_unix_socket_is_checked_too() {
    let folder = Folder::new();
    let path = folder.join("app.sock");
    let settings = "health = { path = \"/\", interval = \"20ms\", unhealthy_after = 1 }";
    let parvis = Parvis::start_in(folder, &app(&[at("unix:app.sock")], settings), &[]);
    let server = format!("unix:{}", path.display());
    until("it is down", || {
        (!is_up(&parvis, "app", &server)).then_some(())
    });
    assert_eq!(parvis.get("/").status, 503);
    crate::support::backend::unix(&path, "there");
    until("it is up", || is_up(&parvis, "app", &server).then_some(()));
    assert_eq!(parvis.get("/").text(), "there");
}

#[test]
fn with_all_servers_down_the_answer_is_503_and_when_to_come_back() {
    let refusing = [Refusing::new(), Refusing::new()];
    let servers: Vec<String> = refusing.iter().map(|r| at(r.address())).collect();
    for (interval, seconds) in [("20ms", "1"), ("3s", "3")] {
        let settings =
            format!("health = {{ path = \"/\", interval = \"{interval}\", unhealthy_after = 1 }}");
        let parvis = Parvis::start(&app(&servers, &settings));
        for server in &refusing {
            until("it is down", || {
                (!is_up(&parvis, "app", server.address())).then_some(())
            });
        }
        for method in ["GET", "POST"] {
            let reply = parvis.client().request(method, "/", "", b"");
            assert_eq!(reply.status, 503, "{method}");
            assert_eq!(
                reply.field("retry-after").as_deref(),
                Some(seconds),
                "{method}"
            );
        }
        assert_eq!(
            errors(&parvis, "connect_refused"),
            0.0,
            "a server that is down was tried"
        );
        assert_eq!(errors(&parvis, "no_server"), 2.0);
    }
}

#[test]
fn a_refused_connect_is_not_tried_on_a_server_that_is_down() {
    let (down, health) = patient("down");
    health.store(500, Ordering::SeqCst);
    let dying = Refusing::new();
    // The one that refuses is not checked often enough to be known.
    let servers = [at(dying.address()), at(down.address())];
    let settings = "health = { path = \"/health\", interval = \"20ms\", unhealthy_after = 500 }";
    let parvis = Parvis::start(&app(&servers, settings));
    assert_eq!(parvis.get("/").text(), "down", "it is not down yet");
    let settings = "health = { path = \"/health\", interval = \"20ms\", unhealthy_after = 1 }";
    Parvis::write_configuration(&parvis.folder, &app(&servers, settings));
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    until("it is down", || {
        (!is_up(&parvis, "app", down.address())).then_some(())
    });
    let before = served(&down);
    let status = parvis.get("/").status;
    assert!(matches!(status, 502 | 503), "{status}");
    assert_eq!(served(&down), before);
}

#[test]
fn a_reload_does_not_forget_which_servers_are_down() {
    let (sick, health) = patient("sick");
    let (well, _) = patient("well");
    health.store(500, Ordering::SeqCst);
    let servers = [at(sick.address()), at(well.address())];
    // After the reload the next check is far away.
    let settings = |interval: &str| {
        format!("health = {{ path = \"/health\", interval = \"{interval}\", unhealthy_after = 3 }}")
    };
    let parvis = Parvis::start(&app(&servers, &settings("20ms")));
    until("it is down", || {
        (!is_up(&parvis, "app", sick.address())).then_some(())
    });
    Parvis::write_configuration(&parvis.folder, &app(&servers, &settings("1h")));
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    let before = served(&sick);
    for _ in 0..6 {
        assert_eq!(parvis.get("/").text(), "well");
    }
    assert_eq!(served(&sick), before);
}
