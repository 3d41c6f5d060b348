//! What several edges share by a Redis: who orders, and what is answered to the CA.

use redis::{ConnectionInfo, IntoConnectionInfo};
use std::sync::Arc;

/// A Redis that several edges have in common.
pub struct Shared {
    server: ConnectionInfo,
    prefix: String,
}

impl Shared {
    /// Of a URL (`redis://` or `unix:`) and what stands before each key. Connects to nobody.
    ///
    /// # Errors
    /// The URL is none of a Redis. Never with the URL in it, which may have a password.
    pub fn new(url: &str, prefix: &str) -> Result<Arc<Shared>, &'static str> {
        let scheme = url.split_once(':').map(|(scheme, _)| scheme);
        if !matches!(
            scheme,
            Some("redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix")
        ) {
            return Err("expected redis://HOST:PORT/DB or unix:///PATH");
        }
        // The library's own messages may have parts of the URL in them.
        let server = url.into_connection_info().map_err(|_| {
            "expected redis://USER:PASSWORD@HOST:PORT/DB or unix:///PATH?db=DB&user=USER&pass=PASSWORD"
        })?;
        Ok(Arc::new(Shared {
            server,
            prefix: prefix.to_string(),
        }))
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let server = self.server.addr();
        f.debug_struct("Shared")
            .field("server", &server.to_string())
            .field("prefix", &self.prefix)
            .finish()
    }
}
