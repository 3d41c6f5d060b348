//! A connection to an app's server, as pingora is given it.
//!
//! pingora has one time-out per read; an operator wants one for the first byte, another between
//! bytes, and a third for a WebSocket that says nothing. pingora drops trailers; here they are
//! taken out of the chunks and handed to the client's side. An answer that is to be made into another
//! one is gathered here ([`super::gather`]): to pingora the other one is what the app sent.

use super::gather::{Gather, Gathered, Rework, Reworking};
use super::http2;
use super::socket::Socket;
use crate::wire::chunked::Scanner;
use crate::wire::exchange::LAST_CHUNK;
use crate::wire::{AppSide, Exchange, Fault, Outbox, Patience};
use bytes::{Buf, Bytes, BytesMut};
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::protocols::UniqueIDType;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::raw_connect::ProxyDigest;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// What an exchange asks of the connection that it has been lent.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Where trailers are exchanged with the client's side.
    pub exchange: Arc<Exchange>,
    /// From the request's last byte to the answer's first.
    pub first_byte: Duration,
    /// Between two pieces of the answer.
    pub between: Duration,
    /// Between two pieces of the request that the app takes.
    pub send: Duration,
    /// Silence in both directions after an upgrade.
    pub idle: Duration,
    /// Whether the answer has no body whatever its head says (HEAD).
    pub bodiless: bool,
    /// Whether the answer may be a 101.
    pub websocket: bool,
    /// Who makes another answer of the app's.
    pub rework: Option<Arc<dyn Rework>>,
}

/// The slip of a connection by which an exchange states its terms.
#[derive(Debug, Default)]
pub struct Lease {
    terms: Mutex<Option<Terms>>,
    fresh: AtomicBool,
    used: AtomicBool,
}

impl Lease {
    /// States the terms of the exchange that begins now.
    pub fn begin(&self, terms: Terms) {
        *self.terms.lock().unwrap_or_else(PoisonError::into_inner) = Some(terms);
        self.fresh.store(true, Ordering::Release);
    }

    /// Whether the connection had an exchange before this one: then the server may have closed it
    /// at the moment at which this one began.
    pub fn reused(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// The lease of a connection that pingora describes by this digest.
    pub fn of(digest: &pingora::protocols::Digest) -> Option<&Lease> {
        let data = digest.proxy_digest.as_ref()?.user_data.as_ref()?;
        data.downcast_ref::<Arc<Lease>>().map(Arc::as_ref)
    }

    fn take(&self) -> Option<Terms> {
        if !self.fresh.swap(false, Ordering::Acquire) {
            return None;
        }
        self.terms
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }
}

#[derive(Debug)]
enum Phase {
    /// In the pool, or past the end of an answer as far as this side can tell.
    Idle,
    /// The answer's head is awaited; `seen` are its bytes so far when it comes in pieces.
    Head {
        seen: Vec<u8>,
    },
    /// A body whose end pingora knows.
    Body,
    Chunked(Box<Scanner>),
    /// Upgraded.
    Raw,
}

/// What becomes of an answer before pingora sees it.
#[derive(Debug, Default)]
enum Gathering {
    /// It passes.
    #[default]
    No,
    /// It is gathered by way of this space.
    Reading(Box<Gather>, Vec<u8>),
    /// Another one is made of it.
    Working(Reworking),
}

/// A connection to a server.
#[derive(Debug)]
pub struct ServerStream {
    io: Socket,
    server: SocketAddr,
    /// How long it may be kept idle.
    keep: Duration,
    lease: Arc<Lease>,
    digest: Arc<ProxyDigest>,
    terms: Option<Terms>,
    phase: Phase,
    /// Bytes of a chunked body that came with the head.
    held: BytesMut,
    gathering: Gathering,
    /// What is read before anything else of the server's.
    first: Bytes,
    /// And what came after that.
    failed: Option<io::Error>,
    reading: Patience,
    writing: Patience,
    outbox: Outbox,
    /// The app has taken nothing for too long: it gets nothing more.
    deaf: bool,
    /// How often the exchange has flushed, up to `WHOLE_REQUEST`.
    flushes: u8,
}

/// pingora flushes a request without a body twice: after its head, and at the end of its body.
const WHOLE_REQUEST: u8 = 2;

/// What is read at once of an answer that may be gathered, and of one that is.
const HEAD_SPACE: usize = 8 * 1024;
const BODY_SPACE: usize = 64 * 1024;

/// Past this, an answer's head is left to pingora's own limit.
const HEAD_LIMIT: usize = 256 * 1024;

impl ServerStream {
    /// A connection that was just made.
    ///
    /// # Errors
    /// None in practice: pingora's digest wants a response header, which is made here.
    pub fn new(io: Socket, server: SocketAddr, keep: Duration) -> pingora::Result<Self> {
        let lease = Arc::new(Lease::default());
        lease.used.store(io.reused(), Ordering::Relaxed);
        let header = ResponseHeader::build(StatusCode::OK, Some(0))?;
        let digest = ProxyDigest::new(Box::new(header), Some(Box::new(lease.clone())));
        Ok(ServerStream {
            io,
            server,
            keep,
            lease,
            digest: Arc::new(digest),
            terms: None,
            phase: Phase::Idle,
            held: BytesMut::new(),
            gathering: Gathering::No,
            first: Bytes::new(),
            failed: None,
            reading: Patience::default(),
            writing: Patience::default(),
            outbox: Outbox::default(),
            deaf: false,
            flushes: 0,
        })
    }

