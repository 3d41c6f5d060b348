//! What the two sides of one exchange tell each other past pingora.

use super::AppSide;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A body that is changed on its way to the client, and held back a little meanwhile.
pub trait HeldBack: std::fmt::Debug + Send {
    /// Appends what is held back, in a form that the client can use at once.
    ///
    /// # Errors
    /// It cannot be had: the answer is lost.
    fn release(&mut self, out: &mut Vec<u8>) -> io::Result<()>;
}

/// A file whose bytes go out in place of what pingora writes.
pub trait Lent: std::fmt::Debug + Send {
    /// Sends at most `limit` bytes; how many went.
    ///
    /// # Errors
    /// `WouldBlock` when the client takes none now; anything else when the file is not what it was,
    /// or the client is gone.
    fn send(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize>;
}

/// A body on its way, and how it is written.
#[derive(Debug)]
struct Held {
    body: Arc<Mutex<dyn HeldBack>>,
    chunked: bool,
    patience: Duration,
}

/// One per client connection, lent to the upstream connection for the length of an exchange.
#[derive(Debug, Default)]
pub struct Exchange {
    request_trailers: Mutex<Vec<u8>>,
    response_trailers: Mutex<Vec<u8>>,
    upgraded: AtomicBool,
    app: Mutex<Option<AppSide>>,
    no_trailers: AtomicBool,
    lent: Mutex<Option<Box<dyn Lent>>>,
    lending: AtomicBool,
    held: Mutex<Option<Held>>,
    holding: AtomicBool,
    crowded: AtomicBool,
    waiting: Mutex<Option<Waker>>,
    received: AtomicU64,
    sent: AtomicU64,
}

/// The last chunk with no trailers, as pingora writes it, alone, at the end of a chunked body.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

impl Exchange {
    /// Forgets the exchange before.
    pub fn reset(&self) {
        drop(take(&self.request_trailers));
        drop(take(&self.response_trailers));
        self.upgraded.store(false, Ordering::Relaxed);
        drop(self.take_app());
        self.no_trailers.store(false, Ordering::Relaxed);
        self.take_back();
        self.holding.store(false, Ordering::Relaxed);
        drop(self.held().take());
        self.set_crowded(false);
        self.received.store(0, Ordering::Relaxed);
        self.sent.store(0, Ordering::Relaxed);
    }

    /// The client cannot take trailers: its answer is not chunked.
    pub fn refuse_response_trailers(&self) {
        self.no_trailers.store(true, Ordering::Relaxed);
    }

