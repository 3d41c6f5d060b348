//! TLS: which certificate a client sees, who it is, and with what it comes back.
//!
//! A site has a [`SiteTls`]: the rustls configuration of its handshakes, with the certificates that
//! it can show: files, or what [`acme`] orders. [`Common`] is what all sites share: tickets
//! (RFC 5077, RFC 8446 section 4.6.1) and where ACME keeps its things. Both are built with a
//! configuration, and what should outlive one (a secret, a stand-in certificate) is taken from the
//! one before.
//!
//! Nothing here opens a socket of a client's. `listen` reads the ClientHello, asks the edge for the
//! site, and does the handshake with the site's configuration.

pub mod acme;
mod certificate;
mod choice;
mod client_ca;
mod clock;
mod common;
mod distinguished_name;
mod facts;
mod handshake;
mod identity;
mod names;
mod pair;
mod pem;
mod redis;
pub mod settings;
mod site;
mod stand_in;
mod status;
#[cfg(test)]
mod tests;
mod tickets;

pub use common::Common;
pub use identity::ClientIdentity;
pub use site::{SiteOrder, SiteTls};
pub use status::{CertificateSource, CertificateStatus, WARN_BEFORE};
