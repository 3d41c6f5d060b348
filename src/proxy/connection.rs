//! A client's connection, as requests know it.

use super::admit::Admitted;
use super::context::Context;
use crate::tls::{ClientIdentity, SiteTls};
use crate::wire::Exchange;
use http::StatusCode;
use pingora::http::ResponseHeader;
use pingora::protocols::Digest;
use pingora::protocols::raw_connect::ProxyDigest;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

/// The facts of a connection, which all of its requests share.
#[derive(Debug)]
pub struct Facts {
    /// The listener, as the configuration names it.
    pub listener: SocketAddr,
    /// The other end; behind a proxy that speaks the PROXY protocol, the one that it names.
    pub peer: IpAddr,
    /// What its handshake was about; `None`: it is not encrypted.
    pub secured: Option<Secured>,
    /// The version of HTTP that it was agreed to speak.
    pub http2: bool,
    /// There are more connections than may be: it is only told so.
    pub full: bool,
}

/// What a handshake was about.
#[derive(Debug)]
pub struct Secured {
    /// The site whose certificate was shown.
    pub site: Arc<SiteTls>,
    /// Who the client is, if it has shown a certificate.
    pub identity: Option<Arc<ClientIdentity>>,
}

/// A connection, as one request knows it.
#[derive(Debug)]
pub struct Connection {
    /// Its facts.
    pub facts: Arc<Facts>,
    /// What the two sides of the exchange in hand tell each other.
    pub exchange: Arc<Exchange>,
    /// What was found of the request in hand before pingora has it.
    found: Mutex<Option<Found>>,
}

/// What is known of a request, and what becomes of it.
pub type Found = (Box<Context>, Admitted);

impl std::ops::Deref for Connection {
    type Target = Facts;

    fn deref(&self) -> &Facts {
        &self.facts
    }
}

impl Facts {
    /// Whether it is encrypted.
    pub fn tls(&self) -> bool {
        self.secured.is_some()
    }
}

impl Connection {
    /// A connection with these facts.
    pub fn new(facts: Arc<Facts>) -> Self {
        Connection {
            facts,
            exchange: Arc::new(Exchange::default()),
            found: Mutex::default(),
        }
    }

    /// Keeps what was found of the request in hand: nobody need look for it again.
    pub fn keep(&self, (mut ctx, admitted): Found) {
        // It would keep itself.
        ctx.connection = None;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((ctx, admitted));
    }

    /// What was found of the request in hand, if it was looked at already.
    pub fn found(self: &Arc<Self>) -> Option<Found> {
        let mut kept = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut ctx, admitted) = kept.take()?;
        ctx.connection = Some(self.clone());
        Some((ctx, admitted))
    }

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
