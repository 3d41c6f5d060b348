//! A client's connection, as pingora is given it.
//!
//! pingora reads heads and bodies through this stream. It never sees a byte that was not checked:
//! the head is read and judged here first ([`ClientStream::read_head`]), a body is followed to its
//! end, and what comes after it is kept for the next request. Every time-out of the client's side
//! is here too, and so are the trailers that pingora would lose.

use super::carrier::Carrier;
use super::open::Open;
use crate::observe::OpenConnection;
use crate::proxy::Connection;
use crate::wire::chunked::Scanner;
use crate::wire::exchange::LAST_CHUNK;
use crate::wire::head::{self, Finder};
use crate::wire::headcount::Seat;
use crate::wire::{Fault, Framing, Limits, Outbox, Patience, Times, Tunnel};
use async_trait::async_trait;
use bytes::{Buf, BytesMut};
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};

/// The most that is read of later requests while one is being answered.
const AHEAD_LIMIT: usize = 64 * 1024;

#[derive(Debug)]
enum Body {
    /// So many bytes are still to come.
    Length(u64),
    Chunked(Box<Scanner>),
    Done,
    /// Upgraded: no HTTP any more.
    Raw(Box<Tunnel>),
}

/// What came instead of a request.
#[derive(Debug)]
pub enum NoHead {
    /// The client went, or was idle for too long.
    Closed,
    /// A request that is answered with an error.
    Fault(Fault),
}

/// A client's connection.
#[derive(Debug)]
pub struct ClientStream {
    /// `None` once it was handed over to be closed slowly.
    io: Option<Carrier>,
    /// Its socket, where it has one to itself.
    open: Option<Open>,
    connection: Arc<Connection>,
    digest: Arc<ProxyDigest>,
    /// Bytes that were read but belong to what comes later.
    ahead: BytesMut,
    body: Body,
    times: Times,
    ended: bool,
    reading: Patience,
    writing: Patience,
    /// For what an encoder holds back of an answer.
    holding: Patience,
    outbox: Outbox,
    /// TLS may hold back what it took.
    unflushed: bool,
    /// `None` for a stream: its connection has one.
    place: Option<Place>,
}

/// A connection's place among those that are counted.
#[derive(Debug)]
pub struct Place {
    // Given back first: whoever sees in the metric that a connection has gone finds its seat free.
    _seat: Seat,
    _held: OpenConnection,
}

impl Place {
    /// In the metric, and among those that may be.
    pub fn new(held: OpenConnection, seat: Seat) -> Self {
        Place {
            _seat: seat,
            _held: held,
        }
    }
}

impl ClientStream {
    /// A connection that was just accepted. `ahead` was read of it already.
    pub fn new(
        io: Carrier,
        connection: Arc<Connection>,
        times: Times,
        ahead: BytesMut,
        place: Option<Place>,
    ) -> Self {
        let digest = Arc::new(connection.digest());
        ClientStream {
            open: io.socket().map(Open::new),
            io: Some(io),
            connection,
            digest,
            ahead,
            body: Body::Done,
            times,
            ended: false,
            reading: Patience::default(),
            writing: Patience::default(),
            holding: Patience::default(),
            outbox: Outbox::default(),
            unflushed: false,
            place,
        }
    }

    /// The connection's facts.
    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Waits for the first byte of a request, for at most `limit`. False when none came.
    pub async fn wait_for_request(&mut self, limit: Duration) -> bool {
        if !self.ahead.is_empty() {
            return true;
        }
        self.reading.restart(Some(limit));
        matches!(poll_fn(|cx| self.poll_fill(cx)).await, Ok(n) if n > 0)
    }

