//! The front of the room: where requests leave what was seen, and where the process says what is to
//! be done with it.
//!
//! A request's thread packs its view into a buffer of that thread's own and goes on. Full buffers,
//! and every tenth of a second those that are not empty, are handed to the worker. When the worker
//! cannot keep up the queue fills, and then buffers are dropped and counted: a record never holds up
//! a request.

use super::guest::{self, Ended, Skip};
use super::policy::{SitePolicy, VisitsPolicy};
use super::sighting::Sighting;
use super::statistics::api::Desk;
use super::visit::micros;
use super::watching::Watching;
use super::worker::{Apply, Message, Shared, work};
use prometheus::{IntCounter, IntCounterVec};
use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// A buffer is handed over when it has this many bytes: 200 to 600 views.
const BUFFER: usize = 64 * 1024;
/// A view is at most this long: with room for one, a buffer never grows.
const LONGEST: usize = 4608;
/// A buffer with less than this is copied, and kept: most are, where there is little to do.
const SMALL: usize = BUFFER / 4;
/// Bytes on their way: a second and more at 100,000 views a second.
const QUEUE_BYTES: usize = 48 * 1024 * 1024;
/// Buffers on their way: as each thread sends one in a tenth of a second, those of 64 threads over
/// 25 seconds.
const QUEUE: usize = 16 * 1024;
/// How often the end of the worker is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What is known of a request beside its fields.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// From its head to the end of its answer.
    pub took: Duration,
    /// The client, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// Path and query as sent.
    pub target: &'a [u8],
}

/// Where it is counted what becomes of views.
#[derive(Debug, Clone)]
pub struct Tallies {
    /// Recorded, by site and source.
    pub recorded: IntCounterVec,
    /// Not recorded, by reason.
    pub skipped: IntCounterVec,
    /// Lost because the worker could not keep up.
    pub dropped: IntCounter,
}

#[derive(Debug, Default)]
struct Buffer {
    policy: Option<Arc<VisitsPolicy>>,
    bytes: Vec<u8>,
    views: u64,
}

thread_local! {
    static BUFFERED: RefCell<Buffer> = RefCell::default();
}

/// The way to the worker.
#[derive(Debug)]
pub struct Recorder {
    queue: SyncSender<Message>,
    tallies: Tallies,
    /// Those of `tallies.skipped` that are counted on requests' threads.
    skipped: Vec<(Skip, IntCounter)>,
    shared: Arc<Shared>,
    worker: Mutex<Option<JoinHandle<()>>>,
}

impl Recorder {
    /// Starts the worker. Nothing is recorded until [`Recorder::apply`].
    ///
    /// # Errors
    /// No thread could be started.
    pub fn start(tallies: Tallies) -> std::io::Result<Self> {
        let (queue, messages) = sync_channel(QUEUE);
        let shared = Arc::new(Shared::default());
        let (counted, told) = (tallies.clone(), shared.clone());
        let worker = std::thread::Builder::new()
            .name("visits".to_string())
            .spawn(move || {
                crate::nice::wait_for_turn();
                work(&messages, &counted, &told);
            })?;
        let skipped = Skip::COUNTED
            .iter()
            .map(|skip| (*skip, tallies.skipped.with_label_values(&[skip.name()])))
            .collect();
        Ok(Recorder {
            queue,
            tallies,
            skipped,
            shared,
            worker: Mutex::new(Some(worker)),
        })
    }

    /// Records by this policy from here on; `None`: nothing. Waits until files are opened and sinks
    /// are exchanged: blocks.
    ///
    /// # Errors
    /// What cannot be used, and what to do. What was in force before stays.
    pub fn apply(&self, policy: Option<Arc<VisitsPolicy>>) -> Result<(), String> {
        let (reply, answer) = sync_channel(1);
        let ended = || "visits: the worker has ended".to_string();
        self.queue
            .send(Message::Apply(Apply { policy, reply }))
            .map_err(|_| ended())?;
        answer.recv().map_err(|_| ended())?
    }

