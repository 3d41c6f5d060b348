//! Servers chosen by what they have to do, and how that is counted.

use crate::support::http2::{CANCEL, Http2};
use crate::support::websocket::{SWITCH, echo, echoes, open};
use crate::support::{Backend, Client, PATIENCE, Parvis, Refusing, until};
use crate::{OK, app, at, errors, shares};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};

const LEAST: &str = "balance = \"least-connections\"";
const TWO: &str = "balance = \"two-choices\"";

/// What the servers have to do, as `/status` tells.
fn loads(parvis: &Parvis) -> Vec<u64> {
    let status = parvis.status();
    let servers = status["upstreams"][0]["servers"].as_array().unwrap();
    let load = |server: &serde_json::Value| server["in_flight"].as_u64().unwrap();
    servers.iter().map(load).collect()
}

fn until_loads(parvis: &Parvis, expected: &[u64]) {
    until(&format!("{expected:?} are in flight"), || {
        (loads(parvis) == expected).then_some(())
    });
}

/// Apps that tell which of them is asked for anything but `/free`, and answer that when told to.
struct Held {
    backends: Vec<Backend>,
    asked: Receiver<usize>,
    go: Vec<Sender<()>>,
}

impl Held {
    fn new(count: usize) -> Self {
        let (asking, asked) = channel();
        let (mut backends, mut go) = (Vec::new(), Vec::new());
        for index in 0..count {
            let (release, released) = channel();
            let (asking, released) = (Mutex::new(asking.clone()), Mutex::new(released));
            go.push(release);
            backends.push(Backend::raw(move |app| {
                while let Some(request) = app.request() {
                    if request.target != "/free" {
                        asking.lock().unwrap().send(index).unwrap();
                        if released.lock().unwrap().recv_timeout(PATIENCE).is_err() {
                            return;
                        }
                    }
                    app.send(OK);
                }
            }));
        }
        Held {
            backends,
            asked,
            go,
        }
    }

    fn servers(&self) -> Vec<String> {
        self.backends.iter().map(|b| at(b.address())).collect()
    }

    /// Sends a request that is held, and tells which server has it.
    fn hold(&self, parvis: &Parvis) -> (Client, usize) {
        let mut client = parvis.client();
        client.send("GET /held HTTP/1.1\r\nHost: test\r\n\r\n");
        let index = self.asked.recv_timeout(PATIENCE).unwrap();
        (client, index)
    }
}

#[test]
fn a_slow_server_gets_fewer_requests() {
    for settings in [LEAST, TWO] {
        let held = Held::new(2);
        let parvis = Parvis::start(&app(&held.servers(), settings));
        let (mut stuck, slow) = held.hold(&parvis);
        let mut client = parvis.client();
        for _ in 0..40 {
            assert_eq!(client.get("/free").status, 200);
        }
        let mut expected = [40, 40];
        expected[slow] = 1;
        assert_eq!(shares(&held.backends), expected, "{settings}");
        assert_eq!(loads(&parvis).iter().sum::<u64>(), 1);
        held.go[slow].send(()).unwrap();
        assert_eq!(stuck.reply().status, 200);
        // An exchange is over before the last of its answer is written.
        assert_eq!(loads(&parvis), [0, 0]);
        // The server is as good as the other again.
        until("it is asked again", || {
            client.get("/free");
            (shares(&held.backends)[slow] > 1).then_some(())
        });
    }
}

