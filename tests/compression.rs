//! Compression: in which coding, of which answers, when it reaches the client, and that what is
//! decoded is what the app sent.

mod support;

#[path = "compression/bodies.rs"]
mod bodies;
#[path = "compression/broken_off.rs"]
mod broken_off;
#[path = "compression/clients.rs"]
mod clients;
#[path = "compression/connections.rs"]
mod connections;
#[path = "compression/counts.rs"]
mod counts;
#[path = "compression/cross_site.rs"]
mod cross_site;
#[path = "compression/decode.rs"]
mod decode;
#[path = "compression/fairness.rs"]
mod fairness;
#[path = "compression/fields.rs"]
mod fields;
#[path = "compression/memory.rs"]
mod memory;
#[path = "compression/mistakes.rs"]
mod mistakes;
#[path = "compression/negotiation.rs"]
mod negotiation;
#[path = "compression/policy.rs"]
mod policy;
#[path = "compression/repeated.rs"]
mod repeated;
#[path = "compression/round_trips.rs"]
mod round_trips;
#[path = "compression/stream.rs"]
mod stream;
#[path = "compression/streaming.rs"]
mod streaming;
#[path = "compression/together.rs"]
mod together;
#[path = "compression/turns.rs"]
mod turns;
#[path = "compression/validators.rs"]
mod validators;

use bodies::page;
use decode::decode;
use support::backend::Request;
use support::{Backend, Client, Parvis, Reply};
use turns::Turn;

/// Every coding there is.
const CODINGS: [&str; 3] = ["br", "zstd", "gzip"];

/// What browsers accept.
const BROWSER: &str = "Accept-Encoding: gzip, deflate, br, zstd\r\n";

/// How long the obedient app's answers are unless the request says otherwise: long enough to be
/// compressed, and each coding makes it shorter.
const LENGTH: usize = 20_000;

/// parvis before one app.
struct Edge {
    parvis: Parvis,
    backend: Backend,
    _turn: Turn,
}

/// Every request goes to `backend`; compression is what it is by default.
fn edge(backend: Backend) -> Edge {
    edge_with(backend, "", "", "")
}

/// The same with these lines at the top, in the site and in the route.
fn edge_with(backend: Backend, top: &str, site: &str, route: &str) -> Edge {
    edge_in(Turn::together(), backend, top, site, route)
}

/// The same in a turn that the test has taken.
fn edge_in(turn: Turn, backend: Backend, top: &str, site: &str, route: &str) -> Edge {
    let parvis = Parvis::start(&format!(
        "{top}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n{site}\n\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n{route}\n",
        backend.address()
    ));
    Edge {
        parvis,
        backend,
        _turn: turn,
    }
}

/// An app that answers as the request tells it. `X-Say` has the status and then the fields, parted
/// by `|`; `X-Size` is the length of the [`page`] that it answers with. `X-Frame` tells how that
/// ends: by its length, as `chunked`, or by `close`.
fn obedient() -> Backend {
    Backend::raw(|incoming| {
        while let Some(request) = incoming.request() {
            let frame = request.field("x-frame");
            if !incoming.send(obeyed(&request)) || frame.as_deref() == Some("close") {
                return;
            }
        }
    })
}

fn obeyed(request: &Request) -> Vec<u8> {
    let say = request.field("x-say");
    let say = say.as_deref().unwrap_or("200 OK|Content-Type: text/html");
    let size = request.field("x-size");
    let body = page(size.map_or(LENGTH, |size| size.parse().unwrap()));
    let mut head = format!("HTTP/1.1 {}\r\n", say.replace('|', "\r\n"));
    let bodiless = ["204", "304"].iter().any(|status| say.starts_with(status));
    if bodiless {
        return (head + "\r\n").into_bytes();
    }
    let frame = request.field("x-frame");
    match frame.as_deref() {
        Some("chunked") => head.push_str("Transfer-Encoding: chunked\r\n\r\n"),
        Some("close") => head.push_str("Connection: close\r\n\r\n"),
        _ => head.push_str(&format!("Content-Length: {}\r\n\r\n", body.len())),
    }
    let mut answer = head.into_bytes();
    match frame.as_deref() {
        _ if request.method == "HEAD" => {}
        Some("chunked") => {
            for piece in body.chunks(7_001) {
                answer.extend(chunk(piece));
            }
            answer.extend(b"0\r\n\r\n");
        }
        _ => answer.extend(body),
    }
    answer
}

/// A piece of a body with its frame.
fn chunk(piece: &[u8]) -> Vec<u8> {
    [
        format!("{:x}\r\n", piece.len()).as_bytes(),
        piece,
        b"\r\n".as_slice(),
    ]
    .concat()
}

/// What the obedient app says to a request with these fields, on a connection of its own.
fn say(edge: &Edge, say: &str, fields: &str) -> Reply {
    ask(&mut edge.parvis.client(), "GET", "/", say, fields)
}

/// The same on a connection that is there already.
fn ask(client: &mut Client, method: &str, path: &str, say: &str, fields: &str) -> Reply {
    client.request(method, path, &format!("X-Say: {say}\r\n{fields}"), b"")
}

/// The coding of an answer; `identity` when it has none.
fn coding(reply: &Reply) -> String {
    let mut all = reply.all("content-encoding");
    assert!(all.len() < 2, "encoded twice: {}", reply.head);
    all.pop().unwrap_or_else(|| "identity".to_string())
}

/// The body of an answer as the app sent it.
fn decoded(reply: &Reply) -> Vec<u8> {
    decode(&coding(reply), &reply.body)
}

/// The names in `Vary`, in small letters, sorted.
fn vary(reply: &Reply) -> Vec<String> {
    let all = reply.all("vary").join(",").to_ascii_lowercase();
    let mut names: Vec<String> = all
        .split(',')
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort();
    names
}

/// Whether a body is right; too long to be shown when it is not.
fn same(what: &str, found: &[u8], sent: &[u8]) {
    let differs = found.iter().zip(sent).position(|(a, b)| a != b);
    assert!(
        found == sent,
        "{what}: {} bytes instead of {}, the first other one at {differs:?}",
        found.len(),
        sent.len()
    );
}
