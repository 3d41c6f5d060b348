//! The PROXY protocol before HTTP and before TLS: who the client is, and who may say so.

use super::{folder, refused};
use crate::support::certificates::Authority;
use crate::support::held::Held;
use crate::support::secure::{Secure, plain, plain_from, trusting, until_closed};
use crate::support::{Backend, Parvis, until};
use rusqlite::Connection;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Behind {
    authority: Authority,
    app: Backend,
    parvis: Parvis,
}

/// An app behind listeners that expect the protocol: a plain one (the first), and one with TLS.
fn behind(trusted: &str, top: &str) -> Behind {
    let authority = Authority::new();
    let app = Backend::http(|_| {
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3\r\n\r\napp".to_vec()
    });
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let listen = "{ address = \"127.0.0.1:0\", proxy_protocol = true }, \
        { address = \"127.0.0.3:0\", tls = true, proxy_protocol = true }";
    let site = super::app_at(listen, "a", app.address(), "redirect = false")
        .replace("[site.tls]", "visits = true\n[site.tls]");
    let configuration = format!(
        "{top}[server]\ntrusted_proxies = [\"{trusted}\"]\nthreads = 1\n\
         [log]\naccess = \"@DIR/access.log\"\nlevel = \"debug\"\n[visits]\nstore = \"@DIR/visits.sqlite\"\n{site}"
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Behind {
        authority,
        app,
        parvis,
    }
}

const REQUEST: &str = "GET /page HTTP/1.1\r\nHost: a.test\r\nAccept: text/html\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Connection: close\r\n\r\n";

/// A header of version 2 for a connection over TCP and IPv4, or of a balancer's own.
fn version_2(command: u8, source: Option<([u8; 4], u16)>) -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n".to_vec();
    header.push(0x20 | command);
    match source {
        Some((address, port)) => {
            header.extend([0x11, 0, 12]);
            header.extend(address);
            header.extend([127, 0, 0, 1]);
            header.extend(port.to_be_bytes());
            header.extend(443u16.to_be_bytes());
        }
        None => header.extend([0x00, 0, 0]),
    }
    header
}

impl Behind {
    /// A request behind this header: what the app saw of the client.
    fn ask(&self, header: &[u8], secured: bool) -> String {
        let before = self.app.requests().len();
        let reply = if secured {
            let mut socket = plain(self.parvis.listeners()[1]).unwrap();
            socket.write_all(header).unwrap();
            let config = trusting(&self.authority);
            let mut client = Secure::over(socket, "a.test", &config).unwrap();
            client.send(REQUEST);
            client.reply().unwrap()
        } else {
            let mut client = crate::support::Client::connect(self.parvis.address());
            // The request comes together with it.
            client.send([header, REQUEST.as_bytes()].concat());
            client.reply()
        };
        assert_eq!(reply.text(), "app");
        assert_eq!(self.app.requests().len(), before + 1);
        self.app.last().field("x-forwarded-for").unwrap()
    }

    fn refuses(&self, header: &[u8], reason: &str) {
        for address in self.parvis.listeners() {
            let before = refused(&self.parvis, reason);
            let mut socket = plain(*address).unwrap();
            socket.write_all(header).unwrap();
            assert_eq!(until_closed(&mut socket), b"", "{header:02x?}");
            until(&format!("{header:02x?} is counted as {reason}"), || {
                (refused(&self.parvis, reason) == before + 1.0).then_some(())
            });
        }
        assert!(self.app.requests().is_empty());
    }
}

#[test]
fn the_client_is_who_the_proxy_names() {
    let behind = behind("127.0.0.1", "");
    let mut expected = Vec::new();
    for secured in [false, true] {
        for (header, client) in [
            (
                &b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 443\r\n"[..],
                "198.51.100.7",
            ),
            (b"PROXY TCP6 2001:db8::7 ::1 40000 443\r\n", "2001:db8::7"),
            (
                &version_2(1, Some(([203, 0, 113, 9], 40001))),
                "203.0.113.9",
            ),
            // A balancer's own, and one that does not know: it is its own client.
            (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
            (
                b"PROXY UNKNOWN ffff:f...f:ffff ffff::1 65535 65535\r\n",
                "127.0.0.1",
            ),
            (&version_2(0, None), "127.0.0.1"),
            // One that is trusted says who is behind it.
            (b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 443\r\n", "127.0.0.1"),
        ] {
            assert_eq!(behind.ask(header, secured), client, "{header:02x?}");
            expected.push(client.to_string());
        }
    }
    let log = until("all are in the log", || {
        let log = behind.parvis.folder.read("access.log");
        (log.lines().count() >= expected.len()).then_some(log)
    });
    let logged: Vec<String> = log
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["client"].as_str().unwrap().to_string())
        .collect();
    assert_eq!(logged, expected);
    // Visits keep the network of an address only.
    let visits = until("all are recorded", || {
        let database = Connection::open(behind.parvis.folder.join("visits.sqlite")).ok()?;
        let mut query = database.prepare("SELECT address FROM visits").ok()?;
        let rows = query.query_map([], |row| row.get::<_, Option<String>>(0));
        let all: Vec<String> = rows.ok()?.flatten().flatten().collect();
        (all.len() >= expected.len()).then_some(all)
    });
    let count = |address: &str| visits.iter().filter(|own| *own == address).count();
    assert_eq!(count("198.51.100.0"), 2, "{visits:?}");
    assert_eq!(count("203.0.113.0"), 2, "{visits:?}");
}

#[test]
fn nobody_else_may_name_a_client() {
    let behind = behind("10.0.0.0/8", "");
    for header in [
        &b"PROXY TCP4 10.1.2.3 127.0.0.1 40000 443\r\n"[..],
        &version_2(1, Some(([10, 0, 0, 1], 4))),
        b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n",
    ] {
        behind.refuses(header, "proxy_protocol_untrusted");
    }
}

#[test]
fn what_is_no_header_is_refused() {
    let behind = behind("127.0.0.1", "");
    let mut long = b"PROXY TCP4 198.51.100.7 ".to_vec();
    long.resize(120, b'1');
    let mut short = version_2(1, Some(([10, 0, 0, 1], 4)));
    short[15] = 3;
    for header in [
        &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..],
        b"PROXY TCP4 198.51.100.7 127.0.0.1 40000\r\n",
        b"PROXY TCP4 198.51.100.777 127.0.0.1 40000 443\r\n",
        b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 70000\r\n",
        b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03 a hello of TLS",
        &long,
        &short,
        &version_2(5, Some(([10, 0, 0, 1], 4))),
    ] {
        behind.refuses(header, "proxy_protocol");
    }
    let log = behind.parvis.log();
    assert_eq!(log.matches("PROXY protocol is refused").count(), 16);
    assert!(log.contains("a broken port"), "{log}");
    assert_eq!(
        behind.ask(b"PROXY TCP4 198.51.100.7 127.0.0.1 40000 443\r\n", true),
        "198.51.100.7"
    );
}

