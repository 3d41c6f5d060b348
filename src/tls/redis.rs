//! The Redis that edges share.

use super::settings::TlsRedisSettings;
use crate::config::Diagnostics;
use redis::ConnectionInfo;

/// A Redis, and what all keys in it begin with.
#[derive(Clone)]
pub struct RedisServer {
    /// May hold a password: never shown.
    url: String,
    server: ConnectionInfo,
    prefix: String,
}

impl RedisServer {
    /// Checks settings; `None` when something is wrong, which is then in `errors`.
    pub fn build(_settings: &TlsRedisSettings, _errors: &mut Diagnostics) -> Option<RedisServer> {
        None
    }

    /// How to connect to it.
    pub fn server(&self) -> &ConnectionInfo {
        &self.server
    }

    /// A key in it: the prefix, and `name` behind that.
    pub fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// The server's address without user and password.
    pub fn address(&self) -> String {
        String::new()
    }
}

impl PartialEq for RedisServer {
    fn eq(&self, other: &Self) -> bool {
        self.url == other.url && self.prefix == other.prefix
    }
}

impl std::fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisServer")
            .field("server", &self.address())
            .field("prefix", &self.prefix)
            .finish()
    }
}
