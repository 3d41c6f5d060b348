//! What streams is not held up, and who goes away is not waited for.

use crate::app::png;
use crate::support::http2::{ACK, END_STREAM, PREFACE, frame, header_frames, kind};
use crate::support::{Backend, PATIENCE, Parvis};
use crate::{QUICK, WEBP, content_type, edge, size};

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
    assert_eq!(
        (reply.status, content_type(&reply)),
        (200, "image/webp".into())
    );
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
    assert_eq!(content_type(&edge.get("/a.png", WEBP)), "image/webp");
}

#[test]
fn an_app_of_http2_is_the_same() {
    let picture = png(100, 75);
    let own = picture.clone();
    let backend = Backend::raw(move |io| {
        io.exactly(PREFACE.len());
        io.send(frame(kind::SETTINGS, 0, 0, &[]));
        while let Some(head) = io.exactly(9) {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            io.exactly(length);
            match head[3] {
                kind::SETTINGS if head[4] & ACK == 0 => {
                    io.send(frame(kind::SETTINGS, ACK, 0, &[]));
                }
                kind::HEADERS => {
                    // One with its length, one without.
                    let length = own.len().to_string();
                    let fields = [
                        (":status", "200"),
                        ("content-type", "image/png"),
                        ("content-length", length.as_str()),
                    ];
                    let known = if stream == 1 { 3 } else { 2 };
                    io.send(header_frames(stream, &fields[..known], false));
                    for piece in own.chunks(5000) {
                        io.send(frame(kind::DATA, 0, stream, piece));
                    }
                    io.send(frame(kind::DATA, END_STREAM, stream, &[]));
                }
                _ => {}
            }
        }
    });
    let parvis = Parvis::start(&format!(
        "[server]\nthreads = 1\n[media]\nstorage = \"@DIR/variants\"\n\
         [upstream.app]\nservers = [\"{}\"]\nhttp2 = true\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{QUICK}\n",
        backend.address()
    ));
    for _ in 0..3 {
        let reply = parvis.client().request("GET", "/a.png", WEBP, b"");
        assert_eq!(
            (reply.status, content_type(&reply)),
            (200, "image/webp".into())
        );
        assert_eq!(size(&reply.body), (100, 75));
    }
    assert_eq!(backend.connections(), 1);
}
