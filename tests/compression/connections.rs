//! Connections: kept alive, pipelined, with HEAD in between; trailers, interim answers, upgrades.

use crate::bodies::{Random, page};
use crate::support::{Backend, Client};
use crate::{BROWSER, CODINGS, ask, chunk, coding, decode, decoded, edge, obedient, same};

const ACCEPTED: [&str; 6] = ["br", "zstd", "gzip", "identity", "", "gzip;q=0.5, zstd"];
const EXPECTED: [&str; 6] = ["br", "zstd", "gzip", "identity", "identity", "zstd"];
const HTML: &str = "200 OK|Content-Type: text/html";

/// One of many requests on a connection.
struct Asked {
    method: &'static str,
    say: &'static str,
    size: usize,
    frame: &'static str,
    accepted: usize,
}

impl Asked {
    fn new(random: &mut Random) -> Self {
        Asked {
            method: random.pick(&["GET", "GET", "GET", "HEAD", "POST"]),
            say: random.pick(&[
                HTML,
                HTML,
                "200 OK|Content-Type: image/png",
                "304 Not Modified",
                "204 No Content",
                "404 Not Found|Content-Type: text/plain",
            ]),
            size: random.pick(&[0, 1, 799, 800, 5_000, 70_000]),
            frame: random.pick(&["length", "chunked"]),
            accepted: random.below(ACCEPTED.len()),
        }
    }

    fn fields(&self) -> String {
        format!(
            "X-Size: {}\r\nX-Frame: {}\r\nAccept-Encoding: {}\r\n",
            self.size, self.frame, ACCEPTED[self.accepted]
        )
    }

    fn send(&self, client: &mut Client) {
        let length = match self.method {
            "POST" => "Content-Length: 4\r\n\r\nbody",
            _ => "\r\n",
        };
        client.send(format!(
            "{} / HTTP/1.1\r\nHost: test\r\nX-Say: {}\r\n{}{length}",
            self.method,
            self.say,
            self.fields()
        ));
    }

    fn check(&self, client: &mut Client) {
        let what = format!("{} {} {}", self.method, self.say, self.fields());
        if self.method == "HEAD" {
            let head = client.head_only();
            assert!(self.say.starts_with(&head.status.to_string()), "{what}");
            return;
        }
        let reply = client.reply();
        assert!(self.say.starts_with(&reply.status.to_string()), "{what}");
        let bodiless = matches!(reply.status, 204 | 304);
        let sent = if bodiless {
            Vec::new()
        } else {
            page(self.size)
        };
        same(&what, &decoded(&reply), &sent);
        if !bodiless && self.say.contains("text/") && self.size >= 800 {
            assert_eq!(coding(&reply), EXPECTED[self.accepted], "{what}");
        }
        if self.say.contains("png") {
            assert_eq!(coding(&reply), "identity", "{what}");
        }
    }
}

#[test]
fn all_codings_and_methods_share_one_connection() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    let mut random = Random::new(1);
    for _ in 0..300 {
        let asked = Asked::new(&mut random);
        asked.send(&mut client);
        asked.check(&mut client);
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let edge = edge(obedient());
    let mut random = Random::new(2);
    for _ in 0..10 {
        let mut client = edge.parvis.client();
        let asked: Vec<Asked> = (0..12).map(|_| Asked::new(&mut random)).collect();
        for one in &asked {
            one.send(&mut client);
        }
        for one in &asked {
            one.check(&mut client);
        }
    }
}

#[test]
fn connections_to_the_app_are_kept_after_encoded_answers() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    for i in 0..30 {
        let frame = ["length", "chunked"][i % 2];
        let fields = format!("{BROWSER}X-Frame: {frame}\r\n");
        let reply = ask(&mut client, "GET", "/", HTML, &fields);
        assert_eq!(coding(&reply), "br");
    }
    assert_eq!(edge.backend.connections(), 1);
}

#[test]
fn a_client_that_asks_to_close_gets_the_whole_answer() {
    let edge = edge(obedient());
    for accepted in CODINGS {
        let mut client = edge.parvis.client();
        let fields = format!("Accept-Encoding: {accepted}\r\nConnection: close\r\n");
        let reply = ask(&mut client, "GET", "/", HTML, &fields);
        same(accepted, &decode(accepted, &reply.body), &page(20_000));
        assert!(client.is_closed());
    }
}

