//! What several edges share by a Redis: who orders, and what is answered to the CA.
//!
//! The lock is a key with a random value and an end, by which it goes when its holder dies. Only
//! who knows the value prolongs or removes it. A Redis that forgets (it was killed, or a replica
//! took over) may let two edges order: that costs an order, nothing else.

use crate::tls::redis::server;
use redis::{ConnectionInfo, RedisResult};
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// For the connection, and for each answer: it is near.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many ask it at the same time: each does so on a thread of its own. Anybody can have it asked
/// for answers to a CA, so that locks must not have to wait for those.
const MOST: usize = 4;
/// What is answered to a CA goes by itself: challenges take minutes at most.
const ANSWERS_LIVE: Duration = Duration::from_secs(15 * 60);

/// Prolongs the lock of who knows its value.
const PROLONG: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    return redis.call('PEXPIRE', KEYS[1], ARGV[2]) else return 0 end";
/// Removes the lock of who knows its value.
const RELEASE: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then \
    return redis.call('DEL', KEYS[1]) else return 0 end";

/// A Redis that several edges have in common.
pub struct Shared {
    server: ConnectionInfo,
    prefix: String,
    /// A connection to use again.
    kept: Mutex<Option<redis::Connection>>,
    permits: Semaphore,
    /// Of those who look for an answer.
    lookups: Semaphore,
}

impl Shared {
    /// Of a URL (`redis://` or `unix:`) and what stands before each key. Connects to nobody.
    ///
    /// # Errors
    /// The URL is none of a Redis. Never with the URL in it, which may have a password.
    pub fn new(url: &str, prefix: &str) -> Result<Arc<Shared>, &'static str> {
        let server = server(url)?;
        Ok(Arc::new(Shared {
            server,
            prefix: prefix.to_string(),
            kept: Mutex::default(),
            permits: Semaphore::new(MOST),
            lookups: Semaphore::new(MOST),
        }))
    }

    /// Takes a lock, or prolongs nothing when somebody has it: `None`.
    ///
    /// # Errors
    /// Redis is away, or refuses.
    pub async fn lock(self: &Arc<Self>, name: &str, life: Duration) -> io::Result<Option<Lock>> {
        let value = format!("{:032x}", rand::random::<u128>());
        let held = Lock {
            key: format!("{}acme:lock:{name}", self.prefix),
            value,
            life,
            shared: self.clone(),
        };
        let mut command = redis::cmd("SET");
        command
            .arg(&held.key)
            .arg(&held.value)
            .arg("NX")
            .arg("PX")
            .arg(millis(life));
        let answer: Option<String> = self.ask(command).await?;
        Ok(answer.map(|_| held))
    }

    /// Keeps what a CA is to be answered, for all edges. `kind`: of the challenge.
    ///
    /// # Errors
    /// Redis is away, or refuses.
    pub async fn publish(self: &Arc<Self>, kind: &str, name: &str, answer: &str) -> io::Result<()> {
        let mut command = redis::cmd("SET");
        let key = self.answer_key(kind, name);
        command
            .arg(key)
            .arg(answer)
            .arg("PX")
            .arg(millis(ANSWERS_LIVE));
        self.ask(command).await
    }

    /// Removes it.
    ///
    /// # Errors
    /// Redis is away, or refuses: it goes by itself.
    pub async fn withdraw(self: &Arc<Self>, kind: &str, name: &str) -> io::Result<()> {
        let mut command = redis::cmd("DEL");
        command.arg(self.answer_key(kind, name));
        self.ask(command).await
    }

    /// What a CA is to be answered, as some edge published it.
    ///
    /// # Errors
    /// Redis is away, or refuses.
    pub async fn answer(self: &Arc<Self>, kind: &str, name: &str) -> io::Result<Option<String>> {
        let mut command = redis::cmd("GET");
        command.arg(self.answer_key(kind, name));
        self.ask_in(&self.lookups, command).await
    }

    fn answer_key(&self, kind: &str, name: &str) -> String {
        format!("{}acme:{kind}:{name}", self.prefix)
    }

    async fn ask<T>(self: &Arc<Self>, command: redis::Cmd) -> io::Result<T>
    where
        T: redis::FromRedisValue + Send + 'static,
    {
        self.ask_in(&self.permits, command).await
    }

    async fn ask_in<T>(self: &Arc<Self>, turns: &Semaphore, command: redis::Cmd) -> io::Result<T>
    where
        T: redis::FromRedisValue + Send + 'static,
    {
        // Who cannot have a turn soon is told so: it does not pile up.
        let permit = tokio::time::timeout(PATIENCE, turns.acquire()).await;
        let _permit = permit
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
            .map_err(io::Error::other)?;
        let shared = self.clone();
        let answer = spawn_blocking(move || shared.ask_now(&command)).await;
        answer
            .map_err(io::Error::other)?
            .map_err(|error| io::Error::other(format!("Redis: {error}")))
    }

    fn ask_now<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> RedisResult<T> {
        let kept = self.kept().take();
        if let Some(mut connection) = kept {
            match command.query(&mut connection) {
                // It was closed meanwhile, or the server was started anew: once more.
                Err(error) if error.is_io_error() && !error.is_timeout() => {}
                answer => {
                    if answer.is_ok() {
                        *self.kept() = Some(connection);
                    }
                    return answer;
                }
            }
        }
        let client = redis::Client::open(self.server.clone())?;
        let mut connection = client.get_connection_with_timeout(PATIENCE)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        connection.set_write_timeout(Some(PATIENCE))?;
        let answer = command.query(&mut connection)?;
        *self.kept() = Some(connection);
        Ok(answer)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Option<redis::Connection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("server", &self.server.addr().to_string())
            .field("prefix", &self.prefix)
            .finish()
    }
}

impl PartialEq for Shared {
    /// Whether it is the same server and prefix. A login that was changed makes another one.
    fn eq(&self, other: &Self) -> bool {
        let login = |shared: &Self| {
            let settings = shared.server.redis_settings();
            let text = |part: Option<&str>| part.map(str::to_string);
            (
                settings.db(),
                text(settings.username()),
                text(settings.password()),
            )
        };
        self.server.addr() == other.server.addr()
            && self.prefix == other.prefix
            && login(self) == login(other)
    }
}

/// A lock that is held: until it is released, or its life is over.
#[derive(Debug)]
pub struct Lock {
    key: String,
    value: String,
    life: Duration,
    shared: Arc<Shared>,
}

impl Lock {
    /// Prolongs it again and again; ends when it was lost.
    pub async fn keep(&self) {
        let mut ended = tokio::time::Instant::now() + self.life;
        loop {
            tokio::time::sleep(self.life / 3).await;
            let mut command = redis::cmd("EVAL");
            command
                .arg(PROLONG)
                .arg(1)
                .arg(&self.key)
                .arg(&self.value)
                .arg(millis(self.life));
            let now = tokio::time::Instant::now();
            match self.shared.ask::<i64>(command).await {
                Ok(1) => ended = now + self.life,
                Ok(_) => return,
                // Nobody else can have it before its life is over.
                Err(_) if now < ended => {}
                Err(_) => return,
            }
        }
    }

    /// Lets the next one have it.
    pub async fn release(self) {
        let mut command = redis::cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(&self.key).arg(&self.value);
        // It goes by itself when this fails.
        let _ = self.shared.ask::<i64>(command).await;
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
