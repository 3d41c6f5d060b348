//! Which answers are compressed, and which are passed on as they came.

use crate::bodies::{noise, page};
use crate::support::{Backend, Parvis, Reply};
use crate::{
    BROWSER, CODINGS, Edge, LENGTH, ask, coding, decode, decoded, edge, edge_with, obedient, same,
    say, vary,
};

/// What the app says when it is asked for an answer of this type.
fn typed(content_type: &str) -> String {
    format!("200 OK|Content-Type: {content_type}")
}

/// Whether an answer is encoded; it is right in any case.
fn is_encoded(reply: &Reply, length: usize) -> bool {
    same(&reply.head, &decoded(reply), &page(length));
    coding(reply) != "identity"
}

/// An answer that nothing was done to: not its fields, not a byte of its body.
fn assert_untouched(edge: &Edge, what: &str) {
    let with = say(edge, what, BROWSER);
    let without = say(edge, what, "");
    let fields = |reply: &Reply| -> Vec<(String, String)> {
        let made_anew = ["date", "x-request-id"];
        let kept = |name: &str| !made_anew.contains(&name.to_ascii_lowercase().as_str());
        let fields = reply.fields.iter().filter(|(name, _)| kept(name));
        fields.cloned().collect()
    };
    assert_eq!(fields(&with), fields(&without), "{what}");
    for line in what.split('|').skip(1) {
        let (name, value) = line.split_once(": ").unwrap();
        assert!(with.all(name).contains(&value.to_string()), "{what}");
    }
    assert_eq!(with.field("vary"), None, "{what}");
    assert_eq!(with.body, without.body, "{what}");
    if !what.starts_with("204") && !what.starts_with("304") {
        assert_eq!(with.field("content-length"), Some(LENGTH.to_string()));
        same(what, &with.body, &page(LENGTH));
    }
}

#[test]
fn types_that_shrink_are_compressed() {
    let edge = edge(obedient());
    for content_type in [
        "text/html",
        "text/html; charset=utf-8",
        "text/html;charset=UTF-8",
        "Text/HTML ; charset=utf-8",
        "text/css",
        "text/plain",
        "text/csv",
        "text/xml",
        "text/javascript",
        "text/markdown; charset=utf-8",
        "text/event-stream",
        "application/javascript",
        "application/json",
        "application/json; charset=utf-8",
        "application/ld+json",
        "application/problem+json",
        "application/manifest+json",
        "application/vnd.api+json",
        "application/xml",
        "application/xhtml+xml",
        "application/rss+xml",
        "application/atom+xml; charset=utf-8",
        "application/wasm",
        "image/svg+xml",
    ] {
        let reply = say(&edge, &typed(content_type), BROWSER);
        assert!(is_encoded(&reply, LENGTH), "{content_type}");
        assert_eq!(reply.all("content-type"), [content_type]);
    }
}

#[test]
fn types_that_do_not_shrink_are_untouched() {
    let edge = edge(obedient());
    for content_type in [
        "image/png",
        "image/jpeg",
        "image/gif",
        "image/webp",
        "image/avif",
        "video/mp4",
        "video/webm",
        "audio/mpeg",
        "font/woff",
        "font/woff2",
        "application/zip",
        "application/gzip",
        "application/zstd",
        "application/octet-stream",
        "application/x-of-my-own",
        "multipart/byteranges; boundary=x",
        "jsonapplication/jsonx",
    ] {
        assert_untouched(&edge, &typed(content_type));
    }
    // Nobody knows what it is.
    assert_untouched(&edge, "200 OK");
}

#[test]
fn the_operators_types_come_beside_the_usual_ones() {
    let edge = edge_with(
        obedient(),
        "",
        "compress = { types = [\"application/x-of-my-own\", \"Model/OBJ\"] }",
        "",
    );
    for (content_type, expected) in [
        ("application/x-of-my-own", true),
        ("Application/X-Of-My-Own; v=1", true),
        ("model/obj", true),
        ("text/html", true),
        ("application/json", true),
        ("application/x-of-my-own2", false),
        ("application/x-of-my", false),
        ("image/png", false),
    ] {
        let reply = say(&edge, &typed(content_type), BROWSER);
        assert_eq!(is_encoded(&reply, LENGTH), expected, "{content_type}");
    }
}

