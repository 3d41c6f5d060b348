//! An app of HTTP/2 that is like any other.

use crate::support::http2::Http2;
use crate::support::{Client, until};
use crate::*;

fn before(upstream: &str) -> (Process, Parvis) {
    let app = Process::start("plain.py", 0);
    let parvis = edge(&[app.address], upstream);
    (app, parvis)
}

#[test]
fn clients_of_http_1_and_of_http_2_are_answered() {
    let (_app, parvis) = before("");
    let mut one = Client::connect(clear(&parvis));
    let mut two = Http2::connect(clear(&parvis));
    for _ in 0..3 {
        assert_eq!(one.get("/a").text(), "HTTP/2 GET /a test ");
        let body = vec![b'x'; 100_000];
        let reply = one.request("POST", "/b", "", &body);
        let expected = [b"HTTP/2 POST /b test ", body.as_slice()].concat();
        assert!(
            reply.body == expected,
            "{} {}",
            reply.status,
            reply.body.len()
        );
        assert_eq!(two.get("/c").text(), "HTTP/2 GET /c test ");
        let stream = two.ask("POST", "/d", &[], false);
        two.data(stream, &body, true);
        assert_eq!(two.answer(stream).whole().body.len(), expected.len());
    }
    // An HTTP/1.0 client without a name.
    let mut old = Client::connect(clear(&parvis));
    old.send("GET /old HTTP/1.0\r\n\r\n");
    assert!(old.reply().text().starts_with("HTTP/2 GET /old 127.0.0.1:"));
}

#[test]
fn answers_without_a_body_have_none() {
    let (_app, parvis) = before("");
    let mut client = Client::connect(clear(&parvis));
    for (method, path, status) in [
        ("GET", "/204", 204),
        ("GET", "/304", 304),
        ("HEAD", "/x", 200),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
        let reply = client.head_only();
        assert_eq!(reply.status, status, "{path}");
        assert_eq!(reply.field("transfer-encoding"), None, "{path}");
        if method == "HEAD" {
            assert_eq!(reply.field("content-length").as_deref(), Some("20"));
        }
    }
    // Nothing was left over.
    assert_eq!(client.get("/a").text(), "HTTP/2 GET /a test ");
    let cookies = client.get("/cookies");
    assert_eq!(cookies.all("set-cookie"), ["a=1", "b=2"]);
    assert_eq!(cookies.text(), "");
    assert_eq!(client.get("/fail").status, 500);
}

#[test]
fn an_answer_of_unknown_length_comes_in_chunks() {
    let (_app, parvis) = before("");
    let expected: String = (0..50).map(|i| format!("{i},").repeat(1000)).collect();
    let mut one = Client::connect(clear(&parvis));
    assert!(one.get("/stream").text() == expected);
    let mut two = Http2::connect(clear(&parvis));
    assert!(two.get("/stream").text() == expected);
}

#[test]
fn health_is_asked_for_by_http_2() {
    let (_app, parvis) = before("[upstream.app.health]\npath = \"/health\"\ninterval = \"50ms\"");
    let get = |path: &str| Client::connect(clear(&parvis)).get(path).status;
    until("it was checked", || {
        let server = parvis.status()["upstreams"][0]["servers"][0].clone();
        assert_eq!(server["up"], true, "{server}");
        (server["checks"].as_u64()? >= 3).then_some(())
    });
    assert_eq!(get("/sicken"), 503);
    until("it is down", || (get("/a") == 503).then_some(()));
    assert!(parvis.log().contains("answered 503"), "{}", parvis.log());
}
