//! Every answer is dressed, whoever gives it, and errors have a page.

use crate::support::{Backend, Parvis, command};
use crate::{STRICT, provocations, provoke, provoked, site};
use std::collections::BTreeSet;

#[test]
fn every_answer_carries_the_fields_and_an_id_of_its_own() {
    let edge = provoked(
        "headers = { security = \"strict\", set = { X-Set = \"s\" }, default = { X-Default = \"d\" }, remove = [\"Server\"] }",
    );
    let mut ids = BTreeSet::new();
    for (name, bytes, _, status) in provocations() {
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}: {}", reply.head);
        for (field, value) in STRICT.iter().chain(&[("X-Set", "s"), ("X-Default", "d")]) {
            assert_eq!(
                reply.all(field),
                [*value],
                "{name} {status}: {}",
                reply.head
            );
        }
        assert_eq!(reply.field("Strict-Transport-Security"), None, "{name}");
        assert_eq!(reply.field("Server"), None, "{name}");
        let id = reply.all("X-Request-ID");
        assert_eq!(id.len(), 1, "{name} {status}: {}", reply.head);
        assert_eq!(id[0].len(), 36, "{name}: {id:?}");
        assert!(ids.insert(id[0].clone()), "{name}: {id:?} was given twice");
    }
}

#[test]
fn an_errors_page_tells_its_status_and_id_and_nothing_of_what_lies_behind() {
    let edge = provoked("");
    let backend = edge.backend.address().to_string();
    for (name, bytes, ours, status) in provocations() {
        if !ours {
            continue;
        }
        let reply = provoke(&edge.parvis, &bytes);
        assert_eq!(reply.status, status, "{name}");
        let text = reply.text();
        let id = reply.field("X-Request-ID").unwrap();
        assert!(text.contains(&id), "{name}: no id in {text}");
        assert!(text.contains(&status.to_string()), "{name}: {text}");
        let kind = reply.field("Content-Type");
        assert_eq!(kind.as_deref(), Some("text/html; charset=utf-8"), "{name}");
        assert!(text.starts_with("<!doctype html>"), "{name}: {text}");
        let all = format!("{}{text}", reply.head).to_lowercase();
        let inner = [
            &backend,
            "127.0.0.1",
            "pingora",
            "upstream",
            "broken",
            "rust",
        ];
        for word in inner {
            assert!(!all.contains(word), "{name} tells {word:?}: {all}");
        }
        assert_eq!(reply.field("Server"), None, "{name}: {}", reply.head);
    }
}

#[test]
fn a_client_that_prefers_json_gets_errors_in_json() {
    let edge = provoked("");
    for (path, status, error) in [
        ("/nowhere", 404, "Not Found"),
        ("/refused", 502, "Bad Gateway"),
        ("/down", 503, "Service Unavailable"),
        ("/post", 405, "Method Not Allowed"),
    ] {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, text/plain, */*", true),
            ("text/html;q=0.5, application/json", true),
            ("text/html, application/json;q=0.9", false),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                false,
            ),
            ("*/*", false),
        ] {
            let fields = format!("Accept: {accept}\r\n");
            let reply = edge.parvis.client().request("GET", path, &fields, b"");
            assert_eq!(reply.status, status, "{path}");
            let kind = reply.field("Content-Type").unwrap();
            if !json {
                assert_eq!(kind, "text/html; charset=utf-8", "{accept}");
                continue;
            }
            assert_eq!(kind, "application/json", "{accept}");
            let page = reply.json();
            assert_eq!(page["status"], status);
            assert_eq!(page["error"], error);
            assert!(page["message"].is_string(), "{page}");
            assert_eq!(page["request_id"], reply.field("X-Request-ID").unwrap());
        }
    }
}

#[test]
fn head_gets_the_fields_of_an_error_and_no_page() {
    let edge = provoked("headers = { security = \"strict\" }");
    for (path, status) in [("/nowhere", 404), ("/refused", 502), ("/own", 200)] {
        let full = edge.parvis.get(path);
        let mut client = edge.parvis.client();
        client.send(format!(
            "HEAD {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"
        ));
        let reply = client.head_only();
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.field("X-Frame-Options").as_deref(), Some("DENY"));
        assert!(reply.field("X-Request-ID").is_some());
        assert_eq!(reply.field("Content-Length"), full.field("Content-Length"));
        assert!(client.rest().is_empty(), "{path}: a body");
    }
}