    /// The server at the other end.
    pub fn server(&self) -> &SocketAddr {
        &self.server
    }

    /// How long it may be kept idle.
    pub fn keep(&self) -> Duration {
        self.keep
    }

    /// The socket's number.
    pub fn fd(&self) -> UniqueIDType {
        self.io.fd()
    }

    /// What pingora carries with the stream: the lease.
    pub fn digest(&self) -> Arc<ProxyDigest> {
        self.digest.clone()
    }

    /// Whether, as far as this side can tell, an exchange came to its end here: nothing is held
    /// back in either direction, and no chunk is still to come.
    pub fn at_rest(&self) -> bool {
        self.terms.is_some()
            && self.io.can_rest()
            && self.held.is_empty()
            && matches!(self.gathering, Gathering::No)
            && self.first.is_empty()
            && self.failed.is_none()
            && self.outbox.is_empty()
            && !self.deaf
            && matches!(self.phase, Phase::Body | Phase::Idle)
    }

    /// Whether its connection is shared with other exchanges: then it is over with this one.
    pub fn shares(&self) -> bool {
        matches!(self.io, Socket::Http2(_))
    }

    /// The exchange came to its end, and with it a stream of a connection that is shared.
    pub fn see_off(mut self: Box<Self>) {
        if let Socket::Http2(stream) = std::mem::replace(&mut self.io, Socket::HandedOver) {
            http2::see_off(stream);
        }
    }

    /// Whether nothing came on an idle connection: neither its end nor bytes that nobody asked for.
    pub fn is_open(&mut self) -> bool {
        let mut space = [0u8; 1];
        let mut buf = ReadBuf::new(&mut space);
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.io)
            .poll_read(&mut context, &mut buf)
            .is_pending()
    }

    /// Forgets the exchange, and notes on the lease that there was one.
    pub fn rest(&mut self) {
        self.terms = None;
        self.gathering = Gathering::No;
        self.phase = Phase::Idle;
        self.reading.stop();
        self.writing.stop();
        self.lease.used.store(true, Ordering::Relaxed);
    }

    /// The exchange sends: its clock starts when it stops sending.
    fn on_write(&mut self) {
        if self.deaf {
            return;
        }
        if let Some(terms) = self.lease.take() {
            self.gathering = match &terms.rework {
                Some(rework) => {
                    let gather = Box::new(Gather::new(rework.clone()));
                    Gathering::Reading(gather, vec![0; HEAD_SPACE])
                }
                None => Gathering::No,
            };
            self.terms = Some(terms);
            self.phase = Phase::Head { seen: Vec::new() };
            self.held.clear();
            self.first.clear();
            self.failed = None;
            self.flushes = 0;
        }
        let Some(terms) = &self.terms else { return };
        let begun = match &self.gathering {
            Gathering::No => false,
            Gathering::Reading(gather, _) => gather.has_head(),
            Gathering::Working(_) => true,
        };
        if let (Phase::Head { .. }, false) = (&self.phase, begun) {
            self.reading.restart(Some(terms.first_byte));
        }
    }

