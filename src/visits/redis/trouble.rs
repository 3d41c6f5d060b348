//! Why Redis does not take visits, and what the operator can do.

use redis::{RedisError, ServerError};

/// What is told once each until all is well again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// No connection, or it broke.
    Connection,
    /// The server took longer than it may.
    Slow,
    /// User or password.
    Login,
    /// What the user may do.
    Permission,
    /// The server reads its data.
    Loading,
    /// A replica.
    ReadOnly,
    /// Redis has no memory left.
    Memory,
    /// Redis cannot write to its disk.
    Disk,
    /// The key has something else in it.
    Type,
    /// Another node of a Redis Cluster has the key.
    Cluster,
    /// Anything else.
    Other,
}

/// A delivery that failed.
#[derive(Debug)]
pub struct Trouble {
    pub kind: Kind,
    /// In Redis's or the system's words.
    pub text: String,
}

impl Trouble {
    /// What to do.
    pub fn advice(&self) -> &'static str {
        match self.kind {
            Kind::Connection => "is Redis running, and is `url` right?",
            Kind::Slow => "Redis does not answer in time: is it overloaded, or stopped?",
            Kind::Login => "`url` needs the right password: redis://USER:PASSWORD@HOST/DB",
            Kind::Permission => {
                "its user needs MULTI, EXEC, WATCH, GET, SET, LLEN, LPUSH and LTRIM (or XADD) on the list and on `*:parvis:*`"
            }
            Kind::Loading => "Redis reads its data, and will be there soon",
            Kind::ReadOnly => "it is a replica: `url` must name the primary",
            Kind::Memory => "Redis has no memory left: raise its maxmemory, or lower `keep`",
            Kind::Disk => "Redis cannot save to its disk: its own log says why",
            Kind::Type => {
                "the key holds something else: choose another `list`, set `list_mode` to what it is, or remove the key"
            }
            Kind::Cluster => "another node of the cluster has the list: `url` must name that one",
            Kind::Other => "it will be tried again",
        }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        let kind = match error.code() {
            Some(code) => kind(code, &error.to_string()),
            None if error.is_timeout() => Kind::Slow,
            None if error.kind() == redis::ErrorKind::AuthenticationFailed => Kind::Login,
            None => Kind::Connection,
        };
        Trouble {
            kind,
            text: error.to_string(),
        }
    }
}

impl From<&ServerError> for Trouble {
    fn from(error: &ServerError) -> Self {
        let text = match error.details() {
            Some(details) => format!("{} {details}", error.code()),
            None => error.code().to_string(),
        };
        Trouble {
            kind: kind(error.code(), &text),
            text,
        }
    }
}

/// By the first word of an error, which is what Redis promises to keep.
fn kind(code: &str, text: &str) -> Kind {
    match code {
        "NOAUTH" | "WRONGPASS" => Kind::Login,
        "NOPERM" => Kind::Permission,
        "LOADING" | "MASTERDOWN" | "BUSY" => Kind::Loading,
        "READONLY" => Kind::ReadOnly,
        "OOM" => Kind::Memory,
        "MISCONF" => Kind::Disk,
        "WRONGTYPE" => Kind::Type,
        "MOVED" | "ASK" | "CLUSTERDOWN" | "CROSSSLOT" | "TRYAGAIN" => Kind::Cluster,
        // Before Redis 6 a wrong password has no word of its own.
        "ERR" if text.contains("password") || text.contains("AUTH") => Kind::Login,
        _ => Kind::Other,
    }
}
