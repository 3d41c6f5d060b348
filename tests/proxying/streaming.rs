//! Bodies pass piece by piece: in little memory, and without waiting for the rest.

use crate::support::{Backend, Client, Parvis, until};
use crate::{Edge, edge, signalled};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;
const GIB: u64 = 1024 * MIB;

/// What may be added to the process's memory by a transfer.
const ADDED: u64 = 32 * MIB;

/// The most that is written or compared at once.
const PIECE: usize = 64 * 1024;
/// A prime: pieces that are lost, repeated or swapped never fall on equal bytes.
const PERIOD: usize = 1_000_003;

/// A period of noise, and a piece more so that every piece lies in one run.
static NOISE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut noise: Vec<u8> = (0..PERIOD)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        })
        .collect();
    noise.extend_from_within(..PIECE);
    noise
});

/// The bytes of a large body at `offset`, at most `most` of them.
fn noise(offset: u64, most: u64) -> &'static [u8] {
    let start = (offset % PERIOD as u64) as usize;
    &NOISE[start..start + most.min(PIECE as u64) as usize]
}

/// Checks a large body as it comes, every byte of it.
#[derive(Default)]
struct Check {
    seen: u64,
}

impl Check {
    fn take(&mut self, bytes: &[u8]) {
        for piece in bytes.chunks(PIECE) {
            assert!(
                piece == noise(self.seen, piece.len() as u64),
                "not what was sent, after {} bytes",
                self.seen
            );
            self.seen += piece.len() as u64;
        }
    }
}

/// A chunk of a large body, its frame included.
fn chunk(offset: u64, most: u64) -> Vec<u8> {
    let data = noise(offset, most);
    [format!("{:x}\r\n", data.len()).as_bytes(), data, b"\r\n"].concat()
}

/// What was added to the memory of `parvis` since it had `before`, at the most.
fn added(parvis: &Parvis, before: u64) -> u64 {
    parvis.peak_memory().saturating_sub(before)
}

/// Connects, makes one small request, and tells parvis's memory after it: code and buffers that
/// any request needs are there.
fn warm(edge: &Edge) -> (Client, u64) {
    let mut client = edge.parvis.client();
    assert_eq!(client.get("/warm").text(), "warm");
    (client, edge.parvis.memory())
}

const WARM: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nwarm";

/// An app that takes large bodies and answers with how many bytes they had.
fn sink() -> Backend {
    Backend::raw(|incoming| {
        while let Some(request) = incoming.head() {
            if request.target == "/warm" {
                incoming.send(WARM);
                continue;
            }
            let mut check = Check::default();
            if let Some(length) = request.field("content-length") {
                let mut left: u64 = length.parse().unwrap();
                let mut space = vec![0; PIECE];
                while left > 0 {
                    let most = left.min(PIECE as u64) as usize;
                    let n = incoming.read(&mut space[..most]);
                    if n == 0 {
                        return;
                    }
                    check.take(&space[..n]);
                    left -= n as u64;
                }
            } else {
                while let Some(data) = incoming.chunk() {
                    if data.is_empty() {
                        break;
                    }
                    check.take(&data);
                }
                incoming.exactly(2).expect("the end of the last chunk");
            }
            let count = check.seen.to_string();
            incoming.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{count}",
                count.len()
            ));
        }
    })
}

#[test]
fn a_gibibyte_is_uploaded_in_little_memory() {
    let edge = edge(sink());
    let (mut client, before) = warm(&edge);
    client.send(format!(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {GIB}\r\n\r\n"
    ));
    let mut sent = 0;
    while sent < GIB {
        let piece = noise(sent, GIB - sent);
        client.send(piece);
        sent += piece.len() as u64;
    }
    assert_eq!(client.reply().text(), GIB.to_string());
    let added = added(&edge.parvis, before);
    assert!(added < ADDED, "{added} bytes were added");
}

