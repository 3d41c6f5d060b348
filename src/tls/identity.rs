//! Who a client is, by its certificate.

use super::choice::now;
use super::facts::{Facts, fingerprint};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// A client's certificate, as an app is told of it. It was issued by one of the site's `client_ca`:
/// a handshake with any other fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientIdentity {
    /// Whether it is valid now. It was when the client showed it; a client that came back with a
    /// ticket, up to a day later, may find it expired. A site that requires certificates should
    /// refuse a client whose is not.
    pub verified: bool,
    /// Whose it is (RFC 4514): visible ASCII, everything else escaped.
    pub subject: String,
    /// Its number, in upper-case hexadecimal.
    pub serial: String,
    /// SHA-256 of its DER, in lower-case hexadecimal.
    pub fingerprint: String,
    /// The value of `Client-Cert` (RFC 9440 section 2.2).
    pub header: HeaderValue,
}

impl ClientIdentity {
    /// Of a connection whose handshake is done; `None` when the client showed no certificate.
    /// Costs some microseconds: to be called once per connection.
    pub fn of(connection: &ServerConnection) -> Option<Arc<ClientIdentity>> {
        let certificate = connection.peer_certificates()?.first()?;
        ClientIdentity::read(certificate, now()).map(Arc::new)
    }

    /// Of a certificate that was verified. `now`: seconds since the Unix epoch.
    fn read(certificate: &CertificateDer<'_>, now: i64) -> Option<ClientIdentity> {
        let facts = Facts::of(certificate).ok()?;
        // A byte sequence of RFC 9651 section 3.3.5.
        let header = format!(":{}:", BASE64_STANDARD.encode(certificate));
        Some(ClientIdentity {
            verified: facts.is_valid_at(now),
            subject: facts.subject,
            serial: facts.serial,
            fingerprint: fingerprint(certificate),
            header: HeaderValue::try_from(header).ok()?,
        })
    }
}
