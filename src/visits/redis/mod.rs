//! Visits into a list or a stream of Redis, for a site that has a consumer of its own.
//!
//! Batches are transactions: the visits, the bound, and a marker that says up to which place of
//! the spool they go. When a connection breaks before the answer, the marker tells whether the
//! batch was taken: nothing is lost, and nothing is there twice. What that cannot help against: a
//! Redis that forgets what it had taken (it was killed and saves seldom, or a replica that was
//! behind took over), and one that throws the marker away (`maxmemory-policy allkeys-*`) while a
//! connection breaks.
//!
//! `keep` is a bound of Redis's memory, and always there: what is behind it is gone when the
//! consumer does not come. The consumer takes from the right of the list (`RPOP`, `LRANGE` and
//! `LTRIM`), where the oldest are.

mod batch;
mod connection;
mod marker;
mod policy;
pub mod settings;
mod stop;
#[cfg(test)]
mod tests;
mod trouble;
mod worker;

pub use policy::RedisPolicy;

use super::sink::SinkCounters;
use super::spool::Spool;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stop::Stop;
use worker::{State, Worker};

/// The sink's place in the spool.
const NAME: &str = "redis";
/// How long the server may take to read or to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much longer than its patience a sink may take to end: the server's answer to what was asked
/// is waited for.
const GRACE: Duration = Duration::from_secs(8);
const LOOK_EVERY: Duration = Duration::from_millis(2);

/// The sink: a thread of its own.
#[derive(Debug)]
pub struct RedisSink {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

impl RedisSink {
    /// Starts the sink. It goes on where it was, when it was there before.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        spool: Arc<Spool>,
        policy: RedisPolicy,
        counters: SinkCounters,
    ) -> io::Result<RedisSink> {
        RedisSink::begin(spool, policy, counters, PATIENCE)
    }

    fn begin(
        spool: Arc<Spool>,
        policy: RedisPolicy,
        counters: SinkCounters,
        limit: Duration,
    ) -> io::Result<RedisSink> {
        let stop = Arc::new(Stop::default());
        let worker = Worker {
            reader: spool.reader(NAME),
            marker: marker::key(&policy.list, spool.id()),
            policy,
            counters,
            stop: stop.clone(),
            limit,
            state: State::default(),
        };
        let thread = std::thread::Builder::new()
            .name("visits-redis".to_string())
            .spawn(move || worker.run())?;
        Ok(RedisSink { stop, thread })
    }

    /// Delivers what is in the spool, for at most `patience`, and ends. What is left stays in the
    /// spool. A server that does not answer may hold it up for some seconds more.
    pub fn end(self, patience: Duration) {
        self.stop.set(patience);
        let began = Instant::now();
        let most = patience.saturating_add(GRACE);
        while !self.thread.is_finished() && began.elapsed() < most {
            std::thread::sleep(LOOK_EVERY);
        }
        if self.thread.is_finished() {
            // A thread that panicked has left its place in the spool as it was.
            let _ = self.thread.join();
        } else {
            tracing::warn!("Redis holds its sink up, which cannot end");
        }
    }
}