    fn poll_unread(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.reading.poll_over(cx));
        self.io.doubt();
        Poll::Ready(Err(Fault::AppTimeout.into_io()))
    }

    /// Gathers an answer that may be made into another one, and waits for that. Ready when there is
    /// something to give on, or nothing to wait for. Whatever does not fit is given on as it came.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // Interim answers are given on before more is read.
        while self.first.is_empty() && self.failed.is_none() {
            match std::mem::take(&mut self.gathering) {
                Gathering::No => break,
                Gathering::Working(mut reworking) => match reworking.poll(cx) {
                    Poll::Ready(bytes) => self.first = bytes,
                    Poll::Pending => {
                        self.gathering = Gathering::Working(reworking);
                        return Poll::Pending;
                    }
                },
                Gathering::Reading(mut gather, mut space) => {
                    let mut buf = ReadBuf::new(&mut space);
                    let read = match Pin::new(&mut self.io).poll_read(cx, &mut buf) {
                        Poll::Pending => self.poll_unread(cx),
                        ready => ready,
                    };
                    match read {
                        Poll::Pending => {
                            self.gathering = Gathering::Reading(gather, space);
                            return Poll::Pending;
                        }
                        Poll::Ready(Err(error)) => {
                            self.first = gather.give_up();
                            self.failed = Some(error);
                        }
                        Poll::Ready(Ok(())) if buf.filled().is_empty() => {
                            self.first = gather.give_up();
                            // What comes next says the same again.
                            break;
                        }
                        Poll::Ready(Ok(())) => {
                            let gathered = gather.put(buf.filled());
                            self.on_gathered(gather, space, gathered);
                        }
                    }
                }
            }
        }
        Poll::Ready(())
    }

    fn on_gathered(&mut self, mut gather: Box<Gather>, mut space: Vec<u8>, gathered: Gathered) {
        let between = self.terms.as_ref().map(|terms| terms.between);
        self.reading.restart(between);
        match gathered {
            Gathered::Not(came) => self.first = came,
            Gathered::More => {
                self.first = gather.take_interim();
                if gather.has_head() {
                    space.resize(BODY_SPACE, 0);
                }
                self.gathering = Gathering::Reading(gather, space);
            }
            Gathered::Whole { raw, head, body } => {
                self.first = gather.take_interim();
                // It is not the app that is waited for.
                self.reading.stop();
                self.gathering = Gathering::Working(gather.rework(raw, head, body));
            }
        }
    }

    /// Where writing never waits, whether the app takes what is written is seen here. As long as it
    /// does not, no more is read of the request: reading goes on, for the app may wait for that.
    fn poll_crowd(&mut self, cx: &mut Context<'_>) {
        if self.io.can_rest() {
            return;
        }
        let crowded = self.io.poll_room(cx).is_pending();
        if let Some(terms) = &self.terms {
            terms.exchange.set_crowded(crowded);
        }
        if !crowded {
            self.writing.stop();
        } else if !self.deaf {
            // What follows when it takes too long is told by reading.
            let _ = self.poll_unsent(cx);
        }
    }

    /// Looks at new bytes of an answer's head. When its body is chunked, what came with the head
    /// is held back, so that the chunks can be followed.
    fn on_head(&mut self, buf: &mut ReadBuf<'_>, before: usize) {
        let Phase::Head { seen } = &mut self.phase else {
            return;
        };
        let fresh = buf.filled().get(before..).unwrap_or_default();
        let earlier = seen.len();
        let whole: &[u8] = if seen.is_empty() {
            fresh
        } else {
            seen.extend_from_slice(fresh);
            seen
        };
        let bodiless = self.terms.as_ref().is_some_and(|terms| terms.bodiless);
        match judge(whole, bodiless) {
            Judged::Partial if whole.len() > HEAD_LIMIT => self.phase = Phase::Body,
            Judged::Partial => {
                if earlier == 0 {
                    *seen = fresh.to_vec();
                }
            }
            Judged::Plain => self.phase = Phase::Body,
            Judged::Upgraded(end) => {
                let keep = end.saturating_sub(earlier).min(fresh.len());
                let ahead = BytesMut::from(fresh.get(keep..).unwrap_or_default());
                buf.set_filled(before.saturating_add(keep));
                self.hand_over(ahead);
            }
            Judged::Chunked(end) => {
                let keep = end.saturating_sub(earlier).min(fresh.len());
                self.held
                    .extend_from_slice(fresh.get(keep..).unwrap_or_default());
                buf.set_filled(before.saturating_add(keep));
                self.phase = Phase::Chunked(Box::default());
            }
        }
    }

    /// The app switches protocols: from here on its socket is for the client's side. Whether that
    /// takes it is decided when the 101 has been looked at; this side is done either way.
    fn hand_over(&mut self, ahead: BytesMut) {
        self.phase = Phase::Raw;
        let Some(terms) = &self.terms else { return };
        let io = std::mem::replace(&mut self.io, Socket::HandedOver);
        terms.exchange.offer_app(AppSide {
            io: Box::new(io),
            ahead,
            idle: terms.idle,
            send: terms.send,
        });
    }

    fn on_chunks(&mut self, fresh: &[u8]) -> io::Result<()> {
        let Phase::Chunked(scanner) = &mut self.phase else {
            return Ok(());
        };
        if scanner.scan(fresh).map_err(Fault::into_io)?.is_none() {
            return Ok(());
        }
        let trailers = scanner.trailers().map_err(Fault::into_io)?;
        if let Some(terms) = &self.terms
            && !trailers.is_empty()
        {
            terms.exchange.put_response_trailers(trailers);
        }
        self.phase = Phase::Idle;
        Ok(())
    }

    fn poll_out(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.on_write();
        match self.outbox.poll_write(cx, &mut self.io, bufs) {
            Poll::Ready(result) => {
                self.writing.stop();
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_unsent(cx).map(Err),
        }
    }

    /// Hands what was gathered to the kernel.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.outbox.poll_flush(cx, &mut self.io) {
            Poll::Ready(result) => {
                self.writing.stop();
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_unsent(cx).map(Err),
        }
    }

    fn poll_unsent(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        if !self.writing.running() {
            self.writing
                .restart(self.terms.as_ref().map(|terms| terms.send));
        }
        ready!(self.writing.poll_over(cx));
        if !self.deaf {
            self.deaf = true;
            // What the app has said until now is still read, for it may be why it listens no more;
            // nothing further is waited for.
            self.reading.restart(Some(Duration::ZERO));
        }
        Poll::Ready(Fault::AppTimeout.into_io())
    }
}

