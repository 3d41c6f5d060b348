//! Servers behind the edge: whose turn it is, which are up, what happens when one cannot be
//! reached, and the connections that are kept.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use support::{Backend, Client, Folder, Full, Incoming, Parvis, Refusing, until};

/// One upstream `app` with these servers (as written in TOML) and other settings, for all paths.
/// One worker: connections to servers are kept by each worker for itself.
fn app(servers: &[String], settings: &str) -> String {
    format!(
        "[server]\nthreads = 1\n[upstream.app]\nservers = [{}]\n{settings}\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        servers.join(", ")
    )
}

fn at(address: impl std::fmt::Display) -> String {
    format!("\"{address}\"")
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// How many requests each of these had.
fn shares(backends: &[Backend]) -> Vec<usize> {
    backends.iter().map(|b| b.requests().len()).collect()
}

fn errors(parvis: &Parvis, kind: &str) -> f64 {
    parvis.metric(&format!(
        "parvis_upstream_errors_total{{kind=\"{kind}\",upstream=\"app\"}}"
    ))
}

/// Whether a server may get requests; `None` while that is not told.
fn is_up(parvis: &Parvis, upstream: &str, server: impl std::fmt::Display) -> bool {
    let status = parvis.status();
    let upstreams = status["upstreams"].as_array().unwrap();
    let upstream = upstreams.iter().find(|u| u["name"] == upstream).unwrap();
    let servers = upstream["servers"].as_array().unwrap();
    let server = servers.iter().find(|s| s["address"] == server.to_string());
    server.unwrap()["up"].as_bool().unwrap()
}

fn checks(parvis: &Parvis, upstream: &str) -> u64 {
    let status = parvis.status();
    let upstreams = status["upstreams"].as_array().unwrap();
    let upstream = upstreams.iter().find(|u| u["name"] == upstream).unwrap();
    upstream["servers"][0]["checks"].as_u64().unwrap()
}

#[test]
fn servers_take_turns_evenly() {
    let backends = [Backend::text("a"), Backend::text("b"), Backend::text("c")];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    // Two workers: the turns are those of the process.
    let parvis = Parvis::start(&app(&servers, "").replace("threads = 1", "threads = 2"));
    let answers: Vec<String> = (0..6).map(|_| parvis.get("/").text()).collect();
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
    let address = parvis.address();
    let clients: Vec<_> = (0..6)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                (0..48).for_each(|_| assert_eq!(client.get("/").status, 200));
            })
        })
        .collect();
    clients
        .into_iter()
        .for_each(|client| client.join().unwrap());
    assert_eq!(shares(&backends), [98, 98, 98]);
}

#[test]
fn weights_are_shares_of_the_requests() {
    let backends = [Backend::text("a"), Backend::text("b"), Backend::text("c")];
    let weighted = |backend: &Backend, weight: u16| {
        format!(
            "{{ address = \"{}\", weight = {weight} }}",
            backend.address()
        )
    };
    let servers = [
        weighted(&backends[0], 5),
        at(backends[1].address()),
        weighted(&backends[2], 2),
    ];
    let parvis = Parvis::start(&app(&servers, ""));
    let mut client = parvis.client();
    let answers: Vec<String> = (0..80).map(|_| client.get("/").text()).collect();
    assert_eq!(shares(&backends), [50, 10, 20]);
    // Not in one go each: whoever has most never has more than three turns in a row.
    let longest = answers.chunk_by(|a, b| a == b).map(<[String]>::len).max();
    assert!(longest <= Some(3), "{answers:?}");
}

#[test]
fn a_server_may_be_a_unix_socket() {
    let folder = Folder::new();
    support::backend::unix(&folder.join("app.sock"), "unix");
    let other = Backend::text("tcp");
    // Absolute, and relative to the file that names it.
    let servers = [
        at("unix:@DIR/app.sock"),
        at("unix:app.sock"),
        at(other.address()),
    ];
    let parvis = Parvis::start_in(folder, &app(&servers, ""), &[]);
    let mut client = parvis.client();
    let answers: Vec<String> = (0..6).map(|_| client.get("/").text()).collect();
    assert_eq!(answers, ["unix", "unix", "tcp", "unix", "unix", "tcp"]);
}

