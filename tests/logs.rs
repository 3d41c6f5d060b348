//! The access log and the warnings: what is in a line, where it goes, what never appears, and
//! that no log holds up a request.

mod support;

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime};
use support::{Backend, Client, Folder, Parvis, Refusing, Reply, until};

/// A parvis with this `[log]`, passing everything to `backend`.
fn logging(log: &str, backend: &Backend) -> Parvis {
    Parvis::start(&configuration(log, backend))
}

fn configuration(log: &str, backend: &Backend) -> String {
    format!(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[log]\n{log}\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"shop\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"own\" }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    )
}

const TO_FILE: &str = "access = \"@DIR/access.log\"";

/// The lines of a log, once there are `count` of them.
fn lines(parvis: &Parvis, name: &str, count: usize) -> Vec<String> {
    let path = parvis.folder.join(name);
    until(&format!("{name} has {count} lines"), || {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8(bytes).expect("the log is UTF-8");
        let whole = text.ends_with('\n') && text.lines().count() >= count;
        whole.then(|| text.lines().map(str::to_string).collect())
    })
}

fn json(parvis: &Parvis, count: usize) -> Vec<Value> {
    let parsed = |line: String| {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    let all: Vec<Value> = lines(parvis, "access.log", count)
        .into_iter()
        .map(parsed)
        .collect();
    assert_eq!(all.len(), count, "{all:?}");
    all
}

/// Milliseconds since the Unix epoch of `2026-11-21T12:00:00.123Z`, exactly in that form.
fn rfc3339(text: &str) -> u128 {
    let bytes = text.as_bytes();
    let form = "dddd-dd-ddTdd:dd:dd.dddZ".bytes();
    assert_eq!(bytes.len(), 24, "{text}");
    for (byte, form) in bytes.iter().zip(form) {
        let fits = if form == b'd' {
            byte.is_ascii_digit()
        } else {
            *byte == form
        };
        assert!(fits, "{text}");
    }
    let part = |at: usize, n: usize| text[at..at + n].parse::<u128>().unwrap();
    let seconds = seconds(
        part(0, 4),
        part(5, 2),
        part(8, 2),
        part(11, 2),
        part(14, 2),
        part(17, 2),
    );
    seconds * 1000 + part(20, 3)
}

fn seconds(year: u128, month: u128, day: u128, hour: u128, minute: u128, second: u128) -> u128 {
    let leap = |y: u128| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let lengths = [
        31,
        28 + u128::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    assert!((1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60);
    assert!(day >= 1 && day <= lengths[month as usize - 1]);
    let years: u128 = (1970..year).map(|y| 365 + u128::from(leap(y))).sum();
    let months: u128 = lengths[..month as usize - 1].iter().sum();
    (((years + months + day - 1) * 24 + hour) * 60 + minute) * 60 + second
}

fn now() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis()
}

/// Sends bytes on a connection of its own and reads to its end: the answer and its bytes.
fn exchange(parvis: &Parvis, bytes: &[u8]) -> Vec<u8> {
    let mut client = parvis.client();
    let _ = client.try_send(bytes);
    client.rest()
}

#[test]
fn a_line_of_json_has_every_field_and_the_right_values() {
    let backend = Backend::http(|_| {
        std::thread::sleep(Duration::from_millis(50));
        b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\n\r\nhello".to_vec()
    });
    let parvis = logging(TO_FILE, &backend);
    let request = "POST /a/b%20c?x=1&y=%22 HTTP/1.1\r\nHost: Shop.Example:8080\r\nContent-Length: 4\r\n\
                   X-Forwarded-For: 6.6.6.6, 198.51.100.7, 127.0.0.9\r\nX-Request-ID: my-id\r\n\
                   Referer: https://r.example/p?q=1\r\nUser-Agent: Agent/1.0 (\"x\")\r\nConnection: close\r\n\r\nbody";
    let before = now();
    let answer = exchange(&parvis, request.as_bytes());
    let line = &json(&parvis, 1)[0];
    let after = now();
    let keys: BTreeSet<&str> = line
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    let expected = [
        "time",
        "site",
        "route",
        "client",
        "method",
        "host",
        "path",
        "query",
        "status",
        "bytes_in",
        "bytes_out",
        "duration_ms",
        "upstream_ms",
        "upstream",
        "protocol",
        "request_id",
        "referrer",
        "user_agent",
    ];
    assert_eq!(keys, BTreeSet::from(expected));
    let time = rfc3339(line["time"].as_str().unwrap());
    assert!((before..=after).contains(&time), "{before} {time} {after}");
    for (key, value) in [
        ("site", "shop"),
        ("route", "/*"),
        ("client", "198.51.100.7"),
        ("method", "POST"),
        ("host", "Shop.Example:8080"),
        ("path", "/a/b%20c"),
        ("query", "x=1&y=%22"),
        ("upstream", &backend.address().to_string()),
        ("protocol", "HTTP/1.1"),
        ("request_id", "my-id"),
        ("referrer", "https://r.example/p?q=1"),
        ("user_agent", "Agent/1.0 (\"x\")"),
    ] {
        assert_eq!(line[key], value, "{key}");
    }
    assert_eq!(line["status"], 201);
    assert_eq!(line["bytes_in"], request.len());
    assert_eq!(line["bytes_out"], answer.len());
    let ms = |key: &str| line[key].as_f64().unwrap();
    assert!(ms("upstream_ms") >= 50.0, "{line}");
    assert!(ms("duration_ms") >= ms("upstream_ms"), "{line}");
    assert!(ms("duration_ms") <= (after - before + 1) as f64, "{line}");
}

#[test]
fn a_line_leaves_out_what_was_not_there() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    exchange(&parvis, b"GET /own HTTP/1.0\r\n\r\n");
    let line = &json(&parvis, 1)[0];
    for key in [
        "query",
        "upstream",
        "upstream_ms",
        "referrer",
        "user_agent",
        "fault",
    ] {
        assert!(line.get(key).is_none(), "{key}: {line}");
    }
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["route"], "/own");
    assert_eq!(line["protocol"], "HTTP/1.0");
    assert_eq!(line["host"], "");
    assert_eq!(line["request_id"].as_str().unwrap().len(), 36);
}

#[test]
fn bytes_are_counted_to_the_last_one_in_both_directions() {
    let backend = Backend::http(|request| {
        match request.target.as_str() {
        "/chunked" => b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n".to_vec(),
        "/large" => [b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n".as_slice(), &[b'x'; 300_000]].concat(),
        "/304" => b"HTTP/1.1 304 Not Modified\r\n\r\n".to_vec(),
        _ if request.method == "HEAD" => b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_vec(),
        _ => b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec(),
    }
    });
    let parvis = logging(TO_FILE, &backend);
    let end = "Host: test\r\nConnection: close\r\n";
    let large = "x".repeat(300_000);
    let requests = [
        format!("GET /chunked HTTP/1.1\r\n{end}\r\n"),
        format!("GET /large HTTP/1.1\r\n{end}\r\n"),
        format!("GET /304 HTTP/1.1\r\n{end}\r\n"),
        format!("HEAD / HTTP/1.1\r\n{end}\r\n"),
        format!("GET /own HTTP/1.1\r\n{end}\r\n"),
        format!(
            "POST / HTTP/1.1\r\n{end}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nX-T: 1\r\n\r\n"
        ),
        format!("POST / HTTP/1.1\r\n{end}Content-Length: 300000\r\n\r\n{large}"),
        "GET /nowhere/ HTTP/1.0\r\n\r\n".to_string(),
    ];
    for (n, request) in requests.iter().enumerate() {
        let answer = exchange(&parvis, request.as_bytes());
        let line = &json(&parvis, n + 1)[n];
        let head = request.lines().next().unwrap();
        assert_eq!(line["bytes_in"], request.len(), "{head}");
        assert_eq!(line["bytes_out"], answer.len(), "{head}");
    }
}

#[test]
fn requests_on_one_connection_are_counted_each_for_itself() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    let requests: Vec<String> = (1..5)
        .map(|n| format!("GET /{} HTTP/1.1\r\nHost: test\r\n\r\n", "a".repeat(n * 10)))
        .collect();
    client.send(requests.concat());
    let answers: Vec<Reply> = requests.iter().map(|_| client.reply()).collect();
    for ((line, request), answer) in json(&parvis, 4).iter().zip(&requests).zip(&answers) {
        assert_eq!(line["bytes_in"], request.len(), "{line}");
        assert_eq!(
            line["bytes_out"],
            answer.head.len() + answer.body.len(),
            "{line}"
        );
        assert_eq!(line["request_id"], answer.field("x-request-id").unwrap());
    }
}

/// A parvis that answers everything itself.
fn answering(log: &str) -> Parvis {
    Parvis::start(&format!(
        "[log]\n{log}\n[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"own\" }}\n"
    ))
}

/// Requests that are served, with everything in them that a client may send.
fn hostile() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let served = |b: &u8| !matches!(b, 0..=8 | 10..=31 | 127);
    let any: Vec<u8> = (0..=255u8).filter(served).collect();
    for byte in &any {
        let value = [b"a", [*byte].as_slice(), b"b"].concat();
        let head = b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: ".as_slice();
        all.push([head, &value, b"\r\nReferer: ", &value, b"\r\n\r\n"].concat());
    }
    for path in [
        "/\"}\\",
        "/{}",
        "/é\u{2028}\u{feff}\u{202e}",
        "/?\u{10ffff}",
        "/%22%0a%ff?%22%0a%00%ff",
        "/\\x22\\n\\u0022",
        "/?a=\\&b='`",
        "/,]",
        "/$(x)\\",
    ] {
        all.push(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes());
    }
    all.push(
        [
            b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: ",
            any.as_slice(),
            b"\r\n\r\n",
        ]
        .concat(),
    );
    all
}

