//! HTTP without TLS: where clients are sent, and what becomes of who speaks it in the wrong place.

use super::{failures, folder, one, says};
use crate::support::certificates::Authority;
use crate::support::held::Held;
use crate::support::secure::{Secure, plain, trusting};
use crate::support::{Client, Parvis, Reply, until};
use std::io::{Read, Write};

struct Both {
    authority: Authority,
    parvis: Parvis,
    /// The port of TLS, as the configuration has it.
    port: u16,
    _held: Held,
}

/// A site with both, with more in its `tls`.
fn both(tls: &str) -> Both {
    let held = Held::new();
    let port = held.address().port();
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign(&["a.test", "*.a.test"]))]);
    let listen = format!("\"127.0.0.1:0\", {{ address = \"127.0.0.1:{port}\", tls = true }}");
    let configuration = super::site_at(&listen, "a", &["a.test", "*.a.test"], tls).replace(
        "[site.tls]",
        "headers = { security = \"strict\" }\n[site.tls]",
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Both {
        authority,
        parvis,
        port,
        _held: held,
    }
}

impl Both {
    fn plain(&self, method: &str, host: &str, target: &str) -> Reply {
        let mut client = self.parvis.client();
        client.send(format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ));
        match method {
            "HEAD" => client.head_only(),
            _ => client.reply(),
        }
    }

    fn secure(&self, host: &str, path: &str) -> Reply {
        let at = self.parvis.listeners()[1];
        Secure::open(at, host, &trusting(&self.authority)).get(host, path)
    }
}

#[test]
fn plain_http_is_sent_to_https() {
    let both = both("");
    let port = both.port;
    for (method, host, target, to) in [
        ("GET", "a.test", "/", "a.test:PORT/"),
        (
            "GET",
            "a.test:8080",
            "/x/y?q=1%20&z",
            "a.test:PORT/x/y?q=1%20&z",
        ),
        (
            "POST",
            "b.a.test",
            "/%2e%2e//x?",
            "b.a.test:PORT/%2e%2e//x?",
        ),
        ("HEAD", "a.test", "/a?b", "a.test:PORT/a?b"),
        ("OPTIONS", "a.test", "*", "a.test:PORT/"),
        // Challenges that nobody ordered are no exception.
        (
            "GET",
            "a.test",
            "/.well-known/acme-challenge/token",
            "a.test:PORT/.well-known/acme-challenge/token",
        ),
    ] {
        let reply = both.plain(method, host, target);
        assert_eq!(reply.status, 308, "{method} {target}: {}", reply.head);
        let to = format!("https://{}", to.replace("PORT", &port.to_string()));
        assert_eq!(reply.field("location"), Some(to));
    }
    let unknown = both.plain("GET", "nobody.test", "/");
    assert_eq!(unknown.status, 404);
    assert_eq!(unknown.field("location"), None);
    let reply = both.secure("a.test", "/");
    assert_eq!((reply.status, reply.text().as_str()), (200, "a"));
}

#[test]
fn hsts_is_told_over_tls_alone() {
    const HSTS: &str = "strict-transport-security";
    for (tls, status) in [("", 308), ("redirect = false", 200)] {
        let both = both(tls);
        let plain = both.plain("GET", "a.test", "/");
        assert_eq!(plain.status, status);
        assert_eq!(plain.field(HSTS), None, "{}", plain.head);
        let secure = both.secure("a.test", "/");
        let told = secure
            .field(HSTS)
            .unwrap_or_else(|| panic!("{}", secure.head));
        assert!(told.starts_with("max-age="), "{told}");
        let misdirected = both.secure("a.test", "/nothing");
        assert!(misdirected.field(HSTS).is_some());
    }
}

#[test]
fn a_site_may_be_served_in_both_ways() {
    let both = both("redirect = false");
    let reply = both.plain("GET", "a.test", "/?q");
    assert_eq!((reply.status, reply.text().as_str()), (200, "a"));
    assert_eq!(both.secure("a.test", "/").text(), "a");
}

#[test]
fn who_forgets_the_s_is_told() {
    let (authority, parvis) = one();
    for n in 0..3 {
        let mut client = Client::connect(parvis.address());
        client.send("GET / HTTP/1.1\r\n");
        let mut first = [0];
        assert_eq!(client.stream.peek(&mut first).unwrap(), 1);
        // What else comes must not make the kernel throw the answer away.
        for _ in 0..50 {
            client.send("Cookie: ".to_string() + &"c".repeat(2000) + "\r\n");
        }
        let reply = client.reply();
        assert_eq!(reply.status, 400);
        assert!(reply.text().contains("https://"), "{}", reply.text());
        assert_eq!(reply.field("connection").as_deref(), Some("close"));
        // Its length is right, and nothing follows.
        assert_eq!(client.rest(), b"", "{n}");
    }
    until("they are counted", || {
        (failures(&parvis, "plain_http") == 3.0).then_some(())
    });
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
}

#[test]
fn rubbish_is_closed_and_counted() {
    let (authority, parvis) = one();
    let mut rubbish: Vec<(Vec<u8>, &str)> = vec![
        (b"\x00\x01\x02\x03 something".to_vec(), "no_tls"),
        (b"ssh-2.0-client\r\n".to_vec(), "no_tls"),
        // Records that hold no hello: of a strange version, too long, of another kind.
        (b"\x16\x03\x01\xff\xff\x01".to_vec(), "protocol"),
        (
            b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00".to_vec(),
            "protocol",
        ),
        (b"\x16\x03\x01\x00\x00".to_vec(), "protocol"),
        // A hello that is cut off by its own lengths.
        (
            b"\x16\x03\x01\x00\x09\x01\x00\x00\x05\x03\x03\x00\x00\x00".to_vec(),
            "protocol",
        ),
    ];
    rubbish.push((
        [&b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4"[..], &[0x55; 196]].concat(),
        "protocol",
    ));
    for (bytes, reason) in rubbish {
        let before = failures(&parvis, reason);
        let mut socket = plain(parvis.address()).unwrap();
        socket.write_all(&bytes).unwrap();
        let mut said = Vec::new();
        // A reset is an end too.
        let _ = socket.read_to_end(&mut said);
        assert!(said.is_empty() || said[0] == 21, "{said:02x?}");
        until(&format!("{bytes:02x?} is counted"), || {
            (failures(&parvis, reason) == before + 1.0).then_some(())
        });
    }
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
}

/// Who looks whether the port is open has not failed.
#[test]
fn a_look_at_the_port_is_no_failure() {
    let (authority, parvis) = one();
    for _ in 0..5 {
        drop(plain(parvis.address()).unwrap());
    }
    assert_eq!(says(&parvis, &authority, "a.test"), "a");
    until("they have gone", || {
        (parvis.metric("parvis_connections_open") == 0.0).then_some(())
    });
    let metrics = parvis.admin_request("GET", "/metrics", "").text();
    assert!(
        !metrics.contains("parvis_tls_handshake_failures_total{"),
        "{metrics}"
    );
}
