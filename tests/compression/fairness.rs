//! Nobody waits for another's compression.

use crate::bodies::Random;
use crate::support::{Backend, Client, until};
use crate::turns::Turn;
use crate::{Edge, coding, edge_in};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const LARGE: usize = 50_000_000;
const REQUESTS: usize = 400;
const ROUNDS: usize = 5;
/// The aim is 2 ms, of parvis as it is built for use, on a machine of its own. What is tested here
/// is that nothing waits for a whole answer, or a large piece of one, to be compressed.
const MOST: Duration = Duration::from_millis(15);

/// Rows as an API gives them: 50 MB of JSON.
fn rows() -> Vec<u8> {
    let mut random = Random::new(3);
    let mut json = Vec::with_capacity(LARGE + 200);
    json.push(b'[');
    while json.len() < LARGE {
        let number = random.next();
        let _ = write!(
            json,
            "{{\"id\":{},\"name\":\"row {}\",\"price\":{}.{:02},\"in_stock\":{},\"tags\":[\"a\",\"b\"]}},",
            number % 1_000_000,
            number % 977,
            number % 500,
            number % 100,
            number.is_multiple_of(3)
        );
    }
    json.truncate(LARGE - 1);
    json.push(b']');
    json
}

fn app() -> Backend {
    let large = Arc::new(rows());
    Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let sent = match request.target.as_str() {
                "/large" => {
                    incoming.send(format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {LARGE}\r\n\r\n"
                    )) && incoming.send(large.as_slice())
                }
                _ => incoming.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nsmall"),
            };
            if !sent {
                return;
            }
        }
    })
}

/// How long small requests take: the median, and the time that one in a hundred exceeds.
fn small_requests(clients: &mut [Client]) -> (Duration, Duration) {
    let count = clients.len();
    let mut times: Vec<Duration> = (0..REQUESTS)
        .map(|i| {
            // Not at the pace of parvis: requests fall on any moment of its work.
            std::thread::sleep(Duration::from_micros(500));
            let client = &mut clients[i % count];
            let start = Instant::now();
            assert_eq!(client.get("/small").text(), "small");
            start.elapsed()
        })
        .collect();
    times.sort();
    (times[REQUESTS / 2], times[REQUESTS - REQUESTS / 100])
}

/// Downloads again and again until it is told to end. Only counts: what is in it is for other
/// tests, and decoding it would take the machine from parvis.
fn download(address: SocketAddr, accepted: &str, ended: &AtomicBool, bytes: &AtomicU64) {
    let mut space = vec![0; 65_536];
    while !ended.load(Ordering::SeqCst) {
        let mut client = Client::connect(address);
        client.send(format!(
            "GET /large HTTP/1.1\r\nHost: test\r\nConnection: close\r\nAccept-Encoding: {accepted}\r\n\r\n"
        ));
        let head = client.head_only();
        assert_eq!(coding(&head), accepted);
        loop {
            let n = client.read(&mut space);
            if n == 0 || ended.load(Ordering::SeqCst) {
                break;
            }
            bytes.fetch_add(n as u64, Ordering::SeqCst);
        }
    }
}

/// How much longer small requests take while these downloads flow: the median, and the p99.
fn growth(edge: &Edge, clients: &mut [Client], downloads: &[&str]) -> (Duration, Duration) {
    let address = edge.parvis.address();
    let quiet = small_requests(clients);
    let (ended, bytes) = (AtomicBool::new(false), AtomicU64::new(0));
    let busy = std::thread::scope(|scope| {
        for accepted in downloads {
            scope.spawn(|| download(address, accepted, &ended, &bytes));
        }
        // Not before they flow.
        until("the downloads flow", || {
            (bytes.load(Ordering::SeqCst) > 100_000).then_some(())
        });
        let busy = small_requests(clients);
        ended.store(true, Ordering::SeqCst);
        busy
    });
    let encoded = bytes.load(Ordering::SeqCst);
    println!(
        "{downloads:?}: median {:?} -> {:?}, p99 {:?} -> {:?}, {encoded} encoded bytes",
        quiet.0, busy.0, quiet.1, busy.1
    );
    (
        busy.0.saturating_sub(quiet.0),
        busy.1.saturating_sub(quiet.1),
    )
}

#[test]
fn small_requests_do_not_wait_for_large_answers_to_be_compressed() {
    let edge = edge_in(Turn::alone(), app(), "", "", "");
    let mut clients: Vec<Client> = (0..8).map(|_| edge.parvis.client()).collect();
    small_requests(&mut clients);
    for downloads in [
        ["br"].as_slice(),
        &["gzip"],
        &["zstd"],
        &["br", "gzip", "zstd", "br"],
    ] {
        // The best round counts: what else the machine does makes a round only worse.
        let best = (0..ROUNDS).find_map(|_| {
            let grown = growth(&edge, &mut clients, downloads);
            (grown.1 < MOST).then_some(grown)
        });
        assert!(best.is_some(), "{downloads:?}: the p99 grew too much");
    }
}