#[test]
fn whatever_a_client_sends_a_line_is_one_object_of_json() {
    let parvis = answering(TO_FILE);
    let requests = hostile();
    let mut client = parvis.client();
    for request in &requests {
        client.send(request);
        assert_eq!(
            client.reply().status,
            200,
            "{}",
            String::from_utf8_lossy(request)
        );
    }
    for (line, request) in json(&parvis, requests.len()).iter().zip(&requests) {
        let text = String::from_utf8_lossy(request);
        let sent = |name: &str| {
            let field = text.split("\r\n").find_map(|l| l.strip_prefix(name));
            field.map(|value| Value::from(value.trim_matches([' ', '\t'])))
        };
        let value = |key: &str| line.get(key).cloned();
        assert_eq!(value("user_agent"), sent("User-Agent:"), "{text}");
        assert_eq!(value("referrer"), sent("Referer:"), "{text}");
        let target = text.split(' ').nth(1).unwrap();
        let (path, query) = match target.split_once('?') {
            Some((path, query)) => (path, Some(Value::from(query))),
            None => (target, None),
        };
        assert_eq!(line["path"], path);
        assert_eq!(value("query"), query);
    }
}

#[derive(Debug, PartialEq)]
struct Combined {
    client: String,
    time: u128,
    request: String,
    status: u16,
    bytes: u64,
    referrer: String,
    agent: String,
}

