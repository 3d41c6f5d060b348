//! `acme` of a site's `[site.tls]`.

use crate::config::{At, FilePath, Text, choice, table};

/// Let's Encrypt's production directory.
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";

table! {
    /// Certificates that are ordered and renewed by themselves (ACME, RFC 8555). Who switches this
    /// on agrees to the terms of service of the CA. A self-signed certificate serves until the real
    /// one is there.
    pub struct AcmeSettings {
        /// Whom the CA writes to when something is wrong: `"admin@example.org"`. Absent: nobody.
        email: Option<At<Text>> = None,
        /// Where the CA's directory is; Let's Encrypt for tests:
        /// `"https://acme-staging-v02.api.letsencrypt.org/directory"`.
        directory: At<Text> = At::unplaced(Text::literal(LETS_ENCRYPT)),
        /// How it is shown that the names are the site's. `"http-01"` needs port 80 of the names to
        /// be parvis's, `"tls-alpn-01"` port 443.
        challenge: Challenge = Challenge::Http01,
        /// An account that the CA knows already, for CAs that ask for one.
        eab: Option<EabSettings> = None,
        /// Certificates (PEM) by which the CA's directory itself is trusted, for a private CA.
        /// Absent: those that the system trusts.
        ca: Option<At<FilePath>> = None,
        /// Certificates for names that clients ask for and that `hosts` has by a wildcard.
        on_demand: Option<OnDemandSettings> = None,
    }
}

table! {
    /// An external account of the CA's (RFC 8555 section 7.3.4).
    pub struct EabSettings {
        /// The account's name, as the CA gives it.
        kid: At<Text>,
        /// The account's key, as the CA gives it (base64url). Better given as `{ env = "NAME" }` or
        /// `{ file = "path" }`.
        hmac_key: At<Text>,
    }
}

table! {
    /// Certificates for names that clients ask for. A name must match a wildcard in the site's `hosts`,
    /// such as `"*.example.org"`, unless the site has no `hosts`: then any name will do. The application
    /// must allow it.
    pub struct OnDemandSettings {
        /// Where the application is asked: `"http://127.0.0.1:8000/tls-ask"`, which is sent
        /// `GET /tls-ask?domain=NAME`. Status 200 allows a certificate for the name, any other
        /// refuses it. While there is no answer, or one of 3xx or 5xx, names that were allowed are
        /// served on and new ones wait.
        ask: At<Text>,
    }
}

choice! {
    /// How a CA sees that a name is the site's.
    pub enum Challenge {
        /// A file below `/.well-known/acme-challenge/` on port 80 (RFC 8555 section 8.3).
        Http01 = "http-01",
        /// A certificate on port 443 (RFC 8737).
        TlsAlpn01 = "tls-alpn-01",
    }
}
