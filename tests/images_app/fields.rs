//! Fields of converted answers, and conditions.

use crate::{QUICK, WEBP, content_type, edge};

#[test]
fn the_apps_fields_stay_but_for_those_of_its_bytes() {
    let edge = edge(QUICK);
    let private = format!("{WEBP}X-Fields: Cache-Control: private\r\n");
    let reply = edge.get("/a.png", &private);
    assert_eq!(content_type(&reply), "image/webp");
    for (name, value) in [
        ("x-app", "here"),
        ("set-cookie", "a=b"),
        ("cache-control", "private"),
        ("last-modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ("accept-ranges", "none"),
    ] {
        assert_eq!(reply.field(name).as_deref(), Some(value), "{name}");
    }
    let tag = reply.field("etag").unwrap();
    assert_eq!(tag.len(), 34, "{tag}");
    assert_eq!(reply.field("content-encoding"), None);
    let varied = edge.get("/a.png", &format!("{WEBP}X-Fields: Vary: Cookie\r\n"));
    assert_eq!(varied.field("vary").as_deref(), Some("Cookie, Accept"));
}

#[test]
fn who_has_the_variant_is_told_so() {
    let edge = edge(QUICK);
    let tag = edge.get("/a.png", WEBP).field("etag").unwrap();
    for path in ["/a.png", "/chunked.png", "/photo"] {
        let mut client = edge.parvis.client();
        let fields = format!(
            "{WEBP}If-None-Match: \"x\", {tag}\r\nIf-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        );
        let reply = client.request("GET", path, &fields, b"");
        assert_eq!(
            (reply.status, reply.field("etag")),
            (304, Some(tag.clone())),
            "{path}"
        );
        assert_eq!(reply.field("vary").as_deref(), Some("Accept"));
        assert_eq!(reply.field("content-length"), None);
        let asked = edge.app.backend.last();
        assert_eq!(asked.field("if-modified-since"), None);
        // Whoever has another one gets this one, by the same connection.
        let reply = client.request(
            "GET",
            path,
            &format!("{WEBP}If-None-Match: \"app\"\r\n"),
            b"",
        );
        assert_eq!(
            (reply.status, reply.field("etag")),
            (200, Some(tag.clone())),
            "{path}"
        );
    }
}

#[test]
fn who_has_the_original_where_it_is_sent_is_told_so() {
    let edge = edge(QUICK);
    let whole = edge.get("/broken.png", WEBP);
    assert_eq!(whole.field("etag").as_deref(), Some("\"app\""));
    for fields in [
        "If-None-Match: W/\"app\"\r\n",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
    ] {
        let reply = edge.get("/broken.png", &format!("{WEBP}{fields}"));
        assert_eq!(
            (reply.status, reply.field("etag")),
            (304, Some("\"app\"".into()))
        );
        assert_eq!(reply.field("set-cookie").as_deref(), Some("a=b"));
    }
    let reply = edge.get(
        "/broken.png",
        "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT\r\n",
    );
    assert_eq!(reply.status, 200);
}

#[test]
fn parts_of_pictures_are_not_sent_and_those_of_others_are_the_apps() {
    let edge = edge(QUICK);
    let part = format!("{WEBP}Range: bytes=0-3\r\nIf-Range: \"app\"\r\n");
    let reply = edge.get("/a.png", &part);
    assert_eq!(
        (reply.status, content_type(&reply)),
        (200, "image/webp".into())
    );
    assert_eq!(edge.app.backend.last().field("range"), None);
    let reply = edge.get("/video", "Range: bytes=0-3\r\n");
    assert_eq!((reply.status, reply.text()), (206, "part".into()));
    assert_eq!(
        edge.app.backend.last().field("range").as_deref(),
        Some("bytes=0-3")
    );
}

#[test]
fn what_is_not_settled_is_kept_briefly_whatever_the_operator_says() {
    let edge = edge(
        "images = { wait = \"15s\", timeout = \"60s\" }\ncache_control = { value = \"public, max-age=9000\", override = true }",
    );
    let avif = "Accept: image/avif,image/webp\r\n";
    let reply = edge.get("/a.png?w=150", avif);
    assert_eq!(content_type(&reply), "image/webp", "it is the quicker one");
    // The cookie of the app's answer is for one client.
    assert_eq!(
        reply.field("cache-control").as_deref(),
        Some("private, max-age=15")
    );
    let settled = crate::support::until("AVIF is made", || {
        let reply = edge.get("/a.png?w=150", avif);
        let control = reply.field("cache-control");
        (control.as_deref() == Some("public, max-age=9000")).then_some(reply)
    });
    // AVIF, or the WebP where AVIF is no smaller.
    assert!(settled.body.len() <= reply.body.len());
}

#[test]
fn a_head_tells_what_is_known() {
    let edge = edge(QUICK);
    let reply = edge.parvis.client().request("HEAD", "/a.png", WEBP, b"");
    assert_eq!(
        (reply.status, reply.field("vary")),
        (200, Some("Accept".into()))
    );
    assert_eq!(
        (reply.field("content-length"), reply.field("etag")),
        (None, None)
    );
    assert_eq!(edge.app.backend.last().method, "HEAD");
}

#[test]
fn scripts_in_pictures_do_not_run() {
    let edge = edge(QUICK);
    let reply = edge.get("/picture.svg", WEBP);
    assert_eq!((reply.status, reply.text()), (200, "<svg/>".into()));
    assert_eq!(
        reply.field("content-security-policy").as_deref(),
        Some("sandbox")
    );
    assert_eq!(reply.field("etag").as_deref(), Some("\"svg\""));
}
