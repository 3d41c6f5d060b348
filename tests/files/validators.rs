//! Fields of answers with files: validators and what they decide, types, `Cache-Control`.

use crate::support::{Folder, Parvis, Reply};
use crate::{ago, at, changed, folder, lasting, prose, serve, serve_with, set_changed, tag};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn date(when: SystemTime) -> String {
    httpdate::fmt_http_date(when)
}

fn ask(parvis: &Parvis, method: &str, path: &str, fields: &str) -> Reply {
    parvis.client().request(method, path, fields, b"")
}

/// A file whose times are known: changed a day ago, a little after a full second.
fn dated() -> (Folder, SystemTime) {
    let folder = folder(&[("file.bin", "content"), ("page.html", &prose(7, 2000))]);
    let seconds = ago(86_400).duration_since(UNIX_EPOCH).unwrap().as_secs();
    let when = UNIX_EPOCH + Duration::new(seconds, 123_456_789);
    for name in ["file.bin", "page.html"] {
        set_changed(&at(&folder, name), when);
    }
    (folder, when)
}

#[test]
fn a_file_has_its_validators_and_is_not_sniffed() {
    let (folder, when) = dated();
    let file_tag = tag(&at(&folder, "file.bin"));
    let parvis = serve(folder, "");
    let reply = parvis.get("/file.bin");
    assert_eq!((reply.status, reply.text()), (200, "content".into()));
    for (name, value) in [
        ("ETag", file_tag.as_str()),
        ("Last-Modified", &date(when)),
        ("Content-Length", "7"),
        ("Content-Type", "application/octet-stream"),
        ("X-Content-Type-Options", "nosniff"),
        ("Accept-Ranges", "bytes"),
        ("Cache-Control", "no-cache"),
    ] {
        assert_eq!(reply.all(name), [value], "{}", reply.head);
    }
    assert_eq!(reply.field("vary"), None, "{}", reply.head);
    assert_eq!(reply.field("content-encoding"), None);
    let page = parvis.get("/page.html");
    assert_eq!(page.all("vary"), ["Accept-Encoding"], "{}", page.head);
    assert_ne!(page.field("etag"), reply.field("etag"));
}

#[test]
fn head_is_get_without_its_body() {
    let (folder, _) = dated();
    folder.write("root/long.txt", &prose(1, 50_000));
    folder.write("root/dir/x", "x");
    let parvis = serve(folder, "");
    for path in [
        "/file.bin",
        "/page.html",
        "/long.txt",
        "/dir",
        "/dir/",
        "/none",
        "/.env",
    ] {
        for fields in [
            "",
            "Accept-Encoding: gzip\r\n",
            "If-None-Match: *\r\n",
            "If-Match: \"x\"\r\n",
        ] {
            // The first of them may have an encoded form made in haste, the next a better one.
            crate::changes::seen("HEAD and GET agree", || {
                let mut client = parvis.client();
                let got = client.request("GET", path, fields, b"");
                let head = client.request("HEAD", path, fields, b"");
                assert_eq!(head.status, got.status, "{path} {fields}");
                // What follows is the next answer, not a body.
                assert_eq!(client.get("/file.bin").text(), "content", "{path}");
                lasting(&head) == lasting(&got)
            });
        }
    }
    // HEAD knows no ranges (RFC 9110 section 14.2).
    let head = ask(&parvis, "HEAD", "/file.bin", "Range: bytes=0-1\r\n");
    assert_eq!(head.status, 200);
    assert_eq!(head.field("content-length").as_deref(), Some("7"));
    assert_eq!(head.field("content-range"), None);
}

