//! The rustls configuration of a site's handshakes.

use super::choice::Choice;
use super::settings::MinVersion;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WantsServerCert};
use rustls::version::{TLS12, TLS13};
use rustls::{ConfigBuilder, ServerConfig};
use std::sync::{Arc, LazyLock};

/// What a configuration is made of.
pub struct Parts {
    /// Which certificate a client sees.
    pub choice: Arc<Choice>,
    /// Whether clients show certificates.
    pub client_ca: Option<Arc<dyn ClientCertVerifier>>,
    /// The oldest version.
    pub min_version: MinVersion,
    /// With what clients come back.
    pub tickets: Option<Arc<dyn ProducesTickets>>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
}

/// The cryptography: aws-lc's. Its suites are authenticated encryption with forward secrecy alone,
/// and X25519MLKEM768 is the first of its groups (a test sees to both).
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    &PROVIDER
}

/// A client is given one ticket per connection: as many as it had connections, which is how many it
/// opens when it comes back. A second one, as OpenSSL gives, would mostly be thrown away: work and
/// a quarter of a kilobyte in each handshake for nothing.
const TICKETS: usize = 1;
/// What a client gets that asks for more (RFC 9149).
const MOST_TICKETS: usize = 4;

/// Makes the configuration.
///
/// # Errors
/// rustls finds the provider and the versions incompatible, which it never does with these.
pub fn config(parts: Parts) -> Result<ServerConfig, rustls::Error> {
    let versions = match parts.min_version {
        MinVersion::Tls12 => vec![&TLS13, &TLS12],
        MinVersion::Tls13 => vec![&TLS13],
    };
    let builder = ServerConfig::builder_with_provider(provider().clone());
    let builder = builder.with_protocol_versions(&versions)?;
    let builder: ConfigBuilder<ServerConfig, WantsServerCert> = match parts.client_ca {
        Some(verifier) => builder.with_client_cert_verifier(verifier),
        None => builder.with_no_client_auth(),
    };
    let mut config = builder.with_cert_resolver(parts.choice);
    // The client's order of suites counts (rustls's default): one without AES in hardware, such as
    // an old telephone, puts ChaCha20 first and is served faster for it.
    config.ignore_client_order = false;
    config.alpn_protocols = match parts.http2 {
        true => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        false => vec![b"http/1.1".to_vec()],
    };
    // Sessions are in tickets alone: a memory of them would be per site and per process, bounded,
    // and behind a lock. What cannot do tickets (nothing after 2010) does a whole handshake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    match parts.tickets {
        Some(tickets) => {
            config.ticketer = tickets;
            config.send_tls13_tickets = TICKETS;
            config.max_tls13_tickets = MOST_TICKETS;
        }
        None => config.send_tls13_tickets = 0,
    }
    // A request in early data can be sent again by anybody who saw it (RFC 8446 section 8).
    config.max_early_data_size = 0;
    Ok(config)
}
