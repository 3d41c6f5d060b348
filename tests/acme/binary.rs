//! The whole of parvis, with a CA and clients that look at what they are shown.

use crate::front::{Front, Then};
use crate::issuing::ending;
use crate::support::{CaPorts, Client, Folder, Parvis, Pebble, Redis, until};
use parvis::tls::acme::Facts;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};
use serde_json::json;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

/// Takes any certificate: what matters is which.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

/// A connection over TLS.
struct Secured {
    stream: StreamOwned<ClientConnection, TcpStream>,
}

impl Secured {
    fn open(address: SocketAddr, name: &str) -> Secured {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anything))
            .with_no_client_auth();
        let name = ServerName::try_from(name.to_string()).unwrap();
        let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
        let mut socket = TcpStream::connect(address).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket).unwrap();
        }
        Secured {
            stream: StreamOwned::new(session, socket),
        }
    }

    /// Who signed what it was shown, and until when that is good.
    fn shown(&self) -> (String, i64) {
        let certificate = &self.stream.conn.peer_certificates().unwrap()[0];
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
        let until = parsed.validity().not_after.timestamp();
        (parsed.issuer().to_string(), until)
    }

    fn is_real(&self) -> bool {
        let (issuer, _) = self.shown();
        assert!(
            issuer.contains("Pebble") != issuer.contains("stand-in"),
            "{issuer}"
        );
        issuer.contains("Pebble")
    }

    /// Whether what it was shown is for this name.
    fn is_for(&self, name: &str) -> bool {
        let certificate = &self.stream.conn.peer_certificates().unwrap()[0];
        Facts::of(certificate).unwrap().covers(name)
    }

    /// The status of `GET /`.
    fn get(&mut self, host: &str) -> u16 {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        String::from_utf8(head).unwrap()[9..12].parse().unwrap()
    }
}

/// One site on plain HTTP at the first address and TLS at the second. A CA looks at the first.
fn both(directory: &str, pebble: &Pebble, hosts: &[&str], more: &str) -> String {
    format!(
        "[tls]\nstorage = \"@DIR/storage\"\n{more}[[site]]\nname = \"shop\"\nhosts = {hosts:?}\n\
         listen = [\"127.0.0.1:0\", {{ address = \"127.0.0.2:0\", tls = true }}]\n\
         [site.tls]\nacme = {{ directory = {directory:?}, ca = {:?} }}\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ status = 204 }}\n",
        pebble.ca()
    )
}

/// TLS alone, where a CA looks.
fn tls_alone(directory: &str, pebble: &Pebble, hosts: &[&str], acme: &str) -> String {
    format!(
        "[tls]\nstorage = \"@DIR/storage\"\n[[site]]\nname = \"shop\"\nhosts = {hosts:?}\n\
         listen = [{{ address = \"127.0.0.1:0\", tls = true }}]\n\
         [site.tls]\nacme = {{ directory = {directory:?}, ca = {:?}, challenge = \"tls-alpn-01\"{acme} }}\n\
         [[site.route]]\npath = \"/*\"\nrespond = {{ status = 204 }}\n",
        pebble.ca()
    )
}

/// Waits until a client is shown a certificate of the CA's.
fn real(address: SocketAddr, name: &str) -> (String, i64) {
    until("the CA's certificate is served", || {
        let connection = Secured::open(address, name);
        connection.is_real().then(|| connection.shown())
    })
}

