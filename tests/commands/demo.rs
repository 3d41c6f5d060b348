//! `parvis demo`: a site and parvis in front of it, from nothing.

use crate::support::{Client, Folder, PATIENCE, command, until};
use crate::{code, text};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tungstenite::{Message, WebSocket};

/// A running demo, in an empty folder.
struct Demo {
    child: Child,
    /// What it printed at the start.
    page: String,
    folder: Folder,
}

impl Demo {
    fn start() -> Self {
        let folder = Folder::new();
        let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args(["demo", "--port", "0"])
            .current_dir(folder.path())
            // What it keeps while it runs goes with the folder when it is killed.
            .env("TMPDIR", folder.path())
            // Of its own, so that whatever it leaves running can be told.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut page = String::new();
        while !page.contains("Ctrl-C ends both") {
            let line = lines
                .next()
                .unwrap_or_else(|| panic!("the demo ended: {page}"))
                .unwrap();
            page.push_str(&line);
            page.push('\n');
        }
        Demo {
            child,
            page,
            folder,
        }
    }

    fn curls(&self) -> Vec<String> {
        let curl = |line: &str| {
            line.strip_prefix("  curl ")
                .map(|rest| format!("curl {rest}"))
        };
        self.page.lines().filter_map(curl).collect()
    }

    /// The address in the line that says this.
    fn address(&self, says: &str) -> SocketAddr {
        let line = self.page.lines().find(|line| line.contains(says)).unwrap();
        let url = line.split("http://").nth(1).unwrap();
        url.split('/').next().unwrap().parse().unwrap()
    }

    /// parvis.
    fn edge(&self) -> SocketAddr {
        self.address("the site, with parvis in front")
    }

    fn addresses(&self) -> [SocketAddr; 3] {
        let admin = self.address("what Prometheus would scrape");
        [self.edge(), admin, self.address("the site itself")]
    }

    fn interrupt(&mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        until("the demo ends", || self.child.try_wait().unwrap()).code()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn it_starts_within_a_moment_and_says_where_to_look() {
    let began = Instant::now();
    let demo = Demo::start();
    let took = began.elapsed();
    // Milliseconds, in truth; the machine has other things to do as well.
    assert!(took < Duration::from_secs(5), "{took:?}");
    let [edge, admin, app] = demo.addresses();
    for address in [edge, admin, app] {
        assert!(
            address.ip().is_loopback() && address.port() != 0,
            "{address}"
        );
    }
    assert_eq!(demo.curls().len(), 5, "{}", demo.page);
    for (address, path, expected) in [
        (edge, "/", "parvis demo"),
        (edge, "/chat", "Chat"),
        (admin, "/dashboard", "<title>"),
        (admin, "/metrics", "parvis_build_info"),
        (admin, "/status", "\"generation\": 1"),
        (app, "/", "parvis demo"),
    ] {
        let reply = Client::connect(address).get_from(&address.to_string(), path);
        assert_eq!(reply.status, 200);
        assert!(reply.text().contains(expected), "{address}{path}");
        assert!(
            demo.page.contains(&format!("http://{address}{path}")),
            "{address}{path} is not in {}",
            demo.page
        );
    }
}

#[test]
fn each_curl_line_does_what_it_says() {
    let demo = Demo::start();
    let run = |line: &String| {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {output:?} (is curl installed? `tests/run --install`)"
        );
        text(&output.stdout)
    };
    let curls = demo.curls();
    let [ping, echo, events, old, metrics] = &curls[..] else {
        panic!("not five lines: {}", demo.page);
    };
    let said = run(ping);
    assert!(said.starts_with("HTTP/1.1 200 "), "{said}");
    assert!(said.ends_with("\r\n\r\npong\n"), "{said}");
    let lower = said.to_lowercase();
    for field in [
        "x-served-by: parvis",
        "x-frame-options: deny",
        "x-request-id: ",
    ] {
        assert!(lower.contains(field), "{said}");
    }

    let said: Value = serde_json::from_str(&run(echo)).unwrap();
    assert_eq!(
        (&said["method"], &said["path"]),
        (&json!("GET"), &json!("/api/echo"))
    );
    let fields = said["headers"].as_array().unwrap();
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-real-ip",
        "x-request-id",
    ] {
        assert!(
            fields.iter().any(|pair| pair[0] == name),
            "{name} is not in {said}"
        );
    }

    let said = run(events);
    assert_eq!(said.matches("data: ").count(), 10, "{said}");
    let said = run(old);
    assert!(said.starts_with("HTTP/1.1 308 "), "{said}");
    assert!(
        said.to_lowercase().contains("\nlocation: /about\r\n"),
        "{said}"
    );
    let said = run(metrics);
    let counted = said.lines().filter(|line| {
        line.starts_with("parvis_requests_total{") && line.contains("site=\"demo\"")
    });
    // One of each of the four before.
    let count = |line: &str| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap();
    assert_eq!(counted.map(count).sum::<f64>(), 4.0, "{said}");
}

