//! The snapshot a request works with: checked, compiled, immutable.
//!
//! In: files. Out: an [`Edge`], or every mistake in the files at once. A request takes one
//! `Arc<Edge>` when it begins and keeps it to its end; a reload puts another in its place for
//! those that come after. Raw settings stop here: what a request sees cannot be wrong.

mod build;
mod build_route;
mod build_tls;
mod connections;
mod given_up;
mod listen_address;
mod route_headers;
pub mod settings;

pub use build::{Loaded, load, load_text};
pub use connections::{ConnectionLimits, Http2Terms};
pub use listen_address::{ListenAddress, ListenerTerms};

use crate::answer::{Fixed, Redirect};
use crate::compress::{CompressPolicy, Memo, Workshop};
use crate::config::{PathPattern, Place, Sources};
use crate::content::Forms;
use crate::files::{Files, Memory};
use crate::headers::{HeaderPolicy, TrustedProxies};
use crate::media::{Images, Media};
use crate::observe::RouteMetrics;
use crate::observe::settings::{Destination, Format, Level};
use crate::route::{Conditions, HostTable, RouteTable};
use crate::tls::acme::Order;
use crate::tls::settings::UnknownSni;
use crate::tls::{Common, SiteTls};
use crate::upstream::Upstream;
use crate::visits::{SitePolicy, VisitsPolicy};
use crate::wire::{Limits, Times};
use http::header::{HeaderName, HeaderValue};
use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// A configuration in force.
#[derive(Debug)]
pub struct Edge {
    /// Which load this is, from 1.
    pub generation: u64,
    /// The texts it was made of, for `explain` and messages.
    pub sources: Arc<Sources>,
    /// The sites, in the order read.
    pub sites: Vec<Site>,
    /// The apps, by name.
    pub upstreams: BTreeMap<String, Arc<Upstream>>,
    /// Files kept in memory.
    pub files: Arc<Memory>,
    /// Bodies of apps' answers that come again and again.
    pub memo: Arc<Memo>,
    /// Where bodies are compressed as well as can be.
    pub workshop: Arc<Workshop>,
    /// Where variants of pictures are kept and made; `None` when no route has any.
    pub media: Option<Arc<Media>>,
    /// Where guests' visits go; `None` when no site records them.
    pub visits: Option<Arc<VisitsPolicy>>,
    /// Whose word on the client is believed.
    pub trusted: TrustedProxies,
    /// How large a request's head may be.
    pub limits: Limits,
    /// The client's side's time-outs.
    pub times: Times,
    /// How many connections clients may have.
    pub connections: ConnectionLimits,
    /// What a connection that speaks HTTP/2 may ask for.
    pub http2: Http2Terms,
    /// What all sites share of TLS.
    pub tls: Arc<Common>,
    /// Logs.
    pub log: LogPolicy,
    /// What takes effect at the start only.
    pub fixed: AtStart,
    /// How long open requests may take to end at shutdown.
    pub shutdown_grace: Duration,
    /// Whether changed files are loaded by themselves.
    pub watch: bool,
    /// The admin interface's token; empty for none.
    pub token: String,
    hosts: HashMap<SocketAddr, HostTable>,
    terms: HashMap<SocketAddr, ListenerTerms>,
    /// Where the process listens: the listeners of its first configuration.
    bound: Arc<[SocketAddr]>,
}

/// Settings that a reload cannot change; a difference is reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AtStart {
    /// Where clients are listened for, sorted.
    pub listeners: Vec<SocketAddr>,
    /// Where the operator is.
    pub admin: Option<SocketAddr>,
    /// Worker threads.
    pub threads: usize,
}

impl AtStart {
    /// What would take a restart to change to `new`, in words.
    pub fn differences(&self, new: &AtStart) -> Vec<String> {
        let mut all = Vec::new();
        for address in new.listeners.iter().filter(|a| !self.listeners.contains(a)) {
            all.push(format!("listening on {address}"));
        }
        for address in self.listeners.iter().filter(|a| !new.listeners.contains(a)) {
            all.push(format!("no longer listening on {address}"));
        }
        if self.admin != new.admin {
            let name = |a: Option<SocketAddr>| a.map_or("off".to_string(), |a| a.to_string());
            all.push(format!(
                "admin.listen from {} to {}",
                name(self.admin),
                name(new.admin)
            ));
        }
        if self.threads != new.threads {
            all.push(format!(
                "server.threads from {} to {}",
                self.threads, new.threads
            ));
        }
        all
    }
}

