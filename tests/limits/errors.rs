//! What clients are told when something is wrong, and that they get to read it.

use crate::support::ports::Refusing;
use crate::support::{Backend, Client, Parvis, Reply};
use crate::{before, edge, silent};

/// A page of ours about an error: whole, in the right type, with the request's id, and with
/// nothing of what lies behind.
fn sound(reply: &Reply, status: u16, json: bool, secrets: &[&str]) {
    assert_eq!(reply.status, status, "{}", reply.head);
    let id = reply.field("x-request-id").expect("an id");
    let text = reply.text();
    assert!(text.contains(&id), "{text}");
    if json {
        assert_eq!(
            reply.field("content-type").as_deref(),
            Some("application/json")
        );
        let page = reply.json();
        assert_eq!(page["status"], status);
        assert_eq!(page["request_id"], id.as_str());
    } else {
        let kind = reply.field("content-type").unwrap();
        assert!(kind.starts_with("text/html"), "{kind}");
        assert!(text.contains(&status.to_string()), "{text}");
        assert!(text.starts_with("<!doctype html>"), "{text}");
    }
    assert_eq!(
        reply.field("content-length"),
        Some(reply.body.len().to_string())
    );
    let all = format!("{}{text}", reply.head).to_ascii_lowercase();
    for secret in secrets
        .iter()
        .chain(&["parvis", "pingora", "127.0.0.1", "upstream", "server:"])
    {
        assert!(
            !all.contains(&secret.to_ascii_lowercase()),
            "{secret}: {all}"
        );
    }
}

const HTML: &str = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
const JSON: &str = "Accept: application/json\r\n";

/// `GET path` of that kind, as HTML, as JSON and with nothing said.
fn pages(parvis: &Parvis, path: &str, status: u16, secrets: &[&str]) {
    for (accept, json) in [
        (HTML, false),
        (JSON, true),
        ("", false),
        ("Accept: */*\r\n", false),
    ] {
        let reply = parvis.client().request("GET", path, accept, b"");
        sound(&reply, status, json, secrets);
    }
    let mut client = parvis.client();
    let reply = client.request("HEAD", path, JSON, b"");
    assert_eq!(reply.status, status);
    assert!(reply.field("x-request-id").is_some());
    assert!(is_at_its_end(&mut client), "a body after HEAD");
}

/// Whether the next thing on the connection is its end or another answer: nothing was left over.
fn is_at_its_end(client: &mut Client) -> bool {
    if client
        .try_send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        .is_err()
    {
        return true;
    }
    let rest = client.rest();
    rest.is_empty() || rest.starts_with(b"HTTP/1.1 ")
}

#[test]
fn pages_about_the_app_tell_nothing_of_it() {
    let refusing = Refusing::new();
    let address = refusing.address().to_string();
    let port = refusing.address().port().to_string();
    pages(
        &before(&address, "", "", ""),
        "/",
        502,
        &[&address, &port, "refused", "\"app\""],
    );

    let edge = edge(silent(), "", "first_byte_timeout = \"50ms\"", "");
    let port = edge.backend.address().port().to_string();
    pages(&edge.parvis, "/secret", 504, &[&port, "secret"]);

    let parvis = before("unix:@DIR/hidden.sock", "", "", "");
    pages(
        &parvis,
        "/",
        502,
        &["hidden", "sock", parvis.folder.path().to_str().unwrap()],
    );
}

#[test]
fn pages_about_the_request_are_as_sound() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"thesite\"\nhosts = [\"test\"]\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/form\"\nrespond = {}\nmethods = [\"POST\"]\n",
    );
    pages(&parvis, "/nothing", 404, &["thesite"]);
    pages(&parvis, "/form", 405, &["thesite"]);
    pages(&parvis, "/%zz", 400, &["thesite", "%zz"]);
    // Before the head is understood nothing is known of what the client accepts.
    for (request, status) in [
        ("GET / HTTP/1.1\r\n\r\n".to_string(), 400),
        (format!("GET /{} HTTP/1.1\r\n\r\n", "x".repeat(20_000)), 414),
        (
            format!(
                "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n",
                "x".repeat(70_000)
            ),
            431,
        ),
        ("GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_string(), 505),
    ] {
        let mut client = parvis.client();
        client.send(request);
        sound(&client.reply(), status, false, &["thesite"]);
    }
}

