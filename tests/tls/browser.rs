//! Chromium over HTTP/2, with a page and a WebSocket.

use super::{SECURED, folder};
use crate::support::browser::Look;
use crate::support::certificates::Authority;
use crate::support::{Backend, Browser, Parvis};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tungstenite::Message;
use x509_parser::parse_x509_certificate;

const PAGE: &str = "<!doctype html><title>page</title><link rel=icon href=data:,>\
    <script src=/script.js></script>";
const SCRIPT: &str = "const socket = new WebSocket(`wss://${location.host}/ws`);\
    socket.onopen = () => socket.send('hello');\
    socket.onmessage = (event) => { document.title = event.data; };";

#[test]
fn chromium_speaks_http_2_and_websockets_over_it() {
    let app = Backend::raw(|app| {
        let Ok(mut socket) = tungstenite::accept(app.stream.try_clone().unwrap()) else {
            return;
        };
        while let Ok(message) = socket.read() {
            if let Message::Text(text) = message {
                let _ = socket.send(Message::text(format!("echo {text}")));
            }
        }
    });
    let authority = Authority::new();
    let own = authority.sign(&["a.test"]);
    let configuration = format!(
        "[upstream.app]\nservers = [\"{}\"]\n{}\
         [[site.route]]\npath = \"/\"\nrespond = {{ body = \"{PAGE}\", content_type = \"text/html\" }}\n\
         [[site.route]]\npath = \"/script.js\"\nrespond = {{ body = \"{SCRIPT}\", content_type = \"text/javascript\" }}\n\
         [[site.route]]\npath = \"/ws\"\nproxy = \"app\"\n",
        app.address(),
        super::site_without_route(SECURED, "a", &["a.test"], "")
    );
    let parvis = Parvis::start_in(folder(&[("a", &own)]), &configuration, &[]);
    let der = own.der();
    let (_, certificate) = parse_x509_certificate(&der).unwrap();
    let hash = BASE64_STANDARD.encode(digest(&SHA256, certificate.public_key().raw));
    let mut browser = Browser::start_with(&[
        format!("--ignore-certificate-errors-spki-list={hash}"),
        "--host-resolver-rules=MAP a.test 127.0.0.1".to_string(),
    ]);
    let look = Look {
        language: "en",
        dark: false,
        width: 800,
    };
    let url = format!("https://a.test:{}/", parvis.address().port());
    browser.open(&url, look);
    browser.until("document.title === 'echo hello'");
    let protocols = "performance.getEntries().filter((entry) => entry.nextHopProtocol !== undefined)\
        .map((entry) => entry.nextHopProtocol).join()";
    assert_eq!(browser.evaluate(protocols), "h2,h2");
    assert_eq!(browser.evaluate("isSecureContext"), true);
    assert!(browser.complaints.is_empty(), "{:#?}", browser.complaints);
    // The WebSocket is a stream of the same connection (RFC 8441).
    let handshake = |version: &str, resumed: &str| {
        let labels = format!("resumed=\"{resumed}\",version=\"{version}\"");
        parvis.metric(&format!("parvis_tls_handshakes_total{{{labels}}}"))
    };
    let all = handshake("1.3", "no") + handshake("1.3", "yes");
    assert_eq!(all, 1.0);
    assert_eq!(app.connections(), 1);
}