/// A browser that goes away in the middle of a page, again and again.
#[test]
fn clients_that_go_away_do_no_harm() {
    let edge = edge(obedient());
    for i in 0..150 {
        let accepted = CODINGS[i % CODINGS.len()];
        let mut client = edge.parvis.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: test\r\nX-Size: 1000000\r\nAccept-Encoding: {accepted}\r\n\r\n"
        ));
        if i % 2 == 0 {
            client.head_only();
        }
        drop(client);
    }
    let reply = ask(&mut edge.parvis.client(), "GET", "/", HTML, BROWSER);
    same("afterwards", &decoded(&reply), &page(20_000));
}

#[test]
fn trailers_come_after_an_encoded_answer() {
    let edge = edge(Backend::http(|_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\
                    Trailer: X-Checksum\r\n\r\n";
        let mut answer = head.as_bytes().to_vec();
        for piece in page(20_000).chunks(3_000) {
            answer.extend(chunk(piece));
        }
        answer.extend(b"0\r\nX-Checksum: 7\r\nServer-Timing: db;dur=1\r\n\r\n");
        answer
    }));
    let mut client = edge.parvis.client();
    for accepted in CODINGS {
        for _ in 0..3 {
            let fields =
                format!("TE: trailers\r\nConnection: TE\r\nAccept-Encoding: {accepted}\r\n");
            let reply = client.request("GET", "/", &fields, b"");
            assert_eq!(coding(&reply), accepted);
            same(accepted, &decoded(&reply), &page(20_000));
            assert_eq!(
                reply.trailers,
                [
                    ("X-Checksum".to_string(), "7".to_string()),
                    ("Server-Timing".to_string(), "db;dur=1".to_string()),
                ]
            );
        }
    }
}

#[test]
fn interim_answers_pass_before_an_encoded_one() {
    let edge = edge(Backend::http(|_| {
        let head = "HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n\
                    HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 20000\r\n\r\n";
        [head.as_bytes(), &page(20_000)].concat()
    }));
    let mut client = edge.parvis.client();
    for accepted in CODINGS {
        let fields = format!("Accept-Encoding: {accepted}\r\n");
        client.send(format!("GET / HTTP/1.1\r\nHost: test\r\n{fields}\r\n"));
        let interim = client.head_only();
        assert_eq!(
            (interim.status, coding(&interim).as_str()),
            (103, "identity")
        );
        assert_eq!(interim.field("vary"), None);
        let reply = client.reply();
        assert_eq!(coding(&reply), accepted);
        same(accepted, &decoded(&reply), &page(20_000));
    }
}

#[test]
fn an_upgraded_connection_is_untouched() {
    let edge = edge(Backend::raw(|app| {
        if app.request().is_none() {
            return;
        }
        app.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Content-Type: text/html\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
        let mut space = [0; 4096];
        loop {
            let n = app.read(&mut space);
            if n == 0 || !app.send(&space[..n]) {
                return;
            }
        }
    }));
    let mut client = edge.parvis.client();
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{BROWSER}\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ));
    let reply = client.reply();
    assert_eq!((reply.status, coding(&reply).as_str()), (101, "identity"));
    for name in ["vary", "transfer-encoding", "content-length"] {
        assert_eq!(reply.field(name), None, "{name}");
    }
    for size in [1, 800, 4_000, 100_000] {
        let sent = page(size);
        let mut writer = client.stream.try_clone().unwrap();
        let writing = std::thread::spawn({
            let sent = sent.clone();
            move || std::io::Write::write_all(&mut writer, &sent).unwrap()
        });
        same("echo", &client.exactly(size), &sent);
        writing.join().unwrap();
    }
}

/// What the app says instead of upgrading is an answer like any other.
#[test]
fn a_refused_upgrade_is_an_answer() {
    let edge = edge(obedient());
    let mut client = edge.parvis.client();
    let fields = format!(
        "Connection: Upgrade\r\nUpgrade: websocket\r\n{BROWSER}Sec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    );
    let say = "403 Forbidden|Content-Type: text/html";
    let reply = ask(&mut client, "GET", "/ws", say, &fields);
    assert_eq!(reply.status, 403);
    same("refused", &decoded(&reply), &page(20_000));
}
