//! Making connections to servers.

use super::http2::{self, AppStream};
use super::lent::Lent;
use super::pool;
use super::socket::Socket;
use super::stream::ServerStream;
use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::{ALPN, tls::CustomALPN};
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;

/// Gives pingora connections of ours ([`ServerStream`]), idle ones first.
#[derive(Debug, Default)]
pub struct ServerConnector;

/// What a connection is made for, by a name that means nothing on the wire: a peer that has one makes
/// pingora ask [`ServerConnector`] for connections, which is the only way to have them wrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, without TLS.
    Http2,
}

impl Speech {
    /// As a peer carries it.
    pub fn alpn(self) -> ALPN {
        ALPN::Custom(CustomALPN::new(self.name().to_vec()))
    }

    fn name(self) -> &'static [u8] {
        match self {
            Speech::Http1 => b"parvis",
            Speech::Http2 => b"parvis-h2",
        }
    }

    fn of(peer: &impl Peer) -> Self {
        match peer.get_alpn() {
            Some(ALPN::Custom(name)) if name.protocol() == Speech::Http2.name() => Speech::Http2,
            _ => Speech::Http1,
        }
    }
}

async fn connect(address: &SocketAddr, speech: Speech, keep: Duration) -> std::io::Result<Socket> {
    match speech {
        Speech::Http1 => Socket::connect(address).await,
        Speech::Http2 => {
            let place = http2::acquire(address, keep, Socket::connect_shared(address)).await?;
            Ok(Socket::Http2(Box::new(AppStream::new(place))))
        }
    }
}

#[async_trait]
impl Connector for ServerConnector {
    // pingora's own HTTP/1 client speaks over the connection; no session of ours is ever made.
    type Session = ();

    async fn get_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        peer: &P,
    ) -> Result<(Connection<()>, bool)> {
        let speech = Speech::of(peer);
        if speech == Speech::Http1
            && let Some(stream) = pool::take(peer.address())
        {
            return Ok((Connection::Stream(Box::new(Lent::new(stream))), true));
        }
        let limit = peer.connection_timeout().unwrap_or(Duration::from_secs(2));
        let keep = peer.idle_timeout().unwrap_or(Duration::ZERO);
        match tokio::time::timeout(limit, connect(peer.address(), speech, keep)).await {
            Ok(Ok(socket)) => {
                let stream = ServerStream::new(socket, peer.address().clone(), keep)?;
                Ok((
                    Connection::Stream(Box::new(Lent::new(Box::new(stream)))),
                    false,
                ))
            }
            Ok(Err(error)) => {
                let kind = match error.kind() {
                    std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::NotFound => {
                        ErrorType::ConnectRefused
                    }
                    std::io::ErrorKind::NetworkUnreachable
                    | std::io::ErrorKind::HostUnreachable => ErrorType::ConnectNoRoute,
                    _ => ErrorType::ConnectError,
                };
                Error::e_because(kind, format!("connecting to {}", peer.address()), error)
            }
            Err(_) => Error::e_explain(
                ErrorType::ConnectTimedout,
                format!(
                    "connecting to {} took longer than {limit:?}",
                    peer.address()
                ),
            ),
        }
    }

    async fn reused_http_session<P: Peer + Send + Sync + 'static>(&self, _peer: &P) -> Option<()> {
        None
    }

    async fn release_http_session<P: Peer + Send + Sync + 'static>(
        &self,
        _session: (),
        _peer: &P,
        _idle_timeout: Option<Duration>,
    ) {
    }
}
