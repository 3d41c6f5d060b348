//! Which of a site's certificates a client sees.

use super::acme::Order;
use super::certificate::{Certificate, rank};
use super::clock::signed_now;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;

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
    /// valid; of those, ECDSA before RSA, and then the first in the configuration, before what ACME
    /// ordered. For a client that asks for no name, or for one that none is for, the names are those
    /// of the first.
    pub fn choose(
        &self,
        name: Option<&str>,
        offered: &[SignatureScheme],
        now: i64,
    ) -> Option<Arc<CertifiedKey>> {
        // For a name that ACME has nothing for, what it has for the others may still be shown.
        let ordered = self.order.as_ref();
        let ordered = ordered.and_then(|own| own.issued(name).or_else(|| own.issued(None)));
        let known = |name: &&str| {
            let mut files = self.files.iter();
            files.any(|own| own.is_for(name)) || ordered.iter().any(|own| own.facts.covers(name))
        };
        let first = self
            .files
            .first()
            .and_then(|first| first.facts.names.first());
        let name = name.filter(known).or(first.map(String::as_str));
        let files = self.files.iter().map(|own| {
            let score = Score {
                other_name: !name.is_some_and(|name| own.is_for(name)),
                strange: !own.suits(offered),
                out_of_date: !own.facts.is_valid_at(now),
                rank: rank(&*own.key.key),
            };
            (score, &own.key)
        });
        let ordered = ordered.iter().map(|own| {
            let score = Score {
                other_name: !name.is_some_and(|name| own.facts.covers(name)),
                strange: own.key.key.choose_scheme(offered).is_none(),
                out_of_date: !own.facts.is_valid_at(now),
                rank: rank(&*own.key.key),
            };
            (score, &own.key)
        });
        // Of equals, the first.
        let best = files.chain(ordered).min_by_key(|(score, _)| *score);
        let stand_in = self.stand_in.as_ref().map(|own| &own.key);
        best.map(|(_, key)| key).or(stand_in).cloned()
    }
}

/// Whether it signs with RSA.
pub fn is_rsa(key: &CertifiedKey) -> bool {
    key.key.algorithm() == SignatureAlgorithm::RSA
}

impl ResolvesServerCert for Choice {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name(), hello.signature_schemes(), signed_now())
    }
}
