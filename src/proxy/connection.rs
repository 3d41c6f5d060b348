//! A client's connection, as requests know it.

use crate::wire::Exchange;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The facts of a connection.
#[derive(Debug)]
pub struct Connection {
    /// The listener, as the configuration names it.
    pub listener: SocketAddr,
    /// The other end.
    pub peer: IpAddr,
    /// Whether it is encrypted.
    pub tls: bool,
    /// What the two sides of the exchange in hand tell each other.
    pub exchange: Arc<Exchange>,
}

impl Connection {
    /// The facts in the only place in which pingora carries something of ours with a stream.
    pub fn digest(self: &Arc<Self>) -> ProxyDigest {
        let header = ResponseHeader::build(StatusCode::OK, Some(0));
        // 200 is always a status; should it not be, requests on this connection fail with 500.
        let header = header.unwrap_or_else(|_| ResponseHeader::from(empty_parts()));
        ProxyDigest::new(Box::new(header), Some(Box::new(self.clone())))
    }

    /// The connection that a request came by.
    pub fn of(digest: Option<&Digest>) -> Option<&Arc<Connection>> {
        let data = digest?.proxy_digest.as_ref()?.user_data.as_ref()?;
        data.downcast_ref::<Arc<Connection>>()
    }
}

fn empty_parts() -> http::response::Parts {
    http::Response::new(()).into_parts().0
}
