//! A certificate of parvis's own, for a site whose real one is not there yet.

use super::certificate::Certificate;
use super::facts::Facts;
use super::handshake::provider;
use super::status::CertificateSource;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use time::{Duration, OffsetDateTime};

const NAME: &str = "parvis stand-in, waiting for a certificate";
/// Longer than whatever keeps the real one away may last: a new one is made only when the
/// configuration is loaded anew, and one that has ended is one more thing to wonder about.
const DAYS: i64 = 365;
/// One that ends sooner is not kept over a reload.
const KEEP: i64 = 7 * 86_400;

/// Makes one for these hosts. `now`: seconds since the Unix epoch.
///
/// # Errors
/// A host cannot stand in a certificate, or the system has no randomness.
pub fn make(hosts: &[String], now: i64) -> Result<Certificate, String> {
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let names: Vec<String> = hosts
        .iter()
        .map(|host| {
            host.trim_start_matches('[')
                .trim_end_matches(']')
                .to_string()
        })
        .collect();
    let mut params = CertificateParams::new(names).map_err(|error| error.to_string())?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, NAME);
    let now = OffsetDateTime::from_unix_timestamp(now).map_err(|error| error.to_string())?;
    // Clients' clocks may be behind.
    params.not_before = now - Duration::days(1);
    params.not_after = now + Duration::days(DAYS);
    let certificate = params
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    let der = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = CertifiedKey::from_der(vec![certificate.der().clone()], der, provider());
    let key = key.map_err(|error| error.to_string())?;
    let facts = Facts::of(certificate.der())?;
    Ok(Certificate::new(key, facts, CertificateSource::StandIn))
}

/// Whether one can be kept for these hosts.
pub fn is_good(own: &Certificate, hosts: &[String], now: i64) -> bool {
    let bare = |host: &String| {
        let host = host.trim_start_matches('[').trim_end_matches(']');
        host.to_ascii_lowercase()
    };
    let same = own
        .facts
        .names
        .iter()
        .eq(&hosts.iter().map(bare).collect::<Vec<_>>());
    same && own.facts.not_after.saturating_sub(now) >= KEEP
}
