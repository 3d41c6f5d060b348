//! Where variants are made, apart from the event loop: threads of low priority, and the orders that
//! wait for them.

mod line;
#[cfg(test)]
mod tests;
mod ticket;

pub use ticket::Ticket;

use super::{Deadline, Fault, Kept, VariantKey};
use line::{Job, Line, Work};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;

/// Trouble is told so often, at most.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// What became of an order.
pub type Outcome = Result<Kept, Fault>;

/// Whether somebody waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A visitor waits.
    Now,
    /// Nobody does: it is made while nothing urgent waits, and one of several threads is kept free
    /// for what is.
    Later,
}

/// As many orders wait as may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("as many pictures wait to be made as may")
    }
}

impl std::error::Error for Full {}

/// How busy a workshop is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queue {
    /// Urgent orders that wait.
    pub waiting: usize,
    /// Other orders that wait.
    pub later: usize,
    /// Orders that are being made.
    pub working: usize,
    /// Urgent orders that were refused since the start.
    pub refused: u64,
    /// Other orders that were refused.
    pub dropped: u64,
    /// Orders that panicked.
    pub panics: u64,
}

#[derive(Default)]
struct State {
    line: Line,
    /// How many there are to be.
    threads: usize,
    /// How many urgent orders may wait, beside those that a free thread takes at once.
    queue: usize,
    /// How many threads there are, and what they do.
    running: usize,
    idle: usize,
    working: usize,
    working_later: usize,
    refused: u64,
    dropped: u64,
    panics: u64,
    told: Option<Instant>,
    closed: bool,
}

impl State {
    /// How many urgent orders may wait.
    fn room(&self) -> usize {
        let free = self.threads.saturating_sub(self.working);
        self.queue.saturating_add(free)
    }

    fn refuse(&mut self, urgency: Urgency) {
        let counter = match urgency {
            Urgency::Now => &mut self.refused,
            Urgency::Later => &mut self.dropped,
        };
        *counter = counter.saturating_add(1);
    }

    /// What a thread that is free does next.
    fn next(&mut self) -> Option<Job> {
        let most = self.threads.saturating_sub(1).max(1);
        let job = self.line.next(self.working_later < most)?;
        self.working = self.working.saturating_add(1);
        if job.later {
            self.working_later = self.working_later.saturating_add(1);
        }
        Some(job)
    }
}

struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A ticket was given up.
    fn leave(&self, key: &VariantKey, id: u64) {
        let unwanted = self.state().line.leave(key, id);
        // What the work holds is dropped after the lock.
        drop(unwanted);
    }
}

/// Threads that make variants, and the orders that wait. Threads are started with the first orders,
/// and end with the workshop; what they have in hand then is finished, and nobody waits for that.
pub struct Workshop {
    shared: Arc<Shared>,
}

impl fmt::Debug for Workshop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Workshop").field(&self.status()).finish()
    }
}

impl Workshop {
    /// A workshop with so many threads, at least one, where so many urgent orders may wait beside
    /// those that are being made.
    pub fn new(threads: usize, queue: usize) -> Self {
        let state = State {
            threads: threads.max(1),
            queue,
            ..State::default()
        };
        let shared = Shared {
            state: Mutex::new(state),
            wake: Condvar::new(),
        };
        Workshop {
            shared: Arc::new(shared),
        }
    }

    /// So many threads from now on, and so many orders. What is being made or waits stays: threads
    /// that are too many end when they are free.
    pub fn resize(&self, threads: usize, queue: usize) {
        let mut state = self.shared.state();
        (state.threads, state.queue) = (threads.max(1), queue);
        while self.hire(&mut state).is_ok_and(|hired| hired) {}
        drop(state);
        self.shared.wake.notify_all();
    }

