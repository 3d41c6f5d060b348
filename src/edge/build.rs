//! Settings -> Edge.

use super::build_route::{Inherited, Parts, compress_policy};
use super::connections::{ConnectionLimits, ConnectionSettings, Http2Settings, Http2Terms};
use super::settings::{ServerSettings, Settings, SiteSettings};
use super::{AtStart, Edge, ListenAddress, LogPolicy, Route, Site, connections, given_up};
use crate::compress::Memo;
use crate::config::{At, Diagnostic, Diagnostics, Document, FileId, Place, Size, Sources};
use crate::files::Memory;
use crate::headers::{HeaderPolicy, TrustedProxies};
use crate::media::Media;
use crate::observe::RouteMetrics;
use crate::route::{HostPattern, HostTable, RouteTable};
use crate::tls::SiteTls;
use crate::upstream::Upstream;
use crate::visits::{SitePolicy, VisitsPolicy};
use crate::wire::{Limits, Times};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// What came of loading a configuration.
#[derive(Debug)]
pub struct Loaded {
    /// The texts, also of a configuration that is wrong.
    pub sources: Arc<Sources>,
    /// The edge, or the mistakes.
    pub result: Result<Edge, Diagnostics>,
    /// What is worth a look in a configuration that is right (a certificate that ends soon), as
    /// text; empty when nothing is.
    pub warnings: String,
}

/// Loads the configuration at `path`. `before` is the one in force, whose knowledge of servers'
/// health is kept. Blocks: reads files.
pub fn load(path: &Path, before: Option<&Edge>) -> Loaded {
    let mut sources = Sources::default();
    let mut errors = Diagnostics::default();
    let files = crate::config::load(path, &mut sources, &mut errors);
    build(sources, &files, errors, before)
}

/// Loads a configuration that lies in no file; `name` stands for one in messages.
pub fn load_text(name: &str, text: String) -> Loaded {
    let mut sources = Sources::default();
    let file = sources.add(name.into(), text);
    build(sources, &[file], Diagnostics::default(), None)
}

fn build(
    sources: Sources,
    files: &[FileId],
    mut errors: Diagnostics,
    before: Option<&Edge>,
) -> Loaded {
    let sources = Arc::new(sources);
    let document = Document::parse(&sources, files, &mut errors);
    let settings = Settings::read(&document, &mut errors);
    let edge = settings.and_then(|settings| {
        let builder = Builder {
            sources: sources.clone(),
            before,
            errors: &mut errors,
        };
        builder.edge(&settings)
    });
    drop(document);
    // Those of a configuration that is wrong are shown with its mistakes.
    let (result, warnings) = match edge {
        Some(edge) if errors.is_empty() => (Ok(edge), errors.render_warnings(&sources)),
        _ => (Err(errors), String::new()),
    };
    Loaded {
        sources,
        result,
        warnings,
    }
}

pub(super) struct Builder<'a> {
    pub(super) sources: Arc<Sources>,
    pub(super) before: Option<&'a Edge>,
    pub(super) errors: &'a mut Diagnostics,
}

