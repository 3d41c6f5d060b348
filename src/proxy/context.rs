//! What is known of a request on its way.

use super::connection::Connection;
use super::picture_of_app::PictureOfApp;
use super::record::millis;
use crate::compress::Body;
use crate::edge::{Edge, Route, Site};
use crate::media::html::Rewriter;
use crate::observe::Held;
use crate::upstream::{InFlight, Server};
use http::header::HeaderValue;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// A request on its way. Filled phase by phase; what is not known yet is empty.
#[derive(Debug)]
pub struct Context {
    /// The configuration that the request works with, to its end.
    pub edge: Arc<Edge>,
    /// The connection it came by.
    pub connection: Option<Arc<Connection>>,
    /// When its head was complete.
    pub started: Instant,
    /// The client, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// Whether the connection's other end is a trusted proxy.
    pub trusted: bool,
    /// `X-Request-ID`.
    pub request_id: Option<HeaderValue>,
    /// Index of the site in `edge.sites`.
    pub site: Option<usize>,
    /// Index of the route in the site.
    pub route: Option<usize>,
    /// Whether the client asks for a WebSocket.
    pub websocket: bool,
    /// Bytes of the body so far.
    pub body: u64,
    /// Servers tried, by their index.
    pub tried: Vec<usize>,
    /// How often a server said that it did not look at the request.
    pub unprocessed: u8,
    /// The server that was tried last.
    pub server: Option<Arc<Server>>,
    /// Counts the exchange with it, until its answer has ended.
    pub busy: Option<InFlight>,
    /// Whether the connection to it had a request before.
    pub reused: bool,
    /// When a server was chosen.
    pub chosen: Option<Instant>,
    /// When the request began to be sent to it.
    pub connected: Option<Instant>,
    /// When the head of its answer came.
    pub answered: Option<Instant>,
    /// The status decided for an error; 0 for none.
    pub status: u16,
    /// Whether its path keeps its answer from being compressed.
    pub plain: bool,
    /// Whether the client sent tags that parvis may have made weak.
    pub weak_tags: bool,
    /// The app's answer on its way through a coding.
    pub encoding: Option<Arc<Mutex<Body>>>,
    /// The app's page on its way through the help with its images.
    pub page: Option<Mutex<Rewriter>>,
    /// What is wanted of the app's answer, should it be a picture.
    pub picture: Option<Arc<PictureOfApp>>,
    /// Whether the app says that it knows the visitor.
    pub known: bool,
    /// Why the request was refused or failed, for the log.
    pub fault: Option<&'static str>,
    /// Seconds after which a client may try again.
    pub retry_after: Option<u64>,
    /// Raises `parvis_upgraded_connections_open`.
    pub upgraded: Option<Held>,
    /// Raises `parvis_requests_in_flight`.
    pub in_flight: Held,
}

impl Context {
    /// A request whose head was just read.
    pub fn new(edge: Arc<Edge>, in_flight: Held) -> Self {
        Context {
            edge,
            connection: None,
            started: Instant::now(),
            client: None,
            trusted: false,
            request_id: None,
            site: None,
            route: None,
            websocket: false,
            body: 0,
            tried: Vec::new(),
            unprocessed: 0,
            server: None,
            busy: None,
            reused: false,
            chosen: None,
            connected: None,
            answered: None,
            status: 0,
            plain: false,
            weak_tags: false,
            encoding: None,
            page: None,
            picture: None,
            known: false,
            fault: None,
            retry_after: None,
            upgraded: None,
            in_flight,
        }
    }

    /// Whether the client's connection is encrypted.
    pub fn tls(&self) -> bool {
        self.connection
            .as_ref()
            .is_some_and(|connection| connection.tls())
    }

    /// What `Server-Timing` tells, when the route wants it told.
    pub fn timing(&self) -> Option<String> {
        self.route().filter(|route| route.server_timing)?;
        let total = self.started.elapsed();
        // An app that did not answer took what passed since it was asked.
        let app = self.connected.map(|sent| {
            let until = self.answered.unwrap_or_else(Instant::now);
            until.saturating_duration_since(sent)
        });
        let edge = millis(total.saturating_sub(app.unwrap_or_default()));
        Some(match app {
            Some(app) => format!("edge;dur={edge}, app;dur={}", millis(app)),
            None => format!("edge;dur={edge}"),
        })
    }

    /// The site, once found.
    pub fn site(&self) -> Option<&Site> {
        self.edge.sites.get(self.site?)
    }

    /// The route, once found.
    pub fn route(&self) -> Option<&Route> {
        self.site()?.routes.get(self.route?)
    }
}
