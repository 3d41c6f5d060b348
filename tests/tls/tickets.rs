//! Clients that come back: where their tickets are good, and where not.

use super::{SECURED, app_at, folder, one, one_with, site};
use crate::support::certificates::{Authority, Pair};
use crate::support::programs::{openssl, run, said, script};
use crate::support::secure::{Secure, client};
use crate::support::{Backend, Parvis, Redis, until};
use rustls::client::Resumption;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SupportedProtocolVersion};
use std::process::Command;

type Versions = &'static [&'static SupportedProtocolVersion];

const BOTH: [Versions; 2] = [&[&TLS13], &[&TLS12]];
const KEYS: &str = "[tls]\nticket_keys = \"@DIR/tickets\"\n";

/// A client that keeps its tickets.
fn returning(authority: &Authority, versions: Versions, own: Option<&Pair>) -> ClientConfig {
    let mut config = client(authority, versions, own);
    config.resumption = Resumption::in_memory_sessions(16);
    config
}

/// Whether the client came back with a ticket. It leaves with another.
fn returns(parvis: &Parvis, config: &ClientConfig) -> bool {
    let mut connection = Secure::open(parvis.address(), "a.test", config);
    assert_eq!(connection.get("a.test", "/").status, 200);
    connection.is_resumed()
}

/// A file's worth of a secret that edges share.
fn secret() -> String {
    openssl(&["rand", "-hex", "64"]).trim().to_string()
}

/// A parvis of this certificate with more at its top, and this secret.
fn edge(own: &Pair, top: &str, tls: &str, secret: &str, more: &[(&str, &str)]) -> Parvis {
    let folder = folder(&[("a", own)]);
    folder.write("tickets", secret);
    for (name, text) in more {
        folder.write(name, text);
    }
    let configuration = format!("{top}{}", site("a", &["a.test"], tls));
    Parvis::start_in(folder, &configuration, &[])
}

/// Connects to each port in turn with what the last one gave, and tells whether it was taken.
const PYTHON: &str = r#"
import socket, ssl, sys
version, ca, *ports = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
session = None
for port in ports:
    with socket.create_connection(("127.0.0.1", int(port)), 20) as plain:
        with context.wrap_socket(plain, server_hostname="a.test", session=session) as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
            while not secure.recv(4096).endswith(b"a"):
                pass
            print(secure.session_reused, end=" ")
            session = secure.session
"#;

#[test]
fn python_comes_back() {
    let (authority, parvis) = one();
    let ca = parvis.folder.write("ca.pem", &authority.pem);
    let port = parvis.address().port().to_string();
    for (version, name) in [("TLSv1_3", "1.3"), ("TLSv1_2", "1.2")] {
        let ca = ca.to_str().unwrap();
        let told = script(PYTHON, &[version, ca, &port, &port, &port]);
        assert_eq!(told, "False True True", "{version}");
        let count = |resumed: &str| {
            let labels = format!("resumed=\"{resumed}\",version=\"{name}\"");
            parvis.metric(&format!("parvis_tls_handshakes_total{{{labels}}}"))
        };
        assert_eq!((count("no"), count("yes")), (1.0, 2.0), "{version}");
    }
}

#[test]
fn a_reload_does_not_matter() {
    let (authority, parvis) = one();
    for versions in BOTH {
        let config = returning(&authority, versions, None);
        assert!(!returns(&parvis, &config));
        let reply = parvis.admin_request("POST", "/reload", "");
        assert_eq!(reply.status, 200, "{}", reply.text());
        assert!(returns(&parvis, &config));
    }
}

#[test]
fn a_restart_and_another_edge_do_not_matter_with_a_shared_secret() {
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let shared = secret();
    let first = edge(&own, KEYS, "", &shared, &[]);
    let second = edge(&own, KEYS, "", &shared, &[]);
    let stranger = edge(&own, KEYS, "", &secret(), &[]);
    let alone = edge(&own, "", "", "", &[]);
    let clients = BOTH.map(|versions| returning(&authority, versions, None));
    for config in &clients {
        assert!(!returns(&first, config));
        assert!(returns(&second, config));
        assert!(returns(&first, config));
    }
    drop((first, second));
    let again = edge(&own, KEYS, "", &shared, &[]);
    for config in &clients {
        assert!(returns(&again, config));
        assert!(!returns(&stranger, config));
        assert!(!returns(&alone, config));
    }
}

#[test]
fn edges_with_one_redis_share_tickets() {
    let redis = Redis::start();
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let top = format!("[tls.redis]\nurl = \"{}\"\n", redis.url());
    let first = edge(&own, &top, "", "", &[]);
    let second = edge(&own, &top, "", "", &[]);
    for versions in BOTH {
        // What it agrees on with Redis is there a moment after it serves.
        until("they share", || {
            let config = returning(&authority, versions, None);
            returns(&first, &config);
            returns(&second, &config).then_some(())
        });
        let config = returning(&authority, versions, None);
        assert!(!returns(&second, &config));
        assert!(returns(&first, &config));
    }
    let keys = redis.ask(&["KEYS", "parvis:tls:*"]);
    assert!(!keys.list().is_empty());
    for key in keys.list() {
        let left = redis.ask(&["TTL", key.text()]).number();
        assert!(left > 0, "{key:?} stays for ever");
    }
}

