//! What is there, and clients that do not behave.

use crate::support::{Backend, Client, Parvis, Reply, until};
use crate::{OWN, site, status_of};
use std::collections::BTreeSet;
use std::net::SocketAddr;

#[test]
fn what_is_not_there_is_404_and_what_is_not_done_405_with_allow() {
    let parvis = Parvis::start(&(site("") + OWN));
    for path in [
        "/nowhere",
        "/metrics/",
        "/Metrics",
        "/status/x",
        "/reload/",
        "/dashboard/x",
        "/dashboards",
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
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
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
            "HEAD {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
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
    wait.recv_timeout(crate::support::PATIENCE).unwrap();
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
        .try_send("GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .ok()?;
    let answer = String::from_utf8(client.rest()).unwrap();
    answer.split(' ').nth(1)?.parse().ok()
}

#[test]
fn idle_and_slow_connections_do_not_keep_the_operator_out() {
    let parvis = Parvis::start(&(site("") + OWN));
    let before = parvis.metric("process_open_fds");
    // More than it has places for: silent ones, half heads, half bodies, and some that were
    // answered and went silent.
    let mut idle = Vec::new();
    for n in 0..200 {
        let mut client = Client::connect(parvis.admin());
        let sent = match n % 4 {
            0 => Ok(()),
            1 => client.try_send("GET /health HTTP/1.1\r\nHost:"),
            2 => client
                .try_send("POST /reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nx"),
            _ => client.try_send("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"),
        };
        sent.unwrap();
        idle.push(client);
    }
    for _ in 0..5 {
        assert_eq!(health(parvis.admin()), Some(200));
    }
    assert_eq!(parvis.admin_request("GET", "/metrics", "").status, 200);
    assert_eq!(parvis.status()["stopping"], false);
    let after = parvis.metric("process_open_fds");
    // 64, and a little for what parvis does itself.
    assert!(after - before <= 80.0, "{} connections", after - before);
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

/// A page of another site can give its own name this machine's address; the browser then takes the
/// interface for that site's (DNS rebinding).
#[test]
fn without_a_token_only_those_who_name_an_address_or_localhost_are_answered() {
    let parvis = Parvis::start(&(site("") + OWN));
    let asked = |host: &str, path: &str| {
        let mut client = Client::connect(parvis.admin());
        client.send(format!(
            "GET {path} HTTP/1.1\r\n{host}Connection: close\r\n\r\n"
        ));
        client.reply().status
    };
    for own in [
        "127.0.0.1:9180",
        "[::1]:9180",
        "[::1]",
        "10.1.2.3",
        "localhost",
        "LOCALHOST:1",
        "a.localhost",
    ] {
        assert_eq!(asked(&format!("Host: {own}\r\n"), "/status"), 200, "{own}");
    }
    for other in [
        "evil.example",
        "evil.example:9180",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "",
    ] {
        for path in ["/status", "/dashboard", "/api/analytics/", "/"] {
            assert_eq!(
                asked(&format!("Host: {other}\r\n"), path),
                403,
                "{other} {path}"
            );
        }
        // Scrapers and load balancers are told what they are told anyway.
        for path in ["/metrics", "/health"] {
            assert_eq!(
                asked(&format!("Host: {other}\r\n"), path),
                200,
                "{other} {path}"
            );
        }
    }
}
