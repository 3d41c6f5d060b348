//! Bytes on their way out: small writes are gathered, large ones pass without a copy.

use std::io::IoSlice;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::AsyncWrite;

/// Up to here writes are gathered: a head and a small body leave in one system call.
const GATHER: usize = 16 * 1024;

/// What was written but not yet handed to the kernel.
#[derive(Debug, Default)]
pub struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Whether all was handed over.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What is not handed over yet.
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// Notes that `n` of the pending bytes left; returns how many more than those did.
    pub fn advance(&mut self, n: usize) -> usize {
        let pending = self.pending().len();
        if n >= pending {
            self.bytes.clear();
            self.sent = 0;
            // One large head should not keep its memory for the life of the connection.
            if self.bytes.capacity() > 2 * GATHER {
                self.bytes = Vec::new();
            }
            return n.saturating_sub(pending);
        }
        self.sent = self.sent.saturating_add(n);
        0
    }

    /// Takes over `bytes` whatever their number.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes `bufs`, as [`AsyncWrite::poll_write_vectored`] would: ready with how many bytes of
    /// theirs were taken.
    pub fn poll_write<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut W,
        bufs: &[IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        let total: usize = bufs.iter().map(|b| b.len()).sum();
        loop {
            if self.pending().len().saturating_add(total) <= GATHER {
                for buf in bufs {
                    self.bytes.extend_from_slice(buf);
                }
                return Poll::Ready(Ok(total));
            }
            let mut slices = [IoSlice::new(&[]); 5];
            let all = std::iter::once(IoSlice::new(self.pending())).chain(bufs.iter().copied());
            for (slot, slice) in slices.iter_mut().zip(all) {
                *slot = slice;
            }
            let n = ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices))?;
            if n == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            let taken = self.advance(n);
            if taken > 0 {
                return Poll::Ready(Ok(taken));
            }
        }
    }

    /// Hands everything to the kernel.
    pub fn poll_flush<W: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        io: &mut W,
    ) -> Poll<std::io::Result<()>> {
        while !self.pending().is_empty() {
            let n = ready!(Pin::new(&mut *io).poll_write(cx, self.pending()))?;
            if n == 0 {
                return Poll::Ready(Err(std::io::ErrorKind::WriteZero.into()));
            }
            self.advance(n);
        }
        Pin::new(io).poll_flush(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::AsyncReadExt;

    #[test]
    fn bytes_leave_in_order_whatever_their_sizes() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (mut near, mut far) = tokio::io::duplex(777);
            let reader = tokio::spawn(async move {
                let mut all = Vec::new();
                far.read_to_end(&mut all).await.map(|_| all)
            });
            let mut expected = Vec::new();
            let mut outbox = Outbox::default();
            for (i, size) in [1usize, 500, 20_000, 3, 16_384, 40_000, 0, 9]
                .into_iter()
                .enumerate()
            {
                let piece = vec![i as u8; size];
                expected.extend_from_slice(&piece);
                let mut rest = piece.as_slice();
                while !rest.is_empty() {
                    let (a, b) = rest.split_at(rest.len() / 2);
                    let bufs = [IoSlice::new(a), IoSlice::new(b)];
                    let n = poll_fn(|cx| outbox.poll_write(cx, &mut near, &bufs))
                        .await
                        .unwrap();
                    rest = &rest[n..];
                }
            }
            poll_fn(|cx| outbox.poll_flush(cx, &mut near))
                .await
                .unwrap();
            assert!(outbox.is_empty());
            drop(near);
            assert_eq!(reader.await.unwrap().unwrap(), expected);
        });
    }
}
