//! What is not converted passes as it came.

use crate::{WEBP, content_type, edge};

const SMALL: &str =
    "images = { formats = [\"webp\"], max_size = \"250KB\", wait = \"15s\", timeout = \"60s\" }";

#[test]
fn what_is_no_picture_for_us_passes() {
    let edge = edge(SMALL);
    let passes = |path: &str, fields: &str, status, body: &[u8]| {
        let reply = edge.get(path, &format!("{WEBP}{fields}"));
        assert_eq!(reply.status, status, "{path}");
        assert!(reply.body == body, "{path}: {} bytes", reply.body.len());
        assert_ne!(content_type(&reply), "image/webp", "{path}");
        reply
    };
    passes("/missing.png", "", 404, b"nothing here");
    let coded = passes("/coded.png", "", 200, b"not looked into");
    assert_eq!(coded.field("content-encoding").as_deref(), Some("gzip"));
    passes("/broken.png", "", 200, b"no picture");
    passes("/large.png", "", 200, &[0; 300_000]);
    let large = passes(
        "/large-chunked.png",
        "TE: trailers\r\nConnection: TE\r\n",
        200,
        &[0; 300_000],
    );
    assert_eq!(large.trailers, [("X-Sum".to_string(), "7".to_string())]);
    let picture = &edge.app.picture;
    assert!(picture.len() < 250_000, "{}", picture.len());
    passes("/until-the-end.png", "", 200, picture);
    passes(
        "/a.png",
        "X-Fields: Cache-Control: no-transform\r\n",
        200,
        picture,
    );
    passes(
        "/a.png",
        "X-Fields: Content-Disposition: attachment\r\n",
        200,
        picture,
    );
    passes("/a.png", "Cache-Control: no-transform\r\n", 200, picture);
    assert_eq!(edge.made(), 0.0);
}

#[test]
fn other_methods_pass() {
    let edge = edge(SMALL);
    let reply = edge
        .parvis
        .client()
        .request("POST", "/a.png?w=0", WEBP, b"x");
    assert_eq!(
        (reply.status, content_type(&reply)),
        (200, "image/png".into())
    );
    assert_eq!(reply.field("vary"), None);
}

#[test]
fn a_strict_route_refuses_what_cannot_be_converted() {
    let edge = edge(
        "images = { formats = [\"webp\"], max_size = \"250KB\", wait = \"15s\", timeout = \"60s\", strict = true }",
    );
    for path in ["/broken.png", "/large.png", "/large-chunked.png"] {
        let reply = edge.get(path, "Accept: application/json\r\n");
        assert_eq!(reply.status, 422, "{path}");
        assert_eq!(reply.json()["status"], 422, "{path}");
        assert_eq!(reply.field("etag"), None);
    }
    assert_eq!(edge.get("/missing.png", WEBP).status, 404);
    assert_eq!(content_type(&edge.get("/a.png", WEBP)), "image/webp");
}

#[test]
fn what_is_cut_off_stays_cut_off() {
    let edge = edge(SMALL);
    let mut client = edge.parvis.client();
    client.send(format!(
        "GET /cut-off.png HTTP/1.1\r\nHost: test\r\n{WEBP}\r\n"
    ));
    let head = client.head_only();
    let length: usize = head.field("content-length").unwrap().parse().unwrap();
    assert_eq!((head.status, length), (200, edge.app.picture.len()));
    let came = client.rest();
    assert!(came.len() < length && edge.app.picture.starts_with(&came));
    let mut client = edge.parvis.client();
    client.send(format!(
        "GET /cut-off-chunks.png HTTP/1.1\r\nHost: test\r\n{WEBP}\r\n"
    ));
    assert_eq!(client.head_only().status, 200);
    let came = client.rest();
    assert!(!came.ends_with(b"0\r\n\r\n"), "it has no end");
}
