//! Lines of JSON: every field, the right values, whatever a client sends.

use crate::support::{Backend, Client, Reply};
use crate::{TO_FILE, answering, exchange, hostile, json, logging, now, rfc3339};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

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
