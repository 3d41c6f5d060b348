//! Apps behind the edge: their servers, whose turn it is, and whether they are up.
//!
//! In: `[upstream.NAME]` tables. Out, per request: a server to connect to, or why there is none.
//! Knows pingora's peers and streams; knows nothing of sites and routes.

mod balance;
mod connect;
mod gather;
mod health;
mod http2;
mod lent;
mod load;
pub mod pool;
mod resolve;
mod server;
pub mod settings;
mod socket;
mod stream;

pub use connect::{ServerConnector, Speech};
pub use gather::{Rework, Work, fields};
pub use load::InFlight;
pub use server::{Health, Server};
pub use stream::{Lease, Terms};

use crate::config::{Diagnostic, Diagnostics, Place};
use balance::Balancer;
use health::HealthCheck;
use rand::Rng;
use settings::{Target, UpstreamSettings};
use std::sync::Arc;
use std::time::Duration;

/// An app.
#[derive(Debug)]
pub struct Upstream {
    /// Its name in the configuration.
    pub name: String,
    /// Where it is defined.
    pub place: Place,
    /// Its servers.
    pub servers: Vec<Arc<Server>>,
    /// What they speak.
    pub speech: Speech,
    /// See [`UpstreamSettings`].
    pub first_byte: Duration,
    /// See [`UpstreamSettings`].
    pub between: Duration,
    /// See [`UpstreamSettings`].
    pub send: Duration,
    balancer: Balancer,
    check: Option<HealthCheck>,
}

/// Why a request cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoServer {
    /// Every server failed its health checks.
    AllDown,
    /// No server's name could be looked up.
    NoAddress,
}

impl Upstream {
    /// Builds an upstream; servers that `before` has too keep what is known of them: whether they are
    /// up, where their names point to, and what they have to do. A server listed twice is two.
    pub fn build(
        name: &str,
        place: Place,
        settings: &UpstreamSettings,
        before: Option<&Upstream>,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        if settings.servers.is_empty() && settings.sound {
            errors.push(
                Diagnostic::new(place, format!("the upstream `{name}` has no servers"))
                    .label("give at least one in `servers`"),
            );
        }
        let mut known: Vec<&Server> =
            before.map_or_else(Vec::new, |b| b.servers.iter().map(Arc::as_ref).collect());
        let speech = if settings.http2 {
            Speech::Http2
        } else {
            Speech::Http1
        };
        let mut servers = Vec::with_capacity(settings.servers.len());
        for server in &settings.servers {
            let label = server.address.value.to_string();
            let same = known.iter().position(|other| other.label == label);
            let same = same.map(|index| known.remove(index));
            let health = same
                // Without checks nothing would ever call the server well again.
                .filter(|_| settings.health.is_some())
                .map_or_else(Arc::default, |same| same.health.clone());
            let load = same.map_or_else(Arc::default, |same| same.load.clone());
            let (connect, keepalive) = (settings.connect_timeout, settings.keepalive_timeout);
            match Server::new(
                server.address.value.clone(),
                speech,
                connect,
                keepalive,
                health,
                load,
            ) {
                Ok(server) => {
                    // A resolver that is down just when the configuration is loaded again must not
                    // take the site with it.
                    if let Some(address) = same.and_then(Server::address) {
                        server.resolve_to(address);
                    }
                    servers.push(Arc::new(server));
                }
                Err(why) => {
                    let what = format!("invalid address of a server: {why}");
                    errors.push(Diagnostic::new(server.address.place, what));
                }
            }
        }
        let check = settings
            .health
            .as_ref()
            .and_then(|health| HealthCheck::build(health, errors));
        let weights: Vec<u16> = settings
            .servers
            .iter()
            .map(|server| server.weight)
            .collect();
        Some(Upstream {
            name: name.to_string(),
            place,
            servers,
            speech,
            first_byte: settings.first_byte_timeout,
            between: settings.read_timeout,
            send: settings.send_timeout,
            balancer: Balancer::new(settings.balance, &weights),
            check,
        })
    }

    /// The next server whose turn it is, not one of those `tried` already.
    ///
    /// # Errors
    /// Why there is none.
    pub fn choose(&self, tried: &[usize]) -> Result<(usize, &Arc<Server>), NoServer> {
        let load = |index: usize| {
            let server = self.servers.get(index);
            server.map_or(usize::MAX, |server| server.load.count())
        };
        let random = |below| rand::thread_rng().gen_range(0..below);
        let usable = |index| self.usable(index, tried);
        let index = self.balancer.choose(usable, load, random);
        index
            .and_then(|index| Some((index, self.servers.get(index)?)))
            .ok_or_else(|| {
                if self.servers.iter().any(|server| server.health.is_up()) {
                    NoServer::NoAddress
                } else {
                    NoServer::AllDown
                }
            })
    }

    /// Whether there is a server beside those `tried` already. Takes nobody's turn.
    pub fn has_other(&self, tried: &[usize]) -> bool {
        (0..self.servers.len()).any(|i| self.usable(i, tried))
    }

    fn usable(&self, index: usize, tried: &[usize]) -> bool {
        let sound = |server: &Arc<Server>| server.health.is_up() && server.has_address();
        self.servers.get(index).is_some_and(sound) && !tried.contains(&index)
    }

    /// Seconds after which a client may try again when all servers are down.
    pub fn retry_after(&self) -> u64 {
        self.check
            .as_ref()
            .map_or(1, |check| check.interval.as_secs().max(1))
    }

    /// Whether its servers are checked.
    pub fn checked(&self) -> bool {
        self.check.is_some()
    }

    /// The background work of this upstream: health checks and name look-ups. The caller owns
    /// the futures and ends them.
    pub fn tasks(&self) -> Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> {
        let mut tasks: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + Send>>> = Vec::new();
        for server in &self.servers {
            if let Some(check) = &self.check {
                let (name, server) = (self.name.clone(), server.clone());
                tasks.push(Box::pin(health::watch(name, server, check.clone())));
            }
            if let Target::Name(..) = server.target {
                tasks.push(Box::pin(resolve::watch(self.name.clone(), server.clone())));
            }
        }
        tasks
    }

    /// Whether a server is known by its name only.
    pub fn has_names(&self) -> bool {
        self.servers
            .iter()
            .any(|server| matches!(server.target, Target::Name(..)))
    }

    /// Looks every name up once, so that the first request finds an address. Blocks.
    pub fn resolve_now(&self) {
        use std::net::ToSocketAddrs;
        for server in &self.servers {
            if let Target::Name(name, port) = &server.target
                && let Ok(found) = (name.as_str(), *port).to_socket_addrs()
                && let Some(address) = found.min_by_key(std::net::SocketAddr::is_ipv6)
            {
                server.resolve_to(address);
            }
        }
    }
}
