//! A certificate that a site can show, with its key.

use super::facts::{self, Facts};
use super::names::is_for;
use super::status::{CertificateSource, CertificateStatus};
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::sync::Arc;

/// A certificate, its key, and where they are from.
#[derive(Debug)]
pub struct Certificate {
    /// What a handshake works with.
    pub key: Arc<CertifiedKey>,
    /// What it says of itself.
    pub facts: Facts,
    /// Where it is from.
    pub source: CertificateSource,
    /// The signatures that its key can make.
    schemes: Vec<SignatureScheme>,
}

/// All that any key can make. Those of SHA-1 are not among them.
const SCHEMES: [SignatureScheme; 13] = [
    SignatureScheme::ECDSA_NISTP256_SHA256,
    SignatureScheme::ECDSA_NISTP384_SHA384,
    SignatureScheme::ECDSA_NISTP521_SHA512,
    SignatureScheme::ED25519,
    SignatureScheme::RSA_PSS_SHA256,
    SignatureScheme::RSA_PSS_SHA384,
    SignatureScheme::RSA_PSS_SHA512,
    SignatureScheme::RSA_PKCS1_SHA256,
    SignatureScheme::RSA_PKCS1_SHA384,
    SignatureScheme::RSA_PKCS1_SHA512,
    SignatureScheme::ML_DSA_44,
    SignatureScheme::ML_DSA_65,
    SignatureScheme::ML_DSA_87,
];

impl Certificate {
    /// One with a key that belongs to it.
    pub fn new(key: CertifiedKey, facts: Facts, source: CertificateSource) -> Certificate {
        // Found out once: to ask a key costs an allocation.
        let makes = |scheme: &SignatureScheme| key.key.choose_scheme(&[*scheme]).is_some();
        Certificate {
            schemes: SCHEMES.into_iter().filter(makes).collect(),
            key: Arc::new(key),
            facts,
            source,
        }
    }

    /// Whether it is for this host, whatever its time. `host`: a name or an address.
    pub fn is_for(&self, host: &str) -> bool {
        self.facts.names.iter().any(|own| is_for(own, host))
    }

    /// Whether a client that takes these signatures can check it.
    pub fn suits(&self, offered: &[SignatureScheme]) -> bool {
        self.schemes.iter().any(|scheme| offered.contains(scheme))
    }

    /// What is told of it.
    pub fn status(&self) -> CertificateStatus {
        status(&self.key, &self.facts, self.source.clone())
    }
}

/// What is told of a certificate.
pub fn status(key: &CertifiedKey, facts: &Facts, source: CertificateSource) -> CertificateStatus {
    CertificateStatus {
        names: facts.names.clone(),
        not_before: facts.not_before,
        not_after: facts.not_after,
        issuer: facts.issuer.clone(),
        self_signed: facts.is_self_signed(),
        fingerprint: key
            .cert
            .first()
            .map_or_else(String::new, |der| facts::fingerprint(der)),
        serial: facts.serial.clone(),
        key: facts.key.to_string(),
        source,
    }
}

/// How dear a key's signatures are: the cheapest first, which is also what the newest clients
/// prefer.
pub fn rank(key: &dyn SigningKey) -> u8 {
    match key.algorithm() {
        SignatureAlgorithm::ECDSA => 0,
        SignatureAlgorithm::RSA => 2,
        _ => 1,
    }
}
