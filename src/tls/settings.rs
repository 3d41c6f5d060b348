//! `[tls]` of the process, and `tls` of a site.

use super::acme::settings::AcmeSettings;
use crate::config::{At, FilePath, Text, choice, table};
use std::path::{Path, PathBuf};

table! {
    /// TLS, for the process. A site's own keys are in its `tls` table.
    pub struct TlsSettings {
        /// Where accounts and certificates of ACME are kept: folders that only parvis can read.
        storage: FilePath = default_storage(),
        /// What becomes of a client that asks for a name (SNI) that no site of the listener has, or
        /// for none: it gets the first site's certificate, or its handshake is refused.
        unknown_sni: UnknownSni = UnknownSni::Default,
        /// Whether clients are given tickets, with which they come back without a whole handshake.
        tickets: bool = true,
        /// A file with a secret that several edges share, so that each takes the others' tickets:
        /// `openssl rand -hex 64 > FILE`. Keys are derived from it anew every 12 hours. Who has the
        /// file can read the traffic of clients that came back with a ticket: replace it now and
        /// then. Absent: a secret in `redis`, or one of the process's own.
        ticket_keys: Option<At<FilePath>> = None,
        /// A Redis that several edges share.
        redis: Option<TlsRedisSettings> = None,
    }
}

table! {
    /// What edges tell each other about TLS: secrets of tickets (unless `ticket_keys` is given), which
    /// of them speaks to an ACME authority, and answers to its challenges.
    /// Nobody else may get at it: who can write there can have certificates for the sites' names made,
    /// and who can read there can read the traffic of clients that came back with a ticket.
    pub struct TlsRedisSettings {
        /// `"redis://USER:PASSWORD@HOST:6379/0"` or
        /// `"unix:///run/redis/redis.sock?db=0&user=USER&pass=PASSWORD"`. One with a password is
        /// better given as `{ env = "NAME" }` or `{ file = "path" }`.
        url: At<Text>,
        /// What all keys begin with.
        prefix: At<Text> = At::unplaced(Text::literal("parvis:tls:")),
    }
}

table! {
    /// A site's certificates: files, or `acme`, or both.
    pub struct SiteTlsSettings {
        /// The certificate and its chain, in PEM: the site's own first, then each one's issuer.
        certificate: Option<At<FilePath>> = None,
        /// The certificate's private key, in PEM, not encrypted. It may be the same file.
        key: Option<At<FilePath>> = None,
        /// More of them, such as one with an RSA key for clients that know nothing newer: each client
        /// gets one that it can check.
        certificates: Vec<PairSettings> = Vec::new(),
        /// Certificates that are ordered and renewed by themselves:
        /// `{ email = "admin@example.org" }`.
        acme: Option<AcmeSettings> = None,
        /// The oldest version of TLS that is spoken.
        min_version: MinVersion = MinVersion::Tls12,
        /// Authorities whose certificates clients show, in PEM. Absent: clients are not asked.
        client_ca: Option<At<FilePath>> = None,
        /// Whether a client without a certificate is refused. Goes with `client_ca`, where it is
        /// `"required"` unless given.
        client_auth: Option<At<ClientAuth>> = None,
        /// Whether the site's plain HTTP listeners send clients to `https` (308).
        redirect: bool = true,
    }
}

table! {
    /// A certificate and its key.
    pub struct PairSettings {
        /// The certificate and its chain, in PEM: the site's own first, then each one's issuer.
        certificate: At<FilePath>,
        /// Its private key, in PEM, not encrypted. It may be the same file.
        key: At<FilePath>,
    }
}

choice! {
    /// What becomes of a client that asks for no name that is known.
    pub enum UnknownSni {
        /// It gets the certificate of the listener's first site.
        Default = "default",
        /// Its handshake is refused with `unrecognized_name`.
        Reject = "reject",
    }
}

choice! {
    /// Versions of TLS.
    #[derive(PartialOrd, Ord)]
    pub enum MinVersion {
        /// TLS 1.2 (RFC 5246), with authenticated encryption and forward secrecy only.
        Tls12 = "1.2",
        /// TLS 1.3 (RFC 8446).
        Tls13 = "1.3",
    }
}

choice! {
    /// Whether clients must show a certificate.
    pub enum ClientAuth {
        /// Who shows none is refused.
        Required = "required",
        /// Who shows none is served, without an identity.
        Optional = "optional",
    }
}

fn default_storage() -> FilePath {
    FilePath(PathBuf::from("/var/lib/parvis"))
}

impl TlsSettings {
    /// The files that it names. To be watched before they are read, and also when they are wrong.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        self.ticket_keys.iter().map(|at| at.value.0.as_path())
    }
}

impl SiteTlsSettings {
    /// The files that it names. To be watched before they are read, and also when they are wrong.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let acme = self.acme.as_ref().and_then(|acme| acme.ca.as_ref());
        let own = [&self.certificate, &self.key, &self.client_ca];
        let own = own.into_iter().flatten().chain(acme);
        let more = self.certificates.iter();
        let more = more.flat_map(|pair| [&pair.certificate, &pair.key]);
        own.chain(more).map(|at| at.value.0.as_path())
    }
}