#[test]
fn a_server_may_be_a_name() {
    let backend = Backend::text("named");
    let name = format!("localhost:{}", backend.address().port());
    let parvis = Parvis::start(&app(&[at(&name)], ""));
    for _ in 0..3 {
        assert_eq!(parvis.get("/").text(), "named");
    }
    let server = &parvis.status()["upstreams"][0]["servers"][0];
    assert_eq!(server["address"], name);
    assert_eq!(server["resolved"], backend.address().to_string());
}

#[test]
fn a_socket_that_is_missing_is_502_and_tried_again_when_it_is_there() {
    let folder = Folder::new();
    let path = folder.join("app.sock");
    let stale = folder.join("stale.sock");
    // A file that is left of a server that ended.
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let configuration = format!(
        "[upstream.stale]\nservers = [\"unix:stale.sock\"]\n{}\
         [[site.route]]\npath = \"/stale\"\nproxy = \"stale\"\n",
        app(&[at("unix:app.sock")], "")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    assert_eq!(parvis.get("/").status, 502);
    assert_eq!(parvis.get("/stale").status, 502);
    assert_eq!(errors(&parvis, "connect_refused"), 1.0);
    support::backend::unix(&path, "there");
    assert_eq!(parvis.get("/").text(), "there");
}

// --- Servers that cannot be reached.

#[test]
fn a_refused_connect_is_tried_on_the_next_server_and_the_client_sees_nothing_of_it() {
    let refusing = Refusing::new();
    let backend = Backend::text("app");
    let parvis = Parvis::start(&app(&[at(refusing.address()), at(backend.address())], ""));
    let body = vec![b'x'; 300_000];
    for n in 0..5 {
        assert_eq!(parvis.get("/").text(), "app", "{n}");
        let reply = parvis.client().request("POST", "/", "", &body);
        assert_eq!(reply.text(), "app", "{n}");
        assert_eq!(backend.last().body, body);
    }
    assert_eq!(backend.requests().len(), 10, "each came once");
    let refused = errors(&parvis, "connect_refused");
    assert!(refused >= 1.0, "the first was never tried");
}

#[test]
fn a_connect_that_takes_too_long_is_tried_on_the_next_server() {
    let full = Full::new();
    let backend = Backend::text("app");
    let servers = [at(full.address()), at(backend.address())];
    let parvis = Parvis::start(&app(&servers, "connect_timeout = \"100ms\""));
    for _ in 0..4 {
        assert_eq!(parvis.get("/").text(), "app");
    }
    assert!(errors(&parvis, "connect_timeout") >= 1.0);
}

#[test]
fn there_are_at_most_two_tries() {
    let refusing = [Refusing::new(), Refusing::new(), Refusing::new()];
    let servers: Vec<String> = refusing.iter().map(|r| at(r.address())).collect();
    let parvis = Parvis::start(&app(&servers, ""));
    for n in 1..=4 {
        assert_eq!(parvis.get("/").status, 502);
        assert_eq!(errors(&parvis, "connect_refused"), 2.0 * f64::from(n));
    }
    let lines = parvis.log();
    let tried: BTreeSet<&str> = lines
        .lines()
        .filter(|line| line.contains("cannot connect"))
        .filter_map(|line| line.split("server=").nth(1)?.split(' ').next())
        .collect();
    assert_eq!(tried.len(), 3, "each has its turns: {tried:?}");
}

#[test]
fn one_server_that_refuses_is_502_and_tried_once() {
    let refusing = Refusing::new();
    let parvis = Parvis::start(&app(&[at(refusing.address())], ""));
    for n in 1..=3 {
        let reply = parvis.get("/");
        assert_eq!(reply.status, 502);
        assert_eq!(reply.field("retry-after"), None);
        assert_eq!(errors(&parvis, "connect_refused"), f64::from(n));
    }
}

#[test]
fn one_server_that_takes_no_connection_is_504() {
    let full = Full::new();
    let settings = "connect_timeout = \"100ms\"";
    let parvis = Parvis::start(&app(&[at(full.address())], settings));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 504);
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(errors(&parvis, "connect_timeout"), 1.0);
}

