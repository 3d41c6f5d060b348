//! Conditional requests: what the app named is still found under that name, although the client
//! knows it under a weak one.

use crate::bodies::page;
use crate::support::backend::Request;
use crate::support::{Backend, Client, Reply};
use crate::{BROWSER, LENGTH, coding, decoded, edge, edge_with, obedient, same};

/// The tags of a list, sorted, once each.
fn tags(value: &str) -> Vec<String> {
    let mut tags = Vec::new();
    let mut rest = value.trim();
    while !rest.is_empty() {
        let open = rest
            .find('"')
            .unwrap_or_else(|| panic!("no list: {value:?}"));
        let close = open + 1 + rest[open + 1..].find('"').expect("no end");
        tags.push(rest[..=close].trim_matches([',', ' ']).to_string());
        rest = rest[close + 1..].trim_matches([',', ' ']);
    }
    tags.sort();
    tags.dedup();
    tags
}

#[test]
fn weak_tags_reach_the_app_as_strong_ones_too() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for field in ["If-None-Match", "If-Match", "if-none-match"] {
        for (sent, expected) in [
            ("W/\"x\"", &["W/\"x\"", "\"x\""][..]),
            ("\"x\"", &["\"x\""]),
            ("W/\"x\", \"x\"", &["W/\"x\"", "\"x\""]),
            (
                "W/\"a\", \"b\", W/\"c\"",
                &["W/\"a\"", "\"a\"", "\"b\"", "W/\"c\"", "\"c\""],
            ),
            ("W/\"a\",W/\"b\"", &["W/\"a\"", "\"a\"", "W/\"b\"", "\"b\""]),
            // A tag may have commas and what looks like another one.
            ("W/\"a,b\"", &["W/\"a,b\"", "\"a,b\""]),
            ("W/\"W/\"", &["W/\"W/\"", "\"W/\""]),
            ("\"W/a\"", &["\"W/a\""]),
            ("W/\"\"", &["W/\"\"", "\"\""]),
        ] {
            client.request("GET", "/", &format!("{field}: {sent}\r\n{BROWSER}"), b"");
            let came = edge.backend.last().field(field).unwrap();
            let mut expected = expected.to_vec();
            expected.sort();
            assert_eq!(tags(&came), expected, "{field}: {sent} came as {came}");
        }
        client.request("GET", "/", &format!("{field}: *\r\n{BROWSER}"), b"");
        assert_eq!(edge.backend.last().field(field).as_deref(), Some("*"));
    }
    let lines = "If-None-Match: W/\"a\"\r\nIf-None-Match: \"b\"\r\n";
    client.request("GET", "/", &format!("{lines}{BROWSER}"), b"");
    let came = edge.backend.last().field("if-none-match").unwrap();
    assert_eq!(tags(&came), ["\"a\"", "\"b\"", "W/\"a\""], "{came}");
}

#[test]
fn what_is_no_list_of_tags_passes_as_it_came() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for sent in [
        "x",
        "\"x",
        "W/x",
        "W/\"x",
        "w/\"x\"",
        "*, \"x\"",
        "\"a\" \"b\"",
    ] {
        let reply = client.request("GET", "/", &format!("If-None-Match: {sent}\r\n"), b"");
        assert_eq!(reply.status, 200, "{sent}");
        let came = edge.backend.last().field("if-none-match").unwrap();
        assert!(came.starts_with(sent), "{sent} came as {came}");
    }
}

