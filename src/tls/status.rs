//! What is told of a certificate: by `/status`, `parvis certs`, metrics and `parvis check`.

use serde::Serialize;
use std::path::PathBuf;

/// From so many seconds before its end, a certificate is warned about.
pub const WARN_BEFORE: i64 = 14 * 86_400;

/// A certificate that a site can show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateStatus {
    /// The hosts it is for: its subject alternative names of kinds DNS and IP.
    pub names: Vec<String>,
    /// From when it is valid, seconds since the Unix epoch.
    pub not_before: i64,
    /// Until when it is valid, seconds since the Unix epoch.
    pub not_after: i64,
    /// Who issued it (RFC 4514).
    pub issuer: String,
    /// Whether it was issued by nobody but itself.
    pub self_signed: bool,
    /// SHA-256 of its DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// Its number, in upper-case hexadecimal.
    pub serial: String,
    /// What its key is: `ECDSA P-256`, `RSA 2048`.
    pub key: String,
    /// Where it comes from.
    pub source: CertificateSource,
}

impl CertificateStatus {
    /// Whether it has ended, or will so soon that somebody should look at it. `now`: seconds since
    /// the Unix epoch. A stand-in is not looked after: it waits to be replaced.
    pub fn ends_soon(&self, now: i64) -> bool {
        let left = self.not_after.saturating_sub(now);
        left < WARN_BEFORE && self.source != CertificateSource::StandIn
    }
}

/// Where a certificate comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "from")]
pub enum CertificateSource {
    /// The site's configuration names it.
    File {
        /// The certificate's file.
        certificate: PathBuf,
        /// Its key's file.
        key: PathBuf,
    },
    /// An ACME authority gave it.
    Acme,
    /// It stands in until an ACME authority gives one.
    StandIn,
}