#[test]
fn what_a_dead_server_does_not_take_is_shared_by_the_others() {
    let refusing = Refusing::new();
    let backends = [Backend::text("a"), Backend::text("c")];
    let servers = [
        at(backends[0].address()),
        at(refusing.address()),
        at(backends[1].address()),
    ];
    let parvis = Parvis::start(&app(&servers, ""));
    let mut client = parvis.client();
    for _ in 0..60 {
        assert_eq!(client.get("/").status, 200);
    }
    let shares = shares(&backends);
    assert_eq!(shares.iter().sum::<usize>(), 60);
    assert!(shares.iter().all(|share| *share >= 15), "{shares:?}");
}

#[test]
fn an_app_that_does_not_answer_in_time_is_504_and_asked_once() {
    let backend = Backend::raw(|incoming| {
        incoming.request();
        while incoming.read(&mut [0; 100]) > 0 {}
    });
    let other = Backend::text("other");
    let servers = [at(backend.address()), at(other.address())];
    let parvis = Parvis::start(&app(&servers, "first_byte_timeout = \"200ms\""));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 504);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!((backend.requests().len(), other.requests().len()), (1, 0));
    assert_eq!(errors(&parvis, "app_timeout"), 1.0);
}

// --- Kept connections.

#[test]
fn connections_to_servers_are_kept_and_used_again() {
    let backends = [Backend::text("a"), Backend::text("b")];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    let parvis = Parvis::start(&app(&servers, ""));
    // The connections of clients have nothing to do with it.
    for _ in 0..10 {
        assert_eq!(parvis.get("/").status, 200);
        let reply = parvis.client().request("POST", "/", "", b"body");
        assert_eq!(reply.status, 200);
    }
    for backend in &backends {
        assert_eq!(backend.requests().len(), 10);
        assert_eq!(backend.connections(), 1);
    }
}

#[test]
fn requests_at_one_time_have_a_connection_each() {
    let (asked, wait) = std::sync::mpsc::channel();
    let (release, go) = std::sync::mpsc::channel::<()>();
    let go = Mutex::new(go);
    let backend = Backend::http(move |_| {
        asked.send(()).unwrap();
        go.lock().unwrap().recv().unwrap();
        OK.as_bytes().to_vec()
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for round in 0..2 {
        let mut clients: Vec<Client> = (0..3).map(|_| parvis.client()).collect();
        for client in &mut clients {
            client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
        }
        for _ in 0..3 {
            wait.recv_timeout(support::PATIENCE).unwrap();
        }
        (0..3).for_each(|_| release.send(()).unwrap());
        for mut client in clients {
            assert_eq!(client.reply().status, 200);
        }
        assert_eq!(backend.connections(), 3, "round {round}");
    }
}

#[test]
fn a_kept_connection_is_closed_when_its_time_is_over() {
    let (closed, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        while incoming.request().is_some() {
            incoming.send(OK);
        }
        closed.send(Instant::now()).unwrap();
    });
    let settings = "keepalive_timeout = \"300ms\"";
    let parvis = Parvis::start(&app(&[at(backend.address())], settings));
    let began = Instant::now();
    assert_eq!(parvis.get("/").status, 200);
    let closed = wait.recv_timeout(support::PATIENCE).expect("it was kept");
    assert!(
        closed - began >= Duration::from_millis(300),
        "{:?}",
        closed - began
    );
    assert_eq!(parvis.get("/").status, 200);
    assert_eq!(backend.connections(), 2);
}

#[test]
fn a_connection_that_the_app_ends_is_not_used_again() {
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        // Who sends more than was asked for cannot be trusted with another request.
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
        "HTTP/1.1 304 Not Modified\r\n\r\npoison",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison",
    ] {
        let backend = Backend::raw(move |incoming| {
            incoming.request();
            incoming.send(answer);
            // It stays open: only parvis can end it.
            while let Some(_second) = incoming.request() {
                incoming.send("HTTP/1.1 500 Second\r\nContent-Length: 0\r\n\r\n");
            }
        });
        let parvis = Parvis::start(&app(&[at(backend.address())], ""));
        for n in 1..=4 {
            let reply = parvis.get("/");
            assert!(
                matches!(reply.status, 200 | 304),
                "{answer}: {}",
                reply.head
            );
            assert!(!reply.text().contains("poison"), "{answer}");
            assert_eq!(backend.connections(), n, "{answer}");
        }
    }
}

