//! Whose turn it is: orders as plain values.

use super::{Outcome, Urgency};
use crate::media::{Deadline, VariantKey};
use std::collections::{BTreeMap, HashMap};
use std::time::Duration;
use tokio::sync::oneshot;

/// Orders without urgency that wait.
pub const LATER: usize = 1024;

/// What makes a variant.
pub type Work = Box<dyn FnOnce(Deadline) -> Outcome + Send>;

/// Who waits for what is made.
pub type Waiting = oneshot::Sender<Outcome>;

/// Where an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Now(u64),
    Later(u64),
    InHand,
}

/// An order.
pub struct Order {
    /// Tells it from one for the same variant that comes after it.
    id: u64,
    place: Place,
    work: Option<Work>,
    time: Duration,
    /// It was ordered for later, too: it is made although nobody waits.
    background: bool,
    /// Tickets of those for whom it is urgent.
    urgent: usize,
    waiting: Vec<Waiting>,
}

/// An order to be made now.
pub struct Job {
    pub key: VariantKey,
    pub work: Work,
    pub time: Duration,
    /// It was taken from those that can wait.
    pub later: bool,
}

/// Orders that wait or are being made, each variant once.
#[derive(Default)]
pub struct Line {
    orders: HashMap<VariantKey, Order, foldhash::quality::RandomState>,
    now: BTreeMap<u64, VariantKey>,
    later: BTreeMap<u64, VariantKey>,
    /// Numbers given out.
    count: u64,
}

impl Line {
    /// How many wait: the urgent ones, the other ones.
    pub fn len(&self) -> (usize, usize) {
        (self.now.len(), self.later.len())
    }

    fn number(&mut self) -> u64 {
        self.count = self.count.wrapping_add(1);
        self.count
    }

    /// Joins the order for this variant, if there is one; it becomes urgent when `urgency` says so
    /// and fewer than `room` urgent ones wait. Its number; `Err`: there is no room. Without an order
    /// `waiting` comes back.
    pub fn join(
        &mut self,
        key: &VariantKey,
        urgency: Urgency,
        room: usize,
        waiting: Waiting,
    ) -> Result<u64, Option<Waiting>> {
        let number = self.number();
        let Some(order) = self.orders.get_mut(key) else {
            return Err(Some(waiting));
        };
        match (urgency, order.place) {
            (Urgency::Later, _) => order.background = true,
            (Urgency::Now, Place::Later(place)) => {
                if self.now.len() >= room {
                    return Err(None);
                }
                self.later.remove(&place);
                self.now.insert(number, *key);
                order.place = Place::Now(number);
                order.urgent = 1;
            }
            (Urgency::Now, _) => order.urgent = order.urgent.saturating_add(1),
        }
        // Of those who went away, not more are remembered than of those who wait.
        if order.waiting.len() >= order.waiting.capacity() {
            order.waiting.retain(|waiting| !waiting.is_closed());
        }
        order.waiting.push(waiting);
        Ok(order.id)
    }

    /// A new order, for a variant that there is none of; its number. `Err`: as many wait as may,
    /// `room` urgent ones.
    pub fn push(
        &mut self,
        key: VariantKey,
        urgency: Urgency,
        room: usize,
        work: (Work, Duration),
        waiting: Waiting,
    ) -> Result<u64, Work> {
        let id = self.number();
        let (work, time) = work;
        let place = match urgency {
            Urgency::Now if self.now.len() < room => {
                self.now.insert(id, key);
                Place::Now(id)
            }
            Urgency::Later if self.later.len() < LATER => {
                self.later.insert(id, key);
                Place::Later(id)
            }
            _ => return Err(work),
        };
        let order = Order {
            id,
            place,
            work: Some(work),
            time,
            background: urgency == Urgency::Later,
            urgent: usize::from(urgency == Urgency::Now),
            waiting: vec![waiting],
        };
        self.orders.insert(key, order);
        Ok(id)
    }

    /// The next order to be made: an urgent one, or another one where `later` allows it.
    pub fn next(&mut self, later: bool) -> Option<Job> {
        let (key, from_later) = match self.now.pop_first() {
            Some((_, key)) => (key, false),
            None if later => (self.later.pop_first()?.1, true),
            None => return None,
        };
        let order = self.orders.get_mut(&key)?;
        order.place = Place::InHand;
        Some(Job {
            key,
            work: order.work.take()?,
            time: order.time,
            later: from_later,
        })
    }

    /// An order was made: who waits for it.
    pub fn done(&mut self, key: &VariantKey) -> Vec<Waiting> {
        let order = self.orders.remove(key);
        order.map(|order| order.waiting).unwrap_or_default()
    }

    /// One for whom the order with this number was urgent went away. An order that nobody wants any
    /// more comes back, to be dropped where nobody waits for that.
    pub fn leave(&mut self, key: &VariantKey, id: u64) -> Option<Order> {
        let order = self.orders.get_mut(key).filter(|order| order.id == id)?;
        order.urgent = order.urgent.saturating_sub(1);
        let Place::Now(place) = order.place else {
            return None;
        };
        if order.urgent > 0 {
            return None;
        }
        self.now.remove(&place);
        if order.background {
            // Also when as many wait there as may: it was promised.
            order.place = Place::Later(place);
            self.later.insert(place, *key);
            return None;
        }
        self.orders.remove(key)
    }

    /// Takes an order back that nobody begins; what is left of it is to be dropped elsewhere.
    pub fn withdraw(&mut self, key: &VariantKey) -> Option<Order> {
        let order = self.orders.remove(key)?;
        match order.place {
            Place::Now(place) => self.now.remove(&place),
            Place::Later(place) => self.later.remove(&place),
            Place::InHand => None,
        };
        Some(order)
    }
}
