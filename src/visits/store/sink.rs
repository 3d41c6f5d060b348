//! The thread that takes visits from the spool.

use super::batch::Taken;
use super::keep::Steady;
use super::rush::Rush;
use super::trouble::{Failure, Kind};
use super::{Store, locked};
use crate::visits::sink::SinkCounters;
use crate::visits::spool::{Position, Reader, Spool};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The sink's name in the spool, in metrics and in `/status`.
pub const NAME: &str = "store";
/// Bytes of records that are taken at once: a few thousand visits.
const BATCH: usize = 1 << 20;
/// Batches are gathered for as long, so that a transaction pays.
const GATHER: Duration = Duration::from_millis(200);
/// How often an idle sink looks for orders.
const LOOK: Duration = Duration::from_millis(250);
/// How often a sink that can do nothing any more looks for its end, if nobody wakes it.
const LOOK_LONG: Duration = Duration::from_secs(60);
/// How often the end of the thread is looked for.
const LOOK_END: Duration = Duration::from_millis(2);
/// A thread that does not end for as long after its time hangs.
const STUCK: Duration = Duration::from_secs(10);
/// Housekeeping when there is nothing much to do.
const KEEP: Duration = Duration::from_secs(2);
/// Housekeeping while there is more to do: the rest of the time is for visits.
const KEEP_MORE: Duration = Duration::from_millis(100);
/// The first and the longest pause after trouble.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// The SQLite sink: the thread `visits-store`.
#[derive(Debug)]
pub struct StoreSink {
    store: Arc<Store>,
    orders: Arc<Orders>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct Orders {
    /// Until when the rest of the spool is taken.
    end: Mutex<Option<Instant>>,
    given: Condvar,
    /// Nothing more is taken, and what is left to do is not to be broken off.
    over: Mutex<bool>,
}

impl Orders {
    /// Sleeps, unless there are orders. Gives them.
    fn pause(&self, length: Duration) -> Option<Instant> {
        let end = locked(&self.end);
        let waited = self
            .given
            .wait_timeout_while(end, length, |end| end.is_none());
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Sleeps until there are orders.
    fn wait(&self) {
        while self.pause(LOOK_LONG).is_none() {}
    }

    fn given(&self) -> Option<Instant> {
        *locked(&self.end)
    }
}

impl StoreSink {
    /// Starts the thread. What is in the spool since the store was last written is taken first.
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(
        store: Arc<Store>,
        spool: Arc<Spool>,
        counters: SinkCounters,
    ) -> std::io::Result<StoreSink> {
        let orders = Arc::new(Orders::default());
        let given = orders.clone();
        // Before anything is appended: a new name begins at the end of the spool.
        let reader = spool.reader(NAME);
        let (taken, told) = (store.clone(), counters.clone());
        let thread = std::thread::Builder::new()
            .name("visits-store".to_string())
            .spawn(move || {
                // What waits meanwhile waits in the spool.
                crate::nice::give_way_to_all();
                let run = || {
                    let sink = Sink {
                        steady: Steady::new(taken.now(), Instant::now()),
                        store: taken.clone(),
                        goal: spool.end(),
                        spool,
                        reader,
                        counters,
                        orders: given.clone(),
                        placed: false,
                        trouble: None,
                        pause: PAUSES.0,
                        keep: Instant::now(),
                        told_unreadable: false,
                        told_moved: false,
                    };
                    sink.run();
                };
                // What a panic leaves in the store can be used: see `locked`.
                if catch_unwind(AssertUnwindSafe(run)).is_err() {
                    tracing::error!(
                        "visits are stored no more, by a fault of parvis: they wait in the spool \
                         until it is started anew"
                    );
                    told.failed("its thread ended by a fault of parvis");
                    // Until then it tells what it has, and days can be deleted.
                    given.wait();
                }
                *locked(&given.over) = true;
                taken.retire();
            })?;
        Ok(StoreSink {
            store,
            orders,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes what is in the spool, for at most `patience`, and ends the thread. What is left stays
    /// in the spool. The store can still be asked, but another one may write to its file. A thread
    /// that hangs in the kernel, because its disk does not answer, is left behind 10 s later.
    pub fn end(&self, patience: Duration) {
        self.end_within(patience, STUCK);
    }

    pub(super) fn end_within(&self, patience: Duration, stuck: Duration) {
        let Some(thread) = locked(&self.thread).take() else {
            return;
        };
        let began = Instant::now();
        let until = began.checked_add(patience).unwrap_or(began);
        let at_last = until.checked_add(stuck).unwrap_or(until);
        *locked(&self.orders.end) = Some(until);
        self.orders.given.notify_all();
        while !thread.is_finished() {
            let now = Instant::now();
            if now >= at_last {
                tracing::error!(
                    file = %self.store.path().display(),
                    "the thread that stores visits does not end: does the disk answer? It is left \
                     behind; what it had not stored stays in the spool"
                );
                return;
            }
            // It looks at the time between batches. What takes longer (counting a day again) is
            // broken off: SQLite takes back what was not committed.
            if now >= until {
                let over = locked(&self.orders.over);
                if !*over {
                    self.store.interrupt();
                }
            }
            std::thread::sleep(LOOK_END);
        }
        if thread.join().is_err() {
            tracing::error!("the thread that stores visits ended by a fault of parvis");
        }
    }
}

impl Drop for StoreSink {
    fn drop(&mut self) {
        self.end(Duration::ZERO);
    }
}

struct Sink {
    store: Arc<Store>,
    spool: Arc<Spool>,
    reader: Reader,
    counters: SinkCounters,
    orders: Arc<Orders>,
    /// The reader is where the database says.
    placed: bool,
    trouble: Option<Kind>,
    pause: Duration,
    steady: Steady,
    /// When housekeeping is due.
    keep: Instant,
    /// The spool's end when it was decided to take what is there: visits come while others are
    /// stored, and without a goal that would never end in a rush.
    goal: Position,
    told_unreadable: bool,
    told_moved: bool,
}

/// What a round found.
enum Round {
    /// There was a batch, and there is more.
    More,
    /// All was taken that was there when it was begun.
    Some,
    /// There was nothing.
    None,
}

impl Sink {
    fn run(mut self) {
        loop {
            let told = self.orders.given().is_some();
            let round = self.round();
            let end = self.orders.given();
            let next = match round {
                Ok(round) => {
                    self.well();
                    round
                }
                // Broken off, because there is no more time: the rest stays in the spool.
                Err(_) if end.is_some_and(|end| Instant::now() >= end) => return,
                Err(failure) => {
                    self.ill(&failure);
                    if end.is_some() {
                        return;
                    }
                    self.orders.pause(self.pause);
                    self.pause = self.pause.saturating_mul(2).min(PAUSES.1);
                    continue;
                }
            };
            match (next, end) {
                // What came before the order is taken: one that came meanwhile has another round.
                (Round::None, Some(_)) if told => return,
                (_, Some(end)) if Instant::now() >= end => return,
                (_, Some(_)) | (Round::More, None) => {}
                (Round::Some, None) => self.gather(),
                (Round::None, None) if self.spool.is_closed() => {
                    self.orders.pause(LOOK);
                }
                (Round::None, None) => {
                    if self.reader.wait(LOOK) {
                        self.gather();
                    }
                }
            }
        }
    }

    /// Waits until a transaction pays, and in a rush for its end: unless there are orders, days are
    /// to be counted again, or the spool has not much room.
    fn gather(&mut self) {
        self.counters.bides(false);
        let mut rush = Rush::watch(Instant::now(), self.spool.appended());
        while self.orders.pause(GATHER).is_none()
            && rush.goes_on(Instant::now(), self.spool.appended())
            && self.spool.is_roomy()
            && self.store.is_settled()
        {
            self.counters.bides(true);
        }
        self.goal = self.spool.end();
    }

    fn round(&mut self) -> Result<Round, Failure> {
        if !self.placed {
            if let Some(position) = self.store.position(self.spool.id())? {
                self.reader.set(position);
            }
            self.placed = true;
        }
        self.store.settle()?;
        let chunk = self.reader.read(BATCH);
        let round = match &chunk {
            None => Round::None,
            Some(chunk) => {
                let taken_to = Some((self.spool.id(), chunk.end));
                let taken = self.store.take(chunk.records(), taken_to)?;
                // Counted first: what waits no more has been counted.
                self.counters.took(taken.stored);
                self.reader.done(chunk.end);
                self.tell(&taken);
                if chunk.end < self.goal && self.reader.wait(Duration::ZERO) {
                    Round::More
                } else {
                    Round::Some
                }
            }
        };
        let empty = chunk.is_none();
        if let Some(chunk) = chunk {
            self.reader.reuse(chunk);
        }
        let now = Instant::now();
        if now >= self.keep {
            let steady = self.steady.time(self.store.now(), now);
            let more = self.store.keep(empty, steady)?;
            let next = if more { KEEP_MORE } else { KEEP };
            self.keep = Instant::now().checked_add(next).unwrap_or(now);
        }
        Ok(round)
    }

    /// Tells what is odd about a batch, once for each kind.
    fn tell(&mut self, taken: &Taken) {
        if taken.unreadable > 0 && !std::mem::replace(&mut self.told_unreadable, true) {
            tracing::warn!(
                records = taken.unreadable,
                "the spool has records that this version cannot read: they are passed over"
            );
        }
        if taken.moved > 0 && !std::mem::replace(&mut self.told_moved, true) {
            tracing::warn!(
                visits = taken.moved,
                "visits are more than a day ahead of the clock: they are stored at the present. \
                 The clock was wrong when they came, or is now"
            );
        }
    }

    fn well(&mut self) {
        if self.trouble.take().is_some() {
            self.counters.took(0);
            tracing::info!(file = %self.store.path().display(), "visits are stored again");
        }
        self.pause = PAUSES.0;
    }

    fn ill(&mut self, failure: &Failure) {
        self.counters.bides(false);
        self.counters.failed(&failure.trouble.0);
        if self.trouble != Some(failure.kind) {
            tracing::warn!("visits wait in the spool: {}", failure.trouble);
        }
        self.trouble = Some(failure.kind);
        if !failure.passes() {
            self.store.let_go();
            self.placed = false;
        }
    }
}