#[test]
fn a_connection_that_the_app_closed_while_it_was_idle_is_noticed() {
    let (closed, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            incoming.stream.shutdown(std::net::Shutdown::Both).unwrap();
            closed.send(()).unwrap();
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    // A POST may not be repeated, so it must not be sent on a connection that is closed.
    for n in 1..=10 {
        let reply = parvis.client().request("POST", "/", "", b"body");
        assert_eq!(reply.status, 200, "{n}");
        wait.recv_timeout(support::PATIENCE).unwrap();
    }
    assert_eq!(backend.requests().len(), 10);
    assert_eq!(errors(&parvis, "reset"), 0.0);
}

/// An app that takes a request on a kept connection and closes it instead of answering, once per
/// connection: what a client sees of an app that closes just when a request is under way.
fn closes_on_the_second() -> Backend {
    Backend::raw(|incoming: &mut Incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            incoming.request();
        }
    })
}

#[test]
fn a_get_is_repeated_when_the_app_closes_a_kept_connection() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for n in 0..10 {
        let reply = parvis.get(&format!("/{n}"));
        assert_eq!((reply.status, reply.text().as_str()), (200, "ok"), "{n}");
    }
    // All but the first came twice.
    assert_eq!(backend.requests().len(), 19);
    assert_eq!(errors(&parvis, "reset"), 0.0, "it is no error");
}

#[test]
fn a_put_is_repeated_with_its_body() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for (body, field) in [
        (b"small".to_vec(), ""),
        (vec![b'x'; 10_000], "X-Large: 1\r\n"),
    ] {
        for _ in 0..2 {
            let reply = parvis.client().request("PUT", "/", field, &body);
            assert_eq!(reply.status, 200);
            assert_eq!(backend.last().body, body);
        }
    }
}

#[test]
fn a_post_is_never_repeated() {
    let backend = closes_on_the_second();
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    for (method, body) in [
        ("POST", b"body".as_slice()),
        ("POST", b""),
        ("PATCH", b"body"),
    ] {
        let before = backend.requests().len();
        assert_eq!(
            parvis.client().request(method, "/kept", "", body).status,
            200
        );
        let reply = parvis.client().request(method, "/once", "", body);
        assert_eq!(reply.status, 502, "{method}");
        let after = backend.requests();
        let once = after[before..]
            .iter()
            .filter(|r| r.target == "/once")
            .count();
        assert_eq!(once, 1, "{method} came {once} times");
    }
    assert_eq!(errors(&parvis, "reset"), 3.0);
}

#[test]
fn a_get_is_not_repeated_on_a_connection_that_was_new() {
    let backend = Backend::raw(|incoming| drop(incoming.request()));
    let other = Backend::text("other");
    let servers = [at(backend.address()), at(other.address())];
    let parvis = Parvis::start(&app(&servers, ""));
    assert_eq!(parvis.get("/").status, 502);
    assert_eq!((backend.requests().len(), other.requests().len()), (1, 0));
}