#[test]
fn other_conditions_pass_as_they_came() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    let own = [
        ("If-Modified-Since", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("If-Unmodified-Since", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("If-Range", "\"x\""),
        ("Range", "bytes=0-9"),
    ];
    let lines = own.map(|(name, value)| format!("{name}: {value}\r\n"));
    client.request("GET", "/", &format!("{}{BROWSER}", lines.concat()), b"");
    for (name, value) in own {
        let came = edge.backend.last().field(name);
        assert_eq!(came.as_deref(), Some(value), "{name}");
    }
}

#[test]
fn without_compression_no_tag_is_added() {
    let edge = edge_with(obedient(), "", "compress = \"off\"", "");
    let mut client = edge.parvis.client();
    for field in ["If-None-Match", "If-Match"] {
        client.request("GET", "/", &format!("{field}: W/\"x\"\r\n{BROWSER}"), b"");
        let came = edge.backend.last().field(field);
        assert_eq!(came.as_deref(), Some("W/\"x\""), "{field}");
    }
}

/// An app that compares tags letter by letter, as many do. Its page is named `"v1"`; who changes
/// it must name it.
fn strict() -> Backend {
    Backend::http(|request: &Request| {
        let named = |field: &str| {
            let value = request.field(field).unwrap_or_default();
            value.split(',').any(|tag| tag.trim() == "\"v1\"")
        };
        let tag = "ETag: \"v1\"\r\nCache-Control: no-cache\r\n";
        match request.method.as_str() {
            "PUT" if named("if-match") => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
            "PUT" => b"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\n\r\n".to_vec(),
            _ if named("if-none-match") => {
                format!("HTTP/1.1 304 Not Modified\r\n{tag}\r\n").into_bytes()
            }
            _ => {
                let head = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n{tag}Content-Length: {LENGTH}\r\n\r\n"
                );
                [head.as_bytes(), &page(LENGTH)].concat()
            }
        }
    })
}

fn again(
    client: &mut Client,
    method: &str,
    condition: &str,
    first: &Reply,
    accepted: &str,
) -> Reply {
    let tag = first.field("etag").unwrap();
    let fields = format!("{condition}: {tag}\r\n{accepted}");
    client.request(method, "/", &fields, b"")
}

#[test]
fn an_app_that_compares_strictly_still_answers_304() {
    let edge = edge(strict());
    let mut client = edge.parvis.client();
    for accepted in [
        BROWSER,
        "Accept-Encoding: zstd\r\n",
        "Accept-Encoding: gzip\r\n",
        "Accept-Encoding: identity\r\n",
    ] {
        let first = client.request("GET", "/", accepted, b"");
        same("first", &decoded(&first), &page(LENGTH));
        let second = again(&mut client, "GET", "If-None-Match", &first, accepted);
        assert_eq!(second.status, 304, "{accepted}");
        assert_eq!(coding(&second), "identity");
        assert_eq!(second.field("transfer-encoding"), None);
        // The name that a browser now has for its page is found again as well.
        let tag = second.field("etag").unwrap();
        assert!(tag == "\"v1\"" || tag == "W/\"v1\"", "{tag}");
        let third = again(&mut client, "GET", "If-None-Match", &second, accepted);
        assert_eq!(third.status, 304, "{accepted}");
        let put = again(&mut client, "PUT", "If-Match", &first, accepted);
        assert_eq!(put.status, 204, "{accepted}");
    }
    // Another page is another page.
    let fields = format!("If-None-Match: W/\"v2\"\r\n{BROWSER}");
    assert_eq!(client.request("GET", "/", &fields, b"").status, 200);
    let fields = "If-Match: W/\"v2\"\r\n";
    assert_eq!(client.request("PUT", "/", fields, b"").status, 412);
}

/// A part of what the app sent, which is a part of nothing that parvis encoded.
#[test]
fn parts_are_the_apps_own() {
    let edge = edge(Backend::http(|request| {
        let part = request.field("range").is_some();
        let (status, range, body) = match part {
            true => (
                "206 Partial Content",
                format!("Content-Range: bytes 1000-4999/{LENGTH}\r\n"),
                page(LENGTH)[1_000..5_000].to_vec(),
            ),
            false => ("200 OK", String::new(), page(LENGTH)),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nETag: \"x\"\r\n{range}\
             Accept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        [head.as_bytes(), &body].concat()
    }));
    let mut client = edge.parvis.client();
    let fields = format!("Range: bytes=1000-4999\r\n{BROWSER}");
    let reply = client.request("GET", "/", &fields, b"");
    assert_eq!((reply.status, coding(&reply).as_str()), (206, "identity"));
    assert_eq!(reply.all("etag"), ["\"x\""]);
    assert_eq!(reply.all("content-range"), ["bytes 1000-4999/20000"]);
    assert_eq!(reply.all("accept-ranges"), ["bytes"]);
    same("part", &reply.body, &page(LENGTH)[1_000..5_000]);
    let whole = client.request("GET", "/", BROWSER, b"");
    same("whole", &decoded(&whole), &page(LENGTH));
}
