//! Who looks after all certificates of the process.

use super::ask::Answers;
use super::attend::Look;
use super::budget::Budget;
use super::certificate::Issued;
use super::challenges::Challenges;
use super::memory::Memory;
use super::order::Order;
use super::pauses::Pauses;
use super::plan;
use super::shared::Shared;
use super::status::{OrderStatus, State, Trouble};
use super::storage::Storage;
use super::work::{Report, Work, Works};
use crate::tls::clock::now;
use arc_swap::ArcSwap;
use prometheus::IntCounter;
use rustls::ServerConfig;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore};
use tokio::task::{AbortHandle, Id, JoinError, JoinSet};

/// So many orders of the configuration's are on their way at the same time.
const MOST: usize = 4;
/// And so many more for names that clients wait for.
const MOST_ASKED: usize = 8;
/// So many handshakes look on disk at the same time whether a certificate lies there.
const MOST_READS: usize = 4;
/// The clock is looked at this often: it may be set, and the machine may have slept.
const LOOK_EVERY: u64 = 30;
/// After a fault of parvis's own.
const AFTER_FAULT: u64 = 60 * 60;

/// Where it is counted what becomes of orders.
#[derive(Debug, Clone)]
pub struct Tallies {
    /// Certificates that came from a CA.
    pub issued: IntCounter,
    /// Attempts that ended without one.
    pub failed: IntCounter,
}

/// Orders certificates, renews them, and answers the CA's questions. Lives as long as the process.
#[derive(Debug)]
pub struct Issuer {
    pub(super) inner: Arc<Inner>,
}

/// What looks at certificates share.
#[derive(Debug)]
pub(super) struct Inner {
    pub tallies: Tallies,
    pub challenges: Arc<Challenges>,
    pub answers: Answers,
    pub pauses: Pauses,
    pub budget: Budget,
    works: Mutex<Works>,
    /// Something may be due.
    pub changed: Notify,
    /// For handshakes that look on disk.
    pub reads: Arc<Semaphore>,
    /// Where other edges' answers to the CA are.
    shared: ArcSwap<Vec<Arc<Shared>>>,
    /// What is remembered and could not be written, by the files of the certificate.
    unwritten: Mutex<HashMap<Storage, Memory>>,
    /// What is to be broken off.
    unwanted: Mutex<Vec<Storage>>,
}

/// What is on its way.
#[derive(Default)]
struct Running {
    /// What the clock was when it was looked at last.
    clock: u64,
    tasks: JoinSet<Report>,
    by_task: HashMap<Id, (Storage, bool)>,
    handles: HashMap<Storage, AbortHandle>,
}

impl Issuer {
    /// One that has nothing to do yet.
    pub fn new(tallies: Tallies) -> Issuer {
        Issuer {
            inner: Arc::new(Inner {
                tallies,
                challenges: Arc::default(),
                answers: Answers::default(),
                pauses: Pauses::default(),
                budget: Budget::default(),
                works: Mutex::default(),
                changed: Notify::new(),
                reads: Arc::new(Semaphore::new(MOST_READS)),
                shared: ArcSwap::default(),
                unwritten: Mutex::default(),
                unwanted: Mutex::default(),
            }),
        }
    }

    /// Looks after these orders from here on, and no longer after others. What was begun for an order
    /// that is still wanted goes on.
    pub fn apply(&self, orders: &[Arc<Order>]) {
        let mut shared: Vec<Arc<Shared>> = Vec::new();
        for order in orders {
            if let Some(own) = &order.shared
                && !shared.contains(own)
            {
                shared.push(own.clone());
            }
        }
        self.inner.shared.store(Arc::new(shared));
        self.inner.pauses.clear();
        let gone = self.inner.works().apply(orders, now());
        locked(&self.inner.unwanted).extend(gone);
        self.inner.changed.notify_one();
    }

    /// Does the work, on one runtime, and never ends. What it began is broken off when it is dropped;
    /// the next process goes on with it.
    pub async fn run(&self) {
        let inner = &self.inner;
        let mut running = Running::default();
        loop {
            for unwanted in std::mem::take(&mut *locked(&inner.unwanted)) {
                if let Some(handle) = running.handles.get(&unwanted) {
                    handle.abort();
                }
            }
            let wait = inner.begin_due(&mut running);
            tokio::select! {
                Some(ended) = running.tasks.join_next_with_id() => inner.end(&mut running, ended),
                () = inner.changed.notified() => {}
                () = tokio::time::sleep(Duration::from_secs(wait)) => {}
            }
        }
    }

    /// The answer to `GET /.well-known/acme-challenge/TOKEN`, which is sent with status 200 (RFC 8555
    /// section 8.3); `None`: nobody knows the token, and the request goes its way.
    pub async fn http(&self, token: &str) -> Option<String> {
        self.inner
            .challenges
            .http(token, &self.inner.shared.load())
            .await
    }

    /// What a connection is to be answered with that offers `acme-tls/1` alone (RFC 8737 section 3);
    /// `None`: nobody asked for it. `name`: the client's server name, in lower case.
    pub async fn tls_alpn(&self, name: &str) -> Option<Arc<ServerConfig>> {
        self.inner
            .challenges
            .tls_alpn(name, &self.inner.shared.load())
            .await
    }

