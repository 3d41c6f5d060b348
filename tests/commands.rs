//! The command line: what it prints, what it ends with, and the demo.

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};
use support::{Client, Folder, command, until};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by a signal")
}

#[test]
fn version_and_help_are_there() {
    let version = command(&["--version"]);
    assert_eq!(
        text(&version.stdout),
        format!("parvis {}\n", env!("CARGO_PKG_VERSION"))
    );
    let help = command(&["--help"]);
    assert_eq!(code(&help), 0);
    let page = text(&help.stdout);
    for word in [
        "run",
        "check",
        "reload",
        "explain",
        "demo",
        "Examples:",
        "Exit codes:",
    ] {
        assert!(page.contains(word), "{word} is not in {page}");
    }
    for subcommand in ["run", "check", "reload", "explain", "demo"] {
        assert_eq!(code(&command(&[subcommand, "--help"])), 0, "{subcommand}");
    }
}

#[test]
fn wrong_usage_ends_with_2() {
    for arguments in [
        &["fly"][..],
        &["run", "--fast"],
        &["explain"],
        &[],
        &["demo", "--port", "x"],
    ] {
        let output = command(arguments);
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
}

const SITE: &str = "[upstream.app]\nservers = [\"127.0.0.1:8000\"]\n\
    [[site]]\nname = \"shop\"\nhosts = [\"shop.example\"]\nlisten = [\"127.0.0.1:8080\"]\n\
    headers = { security = \"strict\", remove = [\"Server\"] }\n\
    [[site.route]]\npath = \"/static/*\"\nproxy = \"app\"\nmax_body = \"1MiB\"\n\
    [[site.route]]\npath = \"/old/*\"\nredirect = { to = \"/new/{path}\", status = 308 }\n\
    [[site.route]]\npath = \"/ping\"\nrespond = { status = 200, body = \"pong\" }\n\
    [[site.route]]\npath = \"/api\"\nmethods = [\"POST\"]\nheaders = { \"X-Beta\" = \"1\" }\nquery = { v = \"2\" }\nproxy = \"app\"\n";

fn configuration() -> Folder {
    let folder = Folder::new();
    folder.write("parvis.toml", "include = [\"sites/*.toml\"]\n");
    folder.write("sites/shop.toml", SITE);
    folder
}

fn explain(folder: &Folder, arguments: &[&str]) -> String {
    let file = folder.join("parvis.toml");
    let all = [&["explain", "-c", file.to_str().unwrap()], arguments].concat();
    let output = command(&all);
    assert_eq!(code(&output), 0, "{}", text(&output.stderr));
    text(&output.stdout)
}

/// The number of the first line of the site's file that has this text.
fn line_of(what: &str) -> usize {
    SITE.lines().position(|line| line.contains(what)).unwrap() + 1
}

#[test]
fn explain_tells_who_takes_a_request_and_which_line_says_so() {
    let folder = configuration();
    let place = |what: &str| format!("sites/shop.toml:{}", line_of(what));
    let page = explain(&folder, &["http://shop.example:8080/static/a.css"]);
    assert!(page.contains(&place("name = ")), "{page}");
    assert!(page.contains(&place("/static/*")), "{page}");
    assert!(page.contains(&place("[upstream.app]")), "{page}");
    for word in [
        "127.0.0.1:8000",
        "1MiB",
        "x-frame-options: DENY",
        "remove server",
    ] {
        assert!(page.contains(word), "{word} is not in {page}");
    }
    let page = explain(&folder, &["http://shop.example:8080/old/a?x=1"]);
    assert!(
        page.contains("308") && page.contains("/new/a?x=1"),
        "{page}"
    );
    assert!(page.contains(&place("/old/*")), "{page}");
    let page = explain(&folder, &["http://shop.example:8080/ping"]);
    assert!(page.contains("200") && page.contains("4 bytes"), "{page}");
    let page = explain(&folder, &["http://shop.example:8080/static"]);
    assert!(page.contains("308") && page.contains("/static/"), "{page}");
    let page = explain(&folder, &["http://shop.example:8080/static/%2e%2e/ping"]);
    assert!(page.contains("matched as /ping"), "{page}");
}

#[test]
fn explain_tells_why_nothing_takes_a_request() {
    let folder = configuration();
    let url = "http://shop.example:8080";
    assert!(explain(&folder, &[&format!("{url}/nothing")]).contains("404"));
    assert!(explain(&folder, &[&format!("{url}/..")]).contains("400"));
    assert!(explain(&folder, &["http://other.example:8080/"]).contains("404"));
    let page = explain(&folder, &["http://shop.example:99/ping"]);
    assert!(page.contains("nothing listens on port 99"), "{page}");
    let beta = &["-H", "X-Beta: 1"][..];
    let api = format!("{url}/api?v=2");
    let wrong_method = explain(&folder, &[&[api.as_str()], beta].concat());
    assert!(
        wrong_method.contains("405") && wrong_method.contains("POST"),
        "{wrong_method}"
    );
    let taken = explain(&folder, &[&["-X", "post", &api], beta].concat());
    assert!(taken.contains("passes it to the upstream app"), "{taken}");
    let other = format!("{url}/api?v=3");
    assert!(explain(&folder, &[&["-X", "POST", &other], beta].concat()).contains("404"));
}

#[test]
fn explain_refuses_what_is_no_question() {
    let folder = configuration();
    let file = folder.join("parvis.toml");
    let file = file.to_str().unwrap();
    for arguments in [
        &["shop.example/"][..],
        &["ftp://a/"],
        &["http://a/", "-H", "x"],
        &["http://a/", "-X", "G T"],
    ] {
        let output = command(&[&["explain", "-c", file], arguments].concat());
        assert_eq!(code(&output), 2, "{arguments:?}");
        assert!(text(&output.stderr).starts_with("error: "), "{arguments:?}");
    }
    folder.write("sites/shop.toml", "[[site]]\nnam = 1\n");
    assert_eq!(code(&command(&["explain", "-c", file, "http://a/"])), 2);
}

#[test]
fn without_a_name_the_configuration_is_looked_for() {
    let folder = Folder::new();
    let check = || {
        Command::new(env!("CARGO_BIN_EXE_parvis"))
            .arg("check")
            .current_dir(folder.path())
            .output()
            .unwrap()
    };
    // A machine that has one at the system's place would be asked about that.
    assert!(!std::path::Path::new("/etc/parvis/parvis.toml").exists());
    let none = check();
    assert_eq!(code(&none), 2);
    assert!(
        text(&none.stderr).contains("conf/parvis.toml"),
        "{}",
        text(&none.stderr)
    );
    folder.write("conf/parvis.toml", SITE);
    let found = check();
    assert_eq!(code(&found), 0, "{}", text(&found.stderr));
    let said = text(&found.stdout);
    assert!(
        said.contains("1 site, 4 routes, 1 upstream, 1 listener"),
        "{said}"
    );
}

/// A running demo.
struct Demo {
    child: Child,
    /// What it printed at the start.
    page: String,
}

impl Demo {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
            .args(["demo", "--port", "0"])
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
        Demo { child, page }
    }

    fn curls(&self) -> Vec<String> {
        let line = |line: &str| {
            line.trim()
                .strip_prefix("curl ")
                .map(|rest| format!("curl {rest}"))
        };
        self.page.lines().filter_map(line).collect()
    }

    fn address(&self) -> std::net::SocketAddr {
        let url = self.page.split("http://").nth(1).unwrap();
        url.split('/').next().unwrap().parse().unwrap()
    }

    /// Every port that it printed.
    fn ports(&self) -> Vec<u16> {
        let port = |rest: &str| rest.split([':', '/']).nth(1)?.parse().ok();
        let mut ports: Vec<u16> = self.page.split("http://127").filter_map(port).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }

    fn interrupt(&mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        until("the demo ends", || self.child.try_wait().unwrap())
            .code()
            .expect("ended by a signal")
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn each_curl_line_of_the_demo_does_what_it_says() {
    let demo = Demo::start();
    let curls = demo.curls();
    assert_eq!(curls.len(), 5, "{}", demo.page);
    let expected = [
        "pong",
        "x-forwarded-for",
        "data:",
        "/about",
        "parvis_requests_total{",
    ];
    for (line, expected) in curls.iter().zip(expected) {
        let output = Command::new("sh").args(["-c", line]).output().unwrap();
        assert!(
            output.status.success(),
            "{line}: {output:?} (is curl installed? `tests/run --install`)"
        );
        let said = text(&output.stdout);
        assert!(said.contains(expected), "{line}: {said}");
    }
}

#[test]
fn the_demo_has_pages_json_pictures_and_ends_cleanly() {
    let mut demo = Demo::start();
    let mut client = Client::connect(demo.address());
    let page = client.get("/");
    assert_eq!(page.status, 200);
    assert!(page.field("content-type").unwrap().starts_with("text/html"));
    assert_eq!(page.field("x-frame-options").as_deref(), Some("DENY"));
    assert!(page.field("server-timing").unwrap().contains("app;dur="));
    assert!(client.get("/api/time").json()["unix_ms"].as_u64().unwrap() > 1_600_000_000_000);
    let picture = client.get("/pictures/paving.png");
    assert!(picture.body.starts_with(b"\x89PNG"), "{}", picture.head);
    assert_eq!(picture.field("content-type").as_deref(), Some("image/png"));
    assert!(client.get("/pictures/square.svg").text().contains("<svg"));
    assert_eq!(client.get("/nothing").status, 404);
    drop(client);
    let ports = demo.ports();
    assert_eq!(ports.len(), 3, "{}", demo.page);
    assert_eq!(demo.interrupt(), 0);
    for port in ports {
        let refused = std::net::TcpStream::connect(("127.0.0.1", port)).is_err();
        assert!(refused, "something still listens on {port}");
    }
}

#[test]
fn two_people_chat_in_the_demo() {
    let demo = Demo::start();
    let join = |name: &str| {
        let url = format!("ws://{}/ws/chat?name={name}", demo.address());
        let stream = std::net::TcpStream::connect(demo.address()).unwrap();
        stream.set_read_timeout(Some(support::PATIENCE)).unwrap();
        tungstenite::client(url, stream).unwrap().0
    };
    let hear = |socket: &mut tungstenite::WebSocket<_>, what: &str| loop {
        let message: serde_json::Value = match socket.read().unwrap() {
            tungstenite::Message::Text(text) => serde_json::from_str(&text).unwrap(),
            _ => continue,
        };
        if message["type"] == what {
            return message;
        }
    };
    let mut ada = join("Ada");
    hear(&mut ada, "join");
    let mut bob = join("Bob");
    assert_eq!(hear(&mut ada, "join")["name"], "Bob");
    bob.send(tungstenite::Message::text(r#"{"text":"good evening"}"#))
        .unwrap();
    for socket in [&mut ada, &mut bob] {
        let message = hear(socket, "message");
        assert_eq!(
            (&message["name"], &message["text"]),
            (&"Bob".into(), &"good evening".into())
        );
    }
}

#[test]
fn a_demo_on_a_taken_port_says_so() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = command(&["demo", "--port", &port]);
    assert_eq!(code(&output), 1);
    let said = text(&output.stderr);
    assert!(
        said.contains("cannot listen") && said.contains(&port),
        "{said}"
    );
}
