//! Whose turn it is among the answers of one HTTP/2 connection (RFC 9218 section 10).
//!
//! An answer that has bytes to send waits while a more urgent one gets on. Among equally urgent ones,
//! those of which the client can use parts go on by turns, and the others one after the other, in
//! the order they began. Nobody starves: an answer that did not get on for 50 ms, because its own
//! window is empty or its app is slow, has nobody wait; and whoever has waited for a second sends a
//! piece whoever is ahead: what an app sends now and then for hours may be urgent.

mod order;

use super::priority::Priority;
use order::{May, Order, Place};
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, Sleep, sleep, sleep_until};

/// An answer waits no longer for others before it may send a piece.
const PASSED_OVER: Duration = Duration::from_secs(1);

/// The answers of one connection. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Turns {
    order: Arc<Mutex<Order>>,
}

impl Turns {
    /// An answer begins to have bytes to send. It keeps its place until the turn is dropped.
    pub fn begin(&self, priority: Priority) -> Turn {
        let place = self.lock().begin(priority, Instant::now());
        Turn {
            turns: self.clone(),
            place,
            timer: None,
            passed_over: None,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One answer's place among those of its connection. Dropping it lets others go on.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
    place: Place,
    timer: Option<Pin<Box<Sleep>>>,
    /// When it has waited long enough.
    passed_over: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    /// Whether bytes may be sent now. To be asked before each piece, by a task of a tokio runtime.
    pub fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.poll_ahead(cx).is_pending() {
            let over = || Box::pin(sleep(PASSED_OVER));
            let over = self.passed_over.get_or_insert_with(over);
            std::task::ready!(over.as_mut().poll(cx));
        }
        self.passed_over = None;
        Poll::Ready(())
    }

    /// Pending while others are ahead.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let mut order = self.turns.lock();
            if order.alone() {
                // Without a look at the clock.
                order.go_alone();
                return Poll::Ready(());
            }
            let (may, woken) = order.ask(self.place, cx.waker(), Instant::now());
            // Not before the lock is given back: whoever is woken comes here.
            drop(order);
            woken.into_iter().for_each(Waker::wake);
            let until = match may {
                May::Go => return Poll::Ready(()),
                May::Wait => return Poll::Pending,
                May::WaitUntil(until) => until,
            };
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(sleep_until(until)));
            // One that fires early is set again then: that is seldomer than whoever is ahead moves.
            if timer.deadline() > until || timer.is_elapsed() {
                timer.as_mut().reset(until);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    /// Notes that `count` bytes were sent.
    pub fn progress(&mut self, count: usize) {
        let mut order = self.turns.lock();
        if count > 0 && !order.alone() {
            order.moved(self.place, Instant::now());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let woken = self.turns.lock().leave(self.place, Instant::now());
        woken.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests;