#[test]
fn a_page_can_hold_no_foreign_markup() {
    let edge = edge(
        silent(),
        "trusted_proxies = [\"127.0.0.1\"]",
        "first_byte_timeout = \"50ms\"",
        "",
    );
    let evil = "X-Request-ID: \"><script>alert(1)</script>\r\n";
    let reply = edge.parvis.client().request("GET", "/<b>", evil, b"");
    assert!(!reply.text().contains("<script"), "{}", reply.text());
    let reply = edge
        .parvis
        .client()
        .request("GET", "/", &format!("{evil}{JSON}"), b"");
    assert_eq!(reply.json()["request_id"], "\"><script>alert(1)</script>");
}

/// Sends a request and goes on sending; then reads. Nothing of the answer may be lost by that, and
/// all that was sent must have been taken: a client that cannot send may never come to reading.
fn heard_by_one_that_goes_on_sending(parvis: &Parvis, request: &str, status: u16) {
    for i in 0..30 {
        let mut client = parvis.client();
        client.send(request);
        // More than all buffers on the way hold, and no more than a sane upload has.
        let piece = [b'x'; 65_536];
        for _ in 0..(i % 3) * 16 {
            client.send(piece);
        }
        let reply = client.reply();
        assert_eq!(reply.status, status, "{}", reply.head);
        assert!(reply.text().contains("</html>"), "the whole page");
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        assert!(client.rest().is_empty());
    }
}

#[test]
fn a_413_is_heard_by_a_client_that_goes_on_sending() {
    let edge = edge(Backend::text("ok"), "", "", "max_body = \"1000\"");
    heard_by_one_that_goes_on_sending(
        &edge.parvis,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n",
        413,
    );
    assert_eq!(edge.backend.connections(), 0);
}

#[test]
fn a_413_is_heard_by_a_client_that_goes_on_sending_chunks() {
    let edge = edge(Backend::text("ok"), "", "", "max_body = \"1000\"");
    heard_by_one_that_goes_on_sending(
        &edge.parvis,
        &format!(
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n{}",
            "x".repeat(2000)
        ),
        413,
    );
}

#[test]
fn a_404_and_a_405_are_heard_by_a_client_that_goes_on_sending() {
    let parvis = Parvis::start(
        "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/form\"\nrespond = {}\nmethods = [\"GET\"]\n",
    );
    for (path, status) in [("/nothing", 404), ("/form", 405)] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n");
        heard_by_one_that_goes_on_sending(&parvis, &head, status);
    }
}

#[test]
fn a_refused_head_is_heard_by_a_client_that_goes_on_sending() {
    let edge = edge(Backend::text("ok"), "", "", "");
    for (head, status) in [
        ("POST / HTTP/1.1\r\nContent-Length: 2097152\r\n\r\n", 400),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
            400,
        ),
    ] {
        heard_by_one_that_goes_on_sending(&edge.parvis, head, status);
    }
    let long = format!("GET /{}", "x".repeat(20_000));
    heard_by_one_that_goes_on_sending(&edge.parvis, &long, 414);
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(70_000));
    heard_by_one_that_goes_on_sending(&edge.parvis, &large, 431);
    assert_eq!(edge.backend.connections(), 0);
}

#[test]
fn a_broken_chunk_is_heard_by_a_client_that_goes_on_sending() {
    let edge = edge(Backend::text("ok"), "", "", "");
    heard_by_one_that_goes_on_sending(
        &edge.parvis,
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        400,
    );
}

#[test]
fn a_502_is_heard_by_a_client_that_goes_on_sending() {
    let refusing = Refusing::new();
    let parvis = before(&refusing.address().to_string(), "", "", "");
    heard_by_one_that_goes_on_sending(
        &parvis,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2097152\r\n\r\n",
        502,
    );
}
