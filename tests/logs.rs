//! The access log and the warnings: what is in a line, where it goes, what never appears, and
//! that no log holds up a request.

mod support;

#[path = "logs/combined.rs"]
mod combined;
#[path = "logs/destinations.rs"]
mod destinations;
#[path = "logs/events.rs"]
mod events;
#[path = "logs/objects.rs"]
mod objects;
#[path = "logs/secrets.rs"]
mod secrets;
#[path = "logs/stuck.rs"]
mod stuck;

use serde_json::Value;
use std::time::SystemTime;
use support::{Backend, Parvis, until};

/// A parvis with this `[log]`, passing everything to `backend`.
fn logging(log: &str, backend: &Backend) -> Parvis {
    Parvis::start(&configuration(log, backend))
}

fn configuration(log: &str, backend: &Backend) -> String {
    format!(
        "[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n[log]\n{log}\n\
         [upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"shop\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/own\"\nrespond = {{ body = \"own\" }}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    )
}

const TO_FILE: &str = "access = \"@DIR/access.log\"";

/// The lines of a log, once there are `count` of them.
fn lines(parvis: &Parvis, name: &str, count: usize) -> Vec<String> {
    let path = parvis.folder.join(name);
    until(&format!("{name} has {count} lines"), || {
        let bytes = std::fs::read(&path).unwrap_or_default();
        let text = String::from_utf8(bytes).expect("the log is UTF-8");
        let whole = text.ends_with('\n') && text.lines().count() >= count;
        whole.then(|| text.lines().map(str::to_string).collect())
    })
}

fn json(parvis: &Parvis, count: usize) -> Vec<Value> {
    let parsed = |line: String| {
        let value: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(value.is_object(), "{line}");
        value
    };
    let all: Vec<Value> = lines(parvis, "access.log", count)
        .into_iter()
        .map(parsed)
        .collect();
    assert_eq!(all.len(), count, "{all:?}");
    all
}

/// Milliseconds since the Unix epoch of `2026-11-21T12:00:00.123Z`, exactly in that form.
fn rfc3339(text: &str) -> u128 {
    let bytes = text.as_bytes();
    let form = "dddd-dd-ddTdd:dd:dd.dddZ".bytes();
    assert_eq!(bytes.len(), 24, "{text}");
    for (byte, form) in bytes.iter().zip(form) {
        let fits = if form == b'd' {
            byte.is_ascii_digit()
        } else {
            *byte == form
        };
        assert!(fits, "{text}");
    }
    let part = |at: usize, n: usize| text[at..at + n].parse::<u128>().unwrap();
    let seconds = seconds(
        part(0, 4),
        part(5, 2),
        part(8, 2),
        part(11, 2),
        part(14, 2),
        part(17, 2),
    );
    seconds * 1000 + part(20, 3)
}

fn seconds(year: u128, month: u128, day: u128, hour: u128, minute: u128, second: u128) -> u128 {
    let leap = |y: u128| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
    let lengths = [
        31,
        28 + u128::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    assert!((1..=12).contains(&month) && hour < 24 && minute < 60 && second < 60);
    assert!(day >= 1 && day <= lengths[month as usize - 1]);
    let years: u128 = (1970..year).map(|y| 365 + u128::from(leap(y))).sum();
    let months: u128 = lengths[..month as usize - 1].iter().sum();
    (((years + months + day - 1) * 24 + hour) * 60 + minute) * 60 + second
}

fn now() -> u128 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_millis()
}

/// Sends bytes on a connection of its own and reads to its end: the answer and its bytes.
fn exchange(parvis: &Parvis, bytes: &[u8]) -> Vec<u8> {
    let mut client = parvis.client();
    let _ = client.try_send(bytes);
    client.rest()
}

/// A parvis that answers everything itself.
fn answering(log: &str) -> Parvis {
    Parvis::start(&format!(
        "[log]\n{log}\n[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ body = \"own\" }}\n"
    ))
}

/// Requests that are served, with everything in them that a client may send.
fn hostile() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = Vec::new();
    let served = |b: &u8| !matches!(b, 0..=8 | 10..=31 | 127);
    let any: Vec<u8> = (0..=255u8).filter(served).collect();
    for byte in &any {
        let value = [b"a", [*byte].as_slice(), b"b"].concat();
        let head = b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: ".as_slice();
        all.push([head, &value, b"\r\nReferer: ", &value, b"\r\n\r\n"].concat());
    }
    for path in [
        "/\"}\\",
        "/{}",
        "/é\u{2028}\u{feff}\u{202e}",
        "/?\u{10ffff}",
        "/%22%0a%ff?%22%0a%00%ff",
        "/\\x22\\n\\u0022",
        "/?a=\\&b='`",
        "/,]",
        "/$(x)\\",
    ] {
        all.push(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n").into_bytes());
    }
    all.push(
        [
            b"GET / HTTP/1.1\r\nHost: test\r\nUser-Agent: ",
            any.as_slice(),
            b"\r\n\r\n",
        ]
        .concat(),
    );
    all
}