impl Builder<'_> {
    fn edge(mut self, settings: &Settings) -> Option<Edge> {
        let upstreams = self.upstreams(settings);
        let bounds = (settings.files.memory.0, settings.files.largest.0);
        let files = match self.before.map(|edge| &edge.files) {
            Some(memory) if memory.bounds() == bounds => memory.clone(),
            _ => Arc::new(Memory::new(bounds.0, bounds.1)),
        };
        let media = self.media(settings);
        let parts = Parts {
            settings,
            upstreams: &upstreams,
            files: &files,
            media: media.as_ref(),
        };
        let mut terms = connections::listeners(settings, self.errors);
        let absent = Http2Settings::absent();
        let http2 = settings.server.http2.as_ref().or(absent.as_ref())?;
        let http2 = Http2Terms::build(http2, self.errors);
        let (common, secured) = self.tls(settings, http2.enabled);
        let recorded = self.recorded(settings);
        let mut sites = Vec::with_capacity(settings.sites.len());
        for ((site, visits), tls) in settings.sites.iter().zip(&recorded).zip(secured) {
            sites.push(self.site(site, visits.clone(), tls, &parts));
        }
        let recorded = recorded.into_iter().flatten().collect();
        let visits = VisitsPolicy::build(&settings.visits, &settings.geo, recorded, self.errors);
        let mut hosts = self.hosts(settings);
        let server = &settings.server;
        let absent = ConnectionSettings::absent();
        let connections = ConnectionLimits::build(server.connections.as_ref().or(absent.as_ref())?);
        // Of an `[admin]` that could not be read whole, what is left is not what was meant.
        let admin = match settings.admin.sound {
            true => settings.admin.address(self.errors),
            false => None,
        };
        let mut listeners: Vec<SocketAddr> = hosts.keys().copied().collect();
        listeners.sort();
        if let Some(admin) = admin
            && admin.port() != 0
            && listeners.contains(&admin)
        {
            let place = settings.admin.listen.place;
            let what = format!("{admin} is the admin interface's address and a site's");
            self.errors
                .push(Diagnostic::new(place, what).label("choose another port"));
        }
        if sites.is_empty() && settings.complete {
            self.errors
                .push(Diagnostic::nowhere("the configuration has no site").help(
                    "add one: [[site]] with a name, hosts, listen and at least one [[site.route]]",
                ));
        }
        if let Some(before) = self.before {
            given_up::keep(before, settings, &mut hosts, &mut terms);
        }
        let workshop = self
            .before
            .map(|edge| edge.workshop.clone())
            .unwrap_or_default();
        let room = settings.compress.memory.0;
        let memo = match self.before.map(|edge| &edge.memo) {
            Some(memo) if memo.room() == room => memo.clone(),
            _ => Arc::new(Memo::new(room, workshop.clone())),
        };
        let bound = match self.before {
            Some(before) => before.bound.clone(),
            None => listeners.as_slice().into(),
        };
        Some(Edge {
            generation: self
                .before
                .map_or(0, |edge| edge.generation)
                .saturating_add(1),
            sources: self.sources,
            sites: sites.into_iter().collect::<Option<Vec<Site>>>()?,
            upstreams,
            files,
            memo,
            workshop,
            media,
            visits: visits.map(Arc::new),
            trusted: TrustedProxies(server.trusted_proxies.iter().map(|n| n.value).collect()),
            limits: limits(server, self.errors),
            times: Times {
                header: server.header_timeout,
                body: server.body_timeout,
                keepalive: server.keepalive_timeout,
                send: server.send_timeout,
            },
            connections,
            http2,
            tls: common,
            log: LogPolicy {
                level: settings.log.level,
                format: settings.log.format,
                access: settings.log.access.clone(),
                slow: settings.log.slow.clone().on(),
            },
            fixed: AtStart {
                listeners,
                admin,
                threads: server.threads,
            },
            shutdown_grace: server.shutdown_grace,
            watch: server.watch,
            token: settings.admin.token.text.clone(),
            hosts,
            terms,
            bound,
        })
    }

    /// Where variants are kept and made, when a route has any.
    fn media(&mut self, settings: &Settings) -> Option<Arc<Media>> {
        let policy = settings.media.build(self.errors)?;
        let mut routes = settings.sites.iter().flat_map(|site| &site.route);
        let used = routes.any(|route| route.images.is_some());
        let before = self.before.and_then(|edge| edge.media.as_ref());
        used.then(|| Media::new(policy, before))
    }

    fn upstreams(&mut self, settings: &Settings) -> BTreeMap<String, Arc<Upstream>> {
        let mut upstreams = BTreeMap::new();
        for (name, (place, settings)) in &settings.upstreams {
            let before = self.before.and_then(|edge| edge.upstreams.get(name));
            let before = before.map(Arc::as_ref);
            if let Some(upstream) = Upstream::build(name, *place, settings, before, self.errors) {
                upstreams.insert(name.clone(), Arc::new(upstream));
            }
        }
        upstreams
    }

    /// Which hosts are whose, per listener.
    fn hosts(&mut self, settings: &Settings) -> HashMap<SocketAddr, HostTable> {
        let mut tables: HashMap<SocketAddr, HostTable> = HashMap::new();
        for (index, site) in settings.sites.iter().enumerate() {
            // Two sites may share several listeners; a host of both is said once.
            let mut said = BTreeSet::new();
            // Where it is served, or for whom, may be what could not be read.
            let any = (site.hosts.is_empty() && site.sound).then_some((None, site.name.place));
            let addresses = match site.listen.is_none() && !site.sound {
                true => BTreeSet::new(),
                false => listeners(site, &settings.server),
            };
            for address in addresses {
                let table = tables.entry(address).or_default();
                let patterns = site
                    .hosts
                    .iter()
                    .map(|host| (Some(&host.value), host.place));
                for (pattern, place) in patterns.chain(any) {
                    if let Some(other) = table.insert(pattern, index)
                        && said.insert(place)
                    {
                        let other = settings.sites.get(other);
                        self.errors
                            .push(answered_twice(pattern, place, address, site, other));
                    }
                }
            }
        }
        tables
    }

    /// Whose visits are recorded, by site.
    fn recorded(&mut self, settings: &Settings) -> Vec<Option<Arc<SitePolicy>>> {
        let mut count = 0;
        let policies = settings.sites.iter().map(|site| {
            let (name, process) = (&site.name.value, &settings.visits);
            let policy =
                SitePolicy::build(name, count, process, site.visits.as_ref(), self.errors)?;
            count += 1;
            Some(Arc::new(policy))
        });
        policies.collect()
    }

    fn site(
        &mut self,
        site: &SiteSettings,
        visits: Option<Arc<SitePolicy>>,
        tls: Option<Arc<SiteTls>>,
        parts: &Parts<'_>,
    ) -> Option<Site> {
        if site.name.value.is_empty() && site.sound {
            self.errors.push(Diagnostic::new(
                site.name.place,
                "a site's name cannot be empty",
            ));
        }
        if site.route.is_empty() && site.sound {
            self.errors.push(
                Diagnostic::new(
                    site.name.place,
                    format!("the site `{}` has no route", site.name.value),
                )
                .label("it would answer 404 to everything")
                .help("add at least one [[site.route]]"),
            );
        }
        if let Some(listen) = &site.listen {
            self.refuse_repeated(listen);
            if listen.is_empty() && site.sound {
                let what = format!("the site `{}` listens nowhere", site.name.value);
                self.errors.push(
                    Diagnostic::new(site.name.place, what).label("give an address in `listen`"),
                );
            }
        }
        // What its routes inherit is checked once: they do not repeat its mistakes.
        let before = self.errors.found();
        let headers = HeaderPolicy::build(&[site.headers.as_ref()], None, self.errors);
        drop(HeaderPolicy::build(
            &[],
            site.cache_control.as_ref(),
            self.errors,
        ));
        let compress = compress_policy(site.compress.as_ref(), None, self.errors);
        let inherited = Inherited {
            site,
            sound: self.errors.found() == before,
            compress,
        };
        let mut routes = Vec::with_capacity(site.route.len());
        for route in &site.route {
            routes.push(self.route(route, &inherited, parts));
        }
        self.refuse_unreachable(site);
        let routes = routes.into_iter().collect::<Option<Vec<Route>>>()?;
        let table = RouteTable::build(
            routes
                .iter()
                .map(|route| (route.pattern.clone(), route.conditions.clone())),
        );
        Some(Site {
            name: site.name.value.clone(),
            place: site.name.place,
            headers,
            known_by: match &visits {
                Some(visits) => visits.authenticated.clone(),
                None => SitePolicy::field_of_others(&parts.settings.visits),
            },
            visits,
            https_port: self.https_port(site, parts.settings, tls.as_deref()),
            tls,
            helps_pages: routes.iter().any(Route::helps_pages),
            metrics: RouteMetrics::default(),
            routes,
            table,
        })
    }

    fn refuse_repeated(&mut self, listen: &[At<ListenAddress>]) {
        let mut seen: BTreeMap<SocketAddr, Place> = BTreeMap::new();
        for address in listen {
            if let Some(first) = seen.insert(address.value.address, address.place) {
                let what = format!("{} is given twice", address.value.address);
                let diagnostic =
                    Diagnostic::new(address.place, what).related(first, "first given here");
                self.errors.push(diagnostic);
            }
        }
    }

    /// Of two routes with one path and no conditions the second is never taken.
    fn refuse_unreachable(&mut self, site: &SiteSettings) {
        let mut seen: HashMap<String, Place> = HashMap::new();
        for route in &site.route {
            let conditions = route
                .headers
                .as_ref()
                .map_or(0, |headers| headers.conditions.len());
            let none = conditions == 0 && route.query.0.is_empty() && route.methods.is_empty();
            // One that could not be read whole may have had conditions.
            if !none || !route.sound {
                continue;
            }
            if let Some(first) = seen.insert(route.path.value.to_string(), route.path.place) {
                self.errors.push(
                    Diagnostic::new(
                        route.path.place,
                        format!(
                            "the site `{}` has two routes for `{}`",
                            site.name.value, route.path.value
                        ),
                    )
                    .label("this one would never be taken")
                    .related(first, "this one takes every request for the path"),
                );
            }
        }
    }
}