#[test]
fn a_ca_that_is_away_at_the_start_is_waited_for_and_a_stand_in_serves_meanwhile() {
    let mut pebble = Pebble::away();
    let parvis = Parvis::start(&both(&pebble.directory(), &pebble, &["shop.example"], ""));
    let &[plain, secured] = parvis.listeners() else {
        panic!()
    };
    let mut before = Secured::open(secured, "shop.example");
    assert!(!before.is_real());
    assert_eq!(before.get("shop.example"), 204);
    until("it is told", || {
        parvis
            .log()
            .contains("no certificate could be ordered")
            .then_some(())
    });
    assert!(parvis.log().contains("cannot reach"));
    pebble.begin(
        CaPorts {
            http: plain.port(),
            tls: 0,
        },
        json!({}),
    );
    real(secured, "shop.example");
    // Without a reload, and nobody was sent away.
    assert_eq!(before.get("shop.example"), 204);
    assert_eq!(parvis.metric("parvis_acme_issued_total"), 1.0);
    assert!(parvis.metric("parvis_acme_failed_total") >= 1.0);
    assert!(parvis.log().contains("certificate ordered"));
    // Plain HTTP leads to https; a token that is nobody's too.
    for path in ["/", "/.well-known/acme-challenge/nobodys"] {
        let mut client = Client::connect(plain);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\n\r\n"));
        let reply = client.reply();
        assert_eq!(reply.status, 308, "{path}");
        let to = reply.field("location").unwrap();
        assert!(
            to.starts_with("https://shop.example") && to.ends_with(path),
            "{to}"
        );
    }
}

#[test]
fn by_tls_alone_with_several_names_and_again_after_a_reload_and_a_restart() {
    let mut pebble = Pebble::away();
    let hosts = &["shop.example", "www.shop.example"];
    let configuration = tls_alone(&pebble.directory(), &pebble, hosts, "");
    let mut parvis = Parvis::start(&configuration);
    pebble.begin(
        CaPorts {
            http: 0,
            tls: parvis.address().port(),
        },
        json!({}),
    );
    let first = real(parvis.address(), "shop.example");
    assert_eq!(real(parvis.address(), "www.shop.example"), first);
    pebble.end();
    let reload = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reload.status, 200, "{}", parvis.log());
    let after = Secured::open(parvis.address(), "shop.example");
    assert_eq!(after.shown(), first);
    parvis.signal("TERM");
    parvis.wait();
    let folder = std::mem::replace(&mut parvis.folder, Folder::new());
    drop(parvis);
    // The CA is away, and is not needed: from the first connection on.
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    let after = Secured::open(parvis.address(), "shop.example");
    assert_eq!(after.shown(), first);
    assert_eq!(parvis.metric("parvis_acme_issued_total"), 0.0);
}

#[test]
fn a_renewal_is_seen_by_new_connections_and_not_by_old_ones() {
    let mut pebble = Pebble::away();
    let configuration = tls_alone(&pebble.directory(), &pebble, &["shop.example"], "");
    let parvis = Parvis::start(&configuration);
    let ports = CaPorts {
        http: 0,
        tls: parvis.address().port(),
    };
    pebble.begin(ports, json!({ "certificateValidityPeriod": 15 }));
    let (_, first) = real(parvis.address(), "shop.example");
    // Once at least, before the CA was there.
    let failed = parvis.metric("parvis_acme_failed_total");
    let mut old = Secured::open(parvis.address(), "shop.example");
    until("another is served", || {
        let (_, until) = real(parvis.address(), "shop.example");
        assert_eq!(old.get("shop.example"), 204);
        (until > first).then_some(())
    });
    assert_eq!(old.get("shop.example"), 204);
    assert_eq!(parvis.metric("parvis_acme_failed_total"), failed);
}

#[test]
fn a_refused_name_is_in_the_log_once_and_the_stand_in_serves_on() {
    let mut pebble = Pebble::away();
    let hosts = &["shop.example", "bad.example"];
    let parvis = Parvis::start(&tls_alone(&pebble.directory(), &pebble, hosts, ""));
    let ports = CaPorts {
        http: 0,
        tls: parvis.address().port(),
    };
    pebble.begin(ports, json!({ "domainBlocklist": ["bad.example"] }));
    let line = until("it is refused", || {
        let log = parvis.log();
        log.lines()
            .find(|line| line.contains("rejectedIdentifier"))
            .map(str::to_string)
    });
    assert!(
        line.contains("bad.example") && line.contains("WARN"),
        "{line}"
    );
    assert!(!Secured::open(parvis.address(), "shop.example").is_real());
    let reload = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reload.status, 200);
    assert_eq!(parvis.log().matches("rejectedIdentifier").count(), 1);
}

