//! What the issuer has to look after, and how it does.

use super::certificate::Issued;
use super::order::Order;
use super::status::{OrderStatus, State, Trouble, rfc3339};
use super::storage::Storage;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// All of it.
#[derive(Debug, Default)]
pub struct Works {
    /// By the files of the certificate.
    pub all: BTreeMap<Storage, Work>,
}

/// One certificate.
#[derive(Debug)]
pub struct Work {
    /// Who wants it: one, unless sites have the same names.
    pub orders: Vec<Arc<Order>>,
    /// The name, when it is not in the configuration.
    pub asked: Option<String>,
    /// Whether somebody is at it.
    pub running: bool,
    /// When it is to be looked at: seconds since the Unix epoch.
    pub next: u64,
    /// What came while somebody was at it: it is to be looked at again then.
    pub again: Option<u64>,
    /// Whether it was not looked at since the configuration was read.
    pub fresh: bool,
    pub state: State,
    pub failures: u32,
    pub trouble: Option<Trouble>,
    /// Changes when it was looked at, and when there is a certificate: who waits is woken.
    pub looks: watch::Sender<u64>,
}

/// What came of a look at a certificate.
#[derive(Debug)]
pub struct Report {
    pub state: State,
    /// When it is to be looked at again.
    pub next: u64,
    pub failures: u32,
    pub trouble: Option<Trouble>,
    /// Whether there is nothing more to look after.
    pub over: bool,
}

impl Work {
    /// One that was not looked at yet.
    pub fn new(order: Arc<Order>, asked: Option<String>, now: u64) -> Work {
        Work {
            orders: vec![order],
            running: false,
            next: now,
            again: None,
            // Who comes for a name has changed nothing, and hurries nothing.
            fresh: asked.is_none(),
            state: State::Waiting,
            failures: 0,
            trouble: None,
            looks: watch::Sender::new(0),
            asked,
        }
    }

    /// What is served now.
    pub fn served(&self) -> Option<Arc<Issued>> {
        let order = self.orders.first()?;
        match &self.asked {
            Some(name) => order.held.find(name)?.slot.issued(),
            None => order.slot.issued(),
        }
    }

    /// Serves this one from here on, unless it is over or what is served is as good. Gives names that
    /// had to go for it.
    pub fn serve(&self, issued: &Arc<Issued>, now: u64) -> Vec<String> {
        let mut gone = Vec::new();
        if issued.facts.is_over(now) {
            return gone;
        }
        for order in &self.orders {
            let better = |served: Option<Arc<Issued>>, names: &[String]| {
                served.is_none_or(|served| {
                    served.facts.not_after < issued.facts.not_after
                        || !names.iter().all(|name| served.facts.covers(name))
                })
            };
            match &self.asked {
                Some(name) => {
                    let (entry, left) = order.held.place(name, now);
                    if better(entry.slot.issued(), std::slice::from_ref(name)) {
                        entry.slot.put(issued.clone());
                    }
                    gone.extend(left);
                }
                None if order.slot.is_lent() || better(order.slot.issued(), &order.names) => {
                    order.slot.put(issued.clone());
                }
                None => {}
            }
        }
        gone
    }

    /// Takes in what came of a look.
    pub fn take(&mut self, report: Report) {
        self.running = false;
        self.state = report.state;
        self.next = report.next;
        match self.again.take() {
            // It was begun by settings of before.
            Some(at) => self.next = self.next.min(at),
            None => self.fresh = false,
        }
        self.failures = report.failures;
        self.tell(report.trouble.as_ref());
        self.trouble = report.trouble;
        self.looks
            .send_modify(|looks| *looks = looks.wrapping_add(1));
    }

    /// Has it looked at soon: after what is being done about it now.
    pub fn hurry(&mut self, now: u64) {
        self.next = self.next.min(now);
        if self.running {
            self.again = Some(now);
        }
    }

    /// Lets go of what was asked for, for all who want it.
    pub fn let_go(&self) {
        for (order, name) in self.orders.iter().zip(self.asked.iter().cycle()) {
            order.held.remove(name);
        }
    }

