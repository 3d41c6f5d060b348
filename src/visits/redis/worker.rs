//! The sink's thread: takes from the spool, puts into Redis.

use super::batch::Batch;
use super::connection::{Connection, Failure, Outcome};
use super::policy::RedisPolicy;
use super::stop::Stop;
use super::trouble::{Kind, Trouble};
use crate::visits::sink::SinkCounters;
use crate::visits::spool::{Chunk, Position, Reader};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of records in a batch: about 2,000 visits, and about twice as much as JSON.
const CHUNK: usize = 512 * 1024;
/// Visits are gathered for so long, so that a batch is worth its round trip.
const GATHER: Duration = Duration::from_millis(50);
/// How long it waits for visits before it looks whether it shall end.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// At least so long when the sink is to end soon.
const LEAST_PATIENCE: Duration = Duration::from_millis(100);
/// Pauses between tries double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// What the thread has.
pub struct Worker {
    pub reader: Reader,
    pub policy: RedisPolicy,
    pub marker: String,
    pub counters: SinkCounters,
    pub stop: Arc<Stop>,
    /// How long reading from and writing to the server may take.
    pub limit: Duration,
    pub state: State,
}

/// What changes while it works.
#[derive(Default)]
pub struct State {
    connection: Option<Connection>,
    batch: Batch,
    /// Where the batch ends whose answer did not come, and how many visits it has.
    unanswered: Option<(Position, u64)>,
    /// The marker is not to be believed: see [`Failure`].
    marker_is_wrong: bool,
    /// Kinds of trouble that were told since all was well.
    told: Vec<Kind>,
    /// The list was at its bound, and that was told.
    full: bool,
    /// When the last batch was sent, and whether it was a full one.
    sent: Option<(Instant, bool)>,
}

impl Worker {
    /// Works until it is told to stop, and then until the spool is empty or patience ends.
    pub fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        while !self.is_over() {
            let fresh = self.state.connection.as_ref().is_none_or(|c| c.used == 0);
            match self.turn() {
                Ok(()) => pause = FIRST_PAUSE,
                Err(trouble) => {
                    self.state.connection = None;
                    // A server may close a connection that was idle: that alone is no trouble.
                    if !fresh && trouble.kind == Kind::Connection {
                        continue;
                    }
                    self.tell(&trouble);
                    self.stop.pause(pause);
                    pause = pause.saturating_mul(2).min(LAST_PAUSE);
                }
            }
        }
    }

    fn is_over(&self) -> bool {
        self.stop.left().is_some_and(|left| {
            // Without a connection nothing is known about what an earlier one has delivered.
            left.is_zero() || !self.reader.wait(Duration::ZERO)
        })
    }

    fn turn(&mut self) -> Result<(), Trouble> {
        if self.state.connection.is_none() {
            self.connect(self.limit())?;
        }
        if !self.reader.wait(LOOK_EVERY) {
            // A closed spool does not wait.
            self.stop.pause(GATHER);
            return Ok(());
        }
        self.gather();
        match self.reader.read(CHUNK) {
            Some(chunk) => self.deliver(&chunk, self.limit()),
            None => Ok(()),
        }
    }

    fn limit(&self) -> Duration {
        let left = self.stop.left().unwrap_or(self.limit);
        left.max(LEAST_PATIENCE).min(self.limit)
    }

    /// Connects, and goes to where the server says that it was.
    fn connect(&mut self, limit: Duration) -> Result<(), Trouble> {
        let (connection, place) = Connection::open(&self.policy, &self.marker, limit)?;
        self.state.connection = Some(connection);
        if !self.state.marker_is_wrong {
            self.believe(place);
        }
        self.well(0);
        Ok(())
    }

    /// What Redis has is not sent again.
    fn believe(&mut self, place: Option<Position>) {
        let Some(place) = place.filter(|place| *place > self.reader.position()) else {
            return;
        };
        match self.state.unanswered.take() {
            Some((end, visits)) if end == place => {
                self.reader.done(end);
                self.well(visits);
            }
            _ => self.reader.set(place),
        }
    }

    /// Waits a little for more, unless there is a lot.
    fn gather(&self) {
        let pause = match self.state.sent {
            Some((_, true)) => return,
            Some((sent, false)) => GATHER.saturating_sub(sent.elapsed()),
            None => GATHER,
        };
        if !pause.is_zero() && self.stop.left().is_none() {
            self.stop.pause(pause);
        }
    }

    fn deliver(&mut self, chunk: &Chunk, limit: Duration) -> Result<(), Trouble> {
        let state = &mut self.state;
        state.batch.pack(chunk, &self.policy, &self.marker);
        let (visits, broken) = (state.batch.visits, state.batch.broken);
        if broken > 0 {
            tracing::warn!(
                broken,
                "records of visits cannot be read, and do not go to Redis: were they written by another version?"
            );
        }
        if state.batch.pushes == 0 {
            self.reader.done(chunk.end);
            return Ok(());
        }
        let Some(connection) = &mut state.connection else {
            return Ok(());
        };
        connection.limit(limit)?;
        state.unanswered = Some((chunk.end, visits));
        match connection.exchange(&state.batch, &self.marker, chunk.start) {
            Ok(Outcome::Applied(length)) => {
                state.unanswered = None;
                state.marker_is_wrong = false;
                // More than half of what was asked for: there is more.
                let many = visits.saturating_add(broken) > 0
                    && chunk.end.offset.saturating_sub(chunk.start.offset) > CHUNK as u64 / 2;
                state.sent = Some((Instant::now(), many));
                self.reader.done(chunk.end);
                self.well(visits);
                self.measure(length);
                Ok(())
            }
            Ok(Outcome::Refused(place)) => {
                state.marker_is_wrong = false;
                self.believe(place);
                Ok(())
            }
            Err(Failure {
                trouble,
                marker_is_wrong,
            }) => {
                state.marker_is_wrong |= marker_is_wrong;
                Err(trouble)
            }
        }
    }

    fn well(&mut self, visits: u64) {
        self.counters.took(visits);
        if visits > 0 && !self.state.told.is_empty() {
            self.state.told.clear();
            tracing::info!(server = self.policy.address(), "Redis takes visits again");
        }
    }

    fn tell(&mut self, trouble: &Trouble) {
        let advice = trouble.advice();
        self.counters.failed(&format!("{}: {advice}", trouble.text));
        if !self.state.told.contains(&trouble.kind) {
            self.state.told.push(trouble.kind);
            tracing::warn!(
                server = self.policy.address(),
                list = self.policy.list,
                error = trouble.text,
                "Redis does not take visits, they wait in the spool: {advice}"
            );
        }
    }

    /// Says so when the list is at its bound: what is behind it is gone.
    fn measure(&mut self, length: u64) {
        if length > self.policy.keep && !self.state.full {
            self.state.full = true;
            tracing::warn!(
                list = self.policy.list,
                keep = self.policy.keep,
                "the list of visits is full, and its oldest go: is its consumer running?"
            );
        } else if length <= self.policy.keep / 2 {
            self.state.full = false;
        }
    }
}
