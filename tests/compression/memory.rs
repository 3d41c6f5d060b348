//! Large answers cost little memory, however slowly their clients read.

use crate::bodies::digits;
use crate::stream::Stream;
use crate::support::{Backend, until};
use crate::{CODINGS, chunk, edge};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// An app that sends without end, digits that no coding makes much shorter than a half, and
/// counts what it could send. `/warm` is a short answer.
fn endless(sent: Arc<AtomicU64>, gone: Arc<AtomicU64>) -> Backend {
    let pieces: Vec<Vec<u8>> = (0..64).map(|i| chunk(&digits(65_536, i))).collect();
    let pieces = Arc::new(pieces);
    Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            // Held back means held back here, not by what the kernel takes.
            let socket = socket2::SockRef::from(&incoming.stream);
            socket.set_send_buffer_size(128 * 1024).unwrap();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
            incoming.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
            if request.target == "/warm" {
                incoming.send(&pieces[0]);
                incoming.send("0\r\n\r\n");
                continue;
            }
            for piece in pieces.iter().cycle() {
                if !incoming.send(piece) {
                    gone.fetch_add(1, Ordering::SeqCst);
                    return;
                }
                sent.fetch_add(piece.len() as u64, Ordering::SeqCst);
            }
        }
    })
}

/// Waits until the app could send nothing for a while.
fn stalled(sent: &AtomicU64) -> u64 {
    let mut last = (sent.load(Ordering::SeqCst), Instant::now());
    until("the app is held back", || {
        let now = sent.load(Ordering::SeqCst);
        if now != last.0 {
            last = (now, Instant::now());
        }
        (now > 0 && last.1.elapsed() > Duration::from_millis(500)).then_some(now)
    })
}

#[test]
fn a_slow_client_of_a_large_answer_costs_little_memory() {
    for coding in CODINGS {
        let (sent, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let edge = edge(endless(sent.clone(), gone.clone()));
        Stream::open_at(&edge, "/warm", coding).finish();
        let before = edge.parvis.memory();
        let mut streams: Vec<Stream> = (0..4).map(|_| Stream::open(&edge, coding)).collect();
        let first = stalled(&sent);
        // Something is read, and the app may send again as much as there is room for.
        for stream in &mut streams {
            stream.until(4 * MIB as usize);
        }
        stalled(&sent);
        let added = edge.parvis.peak_memory().saturating_sub(before);
        println!("{coding}: {added} bytes added, {first} bytes sent before the app was held back");
        assert!(added < 96 * MIB, "{coding}: {added} bytes for 4 clients");
        // The app is told when nobody listens any more.
        drop(streams);
        let all_gone = || (gone.load(Ordering::SeqCst) == 4).then_some(());
        until("the app's connections are closed", all_gone);
    }
}

#[test]
fn a_large_answer_passes_in_little_memory() {
    const SIZE: usize = 48 * MIB as usize;
    for coding in CODINGS {
        let (sent, gone) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let edge = edge(endless(sent, gone));
        Stream::open_at(&edge, "/warm", coding).finish();
        let before = edge.parvis.memory();
        let mut stream = Stream::open(&edge, coding);
        let mut seen = 0;
        while seen < SIZE {
            assert!(stream.more());
            seen += stream.decoded.len();
            stream.decoded.clear();
        }
        let added = edge.parvis.peak_memory().saturating_sub(before);
        println!("{coding}: {added} bytes added");
        assert!(added < 32 * MIB, "{coding}: {added} bytes were added");
    }
}
