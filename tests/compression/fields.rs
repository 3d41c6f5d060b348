//! What an encoded answer's head says: `Vary`, `ETag`, lengths and ranges; HTTP/1.0; HEAD.

use crate::bodies::page;
use crate::support::{Backend, Reply};
use crate::{
    BROWSER, CODINGS, LENGTH, ask, coding, decode, decoded, edge, edge_with, obedient, same, say,
    vary,
};

const HTML: &str = "200 OK|Content-Type: text/html";

#[test]
fn vary_names_accept_encoding_beside_what_is_there() {
    let edge = edge(obedient());
    for (own, expected) in [
        ("", &["accept-encoding"][..]),
        ("|Vary: Cookie", &["accept-encoding", "cookie"]),
        (
            "|Vary: Cookie, Origin",
            &["accept-encoding", "cookie", "origin"],
        ),
        (
            "|Vary: Cookie|Vary: Origin",
            &["accept-encoding", "cookie", "origin"],
        ),
        ("|vary: cookie", &["accept-encoding", "cookie"]),
        ("|Vary:", &["accept-encoding"]),
        // Already there, in whatever case and place.
        ("|Vary: Accept-Encoding", &["accept-encoding"]),
        ("|Vary: accept-encoding", &["accept-encoding"]),
        (
            "|vary: Cookie,ACCEPT-ENCODING , Origin",
            &["accept-encoding", "cookie", "origin"],
        ),
        (
            "|Vary: Cookie|Vary: Accept-Encoding",
            &["accept-encoding", "cookie"],
        ),
        // Another field whose name only begins or ends like it.
        (
            "|Vary: X-Accept-Encoding",
            &["accept-encoding", "x-accept-encoding"],
        ),
        (
            "|Vary: Accept-Encoding-X",
            &["accept-encoding", "accept-encoding-x"],
        ),
        ("|Vary: Accept", &["accept", "accept-encoding"]),
        // Everything is more than anything that could be added.
        ("|Vary: *", &["*"]),
        ("|Vary: Cookie, *", &["*", "cookie"]),
        ("|Vary: *|Vary: Cookie", &["*", "cookie"]),
    ] {
        for accepted in [
            BROWSER,
            "Accept-Encoding: gzip\r\n",
            "Accept-Encoding: identity\r\n",
            "",
        ] {
            let reply = say(&edge, &format!("{HTML}{own}"), accepted);
            assert_eq!(vary(&reply), expected, "{own:?} {accepted:?}");
            same(own, &decoded(&reply), &page(LENGTH));
        }
    }
}

#[test]
fn a_vary_that_has_it_already_stays_as_it_was_written() {
    let edge = edge(obedient());
    for own in ["Accept-Encoding", "Cookie,ACCEPT-encoding ,  Origin", "*"] {
        let reply = say(&edge, &format!("{HTML}|Vary: {own}"), BROWSER);
        assert_eq!(reply.all("vary"), [own]);
    }
}

#[test]
fn a_strong_etag_becomes_weak() {
    let edge = edge(obedient());
    for (own, expected) in [
        ("\"x\"", "W/\"x\""),
        ("\"\"", "W/\"\""),
        ("\"a,b W/c\"", "W/\"a,b W/c\""),
        ("W/\"x\"", "W/\"x\""),
    ] {
        let what = format!("{HTML}|ETag: {own}");
        for coding in CODINGS {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            assert_eq!(say(&edge, &what, &fields).all("etag"), [expected]);
        }
        // As the app sent it, it keeps its name.
        assert_eq!(say(&edge, &what, "").all("etag"), [own]);
    }
    assert_eq!(say(&edge, HTML, BROWSER).field("etag"), None);
}

#[test]
fn an_encoded_answer_has_neither_a_length_nor_ranges() {
    let edge = edge(obedient());
    let what = format!("{HTML}|Accept-Ranges: bytes");
    for frame in ["length", "chunked", "close"] {
        for coding in CODINGS {
            let fields = format!("Accept-Encoding: {coding}\r\nX-Frame: {frame}\r\n");
            let reply = say(&edge, &what, &fields);
            assert_eq!(reply.all("content-encoding"), [coding]);
            assert_eq!(reply.field("content-length"), None, "{coding} {frame}");
            assert_eq!(reply.all("transfer-encoding"), ["chunked"]);
            assert_eq!(reply.field("accept-ranges"), None, "{coding} {frame}");
            same(frame, &decoded(&reply), &page(LENGTH));
        }
    }
    let reply = say(&edge, &what, "");
    assert_eq!(reply.all("accept-ranges"), ["bytes"]);
    assert_eq!(reply.field("content-length"), Some(LENGTH.to_string()));
    assert_eq!(reply.field("transfer-encoding"), None);
}

#[test]
fn every_coding_makes_a_page_much_shorter() {
    let edge = edge(obedient());
    for (coding, most) in [
        ("br", LENGTH / 3),
        ("zstd", LENGTH / 3),
        ("gzip", LENGTH / 3),
    ] {
        let reply = say(&edge, HTML, &format!("Accept-Encoding: {coding}\r\n"));
        let length = reply.body.len();
        assert!(length < most, "{coding}: {length} of {LENGTH} bytes");
    }
}