#[test]
fn other_methods_are_405_and_say_which_are_right() {
    let (folder, _) = dated();
    let parvis = serve(folder, "");
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get",
    ] {
        for path in ["/file.bin", "/none"] {
            let mut client = parvis.client();
            let reply = client.request(method, path, "", b"");
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.all("allow"), ["GET, HEAD"], "{method} {path}");
            assert_eq!(reply.field("etag"), None);
        }
    }
    let mut client = parvis.client();
    let reply = client.request("POST", "/file.bin", "", &[b'x'; 100_000]);
    assert_eq!(reply.status, 405);
    assert_eq!(parvis.get("/file.bin").text(), "content");
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let (folder, when) = dated();
    let file_tag = tag(&at(&folder, "file.bin"));
    let parvis = serve(folder, "");
    let second = Duration::from_secs(1);
    let (exact, later) = (date(when), date(when + second));
    let (sooner, now) = (date(when - second), date(SystemTime::now()));
    let none = |tags: &str| format!("If-None-Match: {tags}\r\n");
    let since = |date: &str| format!("If-Modified-Since: {date}\r\n");
    let weak = format!("W/{file_tag}");
    let asctime = asctime(when);
    for (fields, status) in [
        (none(&file_tag), 304),
        (none(&weak), 304),
        (none("*"), 304),
        (none(&format!("\"a\", {file_tag}, \"b\"")), 304),
        (none(&format!("\"a\",{weak}")), 304),
        (none(&format!("\"a, b\" , {file_tag}")), 304),
        (none("\"a\"") + &none(&file_tag), 304),
        (none("\"other\""), 200),
        (none("W/\"other\""), 200),
        (none(""), 200),
        (none(file_tag.trim_matches('"')), 200),
        (none(&file_tag[..file_tag.len() - 1]), 200),
        (since(&exact), 304),
        (since(&later), 304),
        (since(&now), 304),
        (since(&asctime), 304),
        (since(&sooner), 200),
        (since("yesterday"), 200),
        (since(""), 200),
        // The tag is asked alone when there is one (RFC 9110 section 13.2.2).
        (none("\"other\"") + &since(&exact), 200),
        (none(&file_tag) + &since(&sooner), 304),
    ] {
        for method in ["GET", "HEAD"] {
            let mut client = parvis.client();
            let reply = client.request(method, "/file.bin", &fields, b"");
            assert_eq!(reply.status, status, "{method} {fields}");
            assert_eq!(reply.all("etag"), [file_tag.as_str()], "{fields}");
            assert_eq!(reply.all("last-modified"), [exact.as_str()], "{fields}");
            assert_eq!(reply.all("cache-control"), ["no-cache"], "{fields}");
            if status == 304 {
                assert_eq!(reply.field("content-type"), None, "{}", reply.head);
                let length = reply.field("content-length");
                assert!(length.is_none_or(|l| l == "7"), "{}", reply.head);
            }
            // No body is left over.
            assert_eq!(client.get("/file.bin").text(), "content", "{fields}");
        }
    }
    let page = ask(&parvis, "GET", "/page.html", &none("*"));
    assert_eq!(page.all("vary"), ["Accept-Encoding"], "{}", page.head);
}

/// The date as C's `asctime` writes it, which recipients have to take (RFC 9110 section 5.6.7).
fn asctime(when: SystemTime) -> String {
    let text = date(when);
    let parts: Vec<&str> = text.trim_end_matches(" GMT").split([' ', ',']).collect();
    let [weekday, _, day, month, year, time] = parts[..] else {
        panic!("{text}")
    };
    let day: u32 = day.parse().unwrap();
    format!("{weekday} {month} {day:>2} {time} {year}")
}

#[test]
fn a_precondition_that_fails_is_412() {
    let (folder, when) = dated();
    let file_tag = tag(&at(&folder, "file.bin"));
    let parvis = serve(folder, "");
    let second = Duration::from_secs(1);
    let (exact, later, sooner) = (date(when), date(when + second), date(when - second));
    let matching = |tags: &str| format!("If-Match: {tags}\r\n");
    let none = |tags: &str| format!("If-None-Match: {tags}\r\n");
    let unmodified = |date: &str| format!("If-Unmodified-Since: {date}\r\n");
    for (fields, status) in [
        (matching(&file_tag), 200),
        (matching("*"), 200),
        (matching(&format!("\"a\", {file_tag}")), 200),
        (matching("\"other\""), 412),
        // Compared strongly (RFC 9110 section 13.1.1).
        (matching(&format!("W/{file_tag}")), 412),
        (unmodified(&exact), 200),
        (unmodified(&later), 200),
        (unmodified(&sooner), 412),
        (unmodified("yesterday"), 200),
        // The tag is asked alone when there is one, and before the others.
        (matching(&file_tag) + &unmodified(&sooner), 200),
        (matching("\"other\"") + &unmodified(&later), 412),
        (matching("\"other\"") + &none(&file_tag), 412),
        (matching(&file_tag) + &none(&file_tag), 304),
        (unmodified(&sooner) + &none(&file_tag), 412),
        (matching("\"other\"") + "Range: bytes=0-1\r\n", 412),
        (matching(&file_tag) + "Range: bytes=0-1\r\n", 206),
        (none(&file_tag) + "Range: bytes=0-1\r\n", 304),
    ] {
        let mut client = parvis.client();
        let reply = client.request("GET", "/file.bin", &fields, b"");
        assert_eq!(reply.status, status, "{fields}");
        assert_eq!(client.get("/file.bin").text(), "content", "{fields}");
    }
    // What is not there has no tag.
    let missing = ask(&parvis, "GET", "/none", &matching("*"));
    assert!([404, 412].contains(&missing.status));
}

