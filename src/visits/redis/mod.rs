//! Visits into a list or a stream of Redis, for a site that has a consumer of its own.
//!
//! Batches are transactions: the visits, the bound, and a marker that says up to which place of
//! the spool they go. When a connection breaks before the answer, the marker tells whether the
//! batch was taken: nothing is lost, and nothing is there twice. What that cannot help against: a
//! Redis that forgets what it had taken (it was killed and saves seldom, or a replica that was
//! behind took over), and one that throws the marker away (`maxmemory-policy allkeys-*`) while a
//! connection breaks. A marker that may be another machine's is not believed (`Worker::believe`):
//! after a power cut, or with a spool from a backup, visits may be there twice, with the same `id`.
//!
//! `keep` is a bound of Redis's memory, and always there. While the list is full, visits wait in
//! the spool until its consumer has taken some: after an outage the spool does not push out what it
//! kept. The sink looks at the list's length at least once a second then, and pushes what fits. It
//! is not in trouble meanwhile: it is up, and `waiting` grows. Only when the list was full for 15
//! minutes and nobody took from it, it has no consumer: from there on all is pushed, the newest
//! `keep` stay, and what goes is counted (`trimmed`), until the list becomes shorter. This is
//! remembered as long as the sink lives: one that starts with a full list waits 15 minutes too,
//! while the spool keeps everything (that it has room for: what goes there is counted as lost).
//! Whatever makes the list shorter is a consumer to it. When several machines fill one list, it may be longer than
//! `keep` by a batch of each for a moment: nothing is thrown away for that.
//!
//! The consumer takes from the right of the list (`RPOP`, `LRANGE` and `LTRIM`), where the oldest
//! are.
//!
//! A stream does not become shorter when it is read, so its length says nothing about its
//! consumers: Redis bounds it (`MAXLEN ~ keep`), and what is behind the bound is gone, read or not.
//! `keep` must be enough for what comes in an outage of the consumer, and for what the spool holds
//! after one of Redis.

mod batch;
mod connection;
mod marker;
mod policy;
mod room;
pub mod settings;
mod stop;
#[cfg(test)]
mod tests;
mod trouble;
mod worker;

pub use policy::RedisPolicy;

use super::sink::SinkCounters;
use super::spool::Spool;
use room::Room;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use stop::Stop;
use worker::{State, Worker};

/// The sink's name in the spool, in metrics and in `/status`.
pub const NAME: &str = "redis";
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
        RedisSink::begin(spool, policy, counters, PATIENCE, room::ABSENT)
    }

    fn begin(
        spool: Arc<Spool>,
        policy: RedisPolicy,
        counters: SinkCounters,
        limit: Duration,
        absent: Duration,
    ) -> io::Result<RedisSink> {
        let stop = Arc::new(Stop::default());
        let worker = Worker {
            reader: spool.reader(NAME),
            marker: marker::key(&policy.list, spool.id(), &marker::machine()),
            room: Room::new(&policy, absent, counters.clone()),
            policy,
            counters: counters.clone(),
            stop: stop.clone(),
            limit,
            state: State::default(),
        };
        let thread = std::thread::Builder::new()
            .name("visits-redis".to_string())
            .spawn(move || {
                // What waits meanwhile waits in the spool.
                crate::nice::give_way_to_all();
                guarded(&counters, || worker.run());
            })?;
        Ok(RedisSink { stop, thread })
    }

    /// Delivers what is in the spool, for at most `patience`, and ends. What is left, or has no room
    /// in the list, stays in the spool. A server that does not
    /// answer may hold it up for some seconds more.
    pub fn end(self, patience: Duration) {
        self.stop.set(patience);
        let began = Instant::now();
        let most = patience.saturating_add(GRACE);
        while !self.thread.is_finished() && began.elapsed() < most {
            std::thread::sleep(LOOK_EVERY);
        }
        if self.thread.is_finished() {
            // Its own end was told by itself.
            let _ = self.thread.join();
        } else {
            tracing::warn!("Redis holds its sink up, which cannot end");
        }
    }
}

/// Runs the thread. When it panics, its place in the spool stays as it was, and everybody is told:
/// nothing else would show that visits wait for nobody.
fn guarded(counters: &SinkCounters, run: impl FnOnce()) {
    if std::panic::catch_unwind(AssertUnwindSafe(run)).is_err() {
        counters.failed("its thread ended by a fault of parvis");
        tracing::error!(
            "the thread that sends visits to Redis ended by a fault of parvis: they wait in the spool until it is started again"
        );
    }
}