#[test]
fn half_a_header_is_not_waited_for_long() {
    let top = "[server.connections]\nhandshake_timeout = \"300ms\"\n";
    let behind = behind("127.0.0.1", top);
    let whole = version_2(1, Some(([10, 0, 0, 1], 4)));
    for header in [&b""[..], b"PROX", &whole[..14], &whole[..20]] {
        let began = Instant::now();
        behind.refuses(header, "proxy_protocol_timeout");
        assert!(began.elapsed() >= Duration::from_millis(500));
    }
    // In pieces, it is a header.
    let mut socket = plain(behind.parvis.address()).unwrap();
    for byte in whole.iter().chain(REQUEST.as_bytes()) {
        socket.write_all(&[*byte]).unwrap();
    }
    let mut reply = String::new();
    socket.read_to_string(&mut reply).unwrap();
    assert!(reply.ends_with("app"), "{reply}");
    let told = behind.app.last().field("x-forwarded-for");
    assert_eq!(told.as_deref(), Some("10.0.0.1"));
}

/// Clients behind a proxy are counted one by one.
#[test]
fn limits_are_for_the_clients_that_are_named() {
    let behind = behind("127.0.0.1", "[server.connections]\nper_address = 1\n");
    let open = |client: &str| {
        let mut socket = plain(behind.parvis.address()).unwrap();
        let header = format!("PROXY TCP4 {client} 127.0.0.1 40000 443\r\n");
        socket.write_all(header.as_bytes()).unwrap();
        socket
            .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            .unwrap();
        let mut start = [0; 12];
        socket.read_exact(&mut start).unwrap();
        (socket, String::from_utf8(start.to_vec()).unwrap())
    };
    let first = open("198.51.100.7");
    assert_eq!(first.1, "HTTP/1.1 200");
    assert_eq!(open("198.51.100.7").1, "HTTP/1.1 429");
    let other = open("198.51.100.8");
    assert_eq!(other.1, "HTTP/1.1 200");
}

/// A real balancer.
struct Haproxy {
    child: Child,
    held: Held,
}

impl Haproxy {
    fn start(behind: &Behind, to: SocketAddr, send: &str) -> Haproxy {
        let held = Held::new();
        let text = format!(
            "defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n\
             frontend f\n  bind {}\n  default_backend b\nbackend b\n  server s {to} {send}\n",
            held.address()
        );
        let file = behind.parvis.folder.write("haproxy.cfg", &text);
        let log = std::fs::File::create(behind.parvis.folder.join("haproxy.log")).unwrap();
        let child = Command::new("haproxy")
            .args(["-db", "-f"])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|e| {
                panic!("haproxy: {e}: run `tests/run --install`, which installs it")
            });
        let mut haproxy = Haproxy { child, held };
        until("haproxy listens", || {
            if let Some(status) = haproxy.child.try_wait().unwrap() {
                panic!("{status}: {}", behind.parvis.folder.read("haproxy.log"));
            }
            TcpStream::connect(haproxy.held.address()).ok()
        });
        haproxy
    }
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn haproxy_is_understood() {
    for send in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options unique-id,crc32c",
    ] {
        let behind = behind("127.0.0.1", "");
        let haproxy = Haproxy::start(&behind, behind.parvis.listeners()[1], send);
        let socket = plain_from([127, 0, 0, 9], haproxy.held.address());
        let config = trusting(&behind.authority);
        let mut client = Secure::over(socket, "a.test", &config).unwrap();
        client.send(REQUEST);
        assert_eq!(client.reply().unwrap().text(), "app", "{send}");
        let told = behind.app.last().field("x-forwarded-for");
        assert_eq!(told.as_deref(), Some("127.0.0.9"), "{send}");
    }
}
