//! What is given for an order.

use super::{Outcome, Shared, Urgency};
use crate::media::{Fault, VariantKey};
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::oneshot;

/// Gives the variant when it is made. When all tickets of an urgent order that was not begun are
/// dropped, it is not made.
pub struct Ticket {
    pub(super) receiver: oneshot::Receiver<Outcome>,
    pub(super) shared: Arc<Shared>,
    pub(super) key: VariantKey,
    pub(super) id: u64,
    pub(super) urgency: Urgency,
    pub(super) done: bool,
}

impl Future for Ticket {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Outcome> {
        let polled = Pin::new(&mut self.receiver).poll(context);
        if polled.is_ready() {
            self.done = true;
        }
        polled.map(|made| made.unwrap_or_else(|_| Err(closed())))
    }
}

/// What is told to those who wait when the workshop is given up.
fn closed() -> Fault {
    Fault::Encoder("nobody makes pictures any more".to_string())
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.done && self.urgency == Urgency::Now {
            self.shared.leave(&self.key, self.id);
        }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}, {:?})", self.key, self.urgency)
    }
}