#[test]
fn chunks_are_uploaded_in_little_memory() {
    const SIZE: u64 = 256 * MIB;
    let edge = edge(sink());
    let (mut client, before) = warm(&edge);
    client.send("POST /up HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    let mut sent = 0;
    while sent < SIZE {
        // Sizes that fall on no buffer's.
        let most = (SIZE - sent).min(1 + sent * 31 % 60_013);
        client.send(chunk(sent, most));
        sent += most;
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.reply().text(), SIZE.to_string());
    let added = added(&edge.parvis, before);
    assert!(added < ADDED, "{added} bytes were added");
}

/// How an app frames a large answer.
#[derive(Clone, Copy)]
enum Frame {
    Length,
    Chunks,
    Close,
}

/// An app that answers with `size` bytes of noise, and counts those that it could send.
fn source(size: u64, frame: Frame, sent: Arc<AtomicU64>) -> Backend {
    Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            if request.target == "/warm" {
                incoming.send(WARM);
                continue;
            }
            let field = match frame {
                Frame::Length => format!("Content-Length: {size}\r\n"),
                Frame::Chunks => "Transfer-Encoding: chunked\r\n".to_string(),
                Frame::Close => String::new(),
            };
            incoming.send(format!("HTTP/1.1 200 OK\r\n{field}\r\n"));
            let mut at = 0;
            while at < size {
                let most = (size - at).min(1 + at * 31 % 65_521);
                let piece = match frame {
                    Frame::Chunks => chunk(at, most),
                    _ => noise(at, most).to_vec(),
                };
                if !incoming.send(piece) {
                    return;
                }
                at += most;
                sent.store(at, Ordering::SeqCst);
            }
            match frame {
                Frame::Length => {}
                Frame::Chunks => {
                    incoming.send("0\r\n\r\n");
                }
                Frame::Close => return,
            }
        }
    })
}

/// Reads a large body and checks it; how many bytes it had.
fn read_noise(client: &mut Client) -> u64 {
    let reply = client.head_only();
    assert_eq!(reply.status, 200);
    let mut check = Check::default();
    if let Some(length) = reply.field("content-length") {
        let length: u64 = length.parse().unwrap();
        let mut space = vec![0; PIECE];
        while check.seen < length {
            let n = client.read(&mut space);
            assert!(n > 0, "closed after {} bytes", check.seen);
            check.take(&space[..n]);
        }
    } else {
        assert_eq!(
            reply.field("transfer-encoding").as_deref(),
            Some("chunked"),
            "{}",
            reply.head
        );
        while let Some(data) = client.chunk(&mut Vec::new()) {
            check.take(&data);
        }
    }
    check.seen
}

fn downloaded_in_little_memory(size: u64, frame: Frame) {
    let edge = edge(source(size, frame, Arc::default()));
    let (mut client, before) = warm(&edge);
    client.send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(read_noise(&mut client), size);
    let added = added(&edge.parvis, before);
    assert!(added < ADDED, "{added} bytes were added");
    // The connection stands where it should: after the answer.
    assert_eq!(client.get("/warm").text(), "warm");
}

#[test]
fn a_gibibyte_is_downloaded_in_little_memory() {
    downloaded_in_little_memory(GIB, Frame::Length);
}

#[test]
fn chunks_are_downloaded_in_little_memory() {
    downloaded_in_little_memory(256 * MIB, Frame::Chunks);
}

#[test]
fn an_answer_that_ends_with_its_connection_is_downloaded_in_little_memory() {
    downloaded_in_little_memory(256 * MIB, Frame::Close);
}

/// Waits until `count` stands still: nothing moves it on any more.
fn standstill(count: &AtomicU64) -> u64 {
    let mut last = (count.load(Ordering::SeqCst), Instant::now());
    until("nothing passes any more", || {
        let now = count.load(Ordering::SeqCst);
        if now != last.0 || now == 0 {
            last = (now, Instant::now());
        }
        (last.1.elapsed() > Duration::from_millis(500)).then_some(now)
    })
}

#[test]
fn an_app_waits_for_a_client_that_does_not_read() {
    const SIZE: u64 = 256 * MIB;
    for frame in [Frame::Length, Frame::Chunks] {
        let sent = Arc::new(AtomicU64::new(0));
        let edge = edge(source(SIZE, frame, sent.clone()));
        let (mut client, before) = warm(&edge);
        client.send("GET /down HTTP/1.1\r\nHost: a\r\n\r\n");
        let stopped = standstill(&sent);
        // The kernel's buffers on both sides of parvis hold some megabytes.
        assert!(stopped < SIZE / 4, "the app could send {stopped} bytes");
        let more = added(&edge.parvis, before);
        assert!(more < ADDED, "{more} bytes were added");
        // It was not given up either: what comes later is whole.
        assert_eq!(read_noise(&mut client), SIZE);
        let more = added(&edge.parvis, before);
        assert!(more < ADDED, "{more} bytes were added");
    }
}

