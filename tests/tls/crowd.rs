//! Limits on connections: in all, and of one address.

use super::{folder, refused};
use crate::support::certificates::Authority;
use crate::support::programs::{run, said};
use crate::support::secure::{Secure, hello, plain, plain_from, trusting, until_closed};
use crate::support::{Client, Parvis, until};
use rustls::ClientConfig;
use std::io::Write;
use std::net::SocketAddr;
use std::process::Command;

struct House {
    authority: Authority,
    parvis: Parvis,
    config: ClientConfig,
}

/// A site on a plain listener (the first) and one with TLS (the second), with these limits.
fn house(limits: &str) -> House {
    let authority = Authority::new();
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    let listen = "\"127.0.0.1:0\", { address = \"127.0.0.3:0\", tls = true }";
    let configuration = format!(
        "[server.connections]\n{limits}\n{}",
        super::site_at(listen, "a", &["a.test"], "redirect = false")
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let config = trusting(&authority);
    House {
        authority,
        parvis,
        config,
    }
}

impl House {
    fn plain(&self) -> SocketAddr {
        self.parvis.listeners()[0]
    }

    fn secured(&self) -> SocketAddr {
        self.parvis.listeners()[1]
    }

    fn secure(&self) -> Secure {
        Secure::open(self.secured(), "a.test", &self.config)
    }

    /// Waits until every connection has gone.
    fn empty(&self) {
        until("all have gone", || {
            (self.parvis.metric("parvis_connections_open") == 0.0).then_some(())
        });
    }

    /// Waits until a new connection is served, and keeps it.
    fn until_served(&self) -> Client {
        until("there is room", || {
            let mut client = Client::connect(self.plain());
            // One that came too early is told so, or closed.
            let reply = client.try_get_from("a.test", "/")?;
            (reply.status == 200).then_some(client)
        })
    }
}

#[test]
fn one_address_has_no_more_than_its_share() {
    let house = house("per_address = 3");
    let mut inside: Vec<Client> = Vec::new();
    for _ in 0..2 {
        let mut client = Client::connect(house.plain());
        assert_eq!(client.get_from("a.test", "/").status, 200);
        inside.push(client);
    }
    let mut third = house.secure();
    assert_eq!(third.get("a.test", "/").text(), "a");
    // Without TLS a client can be told.
    let mut fourth = Client::connect(house.plain());
    let mut first = [0];
    assert_eq!(fourth.stream.peek(&mut first).unwrap(), 1);
    // It has not sent its request yet, and is not cut off while it does.
    fourth.send("GET / HTTP/1.1\r\nHost: a.test\r\n");
    fourth.send(format!("Cookie: {}\r\n\r\n", "c".repeat(20_000)));
    let reply = fourth.reply();
    assert_eq!(reply.status, 429);
    assert!(reply.field("retry-after").is_some());
    assert!(reply.text().contains("too many"), "{}", reply.text());
    assert_eq!(fourth.rest(), b"");
    // With TLS it is closed: to tell it would take a handshake.
    let mut socket = plain(house.secured()).unwrap();
    let _ = socket.write_all(&hello("a.test", &house.config));
    assert_eq!(until_closed(&mut socket), b"");
    until("both are counted", || {
        (refused(&house.parvis, "per_address") == 2.0).then_some(())
    });
    // Others are served, and so are those inside.
    let other = plain_from([127, 0, 0, 2], house.secured());
    let mut other = Secure::over(other, "a.test", &house.config).unwrap();
    assert_eq!(other.get("a.test", "/").text(), "a");
    for client in &mut inside {
        assert_eq!(client.get_from("a.test", "/").text(), "a");
    }
    // Who goes makes room.
    inside.pop();
    let mut again = house.until_served();
    assert_eq!(again.get_from("a.test", "/").text(), "a");
}

/// A proxy has the connections of many clients.
#[test]
fn a_trusted_proxy_is_no_client() {
    let house = house("per_address = 1\n[server]\ntrusted_proxies = [\"127.0.0.2\"]");
    let mut kept = Vec::new();
    for _ in 0..5 {
        let socket = plain_from([127, 0, 0, 2], house.secured());
        let mut client = Secure::over(socket, "a.test", &house.config).unwrap();
        assert_eq!(client.get("a.test", "/").text(), "a");
        kept.push(client);
    }
    assert_eq!(refused(&house.parvis, "per_address"), 0.0);
}

#[test]
fn when_the_house_is_full_everybody_is_told() {
    let house = house("max = 2");
    let ca = house.parvis.folder.write("ca.pem", &house.authority.pem);
    let mut first = house.secure();
    assert_eq!(first.get("a.test", "/").text(), "a");
    let mut second = Client::connect(house.plain());
    assert_eq!(second.get_from("a.test", "/").status, 200);
    // By plain HTTP.
    let mut client = Client::connect(house.plain());
    let reply = client.get_from("a.test", "/");
    assert_eq!(reply.status, 503, "{}", reply.head);
    assert!(reply.field("retry-after").is_some(), "{}", reply.head);
    // The reserve is for being told: nobody stays in it.
    assert_eq!(reply.field("connection").as_deref(), Some("close"));
    assert_eq!(client.rest(), b"");
    // Over TLS.
    let mut client = house.secure();
    let reply = client.get("a.test", "/");
    assert_eq!(reply.status, 503, "{}", reply.head);
    assert!(reply.field("retry-after").is_some(), "{}", reply.head);
    assert_eq!(client.rest().unwrap(), b"");
    // Over HTTP/2.
    let port = house.secured().port();
    let output = run(Command::new("curl")
        .args(["-sS", "-o", "/dev/null", "-D", "-", "--cacert"])
        .arg(&ca)
        .args(["--resolve", &format!("a.test:{port}:127.0.0.3")])
        .arg(format!("https://a.test:{port}/")));
    let told = said(&output).to_lowercase();
    assert!(told.starts_with("http/2 503"), "{told}");
    assert!(told.contains("retry-after: "), "{told}");
    assert_eq!(refused(&house.parvis, "full"), 3.0);
    // Those inside do not notice.
    assert_eq!(first.get("a.test", "/").text(), "a");
    assert_eq!(second.get_from("a.test", "/").text(), "a");
    drop(first);
    house.until_served();
}

#[test]
fn beyond_the_reserve_connections_are_closed() {
    let house = house("max = 2");
    let mut second = Client::connect(house.plain());
    assert_eq!(second.get_from("a.test", "/").status, 200);
    // Two, and the 64 of the reserve.
    let silent: Vec<_> = (0..65).map(|_| plain(house.plain()).unwrap()).collect();
    until("all are inside", || {
        (refused(&house.parvis, "full") == 64.0).then_some(())
    });
    for address in [house.plain(), house.secured()] {
        let mut socket = plain(address).unwrap();
        let _ = socket.write_all(&hello("a.test", &house.config));
        assert_eq!(until_closed(&mut socket), b"");
    }
    assert_eq!(refused(&house.parvis, "turned_away"), 2.0);
    assert_eq!(second.get_from("a.test", "/").text(), "a");
    drop(silent);
    house.until_served();
}

#[test]
fn seats_are_given_back() {
    let house = house("max = 12\nper_address = 12");
    let hello = hello("a.test", &house.config);
    let ca = house.parvis.folder.write("ca.pem", &house.authority.pem);
    for n in 0..1000 {
        // Who comes too early for the seat of who went is told so, which is a way to leave too.
        match n % 5 {
            0 => drop(plain(house.plain())),
            1 => drop(plain(house.secured())),
            2 => {
                let mut socket = plain(house.secured()).unwrap();
                let _ = socket.write_all(&hello[..hello.len() / 2]);
            }
            3 => {
                let mut client = Client::connect(house.plain());
                let _ = client.try_send("GET / HTTP/1.1\r\nHost: a.test\r\n\r\n");
            }
            _ => {
                let open = Secure::try_open(house.secured(), "a.test", &house.config);
                drop(open.and_then(|mut open| open.try_get("a.test", "/")));
            }
        }
        if n % 250 == 0 {
            let port = house.secured().port();
            run(Command::new("curl")
                .args(["-sS", "--cacert"])
                .arg(&ca)
                .args(["--resolve", &format!("a.test:{port}:127.0.0.3")])
                .arg(format!("https://a.test:{port}/")));
        }
    }
    house.empty();
    let counted = refused(&house.parvis, "full") + refused(&house.parvis, "per_address");
    let mut all: Vec<_> = (0..6).map(|_| Client::connect(house.plain())).collect();
    for client in &mut all {
        assert_eq!(client.get_from("a.test", "/").status, 200);
    }
    let mut more: Vec<_> = (0..6).map(|_| house.secure()).collect();
    for client in &mut more {
        assert_eq!(client.get("a.test", "/").status, 200);
    }
    let now = refused(&house.parvis, "full") + refused(&house.parvis, "per_address");
    assert_eq!(now, counted);
    let mut late = Client::connect(house.plain());
    assert_eq!(late.get_from("a.test", "/").status, 429);
}