#[test]
fn a_get_is_not_repeated_once_its_answer_began() {
    let backend = Backend::raw(|incoming| {
        if incoming.request().is_some() {
            incoming.send(OK);
            incoming.request();
            incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    assert_eq!(parvis.get("/").status, 200);
    let mut client = parvis.client();
    client.send("GET /half HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    assert_eq!(client.rest(), b"half", "cut off, not repeated");
    let half = backend
        .requests()
        .iter()
        .filter(|r| r.target == "/half")
        .count();
    assert_eq!(half, 1);
}

#[test]
fn a_get_gets_through_however_many_kept_connections_are_dead() {
    const DEAD: usize = 4;
    let restarted = Arc::new(AtomicBool::new(false));
    let all_asked = Arc::new(AtomicUsize::new(0));
    let (flag, asked) = (restarted.clone(), all_asked.clone());
    let backend = Backend::raw(move |incoming| {
        let old = !flag.load(Ordering::SeqCst);
        while incoming.request().is_some() {
            if old && flag.load(Ordering::SeqCst) {
                return;
            }
            if old {
                // Each of the first has a connection of its own.
                asked.fetch_add(1, Ordering::SeqCst);
                until("all are asked", || {
                    (asked.load(Ordering::SeqCst) >= DEAD).then_some(())
                });
            }
            incoming.send(OK);
        }
    });
    let parvis = Parvis::start(&app(&[at(backend.address())], ""));
    let mut clients: Vec<Client> = (0..DEAD).map(|_| parvis.client()).collect();
    for client in &mut clients {
        client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    }
    for client in &mut clients {
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(backend.connections(), DEAD);
    restarted.store(true, Ordering::SeqCst);
    assert_eq!(parvis.get("/").status, 200);
    assert_eq!(backend.connections(), DEAD + 1);
}

// --- Health checks.

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
    support::backend::unix(&path, "there");
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

// --- Names.

/// A library that answers look-ups from a folder, and counts them: a file of the name has its
/// address, `wait` in it hangs, and a name without a file does not exist. There is no other way to
/// have a resolver that does as it is told without being root.
fn resolver() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
        let id = std::process::id();
        let (source, library) = (
            folder.join(format!("names-{id}.c")),
            folder.join(format!("names-{id}.so")),
        );
        std::fs::write(&source, RESOLVER).unwrap();
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .arg(&library)
            .arg(&source)
            .arg("-ldl")
            .status()
            .expect("a C compiler: parvis's own dependencies need one");
        assert!(compiled.success());
        let _ = std::fs::remove_file(source);
        library
    })
}

const RESOLVER: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
                struct addrinfo **found) {
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        dlsym(RTLD_NEXT, "getaddrinfo");
    char path[4096], address[64] = {0};
    snprintf(path, sizeof path, "%s/calls", getenv("PARVIS_TEST_NAMES"));
    int calls = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(calls, "%s\n", name);
    close(calls);
    snprintf(path, sizeof path, "%s/%s", getenv("PARVIS_TEST_NAMES"), name);
    int file = open(path, O_RDONLY);
    if (file < 0) return EAI_NONAME;
    ssize_t n = read(file, address, sizeof address - 1);
    close(file);
    if (n < 0) return EAI_AGAIN;
    if (strcmp(address, "wait") == 0) sleep(3600);
    return next(address, service, hints, found);
}
"#;

/// Starts with look-ups answered from the folder `names` in its folder.
fn with_names(names: &[(&str, &str)], configuration: &str) -> Parvis {
    let folder = Folder::new();
    folder.write("names/localhost", "127.0.0.1");
    for (name, address) in names {
        folder.write(&format!("names/{name}"), address);
    }
    let path = folder.join("names");
    Parvis::start_as(folder, configuration, |command| {
        command.env("LD_PRELOAD", resolver());
        command.env("PARVIS_TEST_NAMES", path);
    })
}

/// Look-ups of a name so far.
fn lookups(parvis: &Parvis, name: &str) -> usize {
    let calls = parvis.folder.read("names/calls");
    calls.lines().filter(|line| *line == name).count()
}

#[test]
fn no_name_is_looked_up_for_a_request() {
    let backend = Backend::text("named");
    let name = format!("app.test:{}", backend.address().port());
    let parvis = with_names(&[("app.test", "127.0.0.1")], &app(&[at(name)], ""));
    let before = lookups(&parvis, "app.test");
    assert!(
        before >= 1,
        "it was never looked up: the test's resolver was not asked"
    );
    for _ in 0..100 {
        // Each on a connection of its own, to the app too.
        assert_eq!(parvis.get("/").text(), "named");
        let reply = parvis
            .client()
            .request("GET", "/", "Connection: close\r\n", b"");
        assert_eq!(reply.status, 200);
    }
    let after = lookups(&parvis, "app.test");
    // The background may have looked once meanwhile.
    assert!(
        after - before <= 1,
        "{} look-ups in 200 requests",
        after - before
    );
}

#[test]
fn a_name_without_an_address_is_passed_over_and_used_once_it_has_one() {
    let backends = [Backend::text("named"), Backend::text("other")];
    let name = format!("late.test:{}", backends[0].address().port());
    let servers = [at(&name), at(backends[1].address())];
    let parvis = with_names(&[], &app(&servers, ""));
    for _ in 0..10 {
        assert_eq!(parvis.get("/").text(), "other");
    }
    until("it is said", || {
        parvis.log().contains("has no address").then_some(())
    });
    assert_eq!(
        parvis.status()["upstreams"][0]["servers"][0]["resolved"],
        serde_json::Value::Null
    );
    parvis.folder.write("names/late.test", "127.0.0.1");
    until("it serves", || {
        (parvis.get("/").text() == "named").then_some(())
    });
}

#[test]
fn when_no_server_has_an_address_the_answer_is_502_at_once() {
    let configuration = app(&[at("gone.test:80"), at("gone2.test:80")], "");
    let parvis = with_names(&[], &configuration);
    let began = Instant::now();
    for n in 1..=3 {
        assert_eq!(parvis.get("/").status, 502);
        assert_eq!(errors(&parvis, "no_address"), f64::from(n));
    }
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_resolver_that_hangs_holds_up_neither_requests_nor_reloads_nor_the_end() {
    let backend = Backend::text("app");
    let servers = [at("stuck.test:80"), at(backend.address())];
    let mut parvis = with_names(&[("stuck.test", "wait")], &app(&servers, ""));
    for _ in 0..10 {
        assert_eq!(parvis.get("/").text(), "app");
    }
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    assert_eq!(parvis.get("/").text(), "app");
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_name_that_is_lost_keeps_its_last_address() {
    let backend = Backend::text("named");
    let name = format!("lost.test:{}", backend.address().port());
    let configuration = app(&[at(&name)], "");
    let parvis = with_names(&[("lost.test", "127.0.0.1")], &configuration);
    assert_eq!(parvis.get("/").text(), "named");
    std::fs::remove_file(parvis.folder.join("names/lost.test")).unwrap();
    // A reload looks names up again.
    let before = lookups(&parvis, "lost.test");
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    until("it was looked up", || {
        (lookups(&parvis, "lost.test") > before).then_some(())
    });
    assert_eq!(parvis.get("/").text(), "named");
}

#[test]
fn no_certificates_are_needed() {
    let backend = Backend::text("app");
    let environment = [
        ("SSL_CERT_FILE", "/nonexistent"),
        ("SSL_CERT_DIR", "/nonexistent"),
    ];
    let configuration = app(&[at(backend.address())], "");
    let parvis = Parvis::start_in(Folder::new(), &configuration, &environment);
    assert_eq!(parvis.get("/").text(), "app");
}

#[test]
fn several_upstreams_have_servers_of_their_own() {
    let backends: BTreeMap<&str, Backend> = ["a", "b"].map(|n| (n, Backend::text(n))).into();
    let parvis = Parvis::start(&format!(
        "[upstream.a]\nservers = [\"{}\"]\n[upstream.b]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/a\"\nproxy = \"a\"\n[[site.route]]\npath = \"/b\"\nproxy = \"b\"\n",
        backends["a"].address(),
        backends["b"].address()
    ));
    let mut client = parvis.client();
    for _ in 0..5 {
        assert_eq!(client.get("/a").text(), "a");
        assert_eq!(client.get("/b").text(), "b");
    }
}
