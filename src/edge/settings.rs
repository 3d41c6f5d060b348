//! The whole configuration: the tables of all rooms, put together.

use super::connections::{ConnectionSettings, Http2Settings};
use super::listen_address::ListenAddress;
use super::route_headers::RouteHeaders;
use crate::admin::settings::AdminSettings;
use crate::answer::settings::{RedirectSettings, RespondSettings};
use crate::compress::settings::{CompressMemorySettings, CompressSettings};
use crate::config::{
    At, Diagnostic, Diagnostics, Document, Named, Node, OrOff, PathPattern, Place, Size, Table,
    Text, Value, table,
};
use crate::files::settings::{FilesMemorySettings, FilesSettings};
use crate::headers::settings::{CacheControlSettings, HeadersSettings};
use crate::media::settings::{ImagesSettings, MediaSettings};
use crate::observe::settings::LogSettings;
use crate::route::HostPattern;
use crate::tls::settings::{SiteTlsSettings, TlsSettings};
use crate::upstream::settings::UpstreamSettings;
use crate::visits::geo::settings::GeoSettings;
use crate::visits::settings::{SiteVisits, VisitsSettings};
use ipnet::IpNet;
use std::collections::BTreeMap;
use std::time::Duration;

table! {
    /// The process and its clients' connections.
    pub struct ServerSettings {
        /// Worker threads; 0: one per processor.
        threads: usize = 0,
        /// Where sites without `listen` are served.
        listen: Vec<At<ListenAddress>> = vec![ListenAddress::everywhere()],
        /// Networks whose `X-Forwarded-For` is believed; the first address from the right that is
        /// in none of them is the client.
        trusted_proxies: Vec<At<IpNet>> = Vec::new(),
        /// How long open requests may take to end when parvis is told to stop.
        shutdown_grace: Duration = Duration::from_secs(30),
        /// Whether changed configuration files are loaded by themselves.
        watch: bool = true,
        /// For the whole head of a request, from its first byte. Slower: 408.
        header_timeout: Duration = Duration::from_secs(15),
        /// Between two pieces of a request's body. Slower: 408.
        body_timeout: Duration = Duration::from_secs(60),
        /// Between two requests of a connection.
        keepalive_timeout: Duration = Duration::from_secs(75),
        /// Between two pieces of an answer that the client takes.
        send_timeout: Duration = Duration::from_secs(60),
        /// The largest head. Larger: 431.
        max_header: At<Size> = At::unplaced(Size(64 * 1024)),
        /// The most fields in a head. More: 431.
        max_fields: At<usize> = At::unplaced(100),
        /// The longest target. Longer: 414.
        max_uri: At<Size> = At::unplaced(Size(16 * 1024)),
        /// How many connections clients may have.
        connections: Option<ConnectionSettings> = None,
        /// HTTP/2.
        http2: Option<Http2Settings> = None,
    }
}

table! {
    /// A site: the hosts it answers for and its routes. What it sets, its routes inherit.
    pub struct SiteSettings {
        /// Its name in logs and metrics.
        name: At<String>,
        /// Its hosts: `"example.org"`, `"*.example.org"`. Absent: any host.
        hosts: Vec<At<HostPattern>> = Vec::new(),
        /// Where it is served: `"0.0.0.0:80"`, or `{ address = "0.0.0.0:443", tls = true }`. The other
        /// keys are `proxy_protocol` (each connection begins with a header of the PROXY protocol,
        /// version 1 or 2, from an address in `trusted_proxies`; others are closed) and `h2c` (HTTP/2
        /// without TLS, for clients that begin with it). Absent: `server.listen`.
        listen: Option<Vec<At<ListenAddress>>> = None,
        /// The largest body of a request; `"0"`: any. Larger: 413.
        max_body: Option<Size> = None,
        /// Fields of answers.
        headers: Option<HeadersSettings> = None,
        /// `Cache-Control` for 200, 203, 206, 301, 304 and 308 answers that have none, or for all
        /// of them: `{ value = "...", override = true }`.
        cache_control: Option<CacheControlSettings> = None,
        /// Whether the app is told `Forwarded` (RFC 7239) beside `X-Forwarded-*`.
        forwarded: Option<bool> = None,
        /// Whether answers tell `Server-Timing: edge;dur=…, app;dur=…`.
        server_timing: Option<bool> = None,
        /// How long an upgraded (WebSocket) connection may be silent in both directions.
        idle_timeout: Option<Duration> = None,
        /// Which answers are compressed, and how; `"off"`: none.
        compress: Option<OrOff<CompressSettings>> = None,
        /// Whether guests' visits are recorded: `true`, or a table that says how.
        visits: Option<SiteVisits> = None,
        /// Its certificates, for listeners with `tls = true`.
        tls: Option<SiteTlsSettings> = None,
        /// The routes.
        route: Vec<RouteSettings> = Vec::new(),
    }
    later {
        "cache" => "caching of answers",
        "access" => "access rules",
        "limits" => "rate limits",
    }
}

