//! Who a client is, by its certificate.

use super::clock::signed_now;
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
        ClientIdentity::read(certificate, signed_now()).map(Arc::new)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};

    #[test]
    fn who_came_back_after_the_end_is_not_verified() {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        let at = |seconds| time::OffsetDateTime::from_unix_timestamp(seconds).unwrap();
        (params.not_before, params.not_after) = (at(1_000), at(2_000));
        let certificate = params.self_signed(&key).unwrap();
        for (now, verified) in [(999, false), (1_000, true), (2_000, true), (2_001, false)] {
            let identity = ClientIdentity::read(certificate.der(), now).unwrap();
            assert_eq!(identity.verified, verified, "{now}");
        }
        assert_eq!(
            ClientIdentity::read(&CertificateDer::from(vec![1]), 0),
            None
        );
    }
}
