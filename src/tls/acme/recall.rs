//! What a look remembers of those before, and has the next ones remember.

use super::ask;
use super::attend::Look;
use super::failure::Failure;
use super::memory::Memory;
use super::status::State;
use super::storage::Lock;
use super::work::Report;
use crate::tls::clock::now;
use tokio::task::spawn_blocking;

/// So many memories are kept of those that could not be written.
const MOST_UNWRITTEN: usize = 10_000;

impl Look {
    /// Takes note of an attempt that did not work.
    pub(super) async fn failed(&self, failure: &Failure) -> Report {
        // Unless it is held already, for the order that failed.
        let _lock = self.try_lock().await;
        let mut memory = self.remembered().await;
        let now = now();
        self.inner.tallies.failed.inc();
        memory.failures.add(failure.why, now, rand::random());
        memory.trouble = Some(failure.trouble(now));
        memory.tried = self.order.policy.fingerprint();
        self.remember(&mut memory).await;
        self.given_up(Report {
            state: State::Waiting,
            next: memory.failures.next,
            failures: memory.failures.count(),
            trouble: memory.trouble,
            over: false,
        })
    }

    /// Changes what is remembered: on disk only when nobody else is at it, who may be about to note
    /// something there.
    pub(super) async fn change(&self, memory: &mut Memory, change: impl FnOnce(&mut Memory)) {
        let lock = self.try_lock().await;
        *memory = self.remembered().await;
        change(memory);
        match lock {
            Some(_) => self.remember(memory).await,
            None => {
                memory.noted = now();
                self.keep_unwritten(memory.clone());
            }
        }
        drop(lock);
    }

    /// Keeps in memory what could not be written: else its CA would be asked again each time.
    fn keep_unwritten(&self, memory: Memory) {
        let mut unwritten = self.inner.unwritten();
        if unwritten.len() >= MOST_UNWRITTEN {
            unwritten.clear();
        }
        unwritten.insert(self.storage.clone(), memory);
    }

    async fn try_lock(&self) -> Option<Lock> {
        let storage = self.storage.clone();
        let lock = spawn_blocking(move || storage.lock()).await;
        lock.ok()?.ok()?
    }

    /// A name that was asked for and is not served is tried again when a client comes for it: those
    /// who come until then do not wait.
    pub(super) fn given_up(&self, report: Report) -> Report {
        let (Some(name), Some(who)) = (&self.asked, &self.order.policy.on_demand) else {
            return report;
        };
        if self.order.held.find(name).is_some() {
            return report;
        }
        let now = now();
        let holds = report.next.saturating_sub(now).min(ask::YES_HOLDS);
        self.inner.answers.keep(who, name, false, now, holds);
        Report {
            over: true,
            ..report
        }
    }

    pub(super) async fn remembered(&self) -> Memory {
        let (storage, settings) = (self.storage.clone(), self.order.policy.fingerprint());
        let read = spawn_blocking(move || Memory::read(&storage)).await;
        let disk = read.unwrap_or_default().at(&settings, now());
        // Another process may have been able to write meanwhile.
        let own = self.inner.unwritten().get(&self.storage).cloned();
        let own = own.map(|own| own.at(&settings, now()));
        own.filter(|own| own.noted >= disk.noted).unwrap_or(disk)
    }

    pub(super) async fn remember(&self, memory: &mut Memory) {
        memory.noted = now();
        let (kept, storage) = (memory.clone(), self.storage.clone());
        let path = self.storage.memory();
        let written = spawn_blocking(move || kept.write(&storage)).await;
        if let Ok(Err(error)) = written {
            tracing::warn!(file = %path.display(), %error, "what is to be remembered cannot be written");
            self.keep_unwritten(memory.clone());
        } else {
            self.inner.unwritten().remove(&self.storage);
        }
    }
}