    /// How all certificates do.
    pub fn status(&self) -> Vec<OrderStatus> {
        self.inner
            .works()
            .all
            .values()
            .flat_map(Work::status)
            .collect()
    }
}

impl Inner {
    /// Serves a certificate from here on.
    pub fn serve(&self, storage: &Storage, issued: &Arc<Issued>) {
        let mut works = self.works();
        let Some(work) = works.all.get(storage) else {
            return;
        };
        let gone = work.serve(issued, now());
        // Who waits for it need not wait for what else there is to do.
        work.looks
            .send_modify(|looks| *looks = looks.wrapping_add(1));
        let order = work.orders.first().cloned();
        for (order, name) in order
            .iter()
            .flat_map(|order| gone.iter().map(move |n| (order, n)))
        {
            let gone = Storage::of_asked(&order.storage, &order.policy.directory, name);
            works.all.remove(&gone);
        }
    }

    /// Takes note that it is being ordered.
    pub fn begin(&self, storage: &Storage) {
        if let Some(work) = self.works().all.get_mut(storage) {
            work.state = State::Ordering;
        }
    }

    /// Begins what is due; in how many seconds there is more.
    fn begin_due(self: &Arc<Self>, running: &mut Running) -> u64 {
        let now = now();
        let mut wait = LOOK_EVERY;
        let mut works = self.works();
        if was_ahead(std::mem::replace(&mut running.clock, now), now) {
            // All that is to come was reckoned by it.
            works.all.values_mut().for_each(|work| work.hurry(now));
            self.pauses.set_back();
        }
        let asked = running.by_task.values().filter(|(_, asked)| *asked).count();
        let mut room = [
            MOST.saturating_sub(running.by_task.len().saturating_sub(asked)),
            MOST_ASKED.saturating_sub(asked),
        ];
        for (storage, work) in works.all.iter_mut().filter(|(_, work)| !work.running) {
            let due = work.next.saturating_sub(now);
            let [own, asked] = &mut room;
            let room = if work.asked.is_some() { asked } else { own };
            let Some(order) = work.orders.first() else {
                continue;
            };
            if due > 0 {
                wait = wait.min(due);
            } else if *room > 0 {
                *room = room.saturating_sub(1);
                work.running = true;
                let look = Look {
                    inner: self.clone(),
                    storage: storage.clone(),
                    order: order.clone(),
                    asked: work.asked.clone(),
                    fresh: work.fresh,
                };
                let handle = running.tasks.spawn(look.run());
                running
                    .by_task
                    .insert(handle.id(), (storage.clone(), work.asked.is_some()));
                running.handles.insert(storage.clone(), handle);
            }
        }
        wait
    }

    /// Takes in what came of a look.
    fn end(&self, running: &mut Running, ended: Result<(Id, Report), JoinError>) {
        let (id, report) = match ended {
            Ok((id, report)) => (id, Some(report)),
            Err(error) if error.is_panic() => {
                tracing::error!(%error, "looking after a certificate ended by a fault of parvis");
                (error.id(), Some(fault()))
            }
            // Broken off: it is not wanted any more.
            Err(error) => (error.id(), None),
        };
        let Some((storage, _)) = running.by_task.remove(&id) else {
            return;
        };
        if running
            .handles
            .get(&storage)
            .is_some_and(|handle| handle.id() == id)
        {
            running.handles.remove(&storage);
        }
        let Some(report) = report else { return };
        let mut works = self.works();
        let Some(mut work) = works.all.remove(&storage) else {
            return;
        };
        let over = report.over;
        // Who waits for it is told by this, and by the end of it.
        work.take(report);
        match over {
            true => work.let_go(),
            false => drop(works.all.insert(storage, work)),
        }
    }

    pub fn unwritten(&self) -> MutexGuard<'_, HashMap<Storage, Memory>> {
        locked(&self.unwritten)
    }

    pub fn works(&self) -> MutexGuard<'_, Works> {
        locked(&self.works)
    }
}

/// Whether the clock was set back by more than edges' clocks differ.
fn was_ahead(before: u64, now: u64) -> bool {
    now.saturating_add(plan::SKEW) < before
}

fn fault() -> Report {
    Report {
        state: State::Waiting,
        next: now().saturating_add(AFTER_FAULT),
        failures: 1,
        trouble: Some(Trouble {
            message: "a fault of parvis: its log tells more".to_string(),
            names: Vec::new(),
            at: now(),
        }),
        over: false,
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::super::order::tests::{Folder, built};
    use super::super::wanted::tests::issuer;
    use super::*;

    #[tokio::test]
    async fn all_is_looked_at_again_when_the_clock_was_ahead() {
        let folder = Folder::new();
        let order = built(&folder.0, "", &["a.example"]).unwrap();
        let (issuer, later) = (issuer(), now() + 1_000_000);
        issuer.apply(std::slice::from_ref(&order));
        let inner = &issuer.inner;
        inner.works().all.get_mut(&order.id).unwrap().next = later;
        let begun = |clock| {
            let mut running = Running {
                clock,
                ..Running::default()
            };
            inner.begin_due(&mut running);
            running.by_task.len()
        };
        assert_eq!(begun(0), 0);
        assert_eq!(begun(now() + 60), 0);
        assert_eq!(begun(later), 1);
    }
}
