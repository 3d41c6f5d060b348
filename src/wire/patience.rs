//! A deadline that costs nothing while it is not needed.
//!
//! A timer per read would be set and dropped several times per request. Here a deadline is only a
//! number; a timer is started when a read or write has to wait, and when it fires early because
//! the deadline moved on meanwhile, it is set again. A busy connection touches the timer wheel
//! about once per time-out instead of several times per request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// The time-outs of the client's side.
#[derive(Debug, Clone, Copy)]
pub struct Times {
    /// The whole head, from its first byte.
    pub header: Duration,
    /// Between two pieces of a body.
    pub body: Duration,
    /// Between two requests.
    pub keepalive: Duration,
    /// Between two pieces of an answer that the client takes.
    pub send: Duration,
}

/// How long one direction of a connection may stand still.
#[derive(Debug, Default)]
pub struct Patience {
    deadline: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Starts anew: from now, `limit` may pass. `None` waits for ever.
    pub fn restart(&mut self, limit: Option<Duration>) {
        self.deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    }

    /// Waits for ever.
    pub fn stop(&mut self) {
        self.deadline = None;
    }

    /// Whether a deadline is running.
    pub fn running(&self) -> bool {
        self.deadline.is_some()
    }

    /// To be polled whenever the I/O is pending: ready when the deadline has passed.
    pub fn poll_over(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else {
            return Poll::Pending;
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
        if timer.deadline() > deadline {
            timer.as_mut().reset(deadline);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    fn paused() -> tokio::runtime::Runtime {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let mut runtime = runtime;
        runtime.enable_time().build().unwrap()
    }

    #[test]
    fn it_is_over_after_the_limit_and_not_before() {
        paused().block_on(async {
            let mut patience = Patience::default();
            let start = Instant::now();
            patience.restart(Some(Duration::from_millis(30)));
            poll_fn(|cx| patience.poll_over(cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(30));
        });
    }

    #[test]
    fn a_restart_moves_the_deadline_both_ways() {
        paused().block_on(async {
            let mut patience = Patience::default();
            let start = Instant::now();
            patience.restart(Some(Duration::from_millis(20)));
            assert!(
                poll_fn(|cx| Poll::Ready(patience.poll_over(cx)))
                    .await
                    .is_pending()
            );
            patience.restart(Some(Duration::from_millis(60)));
            poll_fn(|cx| patience.poll_over(cx)).await;
            assert!(start.elapsed() >= Duration::from_millis(60));
            patience.restart(Some(Duration::from_secs(3600)));
            assert!(
                poll_fn(|cx| Poll::Ready(patience.poll_over(cx)))
                    .await
                    .is_pending()
            );
            patience.restart(Some(Duration::from_millis(10)));
            poll_fn(|cx| patience.poll_over(cx)).await;
        });
    }
}