/// Takes a line of the combined format apart, and accepts nothing else.
fn combined(line: &str) -> Combined {
    let wrong = |what: &str| -> ! { panic!("{what}: {line}") };
    assert!(
        line.bytes().all(|b| (0x20..0x7f).contains(&b)),
        "not printable: {line:?}"
    );
    let Some((client, rest)) = line.split_once(" - - [") else {
        wrong("client")
    };
    let Some((time, rest)) = rest.split_once("] ") else {
        wrong("time")
    };
    let (request, rest) = quoted(rest);
    let Some((status, rest)) = rest.strip_prefix(' ').and_then(|r| r.split_once(' ')) else {
        wrong("status")
    };
    let Some((bytes, rest)) = rest.split_once(' ') else {
        wrong("bytes")
    };
    let (referrer, rest) = quoted(rest);
    let Some(rest) = rest.strip_prefix(' ') else {
        wrong("referrer")
    };
    let (agent, rest) = quoted(rest);
    assert_eq!(rest, "", "{line}");
    Combined {
        client: client.parse::<std::net::IpAddr>().unwrap().to_string(),
        time: common_time(time),
        request,
        status: status.parse().unwrap(),
        bytes: bytes.parse().unwrap(),
        referrer,
        agent,
    }
}

/// `"..."` and what follows it; `\xHH` is the only escape.
fn quoted(text: &str) -> (String, &str) {
    let text = text
        .strip_prefix('"')
        .unwrap_or_else(|| panic!("no quote: {text}"));
    let (inside, rest) = text
        .split_once('"')
        .unwrap_or_else(|| panic!("no end: {text}"));
    let mut pieces = inside.split('\\');
    let mut bytes = pieces.next().unwrap().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.strip_prefix('x').and_then(|p| p.get(..2));
        let code = code.unwrap_or_else(|| panic!("an escape that is none: {inside}"));
        assert_eq!(code, code.to_uppercase());
        bytes.push(u8::from_str_radix(code, 16).unwrap());
        bytes.extend_from_slice(&piece.as_bytes()[3..]);
    }
    (String::from_utf8_lossy(&bytes).into_owned(), rest)
}

/// `21/Nov/2026:12:00:00 +0000` in seconds since the Unix epoch.
fn common_time(text: &str) -> u128 {
    let names = "JanFebMarAprMayJunJulAugSepOctNovDec";
    assert_eq!(text.len(), 26, "{text}");
    assert_eq!(&text[20..], " +0000");
    for (at, separator) in [(2, '/'), (6, '/'), (11, ':'), (14, ':'), (17, ':')] {
        assert!(text[at..].starts_with(separator), "{text}");
    }
    let part = |at: usize, n: usize| text[at..at + n].parse::<u128>().unwrap();
    let month = names.find(&text[3..6]).unwrap() as u128 / 3 + 1;
    seconds(
        part(7, 4),
        month,
        part(0, 2),
        part(12, 2),
        part(15, 2),
        part(18, 2),
    )
}

const COMBINED: &str = "format = \"combined\"\naccess = \"@DIR/access.log\"";

#[test]
fn a_combined_line_has_its_fields_and_the_right_values() {
    let backend = Backend::text("hello");
    let parvis = logging(COMBINED, &backend);
    let before = now() / 1000;
    let answer = exchange(
        &parvis,
        b"PUT /a?b=c HTTP/1.1\r\nHost: test\r\nX-Forwarded-For: 2001:db8::7\r\n\
          Referer: https://r.example/?q\r\nUser-Agent: Agent \"1\" \\ x\r\nConnection: close\r\n\r\n",
    );
    let first = combined(&lines(&parvis, "access.log", 1)[0]);
    let after = now() / 1000;
    assert!((before..=after).contains(&first.time), "{first:?}");
    assert_eq!(
        first,
        Combined {
            client: "2001:db8::7".into(),
            time: first.time,
            request: "PUT /a?b=c HTTP/1.1".into(),
            status: 200,
            bytes: answer.len() as u64,
            referrer: "https://r.example/?q".into(),
            agent: "Agent \"1\" \\ x".into(),
        }
    );
    exchange(&parvis, b"GET / HTTP/1.0\r\n\r\n");
    let second = combined(&lines(&parvis, "access.log", 2)[1]);
    assert_eq!(second.request, "GET / HTTP/1.0");
    assert_eq!(
        (second.referrer.as_str(), second.agent.as_str()),
        ("-", "-")
    );
    assert_eq!(second.client, "127.0.0.1");
}