#[test]
fn the_other_fields_stay() {
    let edge = edge(obedient());
    let own = [
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", "de"),
        ("Content-Security-Policy", "default-src 'self'"),
        ("Last-Modified", "Sat, 21 Nov 2026 10:00:00 GMT"),
        ("Cache-Control", "max-age=60"),
        ("Set-Cookie", "a=1"),
        ("Set-Cookie", "b=2"),
        ("Link", "</style.css>; rel=preload"),
        ("X-Own", "1"),
    ];
    let what: String = own.map(|(n, v)| format!("|{n}: {v}")).concat();
    let reply = say(&edge, &format!("200 OK{what}"), BROWSER);
    assert_eq!(coding(&reply), "br");
    for (name, _) in own {
        let values: Vec<&str> = own
            .iter()
            .filter(|(n, _)| *n == name)
            .map(|(_, v)| *v)
            .collect();
        assert_eq!(reply.all(name), values);
    }
}

#[test]
fn the_operators_fields_are_on_encoded_answers_too() {
    let edge = edge_with(
        obedient(),
        "",
        "headers = { security = \"strict\", set = { X-Set = \"1\" }, remove = [\"X-Gone\"] }",
        "",
    );
    let reply = say(&edge, &format!("{HTML}|X-Gone: 1"), BROWSER);
    assert_eq!(coding(&reply), "br");
    assert_eq!(reply.field("x-set").as_deref(), Some("1"));
    assert_eq!(reply.field("x-gone"), None);
    assert_eq!(
        reply.field("x-content-type-options").as_deref(),
        Some("nosniff")
    );
    same("body", &decoded(&reply), &page(LENGTH));
}

/// It knows no chunks: the end of the connection is the end of the answer.
#[test]
fn an_http_1_0_client_gets_an_encoded_answer_until_the_end() {
    let edge = edge(obedient());
    for frame in ["length", "chunked", "close"] {
        for coding in CODINGS {
            for more in ["", "Connection: keep-alive\r\n"] {
                let mut client = edge.parvis.client();
                client.send(format!(
                    "GET / HTTP/1.0\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\
                     X-Frame: {frame}\r\n{more}\r\n"
                ));
                let reply = client.reply();
                assert_eq!(reply.all("content-encoding"), [coding]);
                assert_eq!(reply.field("transfer-encoding"), None);
                assert_eq!(reply.field("content-length"), None);
                let connection = reply.field("connection").unwrap_or_default();
                assert!(
                    !connection.eq_ignore_ascii_case("keep-alive"),
                    "{}",
                    reply.head
                );
                assert!(client.is_closed());
                same(frame, &decoded(&reply), &page(LENGTH));
            }
        }
    }
}

/// What a cache or a browser learns from an answer's head.
fn told(reply: &Reply) -> Vec<(String, String)> {
    let anew = ["date", "x-request-id", "transfer-encoding", "connection"];
    let mut fields: Vec<_> = reply
        .fields
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
        .filter(|(name, _)| !anew.contains(&name.as_str()))
        .collect();
    fields.sort();
    fields
}

#[test]
fn head_tells_what_get_would() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for own in [
        "",
        "|ETag: \"x\"|Accept-Ranges: bytes|Vary: Cookie",
        "|Cache-Control: no-transform|ETag: \"x\"",
        "|Content-Encoding: of-my-own",
    ] {
        for size in [100, 799, 800, LENGTH] {
            for frame in ["length", "chunked"] {
                for accepted in ["br", "zstd", "gzip", "identity", "gzip;q=0"] {
                    let what = format!("{HTML}{own}");
                    let fields = format!(
                        "Accept-Encoding: {accepted}\r\nX-Size: {size}\r\nX-Frame: {frame}\r\n"
                    );
                    let head = ask(&mut client, "HEAD", "/", &what, &fields);
                    let get = ask(&mut client, "GET", "/", &what, &fields);
                    assert_eq!(told(&head), told(&get), "{own} {fields}");
                }
            }
        }
    }
}

/// As many frameworks do it: the answer's head without a length, and without chunks.
#[test]
fn a_head_without_a_length_has_no_body_for_the_client() {
    let edge = edge(Backend::http(|request| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
        match request.method.as_str() {
            "HEAD" => format!("{head}\r\n").into_bytes(),
            _ => [
                format!("{head}Content-Length: {LENGTH}\r\n\r\n").as_bytes(),
                &page(LENGTH),
            ]
            .concat(),
        }
    }));
    let mut client = edge.parvis.client();
    for _ in 0..3 {
        let head = client.request("HEAD", "/", BROWSER, b"");
        assert_eq!(head.status, 200);
        let get = client.request("GET", "/", BROWSER, b"");
        same("after HEAD", &decode("br", &get.body), &page(LENGTH));
    }
}
