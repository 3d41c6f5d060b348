//! Where the best forms are made, with the time that nobody else wants.

use crate::content::{Coding, Effort, Form, Forms};
use crate::nice::give_way;
use bytes::Bytes;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Orders that wait. One more is refused, and asked for again when the body is next used.
const QUEUE: usize = 64;
/// Larger bodies are not worth a second and more of a processor.
const LARGEST: usize = 2 * 1024 * 1024;
/// Uses of a form made in haste before the best one is made.
const USES: u32 = 4;
/// How often the end is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(200);

#[derive(Debug)]
struct Order {
    coding: Coding,
    body: Bytes,
    forms: Arc<Forms>,
}

/// A thread of low priority that makes best forms, one after another, for the life of the process.
/// It is started with the first order.
#[derive(Debug, Default)]
pub struct Workshop {
    queue: OnceLock<Option<SyncSender<Order>>>,
    closed: Arc<AtomicBool>,
}

impl Workshop {
    fn queue(&self) -> Option<&SyncSender<Order>> {
        let start = || {
            let (queue, orders) = sync_channel(QUEUE);
            let told = self.closed.clone();
            let thread = std::thread::Builder::new().name("compress".to_string());
            match thread.spawn(move || work(&orders, &told)) {
                Ok(_) => Some(queue),
                Err(error) => {
                    tracing::warn!(%error, "no thread for compression: only fast levels are used");
                    None
                }
            }
        };
        self.queue.get_or_init(start).as_ref()
    }

    /// The body's form in this coding: one that is there, or one made now, in haste. Orders the
    /// best one when the body has been used often enough.
    ///
    /// Takes as long as encoding does when the form is not there: up to some milliseconds.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn form(&self, coding: Coding, body: &Bytes, forms: &Arc<Forms>) -> io::Result<Arc<Form>> {
        if let Some(form) = self.ready(coding, body, forms) {
            return Ok(form);
        }
        let encoded = super::whole(coding, Effort::Fast, body)?;
        let form = Arc::new(Form::of(body.len(), encoded, false));
        forms.put(coding, form.clone());
        Ok(form)
    }

    /// The form that is there, as [`Workshop::form`] gives it.
    pub fn ready(&self, coding: Coding, body: &Bytes, forms: &Arc<Forms>) -> Option<Arc<Form>> {
        let form = forms.used(coding)?;
        if !form.best && body.len() <= LARGEST && forms.wants_best(coding, USES) {
            let order = Order {
                coding,
                body: body.clone(),
                forms: forms.clone(),
            };
            let taken = self.queue().map(|queue| queue.try_send(order).is_ok());
            // Without a thread nobody would ever take it.
            if taken == Some(false) {
                forms.ask_again(coding);
            }
        }
        Some(form)
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        // The order in hand is finished for nobody; the process does not wait for it.
        self.closed.store(true, Ordering::Release);
    }
}

fn work(orders: &Receiver<Order>, closed: &AtomicBool) {
    give_way();
    while !closed.load(Ordering::Acquire) {
        let Ok(order) = orders.recv_timeout(LOOK_EVERY) else {
            continue;
        };
        // Whoever wanted it may be gone: its file changed, or it was pushed out.
        if Arc::strong_count(&order.forms) == 1 {
            continue;
        }
        match super::whole(order.coding, Effort::Best, &order.body) {
            Ok(encoded) => {
                let form = Form::of(order.body.len(), encoded, true);
                order.forms.put(order.coding, Arc::new(form));
            }
            Err(error) => tracing::warn!(%error, "cannot compress"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::tests::decode;
    use super::*;
    use std::time::Instant;

    #[test]
    fn what_is_used_often_becomes_as_small_as_it_gets() {
        let workshop = Workshop::default();
        let forms = Arc::new(Forms::default());
        let body = Bytes::from("the quick brown fox, and then another one\n".repeat(200));
        let first = workshop.form(Coding::Brotli, &body, &forms).unwrap();
        assert!(!first.best);
        let began = Instant::now();
        let best = loop {
            let form = workshop.form(Coding::Brotli, &body, &forms).unwrap();
            if form.best {
                break form;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "never made");
            std::thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(decode(Coding::Brotli, best.bytes.as_ref().unwrap()), body);
    }
}
