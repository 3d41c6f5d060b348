//! Requests to apps that behave, and to some that do not.

mod app;
mod hostile;

use super::AppStream;
use super::link::{Link, Unopened, open};
use crate::wire::Fault;
use app::{App, END, HEADERS, RST_STREAM, kind};
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncWriteExt, ReadBuf};
use tokio::task::JoinHandle;

const KEEP: Duration = Duration::from_secs(60);
const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: app\r\n\r\n";
const POST: &[u8] = b"POST /a HTTP/1.1\r\nHost: app\r\nTransfer-Encoding: chunked\r\n\r\n";

/// Runs a test to its end.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(20), test)
            .await
            .expect("the test hangs");
    });
}

/// A connection to an app, which sends these settings.
async fn connected(settings: &[(u16, u32)]) -> (Arc<Link>, App, JoinHandle<()>) {
    let (near, far) = tokio::io::duplex(1 << 20);
    let mut app = App::new(far);
    let (opened, ()) = tokio::join!(Link::open(near, 7, KEEP), app.begin(settings));
    let (link, driver) = opened.map_err(|error| error.to_string()).unwrap();
    (link, app, tokio::spawn(driver))
}

fn stream(link: &Arc<Link>) -> AppStream {
    AppStream::new(link.enter(Instant::now()).unwrap())
}

/// Reads once: what came, empty at the end.
async fn some(stream: &mut AppStream) -> io::Result<Vec<u8>> {
    let mut space = vec![0; 1 << 16];
    let mut buf = ReadBuf::new(&mut space);
    poll_fn(|cx| stream.poll_read(cx, &mut buf)).await?;
    Ok(buf.filled().to_vec())
}

/// Reads an answer to its end.
async fn all(stream: &mut AppStream) -> io::Result<String> {
    let mut text = Vec::new();
    loop {
        let piece = some(stream).await?;
        if piece.is_empty() {
            return Ok(String::from_utf8_lossy(&text).into_owned());
        }
        text.extend(piece);
    }
}

fn fault(error: &io::Error) -> Option<Fault> {
    Fault::in_chain(error)
}

#[test]
fn a_request_goes_and_its_answer_comes() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut stream = stream(&link);
        assert!(!stream.reused());
        stream.write(b"GET /a HTTP/1.1\r\nHo").unwrap();
        stream.write(b"st: app\r\n\r\n").unwrap();
        let asked = app.frame(kind::HEADERS).await;
        assert_eq!((asked.flags & END, asked.stream), (END, 1));
        app.headers(1, &[(":status", "103"), ("link", "</x>")], false)
            .await;
        assert_eq!(
            some(&mut stream).await.unwrap(),
            b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        );
        let head = [(":status", "200"), ("content-length", "5")];
        app.headers(1, &head, false).await;
        app.data(1, b"hello", true).await;
        assert_eq!(
            all(&mut stream).await.unwrap(),
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        );
        drop(stream);
        assert!(AppStream::new(link.enter(Instant::now()).unwrap()).reused());
    });
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut stream = stream(&link);
        stream.write(POST).unwrap();
        stream
            .write(b"3\r\nabc\r\n2;x\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n")
            .unwrap();
        app.frame(kind::HEADERS).await;
        assert_eq!(app.frame(kind::DATA).await.payload, b"abc");
        assert_eq!(app.frame(kind::DATA).await.payload, b"de");
        assert_eq!(app.frame(kind::HEADERS).await.flags & END, END);
        app.headers(1, &[(":status", "200")], false).await;
        app.data(1, b"one", false).await;
        app.data(1, b"two", false).await;
        app.headers(1, &[("grpc-status", "0")], true).await;
        assert_eq!(
            all(&mut stream).await.unwrap(),
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
             3\r\none\r\n3\r\ntwo\r\n0\r\ngrpc-status: 0\r\n\r\n"
        );
    });
}

#[test]
fn an_answer_may_be_all_in_its_head() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut stream = stream(&link);
        stream.write(POST).unwrap();
        app.frame(kind::HEADERS).await;
        app.headers(1, &[(":status", "200"), ("grpc-status", "12")], true)
            .await;
        assert_eq!(
            all(&mut stream).await.unwrap(),
            "HTTP/1.1 200 OK\r\ngrpc-status: 12\r\ncontent-length: 0\r\n\r\n"
        );
        // The app has said all and hears no more: the rest of the request is for nobody.
        app.frames(&[(RST_STREAM, 0, 1, &[0; 4])]).await;
        tokio::task::yield_now().await;
        stream.write(b"3\r\nabc\r\n0\r\n\r\n").unwrap();
    });
}

#[test]
fn an_answer_comes_while_the_request_goes_on() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut stream = stream(&link);
        stream.write(POST).unwrap();
        app.frame(kind::HEADERS).await;
        app.headers(1, &[(":status", "200")], false).await;
        some(&mut stream).await.unwrap();
        for i in 0..20u8 {
            stream
                .write(&[b"1\r\n", &[i][..], b"\r\n"].concat())
                .unwrap();
            assert_eq!(app.frame(kind::DATA).await.payload, [i]);
            app.data(1, &[i], false).await;
            let came = some(&mut stream).await.unwrap();
            assert_eq!(came, [b"1\r\n", &[i][..], b"\r\n"].concat());
        }
    });
}