    /// Reads and checks a head. Returns its bytes; the body is then read from this stream.
    ///
    /// # Errors
    /// [`NoHead`] when the client went or sent what is no request.
    pub async fn read_head(&mut self, limits: &Limits, times: Times) -> Result<BytesMut, NoHead> {
        self.times = times;
        self.reading.restart(Some(times.header));
        let mut finder = Finder::default();
        let (start, end) = loop {
            match finder.find(&self.ahead, limits) {
                Ok(Some(range)) => break range,
                Ok(None) => {}
                Err(fault) => return Err(NoHead::Fault(fault)),
            }
            match poll_fn(|cx| self.poll_fill(cx)).await {
                Ok(0) => return Err(NoHead::Closed),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(NoHead::Fault(Fault::HeaderTimeout));
                }
                Err(_) => return Err(NoHead::Closed),
            }
        };
        let mut bytes = self.ahead.split_to(end);
        bytes.advance(start);
        if self.ahead.is_empty() {
            self.ahead = BytesMut::new();
        }
        let head = head::check(&bytes, limits).map_err(NoHead::Fault)?;
        self.connection.exchange.reset();
        self.holding.stop();
        self.connection.exchange.count_received(bytes.len());
        self.body = match head.framing {
            Framing::Length(0) => Body::Done,
            Framing::Length(length) => Body::Length(length),
            Framing::Chunked => Body::Chunked(Box::default()),
        };
        if matches!(self.body, Body::Done) {
            self.reading.stop();
        } else {
            self.reading.restart(Some(times.body));
        }
        Ok(match head.authority_form {
            Some(range) => origin_form(&bytes, range),
            None => bytes,
        })
    }

    /// Gives up on the request at hand: its head could not be understood, so neither can anything
    /// that follows.
    pub fn abandon_request(&mut self) {
        self.body = Body::Length(u64::MAX);
    }

    /// Reads more into `ahead`: how many bytes, 0 at the end.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        // A connection that waits has no buffer: ten thousand of them would have 40 MiB of it.
        let Some(io) = self.io.as_mut() else {
            return Poll::Ready(Ok(0));
        };
        if io.poll_read_ready(cx)?.is_pending() {
            ready!(self.reading.poll_over(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        let read = match io {
            Carrier::Plain(_) => {
                self.ahead.reserve(4096);
                tokio_util::io::poll_read_buf(Pin::new(io), cx, &mut self.ahead)
            }
            // Only reading tells whether something is there.
            Carrier::Tls(_) | Carrier::Http2(_) => {
                let mut space = [0u8; 4096];
                let mut buf = ReadBuf::new(&mut space);
                let read = Pin::new(io).poll_read(cx, &mut buf);
                self.ahead.extend_from_slice(buf.filled());
                read.map_ok(|()| buf.filled().len())
            }
        };
        match read {
            Poll::Ready(result) => Poll::Ready(result),
            Poll::Pending => {
                ready!(self.reading.poll_over(cx));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }

    /// Between requests: notices that the client went, keeps what it sends early.
    fn poll_beyond(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.ended && self.ahead.len() < AHEAD_LIMIT {
            let Some(io) = self.io.as_mut() else {
                return Poll::Ready(Ok(()));
            };
            let mut space = [0u8; 1024];
            let mut buf = ReadBuf::new(&mut space);
            ready!(Pin::new(io).poll_read(cx, &mut buf))?;
            if buf.filled().is_empty() {
                self.ended = true;
            }
            self.ahead.extend_from_slice(buf.filled());
        }
        // A request that was sent early is still answered, although its sender closed its side.
        if self.ended && self.ahead.is_empty() {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }

    /// Reads at most `limit` bytes, first of those read ahead.
    fn poll_some(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        if !self.ahead.is_empty() {
            let n = self.ahead.len().min(buf.remaining()).min(limit);
            buf.put_slice(&self.ahead.split_to(n));
            return Poll::Ready(Ok(n));
        }
        let Some(io) = self.io.as_mut() else {
            return Poll::Ready(Ok(0));
        };
        let before = buf.filled().len();
        let result = if limit >= buf.remaining() {
            Pin::new(io).poll_read(cx, buf).map_ok(|()| 0)
        } else {
            let mut limited = ReadBuf::new(buf.initialize_unfilled_to(limit));
            Pin::new(io)
                .poll_read(cx, &mut limited)
                .map_ok(|()| limited.filled().len())
        };
        match result {
            Poll::Ready(Ok(n)) => {
                buf.advance(n);
                Poll::Ready(Ok(buf.filled().len().saturating_sub(before)))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                ready!(self.reading.poll_over(cx));
                Poll::Ready(Err(Fault::BodyTimeout.into_io()))
            }
        }
    }

    /// Carries bytes between the client and the app. Ready, with no byte read, when it is over.
    fn poll_tunnel(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The 101 goes first.
        ready!(Pin::new(&mut *self).poll_flush(cx))?;
        let (Body::Raw(tunnel), Some(io)) = (&mut self.body, &mut self.io) else {
            return Poll::Ready(Ok(()));
        };
        let before = tunnel.moved();
        let result = tunnel.poll(cx, io);
        let (received, sent) = tunnel.moved();
        self.ended = tunnel.client_ended();
        let exchange = &self.connection.exchange;
        exchange.count_received(received.wrapping_sub(before.0));
        exchange.count_sent(sent.wrapping_sub(before.1));
        result
    }

    fn poll_chunked(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<usize>> {
        let before = buf.filled().len();
        let n = ready!(self.poll_some(cx, buf, usize::MAX))?;
        let Body::Chunked(scanner) = &mut self.body else {
            return Poll::Ready(Ok(n));
        };
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let Some(end) = scanner.scan(fresh).map_err(Fault::into_io)? else {
            return Poll::Ready(Ok(n));
        };
        let trailers = scanner.trailers().map_err(Fault::into_io)?;
        self.connection.exchange.put_request_trailers(trailers);
        let beyond = fresh.get(end..).unwrap_or_default();
        if !beyond.is_empty() {
            let rest = std::mem::replace(&mut self.ahead, BytesMut::from(beyond));
            self.ahead.extend_from_slice(&rest);
        }
        buf.set_filled(before.saturating_add(end));
        self.body = Body::Done;
        Poll::Ready(Ok(end))
    }

    /// A piece of a file goes from the kernel's cache to the socket, past this process.
    fn poll_lent(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<usize>> {
        // A file is lent only where its bytes can go as they are.
        let Some(io) = self.io.as_ref().and_then(Carrier::plain) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        loop {
            if io.poll_write_ready(cx)?.is_pending() {
                return self.poll_unsent(cx).map(Err);
            }
            // The head goes first, and waits in the kernel for what follows: a packet of its own
            // would cost as much as the file's.
            let head = self.outbox.pending();
            if !head.is_empty() {
                let socket = socket2::SockRef::from(io);
                let send = || socket.send_with_flags(head, libc::MSG_MORE);
                match io.try_io(Interest::WRITABLE, send) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => return Poll::Ready(Err(error)),
                    Ok(n) => {
                        self.outbox.advance(n);
                        self.writing.stop();
                    }
                }
                continue;
            }
            let exchange = &self.connection.exchange;
            let send = || exchange.send_lent(io.as_fd(), limit);
            match io.try_io(Interest::WRITABLE, send) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Ok(n) => {
                    self.writing.stop();
                    exchange.count_sent(n);
                    return Poll::Ready(Ok(n));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }

    fn poll_out(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let Some(io) = self.io.as_mut() else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        match self.outbox.poll_write(cx, io, bufs) {
            Poll::Ready(Ok(n)) => {
                self.writing.stop();
                self.unflushed = matches!(io, Carrier::Tls(_));
                self.connection.exchange.count_sent(n);
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.poll_unsent(cx).map(Err),
        }
    }

    /// pingora reads here while it waits for more of the answer: what an encoder holds back goes to
    /// the client when that takes too long.
    fn poll_held(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Some(patience) = self.connection.exchange.holding() else {
            self.holding.stop();
            return Ok(());
        };
        if !self.holding.running() {
            self.holding.restart(Some(patience));
        }
        if !patience.is_zero() && self.holding.poll_over(cx).is_pending() {
            return Ok(());
        }
        self.holding.stop();
        let bytes = self.connection.exchange.release()?;
        self.connection.exchange.count_sent(bytes.len());
        self.outbox.push(&bytes);
        Ok(())
    }

    /// Ready when the client has not taken a byte for too long.
    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if self.io.as_ref().is_some_and(Carrier::in_line) {
            self.writing.stop();
            return Poll::Pending;
        }
        if !self.writing.running() {
            self.writing.restart(Some(self.times.send));
        }
        self.writing
            .poll_over(cx)
            .map(|()| Fault::SendTimeout.into_io())
    }

    /// Whether closing now would make the kernel send a reset that eats the answer.
    fn has_unread(&self) -> bool {
        !self.ended && (!matches!(self.body, Body::Done) || !self.ahead.is_empty())
    }
}

/// The head with its absolute-form target made origin-form, as an origin server expects it
/// (RFC 9112 section 3.2.2).
fn origin_form(head: &[u8], authority: std::ops::Range<usize>) -> BytesMut {
    let before = head.get(..authority.start).unwrap_or_default();
    let after = head.get(authority.end..).unwrap_or_default();
    let mut bytes = BytesMut::with_capacity(head.len().saturating_add(1));
    bytes.extend_from_slice(before);
    if after.first() != Some(&b'/') {
        bytes.extend_from_slice(b"/");
    }
    bytes.extend_from_slice(after);
    bytes
}

impl AsyncRead for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        this.poll_held(cx)?;
        // pingora flushes a body of known length, and its head, only when all of it was written.
        // It reads here while it waits for more: what the client may have by now must not wait too.
        if (!this.outbox.is_empty() || this.unflushed)
            && let Poll::Ready(Err(error)) = Pin::new(&mut *this).poll_flush(cx)
        {
            return Poll::Ready(Err(error));
        }
        if matches!(this.body, Body::Done)
            && this.connection.exchange.upgraded()
            && let Some(app) = this.connection.exchange.take_app()
        {
            let ahead = std::mem::take(&mut this.ahead);
            this.body = Body::Raw(Box::new(Tunnel::new(ahead, this.times.send, app)));
        }
        if matches!(this.body, Body::Length(_) | Body::Chunked(_)) {
            if this.connection.exchange.poll_room(cx).is_pending() {
                // It is the app that is waited for, and the app's side knows for how long.
                this.reading.stop();
                let gone = this.io.as_mut().map(|io| io.poll_gone(cx));
                return gone.map_or(Poll::Pending, |gone| gone.map(Err));
            }
            if !this.reading.running() {
                this.reading.restart(Some(this.times.body));
            }
        }
        let n = match &mut this.body {
            Body::Done => return this.poll_beyond(cx),
            Body::Raw(_) => return this.poll_tunnel(cx),
            Body::Chunked(_) => ready!(this.poll_chunked(cx, buf))?,
            Body::Length(left) => {
                let left = *left;
                let limit = usize::try_from(left).unwrap_or(usize::MAX);
                let n = ready!(this.poll_some(cx, buf, limit))?;
                let left = left.saturating_sub(n as u64);
                this.body = if left == 0 {
                    Body::Done
                } else {
                    Body::Length(left)
                };
                n
            }
        };
        this.ended |= n == 0;
        this.connection.exchange.count_received(n);
        match this.body {
            Body::Done => this.reading.stop(),
            _ => this.reading.restart(Some(this.times.body)),
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.connection.exchange.lending() {
            return self.poll_lent(cx, buf.len());
        }
        // pingora writes the last chunk alone and by this function; data of chunks comes vectored.
        if buf == LAST_CHUNK
            && let Some(chunk) = self.connection.exchange.last_response_chunk()
        {
            self.connection.exchange.count_sent(chunk.len());
            self.outbox.push(&chunk);
            return Poll::Ready(Ok(buf.len()));
        }
        self.poll_out(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.connection.exchange.lending() {
            let all = bufs.iter().map(|buf| buf.len()).sum();
            return self.poll_lent(cx, all);
        }
        // The outbox adds one slice of its own to at most four.
        self.poll_out(cx, bufs.get(..4).unwrap_or(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(io) = this.io.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        match this.outbox.poll_flush(cx, io) {
            Poll::Ready(result) => {
                this.writing.stop();
                this.unflushed = false;
                Poll::Ready(result)
            }
            Poll::Pending => this.poll_unsent(cx).map(Err),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        let Some(io) = self.io.as_mut() else {
            return Poll::Ready(Ok(()));
        };
        // A client that may still be sending is closed slowly, when this is dropped.
        match Pin::new(io).poll_shutdown(cx) {
            // TLS has a last word to send.
            Poll::Pending => self.poll_unsent(cx).map(Err),
            ready => ready,
        }
    }
}

#[async_trait]
impl Shutdown for ClientStream {
    async fn shutdown(&mut self) {
        let limit = self.times.send;
        let shutdown = poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx));
        // A client that is gone already is no news, and one that takes nothing is not told that
        // nothing was cut off.
        let _ = tokio::time::timeout(limit, shutdown).await;
    }
}

impl Drop for ClientStream {
    fn drop(&mut self) {
        let unread = self.has_unread();
        let Some(io) = self.io.take() else { return };
        // Before the socket is closed: its number is given to the next one.
        drop(self.open.take());
        if matches!(io, Carrier::Http2(_)) {
            // A stream is ended by a frame, and no reset of the kernel's eats its answer.
            return;
        }
        if unread && let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // Owned by the worker's runtime, and over after at most `LINGER`. The connection counts
            // until then.
            runtime.spawn(linger(io, self.place.take()));
        }
    }
}

/// How long a client that goes on sending is listened to after its answer.
const LINGER: Duration = Duration::from_secs(2);
/// How much of what it sends is thrown away.
const LINGER_BYTES: usize = 4 * 1024 * 1024;

/// Closes a connection on which the client may still be sending: a plain close would make the
/// kernel reset it, and the client might never see the answer (RFC 9112 section 9.6).
pub(super) async fn linger(mut io: Carrier, _place: Option<Place>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let drain = async {
        io.shutdown().await?;
        let mut space = vec![0u8; 16 * 1024];
        let mut left = LINGER_BYTES;
        while left > 0 {
            match io.read(&mut space).await? {
                0 => break,
                n => left = left.saturating_sub(n),
            }
        }
        io::Result::Ok(())
    };
    // Whatever went wrong, the connection is closed now.
    let _ = tokio::time::timeout(LINGER, drain).await;
}

impl UniqueID for ClientStream {
    fn id(&self) -> UniqueIDType {
        self.io.as_ref().map_or(-1, Carrier::id)
    }
}

impl Ssl for ClientStream {}

impl GetTimingDigest for ClientStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for ClientStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        Some(self.digest.clone())
    }
}

impl GetSocketDigest for ClientStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for ClientStream {}