#[test]
fn a_client_waits_for_an_app_that_does_not_read() {
    const SIZE: u64 = 256 * MIB;
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        while let Some(request) = incoming.head() {
            if request.target == "/warm" {
                incoming.send(WARM);
                continue;
            }
            if !signalled(&wait) {
                return;
            }
            let mut check = Check::default();
            let mut space = vec![0; PIECE];
            while check.seen < SIZE {
                let n = incoming.read(&mut space);
                if n == 0 {
                    return;
                }
                check.take(&space[..n]);
            }
            incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nall");
        }
    });
    let edge = edge(backend);
    let (mut client, before) = warm(&edge);
    client.send(format!(
        "POST /up HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    let sent = Arc::new(AtomicU64::new(0));
    let count = sent.clone();
    let uploading = std::thread::spawn(move || {
        let mut at = 0;
        while at < SIZE {
            let piece = noise(at, SIZE - at);
            client.send(piece);
            at += piece.len() as u64;
            count.store(at, Ordering::SeqCst);
        }
        client.reply().text()
    });
    let stopped = standstill(&sent);
    assert!(stopped < SIZE / 4, "the client could send {stopped} bytes");
    let more = added(&edge.parvis, before);
    assert!(more < ADDED, "{more} bytes were added");
    go.send(()).unwrap();
    assert_eq!(uploading.join().unwrap(), "all");
    let more = added(&edge.parvis, before);
    assert!(more < ADDED, "{more} bytes were added");
}

/// An app that sends these parts, each after the first only at the test's signal. The client must
/// get every part before that.
fn parts_pass_at_once(parts: &'static [&'static str], gets: &[&str]) {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        if incoming.request().is_none() {
            return;
        }
        for (i, part) in parts.iter().enumerate() {
            if i > 0 && !signalled(&wait) {
                return;
            }
            incoming.send(part);
        }
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    for (i, part) in gets.iter().enumerate() {
        if i > 0 {
            go.send(()).unwrap();
        }
        assert_eq!(
            String::from_utf8(client.exactly(part.len())).unwrap(),
            *part
        );
    }
}

#[test]
fn the_head_of_a_slow_answer_passes_before_its_body() {
    parts_pass_at_once(
        &["HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "late"],
        &["", "late"],
    );
    parts_pass_at_once(
        &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            "4\r\nlate\r\n0\r\n\r\n",
        ],
        &["", "4\r\nlate\r\n0\r\n\r\n"],
    );
    parts_pass_at_once(
        &["HTTP/1.1 200 OK\r\n\r\n", "late"],
        &["", "4\r\nlate\r\n0\r\n\r\n"],
    );
}

#[test]
fn the_first_byte_of_a_slow_answer_passes_at_once() {
    parts_pass_at_once(
        &[
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nf",
            "ir",
            "s",
            "ts",
        ],
        &["f", "ir", "s", "ts"],
    );
    parts_pass_at_once(
        &["HTTP/1.1 200 OK\r\n\r\nf", "irst"],
        &["1\r\nf\r\n", "4\r\nirst\r\n0\r\n\r\n"],
    );
    parts_pass_at_once(
        &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nf\r\n",
            "2\r\nir\r\n",
            "2\r\nst\r\n0\r\n\r\n",
        ],
        &["1\r\nf\r\n", "2\r\nir\r\n", "2\r\nst\r\n0\r\n\r\n"],
    );
}

#[test]
fn an_http_1_0_client_gets_the_first_byte_at_once() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let backend = Backend::raw(move |incoming| {
        incoming.request();
        incoming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nf\r\n");
        if signalled(&wait) {
            incoming.send("4\r\nirst\r\n0\r\n\r\n");
        }
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.head_only().field("transfer-encoding"), None);
    assert_eq!(client.exactly(1), b"f");
    go.send(()).unwrap();
    assert_eq!(client.rest(), b"irst");
}

