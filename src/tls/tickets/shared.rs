//! Secrets of periods that several edges have from a Redis.
//!
//! A period's secret is whatever lies under its key: who finds none there puts a random one
//! (`SET NX`), and everybody takes what is there then. That of the next period is agreed on in
//! advance, so that edges whose clocks differ, or that lose Redis, go on together. A secret goes
//! from Redis when nobody takes its tickets any more.
//!
//! Each minute everybody looks again: a Redis that was emptied is given what the first one to look
//! has, and the others take that.

use super::vault::Inner;
use super::{PERIOD, Secret, period, random};
use crate::tls::clock::now;
use crate::tls::facts::hex_upper;
use crate::tls::redis::RedisServer;
use redis::{Connection, RedisError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// For a connection, and for an answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often secrets are looked at, and a Redis that is away is tried again.
const EVERY: Duration = Duration::from_secs(60);
const EVERY_IN_TROUBLE: Duration = Duration::from_secs(5);
/// How much longer than its tickets a secret stays in Redis: clocks differ.
const SLACK: u64 = 3600;

/// The thread that asks. It ends soon after this is dropped.
#[derive(Debug)]
pub struct Share {
    stop: Arc<Stop>,
}

#[derive(Debug, Default)]
struct Stop {
    set: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// Waits. True when it is to end.
    fn wait(&self, pause: Duration) -> bool {
        let set = self.set.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.changed.wait_timeout_while(set, pause, |set| !*set);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // It is not waited for: it may be waiting for Redis, for some seconds, and has nothing to
        // put in order.
        let mut set = self.stop.set.lock().unwrap_or_else(PoisonError::into_inner);
        *set = true;
        self.stop.changed.notify_all();
    }
}

impl Share {
    /// Starts the thread; `None` when the system has none left, which is logged.
    pub fn start(server: RedisServer, inner: Arc<Inner>) -> Option<Share> {
        let stop = Arc::new(Stop::default());
        let share = Share { stop: stop.clone() };
        let run = move || ask(&server, &inner, &stop);
        let thread = std::thread::Builder::new()
            .name("tls-tickets".to_string())
            .spawn(run);
        match thread {
            Ok(_) => Some(share),
            Err(error) => {
                tracing::error!(%error, "no thread for what edges share of tickets: this one's are its own");
                None
            }
        }
    }
}

fn ask(server: &RedisServer, inner: &Inner, stop: &Stop) {
    let mut well = None;
    loop {
        let asked = agree(server, inner, now());
        let address = server.address();
        match (&asked, well) {
            (Ok(()), Some(false)) => {
                tracing::info!(redis = address, "tickets are those of all edges again");
            }
            (Err(error), None | Some(true)) => {
                // Said once until all is well.
                tracing::warn!(
                    redis = address,
                    %error,
                    "what edges share of tickets cannot be looked at: this one goes on with what it has, and with secrets of its own after that"
                );
            }
            _ => {}
        }
        well = Some(asked.is_ok());
        let pause = if asked.is_ok() {
            EVERY
        } else {
            EVERY_IN_TROUBLE
        };
        if stop.wait(pause) {
            return;
        }
    }
}

/// Agrees with the other edges on the secrets of the periods around this time.
///
/// # Errors
/// Redis is away, or answers something else.
pub fn agree(server: &RedisServer, inner: &Inner, now: u64) -> Result<(), RedisError> {
    let client = redis::Client::open(server.server.clone())?;
    let mut connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    connection.set_write_timeout(Some(PATIENCE))?;
    let this = period(now);
    for period in [this, this.saturating_add(1)] {
        // Nothing here depends on which of several edges is first.
        let Some(offer) = inner.shared(period).or_else(random) else {
            continue;
        };
        let secret = exchange(&mut connection, server, period, &offer, now)?;
        inner.keep(period, secret, this);
    }
    // Nobody makes tickets of the last period any more, but clients still bring them.
    let last = this.saturating_sub(1);
    if inner.shared(last).is_none()
        && let Some(secret) = look(&mut connection, server, last)?
    {
        inner.keep(last, secret, this);
    }
    Ok(())
}

fn key(server: &RedisServer, period: u64) -> String {
    format!("{}tickets:{period}", server.prefix)
}

/// Offers a secret for a period, and gives the one that counts.
fn exchange(
    connection: &mut Connection,
    server: &RedisServer,
    period: u64,
    offer: &Secret,
    now: u64,
) -> Result<Secret, RedisError> {
    let end = period.saturating_add(2).saturating_mul(PERIOD);
    let expires = end.saturating_sub(now).saturating_add(SLACK);
    let mut set = redis::cmd("SET");
    set.arg(key(server, period)).arg(hex_upper(offer)).arg("NX");
    set.arg("EX").arg(expires).exec(connection)?;
    // Gone within the moment: Redis throws keys away. What was offered is as good as any.
    Ok(look(connection, server, period)?.unwrap_or(*offer))
}

fn look(
    connection: &mut Connection,
    server: &RedisServer,
    period: u64,
) -> Result<Option<Secret>, RedisError> {
    let found: Option<String> = redis::cmd("GET")
        .arg(key(server, period))
        .query(connection)?;
    match found {
        None => Ok(None),
        Some(text) => parse(&text).map(Some).ok_or_else(|| {
            let what = "a key of parvis's holds no secret: is `prefix` another program's?";
            RedisError::from((redis::ErrorKind::UnexpectedReturnType, what))
        }),
    }
}

fn parse(text: &str) -> Option<Secret> {
    let mut secret = Secret::default();
    let digits = text.as_bytes();
    if digits.len() != secret.len().saturating_mul(2) {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(digits.chunks_exact(2)) {
        let pair = std::str::from_utf8(pair).ok()?;
        // `from_str_radix` takes a sign.
        if !pair.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return None;
        }
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(secret)
}
