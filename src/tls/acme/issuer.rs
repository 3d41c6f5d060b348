//! Who looks after all certificates of the process.

use super::order::Order;
use super::status::OrderStatus;
use prometheus::IntCounter;
use rustls::ServerConfig;
use rustls::sign::CertifiedKey;
use std::sync::Arc;

/// Where it is counted what becomes of orders.
#[derive(Debug, Clone)]
pub struct Tallies {
    /// Certificates that came from a CA.
    pub issued: IntCounter,
    /// Attempts that ended without one.
    pub failed: IntCounter,
}

/// Orders certificates, renews them, and answers the CA's questions.
#[derive(Debug)]
pub struct Issuer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    tallies: Tallies,
}

impl Issuer {
    /// One that has nothing to do yet.
    pub fn new(tallies: Tallies) -> Issuer {
        Issuer {
            inner: Arc::new(Inner { tallies }),
        }
    }

    /// Looks after these orders from here on, and no longer after others.
    pub fn apply(&self, _orders: Vec<Arc<Order>>) {}

    /// Does the work: on one runtime, as long as the process lives. Ends never; what it began ends
    /// when it is dropped.
    pub async fn run(&self) {
        let _ = &self.inner.tallies;
        std::future::pending().await
    }

    /// The answer to `GET /.well-known/acme-challenge/TOKEN`, which is sent as `text/plain` (RFC 8555
    /// section 8.3); `None`: nobody knows the token, and the request goes its way.
    pub async fn http(&self, _token: &str) -> Option<String> {
        None
    }

    /// What a connection is to be answered with that offers `acme-tls/1` alone (RFC 8737 section 3);
    /// `None`: nobody asked for it. `name`: the client's server name, in lower case.
    pub async fn tls_alpn(&self, _name: &str) -> Option<Arc<ServerConfig>> {
        None
    }

    /// A certificate for a name that is not in the configuration: asks the application, and orders
    /// one when it allows it. Waits for it for some seconds; `None`: it is refused, or not there yet.
    /// To be called when [`Order::certificate`] has none, for names that match the site's hosts.
    pub async fn wanted(&self, order: &Arc<Order>, name: &str) -> Option<Arc<CertifiedKey>> {
        order.certificate(Some(name))
    }

    /// How all certificates do.
    pub fn status(&self) -> Vec<OrderStatus> {
        Vec::new()
    }
}
