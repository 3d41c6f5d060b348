//! What is decoded is what the app sent: all lengths, all codings, however the app cuts it.

use crate::bodies::{Random, noise, prose};
use crate::support::Backend;
use crate::{CODINGS, chunk, coding, decode, edge, same};
use std::sync::Arc;
use std::time::Duration;

const KIB: usize = 1024;

/// The lengths around which something changes: nothing, `min_length`, 64 KiB; and a large one.
pub const LENGTHS: [usize; 7] = [
    0,
    799,
    800,
    64 * KIB - 1,
    64 * KIB,
    64 * KIB + 1,
    10 * KIB * KIB,
];

/// The body of `/text/800` or `/noise/800`.
pub fn body_of(target: &str) -> Vec<u8> {
    let mut parts = target.trim_start_matches('/').split('/');
    let kind = parts.next().unwrap();
    let length = parts.next().unwrap().parse().unwrap();
    match kind {
        "text" => prose(length, length as u64),
        "noise" => noise(length, length as u64),
        _ => panic!("what is {target}?"),
    }
}

/// An app with these bodies, ended as `X-Frame` says.
pub fn bodies() -> Backend {
    let paths = LENGTHS.map(|length| [format!("/text/{length}"), format!("/noise/{length}")]);
    let bodies: Vec<(String, Vec<u8>)> = paths
        .concat()
        .into_iter()
        .map(|path| (path.clone(), body_of(&path)))
        .collect();
    let bodies = Arc::new(bodies);
    Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let known = bodies.iter().find(|(path, _)| *path == request.target);
            let body = &known.expect("no such body").1;
            incoming.send("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n");
            match request.field("x-frame").as_deref() {
                Some("chunked") => {
                    incoming.send("Transfer-Encoding: chunked\r\n\r\n");
                    for piece in body.chunks(100_003) {
                        incoming.send(chunk(piece));
                    }
                    incoming.send("0\r\n\r\n");
                }
                Some("close") => {
                    incoming.send("Connection: close\r\n\r\n");
                    incoming.send(body);
                    return;
                }
                _ => {
                    incoming.send(format!("Content-Length: {}\r\n\r\n", body.len()));
                    incoming.send(body);
                }
            }
        }
    })
}

fn come_back(kind: &str) {
    let edge = edge(bodies());
    let mut client = edge.parvis.client();
    for length in LENGTHS {
        let path = format!("/{kind}/{length}");
        let sent = body_of(&path);
        for accepted in ["br", "zstd", "gzip", "identity"] {
            for frame in ["length", "chunked", "close"] {
                let what = format!("{path} {accepted} {frame}");
                let fields = format!("Accept-Encoding: {accepted}\r\nX-Frame: {frame}\r\n");
                let reply = client.request("GET", &path, &fields, b"");
                let found = coding(&reply);
                assert!(found == accepted || found == "identity", "{what}: {found}");
                if length >= 800 {
                    assert_eq!(found, accepted, "{what}");
                }
                same(&what, &decode(&found, &reply.body), &sent);
                // What does not shrink must not grow much either.
                let most = length + length / 1_000 + 1_000;
                assert!(reply.body.len() <= most, "{what}: {}", reply.body.len());
            }
        }
    }
}

#[test]
fn text_of_every_length_comes_back() {
    come_back("text");
}

#[test]
fn noise_of_every_length_comes_back() {
    come_back("noise");
}

