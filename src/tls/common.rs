//! What all sites share of TLS.

use super::acme::Shared;
use super::redis::RedisServer;
use super::settings::{TlsSettings, UnknownSni};
use super::tickets::{self, Origin, Vault};
use crate::config::{Diagnostic, Diagnostics};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// `[tls]`, checked.
#[derive(Debug)]
pub struct Common {
    unknown_sni: UnknownSni,
    storage: PathBuf,
    redis: Option<RedisServer>,
    shared: Option<Arc<Shared>>,
    vault: Option<Arc<Vault>>,
}

impl Common {
    /// Checks settings; what is wrong is in `errors`. `before` is the one in force, whose secrets
    /// are kept unless they are from elsewhere now. Reads a file; talks to nobody.
    pub fn build(
        settings: &TlsSettings,
        before: Option<&Arc<Common>>,
        errors: &mut Diagnostics,
    ) -> Arc<Common> {
        let redis = settings.redis.as_ref();
        let redis = redis.and_then(|redis| RedisServer::build(redis, errors));
        let same = before.filter(|before| before.redis == redis);
        let shared = match (same, &redis) {
            (Some(same), _) => same.shared.clone(),
            // The URL was checked.
            (None, Some(redis)) => Shared::new(&redis.url, &redis.prefix).ok(),
            (None, None) => None,
        };
        let origin = origin(settings, redis.as_ref(), errors);
        let vault = origin.map(|origin| {
            let vault = before.and_then(|before| before.vault.as_ref());
            let same = vault.filter(|vault| *vault.origin() == origin);
            same.map_or_else(|| Arc::new(Vault::new(origin)), Arc::clone)
        });
        Arc::new(Common {
            unknown_sni: settings.unknown_sni,
            storage: settings.storage.0.clone(),
            redis,
            shared,
            vault,
        })
    }

    /// Begins to share secrets with other edges, when there is a Redis for that; to be called when
    /// the configuration is in force, at the start and after each reload. Does not wait for Redis:
    /// until it answers, tickets are made with a secret of the process's own. Does nothing when it
    /// was called already, for this one or for one whose secrets this one has.
    pub fn begin(&self) {
        if let Some(vault) = &self.vault {
            vault.begin();
        }
    }

    /// What becomes of clients that ask for no name that is known.
    pub fn unknown_sni(&self) -> UnknownSni {
        self.unknown_sni
    }

    /// Where ACME keeps accounts and certificates.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The Redis that edges share, for ACME.
    pub fn shared(&self) -> Option<&Arc<Shared>> {
        self.shared.as_ref()
    }

    /// Where the secrets of tickets are; `None`: clients are given none.
    pub(super) fn vault(&self) -> Option<&Arc<Vault>> {
        self.vault.as_ref()
    }
}

/// Where the secrets of tickets are from; `None`: there are none.
fn origin(
    settings: &TlsSettings,
    redis: Option<&RedisServer>,
    errors: &mut Diagnostics,
) -> Option<Origin> {
    match (settings.tickets, &settings.ticket_keys) {
        (false, None) => None,
        (false, Some(file)) => {
            errors.push(
                Diagnostic::new(
                    file.place,
                    "`ticket_keys` does nothing: tickets are switched off",
                )
                .label("goes with `tickets = true`")
                .help("remove it: parvis accepts no key that would do nothing"),
            );
            None
        }
        (true, Some(file)) => tickets::read_file(file, errors).map(Origin::File),
        (true, None) => Some(match redis {
            Some(redis) => Origin::Redis(redis.clone()),
            None => Origin::Process,
        }),
    }
}
