//! The sink's thread: takes from the spool, puts into Redis.

use super::batch::Batch;
use super::connection::{Connection, Failure, Outcome};
use super::policy::{ListMode, RedisPolicy};
use super::room::{Leave, Room};
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
    pub room: Room,
    pub state: State,
}

/// What changes while it works.
#[derive(Default)]
pub struct State {
    connection: Option<Connection>,
    batch: Batch,
    /// The batch whose answer did not come.
    unanswered: Option<Unanswered>,
    /// The marker is not to be believed: see [`Failure`].
    marker_is_wrong: bool,
    /// Kinds of trouble that were told since all was well.
    told: Vec<Kind>,
    /// A place that this spool does not have was in the marker, and that was told.
    strange: bool,
    /// It is to end, and what is left has no room in the list.
    full: bool,
    /// When the last batch was sent, and whether it was a full one.
    sent: Option<(Instant, bool)>,
}

/// A batch that may have been taken.
struct Unanswered {
    end: Position,
    visits: u64,
    trimmed: bool,
}

impl Worker {
    /// Works until it is told to stop, and then until the spool is empty, the list full,
    /// or patience ends.
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
            if self.state.full {
                return true;
            }
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
        let Some(chunk) = self.reader.read(CHUNK) else {
            return Ok(());
        };
        match self.leave(chunk.count as u64)? {
            Leave::Push(most) if most >= chunk.count as u64 => self.deliver(&chunk, false),
            Leave::Push(most) => match self.part(&chunk, most) {
                Some(part) => self.deliver(&part, false),
                None => Ok(()),
            },
            Leave::Trim => self.deliver(&chunk, true),
            Leave::Wait(pause) => {
                // Who is to end does not wait for a consumer: the spool keeps what is left.
                self.state.full = self.stop.left().is_some();
                if !self.state.full {
                    self.stop.pause(pause);
                }
                Ok(())
            }
        }
    }

    /// How many of so many visits may be pushed.
    fn leave(&mut self, visits: u64) -> Result<Leave, Trouble> {
        // A stream's length says nothing about who has read it, and Redis itself bounds it.
        if self.policy.mode == ListMode::Stream || self.room.fits(visits) {
            return Ok(Leave::Push(u64::MAX));
        }
        let limit = self.limit();
        let Some(connection) = &mut self.state.connection else {
            return Ok(Leave::Wait(Duration::ZERO));
        };
        connection.limit(limit)?;
        let length = connection.length(&self.policy.list)?;
        Ok(self.room.ask(length, Instant::now()))
    }

    /// The first `most` records of a chunk that has more.
    fn part(&mut self, chunk: &Chunk, most: u64) -> Option<Chunk> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let all: usize = chunk.records().map(<[u8]>::len).sum();
        let bytes = chunk.end.offset.saturating_sub(chunk.start.offset);
        // Each record has a frame around it.
        let frames = usize::try_from(bytes).unwrap_or(0).saturating_sub(all);
        let frame = frames.checked_div(chunk.count)?;
        let first = chunk.records().take(most);
        let wanted = first.map(|record| record.len().saturating_add(frame)).sum();
        let part = self.reader.read(wanted)?;
        (part.count <= most).then_some(part)
    }

    fn limit(&self) -> Duration {
        let left = self.stop.left().unwrap_or(self.limit);
        left.max(LEAST_PATIENCE).min(self.limit)
    }

    /// Connects, and goes to where the server says that it was.
    fn connect(&mut self, limit: Duration) -> Result<(), Trouble> {
        let (connection, place) = Connection::open(&self.policy, &self.marker, limit)?;
        self.state.connection = Some(connection);
        self.room.doubt();
        if !self.state.marker_is_wrong {
            self.believe(place);
        }
        self.well(0);
        Ok(())
    }

    /// What Redis has is not sent again.
    ///
    /// Only a place in the segment that is read next is believed. A batch is never of two segments,
    /// so what was cut off from its answer, or killed before it noted it, is there. A place in
    /// another segment was put there by another machine that was made from the same image of a
    /// disk, or the spool is an old copy, or a power cut has lost where it was: what is sent twice
    /// then can be told by its `id`, but what was skipped would be lost. (A copied segment is the
    /// same on both machines: nobody writes on in a segment that it found.)
    fn believe(&mut self, place: Option<Position>) {
        let Some(place) = place.filter(|place| *place > self.reader.position()) else {
            return;
        };
        if let Some(batch) = self.state.unanswered.take_if(|batch| batch.end == place) {
            self.reader.done(place);
            self.room.pushed_unseen(batch.visits, batch.trimmed);
            self.well(batch.visits);
            return;
        }
        // Reading steps to the segment of the next record.
        let Some(next) = self.reader.read(1) else {
            return;
        };
        if next.start.segment == place.segment {
            self.reader.set(place);
        } else if place > next.start && !self.state.strange {
            self.state.strange = true;
            tracing::warn!(
                key = self.marker,
                "Redis remembers a place that is not next in the spool of visits, and it is not believed: visits may be sent twice. Was the spool copied?"
            );
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

    /// Sends a chunk. `trim`: what is then too much in the list goes.
    fn deliver(&mut self, chunk: &Chunk, trim: bool) -> Result<(), Trouble> {
        let limit = self.limit();
        let state = &mut self.state;
        state.batch.pack(chunk, &self.policy, &self.marker, trim);
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
        state.unanswered = Some(Unanswered {
            end: chunk.end,
            visits,
            trimmed: trim,
        });
        self.room.doubt();
        match connection.exchange(&state.batch, &self.marker, chunk.start) {
            Ok(Outcome::Applied(length)) => {
                state.unanswered = None;
                state.marker_is_wrong = false;
                // More than half of what was asked for: there is more.
                let many = visits.saturating_add(broken) > 0
                    && chunk.end.offset.saturating_sub(chunk.start.offset) > CHUNK as u64 / 2;
                state.sent = Some((Instant::now(), many));
                // Counted first: what waits no more has been counted.
                self.well(visits);
                self.reader.done(chunk.end);
                if self.policy.mode == ListMode::List {
                    let more = self.reader.wait(Duration::ZERO);
                    self.room.pushed(visits, length, trim, more);
                }
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
}
