//! Answers that come bit by bit: each bit reaches the client, and can be decoded, before the next
//! is there.

use crate::bodies::{Random, prose};
use crate::stream::Stream;
use crate::support::{Backend, PATIENCE};
use crate::turns::Turn;
use crate::{CODINGS, chunk, edge, edge_in, same};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Waits for the test's signal, in a backend. False when the test is over.
fn signalled(signal: &Mutex<Receiver<()>>) -> bool {
    match signal.lock().unwrap().recv_timeout(PATIENCE) {
        Ok(()) => true,
        Err(RecvTimeoutError::Timeout) => panic!("the test gave no signal"),
        Err(RecvTimeoutError::Disconnected) => false,
    }
}

/// How an app frames what it sends.
#[derive(Clone, Copy, Debug)]
enum Frame {
    Length,
    Chunks,
    Close,
}

/// An app that sends these parts, each at the test's signal.
fn at_signals(content_type: &str, frame: Frame, parts: Vec<Vec<u8>>) -> (Sender<()>, Backend) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let length: usize = parts.iter().map(Vec::len).sum();
    let framing = match frame {
        Frame::Length => format!("Content-Length: {length}\r\n"),
        Frame::Chunks => "Transfer-Encoding: chunked\r\n".to_string(),
        Frame::Close => String::new(),
    };
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\n{framing}\r\n");
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_none() {
            return;
        }
        incoming.send(&head);
        for part in &parts {
            if !signalled(&wait) {
                return;
            }
            let sent = match frame {
                Frame::Chunks => incoming.send(chunk(part)),
                Frame::Length | Frame::Close => incoming.send(part),
            };
            if !sent {
                return;
            }
        }
        if let Frame::Chunks = frame {
            incoming.send("0\r\n\r\n");
        }
    });
    (go, backend)
}

/// The client must be able to decode every part before it gives the signal for the next.
fn parts_pass_at_once(content_type: &str, frame: Frame, parts: Vec<Vec<u8>>) {
    let sent = parts.concat();
    for coding in CODINGS {
        let (go, backend) = at_signals(content_type, frame, parts.clone());
        let edge = edge(backend);
        // The head is not kept back until there is something to encode.
        let mut stream = Stream::open(&edge, coding);
        let mut length = 0;
        for part in &parts {
            go.send(()).unwrap();
            length += part.len();
            stream.until(length);
        }
        let what = format!("{content_type} {frame:?} {coding}");
        same(&what, &stream.finish(), &sent);
    }
}

/// Parts as apps flush them: a byte, a line, a page, more than a buffer.
fn parts() -> Vec<Vec<u8>> {
    let lengths = [1, 1, 2, 60, 5_000, 1, 70_000, 300, 200_000, 17, 4_096, 1];
    let part = |(i, length): (usize, &usize)| prose(*length, i as u64);
    lengths.iter().enumerate().map(part).collect()
}

#[test]
fn each_part_can_be_decoded_before_the_next_is_sent() {
    parts_pass_at_once("text/html", Frame::Chunks, parts());
    parts_pass_at_once("text/html", Frame::Close, parts());
}

#[test]
fn an_answer_of_known_length_that_dribbles_is_not_kept_back() {
    parts_pass_at_once("application/json", Frame::Length, parts());
    // Not even a byte at a time.
    let bytes = prose(900, 1).into_iter().map(|byte| vec![byte]).collect();
    parts_pass_at_once("text/plain", Frame::Length, bytes);
}

#[test]
fn events_flow_one_by_one_in_every_coding() {
    let event = |i: usize| format!("id: {i}\ndata: {{\"n\": {i}}}\n\n").into_bytes();
    parts_pass_at_once(
        "text/event-stream",
        Frame::Close,
        (0..60).map(event).collect(),
    );
    parts_pass_at_once(
        "text/event-stream",
        Frame::Chunks,
        (0..60).map(event).collect(),
    );
}

/// Events share what they say: a stream that is flushed often must still get shorter.
#[test]
fn flushed_events_still_get_shorter() {
    let event = |i: usize| {
        format!(
            "id: {i}\nevent: price\ndata: {{\"symbol\": \"ACME\", \"price\": {}, \"currency\": \
             \"EUR\", \"venue\": \"XETRA\", \"status\": \"open\"}}\n\n",
            100 + i * 37 % 91
        )
        .into_bytes()
    };
    let parts: Vec<_> = (0..100).map(event).collect();
    let sent = parts.concat();
    for coding in CODINGS {
        let (go, backend) = at_signals("text/event-stream", Frame::Chunks, parts.clone());
        let edge = edge(backend);
        let mut stream = Stream::open(&edge, coding);
        let (mut length, mut encoded) = (0, 0);
        for part in &parts {
            go.send(()).unwrap();
            length += part.len();
            while stream.decoded.len() < length {
                let chunk = stream.client.chunk(&mut Vec::new()).expect("an event");
                encoded += chunk.len();
                stream.decoded.extend(stream.decoder.push(&chunk));
            }
        }
        assert!(
            encoded < sent.len() / 2,
            "{coding}: {encoded} of {} bytes",
            sent.len()
        );
        same(coding, &stream.finish(), &sent);
    }
}