#[test]
fn types_are_known_by_the_extension() {
    let known = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.htm", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.map", "application/json"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.wasm", "application/wasm"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.jpg", "image/jpeg"),
        ("a.jpeg", "image/jpeg"),
        ("a.gif", "image/gif"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mp3", "audio/mpeg"),
        ("a.woff", "font/woff"),
        ("a.woff2", "font/woff2"),
        ("a.ttf", "font/ttf"),
        ("a.unheard-of", "application/octet-stream"),
        ("README", "application/octet-stream"),
        ("A.PNG", "image/png"),
        ("A.Html", "text/html; charset=utf-8"),
        ("a.tar.txt", "text/plain; charset=utf-8"),
        ("a.css.unheard-of", "application/octet-stream"),
        ("css", "application/octet-stream"),
        ("a.", "application/octet-stream"),
    ];
    let folder = folder(&[]);
    for (name, _) in known {
        folder.write(&format!("root/{name}"), "x");
    }
    let parvis = serve(folder, "");
    let mut client = parvis.client();
    for (name, expected) in known {
        let reply = client.get(&format!("/{name}"));
        let types = reply.all("content-type");
        assert_eq!(types.len(), 1, "{name}");
        // Whether types that are always UTF-8 say so is a matter of taste.
        let said = match expected.starts_with("text/") {
            true => types[0].clone(),
            false => types[0].replace("; charset=utf-8", ""),
        };
        assert_eq!(said, expected, "{name}");
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"], "{name}");
    }
    for (name, expected) in [
        ("a.ico", ["image/x-icon", "image/vnd.microsoft.icon"]),
        ("a.xml", ["application/xml", "text/xml; charset=utf-8"]),
    ] {
        parvis.folder.write(&format!("root/{name}"), "x");
        let said = client.get(&format!("/{name}")).field("content-type");
        let said = said.unwrap();
        let known = expected.iter().any(|e| said.starts_with(e));
        assert!(known, "{name}: {said}");
    }
}

#[test]
fn a_type_may_be_given_by_extension() {
    let folder = folder(&[
        ("a.md", "x"),
        ("a.html", "x"),
        ("a.unheard-of", "x"),
        ("A.MD", "x"),
    ]);
    let parvis = serve(
        folder,
        "types = { md = \"text/markdown; charset=utf-8\", html = \"text/plain\", \"unheard-of\" = \"application/x-heard\" }",
    );
    for (path, expected) in [
        ("/a.md", "text/markdown; charset=utf-8"),
        ("/A.MD", "text/markdown; charset=utf-8"),
        ("/a.html", "text/plain"),
        ("/a.unheard-of", "application/x-heard"),
    ] {
        assert_eq!(parvis.get(path).all("content-type"), [expected], "{path}");
    }
}

const IMMUTABLE: &str = "public, max-age=31536000, immutable";

fn caching(parvis: &Parvis, names: &[(&str, &str)]) {
    for (name, expected) in names {
        parvis.folder.write(&format!("root/{name}"), "x");
        for (fields, status) in [
            ("", 200),
            ("If-None-Match: *\r\n", 304),
            ("Range: bytes=0-0\r\n", 206),
        ] {
            let reply = ask(parvis, "GET", &format!("/{name}"), fields);
            assert_eq!(reply.status, status, "{name}");
            assert_eq!(reply.all("cache-control"), [*expected], "{name}");
        }
    }
}

#[test]
fn names_with_a_content_hash_are_kept_for_a_year_and_others_asked_for_again() {
    let parvis = serve(folder(&[]), "");
    caching(
        &parvis,
        &[
            // Django
            ("css/site.55e7cbb9ba48.css", IMMUTABLE),
            ("admin/js/core.5d8b3f2a1c09.js", IMMUTABLE),
            // Vite
            ("assets/index-BfK3x9Za.js", IMMUTABLE),
            ("assets/index-4sK3_9Za.css", IMMUTABLE),
            // webpack
            ("main.8f3c2b1a.js", IMMUTABLE),
            ("static/js/main.8f3c2b1a.chunk.js", IMMUTABLE),
            ("app.d41d8cd98f00b204e980.bundle.js", IMMUTABLE),
            // Not a hash.
            ("site.css", "no-cache"),
            ("index.html", "no-cache"),
            ("jquery-3.7.1.min.js", "no-cache"),
            ("bootstrap.bundle.min.js", "no-cache"),
            ("bootstrap-datepicker.css", "no-cache"),
            ("angular-material.css", "no-cache"),
            ("Roboto-SemiBold.woff2", "no-cache"),
            ("report-20240115.pdf", "no-cache"),
            ("IMG-20240115.jpg", "no-cache"),
            ("report.20240115.csv", "no-cache"),
            ("backup.defaced.txt", "no-cache"),
            ("README", "no-cache"),
            // In a directory's name alone it says nothing of the file.
            ("v.55e7cbb9ba48.d/site.css", "no-cache"),
        ],
    );
    assert_eq!(parvis.get("/missing.55e7cbb9ba48.css").status, 404);
    let missing = parvis.get("/missing.55e7cbb9ba48.css");
    let said = missing.field("cache-control").unwrap_or_default();
    assert!(!said.contains("immutable"), "{}", missing.head);
}