#[test]
fn an_id_of_a_trusted_proxy_cannot_break_an_errors_page() {
    let parvis = Parvis::start(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/x\"\nrespond = {}\n",
    );
    let id = "<script>alert('&\"')</script>";
    for accept in ["text/html", "application/json"] {
        let fields = format!("X-Request-ID: {id}\r\nAccept: {accept}\r\n");
        let reply = parvis.client().request("GET", "/", &fields, b"");
        assert_eq!(reply.status, 404);
        assert_eq!(reply.field("X-Request-ID").as_deref(), Some(id));
        if accept == "text/html" {
            let escaped = "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;";
            assert!(reply.text().contains(escaped), "{}", reply.text());
            assert!(!reply.text().contains("<script"), "{}", reply.text());
        } else {
            assert_eq!(reply.json()["request_id"], id);
        }
    }
}

#[test]
fn the_client_the_app_and_the_page_know_one_id() {
    let edge = provoked("");
    let reply = edge
        .parvis
        .get("/?HTTP/1.1_200_OK|X-Request-ID:_the-apps-own");
    let id = reply.all("X-Request-ID");
    assert_eq!(id, [edge.backend.last().field("X-Request-ID").unwrap()]);
}

#[test]
fn an_upgrade_is_answered_with_an_id_too() {
    let backend = Backend::raw(|incoming| {
        while let Some(_request) = incoming.request() {
            incoming.send(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
            );
            while incoming.read(&mut [0; 100]) > 0 {}
        }
    });
    let parvis = site(
        &backend,
        "headers = { security = \"strict\", set = { X-Set = \"s\" } }",
        "",
    );
    let mut client = parvis.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let reply = client.head_only();
    assert_eq!(reply.status, 101);
    assert_eq!(
        reply.field("X-Request-ID"),
        backend.last().field("X-Request-ID")
    );
    assert!(reply.field("X-Request-ID").is_some());
    assert_eq!(reply.field("X-Set").as_deref(), Some("s"));
    assert_eq!(
        reply.field("X-Content-Type-Options").as_deref(),
        Some("nosniff")
    );
    assert_eq!(reply.field("Upgrade").as_deref(), Some("websocket"));
    assert_eq!(
        reply.field("Sec-WebSocket-Accept").as_deref(),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
}

#[test]
fn no_byte_in_a_target_makes_an_answer_that_is_not_ours() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nheaders = { set = { X-Ours = \"1\" } }\n\
         [[site.route]]\npath = \"/*\"\nrespond = {}\n",
    );
    for byte in 0..=255u8 {
        for before in ["/a", "/a?b"] {
            let head = [
                b"GET ",
                before.as_bytes(),
                &[byte],
                b"c HTTP/1.1\r\nHost: test\r\n\r\n",
            ];
            let mut client = parvis.client();
            client.send(head.concat());
            let reply = client.reply();
            let ours = reply.field("X-Ours").is_some() && reply.field("X-Request-ID").is_some();
            assert!(ours, "{before} {byte:#x}: {}", reply.head);
            assert!(matches!(reply.status, 200 | 400), "{}", reply.head);
        }
    }
}

#[test]
fn limits_at_which_answers_would_not_be_ours_are_refused() {
    for (key, most, over) in [
        ("max_header", "\"1048575\"", "\"1MiB\""),
        ("max_fields", "256", "257"),
        ("max_uri", "\"65534\"", "\"64KiB\""),
    ] {
        let text = |value: &str| {
            format!(
                "[server]\n{key} = {value}\n\
                 [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                 [[site.route]]\npath = \"/*\"\nrespond = {{}}\n"
            )
        };
        let folder = crate::support::Folder::new();
        let file = folder.write("parvis.toml", &text(over));
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{key}");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            said.contains("parvis.toml:2:") && said.contains("at most"),
            "{said}"
        );
        let file = folder.write("parvis.toml", &text(most));
        let output = command(&["check", "-c", file.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{key}");
    }
    // At the limits it is still parvis that answers.
    let parvis = Parvis::start(
        "[server]\nmax_header = \"1048575\"\nmax_fields = 256\nmax_uri = \"65534\"\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {}\n",
    );
    let uri = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(n - 1));
    let fields = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\n{}\r\n",
            "X: y\r\n".repeat(n - 1)
        )
    };
    let header = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: a\r\nX:{}\r\n\r\n",
            "a".repeat(n - 31)
        )
    };
    assert_eq!(header(100).len(), 100);
    for (bytes, status) in [
        (uri(65_534), 200),
        (uri(65_535), 414),
        (fields(256), 200),
        (fields(257), 431),
        (header(1_048_575), 200),
        (header(1_048_576), 431),
    ] {
        let reply = provoke(&parvis, &bytes);
        assert_eq!(reply.status, status, "{}", reply.head);
        assert!(reply.field("X-Request-ID").is_some(), "{}", reply.head);
    }
}
