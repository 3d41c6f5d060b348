//! A connection as it is lent to pingora for one exchange.
//!
//! When pingora is done with a connection and would keep it for another exchange, it reads a single
//! byte to see whether the connection is still quiet. That is the moment at which it is known to be
//! good, and the only one at which this side hears of it: the connection then goes to the pool of
//! this worker, and pingora is told that it ended. A stream of a connection that is shared is over then.

use super::pool;
use super::stream::ServerStream;
use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    TimingDigest, UniqueID, UniqueIDType,
};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A connection lent; empty once it was given back.
#[derive(Debug)]
pub struct Lent(Option<Box<ServerStream>>);

impl Lent {
    /// Lends a connection.
    pub fn new(stream: Box<ServerStream>) -> Self {
        Lent(Some(stream))
    }

    fn gone<T>() -> Poll<io::Result<T>> {
        Poll::Ready(Err(io::ErrorKind::NotConnected.into()))
    }
}

impl AsyncRead for Lent {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // pingora reads heads and bodies into large buffers; one byte is asked for only by the
        // look described above.
        if buf.remaining() == 1 {
            if let Some(shared) = self.0.take_if(|stream| stream.shares()) {
                shared.see_off();
            } else if let Some(mut stream) = self.0.take_if(|stream| stream.at_rest())
                && stream.is_open()
            {
                pool::put(stream);
            }
        }
        match &mut self.0 {
            Some(stream) => Pin::new(stream.as_mut()).poll_read(cx, buf),
            None => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Lent {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream.as_mut()).poll_write(cx, buf),
            None => Lent::gone(),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream.as_mut()).poll_write_vectored(cx, bufs),
            None => Lent::gone(),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            None => Lent::gone(),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.0 {
            Some(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            None => Poll::Ready(Ok(())),
        }
    }
}

#[async_trait]
impl Shutdown for Lent {
    async fn shutdown(&mut self) {
        // A server that is gone already is no news.
        let _ = poll_fn(|cx| Pin::new(&mut *self).poll_shutdown(cx)).await;
    }
}

impl UniqueID for Lent {
    fn id(&self) -> UniqueIDType {
        self.0.as_ref().map_or(-1, |stream| stream.fd())
    }
}

impl Ssl for Lent {}

impl GetTimingDigest for Lent {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Lent {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.0.as_ref().map(|stream| stream.digest())
    }
}

impl GetSocketDigest for Lent {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl Peek for Lent {}