    /// Orders a variant. `work` is given the time when its own is over, which begins when the work
    /// does; `time` is how long that is. An order for a variant that is waited for or being made is
    /// joined: `work` is dropped then, and the other one serves both.
    ///
    /// # Errors
    /// As many wait as may, or no thread can be had.
    pub fn order(
        &self,
        key: VariantKey,
        urgency: Urgency,
        time: Duration,
        work: impl FnOnce(Deadline) -> Outcome + Send + 'static,
    ) -> Result<Ticket, Full> {
        let (waiting, receiver) = oneshot::channel();
        let mut state = self.shared.state();
        let room = state.room();
        let joined = match state.line.join(&key, urgency, room, waiting) {
            Err(Some(waiting)) => {
                let work: Work = Box::new(work);
                let pushed = state.line.push(key, urgency, room, (work, time), waiting);
                pushed.map_err(Some)
            }
            Ok(id) => Ok(id),
            Err(None) => Err(None),
        };
        let id = match joined {
            Ok(id) => id,
            Err(refused) => {
                state.refuse(urgency);
                drop(state);
                drop(refused);
                return Err(Full);
            }
        };
        if self.hire(&mut state).is_err() && state.running == 0 {
            state.refuse(urgency);
            let withdrawn = state.line.withdraw(&key);
            drop(state);
            drop(withdrawn);
            return Err(Full);
        }
        drop(state);
        self.shared.wake.notify_one();
        Ok(Ticket {
            receiver,
            shared: self.shared.clone(),
            key,
            id,
            urgency,
            done: false,
        })
    }

    /// Starts a thread if one more is needed and allowed; whether it did.
    fn hire(&self, state: &mut State) -> std::io::Result<bool> {
        let (now, later) = state.line.len();
        let needed = now.saturating_add(later) > state.idle;
        if !needed || state.running >= state.threads {
            return Ok(false);
        }
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name("media".to_string());
        match thread.spawn(move || live(&shared)) {
            Ok(_) => {
                state.running = state.running.saturating_add(1);
                Ok(true)
            }
            Err(error) => {
                if state.running == 0 && due(&mut state.told) {
                    tracing::warn!(%error, "no thread to make pictures: originals are sent");
                }
                Err(error)
            }
        }
    }

    /// How busy it is.
    pub fn status(&self) -> Queue {
        let state = self.shared.state();
        let (waiting, later) = state.line.len();
        Queue {
            waiting,
            later,
            working: state.working,
            refused: state.refused,
            dropped: state.dropped,
            panics: state.panics,
        }
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.closed = true;
        let line = std::mem::take(&mut state.line);
        drop(state);
        self.shared.wake.notify_all();
        // Whoever waits is told.
        drop(line);
    }
}

/// A thread's life.
fn live(shared: &Shared) {
    crate::nice::give_way();
    let mut state = shared.state();
    while !state.closed && state.running <= state.threads {
        let Some(job) = state.next() else {
            state.idle = state.idle.saturating_add(1);
            let woken = shared.wake.wait(state);
            state = woken.unwrap_or_else(PoisonError::into_inner);
            state.idle = state.idle.saturating_sub(1);
            continue;
        };
        drop(state);
        let (key, later) = (job.key, job.later);
        let (outcome, panic) = make(job);
        state = shared.state();
        state.working = state.working.saturating_sub(1);
        if later {
            state.working_later = state.working_later.saturating_sub(1);
        }
        if panic {
            state.panics = state.panics.saturating_add(1);
        }
        let tell = panic && due(&mut state.told);
        let waiting = state.line.done(&key);
        drop(state);
        if let (true, Err(fault)) = (tell, &outcome) {
            tracing::error!("a bug in making pictures: {fault}");
        }
        for waiting in waiting {
            let _ = waiting.send(outcome.clone());
        }
        state = shared.state();
    }
    state.running = state.running.saturating_sub(1);
    // Whoever woke this thread may have meant any.
    drop(state);
    shared.wake.notify_one();
}

/// Whether trouble is to be told now.
fn due(told: &mut Option<Instant>) -> bool {
    let lately = |then: Instant| then.elapsed() < TELL_EVERY;
    let due = !told.is_some_and(lately);
    if due {
        *told = Some(Instant::now());
    }
    due
}

/// Makes it; whether that panicked.
fn make(job: Job) -> (Outcome, bool) {
    /// Nothing takes so long.
    const LONGEST: Duration = Duration::from_secs(24 * 3600);
    let now = Instant::now();
    let deadline = Deadline(now.checked_add(job.time.min(LONGEST)).unwrap_or(now));
    let work = job.work;
    match catch_unwind(AssertUnwindSafe(move || work(deadline))) {
        Ok(outcome) => (outcome, false),
        Err(panic) => (Err(Fault::Encoder(words(&*panic))), true),
    }
}

/// What a panic says.
fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("it panicked: {}", text.unwrap_or("without a word"))
}