    /// Counts bytes from the client, head and framing included.
    pub fn count_received(&self, n: usize) {
        self.received.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Counts bytes for the client, head and framing included.
    pub fn count_sent(&self, n: usize) {
        self.sent.fetch_add(n as u64, Ordering::Relaxed);
    }

    /// Bytes from and to the client in this exchange.
    pub fn bytes(&self) -> (u64, u64) {
        (
            self.received.load(Ordering::Relaxed),
            self.sent.load(Ordering::Relaxed),
        )
    }

    /// Keeps the client's trailers for the app.
    pub fn put_request_trailers(&self, lines: Vec<u8>) {
        put(&self.request_trailers, lines);
    }

    /// Keeps the app's trailers for the client.
    pub fn put_response_trailers(&self, lines: Vec<u8>) {
        if self.no_trailers.load(Ordering::Relaxed) {
            return;
        }
        put(&self.response_trailers, lines);
    }

    /// The last chunk to send to the app instead of `LAST_CHUNK`, when there are trailers.
    pub fn last_request_chunk(&self) -> Option<Vec<u8>> {
        last_chunk(take(&self.request_trailers))
    }

    /// The last chunk to send to the client instead of `LAST_CHUNK`, when there are trailers.
    pub fn last_response_chunk(&self) -> Option<Vec<u8>> {
        last_chunk(take(&self.response_trailers))
    }

    /// From here on the connection is no HTTP any more (RFC 9110 section 7.8).
    pub fn upgrade(&self) {
        self.upgraded.store(true, Ordering::Release);
    }

    /// The app switches protocols: its socket is for the client's side, if that agrees.
    pub fn offer_app(&self, app: AppSide) {
        *self.app.lock().unwrap_or_else(PoisonError::into_inner) = Some(app);
    }

    /// The socket of an app that has switched protocols.
    pub fn take_app(&self) -> Option<AppSide> {
        let mut slot = self.app.lock().unwrap_or_else(PoisonError::into_inner);
        slot.take()
    }

    /// From here on, what pingora writes stands for so many bytes of this file.
    pub fn lend(&self, file: Box<dyn Lent>) {
        *self.lent.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
        self.lending.store(true, Ordering::Relaxed);
    }

    /// What pingora writes is meant again.
    pub fn take_back(&self) {
        if self.lending.swap(false, Ordering::Relaxed) {
            drop(
                self.lent
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .take(),
            );
        }
    }

    /// Whether what pingora writes stands for a file.
    pub fn lending(&self) -> bool {
        self.lending.load(Ordering::Relaxed)
    }

    /// Sends bytes of the file that is lent, as [`Lent::send`] does.
    ///
    /// # Errors
    /// As there; also when none is lent.
    pub fn send_lent(&self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        let mut lent = self.lent.lock().unwrap_or_else(PoisonError::into_inner);
        match lent.as_mut() {
            Some(file) => file.send(socket, limit),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer's body goes by `body`, which may hold some of it back for as long as `patience`
    /// while the connection waits. `chunked`: how the answer is framed; else it ends with the
    /// connection.
    pub fn hold(&self, body: Arc<Mutex<dyn HeldBack>>, chunked: bool, patience: Duration) {
        *self.held() = Some(Held {
            body,
            chunked,
            patience,
        });
    }

    /// Whether something is held back now.
    pub fn set_holding(&self, holding: bool) {
        self.holding.store(holding, Ordering::Relaxed);
    }

    /// How long what is held back may wait; `None` when nothing is.
    pub fn holding(&self) -> Option<Duration> {
        if !self.holding.load(Ordering::Relaxed) {
            return None;
        }
        self.held().as_ref().map(|held| held.patience)
    }

    /// What was held back, framed as the answer is.
    ///
    /// # Errors
    /// It cannot be had.
    pub fn release(&self) -> io::Result<Vec<u8>> {
        self.set_holding(false);
        let mut bytes = Vec::new();
        let Some((body, chunked)) = self
            .held()
            .as_ref()
            .map(|held| (held.body.clone(), held.chunked))
        else {
            return Ok(bytes);
        };
        body.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .release(&mut bytes)?;
        if chunked && !bytes.is_empty() {
            let mut framed = format!("{:x}\r\n", bytes.len()).into_bytes();
            framed.append(&mut bytes);
            framed.extend_from_slice(b"\r\n");
            bytes = framed;
        }
        Ok(bytes)
    }

    /// Whether the app has taken less of the request than was written for it, so that no more of it
    /// is to be read. pingora's loop must not wait for the app to take it: the app may wait for its
    /// answer to be taken first, which is the same loop's work.
    pub fn set_crowded(&self, crowded: bool) {
        let before = self.crowded.swap(crowded, Ordering::Relaxed);
        if before
            && !crowded
            && let Some(waker) = self.waker().take()
        {
            waker.wake();
        }
    }

    /// Whether the app has more of the request before it than it takes.
    pub fn crowded(&self) -> bool {
        self.crowded.load(Ordering::Relaxed)
    }

    /// Ready when more of the request may be read.
    pub fn poll_room(&self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.crowded() {
            return Poll::Ready(());
        }
        *self.waker() = Some(cx.waker().clone());
        Poll::Pending
    }

    fn waker(&self) -> std::sync::MutexGuard<'_, Option<Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the connection was upgraded.
    pub fn upgraded(&self) -> bool {
        self.upgraded.load(Ordering::Acquire)
    }
}

fn last_chunk(lines: Vec<u8>) -> Option<Vec<u8>> {
    if lines.is_empty() {
        return None;
    }
    Some([b"0\r\n".as_slice(), &lines, b"\r\n"].concat())
}

// A panic while one of these was held cannot have left it half written: it is only swapped.
fn take(slot: &Mutex<Vec<u8>>) -> Vec<u8> {
    std::mem::take(&mut *slot.lock().unwrap_or_else(PoisonError::into_inner))
}

fn put(slot: &Mutex<Vec<u8>>, lines: Vec<u8>) {
    *slot.lock().unwrap_or_else(PoisonError::into_inner) = lines;
}
