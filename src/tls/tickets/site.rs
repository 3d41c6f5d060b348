//! A site's tickets.

use super::vault::Vault;
use super::{PERIOD, Secret, period};
use crate::tls::clock::now;
use arc_swap::ArcSwapOption;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Prk, Salt};
use rustls::server::ProducesTickets;
use std::sync::Arc;

/// Bytes of a key's name, with which a ticket begins (RFC 5077 section 4).
const NAME: usize = 16;
/// Bytes of the tag at its end.
const TAG: usize = 16;
/// A ticket holds the session, and a client's certificates. One that is longer could not be sent:
/// its length has 16 bits (RFC 5077 section 3.3, RFC 8446 section 4.6.1).
const LARGEST: usize = u16::MAX as usize;

/// Makes and takes a site's tickets: AES-256-GCM with a random nonce behind the key's name. (With
/// 2^32 tickets of one key in 12 hours, which is 100,000 a second over all edges, the chance that two
/// nonces are the same reaches 2^-32.)
#[derive(Debug)]
pub struct SiteTickets {
    vault: Arc<Vault>,
    /// What tells this site's keys from others'.
    binding: Secret,
    ring: ArcSwapOption<Ring>,
}

/// The keys of a period.
#[derive(Debug)]
struct Ring {
    period: u64,
    version: u64,
    /// The first one makes tickets.
    keys: Vec<Key>,
}

#[derive(Debug)]
struct Key {
    name: [u8; NAME],
    key: LessSafeKey,
}

/// How many bytes are wanted of HKDF.
struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

impl SiteTickets {
    /// Those of a site. `binding`: a digest of what a client of the site's proved (by whose
    /// certificates, and whether it had to); a ticket is worth nothing where that is different.
    pub fn new(vault: Arc<Vault>, binding: Secret) -> SiteTickets {
        SiteTickets {
            vault,
            binding,
            ring: ArcSwapOption::empty(),
        }
    }

    /// The keys of this time. To make them takes some microseconds, every 12 hours; two threads
    /// that do so at once make the same.
    fn ring(&self, now: u64) -> Arc<Ring> {
        let (period, version) = (period(now), self.vault.version());
        let known = self.ring.load();
        if let Some(known) = known.as_ref()
            && (known.period, known.version) == (period, version)
        {
            return known.clone();
        }
        let secrets = self.vault.secrets(period);
        let ring = Arc::new(Ring {
            period,
            version,
            keys: secrets.iter().filter_map(|s| self.key(s)).collect(),
        });
        self.ring.store(Some(ring.clone()));
        ring
    }

    fn key(&self, secret: &Secret) -> Option<Key> {
        let root = Salt::new(HKDF_SHA256, b"parvis tickets").extract(secret);
        let fill = |what: &[u8], out: &mut [u8]| expand(&root, what, &self.binding, out);
        let (mut name, mut key) = ([0; NAME], Secret::default());
        fill(b"name", &mut name)?;
        fill(b"key ", &mut key)?;
        let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &key).ok()?);
        Some(Key { name, key })
    }

    /// A ticket with this in it. `now`: seconds since the Unix epoch.
    pub fn seal(&self, plain: &[u8], now: u64) -> Option<Vec<u8>> {
        let ring = self.ring(now);
        let key = ring.keys.first()?;
        let mut nonce = [0; NONCE_LEN];
        aws_lc_rs::rand::fill(&mut nonce).ok()?;
        let head = NAME.saturating_add(NONCE_LEN);
        let length = head.saturating_add(plain.len()).saturating_add(TAG);
        if length > LARGEST {
            return None;
        }
        let mut ticket = Vec::with_capacity(length);
        ticket.extend_from_slice(&key.name);
        ticket.extend_from_slice(&nonce);
        ticket.extend_from_slice(plain);
        let body = ticket.get_mut(head..)?;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = key
            .key
            .seal_in_place_separate_tag(nonce, Aad::from(key.name), body);
        ticket.extend_from_slice(tag.ok()?.as_ref());
        Some(ticket)
    }

    /// What is in a ticket; `None` when no key of this time made it.
    pub fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        if ticket.len() > LARGEST {
            return None;
        }
        let (name, rest) = ticket.split_first_chunk::<NAME>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let ring = self.ring(now);
        // A name is no secret: it is in every ticket that goes over the wire.
        let key = ring.keys.iter().find(|key| key.name == *name)?;
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = key.key.open_in_place(nonce, Aad::from(*name), &mut plain);
        let length = opened.ok()?.len();
        plain.truncate(length);
        Some(plain)
    }

    /// How long a ticket that is made now will be taken, in seconds.
    pub fn lifetime_at(&self, now: u64) -> u32 {
        let end = period(now).saturating_add(2).saturating_mul(PERIOD);
        u32::try_from(end.saturating_sub(now)).unwrap_or(0)
    }
}

fn expand(root: &Prk, what: &[u8], binding: &Secret, out: &mut [u8]) -> Option<()> {
    let info = [what, binding.as_slice()];
    root.expand(&info, Length(out.len())).ok()?.fill(out).ok()
}

impl ProducesTickets for SiteTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.lifetime_at(now())
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, now())
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        self.open(cipher, now())
    }
}
