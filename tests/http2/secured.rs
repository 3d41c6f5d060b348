//! Over TLS, where browsers speak it.

use crate::support::Folder;
use crate::support::http2::{CALM, Io, Line, frame, kind};
use crate::support::websocket::{SWITCH, echo};
use crate::*;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use std::cell::RefCell;
use std::net::TcpStream;
use std::process::Command;
use std::rc::Rc;
use std::sync::Arc;

const TLS: &str = "listen = [{ address = \"127.0.0.1:0\", tls = true }]\n\
    [site.tls]\ncertificate = \"@DIR/cert.pem\"\nkey = \"@DIR/key.pem\"\n";

/// Every request goes to `backend`, over TLS alone.
fn secured(backend: Backend, top: &str) -> Edge {
    let folder = Folder::new();
    let made = rcgen::generate_simple_self_signed(["localhost".to_string()]).unwrap();
    folder.write("cert.pem", &made.cert.pem());
    folder.write("key.pem", &made.signing_key.serialize_pem());
    let configuration = format!(
        "{top}\n[upstream.app]\nservers = [\"{}\"]\n\
         [[site]]\nname = \"s\"\nmax_body = \"64MiB\"\n{TLS}\
         [[site.route]]\npath = \"/*\"\nproxy = \"app\"\n",
        backend.address()
    );
    let parvis = Parvis::start_in(folder, &configuration, &[]);
    Edge { parvis, backend }
}

/// A connection, and what it speaks.
fn shaken(edge: &Edge, offered: &[&str]) -> (Box<dyn Io>, Option<Vec<u8>>) {
    let mut roots = RootCertStore::empty();
    let pem = edge.parvis.folder.read("cert.pem");
    roots
        .add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let mut config = config
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = offered
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    let name = ServerName::try_from("localhost").unwrap();
    let mut session = ClientConnection::new(Arc::new(config), name).unwrap();
    let mut stream = TcpStream::connect(edge.parvis.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    while session.is_handshaking() {
        session.complete_io(&mut stream).unwrap();
    }
    let spoken = session.alpn_protocol().map(<[u8]>::to_vec);
    (Box::new(StreamOwned::new(session, stream)), spoken)
}

fn client(edge: &Edge) -> Http2 {
    let (io, spoken) = shaken(edge, &["h2", "http/1.1"]);
    assert_eq!(spoken.as_deref(), Some(&b"h2"[..]));
    Http2::over(io, &[(4, 1 << 20)])
}

#[test]
fn requests_go_over_tls() {
    let edge = secured(telling(), LOG);
    let mut client = client(&edge);
    assert_eq!(client.get("/a").text(), "GET /a ");
    let stream = client.ask("POST", "/b", &[], false);
    client.data(stream, b"body", true);
    assert_eq!(client.answer(stream).whole().text(), "POST /b body");
    let request = edge.backend.last();
    assert_eq!(request.field("x-forwarded-proto").as_deref(), Some("https"));
    let lines = edge.lines(2);
    assert!(
        lines.iter().all(|line| line["protocol"] == "HTTP/2.0"),
        "{lines:?}"
    );
}

#[test]
fn what_is_spoken_is_agreed_upon() {
    let edge = secured(telling(), "");
    for (offered, spoken) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let (_, found) = shaken(&edge, offered);
        let found = found.map(|name| String::from_utf8(name).unwrap());
        assert_eq!(found.as_deref(), spoken, "{offered:?}");
    }
    let edge = secured(telling(), "[server.http2]\nenabled = false\n");
    let (_, found) = shaken(&edge, &["h2", "http/1.1"]);
    assert_eq!(found.as_deref(), Some(&b"http/1.1"[..]));
}

#[test]
fn curl_speaks_it_unasked() {
    let edge = secured(telling(), "");
    let port = edge.parvis.address().port();
    let curl = |more: &[&str]| {
        let output = Command::new("curl")
            .args(["-sS", "-w", " %{http_version}", "--cacert"])
            .arg(edge.parvis.folder.join("cert.pem"))
            .args(["--resolve", &format!("localhost:{port}:127.0.0.1")])
            .args(more)
            .arg(format!("https://localhost:{port}/x"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        String::from_utf8(said).unwrap()
    };
    assert_eq!(curl(&[]), "GET /x  2");
    assert_eq!(curl(&["--http1.1"]), "GET /x  1.1");
    assert_eq!(curl(&["-d", "body"]), "POST /x body 2");
}

#[test]
fn large_bodies_go_both_ways() {
    let edge = secured(Backend::http(|request| ok(&request.body)), "");
    let mut client = client(&edge);
    let body: Vec<u8> = (0..5_000_000u32).map(|i| (i / 5) as u8).collect();
    let stream = client.ask("POST", "/", &[], false);
    client.data(stream, &body, true);
    assert!(client.answer(stream).whole().body == body);
}

#[test]
fn a_websocket_goes_over_tls() {
    let edge = secured(
        Backend::raw(|app| {
            app.request();
            app.send(SWITCH);
            echo(app);
        }),
        "",
    );
    let client = Rc::new(RefCell::new(client(&edge)));
    assert_eq!(client.borrow().settings.get(&8), Some(&1));
    let fields = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/ws"),
        ("sec-websocket-version", "13"),
    ];
    let stream = client.borrow_mut().open(&fields, false);
    assert_eq!(client.borrow_mut().head(stream).status, 200);
    let mut line = Line { client, stream };
    use std::io::{Read, Write};
    let sent = vec![7; 500_000];
    line.write_all(&sent).unwrap();
    let mut back = vec![0; sent.len()];
    line.read_exact(&mut back).unwrap();
    assert!(back == sent);
}

#[test]
fn a_flood_is_ended_over_tls() {
    let edge = secured(telling(), "");
    let mut client = client(&edge);
    // In one go: a session of TLS that cannot write does not read either.
    client.try_raw(frame(kind::PING, 0, 0, &[0; 8]).repeat(200));
    let (_, code) = client.end().expect("GOAWAY");
    assert_eq!(code, CALM);
}
