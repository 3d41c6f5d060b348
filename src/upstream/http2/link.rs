//! A connection to a server, which many requests share.

use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, SendStream};
use http::Request;
use pingora::protocols::UniqueIDType;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::oneshot;

/// What a server may send of one answer ahead of its client, bytes. Apps stand near: at 1 ms from
/// here and back it lets 250 MB/s through.
const STREAM_WINDOW: u32 = 256 * 1024;
/// The most requests at a time on one connection; for more, another is opened.
const STREAMS: usize = 64;
/// All streams' windows together, bytes: the most that a connection can make us hold, and enough that
/// an answer whose client is slow never keeps another one waiting.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * 64;
/// The longest head of an answer, bytes, as RFC 9113 section 6.5.2 counts them.
const HEADER_LIST: u32 = 256 * 1024;
/// The most of a request that waits in a stream for the server's window, bytes; what was read of it
/// before that was seen (a few pieces of 64 KiB) comes on top.
const SEND_BUFFER: usize = 64 * 1024;
/// How long a connection that is not needed any more may take to say so.
const FAREWELL: Duration = Duration::from_secs(2);

/// A connection.
#[derive(Debug)]
pub struct Link {
    sender: SendRequest<Bytes>,
    state: Arc<State>,
    fd: UniqueIDType,
    /// How long it is kept without a request.
    keep: Duration,
    streams: AtomicUsize,
    used: AtomicBool,
    idle_since: Mutex<Instant>,
    /// Dropped with it, which ends the task that drives it.
    _needed: oneshot::Sender<()>,
}

/// What the task that drives a connection tells of it.
#[derive(Debug, Default)]
struct State {
    over: AtomicBool,
}

/// Why there is no connection.
#[derive(Debug)]
pub enum Unopened {
    /// What is at the other end does not speak HTTP/2.
    Http2(h2::Error),
    /// It went meanwhile.
    Closed,
}

impl std::fmt::Display for Unopened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unopened::Http2(error) => write!(f, "it does not speak HTTP/2: {error}"),
            Unopened::Closed => f.write_str("it closed the connection before it spoke HTTP/2"),
        }
    }
}

impl std::error::Error for Unopened {}

/// Begins HTTP/2 on a connection that was just made: ready when the server has said how many requests
/// it takes at a time. Until then none may be sent, and none is: a server that takes few would refuse
/// the rest.
///
/// # Errors
/// The server says something else, or nothing and closes. A server that is silent is for the caller
/// to give up.
pub async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    socket: S,
) -> Result<(SendRequest<Bytes>, Connection<S, Bytes>), Unopened> {
    let (sender, mut connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .initial_max_send_streams(0)
        .handshake::<_, Bytes>(socket)
        .await
        .map_err(Unopened::Http2)?;
    poll_fn(|cx| match std::pin::Pin::new(&mut connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(Unopened::Closed)),
        Poll::Ready(Err(error)) if error.is_io() => Poll::Ready(Err(Unopened::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(Unopened::Http2(error))),
        Poll::Pending if sender.current_max_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    })
    .await?;
    Ok((sender, connection))
}

impl Link {
    /// Begins HTTP/2 on a connection that was just made, of this number. Also gives what drives it,
    /// which is to be spawned, and ends with it.
    ///
    /// # Errors
    /// As [`open`].
    pub async fn open<S: AsyncRead + AsyncWrite + Send + Unpin + 'static>(
        socket: S,
        fd: UniqueIDType,
        keep: Duration,
    ) -> Result<(Arc<Link>, impl Future<Output = ()> + Send + 'static), Unopened> {
        let (sender, connection) = open(socket).await?;
        let (needed, unneeded) = oneshot::channel();
        let state = Arc::new(State::default());
        let link = Arc::new(Link {
            sender,
            state: state.clone(),
            fd,
            keep,
            streams: AtomicUsize::new(0),
            used: AtomicBool::new(false),
            idle_since: Mutex::new(Instant::now()),
            _needed: needed,
        });
        Ok((link, drive(connection, state, unneeded)))
    }

    /// A place for one more request, if there is one. `now` decides whether it was idle for too long.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Option<Place> {
        if !self.is_open(now) {
            return None;
        }
        let most = self.sender.current_max_send_streams().min(STREAMS);
        let before = self.streams.load(Ordering::Relaxed);
        if before >= most {
            return None;
        }
        self.streams.fetch_add(1, Ordering::Relaxed);
        let reused = self.used.swap(true, Ordering::Relaxed);
        Some(Place {
            link: self.clone(),
            reused,
        })
    }

    /// Whether it takes requests: it is there, the server has not asked us to go, and it was not idle
    /// for too long.
    pub fn is_open(&self, now: Instant) -> bool {
        if self.state.over.load(Ordering::Relaxed) {
            return false;
        }
        // A request that nobody has entered for yet is no reason to be idle.
        let fresh = !self.used.load(Ordering::Relaxed);
        if !fresh && self.streams.load(Ordering::Relaxed) == 0 {
            let since = *self.since();
            if now.saturating_duration_since(since) >= self.keep {
                return false;
            }
        }
        let mut context = Context::from_waker(Waker::noop());
        matches!(
            self.sender.clone().poll_ready(&mut context),
            Poll::Ready(Ok(()))
        )
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.idle_since
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Drives a connection until it ends, or is not needed any more and has said so.
async fn drive<S: AsyncRead + AsyncWrite + Unpin>(
    mut connection: Connection<S, Bytes>,
    state: Arc<State>,
    unneeded: oneshot::Receiver<()>,
) {
    let ended = tokio::select! {
        ended = &mut connection => Some(ended),
        _ = unneeded => None,
    };
    state.over.store(true, Ordering::Relaxed);
    match ended {
        // Its requests hear of it too, and say what matters.
        Some(Err(error)) => tracing::debug!(%error, "a connection to an app ended"),
        Some(Ok(())) => {}
        None => {
            let _ = tokio::time::timeout(FAREWELL, connection).await;
        }
    }
}

/// A request's place on a connection.
#[derive(Debug)]
pub struct Place {
    link: Arc<Link>,
    reused: bool,
}

impl Place {
    /// Whether the connection had a request before this one.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The socket's number.
    pub fn fd(&self) -> UniqueIDType {
        self.link.fd
    }

    /// Sends a request's head. `ended`: it has no body.
    ///
    /// # Errors
    /// The connection takes none any more: the server did not see it.
    pub fn ask(
        &self,
        request: Request<()>,
        ended: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        let sent = self.link.sender.clone().send_request(request, ended);
        if sent.is_err() {
            self.retire();
        }
        sent
    }

    /// No further request goes by this connection: what is at its other end may not be there.
    pub fn retire(&self) {
        self.link.state.over.store(true, Ordering::Relaxed);
    }

    /// Whether an error says that the server did not process the request (RFC 9113 section 8.7).
    pub fn unprocessed(error: &h2::Error) -> bool {
        // h2 fails a request by the server's GOAWAY only when that says that it was too late.
        error.is_remote()
            && (error.is_go_away()
                || (error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM)))
    }

    /// Whether an error is the connection's, whose other end went.
    pub fn lost(error: &h2::Error) -> bool {
        error.is_io()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.link.streams.fetch_sub(1, Ordering::Relaxed) == 1 {
            *self.link.since() = Instant::now();
        }
    }
}
