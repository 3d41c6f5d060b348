//! What stands between an issuer and Pebble: it passes on what it is not told to change, and notes
//! what comes by.

use crate::support::Pebble;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde_json::Value;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// What becomes of a request.
pub enum Then {
    /// It is passed on.
    Pass,
    /// It is answered with this status, these fields (each with its line break), and this body.
    Answer(u16, String, String),
    /// It is passed on, and the connection closed before the answer.
    CutAfter,
}

/// A request that came by.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    /// What was signed, when it was JSON.
    pub payload: Value,
    /// What it was answered with; 0: nothing, or that it needs another nonce.
    pub status: u16,
}

type Rule = dyn Fn(&Seen) -> Then + Send + Sync;
type Change = dyn Fn(&Seen, &mut Value) + Send + Sync;

/// A running one.
pub struct Front {
    address: SocketAddr,
    inner: Arc<Inner>,
    _tasks: JoinSet<()>,
}

struct Inner {
    seen: Mutex<Vec<Seen>>,
    rule: Mutex<Arc<Rule>>,
    /// What is changed in an answer that is JSON.
    change: Mutex<Arc<Change>>,
    tls: TlsConnector,
    behind: SocketAddr,
}

impl Front {
    /// One before this CA, which passes everything on.
    pub async fn before(pebble: &Pebble) -> Front {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = RootCertStore::empty();
        roots
            .add(CertificateDer::from_pem_file(pebble.ca()).unwrap())
            .unwrap();
        let client = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let (certificate, key) = pebble.server();
        let server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(certificate).unwrap()],
                PrivateKeyDer::from_pem_file(key).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(server));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            seen: Mutex::default(),
            rule: Mutex::new(Arc::new(|_: &Seen| Then::Pass)),
            change: Mutex::new(Arc::new(|_: &Seen, _: &mut Value| {})),
            tls: TlsConnector::from(Arc::new(client)),
            behind: pebble.address(),
        });
        let mut tasks = JoinSet::new();
        let own = inner.clone();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, own) = (acceptor.clone(), own.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        own.serve(stream).await;
                    }
                });
            }
        });
        Front {
            address,
            inner,
            _tasks: tasks,
        }
    }

    /// The same, on a thread of its own.
    pub fn apart(pebble: &Pebble) -> Front {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_all()
                    .build()
                    .unwrap();
                sender
                    .send(runtime.block_on(Front::before(pebble)))
                    .unwrap();
                std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
            });
        });
        receiver.recv().unwrap()
    }

    /// The URL of the CA's directory, through this.
    pub fn directory(&self) -> String {
        format!("https://{}/dir", self.address)
    }

    /// What becomes of requests from here on.
    pub fn rule(&self, rule: impl Fn(&Seen) -> Then + Send + Sync + 'static) {
        *self.inner.rule.lock().unwrap() = Arc::new(rule);
    }

    /// What is changed in answers from here on.
    pub fn change(&self, change: impl Fn(&Seen, &mut Value) + Send + Sync + 'static) {
        *self.inner.change.lock().unwrap() = Arc::new(change);
    }

    /// What came by so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.inner.seen.lock().unwrap().clone()
    }

    /// The new orders that came by. Not those with a nonce that Pebble refused, to see whether that
    /// is borne.
    pub fn orders(&self) -> Vec<Seen> {
        let mut all = self.seen();
        all.retain(|seen| seen.is_order() && seen.status != 0);
        all
    }
}

impl Seen {
    /// Whether it is a new order.
    pub fn is_order(&self) -> bool {
        self.payload.get("identifiers").is_some()
    }

    /// Whether it asks for the signature.
    pub fn is_finalize(&self) -> bool {
        self.payload.get("csr").is_some()
    }
}

impl Inner {
    async fn serve<S: AsyncRead + tokio::io::AsyncWrite + Unpin>(&self, mut client: S) {
        while let Some((head, body)) = message(&mut client).await {
            let mut words = head.split(' ');
            let mut seen = Seen {
                method: words.next().unwrap().to_string(),
                path: words.next().unwrap().to_string(),
                payload: Value::Null,
                status: 0,
            };
            if let Ok(signed) = serde_json::from_slice::<Value>(&body)
                && let Some(payload) = signed["payload"].as_str()
            {
                let decoded = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap();
                seen.payload = serde_json::from_slice(&decoded).unwrap_or_default();
            }
            let rule = self.rule.lock().unwrap().clone();
            let then = rule(&seen);
            let answer = match then {
                Then::Answer(status, fields, body) => {
                    self.note(&seen, status);
                    let length = body.len();
                    format!("HTTP/1.1 {status} X\r\n{fields}Content-Length: {length}\r\n\r\n{body}")
                        .into_bytes()
                }
                Then::Pass | Then::CutAfter => {
                    let Some((head, body)) = self.ask(&head, &body, &seen).await else {
                        return self.note(&seen, 0);
                    };
                    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
                    let again = String::from_utf8_lossy(&body).contains("error:badNonce");
                    self.note(&seen, if again { 0 } else { status });
                    if matches!(then, Then::CutAfter) {
                        return;
                    }
                    let mut fields: Vec<&str> = head.lines().filter(|l| !l.is_empty()).collect();
                    let framing = ["content-length:", "connection:"];
                    fields
                        .retain(|line| !framing.iter().any(|f| line.to_lowercase().starts_with(f)));
                    let head = fields.join("\r\n");
                    let length = match seen.method.as_str() {
                        "HEAD" => String::new(),
                        _ => format!("Content-Length: {}\r\n", body.len()),
                    };
                    let mut out = format!("{head}\r\n{length}\r\n").into_bytes();
                    out.extend(body);
                    out
                }
            };
            if client.write_all(&answer).await.is_err() || client.flush().await.is_err() {
                return;
            }
        }
    }

    fn note(&self, seen: &Seen, status: u16) {
        let seen = Seen {
            status,
            ..seen.clone()
        };
        self.seen.lock().unwrap().push(seen);
    }

    /// On a connection of its own.
    async fn ask(&self, head: &str, body: &[u8], seen: &Seen) -> Option<(String, Vec<u8>)> {
        let stream = TcpStream::connect(self.behind).await.ok()?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut server = self.tls.connect(name, stream).await.ok()?;
        // By HTTP/1.0: the end of the connection is the end of the answer.
        let head = head.replacen("HTTP/1.1", "HTTP/1.0", 1);
        server.write_all(head.as_bytes()).await.ok()?;
        server.write_all(body).await.ok()?;
        server.flush().await.ok()?;
        let mut answer = Vec::new();
        let _ = server.read_to_end(&mut answer).await;
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
        let mut body = answer.split_off(end);
        let head = String::from_utf8(answer).unwrap();
        let head = head.replacen("HTTP/1.0", "HTTP/1.1", 1);
        if let Ok(mut json) = serde_json::from_slice::<Value>(&body) {
            let change = self.change.lock().unwrap().clone();
            change(seen, &mut json);
            body = json.to_string().into_bytes();
        }
        Some((head, body))
    }
}

/// A head with its empty line, and a body of a known length.
async fn message(from: &mut (impl AsyncRead + Unpin)) -> Option<(String, Vec<u8>)> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(from.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.to_lowercase().lines().find_map(|line| {
        let value = line.strip_prefix("content-length:")?;
        value.trim().parse::<usize>().ok()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    from.read_exact(&mut body).await.ok()?;
    Some((head, body))
}