#[test]
fn whatever_a_client_sends_a_combined_line_can_be_taken_apart() {
    let parvis = answering(COMBINED);
    let requests = hostile();
    let mut client = parvis.client();
    for request in &requests {
        client.send(request);
        assert_eq!(client.reply().status, 200);
    }
    let all = lines(&parvis, "access.log", requests.len());
    assert_eq!(all.len(), requests.len());
    for (line, request) in all.iter().zip(&requests) {
        let text = String::from_utf8_lossy(request);
        let first = text.lines().next().unwrap();
        let parsed = combined(line);
        assert_eq!(parsed.request, first);
        let agent = text
            .split("\r\n")
            .find_map(|l| l.strip_prefix("User-Agent:"));
        assert_eq!(
            parsed.agent,
            agent.map_or("-", |a| a.trim_matches([' ', '\t']))
        );
    }
    exchange(&parvis, b"rubbish \" \\ \r\n\r\n");
    let all = lines(&parvis, "access.log", requests.len() + 1);
    assert_eq!(combined(&all[requests.len()]).status, 400);
}

#[test]
fn the_log_goes_where_it_is_told_to() {
    let backend = Backend::text("app");
    for (access, file) in [("stdout", "parvis.out"), ("stderr", "parvis.log")] {
        let parvis = logging(&format!("access = \"{access}\""), &backend);
        parvis.get("/here");
        until("the line is there", || {
            let text = parvis.folder.read(file);
            let line = text.lines().find(|line| line.starts_with('{'))?;
            let value: Value = serde_json::from_str(line).ok()?;
            (value["path"] == "/here").then_some(())
        });
        let other = if access == "stdout" {
            "parvis.log"
        } else {
            "parvis.out"
        };
        assert!(!parvis.folder.read(other).contains("/here"));
    }
    let parvis = logging("access = \"off\"", &backend);
    parvis.get("/here");
    let mut parvis = parvis;
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(parvis.output(), "");
    assert!(!parvis.log().contains("/here"));
}

#[test]
fn what_was_logged_before_the_end_is_written_before_the_end() {
    let backend = Backend::text("app");
    let mut parvis = logging(TO_FILE, &backend);
    for _ in 0..50 {
        parvis.get("/");
    }
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(parvis.folder.read("access.log").lines().count(), 50);
}

#[test]
fn a_reload_changes_destination_and_format() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    parvis.get("/first");
    lines(&parvis, "access.log", 1);
    let other = "format = \"combined\"\naccess = \"@DIR/other.log\"";
    let text = configuration(other, &backend);
    Parvis::write_configuration(&parvis.folder, &text);
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    parvis.get("/second");
    let line = combined(&lines(&parvis, "other.log", 1)[0]);
    assert_eq!(line.request, "GET /second HTTP/1.1");
    assert_eq!(json(&parvis, 1)[0]["path"], "/first");
}

#[test]
fn a_log_that_was_moved_away_is_opened_again_and_no_line_is_lost() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let address = parvis.address();
    let (old, new) = (
        parvis.folder.join("old.log"),
        parvis.folder.join("access.log"),
    );
    let paths = |name: &str| -> Vec<String> {
        let text = parvis.folder.read(name);
        let path = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap();
            value["path"].as_str().unwrap().to_string()
        };
        text.lines().map(path).collect()
    };
    let clients: Vec<_> = (0..4)
        .map(|client| {
            std::thread::spawn(move || {
                let mut connection = Client::connect(address);
                for n in 0..250 {
                    assert_eq!(connection.get(&format!("/{client}/{n}")).status, 200);
                }
            })
        })
        .collect();
    lines(&parvis, "access.log", 100);
    std::fs::rename(&new, &old).unwrap();
    parvis.signal("USR1");
    until("the log is opened again", || new.exists().then_some(()));
    let moved = std::fs::metadata(&old).unwrap().len();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(parvis.get("/last").status, 200);
    until("the last line is written", || {
        paths("access.log")
            .contains(&"/last".to_string())
            .then_some(())
    });
    assert_eq!(
        std::fs::metadata(&old).unwrap().len(),
        moved,
        "the old file grew"
    );
    let mut all = [paths("old.log"), paths("access.log")].concat();
    until("all lines are written", || {
        all = [paths("old.log"), paths("access.log")].concat();
        (all.len() >= 1001).then_some(())
    });
    assert_eq!(all.len(), 1001);
    assert_eq!(
        BTreeSet::from_iter(&all).len(),
        1001,
        "a line was written twice"
    );
    assert_eq!(parvis.metric("parvis_log_dropped_total"), 0.0);
}