const PARTS: usize = 20;
const PAUSE: Duration = Duration::from_millis(300);
/// What is promised, and what a busy machine may make of it at the worst: still far less than the
/// pause, which a part would take that waits for the next.
const PROMISED: Duration = Duration::from_millis(50);
const WORST: Duration = Duration::from_millis(250);

/// An app that notes when it sent each part, and then pauses.
fn pausing(content_type: &'static str, sent: Arc<Mutex<Vec<Instant>>>) -> Backend {
    Backend::raw(move |incoming| {
        incoming.request();
        incoming.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nTransfer-Encoding: chunked\r\n\r\n"
        ));
        for i in 0..PARTS {
            let part = paused_part(i);
            sent.lock().unwrap().push(Instant::now());
            if !incoming.send(chunk(&part)) {
                return;
            }
            std::thread::sleep(PAUSE);
        }
        incoming.send("0\r\n\r\n");
    })
}

fn paused_part(i: usize) -> Vec<u8> {
    let length = Random::new(i as u64).pick(&[1, 30, 500, 5_000, 40_000]);
    prose(length, i as u64)
}

/// How long after it was sent each part could be decoded.
fn delays(content_type: &'static str, accepted: &'static str) -> Vec<Duration> {
    let sent = Arc::new(Mutex::new(Vec::new()));
    let edge = edge_in(
        Turn::Within,
        pausing(content_type, sent.clone()),
        "",
        "",
        "",
    );
    let mut stream = Stream::open(&edge, accepted);
    let (mut length, mut delays) = (0, Vec::new());
    for i in 0..PARTS {
        length += paused_part(i).len();
        stream.until(length);
        let now = Instant::now();
        delays.push(now - sent.lock().unwrap()[i]);
    }
    stream.finish();
    delays
}

#[test]
fn a_part_that_is_followed_by_a_pause_comes_within_50_ms() {
    let _turn = Turn::alone();
    let kinds = ["text/html", "text/event-stream"];
    let measuring: Vec<_> = kinds
        .into_iter()
        .flat_map(|kind| CODINGS.map(|coding| (kind, coding)))
        .map(|(kind, coding)| {
            let delays = std::thread::spawn(move || delays(kind, coding));
            (kind, coding, delays)
        })
        .collect();
    for (kind, coding, delays) in measuring {
        let mut delays = delays.join().unwrap();
        delays.sort();
        let (median, worst) = (delays[PARTS / 2], delays[PARTS - 1]);
        println!("{kind} {coding}: median {median:?}, worst {worst:?}");
        assert!(median < PROMISED, "{kind} {coding}: {delays:?}");
        assert!(worst < WORST, "{kind} {coding}: {delays:?}");
    }
}

/// A client that is still sending, to an app that answers without reading: nothing waits for the
/// rest of the request.
#[test]
fn an_answer_before_the_request_is_read_comes_bit_by_bit_too() {
    let parts: Vec<Vec<u8>> = (0..3).map(|n| prose(3_000, n).to_vec()).collect();
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let sent = parts.clone();
    let backend = Backend::raw(move |incoming| {
        if incoming.head().is_none() {
            return;
        }
        incoming.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        for part in &sent {
            if !signalled(&wait) || !incoming.send(chunk(part)) {
                return;
            }
        }
        // Until the test has seen all of it.
        signalled(&wait);
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send(
        "POST / HTTP/1.1\r\nHost: test\r\nAccept-Encoding: gzip\r\nContent-Length: 104857600\r\n\r\n",
    );
    client.send([b'x'; 65_536]);
    // The head comes with the first part.
    go.send(()).unwrap();
    let head = client.head_only();
    assert_eq!((head.status, crate::coding(&head).as_str()), (200, "gzip"));
    let mut stream = Stream {
        client,
        decoder: crate::decode::Decoder::new("gzip"),
        decoded: Vec::new(),
    };
    let mut length = 0;
    for part in &parts {
        length += part.len();
        stream.until(length);
        go.send(()).unwrap();
    }
    same("all parts", &stream.decoded, &parts.concat());
}
