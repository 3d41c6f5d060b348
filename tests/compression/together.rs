//! Compression beside what else parvis does: the operator's fields, a reload, the end.

use crate::bodies::{page, prose};
use crate::stream::Stream;
use crate::support::{Backend, Parvis, until};
use crate::{BROWSER, Edge, LENGTH, chunk, coding, decoded, edge_with, obedient, same, say, vary};
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

const HTML: &str = "200 OK|Content-Type: text/html";

#[test]
fn the_operators_vary_and_etag_are_merged_as_the_apps_are() {
    for own in ["set", "default"] {
        let site = format!("headers = {{ {own} = {{ Vary = \"Cookie\", ETag = '\"o\"' }} }}");
        let edge = edge_with(obedient(), "", &site, "");
        for (accepted, etag) in [(BROWSER, "W/\"o\""), ("", "\"o\"")] {
            let reply = say(&edge, HTML, accepted);
            assert_eq!(vary(&reply), ["accept-encoding", "cookie"], "{own}");
            assert_eq!(reply.all("etag"), [etag], "{own}");
            same(own, &decoded(&reply), &page(LENGTH));
        }
    }
}

#[test]
fn the_operators_no_transform_is_obeyed() {
    for site in [
        "headers = { set = { Cache-Control = \"no-transform\" } }",
        "headers = { default = { Cache-Control = \"public, no-transform\" } }",
        "cache_control = \"no-transform\"",
    ] {
        let edge = edge_with(obedient(), "", site, "");
        let reply = say(&edge, HTML, BROWSER);
        assert_eq!(coding(&reply), "identity", "{site}");
        same(site, &reply.body, &page(LENGTH));
    }
}

/// RFC 9110, 12.5.3: no coding at all, and nothing that belongs in `Content-Encoding`.
#[test]
fn an_app_may_say_identity() {
    let edge = edge_with(obedient(), "", "", "");
    let what = format!("{HTML}|Content-Encoding: identity");
    for accepted in [BROWSER, ""] {
        let reply = say(&edge, &what, accepted);
        assert!(["br", "identity"].contains(&coding(&reply).as_str()));
        same("identity", &decoded(&reply), &page(LENGTH));
    }
}

/// An app that sends `/slow` in two halves, the second at the test's signal.
fn halves() -> (Sender<()>, Backend) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n";
            incoming.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
            let body = prose(100_000, 1);
            incoming.send(chunk(&body[..50_000]));
            if request.target == "/slow" && wait.lock().unwrap().recv().is_err() {
                return;
            }
            incoming.send(chunk(&body[50_000..]));
            incoming.send("0\r\n\r\n");
        }
    });
    (go, backend)
}

fn coding_of(parvis: &Parvis) -> String {
    coding(&parvis.client().request("GET", "/", BROWSER, b""))
}

fn changed(edge: &Edge, from: &str, to: &str) {
    let text = edge.parvis.folder.read("parvis.toml");
    assert!(text.contains(from));
    edge.parvis
        .folder
        .write("parvis.toml", &text.replace(from, to));
    edge.parvis.signal("HUP");
}

#[test]
fn a_reload_is_for_the_answers_after_it() {
    let (go, backend) = halves();
    let first = "compress = { algorithms = [\"zstd\"] }";
    let edge = edge_with(backend, "[server]\nwatch = false", first, "");
    let mut stream = Stream::open_at(&edge, "/slow", "zstd");
    stream.until(50_000);
    changed(&edge, first, "compress = { algorithms = [\"gzip\"] }");
    until("the new order is in force", || {
        (coding_of(&edge.parvis) == "gzip").then_some(())
    });
    changed(
        &edge,
        "compress = { algorithms = [\"gzip\"] }",
        "compress = \"off\"",
    );
    until("compression is off", || {
        (coding_of(&edge.parvis) == "identity").then_some(())
    });
    go.send(()).unwrap();
    same("under way", &stream.finish(), &prose(100_000, 1));
}

#[test]
fn an_answer_under_way_is_whole_when_parvis_ends() {
    for accepted in crate::CODINGS {
        let (go, backend) = halves();
        let mut edge = edge_with(backend, "", "", "");
        let mut stream = Stream::open_at(&edge, "/slow", accepted);
        stream.until(50_000);
        edge.parvis.signal("TERM");
        until("nobody new is let in", || {
            std::net::TcpStream::connect(edge.parvis.address())
                .is_err()
                .then_some(())
        });
        go.send(()).unwrap();
        same(accepted, &stream.finish(), &prose(100_000, 1));
        assert!(edge.parvis.wait().success());
    }
}
