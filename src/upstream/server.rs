//! One server of an upstream.

use super::connect::Speech;
use super::load::Load;
use super::settings::Target;
use arc_swap::ArcSwapOption;
use pingora::upstreams::peer::HttpPeer;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// What is known of a server's health. Shared by the generations of a configuration: a reload
/// must not send requests to a server that is known to be down.
#[derive(Debug)]
pub struct Health {
    up: AtomicBool,
    streak: AtomicU32,
    checks: AtomicU64,
}

impl Default for Health {
    fn default() -> Self {
        Health {
            up: AtomicBool::new(true),
            streak: AtomicU32::new(0),
            checks: AtomicU64::new(0),
        }
    }
}

impl Health {
    /// Whether requests may be sent.
    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// How many checks were made.
    pub fn checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    /// Notes a check's result. True when it changed what is thought of the server: that takes
    /// `fall` failures in a row, or `rise` successes.
    pub fn note(&self, good: bool, fall: u32, rise: u32) -> bool {
        self.checks.fetch_add(1, Ordering::Relaxed);
        if good == self.is_up() {
            self.streak.store(0, Ordering::Relaxed);
            return false;
        }
        let streak = self
            .streak
            .fetch_add(1, Ordering::Relaxed)
            .saturating_add(1);
        let needed = if good { rise } else { fall };
        if streak < needed.max(1) {
            return false;
        }
        self.streak.store(0, Ordering::Relaxed);
        self.up.store(good, Ordering::Relaxed);
        true
    }
}

/// One server.
#[derive(Debug)]
pub struct Server {
    /// As the operator wrote it; a label in logs and `/status`.
    pub label: String,
    /// Where it listens.
    pub target: Target,
    /// What it speaks.
    pub speech: Speech,
    /// Its health.
    pub health: Arc<Health>,
    /// What it has to do.
    pub load: Arc<Load>,
    /// What pingora needs to know of it; its address is filled in for names.
    template: HttpPeer,
    resolved: ArcSwapOption<SocketAddr>,
}

impl Server {
    /// A server.
    ///
    /// # Errors
    /// A socket path that the system cannot take.
    pub fn new(
        target: Target,
        speech: Speech,
        connect: Duration,
        keepalive: Duration,
        health: Arc<Health>,
        load: Arc<Load>,
    ) -> Result<Self, String> {
        let nowhere = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        let mut template = match &target {
            Target::Address(address) => HttpPeer::new(*address, false, String::new()),
            Target::Name(..) => HttpPeer::new(nowhere, false, String::new()),
            Target::Unix(path) => {
                let text = path.to_str().ok_or("a socket's path must be UTF-8")?;
                HttpPeer::new_uds(text, false, String::new())
                    .map_err(|_| "too long for the path of a socket".to_string())?
            }
        };
        template.options.alpn = speech.alpn();
        template.options.connection_timeout = Some(connect);
        template.options.idle_timeout = Some(keepalive);
        // Time-outs are `ServerStream`'s.
        template.options.read_timeout = None;
        template.options.write_timeout = None;
        let label = target.to_string();
        Ok(Server {
            label,
            target,
            speech,
            health,
            load,
            template,
            resolved: ArcSwapOption::empty(),
        })
    }

    /// Notes where a name points to now.
    pub fn resolve_to(&self, address: SocketAddr) {
        self.resolved.store(Some(Arc::new(address)));
    }

    /// The address to connect to; `None` while a name has none, or for a Unix socket.
    pub fn address(&self) -> Option<SocketAddr> {
        match &self.target {
            Target::Address(address) => Some(*address),
            Target::Name(..) => self.resolved.load().as_deref().copied(),
            Target::Unix(_) => None,
        }
    }

    /// Whether it is known where to connect to.
    pub fn has_address(&self) -> bool {
        !matches!(self.target, Target::Name(..)) || self.resolved.load().is_some()
    }

    /// What pingora connects to; `None` while a name has no address.
    pub fn peer(&self) -> Option<Box<HttpPeer>> {
        let mut peer = Box::new(self.template.clone());
        if let Target::Name(..) = self.target {
            peer._address = pingora::protocols::l4::socket::SocketAddr::Inet(self.address()?);
        }
        Some(peer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_a_streak_to_change_a_verdict() {
        let health = Health::default();
        assert!(!health.note(false, 2, 1) && health.is_up());
        assert!(!health.note(true, 2, 1));
        assert!(!health.note(false, 2, 1) && health.is_up());
        assert!(health.note(false, 2, 1) && !health.is_up());
        assert!(health.note(true, 2, 1) && health.is_up());
    }
}
