//! Which of a site's certificates a client sees.

use super::acme::Order;
use super::certificate::{Certificate, rank};
use super::names::is_for;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// A site's certificates.
#[derive(Debug)]
pub struct Choice {
    /// Those from files, in the order of the configuration.
    pub files: Vec<Certificate>,
    /// What ACME looks after.
    pub order: Option<Arc<Order>>,
    /// What stands in until ACME has one.
    pub stand_in: Option<Arc<Certificate>>,
}

/// How good a certificate is for a client; the least is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// It is not for the name that was asked for.
    other_name: bool,
    /// The client cannot check what its key signs.
    strange: bool,
    /// It is expired, or not valid yet.
    out_of_date: bool,
    /// How dear its signatures are.
    rank: u8,
}

impl Choice {
    /// The certificate for a client that asks for this name, and takes these signatures. `now`:
    /// seconds since the Unix epoch.
    ///
    /// One for the name comes first; of those, one that the client can check; of those, one that is
    /// valid; of those, ECDSA before RSA, and then the first in the configuration. For a client that
    /// asks for no name, or for one that none is for, the names are those of the first.
    pub fn choose(
        &self,
        name: Option<&str>,
        offered: &[SignatureScheme],
        now: i64,
    ) -> Option<Arc<CertifiedKey>> {
        let ordered = self.order.as_ref().and_then(|order| {
            let found = order.certificate(name);
            // One for no other than this name: else it is what a client sees without one.
            let found = found.map(|key| (key, name.is_some()));
            found.or_else(|| order.certificate(None).map(|key| (key, false)))
        });
        let known = |name: &&str| {
            let mut files = self.files.iter();
            let named = ordered.as_ref().is_some_and(|(_, is_named)| *is_named);
            named || files.any(|own| own.facts.names.iter().any(|own| is_for(own, name)))
        };
        let first = self
            .files
            .first()
            .and_then(|first| first.facts.names.first());
        let name = name.filter(known).or(first.map(String::as_str));
        let mut best: Option<(Score, &Arc<CertifiedKey>)> = None;
        for certificate in &self.files {
            let names = &certificate.facts.names;
            let score = Score {
                other_name: !name.is_some_and(|name| names.iter().any(|own| is_for(own, name))),
                strange: !certificate.suits(offered),
                out_of_date: !certificate.facts.is_valid_at(now),
                rank: rank(&*certificate.key.key),
            };
            if best.is_none_or(|(other, _)| score < other) {
                best = Some((score, &certificate.key));
            }
        }
        let ordered = ordered.map(|(key, is_named)| {
            let score = Score {
                other_name: !is_named && best.is_some(),
                strange: key.key.choose_scheme(offered).is_none(),
                out_of_date: false,
                rank: rank(&*key.key),
            };
            (score, key)
        });
        match (best, ordered) {
            (Some((score, key)), Some((other, _))) if score <= other => Some(key.clone()),
            (_, Some((_, key))) => Some(key),
            (Some((_, key)), None) => Some(key.clone()),
            (None, None) => self.stand_in.as_ref().map(|own| own.key.clone()),
        }
    }

    /// Whether any of them signs with RSA.
    pub fn has_rsa(&self) -> bool {
        let ordered = self
            .order
            .as_ref()
            .and_then(|order| order.certificate(None));
        let mut keys = self.files.iter().map(|own| &own.key).chain(&ordered);
        keys.any(|key| is_rsa(key))
    }
}

/// Whether it signs with RSA.
pub fn is_rsa(key: &CertifiedKey) -> bool {
    key.key.algorithm() == SignatureAlgorithm::RSA
}

/// The time, seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes(), now())
    }
}
