//! `[upstream.NAME]`.

use crate::config::{At, Diagnostic, Diagnostics, Node, Place, Text, Value, choice, table};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

table! {
    /// An app that requests are passed to: one or several servers.
    pub struct UpstreamSettings {
        /// The servers: `"127.0.0.1:8000"`, `"app.internal:8000"`, `"unix:/run/app.sock"`, or
        /// `{ address = "...", weight = 2 }`.
        servers: Vec<ServerSettings>,
        /// How a server is chosen: in turn, by who has the fewest requests and open WebSockets in
        /// flight (for its weight), or the less busy of two drawn by chance.
        balance: Balance = Balance::RoundRobin,
        /// The servers speak HTTP/2 with prior knowledge and without TLS ("h2c"), as gRPC servers do.
        /// WebSockets cannot be passed on to them (501).
        http2: bool = false,
        /// Making a connection.
        connect_timeout: Duration = Duration::from_secs(2),
        /// From the end of the request to the first byte of the answer.
        first_byte_timeout: Duration = Duration::from_secs(60),
        /// Between two pieces of the answer.
        read_timeout: Duration = Duration::from_secs(60),
        /// Between two pieces of the request that the server takes.
        send_timeout: Duration = Duration::from_secs(60),
        /// How long an idle connection is kept for the next request.
        keepalive_timeout: Duration = Duration::from_secs(60),
        /// Asks each server regularly whether it can take requests. Absent: a server is always tried.
        health: Option<HealthSettings> = None,
    }
    later {
        "tls" => "TLS to apps",
        "max_connections" => "limits of connections per server",
        "retries" => "retries of failed requests",
    }
}

choice! {
    /// How a server is chosen.
    pub enum Balance {
        /// In turn, by weight.
        RoundRobin = "round-robin",
        /// Who has the fewest exchanges in flight for its weight; of several, in turn.
        LeastConnections = "least-connections",
        /// The one with fewer of them, of two that are drawn by chance and weight.
        TwoChoices = "two-choices",
    }
    later { "hash" }
}

table! {
    /// An active health check: `GET path`, sound when the answer is 2xx or 3xx. By HTTP/2 where the
    /// upstream says `http2 = true`; a server that speaks nothing but gRPC answers no `GET`.
    pub struct HealthSettings {
        /// The path asked for.
        path: At<Text>,
        /// The `Host` sent. Absent: the server's address.
        host: Option<At<Text>> = None,
        /// Between two checks of one server.
        interval: At<Duration> = At { value: Duration::from_secs(5), place: Place::default() },
        /// For the whole check.
        timeout: At<Duration> = At { value: Duration::from_secs(1), place: Place::default() },
        /// Failed checks in a row until a server gets no requests.
        unhealthy_after: u16 = 2,
        /// Good checks in a row until it gets them again.
        healthy_after: u16 = 1,
    }
}

/// Where a server listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// An address.
    Address(SocketAddr),
    /// A name, looked up in the background.
    Name(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Target::Address(address) => address.fmt(f),
            Target::Name(name, port) => write!(f, "{name}:{port}"),
            Target::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

fn parse_target(text: &str, node: &Node<'_>) -> Result<Target, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        if path.is_empty() {
            return Err("a path is missing after `unix:`".to_string());
        }
        return Ok(Target::Unix(
            node.sources.folder(node.place.file).join(path),
        ));
    }
    if let Ok(address) = text.parse() {
        return Ok(Target::Address(address));
    }
    let expected = "expected \"address:port\", \"name:port\" or \"unix:/path\"";
    if text.contains("://") {
        return Err(format!("a server has no scheme: {expected}"));
    }
    let (name, port) = text
        .rsplit_once(':')
        .ok_or_else(|| format!("no port: {expected}"))?;
    let port: u16 = port
        .parse()
        .map_err(|_| format!("no port after the colon: {expected}"))?;
    let sound = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || port == 0 || !name.bytes().all(sound) {
        return Err(expected.to_string());
    }
    Ok(Target::Name(name.to_string(), port))
}

impl Value for Target {
    fn kind() -> String {
        "address".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        match parse_target(&text.text, node) {
            Ok(target) => Some(target),
            Err(why) => {
                let what = text.for_messages("address of a server");
                errors.push(Diagnostic::new(node.place, what).label(why));
                None
            }
        }
    }
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
    fn stand_in() -> Option<Self> {
        Some(Target::Address(SocketAddr::from((
            Ipv4Addr::UNSPECIFIED,
            0,
        ))))
    }
}

/// A server: its address alone, or a table with a weight.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// Where it listens.
    pub address: At<Target>,
    /// Its share of the requests, beside the other servers' weights.
    pub weight: u16,
}

table! {
    /// A server with a weight.
    pub struct WeightedServer {
        /// Where it listens: `"127.0.0.1:8000"`, `"app.internal:8000"` or `"unix:/run/app.sock"`.
        address: At<Target>,
        /// Its share of the requests, 1 to 1000, beside the other servers' weights.
        weight: At<u16> = At { value: 1, place: Place::default() },
    }
}

impl Value for ServerSettings {
    fn kind() -> String {
        "server".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        if !node.is_own_table() {
            let address = At::<Target>::read(node, errors)?;
            return Some(ServerSettings { address, weight: 1 });
        }
        let server = WeightedServer::read(node, errors)?;
        if !(1..=1000).contains(&server.weight.value) {
            errors.push(
                Diagnostic::new(server.weight.place, "weight out of range")
                    .label("expected 1 to 1000"),
            );
        }
        Some(ServerSettings {
            address: server.address,
            weight: server.weight.value,
        })
    }
    fn show(&self) -> String {
        self.address.show()
    }
}