enum Judged {
    Partial,
    Plain,
    /// Another protocol starts at this offset.
    Upgraded(usize),
    /// A chunked body starts at this offset.
    Chunked(usize),
}

/// What the head at the start of `bytes` announces; interim answers before it are passed over.
fn judge(mut bytes: &[u8], bodiless: bool) -> Judged {
    let mut offset = 0usize;
    loop {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return Judged::Partial;
        };
        let end = end.saturating_add(4);
        let head = bytes.get(..end).unwrap_or_default();
        match head.get(9..12) {
            Some(b"101") => return Judged::Upgraded(offset.saturating_add(end)),
            Some([b'1', ..]) => {
                offset = offset.saturating_add(end);
                bytes = bytes.get(end..).unwrap_or_default();
            }
            Some(b"204" | b"304") => return Judged::Plain,
            _ if bodiless || !chunked(head) => return Judged::Plain,
            _ => return Judged::Chunked(offset.saturating_add(end)),
        }
    }
}

fn chunked(head: &[u8]) -> bool {
    head.split(|b| *b == b'\n').any(|line| {
        let Some((name, value)) = line.split_at_checked(b"transfer-encoding:".len()) else {
            return false;
        };
        name.eq_ignore_ascii_case(b"transfer-encoding:")
            && value
                .trim_ascii()
                .to_ascii_lowercase()
                .ends_with(b"chunked")
    })
}

