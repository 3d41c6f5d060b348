//! What an app is told of a client's certificate.

use http::header::{HeaderName, HeaderValue};
use pingora::http::RequestHeader;

/// The certificate itself, base64 of its DER between colons (RFC 9440 section 2.2).
const CERTIFICATE: HeaderName = HeaderName::from_static("client-cert");
/// `SUCCESS`, or `FAILED:expired` for one that ended since it was shown.
const VERIFY: HeaderName = HeaderName::from_static("x-client-verify");
/// Whose it is (RFC 4514).
const SUBJECT: HeaderName = HeaderName::from_static("x-client-subject");
/// Its number, hexadecimal.
const SERIAL: HeaderName = HeaderName::from_static("x-client-serial");
/// SHA-256 of its DER, hexadecimal.
const FINGERPRINT: HeaderName = HeaderName::from_static("x-client-fingerprint");
/// The rest of the chain (RFC 9440 section 2.3). Not told; nobody else may.
const CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// What an app is told.
#[derive(Debug)]
pub struct ShownCertificate<'a> {
    /// Whether it is valid now.
    pub verified: bool,
    /// Whose it is.
    pub subject: &'a str,
    /// Its number.
    pub serial: &'a str,
    /// Its fingerprint.
    pub fingerprint: &'a str,
    /// The value of `Client-Cert`.
    pub certificate: &'a HeaderValue,
}

/// Takes out what only parvis may say, whoever said it.
pub fn remove_client_certificate(request: &mut RequestHeader) {
    for name in [
        &CERTIFICATE,
        &VERIFY,
        &SUBJECT,
        &SERIAL,
        &FINGERPRINT,
        &CHAIN,
    ] {
        request.remove_header(name);
    }
}

impl ShownCertificate<'_> {
    /// Writes the fields.
    ///
    /// # Errors
    /// More fields than a header map holds, or a value that is none.
    pub fn apply(&self, request: &mut RequestHeader) -> pingora::Result<()> {
        let verify = match self.verified {
            true => "SUCCESS",
            false => "FAILED:expired",
        };
        request.insert_header(CERTIFICATE, self.certificate.clone())?;
        request.insert_header(VERIFY, verify)?;
        request.insert_header(SUBJECT, self.subject)?;
        request.insert_header(SERIAL, self.serial)?;
        request.insert_header(FINGERPRINT, self.fingerprint)
    }
}