#[test]
fn killed_in_the_middle_it_goes_on_with_the_order() {
    let mut pebble = Pebble::away();
    // The CA signs, and that is not heard.
    let front = Front::apart(&pebble);
    front.rule(|seen| match seen.is_finalize() {
        true => Then::CutAfter,
        false => Then::Pass,
    });
    let configuration = tls_alone(&front.directory(), &pebble, &["shop.example"], "");
    let mut parvis = Parvis::start(&configuration);
    let address = parvis.address();
    pebble.begin(
        CaPorts {
            http: 0,
            tls: address.port(),
        },
        json!({}),
    );
    let signed = |seen: &crate::front::Seen| seen.is_finalize() && seen.status == 200;
    until("it is signed", || {
        front.seen().iter().any(signed).then_some(())
    });
    parvis.signal("KILL");
    parvis.wait();
    let folder = std::mem::replace(&mut parvis.folder, Folder::new());
    drop(parvis);
    assert_eq!(ending(&folder.join("storage"), "pending").len(), 1);
    front.rule(|_| Then::Pass);
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    real(parvis.address(), "shop.example");
    assert_eq!(front.orders().len(), 1);
    assert!(parvis.log().contains("brought to its end"));
}

#[test]
fn two_with_one_redis_order_one_after_another_and_answer_for_each_other() {
    let (redis, mut pebble) = (Redis::start(), Pebble::away());
    let front = Front::apart(&pebble);
    let more = format!("[tls.redis]\nurl = {:?}\n", redis.url());
    let configuration = both(&front.directory(), &pebble, &["shop.example"], &more);
    let one = Parvis::start(&configuration);
    let other = Parvis::start(&configuration);
    // The CA always looks at the first.
    pebble.begin(
        CaPorts {
            http: one.address().port(),
            tls: 0,
        },
        json!({}),
    );
    real(one.listeners()[1], "shop.example");
    real(other.listeners()[1], "shop.example");
    let interesting = |seen: &crate::front::Seen| {
        let begun = seen.is_order() && seen.status == 201;
        let signed = seen.is_finalize() && seen.status == 200;
        (begun || signed).then_some(begun)
    };
    let steps: Vec<bool> = front.seen().iter().filter_map(interesting).collect();
    assert_eq!(
        steps,
        [true, false, true, false],
        "ordered, signed, ordered, signed"
    );
}

#[test]
fn names_are_asked_for_when_clients_come_for_them() {
    let mut pebble = Pebble::away();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ask = format!("http://{}/ask", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            let yes = String::from_utf8(head)
                .unwrap()
                .starts_with("GET /ask?domain=yes.");
            let status = if yes { "200 Yes" } else { "403 No" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let acme = format!(", on_demand = {{ ask = {ask:?} }}");
    let hosts = &["shop.example", "*.shop.example"];
    let parvis = Parvis::start(&tls_alone(&pebble.directory(), &pebble, hosts, &acme));
    pebble.begin(
        CaPorts {
            http: 0,
            tls: parvis.address().port(),
        },
        json!({}),
    );
    real(parvis.address(), "shop.example");
    // The first client that comes waits for it.
    let mut first = Secured::open(parvis.address(), "yes.shop.example");
    assert!(first.is_real() && first.is_for("yes.shop.example"));
    assert_eq!(first.get("yes.shop.example"), 204);
    let refused = Secured::open(parvis.address(), "no.shop.example");
    assert!(!refused.is_for("no.shop.example"));
    let configured = Secured::open(parvis.address(), "shop.example");
    assert!(configured.is_real() && configured.is_for("shop.example"));
    assert_eq!(parvis.metric("parvis_acme_issued_total"), 2.0);
}
