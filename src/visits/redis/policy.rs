//! What the Redis sink works by.

use crate::visits::address::AddressKind;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

/// Checked settings of the sink.
#[derive(Clone)]
pub struct RedisPolicy {
    /// May hold a password: never shown.
    url: String,
    pub(super) server: ConnectionInfo,
    /// The key of the list or stream.
    pub list: String,
    /// How many visits it has at most; at least 1.
    pub keep: u64,
    /// What the key is.
    pub mode: ListMode,
    /// How much of an address is told.
    pub ip: AddressKind,
}

/// What visits are put into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListMode {
    /// `LPUSH` and `LTRIM`: the consumer takes from the right.
    List,
    /// `XADD` with `MAXLEN`: an entry has one field, `visit`.
    Stream,
}

/// A key is kept with every visit's marker and in every message.
const LONGEST_KEY: usize = 512;

/// What of the settings is wrong, and what to do. Never has the URL in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// Of `url`.
    Url(&'static str),
    /// Of `list`.
    List(&'static str),
    /// Of `keep`.
    Keep(&'static str),
}

impl RedisPolicy {
    /// Checks settings. `url`: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DB]` or
    /// `unix:///PATH[?db=DB&user=USER&pass=PASSWORD]`.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn new(
        url: &str,
        list: &str,
        keep: u64,
        mode: ListMode,
        ip: AddressKind,
    ) -> Result<RedisPolicy, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let server = server(url).map_err(|what| mistakes.push(Mistake::Url(what)));
        if list.is_empty() || list.len() > LONGEST_KEY {
            mistakes.push(Mistake::List("a key has 1 to 512 bytes"));
        }
        if keep == 0 {
            mistakes.push(Mistake::Keep(
                "a list without a bound fills Redis when its consumer is away: at least 1",
            ));
        }
        // The number is a signed one in Redis.
        if i64::try_from(keep).is_err() {
            mistakes.push(Mistake::Keep("Redis does not count so far"));
        }
        match server {
            Ok(server) if mistakes.is_empty() => Ok(RedisPolicy {
                url: url.to_string(),
                server,
                list: list.to_string(),
                keep,
                mode,
                ip,
            }),
            _ => Err(mistakes),
        }
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

impl PartialEq for RedisPolicy {
    fn eq(&self, other: &Self) -> bool {
        let all = |policy: &Self| (policy.keep, policy.mode, policy.ip);
        self.url == other.url && self.list == other.list && all(self) == all(other)
    }
}

impl std::fmt::Debug for RedisPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisPolicy")
            .field("server", &self.address())
            .field("list", &self.list)
            .field("keep", &self.keep)
            .field("mode", &self.mode)
            .field("ip", &self.ip)
            .finish()
    }
}

fn server(url: &str) -> Result<ConnectionInfo, &'static str> {
    let scheme = url.split_once(':').map(|(scheme, _)| scheme);
    match scheme {
        Some("rediss" | "valkeys") => {
            return Err(
                "TLS to Redis does not exist in this version: use redis:// in a private network, or a unix socket of a local stunnel",
            );
        }
        Some("redis" | "valkey" | "unix" | "redis+unix" | "valkey+unix") => {}
        _ => return Err("expected redis://HOST:PORT/DB or unix:///PATH"),
    }
    // The library's own messages may have parts of the URL in them.
    let info = url.into_connection_info().map_err(|_| {
        "expected redis://USER:PASSWORD@HOST:PORT/DB or unix:///PATH?db=DB&user=USER&pass=PASSWORD; in a password, / is written %2F, @ is %40, : is %3A, ? is %3F, # is %23, % is %25"
    })?;
    if info.redis_settings().db() < 0 {
        return Err("a database's number is 0 or more");
    }
    // Who answers a batch waits for its end: the last part of it must not wait for an answer.
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    // What RESP3 is for, this sink does not do.
    let redis = info
        .redis_settings()
        .clone()
        .set_protocol(redis::ProtocolVersion::RESP2)
        .set_skip_set_lib_name();
    Ok(info.set_tcp_settings(tcp).set_redis_settings(redis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(url: &str) -> Result<RedisPolicy, Vec<Mistake>> {
        RedisPolicy::new(url, "queue", 10, ListMode::List, AddressKind::Full)
    }

    #[test]
    fn servers_are_understood() {
        for (url, address) in [
            ("redis://localhost", "localhost:6379"),
            ("redis://:secret@127.0.0.1:7000/3", "127.0.0.1:7000"),
            ("redis://ann:secret@[::1]:7000", "[::1]:7000"),
            ("unix:///run/redis.sock?db=2&pass=secret", "/run/redis.sock"),
            ("valkey://example.org", "example.org:6379"),
        ] {
            let policy = policy(url).unwrap();
            assert_eq!(policy.address(), address);
            assert!(!format!("{policy:?}").contains("secret"));
        }
        let policy = policy("redis://ann:p%40ss@localhost/3").unwrap();
        let redis = policy.server.redis_settings();
        assert_eq!(
            (redis.username(), redis.password(), redis.db()),
            (Some("ann"), Some("p@ss"), 3)
        );
    }

    #[test]
    fn mistakes_say_what_to_do_and_no_secret() {
        for url in [
            "",
            "localhost:6379",
            "http://:secret@localhost",
            "rediss://:secret@localhost",
            "redis://:secret@localhost:port",
            "redis://:sec/ret@localhost",
            "redis://:secret@localhost/secret",
            "redis://localhost/-1",
            "redis://0.0.0.0",
            "unix:relative",
        ] {
            let mistakes = policy(url).unwrap_err();
            assert!(matches!(mistakes.as_slice(), [Mistake::Url(_)]), "{url}");
            assert!(!format!("{mistakes:?}").contains("ret"), "{url}");
        }
        let [Mistake::Url(tls)] = policy("rediss://localhost").unwrap_err()[..] else {
            panic!();
        };
        assert!(tls.starts_with("TLS to Redis does not exist in this version"));
        let all = RedisPolicy::new("x", "", 0, ListMode::List, AddressKind::Full).unwrap_err();
        assert_eq!(all.len(), 3);
        let far = RedisPolicy::new(
            "redis://x",
            "q",
            u64::MAX,
            ListMode::List,
            AddressKind::Full,
        );
        assert!(far.is_err());
    }

    #[test]
    fn a_changed_password_is_a_changed_policy() {
        let one = policy("redis://:one@localhost").unwrap();
        assert_eq!(one, policy("redis://:one@localhost").unwrap());
        assert_ne!(one, policy("redis://:two@localhost").unwrap());
        let other = RedisPolicy {
            keep: 11,
            ..one.clone()
        };
        assert_ne!(one, other);
    }
}