#[test]
fn only_whole_answers_with_a_body_are_compressed() {
    let edge = edge(obedient());
    for status in [
        "200 OK",
        "201 Created",
        "203 Non-Authoritative Information",
        "400 Bad Request",
        "403 Forbidden",
        "404 Not Found",
        "410 Gone",
        "500 Internal Server Error",
        "503 Service Unavailable",
    ] {
        let what = format!("{status}|Content-Type: text/html");
        assert!(is_encoded(&say(&edge, &what, BROWSER), LENGTH), "{status}");
    }
    let etag = "ETag: \"x\"";
    assert_untouched(&edge, &format!("204 No Content|{etag}"));
    assert_untouched(
        &edge,
        &format!(
            "206 Partial Content|Content-Type: text/html|Accept-Ranges: bytes|\
             Content-Range: bytes 0-19999/30000|{etag}"
        ),
    );
    // RFC 9110, 15.4.5: it may tell the caches what the answer depends on, and has nothing else.
    let reply = say(&edge, &format!("304 Not Modified|{etag}"), BROWSER);
    assert_eq!(reply.status, 304);
    assert_eq!(coding(&reply), "identity");
    assert_eq!(reply.field("transfer-encoding"), None);
}

/// RFC 9110, 15.3.6: it has no body.
#[test]
fn a_205_is_untouched() {
    let edge = edge(Backend::http(|_| {
        b"HTTP/1.1 205 Reset Content\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
            .to_vec()
    }));
    let mut client = edge.parvis.client();
    for _ in 0..2 {
        let reply = client.request("GET", "/", BROWSER, b"");
        assert_eq!((reply.status, coding(&reply).as_str()), (205, "identity"));
        assert_eq!(reply.field("content-length").as_deref(), Some("0"));
    }
}

#[test]
fn answers_to_other_methods_are_compressed_too() {
    let edge = edge(obedient());
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        let mut client = edge.parvis.client();
        let reply = ask(
            &mut client,
            method,
            "/",
            &typed("application/json"),
            BROWSER,
        );
        assert!(is_encoded(&reply, LENGTH), "{method}");
    }
}

#[test]
fn what_is_encoded_already_passes_byte_for_byte() {
    use std::io::Write;
    let gzip = || {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&page(LENGTH)).unwrap();
        encoder.finish().unwrap()
    };
    for (coding, body) in [
        ("gzip", gzip()),
        ("GZip", gzip()),
        ("x-gzip", gzip()),
        ("deflate", noise(5_000, 1)),
        ("br", noise(5_000, 2)),
        // Whatever that is.
        ("of-my-own", noise(5_000, 3)),
        ("gzip, of-my-own", noise(5_000, 4)),
    ] {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Encoding: {coding}\r\n\
             ETag: \"x\"\r\nAccept-Ranges: bytes\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let answer = [answer.as_bytes(), &body].concat();
        let edge = edge(Backend::http(move |_| answer.clone()));
        for accepted in [BROWSER, "", "Accept-Encoding: identity\r\n"] {
            let reply = edge.parvis.client().request("GET", "/", accepted, b"");
            assert_eq!(reply.all("content-encoding"), [coding]);
            assert_eq!(reply.all("etag"), ["\"x\""]);
            assert_eq!(reply.all("accept-ranges"), ["bytes"]);
            assert_eq!(reply.field("content-length"), Some(body.len().to_string()));
            same(coding, &reply.body, &body);
        }
    }
}

#[test]
fn no_transform_is_obeyed() {
    let edge = edge(obedient());
    let html = typed("text/html");
    for control in [
        "Cache-Control: no-transform",
        "Cache-Control: No-Transform",
        "Cache-Control: public, max-age=60, no-transform",
        "Cache-Control: public,no-transform,max-age=60",
        "Cache-Control: public|Cache-Control: no-transform",
        "cache-control: NO-TRANSFORM",
    ] {
        assert_untouched(&edge, &format!("{html}|{control}"));
    }
    for control in [
        "Cache-Control: no-cache",
        "Cache-Control: private, no-store, max-age=0",
        "Cache-Control: no-transformer",
        "Cache-Control: x-no-transform",
        "Cache-Control: community=\"no-transform\"",
        "X-Cache-Control: no-transform",
    ] {
        let reply = say(&edge, &format!("{html}|{control}"), BROWSER);
        assert!(is_encoded(&reply, LENGTH), "{control}");
    }
}

/// They are sums over the bytes as sent (RFC 9530).
#[test]
fn answers_with_a_sum_over_their_bytes_are_untouched() {
    let edge = edge(obedient());
    for sum in [
        "Content-Digest: sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:",
        "content-digest: sha-512=:eA==:",
        "Content-MD5: 1B2M2Y8AsgTpgAmY7PhCfg==",
    ] {
        assert_untouched(&edge, &format!("{}|{sum}", typed("text/html")));
    }
}

