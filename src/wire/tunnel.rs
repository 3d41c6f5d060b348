//! After an upgrade: bytes from either side to the other, until one side has said all.
//!
//! pingora carries both directions in one loop that waits for every write: while a client does not
//! take what the app sends, nothing that it sends itself would reach the app. Here each direction
//! waits for itself alone. A direction has a buffer only while its receiver cannot keep up.

use super::{Fault, Patience};
use bytes::{Buf, BytesMut};
use std::fmt::Debug;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A socket.
pub trait Duplex: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Debug + Send + Sync + Unpin> Duplex for T {}

/// The app's side of an upgraded connection.
#[derive(Debug)]
pub struct AppSide {
    /// Its socket.
    pub io: Box<dyn Duplex>,
    /// What it sent right behind its 101.
    pub ahead: BytesMut,
    /// How long both may be silent.
    pub idle: Duration,
    /// Between two pieces that it takes.
    pub send: Duration,
}

/// One direction.
#[derive(Debug)]
struct Way {
    /// What was read and is not written yet.
    rest: BytesMut,
    /// The sender has said all, or is gone.
    ended: bool,
    /// The receiver may hold back what it took: TLS has buffers of its own.
    unflushed: bool,
    /// The receiver takes nothing any more. What it still has to say is waited for.
    broken: bool,
    /// How long the receiver may take nothing, and what it means when it does.
    limit: Duration,
    fault: Fault,
    stuck: Patience,
    /// Bytes so far.
    read: usize,
    written: usize,
}

/// Read at a time.
const PIECE: usize = 16 * 1024;

impl Way {
    fn new(rest: BytesMut, limit: Duration, fault: Fault) -> Self {
        Way {
            rest,
            ended: false,
            unflushed: false,
            broken: false,
            limit,
            fault,
            stuck: Patience::default(),
            read: 0,
            written: 0,
        }
    }

    /// Has what was written leave. Pending when not all of it could; the task is woken when more can.
    fn poll_flush<B>(&mut self, cx: &mut Context<'_>, to: &mut B) -> Poll<()>
    where
        B: AsyncWrite + Unpin + ?Sized,
    {
        if self.unflushed {
            // A receiver that is gone is noticed by who writes to it next.
            let _ = ready!(Pin::new(to).poll_flush(cx));
            self.unflushed = false;
        }
        Poll::Ready(())
    }

    /// Moves what can be moved. Ready when the sender has said all and it was written, or when the
    /// receiver has taken nothing for too long.
    fn poll<A, B>(&mut self, cx: &mut Context<'_>, from: &mut A, to: &mut B) -> Poll<io::Result<()>>
    where
        A: AsyncRead + Unpin + ?Sized,
        B: AsyncWrite + Unpin + ?Sized,
    {
        loop {
            if self.broken {
                return Poll::Pending;
            }
            while !self.rest.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, &self.rest) {
                    Poll::Ready(Ok(n)) if n > 0 => {
                        self.rest.advance(n);
                        self.written = self.written.wrapping_add(n);
                        self.unflushed = true;
                        self.stuck.stop();
                    }
                    Poll::Ready(_) => {
                        self.broken = true;
                        return Poll::Pending;
                    }
                    Poll::Pending => {
                        if !self.stuck.running() {
                            self.stuck.restart(Some(self.limit));
                        }
                        ready!(self.stuck.poll_over(cx));
                        return Poll::Ready(Err(self.fault.into_io()));
                    }
                }
            }
            self.rest = BytesMut::new();
            let flushed = self.poll_flush(cx, to);
            if self.ended {
                if flushed.is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if !self.stuck.running() {
                    self.stuck.restart(Some(self.limit));
                }
                ready!(self.stuck.poll_over(cx));
                return Poll::Ready(Err(self.fault.into_io()));
            }
            let mut space = [0u8; PIECE];
            let mut piece = ReadBuf::new(&mut space);
            match ready!(Pin::new(&mut *from).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => {}
                _ => {
                    self.ended = true;
                    continue;
                }
            }
            let piece = piece.filled();
            self.read = self.read.wrapping_add(piece.len());
            // What the receiver takes at once needs no buffer.
            let taken = match Pin::new(&mut *to).poll_write(cx, piece) {
                Poll::Ready(Ok(n)) => n,
                // The same happens to the rest, and is seen there.
                Poll::Ready(Err(_)) | Poll::Pending => 0,
            };
            self.written = self.written.wrapping_add(taken);
            self.unflushed |= taken > 0;
            self.rest
                .extend_from_slice(piece.get(taken..).unwrap_or_default());
        }
    }
}

/// Both directions.
#[derive(Debug)]
pub struct Tunnel {
    app: Box<dyn Duplex>,
    up: Way,
    down: Way,
    idle: Patience,
    limit: Duration,
}

impl Tunnel {
    /// A tunnel between a client that has sent `ahead` already and an app. `send` is how long the
    /// client may take nothing of what there is for it.
    pub fn new(ahead: BytesMut, send: Duration, app: AppSide) -> Self {
        let mut idle = Patience::default();
        idle.restart(Some(app.idle));
        Tunnel {
            app: app.io,
            up: Way::new(ahead, app.send, Fault::AppTimeout),
            down: Way::new(app.ahead, send, Fault::SendTimeout),
            idle,
            limit: app.idle,
        }
    }