table! {
    /// A route does one thing: `proxy`, `files`, `redirect` or `respond`. Everything else modifies
    /// that.
    pub struct RouteSettings {
        /// Which paths: `"/health"` (that alone), `"/static/*"` (all below), or a regular
        /// expression `"~ ^/u/[0-9]+$"`. The most specific route wins: exact, then the longest
        /// prefix, then regular expressions in the order written.
        path: At<PathPattern>,
        /// Only these methods (`GET` takes `HEAD` too).
        methods: Vec<At<Text>> = Vec::new(),
        /// Conditions on fields of the request: `{ "X-Beta" = "1" }`; a value is text, `"*"` (any)
        /// or a regular expression `"~ ..."`. Also the answer's fields, as in a site's `headers`:
        /// the keys `security`, `set`, `default` and `remove`.
        headers: Option<RouteHeaders> = None,
        /// Conditions on parameters of the query: `{ "version" = "2" }`, values as in `headers`.
        query: Named<Text> = Named::default(),
        /// The upstream that requests are passed to.
        proxy: Option<At<Text>> = None,
        /// Serves files from a directory.
        files: Option<FilesSettings> = None,
        /// The upstream that gets requests for what is no file, beside `files`.
        fallback: Option<At<Text>> = None,
        /// Sends pictures in the size and format that the visitor needs.
        images: Option<ImagesSettings> = None,
        /// Sends the client elsewhere.
        redirect: Option<RedirectSettings> = None,
        /// Answers by itself.
        respond: Option<RespondSettings> = None,
        /// The `Host` that the app sees. Absent: the client's.
        upstream_host: Option<At<Text>> = None,
        /// See the site's.
        max_body: Option<Size> = None,
        /// See the site's.
        cache_control: Option<CacheControlSettings> = None,
        /// See the site's.
        forwarded: Option<bool> = None,
        /// See the site's.
        server_timing: Option<bool> = None,
        /// See the site's.
        idle_timeout: Option<Duration> = None,
        /// See the site's. Keys given here take the place of the site's.
        compress: Option<OrOff<CompressSettings>> = None,
    }
    later {
        "cache" => "caching of answers",
        "access" => "access rules",
        "limits" => "rate limits",
    }
}

/// All tables of a configuration.
#[derive(Debug)]
pub struct Settings {
    /// `[server]`.
    pub server: ServerSettings,
    /// `[admin]`.
    pub admin: AdminSettings,
    /// `[log]`.
    pub log: LogSettings,
    /// `[files]`.
    pub files: FilesMemorySettings,
    /// `[compress]`.
    pub compress: CompressMemorySettings,
    /// `[media]`.
    pub media: MediaSettings,
    /// `[visits]`.
    pub visits: VisitsSettings,
    /// `[geoip]`.
    pub geo: GeoSettings,
    /// `[tls]`.
    pub tls: TlsSettings,
    /// `[upstream.NAME]`, by name, with the place of the name.
    pub upstreams: BTreeMap<String, (Place, UpstreamSettings)>,
    /// `[[site]]`, in the order read.
    pub sites: Vec<SiteSettings>,
    /// Whether nothing is missing from it that the files may well have: that is what "there is
    /// no such upstream" and the like can be said of.
    pub complete: bool,
}

/// Keys at the top level, and features whose tables do not exist yet.
const KEYS: [&str; 12] = [
    "include", "server", "admin", "log", "files", "compress", "media", "visits", "geoip", "tls",
    "upstream", "site",
];
const LATER: [(&str, &str); 1] = [("cache", "caching of answers")];

/// A table that may be given once, in any file.
#[derive(Default)]
struct Once {
    first: Option<Place>,
}

impl Once {
    fn claim(&mut self, key: &str, place: Place, errors: &mut Diagnostics) -> bool {
        if let Some(first) = self.first {
            errors.push(
                Diagnostic::new(place, format!("`[{key}]` is given twice"))
                    .label("given again here")
                    .related(first, "first given here"),
            );
            return false;
        }
        self.first = Some(place);
        true
    }
}

