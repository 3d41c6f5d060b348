//! A connection's bytes, watched on their way to and from HTTP/2.

use crate::wire::frames::{Flood, Watch};
use crate::wire::{Fault, Patience};
use bytes::{Buf, BytesMut};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What a connection's bytes have shown of it.
#[derive(Debug, Default)]
struct Seen {
    flood: Option<Flood>,
    /// What there was most of, when the connection was over.
    most: Option<Flood>,
    waker: Option<Waker>,
}

/// What the watch has seen, for who serves the connection.
#[derive(Debug, Clone, Default)]
pub struct Sight(Arc<Mutex<Seen>>);

impl Sight {
    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        // A panic while it was held cannot have left it half written: it is only assigned to.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ready when the client asks too much for nothing.
    pub fn poll_flood(&self, cx: &mut Context<'_>) -> Poll<Flood> {
        let mut seen = self.lock();
        match seen.flood {
            Some(flood) => Poll::Ready(flood),
            None => {
                if seen
                    .waker
                    .as_ref()
                    .is_none_or(|waker| !waker.will_wake(cx.waker()))
                {
                    seen.waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
        }
    }

    /// What there was most of, of what brings nothing; known when the connection is over.
    pub fn most(&self) -> Option<Flood> {
        self.lock().most
    }

    fn raise(&self, flood: Flood) {
        let mut seen = self.lock();
        seen.flood = Some(flood);
        if let Some(waker) = seen.waker.take() {
            waker.wake();
        }
    }
}

/// A connection that is watched.
#[derive(Debug)]
pub struct Watched<S> {
    io: S,
    /// Read of it already.
    ahead: BytesMut,
    watch: Watch,
    sight: Sight,
    /// Nothing is read of it any more.
    flooded: bool,
    writing: Patience,
    /// How long the client may take nothing.
    send: Duration,
}

impl<S> Watched<S> {
    /// Watches `io`, of which `ahead` was read already. A client that takes nothing for `send` is
    /// given up.
    pub fn new(io: S, ahead: BytesMut, send: Duration) -> Self {
        Watched {
            io,
            ahead,
            watch: Watch::default(),
            sight: Sight::default(),
            flooded: false,
            writing: Patience::default(),
            send,
        }
    }

    /// What it sees.
    pub fn sight(&self) -> Sight {
        self.sight.clone()
    }

    fn judge(&mut self, verdict: Result<(), Flood>) {
        if let (Err(flood), false) = (verdict, self.flooded) {
            self.flooded = true;
            self.sight.raise(flood);
        }
    }

    /// Waits for a client that takes nothing, for a while.
    fn poll_stuck(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.writing.running() {
            self.writing.restart(Some(self.send));
        }
        self.writing
            .poll_over(cx)
            .map(|()| Fault::SendTimeout.into_io())
    }
}

impl<S> Drop for Watched<S> {
    fn drop(&mut self) {
        self.sight.lock().most = self.watch.most();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.flooded {
            // The last frame is on its way; what else the client sends is not read.
            return Poll::Pending;
        }
        let before = buf.filled().len();
        if this.ahead.is_empty() {
            std::task::ready!(Pin::new(&mut this.io).poll_read(cx, buf))?;
        } else {
            let n = this.ahead.len().min(buf.remaining());
            buf.put_slice(this.ahead.get(..n).unwrap_or_default());
            this.ahead.advance(n);
        }
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let verdict = this.watch.saw(fresh, Instant::now());
        this.judge(verdict);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> Watched<S> {
    fn poll_out(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.io).poll_write_vectored(cx, bufs) {
            Poll::Pending => self.poll_stuck(cx).map(Err),
            Poll::Ready(Ok(n)) => {
                self.writing.stop();
                let now = Instant::now();
                let mut left = n;
                for buf in bufs {
                    let part = buf.get(..left.min(buf.len())).unwrap_or_default();
                    left = left.saturating_sub(part.len());
                    let verdict = self.watch.sent(part, now);
                    self.judge(verdict);
                }
                Poll::Ready(Ok(n))
            }
            ready => ready,
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_out(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_out(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.io).poll_flush(cx) {
            Poll::Pending => self.poll_stuck(cx).map(Err),
            Poll::Ready(result) => {
                self.writing.stop();
                Poll::Ready(result)
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
