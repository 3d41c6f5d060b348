//! Slow requests, refused ones, failures, and clients that go away.

use crate::support::{Backend, Parvis, Reply, until};
use crate::{TO_FILE, configuration, exchange, json, lines, logging, rfc3339};
use std::time::Duration;

#[test]
fn a_slow_request_is_warned_about_with_its_phases() {
    let backend = Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let slow = Duration::from_millis(300);
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
        assert!(ms("total_ms") >= 300.0, "{line}");
        assert!(phases.iter().sum::<f64>() <= ms("total_ms"), "{line}");
        phases
    };
    let reply = parvis.get("/head?q=1");
    assert!(warning("/head", &reply)[1] >= 300.0);
    let reply = parvis.get("/body?q=1");
    // The head may be read a little after the app has sent it.
    assert!(warning("/body", &reply)[2] >= 100.0);
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
    wait.recv_timeout(crate::support::PATIENCE).unwrap();
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
    wait.recv_timeout(crate::support::PATIENCE).unwrap();
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