/// The site is whole: what its pages name is there.
#[test]
fn every_link_leads_somewhere() {
    let demo = Demo::start();
    let mut client = Client::connect(demo.edge());
    let mut todo = vec!["/".to_string()];
    let mut seen = BTreeSet::new();
    while let Some(path) = todo.pop() {
        // These take their time, and have a test of their own.
        if ["/events", "/stream"].contains(&path.as_str()) || !seen.insert(path.clone()) {
            continue;
        }
        let reply = client.get(&path.replace("ms=1500", "ms=1"));
        let expected = match path.as_str() {
            "/error" => 500,
            "/nowhere" => 404,
            _ => 200,
        };
        assert_eq!(reply.status, expected, "{path}");
        assert_eq!(
            reply.field("x-frame-options").as_deref(),
            Some("DENY"),
            "{path}"
        );
        assert!(
            reply.field("server-timing").unwrap().contains("app;dur="),
            "{path}"
        );
        let kind = reply.field("content-type").unwrap();
        let extension = path.rsplit_once('.').map_or("", |(_, extension)| extension);
        let wanted = match extension {
            "svg" => "image/svg+xml",
            "png" => "image/png",
            "css" => "text/css",
            "js" => "text/javascript",
            _ if path.starts_with("/api/") => "application/json",
            _ if path.starts_with("/slow") => "text/plain",
            _ => "text/html",
        };
        assert!(kind.starts_with(wanted), "{path}: {kind}");
        if wanted == "text/html" {
            let text = reply.text();
            for attribute in ["href=\"", "src=\""] {
                let links = text.split(attribute).skip(1);
                let links = links.map(|rest| rest.split(['"', '#']).next().unwrap().to_string());
                todo.extend(links.filter(|link| !link.is_empty()));
            }
        }
    }
    for path in [
        "/about",
        "/chat",
        "/pictures/paving.png",
        "/site.css",
        "/api/time",
    ] {
        assert!(seen.contains(path), "nothing leads to {path}: {seen:?}");
    }
}

#[test]
fn it_has_pictures_that_are_kept_and_json() {
    let demo = Demo::start();
    let mut client = Client::connect(demo.edge());
    let picture = client.get("/pictures/paving.png");
    assert!(picture.body.starts_with(b"\x89PNG\r\n"), "{}", picture.head);
    let etag = picture.field("etag").unwrap();
    let held = format!("If-None-Match: {etag}\r\n");
    assert_eq!(
        client
            .request("GET", "/pictures/paving.png", &held, b"")
            .status,
        304
    );
    assert!(client.get("/pictures/square.svg").text().contains("<svg"));

    assert!(client.get("/api/time").json()["unix_ms"].as_u64().unwrap() > 1_600_000_000_000);
    let items = client.get("/api/items?n=3").json();
    assert_eq!(items["count"], 3);
    assert_eq!(items["items"][2]["id"], 3);
    assert_eq!(client.get("/api/items?n=x").status, 400);
    let echo = client
        .request("PUT", "/api/echo?a=%20b", "X-A: b\r\n", b"hello")
        .json();
    assert_eq!(
        (&echo["method"], &echo["query"], &echo["body_length"]),
        (&json!("PUT"), &json!("a=%20b"), &json!(5))
    );
}

#[test]
fn its_events_come_one_by_one() {
    let demo = Demo::start();
    let mut client = Client::connect(demo.edge());
    client.send("GET /events HTTP/1.1\r\nHost: a\r\n\r\n");
    let head = client.head_only();
    assert_eq!(
        head.field("content-type").as_deref(),
        Some("text/event-stream")
    );
    let mut text = String::new();
    let mut first_came = None;
    while let Some(piece) = client.chunk(&mut Vec::new()) {
        first_came.get_or_insert_with(SystemTime::now);
        text.push_str(&String::from_utf8(piece).unwrap());
    }
    let events: Vec<Value> = text
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    let numbers: Vec<u64> = events
        .iter()
        .map(|e| e["event"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], "{text}");
    // The last is written 2.7 s after the first, which did not wait for it.
    let first_came = first_came
        .unwrap()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_millis();
    let last_written = u128::from(events[9]["unix_ms"].as_u64().unwrap());
    assert!(
        first_came < last_written,
        "the first was held back until {first_came}: {text}"
    );

    let lines = Client::connect(demo.edge()).get("/stream").text();
    assert_eq!(lines.lines().count(), 5, "{lines}");
}

type Socket = WebSocket<TcpStream>;