#[test]
fn a_log_may_be_read_by_its_owner_and_group_only() {
    let backend = Backend::text("app");
    let change = |command: &mut Command| {
        // SAFETY: `umask` is async-signal-safe and cannot fail.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0);
                Ok(())
            })
        };
    };
    let parvis = Parvis::start_as(Folder::new(), &configuration(TO_FILE, &backend), change);
    parvis.get("/");
    lines(&parvis, "access.log", 1);
    let mode = |name: &str| {
        let metadata = std::fs::metadata(parvis.folder.join(name)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("access.log"), 0o640);
    std::fs::rename(
        parvis.folder.join("access.log"),
        parvis.folder.join("old.log"),
    )
    .unwrap();
    parvis.signal("USR1");
    until("it is opened again", || {
        parvis.folder.join("access.log").exists().then_some(())
    });
    assert_eq!(mode("access.log"), 0o640);
}

fn fails_to_start(log: &str, prepare: impl FnOnce(&Folder)) -> (Option<i32>, String) {
    let folder = Folder::new();
    prepare(&folder);
    Parvis::write_configuration(&folder, &configuration(log, &Backend::text("app")));
    let file = folder.join("parvis.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["run", "-c"])
        .arg(file)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = until("parvis ends", || child.try_wait().unwrap());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (status.code(), said)
}

#[test]
fn a_log_that_cannot_be_written_ends_the_start_with_1_and_says_why() {
    // Not even root can open these.
    let (code, said) = fails_to_start(TO_FILE, |folder| {
        std::os::unix::fs::symlink("access.log", folder.join("access.log")).unwrap();
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: the access log /"), "{said}");
    assert!(said.contains("/access.log cannot be written: "), "{said}");
    assert!(!said.contains("serving"), "{said}");
    let (code, said) = fails_to_start(TO_FILE, |folder| {
        // A socket is no file.
        drop(std::os::unix::net::UnixListener::bind(folder.join("access.log")).unwrap());
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/access.log cannot be written: "), "{said}");
}

#[test]
fn a_log_in_a_folder_that_is_missing_is_a_wrong_configuration() {
    let (code, said) = fails_to_start("access = \"@DIR/no/access.log\"", |_| {});
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("parvis.toml:"), "{said}");
    let (code, said) = fails_to_start("access = \"@DIR\"", |_| {});
    assert_eq!(code, Some(2), "{said}");
}

/// Everything that was written anywhere.
fn everything(parvis: &Parvis) -> String {
    let mut all = parvis.log() + &parvis.output();
    let bytes = std::fs::read(parvis.folder.join("access.log")).unwrap_or_default();
    all.push_str(&String::from_utf8_lossy(&bytes));
    for path in ["/metrics", "/status"] {
        all.push_str(&parvis.admin_request("GET", path, "").text());
    }
    all
}

const SECRET_FIELDS: &str = "Authorization: Basic geheim\r\nProxy-Authorization: geheim\r\nCookie: s=geheim; token=geheim\r\n\
     Referer: https://r.example/p?a=1&token=geheim&PassWord=geheim&%74oken=geheim#x\r\n";

const SECRET_QUERIES: [&str; 14] = [
    "token=geheim",
    "a=1&token=geheim&b=2",
    "TOKEN=geheim",
    "access_token=geheim",
    "csrf-token=geheim",
    "password=geheim",
    "new_password=geheim&password=geheim",
    "%74oken=geheim",
    "tok%65n=geheim",
    "%70%61%73%73%77%6f%72%64=geheim",
    "%70%61%73%73%77%6F%72%64=geheim",
    "token=geheim=geheim",
    "token%3d=geheim",
    "a=1;token=geheim;b=2",
];

#[test]
fn secrets_never_appear_in_any_log() {
    for format in ["json", "combined"] {
        // By the path: an answer, or something that is none, with a secret in it.
        let backend = Backend::raw(|incoming| {
            while let Some(request) = incoming.request() {
                let path = request.target.split('?').next().unwrap().to_string();
                let cookie = "Set-Cookie: s=geheim; HttpOnly\r\n";
                let answer = match path.as_str() {
                    "/reset" => return,
                    "/rubbish" => format!("HTTP/1.1 200 OK\r\n{cookie}no field\r\n\r\n"),
                    "/status" => format!("HTTP/1.1 geheim\r\n{cookie}\r\n"),
                    "/length" => {
                        format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: geheim\r\n\r\n")
                    }
                    "/lengths" => format!(
                        "HTTP/1.1 200 OK\r\n{cookie}Content-Length: 1\r\nContent-Length: 2\r\n\r\ngeheim"
                    ),
                    "/chunk" => format!(
                        "HTTP/1.1 200 OK\r\n{cookie}Transfer-Encoding: chunked\r\n\r\ngeheim\r\n"
                    ),
                    "/short" => {
                        format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 99\r\n\r\ngeheim")
                    }
                    "/cut" => format!("HTTP/1.1 200 OK\r\n{cookie}"),
                    "/large" => format!("HTTP/1.1 200 OK\r\n{}\r\n", cookie.repeat(300)),
                    _ => format!("HTTP/1.1 200 OK\r\n{cookie}Content-Length: 2\r\n\r\nok"),
                };
                if !incoming.send(answer) || path != "/" {
                    return;
                }
            }
        });
        let refusing = Refusing::new();
        let parvis = Parvis::start(&format!(
            "[log]\nlevel = \"trace\"\nformat = \"{format}\"\nslow = \"0ms\"\n{TO_FILE}\n\
             [upstream.app]\nservers = [\"{}\"]\n[upstream.none]\nservers = [\"{}\"]\n\
             [[site]]\nname = \"s\"\nhosts = [\"test\"]\nlisten = [\"127.0.0.1:0\"]\nserver_timing = true\n\
             [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n\
             [[site.route]]\npath = \"/none\"\nproxy = \"none\"\n\
             [[site.route]]\npath = \"/moved\"\nredirect = {{ to = \"/\" }}\n\
             [[site.route]]\npath = \"/post\"\nmethods = [\"POST\"]\nproxy = \"app\"\n",
            backend.address(),
            refusing.address(),
        ));
        let mut count = 0;
        let mut send = |bytes: &str| {
            exchange(&parvis, bytes.as_bytes());
            count += 1;
        };
        let paths = [
            "/", "/reset", "/rubbish", "/status", "/length", "/lengths", "/chunk", "/short",
            "/cut", "/large", "/none", "/moved", "/post", "/%zz",
        ];
        let end = format!("{SECRET_FIELDS}Connection: close\r\n\r\n");
        for path in paths {
            for host in ["test", "other"] {
                send(&format!(
                    "GET {path}?token=geheim HTTP/1.1\r\nHost: {host}\r\n{end}"
                ));
            }
        }
        for query in SECRET_QUERIES {
            let referrer = format!("Referer: https://r.example/?{query}\r\n");
            send(&format!(
                "GET /?{query} HTTP/1.1\r\nHost: test\r\n{referrer}Connection: close\r\n\r\n"
            ));
            send(&format!(
                "GET /none?{query} HTTP/1.1\r\nHost: test\r\n{referrer}Connection: close\r\n\r\n"
            ));
        }
        // Not understood, whatever is in them.
        for head in [
            "GET /?token=geheim HTTP/9.9\r\n",
            "GET /?token=geheim HTTP/1.1\r\nHost: a\r\nHost: b\r\n",
            "GET /?token=geheim HTTP/1.1\r\nHost: geheim@a\r\n",
            "GET http://user:geheim@test/ HTTP/1.1\r\nHost: test\r\n",
            "POST /?token=geheim HTTP/1.1\r\nHost: test\r\nContent-Length: geheim\r\n",
            "geheim\r\n",
        ] {
            send(&format!("{head}{end}"));
        }
        send(&format!(
            "POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n{end}geheim\r\n"
        ));
        // What was read in vain is not said either.
        lines(&parvis, "access.log", count);
        let all = everything(&parvis);
        assert!(all.contains("slow request"), "{all}");
        for line in all.lines() {
            assert!(!line.to_lowercase().contains("geheim"), "{format}: {line}");
        }
    }
}

#[test]
fn only_the_secrets_are_hidden() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    let fields = "Referer: https://r.example/t?keep=1&token=x&monkey=2\r\n";
    client.request(
        "GET",
        "/p?a=1&access_token=x&b=%20&password=&token&c=3",
        fields,
        b"",
    );
    let line = &json(&parvis, 1)[0];
    assert_eq!(
        line["query"],
        "a=1&access_token=***&b=%20&password=***&token&c=3"
    );
    assert_eq!(
        line["referrer"],
        "https://r.example/t?keep=1&token=***&monkey=2"
    );
}

#[test]
fn a_slow_request_is_warned_about_with_its_phases() {
    let backend = Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let slow = Duration::from_millis(120);
            if request.target.starts_with("/head") {
                std::thread::sleep(slow);
            }
            incoming.send("HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\no");
            if request.target.starts_with("/body") {
                std::thread::sleep(slow);
            }
            incoming.send("k");
        }
    });
    let parvis = logging("slow = \"100ms\"\naccess = \"off\"", &backend);
    let warning = |path: &str, reply: &Reply| {
        let id = reply.field("x-request-id").unwrap();
        let line = until("the warning", || {
            let log = parvis.log();
            let line = log
                .lines()
                .find(|l| l.contains("slow request") && l.contains(&id))?;
            Some(line.to_string())
        });
        assert!(line.contains(" WARN "), "{line}");
        let value = |key: &str| {
            let text = line
                .split_once(&format!(" {key}="))
                .unwrap_or_else(|| panic!("no {key}: {line}"));
            text.1
                .split(' ')
                .next()
                .unwrap()
                .trim_matches('"')
                .to_string()
        };
        for (key, expected) in [
            ("site", "shop"),
            ("route", "/*"),
            ("path", path),
            ("status", "202"),
        ] {
            assert_eq!(value(key), expected, "{line}");
        }
        let ms = |key: &str| -> f64 { value(key).parse().unwrap() };
        let phases = ["connect_ms", "app_ms", "body_ms"].map(ms);
        assert!(ms("total_ms") >= 120.0, "{line}");
        assert!(phases.iter().sum::<f64>() <= ms("total_ms"), "{line}");
        phases
    };
    let reply = parvis.get("/head?q=1");
    assert!(warning("/head", &reply)[1] >= 120.0);
    let reply = parvis.get("/body?q=1");
    assert!(warning("/body", &reply)[2] >= 120.0);
}

