//! The Redis that edges share.

use super::settings::TlsRedisSettings;
use crate::config::{At, Diagnostic, Diagnostics, Text};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Redis takes longer keys, but every one of parvis's begins with it.
const LONGEST_PREFIX: usize = 256;

/// A Redis, and what all keys in it begin with.
#[derive(Clone)]
pub struct RedisServer {
    /// May hold a password: never shown.
    pub url: String,
    /// How to connect.
    pub server: ConnectionInfo,
    /// What all keys begin with.
    pub prefix: String,
}

impl RedisServer {
    /// Checks settings; `None` when something is wrong, which is then in `errors`.
    pub fn build(settings: &TlsRedisSettings, errors: &mut Diagnostics) -> Option<RedisServer> {
        // What could not be read is a mistake of its own.
        if !settings.sound {
            return None;
        }
        let (url, prefix) = (&settings.url, &settings.prefix);
        let server = server(&url.value.text).map_err(|what| errors.push(wrong(url).help(what)));
        if prefix.value.text.len() > LONGEST_PREFIX {
            let what = "`prefix` of [tls.redis] is too long";
            let most = format!("at most {LONGEST_PREFIX} bytes");
            errors.push(Diagnostic::new(prefix.place, what).label(most));
            return None;
        }
        Some(RedisServer {
            url: url.value.text.clone(),
            server: server.ok()?,
            prefix: prefix.value.text.clone(),
        })
    }

    /// The server's address without user and password.
    pub fn address(&self) -> String {
        match self.server.addr() {
            ConnectionAddr::Tcp(host, port) if host.contains(':') => format!("[{host}]:{port}"),
            ConnectionAddr::Tcp(host, port) => format!("{host}:{port}"),
            ConnectionAddr::Unix(path) => path.display().to_string(),
            _ => "an unknown kind of address".to_string(),
        }
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

/// The line of a URL is shown only when it cannot have a password in it.
fn wrong(url: &At<Text>) -> Diagnostic {
    let what = "`url` of [tls.redis] is no Redis that can be used";
    let text = &url.value.text;
    let open = !text.contains('@') && !text.contains("pass");
    if open || url.value.is_secret() {
        Diagnostic::new(url.place, what)
    } else {
        Diagnostic::nowhere(what)
    }
}

/// How to connect to the Redis of a URL (`redis://` or `unix:`). Connects to nobody.
///
/// # Errors
/// The URL is none of a Redis. Never with the URL in it, which may have a password.
pub fn server(url: &str) -> Result<ConnectionInfo, &'static str> {
    match url.split_once(':').map(|(scheme, _)| scheme) {
        Some("rediss" | "valkeys") => {
            return Err(
                "TLS to Redis does not exist in this version: use redis:// in a private network, or a unix socket of a local stunnel",
            );
        }
        Some("redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix") => {}
        _ => return Err("expected redis://HOST:PORT/DB or unix:///PATH"),
    }
    // The library's own messages may have parts of the URL in them.
    url.into_connection_info().map_err(|_| {
        "expected redis://USER:PASSWORD@HOST:PORT/DB or unix:///PATH?db=DB&user=USER&pass=PASSWORD; in a password, / is written %2F, @ is %40, : is %3A, ? is %3F, # is %23, % is %25"
    })
}