#[test]
fn without_its_redis_an_edge_serves_and_shares_later() {
    let mut redis = Redis::away();
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let top = format!("[tls.redis]\nurl = \"{}\"\n", redis.url());
    let first = edge(&own, &top, "", "", &[]);
    let second = edge(&own, &top, "", "", &[]);
    // Each has secrets of its own.
    let kept = returning(&authority, BOTH[0], None);
    assert!(!returns(&first, &kept));
    assert!(returns(&first, &kept));
    assert!(!returns(&second, &kept));
    let kept = returning(&authority, BOTH[0], None);
    assert!(!returns(&first, &kept));
    redis.begin();
    until("they share", || {
        let config = returning(&authority, BOTH[0], None);
        returns(&first, &config);
        returns(&second, &config).then_some(())
    });
    // Tickets of before are still good where they were given.
    assert!(returns(&first, &kept));
}

#[test]
fn without_tickets_nobody_comes_back() {
    let (authority, parvis) = one_with("", "[tls]\ntickets = false\n");
    for versions in BOTH {
        let config = returning(&authority, versions, None);
        for _ in 0..3 {
            assert!(!returns(&parvis, &config));
        }
    }
    let ca = parvis.folder.write("ca.pem", &authority.pem);
    let port = parvis.address().port().to_string();
    let told = script(PYTHON, &["TLSv1_2", ca.to_str().unwrap(), &port, &port]);
    assert_eq!(told, "False False");
}

#[test]
fn a_ticket_is_good_only_where_the_same_was_asked_for() {
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let (ours, theirs) = (Authority::named("Ours"), Authority::named("Theirs"));
    let shared = secret();
    let asks = "client_ca = \"@DIR/clients.pem\"";
    let optional = "client_ca = \"@DIR/clients.pem\"\nclient_auth = \"optional\"";
    let ca = |authority: &Authority| authority.pem.clone();
    let open = edge(&own, KEYS, "", &shared, &[]);
    let closed = edge(&own, KEYS, asks, &shared, &[("clients.pem", &ca(&ours))]);
    let other = edge(&own, KEYS, asks, &shared, &[("clients.pem", &ca(&theirs))]);
    let either = edge(
        &own,
        KEYS,
        optional,
        &shared,
        &[("clients.pem", &ca(&ours))],
    );
    let ada = ours.sign_client("ada");
    for versions in BOTH {
        // Who has shown nothing comes with a ticket that says so to nobody who asks.
        let nobody = returning(&authority, versions, None);
        for from in [&open, &either] {
            assert!(!returns(from, &nobody));
            let refused = Secure::try_open(closed.address(), "a.test", &nobody)
                .and_then(|mut connection| connection.try_get("a.test", "/"));
            refused.expect_err("came in without a certificate");
        }
        let known = returning(&authority, versions, Some(&ada));
        assert!(!returns(&closed, &known));
        assert!(returns(&closed, &known));
        assert!(!returns(&open, &known));
        assert!(!returns(&either, &known));
        assert!(!returns(&closed, &known));
        let refused = Secure::try_open(other.address(), "a.test", &known)
            .and_then(|mut connection| connection.try_get("a.test", "/"));
        refused.expect_err("came in by another authority's certificate");
    }
}

/// A client that came back is the same to the app.
#[test]
fn who_a_client_is_outlives_its_connection() {
    let app = Backend::text("app");
    let (authority, clients) = (Authority::new(), Authority::named("Clients"));
    let folder = folder(&[("a", &authority.sign(&["a.test"]))]);
    folder.write("clients.pem", &clients.pem);
    let tls = "client_ca = \"@DIR/clients.pem\"";
    let configuration = app_at(SECURED, "a", app.address(), tls);
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let ada = clients.sign_client("ada");
    for versions in BOTH {
        let config = returning(&authority, versions, Some(&ada));
        assert!(!returns(&parvis, &config));
        let first = app.last();
        assert!(returns(&parvis, &config));
        let second = app.last();
        for field in ["client-cert", "x-client-verify", "x-client-fingerprint"] {
            assert!(first.field(field).is_some(), "{field}");
            assert_eq!(first.field(field), second.field(field));
        }
    }
}

#[test]
fn a_stolen_or_broken_ticket_is_worth_nothing() {
    let (authority, parvis) = one();
    let ca = parvis.folder.write("ca.pem", &authority.pem);
    let file = parvis.folder.join("session.pem");
    let path = file.to_str().unwrap();
    let connect = |arguments: &[&str]| {
        let address = parvis.address().to_string();
        let mut all = vec!["s_client", "-connect", &address, "-servername", "a.test"];
        all.extend(["-CAfile", ca.to_str().unwrap(), "-tls1_2"]);
        all.extend(arguments);
        openssl(&all)
    };
    assert!(connect(&["-sess_out", path]).contains("New, TLSv1.2"));
    assert!(connect(&["-sess_in", path]).contains("Reused, TLSv1.2"));
    let convert = |arguments: &[&str]| {
        let output = run(Command::new("openssl").arg("sess_id").args(arguments));
        assert!(output.status.success(), "{}", said(&output));
        output.stdout
    };
    let mut der = convert(&["-in", path, "-outform", "der"]);
    // The ticket is field 10 of the session, an octet string (OpenSSL's SSL_SESSION_ASN1). It has 8
    // bytes and more of lengths, a key's name and a nonce before what is encrypted.
    let is_field = |at: &[u8]| at[0] == 0xaa && (at[1..3].contains(&4) || at[1..4].contains(&4));
    let tag = der.windows(4).rposition(is_field);
    let tag = tag.unwrap_or_else(|| panic!("no ticket in {der:02x?}"));
    der[tag + 60] ^= 1;
    let broken = parvis.folder.join("broken.der");
    std::fs::write(&broken, &der).unwrap();
    convert(&[
        "-inform",
        "der",
        "-in",
        broken.to_str().unwrap(),
        "-out",
        path,
    ]);
    let told = connect(&["-sess_in", path]);
    assert!(told.contains("New, TLSv1.2"), "{told}");
}