#[test]
fn requests_in_flight_are_shared_by_weight_and_by_all_workers() {
    let held = Held::new(3);
    let servers = [
        format!(
            "{{ address = \"{}\", weight = 2 }}",
            held.backends[0].address()
        ),
        at(held.backends[1].address()),
        at(held.backends[2].address()),
    ];
    let configuration = app(&servers, LEAST).replace("threads = 1", "threads = 2");
    let parvis = Parvis::start(&configuration);
    let clients: Vec<(Client, usize)> = (0..12).map(|_| held.hold(&parvis)).collect();
    assert_eq!(loads(&parvis), [6, 3, 3]);
    for (_, index) in &clients {
        held.go[*index].send(()).unwrap();
    }
    for (mut client, _) in clients {
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(loads(&parvis), [0, 0, 0]);
}

#[test]
fn servers_that_have_as_little_to_do_take_turns() {
    let backends = [Backend::text("a"), Backend::text("b"), Backend::text("c")];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    let parvis = Parvis::start(&app(&servers, LEAST));
    let mut client = parvis.client();
    let answers: Vec<String> = (0..6).map(|_| client.get("/").text()).collect();
    assert_eq!(answers, ["a", "b", "c", "a", "b", "c"]);
    let parvis = Parvis::start(&app(&servers, TWO));
    let mut client = parvis.client();
    for _ in 0..60 {
        assert_eq!(client.get("/").status, 200);
    }
    let by_chance = shares(&backends);
    assert_eq!(by_chance.iter().sum::<usize>(), 66);
    assert!(
        by_chance.iter().all(|n| (5..50).contains(n)),
        "{by_chance:?}"
    );
}

#[test]
fn a_server_that_refuses_is_tried_and_then_another() {
    let (refusing, backend) = (Refusing::new(), Backend::text("up"));
    for settings in [LEAST, TWO] {
        let servers = [at(refusing.address()), at(backend.address())];
        let parvis = Parvis::start(&app(&servers, settings));
        let mut client = parvis.client();
        for _ in 0..40 {
            assert_eq!(client.get("/").text(), "up", "{settings}");
        }
        assert!(errors(&parvis, "connect_refused") > 0.0);
        assert_eq!(loads(&parvis), [0, 0]);
    }
}

#[test]
fn an_open_websocket_is_in_flight() {
    let upgrading = || {
        Backend::raw(|app| {
            while let Some(request) = app.request() {
                if request.target == "/ws" {
                    app.send(SWITCH);
                    return echo(app);
                }
                app.send(OK);
            }
        })
    };
    let backends = [upgrading(), upgrading()];
    let servers: Vec<String> = backends.iter().map(|b| at(b.address())).collect();
    let parvis = Parvis::start(&app(&servers, LEAST));
    let mut first = open(&parvis);
    echoes(&mut first, "hello");
    assert_eq!(loads(&parvis), [1, 0]);
    let mut client = parvis.client();
    (0..10).for_each(|_| assert_eq!(client.get("/").status, 200));
    assert_eq!(shares(&backends), [1, 10]);
    let mut second = open(&parvis);
    echoes(&mut second, "hello");
    assert_eq!(loads(&parvis), [1, 1]);
    drop(first);
    until_loads(&parvis, &[0, 1]);
    drop(second);
    until_loads(&parvis, &[0, 0]);
}

/// Whatever becomes of a request, it is not in flight when it is over.
#[test]
fn every_way_out_is_counted() {
    let backend = Backend::raw(|app| {
        let Some(request) = app.request() else { return };
        match request.target.as_str() {
            "/nothing" => {}
            "/rubbish" => drop(app.send("rubbish\r\n\r\n")),
            "/half" => drop(app.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")),
            "/head" => drop(app.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")),
            "/empty" => drop(app.send("HTTP/1.1 204 No Content\r\n\r\n")),
            "/close" => drop(app.send("HTTP/1.1 200 OK\r\n\r\nto the end")),
            // It says nothing, until parvis has had enough.
            _ => drop(app.exactly(1)),
        }
    });
    let listen = "listen = [\"127.0.0.1:0\", { address = \"127.0.0.2:0\", h2c = true }]";
    let settings = format!("{LEAST}\nfirst_byte_timeout = \"300ms\"");
    let configuration = app(&[at(backend.address())], &settings)
        .replace("listen = [\"127.0.0.1:0\"]", listen)
        .replace("path = \"/*\"", "path = \"/*\"\nmax_body = \"10\"");
    let parvis = Parvis::start(&configuration);
    for (method, path, status) in [
        ("GET", "/nothing", 502),
        ("GET", "/rubbish", 502),
        ("GET", "/half", 200),
        ("HEAD", "/head", 200),
        ("GET", "/empty", 204),
        ("GET", "/close", 200),
        ("GET", "/silent", 504),
    ] {
        let mut client = parvis.client();
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        assert_eq!(client.head_only().status, status, "{path}");
        until_loads(&parvis, &[0]);
    }
    // A body that grows too long on its way.
    let mut client = parvis.client();
    client.send("POST /silent HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n");
    until_loads(&parvis, &[1]);
    client.send("14\r\n01234567890123456789\r\n0\r\n\r\n");
    assert_eq!(client.reply().status, 413);
    until_loads(&parvis, &[0]);
    // Clients that go.
    let mut client = parvis.client();
    client.send("GET /silent HTTP/1.1\r\nHost: test\r\n\r\n");
    until_loads(&parvis, &[1]);
    drop(client);
    until_loads(&parvis, &[0]);
    let mut client = Http2::connect(parvis.listeners()[1]);
    let streams = [(); 3].map(|()| client.ask("GET", "/silent", &[], true));
    until_loads(&parvis, &[3]);
    client.reset(streams[0], CANCEL);
    until_loads(&parvis, &[2]);
    drop(client);
    until_loads(&parvis, &[0]);
}

/// What goes on with a server is not over because of a reload.
#[test]
fn a_reload_keeps_what_is_in_flight() {
    let held = Held::new(2);
    let servers = held.servers();
    let parvis = Parvis::start(&app(&servers, LEAST));
    let reload = |servers: &[String]| {
        let text = app(servers, LEAST).replace("[server]", "# Another.\n[server]");
        std::fs::write(parvis.configuration(), text).unwrap();
        let reply = parvis.admin_request("POST", "/reload", "");
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    let (mut first, one) = held.hold(&parvis);
    // In another order, and one of them twice: that is a server of its own.
    let other = 1 - one;
    let again = [&servers[other], &servers[one], &servers[one]].map(String::clone);
    reload(&again);
    assert_eq!(loads(&parvis), [0, 1, 0]);
    reload(&again[..2]);
    assert_eq!(loads(&parvis), [0, 1]);
    let (mut second, two) = held.hold(&parvis);
    assert_eq!(two, other);
    assert_eq!(loads(&parvis), [1, 1]);
    for (client, index) in [(&mut first, one), (&mut second, two)] {
        held.go[index].send(()).unwrap();
        assert_eq!(client.reply().status, 200);
    }
    assert_eq!(loads(&parvis), [0, 0]);
}