    /// Moves what can be moved. Ready when one side has said all, and that has been passed on.
    ///
    /// # Errors
    /// Silence for too long, or a side that takes nothing for too long.
    pub fn poll<C: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        client: &mut C,
    ) -> Poll<io::Result<()>> {
        let before = self.total();
        let up = self.up.poll(cx, client, &mut *self.app);
        let down = self.down.poll(cx, &mut *self.app, client);
        if self.total() != before {
            self.idle.restart(Some(self.limit));
        }
        if let Poll::Ready(result) = up {
            return Poll::Ready(result);
        }
        if let Poll::Ready(result) = down {
            return Poll::Ready(result);
        }
        if self.up.broken && self.down.broken {
            return Poll::Ready(Ok(()));
        }
        ready!(self.idle.poll_over(cx));
        Poll::Ready(Err(Fault::Idle.into_io()))
    }

    /// All bytes read and written so far.
    fn total(&self) -> usize {
        let ways = [&self.up, &self.down].into_iter();
        ways.fold(0, |sum, way| {
            sum.wrapping_add(way.read).wrapping_add(way.written)
        })
    }

    /// How many bytes came from the client and went to it.
    pub fn moved(&self) -> (usize, usize) {
        (self.up.read, self.down.written)
    }

    /// Whether the client has said all.
    pub fn client_ended(&self) -> bool {
        self.up.ended
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(30);

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_time().build().unwrap().block_on(future)
    }

    /// A tunnel, the client's end, the app's end, and what the tunnel is polled with.
    fn tunnel(
        idle: Duration,
        send: Duration,
    ) -> (Tunnel, DuplexStream, DuplexStream, DuplexStream) {
        let (client, near) = duplex(1000);
        let (app, io) = duplex(1000);
        let side = AppSide {
            io: Box::new(io),
            ahead: BytesMut::from(&b"hello "[..]),
            idle,
            send,
        };
        let tunnel = Tunnel::new(BytesMut::from(&b"early "[..]), send, side);
        (tunnel, client, app, near)
    }

    #[test]
    fn a_direction_does_not_wait_for_the_other() {
        block_on(async {
            let (mut tunnel, mut client, mut app, mut near) = tunnel(LONG, LONG);
            let carrying = tokio::spawn(async move {
                let result = poll_fn(|cx| tunnel.poll(cx, &mut near)).await;
                (result, tunnel.moved(), tunnel.client_ended())
            });
            let (mut hearing, mut speaking) = tokio::io::split(app);
            // The client reads nothing yet, and much more is under way than buffers hold.
            let speaking = tokio::spawn(async move {
                speaking.write_all(&[b'd'; 100_000]).await.unwrap();
                speaking
            });
            let hearing = tokio::spawn(async move {
                let mut heard = vec![0; 100_006];
                hearing.read_exact(&mut heard).await.unwrap();
                (heard, hearing)
            });
            client.write_all(&[b'u'; 100_000]).await.unwrap();
            let (heard, hearing) = hearing.await.unwrap();
            assert!(heard.starts_with(b"early u") && heard.ends_with(b"uu"));
            let mut heard = vec![0; 100_006];
            client.read_exact(&mut heard).await.unwrap();
            assert!(heard.starts_with(b"hello d") && heard.ends_with(b"dd"));
            app = hearing.unsplit(speaking.await.unwrap());
            drop(app);
            let (result, moved, client_ended) = carrying.await.unwrap();
            assert!(result.is_ok() && !client_ended);
            assert_eq!(moved, (100_000, 100_006));
            assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
        });
    }

    #[test]
    fn silence_ends_it_and_a_stuck_receiver_too() {
        let fault = |error: io::Error| Fault::in_chain(&error);
        block_on(async {
            let (mut tunnel, client, app, mut near) = tunnel(SHORT, LONG);
            let error = poll_fn(|cx| tunnel.poll(cx, &mut near)).await.unwrap_err();
            assert_eq!(fault(error), Some(Fault::Idle));
            drop((client, app));
        });
        block_on(async {
            let (mut tunnel, client, mut app, mut near) = tunnel(LONG, SHORT);
            let filling = tokio::spawn(async move { app.write_all(&[0; 10_000]).await });
            let error = poll_fn(|cx| tunnel.poll(cx, &mut near)).await.unwrap_err();
            assert_eq!(fault(error), Some(Fault::SendTimeout));
            drop((client, tunnel));
            assert!(filling.await.unwrap().is_err());
        });
    }

    #[test]
    fn the_last_words_of_a_side_that_is_gone_are_passed_on() {
        block_on(async {
            let (mut tunnel, mut client, mut app, mut near) = tunnel(LONG, LONG);
            app.write_all(b"bye").await.unwrap();
            drop(app);
            // The app takes nothing any more, which must not keep its last words from the client.
            client.write_all(b"are you there").await.unwrap();
            poll_fn(|cx| tunnel.poll(cx, &mut near)).await.unwrap();
            drop((tunnel, near));
            let mut heard = String::new();
            client.read_to_string(&mut heard).await.unwrap();
            assert_eq!(heard, "hello bye");
        });
    }
}