    /// Logs what is new of a trouble: the same one is told once.
    fn tell(&self, trouble: Option<&Trouble>) {
        let before = self
            .trouble
            .as_ref()
            .map(|trouble| trouble.message.as_str());
        if let Some(trouble) = trouble.filter(|trouble| before != Some(trouble.message.as_str())) {
            let next = rfc3339(self.next).unwrap_or_default();
            tracing::warn!(
                names = self.names().join(" "),
                why = trouble.message,
                next,
                "no certificate could be ordered"
            );
        }
    }

    /// The names of the certificate.
    pub fn names(&self) -> Vec<String> {
        match (&self.asked, self.orders.first()) {
            (Some(name), _) => vec![name.clone()],
            (None, Some(order)) => order.names.clone(),
            (None, None) => Vec::new(),
        }
    }

    /// How it does, for each site that wants it.
    pub fn status(&self) -> Vec<OrderStatus> {
        let not_after = self
            .served()
            .and_then(|issued| rfc3339(issued.facts.not_after));
        let one = |order: &Arc<Order>| OrderStatus {
            site: order.site.clone(),
            names: self.names(),
            on_demand: self.asked.is_some(),
            directory: order.policy.directory.clone(),
            state: self.state,
            not_after: not_after.clone(),
            next: rfc3339(self.next),
            failures: self.failures,
            trouble: self.trouble.clone(),
        };
        self.orders.iter().map(one).collect()
    }
}

impl Works {
    /// Joins those who want a certificate that is looked after; `None`: nobody looks after it. Gives
    /// what changes when there is news of it, and what there is to serve,
    /// and whether the order is a new one.
    pub fn join(
        &mut self,
        storage: &Storage,
        order: &Arc<Order>,
        now: u64,
    ) -> Option<(watch::Receiver<u64>, Option<Arc<Issued>>, bool)> {
        let work = self.all.get_mut(storage)?;
        let served = work.served();
        let mut orders = work.orders.iter();
        let is_new = !orders.any(|own| Arc::ptr_eq(&own.held, &order.held));
        if is_new {
            work.orders.push(order.clone());
            work.hurry(now);
        }
        Some((work.looks.subscribe(), served, is_new))
    }

    /// Exchanges the orders. What goes on being wanted keeps its state; what was begun for it goes
    /// on. Gives what is no longer wanted.
    pub fn apply(&mut self, orders: &[Arc<Order>], now: u64) -> Vec<Storage> {
        let mut before = std::mem::take(&mut self.all);
        for order in orders.iter().filter(|order| !order.names.is_empty()) {
            if let Some(work) = self.all.get_mut(&order.id) {
                work.orders.push(order.clone());
                continue;
            }
            let work = match before.remove(&order.id) {
                Some(mut work) => {
                    work.orders = vec![order.clone()];
                    work.fresh = true;
                    work.hurry(now);
                    work
                }
                None => Work::new(order.clone(), None, now),
            };
            self.all.insert(order.id.clone(), work);
        }
        // Names that were asked for stay as long as their place is there.
        let mut gone = Vec::new();
        for (storage, mut work) in before {
            let still = |own: &Arc<Order>| {
                let name = work.asked.as_ref()?;
                let mut same = orders.iter().filter(|o| Arc::ptr_eq(&o.held, &own.held));
                same.find(|order| order.may_be_asked(name)).cloned()
            };
            let still: Vec<Arc<Order>> = work.orders.iter().filter_map(still).collect();
            match still.is_empty() {
                true => gone.push(storage),
                false => {
                    work.orders = still;
                    self.all.insert(storage, work);
                }
            }
        }
        // One of several sites may have been given a certificate that the others lack.
        for work in self.all.values() {
            let own = work.orders.iter().filter(|order| !order.slot.is_lent());
            let all = own.filter_map(|order| order.slot.issued());
            if let Some(best) = all.max_by_key(|issued| issued.facts.not_after)
                && work.asked.is_none()
            {
                work.serve(&best, now);
            }
        }
        gone
    }
}

#[cfg(test)]
mod tests;