/// A host that was given to a second site, or to one site twice.
fn answered_twice(
    pattern: Option<&HostPattern>,
    place: Place,
    address: SocketAddr,
    site: &SiteSettings,
    other: Option<&SiteSettings>,
) -> Diagnostic {
    let host = pattern.map_or("any host".to_string(), |p| format!("`{p}`"));
    let own = other.is_some_and(|other| std::ptr::eq(site, other));
    let what = match own {
        true => format!("{host} is given twice"),
        false => format!("two sites on {address} answer for {host}"),
    };
    let diagnostic = Diagnostic::new(place, what).label("given again here");
    let Some(other) = other else {
        return diagnostic;
    };
    let first = other.hosts.iter().find(|host| Some(&host.value) == pattern);
    let label = match own {
        true => "first given here".to_string(),
        false => format!("the other site is `{}`", other.name.value),
    };
    diagnostic.related(first.map_or(other.name.place, |host| host.place), label)
}

fn listeners(site: &SiteSettings, server: &ServerSettings) -> BTreeSet<SocketAddr> {
    let own = site.listen.as_deref().unwrap_or(&server.listen);
    own.iter().map(|at| at.value.address).collect()
}

/// pingora's own limits. It answers what is over them in a way of its own, with none of the site's
/// fields and no line in the log, so nothing may come near.
const MOST_HEADER: Size = Size(1_048_575);
const MOST_FIELDS: usize = 256;
const MOST_URI: Size = Size(65_534);

fn limits(server: &ServerSettings, errors: &mut Diagnostics) -> Limits {
    let mut most = |place, name, over: bool, most: &dyn std::fmt::Display| {
        if over {
            let what = format!("`{name}` is larger than parvis can take");
            errors.push(Diagnostic::new(place, what).label(format!("at most {most}")));
        }
    };
    let (header, fields, uri) = (&server.max_header, &server.max_fields, &server.max_uri);
    let over = header.value > MOST_HEADER;
    most(header.place, "max_header", over, &MOST_HEADER);
    let over = fields.value > MOST_FIELDS;
    most(fields.place, "max_fields", over, &MOST_FIELDS);
    most(uri.place, "max_uri", uri.value > MOST_URI, &MOST_URI);
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    Limits {
        header: bytes(header.value),
        fields: fields.value,
        uri: bytes(uri.value),
    }
}