fn join(demo: &Demo, name: &str) -> Socket {
    let url = format!("ws://{}/ws/chat?name={name}", demo.edge());
    let stream = TcpStream::connect(demo.edge()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    tungstenite::client(url, stream).unwrap().0
}

/// The next frame, without its time.
fn hear(socket: &mut Socket) -> Value {
    loop {
        match socket.read().unwrap() {
            Message::Text(text) => {
                let mut frame: Value = serde_json::from_str(&text).unwrap();
                frame.as_object_mut().unwrap().remove("unix_ms");
                return frame;
            }
            Message::Close(frame) => panic!("closed: {frame:?}"),
            _ => {}
        }
    }
}

fn say(socket: &mut Socket, text: &str) {
    socket
        .send(Message::text(json!({ "text": text }).to_string()))
        .unwrap();
}

#[test]
fn two_people_chat() {
    let demo = Demo::start();
    let mut ada = join(&demo, "Ada");
    let joined =
        |name: &str, users: &[&str]| json!({ "type": "join", "name": name, "users": users });
    assert_eq!(hear(&mut ada), joined("Ada", &["Ada"]));
    let message = |id: u64, name: &str, text: &str| json!({ "type": "message", "id": id, "name": name, "text": text });
    for (id, text) in (1..).zip(["one", "two", "three", "four"]) {
        say(&mut ada, text);
        assert_eq!(hear(&mut ada), message(id, "Ada", text));
    }
    let mut bob = join(&demo, "Bob");
    for (id, text) in (2..).zip(["two", "three", "four"]) {
        assert_eq!(hear(&mut bob), message(id, "Ada", text));
    }
    for socket in [&mut ada, &mut bob] {
        assert_eq!(hear(socket), joined("Bob", &["Ada", "Bob"]));
    }
    say(&mut bob, "good evening");
    say(&mut ada, "hello");
    let heard = |socket: &mut Socket| {
        let mut both = [hear(socket), hear(socket)];
        both.sort_by_key(|frame| frame["name"].to_string());
        both.map(|frame| format!("{} {}", frame["name"], frame["text"]))
    };
    let both = ["\"Ada\" \"hello\"", "\"Bob\" \"good evening\""];
    assert_eq!(
        (heard(&mut ada), heard(&mut bob)),
        (both.map(String::from), both.map(String::from))
    );
    bob.close(None).unwrap();
    let left = json!({ "type": "leave", "name": "Bob", "users": ["Ada"] });
    assert_eq!(hear(&mut ada), left);
}

#[test]
fn an_interrupt_ends_it_and_leaves_nothing_behind() {
    let mut demo = Demo::start();
    // One in the middle of an answer gets the rest of it. A visitor in the chat and one with an
    // idle connection do not hold it up.
    let mut busy = Client::connect(demo.edge());
    busy.send("GET /slow?ms=1500 HTTP/1.1\r\nHost: a\r\n\r\n");
    let admin = demo.addresses()[1];
    until("the answer is on its way", || {
        let status = Client::connect(admin)
            .get_from("localhost", "/status")
            .json();
        (status["requests_in_flight"] == 1).then_some(())
    });
    let mut ada = join(&demo, "Ada");
    hear(&mut ada);
    let mut idle = Client::connect(demo.edge());
    assert_eq!(idle.get("/about").status, 200);
    assert_eq!(demo.interrupt(), Some(0));
    assert_eq!(busy.reply().text(), "Answered after 1500 ms.\n");
    assert!(idle.is_closed());
    assert!(
        matches!(ada.read(), Ok(Message::Close(_)) | Err(_)),
        "the chat goes on"
    );
    // Its sockets end with it, as long as it has left nobody who holds them.
    let group = format!("-{}", demo.child.id());
    let group = Command::new("kill")
        .args(["-0", "--", &group])
        .output()
        .unwrap();
    assert!(!group.status.success(), "it left processes behind");
    let left = std::fs::read_dir(demo.folder.path()).unwrap().count();
    assert_eq!(left, 0, "it left files behind");
}

#[test]
fn two_of_them_do_not_disturb_each_other() {
    let (first, second) = (Demo::start(), Demo::start());
    for demo in [&first, &second] {
        assert_eq!(Client::connect(demo.edge()).get("/ping").text(), "pong\n");
    }
    let all = [first.addresses(), second.addresses()].concat();
    assert_eq!(BTreeSet::from_iter(all).len(), 6);
}

#[test]
fn a_taken_port_is_said_to_be_taken() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let output = command(&["demo", "--port", &address.port().to_string()]);
    assert_eq!((code(&output), text(&output.stdout)), (1, String::new()));
    let said = text(&output.stderr);
    assert!(
        said.starts_with(&format!("error: cannot listen on {address}: ")),
        "{said}"
    );
    assert!(
        said.contains("in use") && said.contains("--port 0"),
        "{said}"
    );
}
