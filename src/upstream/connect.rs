//! Making connections to servers.

use super::lent::Lent;
use super::pool;
use super::stream::{ServerStream, Socket};
use async_trait::async_trait;
use pingora::connectors::http::custom::{Connection, Connector};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::upstreams::peer::Peer;
use pingora::{Error, ErrorType, Result};
use std::time::Duration;
use tokio::net::{TcpStream, UnixStream};

/// Gives pingora connections of ours ([`ServerStream`]), idle ones first.
#[derive(Debug, Default)]
pub struct ServerConnector;

async fn connect(address: &SocketAddr) -> std::io::Result<Socket> {
    match address {
        SocketAddr::Inet(address) => {
            let stream = TcpStream::connect(address).await?;
            // A request is written whole or in large pieces; waiting to fill a segment only delays it.
            stream.set_nodelay(true)?;
            Ok(Socket::Tcp(stream))
        }
        SocketAddr::Unix(address) => {
            let path = address
                .as_pathname()
                .ok_or(std::io::ErrorKind::InvalidInput)?;
            Ok(Socket::Unix(UnixStream::connect(path).await?))
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
        if let Some(stream) = pool::take(peer.address()) {
            return Ok((Connection::Stream(Box::new(Lent::new(stream))), true));
        }
        let limit = peer.connection_timeout().unwrap_or(Duration::from_secs(2));
        match tokio::time::timeout(limit, connect(peer.address())).await {
            Ok(Ok(socket)) => {
                let keep = peer.idle_timeout().unwrap_or(Duration::ZERO);
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
