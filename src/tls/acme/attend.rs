//! One look at a certificate: whether it is there, good and allowed, and an order when it is not.

use super::certificate::Issued;
use super::failure::Failure;
use super::issue::{Done, Task};
use super::issuer::Inner;
use super::memory::Memory;
use super::order::Order;
use super::plan::Why;
use super::shared;
use super::status::State;
use super::storage::{self, Lock, Storage};
use super::work::Report;
use crate::tls::clock::now;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

/// From the first word with the CA to the certificate.
pub(super) const LONGEST_ORDER: Duration = Duration::from_secs(10 * 60);
/// The life of the lock in Redis: it is prolonged three times as often.
const LOCK_LIVES: Duration = Duration::from_secs(60);
/// How soon it is looked again whether another edge is done, in seconds; half of it by chance.
const ELSEWHERE: u64 = 6;
/// The same when a client waits.
const ELSEWHERE_AWAITED: u64 = 1;
/// A name that nobody came for in so long a part of its certificate's life is not renewed.
const UNUSED_PART: u64 = 4;

/// One look.
pub struct Look {
    pub inner: Arc<Inner>,
    pub storage: Storage,
    pub order: Arc<Order>,
    /// The name, when it is not in the configuration.
    pub asked: Option<String>,
    /// Whether the configuration was read since the last look.
    pub fresh: bool,
}

/// The locks of a certificate.
struct Locks {
    _file: Lock,
    shared: Option<shared::Lock>,
}

impl Look {
    /// Looks, and does what is to be done.
    pub async fn run(self) -> Report {
        match self.attend().await {
            Ok(report) => report,
            Err(failure) => self.failed(&failure).await,
        }
    }

    async fn attend(&self) -> Result<Report, Failure> {
        let stored = self.stored().await?;
        if let Some(report) = self.ask(stored.as_ref()).await {
            return Ok(report);
        }
        let mut memory = self.remembered().await;
        if let Some(issued) = &stored {
            self.inner.serve(&self.storage, issued);
            self.look_for_window(issued, &mut memory).await;
            if let Some(rest) = self.rest(issued, &memory) {
                return Ok(rest);
            }
        }
        if let Some(later) = self.later(&memory) {
            return Ok(later);
        }
        let Some(locks) = self.lock(stored.as_deref()).await? else {
            return Ok(self.elsewhere(&memory));
        };
        self.alone(locks).await
    }

    /// The part for which the locks are held.
    async fn alone(&self, mut locks: Locks) -> Result<Report, Failure> {
        let shared = locks.shared.take();
        let work = async {
            // Another process may have been here meanwhile, and may have been refused.
            let (stored, memory) = (self.stored().await?, self.remembered().await);
            if let Some(issued) = &stored {
                self.inner.serve(&self.storage, issued);
                if let Some(rest) = self.rest(issued, &memory) {
                    return Ok(rest);
                }
            }
            if let Some(later) = self.later(&memory) {
                return Ok(later);
            }
            // Without the lock: shortly before the end, with a Redis that is away.
            let regardless = self.order.shared.is_some() && shared.is_none();
            self.issue(stored.as_deref(), memory, regardless).await
        };
        let lost = async {
            match &shared {
                Some(held) => held.keep().await,
                None => std::future::pending().await,
            }
        };
        let result = tokio::select! {
            result = work => result,
            () = lost => Err(Failure::new(Why::Away, "the lock in Redis was lost: another edge may order")),
        };
        // Noted before the next one may look.
        let result = match result {
            Ok(report) => report,
            Err(failure) => self.failed(&failure).await,
        };
        if let Some(held) = shared {
            held.release().await;
        }
        Ok(result)
    }

    async fn issue(
        &self,
        before: Option<&Issued>,
        memory: Memory,
        regardless: bool,
    ) -> Result<Report, Failure> {
        if let Some(report) = self.too_many(before) {
            return Ok(report);
        }
        self.inner.begin(&self.storage);
        let windowed = memory
            .window
            .as_ref()
            .is_some_and(|window| window.suggested.is_some());
        let task = Task {
            names: self.names(),
            policy: self.order.policy.clone(),
            root: self.order.storage.clone(),
            storage: self.storage.clone(),
            shared: self.order.shared.clone(),
            regardless,
            challenges: self.inner.challenges.clone(),
            replaces: before
                .filter(|_| windowed)
                .and_then(|i| i.facts.renewal_id.clone()),
        };
        let slow = || Failure::new(Why::Away, "the CA does not come to an end");
        let result = timeout(LONGEST_ORDER, task.run())
            .await
            .unwrap_or_else(|_| Err(slow()));
        let directory = &self.order.policy.directory;
        self.inner
            .pauses
            .note(directory, result.as_ref().err(), now());
        let Done { issued, unkept } = result?;
        let issued = Arc::new(issued);
        if let Some(failure) = unkept {
            self.inner.serve(&self.storage, &issued);
            return Err(failure);
        }
        self.inner.tallies.issued.inc();
        let until = super::status::rfc3339(issued.facts.not_after).unwrap_or_default();
        tracing::info!(names = self.names().join(" "), until, "certificate ordered");
        self.inner.serve(&self.storage, &issued);
        let mut memory = Memory {
            issued: now(),
            ..Memory::default()
        };
        self.remember(&mut memory).await;
        // When it is to be renewed is asked at once.
        let next = match issued.facts.renewal_id {
            Some(_) => now().saturating_add(1),
            None => memory.renewal(&issued.facts, rand::random()),
        };
        Ok(Report::good(next))
    }

