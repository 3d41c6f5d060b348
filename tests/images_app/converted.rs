//! What is converted, and how often.

use crate::app::SIZE;
use crate::{QUICK, WEBP, content_type, edge, size};

#[test]
fn a_picture_is_sent_in_the_format_and_size_that_is_wanted() {
    let edge = edge(QUICK);
    let reply = edge.get("/a.png", WEBP);
    assert_eq!(
        (reply.status, content_type(&reply)),
        (200, "image/webp".into())
    );
    assert_eq!(reply.field("vary").as_deref(), Some("Accept"));
    assert_eq!(size(&reply.body), SIZE);
    assert!(reply.body.len() < edge.app.picture.len());
    let small = edge.get("/a.png?w=150", WEBP);
    assert_eq!(size(&small.body), (150, 113));
    let named = edge.get("/a.png?w=150&format=jpeg", WEBP);
    assert_eq!(content_type(&named), "image/jpeg");
    let plain = edge.get("/a.png?w=150", "");
    assert_eq!(
        (content_type(&plain), size(&plain.body)),
        ("image/png".into(), (150, 113))
    );
    // The app sees what the client asked for.
    assert_eq!(edge.app.backend.last().target, "/a.png?w=150");
}

#[test]
fn a_variant_is_made_once_however_its_original_comes() {
    let edge = edge(QUICK);
    let first = edge.get("/a.png", WEBP);
    for path in ["/a.png", "/chunked.png", "/another/name", "/photo?v=3"] {
        let reply = edge.get(path, WEBP);
        assert_eq!(content_type(&reply), "image/webp", "{path}");
        assert_eq!(reply.body, first.body, "{path}");
        assert_eq!(reply.field("transfer-encoding"), None);
        assert_eq!(reply.field("trailer"), None);
    }
    assert_eq!(edge.made(), 1.0);
}

#[test]
fn the_connection_to_the_app_is_kept() {
    let edge = edge(QUICK);
    let mut client = edge.parvis.client();
    let paths = [
        "/a.png",
        "/chunked.png",
        "/broken.png",
        "/missing.png",
        "/coded.png",
        "/a.png?w=150",
        "/large.png",
        "/chunked.png",
        "/search",
    ];
    for path in paths {
        client.request("GET", path, WEBP, b"");
    }
    // Refused when the app's answer shows that it is a picture.
    assert_eq!(client.get("/photo?w=0").status, 400);
    assert_eq!(client.get("/search").text(), "found");
    assert_eq!(edge.app.backend.connections(), 1);
    assert_eq!(edge.app.backend.requests().len(), paths.len() + 2);
}

#[test]
fn a_placeholder_is_text() {
    let edge = edge(QUICK);
    let reply = edge.get("/a.png?placeholder", WEBP);
    assert_eq!(content_type(&reply), "text/plain");
    assert!(reply.text().starts_with("data:image/webp;base64,"));
    assert_eq!(reply.field("etag"), None);
    assert_eq!(reply.field("content-encoding"), None);
}

#[test]
fn what_makes_no_sense_is_refused_where_it_is_about_a_picture() {
    let edge = edge(QUICK);
    let refused = edge.get("/a.png?w=0", WEBP);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("`w`"), "{}", refused.text());
    assert_eq!(edge.app.backend.requests().len(), 0, "the app is not asked");
    // Elsewhere the same names are the app's, until it answers with a picture.
    assert_eq!(
        edge.get("/search?w=0&q=words&format=json", "").text(),
        "found"
    );
    let refused = edge.get("/photo?w=0", "");
    assert_eq!(
        (refused.status, content_type(&refused)),
        (400, "text/plain; charset=utf-8".into())
    );
    assert!(refused.text().contains("`w`"), "{}", refused.text());
    assert_eq!(refused.field("etag"), None);
}
