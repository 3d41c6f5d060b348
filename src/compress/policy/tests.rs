use super::*;

fn answer(status: u16, fields: &[(&'static str, &str)]) -> ResponseHeader {
    let mut answer = ResponseHeader::build(status, None).unwrap();
    for (name, value) in fields {
        answer.append_header(*name, *value).unwrap();
    }
    answer
}

#[test]
fn what_is_encoded_and_what_is_not() {
    let policy = CompressPolicy::default();
    let html = ("Content-Type", "text/html; charset=utf-8");
    let could =
        |status, fields: &[(&'static str, &str)]| policy.could_encode(&answer(status, fields));
    assert!(could(200, &[html]));
    assert!(could(404, &[html, ("Content-Length", "800")]));
    assert!(!could(200, &[html, ("Content-Length", "799")]));
    assert!(could(200, &[html, ("Content-Encoding", "identity")]));
    for (status, fields) in [
        (200, &[("Content-Type", "image/png")][..]),
        (200, &[][..]),
        (204, &[html]),
        (206, &[html]),
        (304, &[html]),
        (200, &[html, ("Content-Encoding", "gzip")]),
        (200, &[html, ("Cache-Control", "public, No-Transform")]),
        (200, &[html, ("Content-Digest", "sha-256=:AA:")]),
    ] {
        assert!(!could(status, fields), "{status} {fields:?}");
    }
}

#[test]
fn types_that_shrink() {
    for kind in [
        "text/css",
        "TEXT/HTML",
        "application/json;charset=utf-8",
        "image/svg+xml",
        "application/ld+json",
        "application/wasm",
        "font/ttf",
        "image/x-icon",
    ] {
        assert!(shrinks(kind.as_bytes()), "{kind}");
    }
    for kind in [
        "image/jpeg",
        "font/woff2",
        "application/zip",
        "video/mp4",
        "",
        "text",
    ] {
        assert!(!shrinks(kind.as_bytes()), "{kind}");
    }
}

#[test]
fn vary_is_merged() {
    for (before, after) in [
        (vec![], "Accept-Encoding"),
        (vec!["Cookie"], "Cookie, Accept-Encoding"),
        (vec!["Cookie", "Accept"], "Cookie, Accept, Accept-Encoding"),
        (vec!["*"], "*"),
        (vec!["Cookie, accept-encoding"], "Cookie, accept-encoding"),
    ] {
        let fields: Vec<_> = before.iter().map(|v| ("Vary", *v)).collect();
        let mut answer = answer(200, &fields);
        add_vary(&mut answer).unwrap();
        assert_eq!(answer.headers.get(VARY).unwrap(), after);
        assert_eq!(answer.headers.get_all(VARY).iter().count(), 1);
    }
}

#[test]
fn an_encoded_head_says_so() {
    let mut head = answer(
        200,
        &[
            ("Content-Length", "9000"),
            ("Accept-Ranges", "bytes"),
            ("ETag", "\"a\""),
        ],
    );
    encoded(&mut head, Coding::Zstd).unwrap();
    assert_eq!(head.headers.get(CONTENT_ENCODING).unwrap(), "zstd");
    assert_eq!(head.headers.get(ETAG).unwrap(), "W/\"a\"");
    assert!(!head.headers.contains_key(CONTENT_LENGTH));
    assert!(!head.headers.contains_key(ACCEPT_RANGES));
}

#[test]
fn weak_tags_get_their_strong_twins() {
    let twins =
        |text: &str| with_strong_twins(text.as_bytes()).map(|v| v.to_str().unwrap().to_string());
    assert_eq!(twins("W/\"a\"").as_deref(), Some("W/\"a\", \"a\""));
    assert_eq!(
        twins("\"x,W/\", W/\"b\"").as_deref(),
        Some("\"x,W/\", W/\"b\", \"b\"")
    );
    for plain in ["\"a\"", "*", "", "W/\"open", "rubbish"] {
        assert_eq!(twins(plain), None, "{plain}");
    }
}

#[test]
fn another_site_is_told_by_what_the_browser_says() {
    let policy = CompressPolicy::default();
    let betrays = |fields: &[(&'static str, &'static str)]| {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        policy.betrays(&headers)
    };
    let (host, cookie) = (("host", "a.example"), ("cookie", "s=1"));
    assert!(betrays(&[host, cookie, ("sec-fetch-site", "cross-site")]));
    assert!(betrays(&[host, cookie, ("referer", "https://b.example/x")]));
    assert!(betrays(&[host, cookie, ("origin", "null")]));
    let cross = ("sec-fetch-site", "cross-site");
    let navigates = ("sec-fetch-mode", "navigate");
    assert!(betrays(&[host, cookie, cross, navigates]));
    for fields in [
        &[host, cookie, cross, navigates, ("sec-fetch-user", "?1")][..],
        &[host, ("sec-fetch-site", "cross-site")],
        &[host, cookie],
        &[host, cookie, ("referer", "http://A.example/x")],
        &[
            host,
            cookie,
            ("sec-fetch-site", "same-origin"),
            ("origin", "http://b.example"),
        ],
    ] {
        assert!(!betrays(fields), "{fields:?}");
    }
}
