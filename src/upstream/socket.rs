//! What bytes to and from a server go by.

use super::http2::AppStream;
use pingora::protocols::UniqueIDType;
use pingora::protocols::l4::socket::SocketAddr;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A socket to a server.
#[derive(Debug)]
pub enum Socket {
    /// TCP.
    Tcp(TcpStream),
    /// A Unix socket.
    Unix(UnixStream),
    /// One request and its answer, of a connection that has many.
    Http2(Box<AppStream>),
    /// Handed over to the client's side, after an upgrade.
    HandedOver,
}

fn handed_over() -> Poll<io::Result<usize>> {
    Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
}

impl Socket {
    /// Connects to a server.
    ///
    /// # Errors
    /// As the system says.
    pub async fn connect(address: &SocketAddr) -> io::Result<Self> {
        match address {
            SocketAddr::Inet(address) => {
                let stream = TcpStream::connect(address).await?;
                // A request is written whole or in large pieces; waiting to fill a segment only
                // delays it.
                stream.set_nodelay(true)?;
                Ok(Socket::Tcp(stream))
            }
            SocketAddr::Unix(address) => {
                let path = address.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
                Ok(Socket::Unix(UnixStream::connect(path).await?))
            }
        }
    }

    /// The same for a connection that many requests share. What is sent to a machine that is gone
    /// is not waited for by each of them: a connection that takes nothing for a while ends.
    ///
    /// # Errors
    /// As the system says.
    pub async fn connect_shared(address: &SocketAddr) -> io::Result<Self> {
        let socket = Socket::connect(address).await?;
        if let Socket::Tcp(stream) = &socket {
            socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNHEARD))?;
        }
        Ok(socket)
    }

    /// The socket's number; -1 when it is no more here.
    pub fn fd(&self) -> UniqueIDType {
        match self {
            Socket::Tcp(io) => io.as_raw_fd(),
            Socket::Unix(io) => io.as_raw_fd(),
            Socket::Http2(stream) => stream.fd(),
            Socket::HandedOver => -1,
        }
    }

    /// Whether it may serve another request after this one.
    pub fn can_rest(&self) -> bool {
        matches!(self, Socket::Tcp(_) | Socket::Unix(_))
    }

    /// Whether its connection had a request of others before.
    pub fn reused(&self) -> bool {
        matches!(self, Socket::Http2(stream) if stream.reused())
    }

    /// Ready when more of a request ought to be written. A socket says so by taking it.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            Socket::Http2(stream) => stream.poll_room(cx),
            _ => Poll::Ready(()),
        }
    }

    /// The server was silent for too long: others are not to meet the same.
    pub fn doubt(&self) {
        if let Socket::Http2(stream) = self {
            stream.retire();
        }
    }
}

/// How long what was sent on a connection that is shared may stay without a sign that it arrived
/// (TCP_USER_TIMEOUT).
const UNHEARD: Duration = Duration::from_secs(20);

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(io) => Pin::new(io).poll_read(cx, buf),
            Socket::Unix(io) => Pin::new(io).poll_read(cx, buf),
            Socket::Http2(stream) => stream.poll_read(cx, buf),
            // pingora hears of the end from the client's side.
            Socket::HandedOver => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Tcp(io) => Pin::new(io).poll_write(cx, buf),
            Socket::Unix(io) => Pin::new(io).poll_write(cx, buf),
            Socket::Http2(stream) => Poll::Ready(stream.write(buf).map(|()| buf.len())),
            Socket::HandedOver => handed_over(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Socket::Tcp(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Socket::Unix(io) => Pin::new(io).poll_write_vectored(cx, bufs),
            Socket::Http2(stream) => {
                let mut taken = 0usize;
                for buf in bufs {
                    stream.write(buf)?;
                    taken = taken.saturating_add(buf.len());
                }
                Poll::Ready(Ok(taken))
            }
            Socket::HandedOver => handed_over(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(io) => Pin::new(io).poll_flush(cx),
            Socket::Unix(io) => Pin::new(io).poll_flush(cx),
            // Its connection sends what it was given.
            Socket::Http2(_) | Socket::HandedOver => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Socket::Tcp(io) => Pin::new(io).poll_shutdown(cx),
            Socket::Unix(io) => Pin::new(io).poll_shutdown(cx),
            // It is over when it is dropped.
            Socket::Http2(_) | Socket::HandedOver => Poll::Ready(Ok(())),
        }
    }
}