#[test]
fn short_answers_are_not_worth_it() {
    let default = edge(obedient());
    let own = edge_with(obedient(), "", "compress = { min_length = \"5KiB\" }", "");
    let all = edge_with(obedient(), "", "compress = { min_length = \"0\" }", "");
    for (edge, size, expected) in [
        (&default, 0, false),
        (&default, 1, false),
        (&default, 799, false),
        (&default, 800, true),
        (&default, 801, true),
        (&own, 5_119, false),
        (&own, 5_120, true),
        (&all, 1, true),
        (&all, 799, true),
    ] {
        for coding in CODINGS {
            let fields = format!("Accept-Encoding: {coding}\r\nX-Size: {size}\r\n");
            let reply = say(edge, &typed("text/html"), &fields);
            assert_eq!(is_encoded(&reply, size), expected, "{coding} {size}");
            let length = (!expected).then(|| size.to_string());
            assert_eq!(reply.field("content-length"), length, "{coding} {size}");
        }
    }
}

/// Nobody knows how long it becomes: only what the client can decode counts.
#[test]
fn an_answer_of_unknown_length_may_be_short() {
    let edge = edge(obedient());
    for frame in ["chunked", "close"] {
        for size in [0, 1, 10, 799, 800] {
            for coding in CODINGS {
                let fields =
                    format!("Accept-Encoding: {coding}\r\nX-Size: {size}\r\nX-Frame: {frame}\r\n");
                is_encoded(&say(&edge, &typed("text/html"), &fields), size);
            }
        }
    }
}

#[test]
fn excluded_paths_are_never_compressed() {
    const EXCLUDE: &str = "exclude = [\"/account/*\", \"/exact\", \"~ ^/u/[0-9]+$\"]";
    let edge = edge_with(
        obedient(),
        "",
        &format!("compress = {{ {EXCLUDE} }}"),
        "[[site.route]]\npath = \"/account/open\"\nproxy = \"app\"\ncompress = { exclude = [] }\n\
         [[site.route]]\npath = \"/gzip/*\"\nproxy = \"app\"\n\
         compress = { algorithms = [\"gzip\"], exclude = [\"/gzip/secret\"] }\n",
    );
    for (path, expected) in [
        ("/account/", false),
        ("/account/me?x=1", false),
        ("/account/a/b/c", false),
        // However it is written, it is the same path.
        ("/%61ccount/me", false),
        ("/x/../account/me", false),
        ("/./account/me", false),
        ("//account/me", false),
        ("/exact", false),
        ("/exact?x", false),
        ("/u/12", false),
        ("/gzip/secret", false),
        ("/", true),
        ("/accounts", true),
        ("/accounts/me", true),
        ("/Account/me", true),
        ("/exact/more", true),
        ("/u/12a", true),
        ("/x?/account/me", true),
        ("/account/open", true),
        ("/gzip/open", true),
    ] {
        let reply = ask(
            &mut edge.parvis.client(),
            "GET",
            path,
            &typed("text/html"),
            BROWSER,
        );
        assert_eq!(is_encoded(&reply, LENGTH), expected, "{path}");
    }
}

#[test]
fn fixed_answers_are_compressed_by_the_same_rules() {
    let long = "parvis answers by itself, again and again. ".repeat(100);
    let route = |path: &str, rest: &str| format!("[[site.route]]\npath = \"{path}\"\n{rest}\n");
    let text = format!(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{}{}{}{}{}{}",
        route("/long", &format!("respond = {{ body = \"{long}\" }}")),
        route("/short", "respond = { body = \"short\" }"),
        route(
            "/png",
            &format!("respond = {{ body = \"{long}\", content_type = \"image/png\" }}")
        ),
        route(
            "/lost",
            &format!("respond = {{ status = 404, body = \"{long}\" }}")
        ),
        route(
            "/off",
            &format!("respond = {{ body = \"{long}\" }}\ncompress = \"off\"")
        ),
        route("/nothing", "respond = { status = 204 }"),
    );
    let _turn = crate::Turn::together();
    let parvis = Parvis::start(&text);
    let mut client = parvis.client();
    for (path, encoded) in [
        ("/long", true),
        ("/short", false),
        ("/png", false),
        ("/lost", true),
        ("/off", false),
        ("/nothing", false),
    ] {
        let sent = client.get(path).body;
        for coding in CODINGS {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            let reply = client.request("GET", path, &fields, b"");
            let expected = if encoded { coding } else { "identity" };
            assert_eq!(crate::coding(&reply), expected, "{path}");
            same(path, &decode(expected, &reply.body), &sent);
            if encoded {
                assert!(reply.body.len() < sent.len() / 2, "{path} {coding}");
                assert_eq!(vary(&reply), ["accept-encoding"], "{path}");
            }
            let head = client.request("HEAD", path, &fields, b"");
            assert_eq!(crate::coding(&head), expected, "HEAD {path}");
            let length = head.field("content-length");
            assert!(
                length.is_none() || length == reply.field("content-length"),
                "HEAD {path}: {length:?}"
            );
        }
        if path == "/long" {
            assert_eq!(vary(&client.get(path)), ["accept-encoding"]);
        }
    }
}
