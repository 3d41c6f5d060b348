//! What comes on a stream, as bytes of HTTP/1.

use super::broken;
use super::spelling::spell_trailers;
use bytes::{Buf, Bytes};
use h2::RecvStream;
use std::collections::VecDeque;
use std::io;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// What the other side still says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Saying {
    /// Bytes as they are: their number is known, or they are a WebSocket's.
    Raw,
    /// A body that is given on in chunks.
    Chunks,
    /// Its trailers.
    Trailers,
    /// Nothing.
    Nothing,
}

/// A body on its way in, and its trailers.
#[derive(Debug)]
pub struct Incoming {
    body: RecvStream,
    saying: Saying,
    /// What is to be read next.
    queue: VecDeque<Bytes>,
}

impl Incoming {
    /// The body of a message whose head was read. `chunked`: it is given on in chunks, for its
    /// length is not known or trailers may follow it; else as it is, and trailers are left out.
    pub fn new(body: RecvStream, chunked: bool) -> Self {
        let saying = match (chunked, body.is_end_stream()) {
            (_, true) => Saying::Nothing,
            (true, false) => Saying::Chunks,
            (false, false) => Saying::Raw,
        };
        Incoming {
            body,
            saying,
            queue: VecDeque::new(),
        }
    }

    /// Gives bytes to be read before what comes.
    pub fn push(&mut self, bytes: Bytes) {
        if !bytes.is_empty() {
            self.queue.push_back(bytes);
        }
    }

    /// Whether the other side has said all, and all was read.
    pub fn is_over(&self) -> bool {
        self.queue.is_empty() && (self.saying == Saying::Nothing || self.body.is_end_stream())
    }

    /// Reads into `buf`, which has room. Ready with false when there is nothing more to be read.
    ///
    /// # Errors
    /// The stream or its connection broke: the cause is an [`h2::Error`].
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<bool>> {
        loop {
            if let Some(front) = self.queue.front_mut() {
                let n = front.len().min(buf.remaining());
                buf.put_slice(&front.split_to(n));
                if !front.has_remaining() {
                    self.queue.pop_front();
                }
                if buf.remaining() > 0 && !self.queue.is_empty() {
                    continue;
                }
                return Poll::Ready(Ok(true));
            }
            if self.saying == Saying::Nothing {
                return Poll::Ready(Ok(false));
            }
            ready!(self.poll_more(cx))?;
        }
    }

    /// Waits for more, and puts it into the queue.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.saying == Saying::Trailers {
            let trailers = ready!(self.body.poll_trailers(cx)).map_err(broken)?;
            self.saying = Saying::Nothing;
            let lines = trailers.map(|trailers| spell_trailers(&trailers));
            let end = [b"0\r\n", lines.unwrap_or_default().as_slice(), b"\r\n"].concat();
            self.queue.push_back(end.into());
            return Poll::Ready(Ok(()));
        }
        match ready!(self.body.poll_data(cx)) {
            Some(Ok(data)) => {
                // It is taken out of the queue before more is asked for.
                let freed = self.body.flow_control().release_capacity(data.len());
                freed.map_err(broken)?;
                if data.is_empty() {
                    return Poll::Ready(Ok(()));
                }
                if self.saying == Saying::Chunks {
                    self.queue.push_back(format!("{:x}\r\n", data.len()).into());
                    self.queue.push_back(data);
                    self.queue.push_back(Bytes::from_static(b"\r\n"));
                } else {
                    self.queue.push_back(data);
                }
            }
            Some(Err(error)) => return Poll::Ready(Err(broken(error))),
            None if self.saying == Saying::Chunks => self.saying = Saying::Trailers,
            None => self.saying = Saying::Nothing,
        }
        Poll::Ready(Ok(()))
    }
}
