//! What the two sides of one exchange tell each other past pingora.

use super::AppSide;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One per client connection, lent to the upstream connection for the length of an exchange.
#[derive(Debug, Default)]
pub struct Exchange {
    request_trailers: Mutex<Vec<u8>>,
    response_trailers: Mutex<Vec<u8>>,
    upgraded: AtomicBool,
    app: Mutex<Option<AppSide>>,
    no_trailers: AtomicBool,
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