#[test]
fn fast_requests_are_not_warned_about_and_without_a_limit_none_is() {
    let backend = Backend::http(|_| {
        std::thread::sleep(Duration::from_millis(30));
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec()
    });
    for slow in ["slow = \"1m\"", "slow = \"off\"", ""] {
        let parvis = logging(&format!("{slow}\n{TO_FILE}"), &backend);
        parvis.get("/");
        // The warning would stand before the line.
        lines(&parvis, "access.log", 1);
        assert!(!parvis.log().contains("slow request"), "{slow}");
    }
}

#[test]
fn refused_requests_are_logged_with_their_fault() {
    let backend = Backend::text("app");
    let parvis = Parvis::start(&format!(
        "[server]\nheader_timeout = \"200ms\"\n{}",
        configuration(TO_FILE, &backend).replace("[server]\n", "")
    ));
    let requests = [
        ("GET / HTTP/1.1\r\n\r\n", "host", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n", "line_end", 400),
        ("GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", "target", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "length_and_encoding",
            400,
        ),
        ("GET / HTTP/4.0\r\nHost: a\r\n\r\n", "version", 505),
        ("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", "connect", 405),
        ("GET / HTTP/1.1\r\nHost", "header_timeout", 408),
    ];
    for (n, (bytes, fault, status)) in requests.iter().enumerate() {
        let mut client = parvis.client();
        client.send(bytes);
        let reply = client.reply();
        let line = &json(&parvis, n + 1)[n];
        assert_eq!(line["fault"], *fault, "{line}");
        assert_eq!(line["status"], *status);
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!(line["request_id"], reply.field("x-request-id").unwrap());
        assert_eq!(line["bytes_out"], reply.head.len() + reply.body.len());
        rfc3339(line["time"].as_str().unwrap());
        assert_eq!(line["site"], "");
        assert_eq!(line["route"], "");
    }
    // Requests that were understood and refused say why, too.
    for (n, (bytes, fault)) in [
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            "chunk",
        ),
        (
            "GET /%00 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
            "path",
        ),
    ]
    .iter()
    .enumerate()
    {
        exchange(&parvis, bytes.as_bytes());
        let at = requests.len() + n;
        let line = &json(&parvis, at + 1)[at];
        assert_eq!(line["status"], 400, "{line}");
        assert_eq!(line["fault"], *fault);
    }
}

