//! The worker: a thread that turns what requests left behind into visits.

use super::pipeline::Pipeline;
use super::policy::VisitsPolicy;
use super::recorder::Tallies;
use super::statistics::api::Desk;
use super::watching::Watching;
use arc_swap::ArcSwapOption;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

/// What the worker is told.
#[derive(Debug)]
pub enum Message {
    /// Views, packed one behind the other, by the rules that were in force.
    Views {
        /// The rules.
        policy: Arc<VisitsPolicy>,
        /// The views.
        bytes: Vec<u8>,
        /// How many.
        views: u64,
    },
    /// Another policy is in force.
    Apply(Apply),
    /// The process ends; the sinks have so much time.
    End(Duration),
}

/// A policy, and where to say what came of it.
#[derive(Debug)]
pub struct Apply {
    /// `None`: nothing is recorded.
    pub policy: Option<Arc<VisitsPolicy>>,
    /// What cannot be used.
    pub reply: SyncSender<Result<(), String>>,
}

/// What the worker shares with those who ask.
#[derive(Debug, Default)]
pub struct Shared {
    /// Who answers questions; empty without a database.
    pub desk: ArcSwapOption<Desk>,
    /// How the sinks do; empty when nothing is recorded.
    pub watching: ArcSwapOption<Watching>,
    /// Why the last policy could not be put in force.
    pub trouble: ArcSwapOption<String>,
    /// Bytes of buffers in the queue.
    pub queued: AtomicUsize,
}

/// How often databases of countries are looked at, and what waits is judged.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Works until it is told to end.
pub fn work(messages: &Receiver<Message>, tallies: &Tallies, shared: &Shared) {
    let mut pipeline: Option<Pipeline> = None;
    let mut looked = Instant::now();
    loop {
        let message = messages.recv_timeout(LOOK_EVERY);
        if looked.elapsed() >= LOOK_EVERY {
            looked = Instant::now();
            if let Some(pipeline) = &mut pipeline {
                pipeline.look();
            }
        }
        match message {
            Ok(Message::Views {
                policy,
                bytes,
                views,
            }) => {
                shared.queued.fetch_sub(bytes.capacity(), Ordering::Relaxed);
                match &mut pipeline {
                    Some(pipeline) => taken(pipeline, &policy, &bytes, tallies, views),
                    // They were on their way while recording was switched off.
                    None => tallies.dropped.inc_by(views),
                }
            }
            Ok(Message::Apply(Apply { policy, reply })) => {
                let result = apply(&mut pipeline, policy, shared);
                // Whoever asked may have given up.
                let _ = reply.send(result);
            }
            Ok(Message::End(patience)) => {
                shared.desk.store(None);
                if let Some(pipeline) = pipeline.take() {
                    pipeline.end(patience);
                }
                return;
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Takes views in. Should that panic, which would be a mistake in parvis, the next ones may not: the
/// thread goes on.
fn taken(
    pipeline: &mut Pipeline,
    policy: &VisitsPolicy,
    bytes: &[u8],
    tallies: &Tallies,
    views: u64,
) {
    let take = AssertUnwindSafe(|| pipeline.take(policy, bytes, tallies));
    if std::panic::catch_unwind(take).is_err() {
        tallies.dropped.inc_by(views);
        tracing::error!(
            views,
            "visits were lost by a mistake in parvis; please report it"
        );
    }
}

fn apply(
    pipeline: &mut Option<Pipeline>,
    policy: Option<Arc<VisitsPolicy>>,
    shared: &Shared,
) -> Result<(), String> {
    let result = match (&mut *pipeline, policy) {
        (Some(pipeline), Some(policy)) => pipeline.change(&policy),
        (None, Some(policy)) => Pipeline::begin(&policy).map(|begun| *pipeline = Some(begun)),
        (_, None) => {
            if let Some(pipeline) = pipeline.take() {
                pipeline.forget();
                pipeline.end(Duration::ZERO);
            }
            Ok(())
        }
    };
    let desk = pipeline.as_ref().and_then(Pipeline::desk);
    shared.desk.store(desk);
    let watching = pipeline.as_ref().map(Pipeline::watching);
    shared.watching.store(watching);
    let trouble = result.as_ref().err().cloned();
    shared.trouble.store(trouble.map(Arc::new));
    result
}
