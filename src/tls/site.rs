//! A site's TLS.

use super::common::Common;
use super::settings::SiteTlsSettings;
use super::status::CertificateStatus;
use crate::config::{Diagnostics, Place};
use rustls::ServerConfig;
use rustls::server::ClientHello;
use std::path::PathBuf;
use std::sync::Arc;

/// What a site's TLS is built from.
#[derive(Debug)]
pub struct SiteOrder<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its hosts as they are written (`example.org`, `*.example.org`), with their places; none: any
    /// host.
    pub names: &'a [(String, Place)],
    /// Where the site is named.
    pub place: Place,
    /// Its `tls`.
    pub settings: &'a SiteTlsSettings,
    /// What all sites share.
    pub common: &'a Arc<Common>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// The one in force, whose stand-in certificate is kept.
    pub before: Option<&'a SiteTls>,
}

/// A site's TLS: certificates, versions, whom it asks for a certificate.
#[derive(Debug)]
pub struct SiteTls {
    site: String,
    config: Arc<ServerConfig>,
    redirect: bool,
    watched: Vec<PathBuf>,
}

impl SiteTls {
    /// Reads and checks the site's files; `None` when something is wrong, which is then in `errors`,
    /// as are warnings (a certificate that ends soon). Blocks: reads files.
    pub fn build(_order: &SiteOrder<'_>, _errors: &mut Diagnostics) -> Option<SiteTls> {
        None
    }

    /// For handshakes.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Whether a handshake may sign with RSA, which takes a millisecond: away from the event loop.
    pub fn is_heavy(&self) -> bool {
        false
    }

    /// Whether the handshake that begins so would sign with RSA. (If it does not resume: then
    /// nothing is signed.)
    pub fn is_heavy_for(&self, _hello: &ClientHello<'_>) -> bool {
        self.is_heavy()
    }

    /// Whether plain HTTP listeners of the site send clients to `https`.
    pub fn redirect(&self) -> bool {
        self.redirect
    }

    /// Whether a client without a certificate is refused.
    pub fn requires_certificate(&self) -> bool {
        false
    }

    /// Files whose change means a reload.
    pub fn watched(&self) -> &[PathBuf] {
        &self.watched
    }

    /// The certificates that clients may see now.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        Vec::new()
    }

    /// What it wants of ACME.
    pub fn orders(&self) -> &[Arc<super::acme::Order>] {
        &[]
    }

    /// Whether a connection whose handshake was with `other` may carry requests for this site
    /// (RFC 9110 section 7.4; if not, the answer is 421).
    pub fn covers(&self, other: &SiteTls) -> bool {
        self.site == other.site
    }
}