impl Settings {
    /// Reads all tables of all files. What is wrong is in `errors`, and has its default here or
    /// something that stands in for it: the rest is checked all the same.
    pub fn read(document: &Document<'_>, errors: &mut Diagnostics) -> Option<Self> {
        // A file that cannot be read, or is no TOML, may have held anything.
        let mut complete = errors.is_empty();
        let (mut server, mut admin, mut log) = (None, None, None);
        let (mut files, mut compress, mut media) = (None, None, None);
        let (mut visits, mut geo, mut tls) = (None, None, None);
        let mut once: [Once; 9] = Default::default();
        let [
            server_once,
            admin_once,
            log_once,
            files_once,
            compress_once,
            media_once,
            visits_once,
            geo_once,
            tls_once,
        ] = &mut once;
        let mut upstreams = BTreeMap::new();
        let mut sites: Vec<SiteSettings> = Vec::new();
        for (key, place, node) in document.entries() {
            match key {
                "include" => {}
                "server" if server_once.claim(key, place, errors) => {
                    server = ServerSettings::read(&node, errors);
                }
                "admin" if admin_once.claim(key, place, errors) => {
                    admin = AdminSettings::read(&node, errors);
                }
                "log" if log_once.claim(key, place, errors) => {
                    log = LogSettings::read(&node, errors);
                }
                "compress" if compress_once.claim(key, place, errors) => {
                    compress = CompressMemorySettings::read(&node, errors);
                }
                "files" if files_once.claim(key, place, errors) => {
                    files = FilesMemorySettings::read(&node, errors);
                }
                "media" if media_once.claim(key, place, errors) => {
                    media = MediaSettings::read(&node, errors);
                }
                "visits" if visits_once.claim(key, place, errors) => {
                    visits = VisitsSettings::read(&node, errors);
                }
                "geoip" if geo_once.claim(key, place, errors) => {
                    geo = GeoSettings::read(&node, errors);
                }
                "tls" if tls_once.claim(key, place, errors) => {
                    tls = TlsSettings::read(&node, errors);
                }
                "server" | "admin" | "log" | "files" | "compress" | "media" | "visits"
                | "geoip" | "tls" => {}
                "upstream" => complete &= read_upstreams(&node, &mut upstreams, errors),
                "site" => match Vec::<SiteSettings>::read(&node, errors) {
                    Some(more) => sites.extend(more),
                    None => complete = false,
                },
                _ => {
                    crate::config::unknown_key(key, place, &KEYS, &LATER, errors);
                }
            }
        }
        refuse_twice(&sites, errors);
        Some(Settings {
            server: server.or_else(ServerSettings::absent)?,
            admin: admin.or_else(AdminSettings::absent)?,
            log: log.or_else(LogSettings::absent)?,
            files: files.or_else(FilesMemorySettings::absent)?,
            compress: compress.or_else(CompressMemorySettings::absent)?,
            media: media.or_else(MediaSettings::absent)?,
            visits: visits.or_else(VisitsSettings::absent)?,
            geo: geo.or_else(GeoSettings::absent)?,
            tls: tls.or_else(TlsSettings::absent)?,
            upstreams,
            sites,
            complete,
        })
    }

    /// All tables, for the reference.
    pub fn tables() -> Vec<(&'static str, Table)> {
        vec![
            ("[server]", ServerSettings::describe()),
            ("[admin]", AdminSettings::describe()),
            ("[log]", LogSettings::describe()),
            ("[files]", FilesMemorySettings::describe()),
            ("[compress]", CompressMemorySettings::describe()),
            ("[media]", MediaSettings::describe()),
            ("[visits]", VisitsSettings::describe()),
            ("[geoip]", GeoSettings::describe()),
            ("[tls]", TlsSettings::describe()),
            ("[upstream.NAME]", UpstreamSettings::describe()),
            ("[[site]]", SiteSettings::describe()),
        ]
    }
}

/// False when there was something that is no table of an upstream.
fn read_upstreams(
    node: &Node<'_>,
    upstreams: &mut BTreeMap<String, (Place, UpstreamSettings)>,
    errors: &mut Diagnostics,
) -> bool {
    let Some(entries) = node.entries() else {
        node.mismatch("tables: [upstream.NAME]", errors);
        return false;
    };
    let mut all = true;
    for (name, place, node) in entries {
        let Some(settings) = UpstreamSettings::read(&node, errors) else {
            all = false;
            continue;
        };
        if let Some((first, _)) = upstreams.get(name) {
            errors.push(
                Diagnostic::new(place, format!("the upstream `{name}` is defined twice"))
                    .label("defined again here")
                    .related(*first, "first defined here"),
            );
            continue;
        }
        upstreams.insert(name.to_string(), (place, settings));
    }
    all
}

fn refuse_twice(sites: &[SiteSettings], errors: &mut Diagnostics) {
    let mut first: BTreeMap<&str, Place> = BTreeMap::new();
    // One whose name could not be read has the stand-in.
    for site in sites.iter().filter(|site| !site.name.value.is_empty()) {
        if let Some(place) = first.insert(&site.name.value, site.name.place) {
            errors.push(
                Diagnostic::new(
                    site.name.place,
                    format!("the site `{}` is defined twice", site.name.value),
                )
                .label("defined again here")
                .related(place, "first defined here"),
            );
        }
    }
}
