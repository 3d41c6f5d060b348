//! Tickets: with what clients come back without a whole handshake (RFC 5077, RFC 8446 section
//! 4.6.1).
//!
//! Time is cut into periods of 12 hours, the same for all edges. Each period has a secret, from a
//! [`Vault`]; each site makes its keys of the secrets ([`SiteTickets`]). A ticket is made with the
//! key of its period and taken until the end of the next one: for 12 to 24 hours. Then nothing that
//! could open it is left in the process, nor, where edges share secrets by Redis, in any of them:
//! what was recorded of a connection stays secret from who breaks in later. (Not so with a file of
//! secrets, from which every key can be made again as long as it exists.)
//!
//! A site's keys are its own, not only when it asks for certificates. rustls does resume only for
//! the same server name (`can_resume` in its `server/hs.rs`), but a name may lead to another site
//! on another listener (`unknown_sni = "default"`), and what a client proved to one site, or was
//! proved of one, must not count at another.

mod file;
mod shared;
mod site;
#[cfg(test)]
mod tests;
mod vault;

pub use file::read as read_file;
pub use site::SiteTickets;
pub use vault::{Origin, Vault};

/// Seconds. Every ticket is taken for at least so long.
pub const PERIOD: u64 = 12 * 60 * 60;

/// What keys are made of.
pub type Secret = [u8; 32];

/// The number of the period that this time lies in: seconds since the Unix epoch.
pub fn period(now: u64) -> u64 {
    now / PERIOD
}

/// A secret that nobody else has; `None`: the system has no randomness, and says so elsewhere too.
fn random() -> Option<Secret> {
    let mut secret = Secret::default();
    aws_lc_rs::rand::fill(&mut secret).ok()?;
    Some(secret)
}
