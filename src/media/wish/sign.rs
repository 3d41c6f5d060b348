//! Signed addresses: who has the key may ask for any size.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;

/// Bytes of the shortest key: 128 bits of it cannot be guessed.
const SHORTEST: usize = 16;

/// Bytes of a signature.
const LENGTH: usize = 32;

/// The key of signed addresses.
#[derive(Clone)]
pub struct SigningKey(hmac::Key);

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey")
    }
}

impl SigningKey {
    /// A key of these bytes; `None` when they are too few.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let key = || SigningKey(hmac::Key::new(hmac::HMAC_SHA256, bytes));
        (bytes.len() >= SHORTEST).then(key)
    }

    /// The signature of an address: HMAC-SHA-256 (RFC 2104) of the path, `?` and the query as they
    /// are sent, in base64url without padding (RFC 4648 section 5). The address is then
    /// `PATH?QUERY&s=SIGNATURE`, or `PATH?s=SIGNATURE` when the query is empty.
    pub fn sign(&self, path: &str, query: &str) -> String {
        let tag = self.tag(path.as_bytes(), query.as_bytes());
        URL_SAFE_NO_PAD.encode(tag)
    }

    fn tag(&self, path: &[u8], query: &[u8]) -> hmac::Tag {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(path);
        context.update(b"?");
        context.update(query);
        context.sign()
    }
}

/// `s` of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signature<'a> {
    /// The query before it, without the `&` between.
    pub of: &'a [u8],
    /// What is given.
    pub given: &'a [u8],
    /// Whether nothing comes after it.
    pub last: bool,
}

impl Signature<'_> {
    /// Whether it was made with this key, for this path. How long that takes tells nothing of the
    /// right one.
    pub fn is_of(&self, key: &SigningKey, path: &[u8]) -> bool {
        // The decoder wants room for what it may guess at first.
        let mut given = [0; LENGTH + 4];
        let Ok(length) = URL_SAFE_NO_PAD.decode_slice(self.given, &mut given) else {
            return false;
        };
        let given = given.get(..length).unwrap_or_default();
        let tag = key.tag(path, self.of);
        self.last && aws_lc_rs::constant_time::verify_slices_are_equal(tag.as_ref(), given).is_ok()
    }
}