/// What is logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPolicy {
    /// parvis's own log.
    pub level: Level,
    /// The access log's format.
    pub format: Format,
    /// Where the access log goes.
    pub access: Destination,
    /// Requests slower than this are warned about.
    pub slow: Option<Duration>,
}

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// Where it is defined.
    pub place: Place,
    /// Its routes, in the order written.
    pub routes: Vec<Route>,
    /// Fields of answers that no route gave.
    pub headers: HeaderPolicy,
    /// Whose visits are recorded; `None`: nobody's.
    pub visits: Option<Arc<SitePolicy>>,
    /// The field of answers by which the app says that it knows the visitor. For parvis alone.
    pub known_by: Option<HeaderName>,
    /// Its certificates; `None`: it has no listener with TLS.
    pub tls: Option<Arc<SiteTls>>,
    /// The port that plain HTTP is sent to with `https`; `None`: it is served as it is.
    pub https_port: Option<u16>,
    /// Whether pages of its apps are helped with the pictures of a route.
    pub helps_pages: bool,
    /// Counts of requests that no route took.
    pub metrics: RouteMetrics,
    table: RouteTable,
}

impl Site {
    /// The table that finds routes.
    pub fn table(&self) -> &RouteTable {
        &self.table
    }

    /// Which of the site's numbers a decoded path asks for, as the path behind theirs; `None` when
    /// it is a path for the routes.
    pub fn shared_numbers(&self, path: &[u8]) -> Option<String> {
        let share = self.visits.as_ref()?.share.as_ref()?;
        let rest = path.strip_prefix(share.prefix.as_bytes())?;
        Some(format!("/{}", String::from_utf8_lossy(rest)))
    }
}

/// A route.
#[derive(Debug)]
pub struct Route {
    /// Its path as written: the label in logs and metrics.
    pub label: String,
    /// Where it is defined.
    pub place: Place,
    /// Which paths it takes.
    pub pattern: PathPattern,
    /// What else it asks of a request.
    pub conditions: Conditions,
    /// What it does.
    pub action: Action,
    /// Fields of its answers.
    pub headers: HeaderPolicy,
    /// The largest body of a request, bytes.
    pub max_body: Option<u64>,
    /// Whether the app is told `Forwarded`.
    pub forwarded: bool,
    /// Whether answers tell `Server-Timing`.
    pub server_timing: bool,
    /// How long an upgraded connection may be silent.
    pub idle_timeout: Duration,
    /// How its answers are compressed; `None`: they are not.
    pub compress: Option<Arc<CompressPolicy>>,
    /// What is done with its pictures; `None`: they are sent as they are.
    pub images: Option<Arc<Images>>,
    /// The `Host` that the app sees, when it is not the client's.
    pub upstream_host: Option<HeaderValue>,
    /// Counts.
    pub metrics: RouteMetrics,
}

impl Route {
    /// Whether pages are helped with its pictures.
    pub fn helps_pages(&self) -> bool {
        self.images.as_ref().is_some_and(|images| images.terms.html)
    }
}

/// What a route does.
#[derive(Debug)]
pub enum Action {
    /// Passes requests to an app.
    Proxy(Arc<Upstream>),
    /// Serves files; what is none goes to the app, if there is one.
    Files(Arc<Files>, Option<Arc<Upstream>>),
    /// Sends clients elsewhere.
    Redirect(Redirect),
    /// Answers by itself, in these forms.
    Respond(Fixed, Arc<Forms>),
}

impl Edge {
    /// The site for a host, of those served on this listener.
    pub fn find_site(&self, listener: SocketAddr, host: &[u8]) -> Option<usize> {
        self.hosts.get(&listener)?.find(host)
    }

    /// What is spoken on a listener.
    pub fn listener(&self, listener: SocketAddr) -> ListenerTerms {
        self.terms.get(&listener).copied().unwrap_or_default()
    }

    /// The site whose certificate a client sees that asks for this name; `None`: nobody's.
    pub fn site_for_handshake(&self, listener: SocketAddr, name: Option<&str>) -> Option<&Site> {
        let found = name.and_then(|name| self.find_site(listener, name.as_bytes()));
        match (found, self.tls.unknown_sni()) {
            (Some(index), _) => self.sites.get(index),
            (None, UnknownSni::Default) => self.site_for_errors(listener),
            (None, UnknownSni::Reject) => None,
        }
    }

    /// What is wanted of ACME authorities.
    pub fn orders(&self) -> Vec<Arc<Order>> {
        let sites = self.sites.iter().filter_map(|site| site.tls.as_ref());
        sites.flat_map(|tls| tls.orders().iter().cloned()).collect()
    }

    /// The listeners, sorted.
    pub fn listeners(&self) -> &[SocketAddr] {
        &self.fixed.listeners
    }

    /// The site whose fields an answer carries when no site was found: a listener's only site, or
    /// its site for any host, or its first.
    pub fn site_for_errors(&self, listener: SocketAddr) -> Option<&Site> {
        let table = self.hosts.get(&listener)?;
        table
            .find(b"")
            .or(table.first())
            .and_then(|index| self.sites.get(index))
    }
}
