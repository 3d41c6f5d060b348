//! What streams is not held up, and who goes away is not waited for.

use crate::support::PATIENCE;
use crate::{QUICK, WEBP, edge, kind};

#[test]
fn an_answer_that_is_no_picture_is_not_held_up() {
    let edge = edge(QUICK);
    let mut client = edge.parvis.client();
    client.send(format!("GET /endless HTTP/1.1\r\nHost: test\r\n{WEBP}\r\n"));
    assert_eq!(client.head_only().status, 200);
    let mut trailers = Vec::new();
    assert_eq!(client.chunk(&mut trailers).unwrap(), b"first");
    edge.app.go_on.send(()).unwrap();
    assert_eq!(client.chunk(&mut trailers).unwrap(), b"second");
    assert_eq!(client.chunk(&mut trailers), None);
}

#[test]
fn early_hints_go_before_a_picture_that_takes_its_time() {
    let edge = edge(QUICK);
    let mut client = edge.parvis.client();
    client.send(format!(
        "GET /slow.png HTTP/1.1\r\nHost: test\r\n{WEBP}\r\n"
    ));
    let early = client.head_only();
    assert_eq!(
        (early.status, early.field("link").as_deref()),
        (103, Some("</style.css>"))
    );
    edge.app.go_on.send(()).unwrap();
    edge.app.go_on.send(()).unwrap();
    let reply = client.reply();
    assert_eq!((reply.status, kind(&reply)), (200, "image/webp".into()));
    assert_eq!(client.request("GET", "/search", "", b"").text(), "found");
}

#[test]
fn who_goes_away_ends_it() {
    let edge = edge(QUICK);
    let mut client = edge.parvis.client();
    client.send(format!(
        "GET /left.png HTTP/1.1\r\nHost: test\r\n{WEBP}\r\n"
    ));
    crate::support::until("the app is asked", || {
        (edge.app.backend.requests().len() == 1).then_some(())
    });
    drop(client);
    edge.app.gone.recv_timeout(PATIENCE).unwrap();
    assert_eq!(kind(&edge.get("/a.png", WEBP)), "image/webp");
}
