//! Where the secrets of periods are from.

use super::shared::Share;
use super::{Secret, random};
use crate::tls::redis::RedisServer;
use arc_swap::ArcSwap;
use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where the secrets of periods are from.
#[derive(Clone, PartialEq)]
pub enum Origin {
    /// Nobody else has them.
    Process,
    /// They are derived from this, which several edges have.
    File(Secret),
    /// Several edges have them from a Redis.
    Redis(RedisServer),
}

impl std::fmt::Debug for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Process => f.write_str("Process"),
            Origin::File(_) => f.write_str("File"),
            Origin::Redis(server) => server.fmt(f),
        }
    }
}

/// The secrets of the periods around now.
#[derive(Debug)]
pub struct Vault {
    origin: Origin,
    inner: Arc<Inner>,
    share: OnceLock<Option<Share>>,
}

/// A period's secret.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Held {
    period: u64,
    secret: Secret,
}

impl std::fmt::Debug for Held {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // A secret is never printed.
        f.debug_tuple("Held").field(&self.period).finish()
    }
}

/// What the thread that asks Redis has of a vault too.
#[derive(Debug, Default)]
pub struct Inner {
    /// Secrets of the process's own, made when they are needed.
    own: Mutex<Vec<Held>>,
    /// Those that other edges have too, the newest first.
    shared: ArcSwap<Vec<Held>>,
    /// Counts changes of what is shared.
    version: AtomicU64,
}

/// A period's secrets from Redis, of which one is used and the others are taken too: there are
/// several only when Redis forgot what it had.
const MOST_OF_PERIOD: usize = 4;

impl Vault {
    /// One with secrets of this origin.
    pub fn new(origin: Origin) -> Vault {
        Vault {
            origin,
            inner: Arc::default(),
            share: OnceLock::new(),
        }
    }

    /// Where its secrets are from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Begins to ask Redis, when that is the origin, in a thread that ends with the vault.
    pub fn begin(&self) {
        if let Origin::Redis(server) = &self.origin {
            let start = || Share::start(server.clone(), self.inner.clone());
            self.share.get_or_init(start);
        }
    }

    /// Counts up when other secrets are there for the same period.
    pub fn version(&self) -> u64 {
        self.inner.version.load(Ordering::Acquire)
    }

    /// The secrets that keys are made of in this period: the first is what tickets are made with,
    /// all are what they are taken with. Those of the period before are there too, and of the next:
    /// another edge's clock may be ahead.
    pub fn secrets(&self, period: u64) -> Vec<Secret> {
        let around = [period, period.saturating_sub(1), period.saturating_add(1)];
        match &self.origin {
            Origin::Process => self.inner.own(period, true),
            Origin::File(root) => {
                let derived = around.iter().filter_map(|period| derive(root, *period));
                derived.collect()
            }
            Origin::Redis(_) => {
                let shared = self.inner.shared.load();
                let of = |wanted: &u64| {
                    let wanted = *wanted;
                    shared.iter().filter(move |held| held.period == wanted)
                };
                let shared: Vec<Secret> =
                    around.iter().flat_map(of).map(|held| held.secret).collect();
                // Other periods' secrets make no tickets: they are gone too early, or too late.
                let agreed = of(&period).next().is_some();
                let own = self.inner.own(period, !agreed);
                match agreed {
                    true => [shared, own].concat(),
                    false => [own, shared].concat(),
                }
            }
        }
    }

    #[cfg(test)]
    pub fn inner(&self) -> &Arc<Inner> {
        &self.inner
    }
}

impl Inner {
    /// The process's own secrets of this period and of the one before. One that is not there is
    /// made, if so wished, for this period.
    fn own(&self, period: u64, make: bool) -> Vec<Secret> {
        let mut own = self.own.lock().unwrap_or_else(PoisonError::into_inner);
        own.retain(|held| held.period.saturating_add(1) >= period);
        if make
            && !own.iter().any(|held| held.period == period)
            && let Some(secret) = random()
        {
            own.push(Held { period, secret });
        }
        let mut sorted: Vec<Held> = own.clone();
        // A clock that was set back leaves some of later periods, which are taken too.
        sorted.sort_by_key(|held| held.period != period);
        sorted.into_iter().map(|held| held.secret).collect()
    }

    /// The secret of a period that tickets are made with, from Redis.
    pub fn shared(&self, period: u64) -> Option<Secret> {
        let shared = self.shared.load();
        let mut of = shared.iter().filter(|held| held.period == period);
        of.next().map(|held| held.secret)
    }

    /// Keeps a secret from Redis. `now`: the period it is.
    pub fn keep(&self, period: u64, secret: Secret, now: u64) {
        if self.shared(period) == Some(secret) {
            return;
        }
        let held = Held { period, secret };
        let mut all = vec![held];
        let mut of_this = 1usize;
        for old in self.shared.load().iter().filter(|old| **old != held) {
            of_this = of_this.saturating_add(usize::from(old.period == period));
            let fits = old.period != period || of_this <= MOST_OF_PERIOD;
            if fits && old.period.saturating_add(1) >= now {
                all.push(*old);
            }
        }
        self.shared.store(Arc::new(all));
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// A period's secret, from one that is for all.
fn derive(root: &Secret, period: u64) -> Option<Secret> {
    let root = Salt::new(HKDF_SHA256, b"parvis ticket keys").extract(root);
    let info = [b"period".as_slice(), &period.to_be_bytes()];
    let mut secret = Secret::default();
    root.expand(&info, HKDF_SHA256)
        .ok()?
        .fill(&mut secret)
        .ok()?;
    Some(secret)
}