    /// Notes a request that has ended, when it may be a guest's page view.
    pub fn note(
        &self,
        policy: &Arc<VisitsPolicy>,
        site: &SitePolicy,
        ended: &Ended<'_>,
        facts: &Facts<'_>,
    ) {
        let (view, fields) = match guest::view(ended, site) {
            Ok(seen) => seen,
            Err(skip) => return self.skip(skip),
        };
        let sighting = Sighting {
            site: site.index,
            time: micros(SystemTime::now()),
            took: u32::try_from(facts.took.as_micros()).unwrap_or(u32::MAX),
            status: ended.status,
            view,
            client: facts.client,
            target: facts.target,
            user_agent: fields.user_agent.unwrap_or_default(),
            referrer: fields.referrer.unwrap_or_default(),
            language: fields.language.unwrap_or_default(),
            host: fields.host.unwrap_or_default(),
            brands: fields.brands.unwrap_or_default(),
            platform: fields.platform.unwrap_or_default(),
        };
        BUFFERED.with_borrow_mut(|buffer| {
            let same = buffer.policy.as_ref();
            if !same.is_some_and(|held| Arc::ptr_eq(held, policy)) {
                self.hand_over(buffer);
                buffer.policy = Some(policy.clone());
            }
            sighting.pack(&mut buffer.bytes);
            buffer.views = buffer.views.saturating_add(1);
            if buffer.bytes.len() >= BUFFER {
                self.hand_over(buffer);
            }
        });
    }

    fn skip(&self, why: Skip) {
        if let Some((_, counter)) = self.skipped.iter().find(|(skip, _)| *skip == why) {
            counter.inc();
        }
    }

    /// Hands this thread's buffer over.
    pub fn flush(&self) {
        BUFFERED.with_borrow_mut(|buffer| self.hand_over(buffer));
    }

    fn hand_over(&self, buffer: &mut Buffer) {
        let views = std::mem::take(&mut buffer.views);
        let (Some(policy), true) = (&buffer.policy, views > 0) else {
            return;
        };
        let bytes = match buffer.bytes.len() < SMALL {
            true => {
                let bytes = buffer.bytes.as_slice().to_vec();
                buffer.bytes.clear();
                bytes
            }
            false => {
                let next = Vec::with_capacity(BUFFER + LONGEST);
                std::mem::replace(&mut buffer.bytes, next)
            }
        };
        let policy = policy.clone();
        let size = bytes.capacity();
        let queued = &self.shared.queued;
        if queued
            .fetch_add(size, Ordering::Relaxed)
            .saturating_add(size)
            <= QUEUE_BYTES
        {
            let views = Message::Views {
                policy,
                bytes,
                views,
            };
            if self.queue.try_send(views).is_ok() {
                return;
            }
        }
        queued.fetch_sub(size, Ordering::Relaxed);
        self.tallies.dropped.inc_by(views);
    }

    /// Who answers questions about visits; `None` without a database.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        self.shared.desk.load_full()
    }

    /// Whether nothing is recorded, and nothing was to be.
    pub fn is_idle(&self) -> bool {
        self.shared.watching.load().is_none() && self.shared.trouble.load().is_none()
    }

    /// Why the last policy could not be put in force.
    pub fn trouble(&self) -> Option<Arc<String>> {
        self.shared.trouble.load_full()
    }

    /// How the sinks do; `None` when nothing is recorded.
    pub fn watching(&self) -> Option<Arc<Watching>> {
        self.shared.watching.load_full()
    }

    /// Takes in what was handed over, gives the sinks at most `patience` for what they have to do,
    /// and ends the worker. What they cannot deliver by then waits in the spool for the next start.
    pub fn end(&self, patience: Duration) {
        let worker = self
            .worker
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(worker) = worker else { return };
        let began = Instant::now();
        // The sinks' patience, and a little for what lies in the queue.
        let limit = patience.saturating_add(Duration::from_secs(1));
        let mut told = false;
        while !worker.is_finished() && began.elapsed() < limit {
            told = told || self.queue.try_send(Message::End(patience)).is_ok();
            std::thread::sleep(LOOK_EVERY);
        }
        if worker.is_finished() {
            // A worker that panicked has nothing more to write.
            let _ = worker.join();
        } else {
            tracing::warn!("visits: the worker does not end; what is not in the spool is lost");
        }
    }
}
