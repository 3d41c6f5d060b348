//! Who a client is, by its certificate.

use http::HeaderValue;
use rustls::ServerConnection;
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
    pub fn of(connection: &ServerConnection) -> Option<Arc<ClientIdentity>> {
        connection.peer_certificates()?.first()?;
        None
    }
}