impl AsyncRead for ServerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let before = buf.filled().len();
        // pingora flushes a body of known length only when all of it was written. It reads here
        // while it waits for more: what the app may have by now must not wait too. An error is not
        // for here: the app may have answered before it stopped listening.
        if !this.outbox.is_empty() && !this.deaf {
            let _ = this.poll_send(cx);
        }
        this.poll_crowd(cx);
        // A 101 that pingora reads before it has noticed that the request has no body makes it take
        // that noticing for the end of the WebSocket (pingora issue 946). It flushes when it does.
        let early = this.flushes < WHOLE_REQUEST && matches!(this.phase, Phase::Head { .. });
        if early && this.terms.as_ref().is_some_and(|terms| terms.websocket) {
            return this.poll_unread(cx);
        }
        if this.held.is_empty() {
            ready!(this.poll_gather(cx));
        }
        if !this.held.is_empty() {
            let n = this.held.len().min(buf.remaining());
            buf.put_slice(this.held.get(..n).unwrap_or_default());
            this.held.advance(n);
        } else if !this.first.is_empty() {
            let n = this.first.len().min(buf.remaining());
            buf.put_slice(this.first.get(..n).unwrap_or_default());
            this.first.advance(n);
        } else if let Some(error) = this.failed.take() {
            return Poll::Ready(Err(error));
        } else {
            match Pin::new(&mut this.io).poll_read(cx, buf) {
                Poll::Ready(Ok(())) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending => return this.poll_unread(cx),
            }
        }
        match this.phase {
            Phase::Head { .. } => this.on_head(buf, before),
            Phase::Chunked(_) => {
                this.on_chunks(buf.filled().get(before..).unwrap_or_default())?;
            }
            _ => {}
        }
        let terms = this.terms.as_ref();
        if matches!(this.gathering, Gathering::Working(_)) {
            // An interim answer went first; the app is not waited for.
            return Poll::Ready(Ok(()));
        }
        this.reading.restart(match this.phase {
            // The pool has its own idle time-out, and so has an upgraded connection.
            Phase::Idle | Phase::Raw => None,
            _ => terms.map(|terms| terms.between),
        });
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ServerStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // pingora writes the last chunk alone and by this function; data of chunks comes vectored.
        if buf == LAST_CHUNK
            && let Some(chunk) = self
                .terms
                .as_ref()
                .and_then(|t| t.exchange.last_request_chunk())
        {
            self.on_write();
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
        // The outbox adds one slice of its own to at most four.
        self.poll_out(cx, bufs.get(..4).unwrap_or(bufs))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = ready!(self.poll_send(cx));
        self.flushes = self.flushes.saturating_add(1).min(WHOLE_REQUEST);
        Poll::Ready(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Drop for ServerStream {
    fn drop(&mut self) {
        // Another server may be tried, or the rest of the request be read for nobody.
        if let Some(terms) = self.terms.as_ref().filter(|terms| terms.exchange.crowded()) {
            terms.exchange.set_crowded(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_judged() {
        let kind = |text: &[u8], bodiless| match judge(text, bodiless) {
            Judged::Partial => "partial".to_string(),
            Judged::Plain => "plain".to_string(),
            Judged::Upgraded(at) => format!("upgraded at {at}"),
            Judged::Chunked(at) => format!("chunked at {at}"),
        };
        assert_eq!(kind(b"HTTP/1.1 200 OK\r\nA: b\r\n", false), "partial");
        assert_eq!(
            kind(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", false),
            "plain"
        );
        let text = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0";
        assert_eq!(kind(text, false), format!("chunked at {}", text.len() - 1));
        assert_eq!(kind(text, true), "plain");
        assert_eq!(kind(b"HTTP/1.1 101 X\r\n\r\nx", false), "upgraded at 18");
        assert_eq!(kind(b"HTTP/1.1 100 Continue\r\n\r\n", false), "partial");
        assert_eq!(
            kind(
                b"HTTP/1.1 103 E\r\n\r\nHTTP/1.1 204 N\r\nTransfer-Encoding: chunked\r\n\r\n",
                false
            ),
            "plain"
        );
    }
}