#[test]
fn what_an_app_does_not_take_is_waited_for() {
    run(async {
        let (link, mut app, _driver) = connected(&[(4, 10)]).await;
        let mut stream = stream(&link);
        stream.write(POST).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        app.frame(kind::HEADERS).await;
        poll_fn(|cx| stream.poll_room(cx)).await;
        stream.write(b"c\r\nabcdefghijkl\r\n").unwrap();
        assert_eq!(app.frame(kind::DATA).await.payload, b"abcdefghij");
        assert!(stream.poll_room(&mut context).is_pending());
        app.give(1, 2).await;
        assert_eq!(app.frame(kind::DATA).await.payload, b"kl");
        assert!(stream.poll_room(&mut context).is_pending());
        app.give(1, 100).await;
        poll_fn(|cx| stream.poll_room(cx)).await;
        // An app that goes takes nothing, and is not waited for.
        stream
            .write(&[b"80\r\n", &[0; 128][..], b"\r\n"].concat())
            .unwrap();
        assert!(stream.poll_room(&mut context).is_pending());
        drop(app);
        poll_fn(|cx| stream.poll_room(cx)).await;
    });
}

#[test]
fn a_request_that_is_dropped_is_taken_back() {
    run(async {
        let (link, mut app, driver) = connected(&[]).await;
        let mut stream = stream(&link);
        stream.write(POST).unwrap();
        app.frame(kind::HEADERS).await;
        drop(stream);
        assert_eq!(app.frame(RST_STREAM).await.payload, [0, 0, 0, 8]);
        // A connection that nobody needs ends, and says so.
        drop(link);
        app.frame(kind::GOAWAY).await;
        driver.await.unwrap();
    });
}

#[test]
fn no_more_requests_go_than_the_app_takes() {
    run(async {
        let (link, _app, _driver) = connected(&[(3, 2)]).await;
        let first = stream(&link);
        let _second = stream(&link);
        assert!(link.enter(Instant::now()).is_none());
        drop(first);
        let third = stream(&link);
        assert!(link.enter(Instant::now()).is_none());
        // A connection on which somebody waited in vain is for nobody else.
        third.retire();
        drop(third);
        assert!(link.enter(Instant::now()).is_none());
    });
}

#[test]
fn a_connection_is_idle_for_so_long() {
    run(async {
        let (link, _app, _driver) = connected(&[]).await;
        let busy = stream(&link);
        let later = Instant::now() + KEEP * 2;
        assert!(link.is_open(later));
        drop(busy);
        assert!(link.is_open(Instant::now()) && !link.is_open(later));
    });
}

#[test]
fn what_an_app_did_not_look_at_may_be_sent_again() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut refused = stream(&link);
        refused.write(GET).unwrap();
        app.frame(HEADERS).await;
        app.frames(&[(RST_STREAM, 0, 1, &[0, 0, 0, 7])]).await;
        let error = some(&mut refused).await.unwrap_err();
        assert_eq!(fault(&error), Some(Fault::Unprocessed));

        // It goes: the second request was late, and the first is still answered.
        let (mut first, mut late) = (stream(&link), stream(&link));
        first.write(GET).unwrap();
        late.write(POST).unwrap();
        app.frame(HEADERS).await;
        app.frame(HEADERS).await;
        app.frames(&[(kind::GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0])])
            .await;
        let error = some(&mut late).await.unwrap_err();
        assert_eq!(fault(&error), Some(Fault::Unprocessed));
        assert!(link.enter(Instant::now()).is_none());
        app.headers(3, &[(":status", "204")], true).await;
        assert_eq!(
            all(&mut first).await.unwrap(),
            "HTTP/1.1 204 No Content\r\n\r\n"
        );
    });
}

#[test]
fn a_request_meets_a_connection_that_has_just_gone() {
    run(async {
        let (link, mut app, _driver) = connected(&[]).await;
        let mut late = stream(&link);
        app.frames(&[(kind::GOAWAY, 0, 0, &[0; 8])]).await;
        while link.is_open(Instant::now()) {
            tokio::task::yield_now().await;
        }
        let error = late.write(POST).unwrap_err();
        assert_eq!(fault(&error), Some(Fault::Unprocessed));
    });
}

#[test]
fn a_connection_that_breaks_is_an_end() {
    run(async {
        let (link, mut app, driver) = connected(&[]).await;
        let (mut waits, mut reads) = (stream(&link), stream(&link));
        waits.write(GET).unwrap();
        reads.write(GET).unwrap();
        app.frame(HEADERS).await;
        app.headers(3, &[(":status", "200")], false).await;
        some(&mut reads).await.unwrap();
        drop(app);
        // Before an answer, as the end of a connection of HTTP/1; in one, as an error.
        assert_eq!(some(&mut waits).await.unwrap(), b"");
        assert_eq!(some(&mut waits).await.unwrap(), b"");
        assert!(some(&mut reads).await.is_err());
        driver.await.unwrap();
        assert!(!link.is_open(Instant::now()));
    });
}

#[test]
fn what_does_not_speak_http_2_is_told() {
    run(async {
        let answers: [&[u8]; 3] = [
            b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
            b"",
            b"\0\0\0\x08\0\0\0\0\0",
        ];
        for answer in answers {
            let (near, mut far) = tokio::io::duplex(1 << 16);
            far.write_all(answer).await.unwrap();
            far.shutdown().await.unwrap();
            let Err(error) = open(near).await else {
                panic!("{answer:?} was taken for HTTP/2");
            };
            let closed = matches!(error, Unopened::Closed);
            assert_eq!(closed, answer.is_empty(), "{error}");
        }
        // One that says nothing is waited for.
        let (near, _far) = tokio::io::duplex(1 << 16);
        let opened = tokio::time::timeout(Duration::from_millis(20), open(near)).await;
        assert!(opened.is_err());
    });
}