#[test]
fn immutable_names_may_be_given_by_a_pattern() {
    let parvis = serve(folder(&[]), "immutable = \"~ \\\\.v[0-9]+\\\\.\"");
    caching(
        &parvis,
        &[
            ("site.v12.css", IMMUTABLE),
            ("site.v.css", "no-cache"),
            ("site.55e7cbb9ba48.css", "no-cache"),
        ],
    );
}

#[test]
fn immutable_names_may_be_none() {
    let parvis = serve(folder(&[]), "immutable = \"off\"");
    caching(
        &parvis,
        &[("site.55e7cbb9ba48.css", "no-cache"), ("off", "no-cache")],
    );
}

#[test]
fn cache_control_of_the_route_comes_first() {
    for route in [
        "cache_control = \"public, max-age=60\"",
        "cache_control = { value = \"public, max-age=60\", override = true }",
    ] {
        let parvis = serve_with(folder(&[]), "", route, "");
        caching(
            &parvis,
            &[
                ("site.55e7cbb9ba48.css", "public, max-age=60"),
                ("site.css", "public, max-age=60"),
            ],
        );
    }
}

#[test]
fn headers_of_the_site_are_on_files_too() {
    let parvis = Parvis::start_in(
        folder(&[("a.txt", "x")]),
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\nserver_timing = true\n\
         headers = { security = \"strict\", set = { X-A = \"1\", Content-Type = \"text/x-own\" }, remove = [\"Last-Modified\"] }\n\
         [[site.route]]\npath = \"/*\"\nfiles = { root = \"root\" }\n",
        &[],
    );
    let reply = parvis.get("/a.txt");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
    assert_eq!(reply.all("x-frame-options"), ["DENY"]);
    assert_eq!(reply.all("x-a"), ["1"]);
    assert_eq!(reply.all("content-type"), ["text/x-own"]);
    assert_eq!(reply.field("last-modified"), None);
    assert!(reply.field("x-request-id").is_some());
    assert!(reply.field("server-timing").unwrap().contains("edge;dur="));
}

#[test]
fn an_old_client_is_answered_too() {
    let (folder, _) = dated();
    folder.write("root/long.txt", &prose(2, 50_000));
    let parvis = serve(folder, "");
    for (path, length) in [("/file.bin", 7), ("/long.txt", 50_000)] {
        let mut client = parvis.client();
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        let reply = client.reply();
        assert_eq!((reply.status, reply.body.len()), (200, length), "{path}");
        assert!(client.is_closed());
    }
}

/// A file from before 1970, or from the future, is a file.
#[test]
fn odd_times_do_no_harm() {
    let folder = folder(&[("old", "old"), ("epoch", "epoch"), ("future", "future")]);
    set_changed(
        &at(&folder, "old"),
        UNIX_EPOCH - Duration::from_secs(1_000_000),
    );
    set_changed(&at(&folder, "epoch"), UNIX_EPOCH);
    let tomorrow = SystemTime::now() + Duration::from_secs(86_400);
    set_changed(&at(&folder, "future"), tomorrow);
    let parvis = serve(folder, "");
    for name in ["old", "epoch", "future"] {
        let path = format!("/{name}");
        let reply = parvis.get(&path);
        assert_eq!((reply.status, reply.text()), (200, name.into()));
        let tag = reply.field("etag").unwrap();
        let again = ask(&parvis, "GET", &path, &format!("If-None-Match: {tag}\r\n"));
        assert_eq!(again.status, 304, "{name}");
    }
}

/// What was changed within a second has another tag all the same.
#[test]
fn a_tag_is_finer_than_a_second() {
    let (folder, when) = dated();
    let path = at(&folder, "file.bin");
    let before = tag(&path);
    let parvis = serve_with(folder, "[files]\nmemory = \"0\"", "", "");
    assert_eq!(parvis.get("/file.bin").field("etag").unwrap(), before);
    std::fs::write(&path, "CONTENT").unwrap();
    set_changed(&path, when + Duration::from_nanos(1));
    assert_eq!(date(changed(&path)), date(when));
    crate::changes::seen("the new tag is there", || {
        let reply = parvis.get("/file.bin");
        reply.text() == "CONTENT" && reply.field("etag").unwrap() != before
    });
}