    /// What lies on disk, when it is of use. What is not is put aside.
    async fn stored(&self) -> Result<Option<Arc<Issued>>, Failure> {
        let (path, names) = (self.storage.certificate(), self.names());
        let read = spawn_blocking(move || -> io::Result<Option<Arc<Issued>>> {
            let Some(text) = storage::read(&path)? else {
                return Ok(None);
            };
            let judged = Issued::from_pem(&text).and_then(|issued| {
                let missing = names.iter().find(|name| !issued.facts.covers(name));
                missing.map_or(Ok(issued), |name| Err(format!("it is not for {name}")))
            });
            match judged {
                Ok(issued) => Ok(Some(Arc::new(issued))),
                Err(why) => {
                    let aside = storage::set_aside(&path)?;
                    tracing::warn!(
                        file = %path.display(), why, kept = %aside.display(),
                        "a certificate of ours cannot be used: it is ordered anew"
                    );
                    Ok(None)
                }
            }
        });
        let read = read
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)));
        let what = format!("{} cannot be used", self.storage.certificate().display());
        read.map_err(|error| Failure::storage(&error, &what))
    }

    /// Nothing is to be done yet, or nobody needs it any more; `None`: it is to be ordered.
    fn rest(&self, issued: &Issued, memory: &Memory) -> Option<Report> {
        let (facts, now) = (&issued.facts, now());
        let renewal = memory.renewal(facts, rand::random());
        if now < renewal {
            let window = memory.window_due(facts).unwrap_or(renewal);
            return Some(Report::good(renewal.min(window.max(now.saturating_add(1)))));
        }
        let name = self.asked.as_ref()?;
        let used = self.order.held.find(name).map_or(now, |entry| entry.used());
        let life = facts.not_after.saturating_sub(facts.not_before);
        let unused = now.saturating_sub(used) > life / UNUSED_PART;
        unused.then(|| self.let_go())
    }

    /// It was tried, and is not to be tried yet; `None`: it may be.
    fn later(&self, memory: &Memory) -> Option<Report> {
        let failures = &memory.failures;
        let next = failures.not_before(self.fresh);
        let pause = self.inner.pauses.of(&self.order.policy.directory);
        let (next, trouble) = match pause {
            Some((until, trouble)) if until > next => (until, Some(trouble)),
            _ => (next, None),
        };
        (now() < next).then(|| {
            self.given_up(Report {
                state: State::Waiting,
                next,
                failures: failures.count(),
                trouble: trouble.or_else(|| memory.trouble.clone()),
                over: false,
            })
        })
    }

    /// So many names were asked for that this one has to wait. One that is served is renewed.
    fn too_many(&self, before: Option<&Issued>) -> Option<Report> {
        let now = now();
        if self.asked.is_none() || before.is_some_and(|issued| !issued.facts.is_over(now)) {
            return None;
        }
        let next = self.inner.budget.take(&self.order.policy.directory, now);
        next.err().map(|next| {
            self.given_up(Report {
                state: State::Waiting,
                ..Report::good(next)
            })
        })
    }

    /// The locks; `None`: another process or edge has one.
    async fn lock(&self, before: Option<&Issued>) -> Result<Option<Locks>, Failure> {
        let storage = self.storage.clone();
        let file = spawn_blocking(move || storage.lock()).await;
        let file = file.unwrap_or_else(|error| Err(io::Error::other(error)));
        let file = file.map_err(|e| Failure::storage(&e, "the storage cannot be written"))?;
        let Some(file) = file else { return Ok(None) };
        let shared = match &self.order.shared {
            None => None,
            Some(redis) => match redis.lock(&self.storage.name(), LOCK_LIVES).await {
                Ok(Some(held)) => Some(held),
                Ok(None) => return Ok(None),
                // Two edges that order are better than none, shortly before the end.
                Err(_) if before.is_some_and(|issued| ends_soon(issued, now())) => None,
                Err(error) => {
                    let what = format!("who of the edges may order is not known: {error}");
                    return Err(Failure::new(Why::Away, what));
                }
            },
        };
        Ok(Some(Locks {
            _file: file,
            shared,
        }))
    }

    fn elsewhere(&self, memory: &Memory) -> Report {
        let wait = match self.asked {
            Some(_) => ELSEWHERE_AWAITED,
            None => ELSEWHERE / 2 + rand::random::<u64>() % ELSEWHERE,
        };
        Report {
            state: State::Elsewhere,
            next: now().saturating_add(wait),
            failures: memory.failures.count(),
            trouble: memory.trouble.clone(),
            over: false,
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        match &self.asked {
            Some(name) => vec![name.clone()],
            None => self.order.names.clone(),
        }
    }
}

impl Report {
    /// All is well until then.
    pub fn good(next: u64) -> Report {
        Report {
            state: State::Good,
            next,
            failures: 0,
            trouble: None,
            over: false,
        }
    }
}

/// Whether less than a sixth of its life is left.
fn ends_soon(issued: &Issued, now: u64) -> bool {
    let facts = &issued.facts;
    let life = facts.not_after.saturating_sub(facts.not_before);
    facts.not_after.saturating_sub(now) < life / 6
}

#[cfg(test)]
mod tests;
