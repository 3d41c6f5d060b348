//! An issuer in this process, with just enough of a server around it that a CA finds its answers.

use crate::support::{CaPorts, Folder, PATIENCE};
use arc_swap::ArcSwap;
use parvis::config::{Diagnostics, Document, Place, Sources, Value};
use parvis::tls::acme::settings::AcmeSettings;
use parvis::tls::acme::status::OrderStatus;
use parvis::tls::acme::{Issued, Issuer, Order, OrderRequest, Shared, Tallies};
use prometheus::IntCounter;
use rustls::server::Acceptor;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::LazyConfigAcceptor;

/// A running issuer.
pub struct Site {
    pub issuer: Arc<Issuer>,
    pub orders: Vec<Arc<Order>>,
    pub ports: CaPorts,
    pub tallies: Tallies,
    /// Who answers the CA.
    current: Arc<ArcSwap<Issuer>>,
    work: JoinSet<()>,
    _servers: JoinSet<()>,
}

/// What is wanted.
pub struct Wanted<'a> {
    /// The inside of `acme = {...}`.
    pub acme: String,
    pub names: &'a [&'a str],
    pub storage: &'a Path,
    pub shared: Option<Arc<Shared>>,
}

/// An order, or what is wrong with it.
pub fn order(wanted: &Wanted<'_>, before: &[Arc<Order>]) -> Result<Arc<Order>, String> {
    let mut sources = Sources::default();
    let text = format!("acme = {{ {} }}\n", wanted.acme);
    let file = sources.add("parvis.toml".into(), text);
    let mut errors = Diagnostics::default();
    let document = Document::parse(&sources, &[file], &mut errors);
    let (_, place, node) = document.entries().next().unwrap();
    let settings = AcmeSettings::read(&node, &mut errors);
    let names: Vec<(String, Place)> = wanted
        .names
        .iter()
        .map(|name| (name.to_string(), place))
        .collect();
    let order = settings.and_then(|settings| {
        let request = OrderRequest {
            site: "shop",
            names: &names,
            place,
            settings: &settings,
            storage: wanted.storage,
            shared: wanted.shared.as_ref(),
            before,
        };
        Order::build(&request, &mut errors)
    });
    order.ok_or_else(|| errors.render(&sources))
}

impl Site {
    /// One that answers CAs on ports of its own, and orders nothing yet.
    pub async fn idle() -> Site {
        let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let tls = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ports = CaPorts {
            http: http.local_addr().unwrap().port(),
            tls: tls.local_addr().unwrap().port(),
        };
        let tallies = tallies();
        let issuer = Arc::new(Issuer::new(tallies.clone()));
        let current = Arc::new(ArcSwap::from(issuer.clone()));
        let mut servers = JoinSet::new();
        let (first, second) = (current.clone(), current.clone());
        servers.spawn(async move {
            while let Ok((stream, _)) = http.accept().await {
                tokio::spawn(answer_http(stream, first.load_full()));
            }
        });
        servers.spawn(async move {
            while let Ok((stream, _)) = tls.accept().await {
                tokio::spawn(answer_tls(stream, second.load_full()));
            }
        });
        let mut site = Site {
            issuer,
            orders: Vec::new(),
            ports,
            tallies,
            current,
            work: JoinSet::new(),
            _servers: servers,
        };
        site.begin();
        site
    }

    /// Ends it in the middle of what it does, and begins anew with nothing but what lies on disk.
    pub async fn restart(&mut self) {
        self.work.shutdown().await;
        self.tallies = tallies();
        self.issuer = Arc::new(Issuer::new(self.tallies.clone()));
        self.current.store(self.issuer.clone());
        self.orders.clear();
        self.begin();
    }

    fn begin(&mut self) {
        let issuer = self.issuer.clone();
        self.work.spawn(async move { issuer.run().await });
    }

    /// Looks after this from here on, as a reload does it.
    pub fn want(&mut self, wanted: &Wanted<'_>) {
        self.orders = vec![order(wanted, &self.orders).unwrap()];
        self.issuer.apply(&self.orders);
    }

    /// The certificate that is served.
    pub fn issued(&self) -> Option<Arc<Issued>> {
        self.orders[0].slot.issued()
    }

    /// Waits until there is one.
    pub async fn certificate(&self) -> Arc<Issued> {
        until("a certificate is there", || self.issued(), || self.told()).await
    }

    /// Waits until its status is so.
    pub async fn status_until(&self, what: &str, is: impl Fn(&OrderStatus) -> bool) -> OrderStatus {
        let found = || self.issuer.status().into_iter().find(&is);
        until(what, found, || self.told()).await
    }

    fn told(&self) -> String {
        format!("{:#?}", self.issuer.status())
    }
}

/// Waits for a condition.
pub async fn until<T>(
    what: &str,
    mut condition: impl FnMut() -> Option<T>,
    told: impl Fn() -> String,
) -> T {
    let end = Instant::now() + 3 * PATIENCE;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(
            Instant::now() < end,
            "waited in vain until {what}:\n{}",
            told()
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn tallies() -> Tallies {
    let counter = |name: &str| IntCounter::new(name, name).unwrap();
    Tallies {
        issued: counter("issued"),
        failed: counter("failed"),
    }
}

async fn answer_http(mut stream: TcpStream, issuer: Arc<Issuer>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8(head).unwrap();
    let path = head.split(' ').nth(1).unwrap();
    let token = path.strip_prefix("/.well-known/acme-challenge/");
    // One that nobody answers for.
    let host = head.to_lowercase().contains("host: lost.");
    let answer = match token.filter(|_| !host) {
        Some(token) => issuer.http(token).await,
        None => None,
    };
    let answer = match answer {
        Some(text) => format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        ),
        None => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_string(),
    };
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn answer_tls(stream: TcpStream, issuer: Arc<Issuer>) {
    let Ok(start) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let hello = start.client_hello();
    let challenge = hello
        .alpn()
        .is_some_and(|mut all| all.any(|one| one == b"acme-tls/1"));
    let name = hello.server_name().unwrap_or_default().to_string();
    assert!(challenge);
    if let Some(config) = issuer.tls_alpn(&name).await
        && let Ok(mut stream) = start.into_stream(config).await
    {
        let _ = stream.read_u8().await;
    }
}

/// A folder for storage, below one of the test's.
pub fn storage(folder: &Folder) -> std::path::PathBuf {
    folder.join("storage")
}
