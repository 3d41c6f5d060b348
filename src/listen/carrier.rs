//! What a client's requests come by: a socket, a socket under TLS, or a stream of HTTP/2.

use super::http2::Http2Stream;
use std::io::{self, IoSlice};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// Bytes from and to a client: HTTP/1, whatever they come by.
#[derive(Debug)]
pub enum Carrier {
    /// A socket.
    Plain(TcpStream),
    /// A socket under TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// One request and its answer, of a connection that has many.
    Http2(Box<Http2Stream>),
}

impl Carrier {
    /// The socket, where the carrier has one to itself.
    pub fn socket(&self) -> Option<&TcpStream> {
        match self {
            Carrier::Plain(socket) => Some(socket),
            Carrier::Tls(stream) => Some(stream.get_ref().0),
            Carrier::Http2(_) => None,
        }
    }

    /// The socket, where its bytes are the carrier's bytes.
    pub fn plain(&self) -> Option<&TcpStream> {
        match self {
            Carrier::Plain(socket) => Some(socket),
            Carrier::Tls(_) | Carrier::Http2(_) => None,
        }
    }

    /// Whether what was to be written waits for others, and not for the client.
    pub fn in_line(&self) -> bool {
        matches!(self, Carrier::Http2(stream) if stream.in_line())
    }

    /// Ready when a request whose body is not read now was taken back. Where only reading tells, that
    /// is noticed later.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self {
            Carrier::Http2(stream) => stream.poll_gone(cx),
            Carrier::Plain(_) | Carrier::Tls(_) => Poll::Pending,
        }
    }

    /// A number for the connection, as pingora wants one.
    pub fn id(&self) -> RawFd {
        self.socket().map_or(-1, AsRawFd::as_raw_fd)
    }

    /// Whether bytes may be there to be read; pending, and woken later, when none are. TLS and
    /// HTTP/2 may have bytes of their own at hand, and are asked by reading alone.
    pub fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Carrier::Plain(socket) => socket.poll_read_ready(cx),
            Carrier::Tls(_) | Carrier::Http2(_) => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).poll_read(cx, buf),
            Carrier::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Carrier::Http2(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).poll_write(cx, buf),
            Carrier::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Carrier::Http2(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).poll_write_vectored(cx, bufs),
            Carrier::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Carrier::Http2(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).poll_flush(cx),
            Carrier::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Carrier::Http2(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Carrier::Plain(socket) => Pin::new(socket).poll_shutdown(cx),
            Carrier::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Carrier::Http2(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