#[test]
fn a_failure_of_the_app_is_logged_with_its_kind() {
    let backend = Backend::raw(|incoming| drop(incoming.request()));
    let parvis = logging(TO_FILE, &backend);
    assert_eq!(parvis.get("/").status, 502);
    let line = &json(&parvis, 1)[0];
    assert_eq!(line["status"], 502);
    assert_eq!(line["fault"], "reset");
    assert_eq!(line["upstream"], backend.address().to_string());
    until("it is said in parvis's log", || {
        parvis.log().contains("request failed").then_some(())
    });
}

#[test]
fn a_client_that_goes_before_its_answer_is_logged_as_499() {
    let (asked, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_some() {
            asked.send(()).unwrap();
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    wait.recv_timeout(support::PATIENCE).unwrap();
    drop(client);
    let line = &json(&parvis, 1)[0];
    assert_eq!(line["status"], 499, "{line}");
    assert_eq!(line["fault"], "client_closed");
    assert_eq!(line["bytes_out"], 0);
    assert_eq!(line["path"], "/slow");
    let series = "parvis_requests_total{method=\"GET\",route=\"/*\",site=\"shop\",status=\"4xx\"}";
    assert_eq!(parvis.metric(series), 1.0);
    assert!(
        !parvis.log().contains("request failed"),
        "a client's going is no news"
    );
}

#[test]
fn a_client_that_goes_after_an_interim_answer_is_logged_as_499() {
    let (asked, wait) = std::sync::mpsc::channel();
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_some() {
            incoming.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
            asked.send(()).unwrap();
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    client.send("GET /slow HTTP/1.1\r\nHost: test\r\n\r\n");
    wait.recv_timeout(support::PATIENCE).unwrap();
    assert_eq!(client.head_only().status, 103);
    drop(client);
    assert_eq!(json(&parvis, 1)[0]["status"], 499);
}

#[test]
fn a_client_that_goes_while_it_sends_is_logged_as_499() {
    let backend = Backend::raw(|incoming| {
        incoming.head();
        while incoming.read(&mut [0; 100]) > 0 {}
    });
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    client.send("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nhalf");
    until("it is in flight", || {
        (parvis.metric("parvis_requests_in_flight") == 1.0).then_some(())
    });
    drop(client);
    let line = &json(&parvis, 1)[0];
    assert_eq!(line["status"], 499, "{line}");
}

#[test]
fn a_client_that_goes_in_the_middle_of_its_answer_is_told_by_the_fault() {
    let backend = Backend::raw(|incoming| {
        if incoming.request().is_some() {
            incoming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            while incoming.send("5\r\nhello\r\n") {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    });
    let parvis = logging(TO_FILE, &backend);
    let mut client = parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    drop(client);
    let line = &json(&parvis, 1)[0];
    assert_eq!(line["status"], 200);
    assert_eq!(line["fault"], "client_closed");
}

/// Sends more requests than the log's queue holds and its destination takes, and checks that each
/// is answered. Returns how many.
fn flood(parvis: &Parvis) -> u64 {
    const CONNECTIONS: u64 = 4;
    const REQUESTS: u64 = 60;
    let address = parvis.address();
    // One line fills a buffer: 240 of them are more than 128 in the queue, one in the writer's
    // hand and two in a pipe.
    let agent = "a".repeat(40_000);
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let agent = agent.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..REQUESTS {
                    let fields = format!("User-Agent: {agent}\r\n");
                    assert_eq!(client.request("GET", "/own", &fields, b"").status, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("a request was not answered");
    }
    // A request is noted after its answer.
    until("all are noted", || {
        (parvis.metric("parvis_requests_in_flight") == 0.0).then_some(())
    });
    CONNECTIONS * REQUESTS
}

/// Lines that can be read from a log that was stuck, each of them whole.
fn drained(from: impl Read) -> u64 {
    let mut count = 0;
    for line in BufReader::new(from).lines() {
        let line = line.unwrap();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|e| panic!("{e}: {line:.100}"));
        count += 1;
    }
    count
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let backend = Backend::text("app");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut parvis = Parvis::start_as(
        Folder::new(),
        &configuration("access = \"stdout\"", &backend),
        |command| {
            command.stdout(writer);
        },
    );
    let sent = flood(&parvis);
    let dropped = parvis.metric("parvis_log_dropped_total");
    assert!(dropped > 0.0, "nothing was dropped: the log was not stuck");
    assert_eq!(parvis.status()["log_dropped"], dropped as u64);
    // What was not dropped is still there, and whole, once somebody reads.
    let reading = std::thread::spawn(move || drained(reader));
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(reading.join().unwrap() + dropped as u64, sent);
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_fifo_without_a_reader_holds_up_neither_the_start_nor_requests_nor_the_operator() {
    let backend = Backend::text("app");
    let folder = Folder::new();
    let path: PathBuf = folder.join("access.log");
    fifo(&path);
    let mut parvis = Parvis::start_in(folder, &configuration(TO_FILE, &backend), &[]);
    flood(&parvis);
    assert!(parvis.metric("parvis_log_dropped_total") > 0.0);
    // While it is stuck: reopening, reloading, the admin interface.
    parvis.signal("USR1");
    assert_eq!(parvis.admin_request("GET", "/health", "").status, 200);
    parvis.signal("USR1");
    let reload = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reload.status, 200, "{}", reload.text());
    assert_eq!(parvis.admin_request("GET", "/health", "").status, 200);
    assert_eq!(parvis.get("/own").status, 200);
    assert!(std::fs::metadata(&path).unwrap().file_type().is_fifo());
    // And the end.
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_fifo_with_a_reader_gets_the_lines() {
    let backend = Backend::text("app");
    let folder = Folder::new();
    let path = folder.join("access.log");
    fifo(&path);
    let parvis = Parvis::start_in(folder, &configuration(TO_FILE, &backend), &[]);
    let reading = std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(std::fs::File::open(path).unwrap())
            .read_line(&mut line)
            .unwrap();
        line
    });
    parvis.get("/piped");
    let line: Value = serde_json::from_str(&reading.join().unwrap()).unwrap();
    assert_eq!(line["path"], "/piped");
}

#[test]
fn a_full_disk_holds_up_no_request_and_is_said_once() {
    let backend = Backend::text("app");
    let parvis = logging("access = \"/dev/full\"", &backend);
    for _ in 0..5 {
        assert_eq!(parvis.get("/").status, 200);
    }
    until("the lines are counted as dropped", || {
        (parvis.metric("parvis_log_dropped_total") == 5.0).then_some(())
    });
    let said = parvis
        .log()
        .matches("the access log cannot be written")
        .count();
    assert_eq!(said, 1, "{}", parvis.log());
}

#[test]
fn a_log_that_cannot_be_opened_again_goes_on_where_it_was() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let path = parvis.folder.join("access.log");
    std::fs::rename(&path, parvis.folder.join("old.log")).unwrap();
    // Nothing can be opened under that name.
    std::os::unix::fs::symlink("access.log", &path).unwrap();
    parvis.signal("USR1");
    until("the mistake is said", || {
        parvis
            .log()
            .contains("the access log cannot be opened")
            .then_some(())
    });
    parvis.get("/kept");
    assert!(lines(&parvis, "old.log", 1)[0].contains("/kept"));
    std::fs::remove_file(&path).unwrap();
    parvis.signal("USR1");
    until("it is opened", || path.exists().then_some(()));
    parvis.get("/again");
    assert!(lines(&parvis, "access.log", 1)[0].contains("/again"));
}

#[test]
fn each_worker_writes_whole_lines() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let address = parvis.address();
    let clients: Vec<_> = (0..8)
        .map(|n| {
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..40 {
                    let fields = format!("User-Agent: {}\r\n", n.to_string().repeat(3000));
                    client.request("GET", "/own", &fields, b"");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    for line in json(&parvis, 320) {
        let agent = line["user_agent"].as_str().unwrap();
        assert_eq!(agent.len(), 3000);
        assert!(agent.bytes().all(|b| b == agent.as_bytes()[0]));
    }
}