#[test]
fn events_flow_one_by_one() {
    let (go, wait) = channel();
    let wait = Mutex::new(wait);
    let event = |i: usize| format!("id: {i}\ndata: {{\"n\": {i}}}\n\n");
    let backend = Backend::raw(move |incoming| {
        incoming.request();
        incoming.send(
            "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n\r\n",
        );
        for i in 0.. {
            if !signalled(&wait) {
                return;
            }
            incoming.send(event(i));
        }
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send("GET /events HTTP/1.1\r\nHost: a\r\nAccept: text/event-stream\r\n\r\n");
    let head = client.head_only();
    assert_eq!(
        head.field("content-type").as_deref(),
        Some("text/event-stream")
    );
    for i in 0..50 {
        go.send(()).unwrap();
        let chunk = client.chunk(&mut Vec::new()).expect("an event");
        assert_eq!(String::from_utf8(chunk).unwrap(), event(i));
    }
    drop(go);
    assert_eq!(client.chunk(&mut Vec::new()), None);
}

/// The app tells the test of every part of the body that it got; only then the next is sent.
fn upload_passes_at_once(field: &str, parts: &[&str], gets: &'static [&'static str]) {
    let (got, heard) = channel();
    let backend = Backend::raw(move |incoming| {
        if incoming.head().is_none() {
            return;
        }
        let _ = got.send(String::new());
        for part in gets {
            let Some(bytes) = incoming.exactly(part.len()) else {
                return;
            };
            let _ = got.send(String::from_utf8(bytes).unwrap());
        }
        incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{field}\r\n\r\n"));
    let hear = || heard.recv_timeout(crate::support::PATIENCE).unwrap();
    assert_eq!(hear(), "", "the head, before any of the body");
    for (part, gets) in parts.iter().zip(gets) {
        client.send(part);
        assert_eq!(hear(), *gets);
    }
    assert_eq!(client.reply().text(), "ok");
}

#[test]
fn the_first_byte_of_an_upload_passes_at_once() {
    upload_passes_at_once(
        "Content-Length: 6",
        &["f", "ir", "sts"],
        &["f", "ir", "sts"],
    );
    upload_passes_at_once(
        "Transfer-Encoding: chunked",
        &["1\r\nf\r\n", "4\r\nirst\r\n", "0\r\n\r\n"],
        &["1\r\nf\r\n", "4\r\nirst\r\n", "0\r\n\r\n"],
    );
}

#[test]
fn both_directions_flow_at_once() {
    // An app that echoes while it is still being spoken to.
    let backend = Backend::raw(|incoming| {
        incoming.head();
        incoming.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        while let Some(data) = incoming.chunk() {
            incoming.send(format!("{:x}\r\n", data.len()));
            incoming.send(&data);
            incoming.send("\r\n");
            if data.is_empty() {
                return;
            }
        }
    });
    let edge = edge(backend);
    let mut client = edge.parvis.client();
    client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    for i in 0..50 {
        let word = format!("word {i}");
        client.send(format!("{:x}\r\n{word}\r\n", word.len()));
        let mut back = Vec::new();
        while back.len() < word.len() {
            back.extend(client.chunk(&mut Vec::new()).expect("an echo"));
        }
        assert_eq!(String::from_utf8(back).unwrap(), word);
    }
    client.send("0\r\n\r\n");
    assert_eq!(client.chunk(&mut Vec::new()), None);
}

#[test]
fn large_bodies_flow_both_ways_at_once() {
    const SIZE: u64 = 128 * MIB;
    // An app that reads and writes at the same time, neither waiting for the other.
    let backend = Backend::raw(|incoming| {
        let Some(request) = incoming.head() else {
            return;
        };
        if request.target == "/warm" {
            incoming.send(WARM);
            incoming.head();
        }
        let mut answer = incoming.stream.try_clone().unwrap();
        let answering = std::thread::spawn(move || {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
            answer.write_all(head.as_bytes()).unwrap();
            let mut sent = 0;
            while sent < SIZE {
                let piece = noise(sent, SIZE - sent);
                answer.write_all(piece).unwrap();
                sent += piece.len() as u64;
            }
        });
        let mut check = Check::default();
        let mut space = vec![0; PIECE];
        while check.seen < SIZE {
            let n = incoming.read(&mut space);
            assert!(n > 0, "cut off after {} bytes", check.seen);
            check.take(&space[..n]);
        }
        answering.join().unwrap();
    });
    let edge = edge(backend);
    let (mut client, before) = warm(&edge);
    let mut upload = client.stream.try_clone().unwrap();
    let uploading = std::thread::spawn(move || {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n");
        upload.write_all(head.as_bytes()).unwrap();
        let mut sent = 0;
        while sent < SIZE {
            let piece = noise(sent, SIZE - sent);
            upload.write_all(piece).unwrap();
            sent += piece.len() as u64;
        }
    });
    assert_eq!(read_noise(&mut client), SIZE);
    uploading.join().unwrap();
    let more = added(&edge.parvis, before);
    assert!(more < ADDED, "{more} bytes were added");
}