/// A body, and how an app sends it: everything follows from the seed.
struct Plan {
    body: Vec<u8>,
    /// Lengths of the pieces, and how long the app pauses before each.
    pieces: Vec<(usize, Duration)>,
    chunked: bool,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        // As many short bodies as long ones.
        let most = 1 << random.below(19);
        let length = random.below(most + 1);
        let body = match random.below(4) {
            0 => noise(length, seed),
            // Text and noise by turns, as in a page with pictures within.
            1 => {
                let mut mixed = Vec::new();
                while mixed.len() < length {
                    let n = 1 + random.below(9_000);
                    let text = random.below(2) == 0;
                    mixed.extend(if text {
                        prose(n, n as u64)
                    } else {
                        noise(n, n as u64)
                    });
                }
                mixed.truncate(length);
                mixed
            }
            2 => vec![b'a'; length],
            _ => prose(length, seed),
        };
        let largest = 1 << random.below(18);
        // A hundred pauses at most, or the test would take for ever.
        let pausing = random.below(2) == 0 && length / largest < 50;
        let mut pieces = Vec::new();
        let mut left = length;
        while left > 0 {
            // No piece by piece of a few bytes for a long body.
            let n = (1 + random.below(largest)).max(length / 2_000).min(left);
            let pause = match pausing {
                true => Duration::from_micros(random.below(5_001) as u64),
                false => Duration::ZERO,
            };
            pieces.push((n, pause));
            left -= n;
        }
        Plan {
            body,
            pieces,
            chunked: random.below(3) > 0,
        }
    }
}

/// An app that carries out the plan with the number in the path.
fn planned() -> Backend {
    Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let plan = Plan::new(request.target[1..].parse().unwrap());
            incoming.send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
            incoming.send(match plan.chunked {
                true => "Transfer-Encoding: chunked\r\n\r\n".to_string(),
                false => format!("Content-Length: {}\r\n\r\n", plan.body.len()),
            });
            let mut rest = plan.body.as_slice();
            for (length, pause) in plan.pieces {
                if !pause.is_zero() {
                    std::thread::sleep(pause);
                }
                let (piece, after) = rest.split_at(length);
                rest = after;
                let sent = match plan.chunked {
                    true => incoming.send(chunk(piece)),
                    false => incoming.send(piece),
                };
                if !sent {
                    return;
                }
            }
            if plan.chunked {
                incoming.send("0\r\n\r\n");
            }
        }
    })
}

#[test]
fn every_body_comes_back_however_the_app_cuts_it() {
    let edge = edge(planned());
    // The same plans in every coding, each on a connection of its own.
    let address = edge.parvis.address();
    let fetching = CODINGS.map(|accepted| {
        std::thread::spawn(move || {
            let mut client = crate::Client::connect(address);
            for seed in 0..150 {
                let fields = format!("Accept-Encoding: {accepted}\r\n");
                let reply = client.request("GET", &format!("/{seed}"), &fields, b"");
                let sent = Plan::new(seed).body;
                let found = coding(&reply);
                let short = sent.len() < 800 && found == "identity";
                assert!(found == accepted || short, "{seed}: {found}");
                let what = format!("plan {seed} in {accepted}");
                same(&what, &decode(&found, &reply.body), &sent);
            }
        })
    });
    for one in fetching {
        one.join().unwrap();
    }
}

/// Every point at which the app's bytes can be parted, head and chunks included.
#[test]
fn an_answer_comes_back_wherever_it_is_parted() {
    let body = prose(1_200, 7);
    let answer = {
        let mut bytes = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n".to_vec();
        bytes.extend(b"Transfer-Encoding: chunked\r\n\r\n");
        body.chunks(300)
            .for_each(|piece| bytes.extend(chunk(piece)));
        bytes.extend(b"0\r\n\r\n");
        bytes
    };
    let length = answer.len();
    let edge = edge(Backend::raw(move |incoming| {
        while let Some(request) = incoming.request() {
            let (first, second) = answer.split_at(request.target[1..].parse().unwrap());
            incoming.send(first);
            // Long enough for parvis to read what there is, mostly; right either way.
            std::thread::sleep(Duration::from_millis(1));
            incoming.send(second);
        }
    }));
    let mut client = edge.parvis.client();
    for cut in 1..length {
        let accepted = CODINGS[cut % CODINGS.len()];
        let fields = format!("Accept-Encoding: {accepted}\r\n");
        let reply = client.request("GET", &format!("/{cut}"), &fields, b"");
        let what = format!("parted at {cut} in {accepted}");
        assert_eq!(coding(&reply), accepted, "{what}");
        same(&what, &decode(accepted, &reply.body), &body);
    }
}
