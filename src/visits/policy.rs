//! Settings -> what is in force: a site's rules, and where visits go.

use super::address::AddressKind;
use super::geo::settings::GeoSettings;
use super::geo::{GeoPaths, Geography};
use super::redis::RedisPolicy;
use super::settings::{Kept, SiteVisits, SiteVisitsSettings, VisitsSettings, Wish};
use super::statistics::Zone;
use crate::config::{At, Diagnostic, Diagnostics, FilePath, OrOff, PathPattern, Text};
use http::Method;
use http::header::HeaderName;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Where visits go: all of the process's.
#[derive(Debug, Clone)]
pub struct VisitsPolicy {
    /// The database; `None`: none.
    pub store: Option<PathBuf>,
    /// How long single visits are kept in it.
    pub keep_raw: Duration,
    /// What it keeps of addresses.
    pub ip: AddressKind,
    /// Where visits wait.
    pub spool: PathBuf,
    /// How many bytes may wait.
    pub spool_size: u64,
    /// How many visits may wait before that is worth a warning.
    pub warn_at: u64,
    /// The Redis that is fed too.
    pub redis: Option<RedisPolicy>,
    /// Databases of countries, cities and networks.
    pub geo: GeoPaths,
    /// The sites that are recorded.
    pub sites: Vec<Arc<SitePolicy>>,
}

/// Who counts on a site.
#[derive(Debug, Clone)]
pub struct SitePolicy {
    /// Its name.
    pub name: String,
    /// Its place among the sites that are recorded.
    pub index: u16,
    /// Paths that are not recorded.
    pub exclude: Vec<PathPattern>,
    /// Paths whose JSON counts for the site's app.
    pub api: Vec<PathPattern>,
    /// The field by which the app says that it knows the visitor.
    pub authenticated: Option<HeaderName>,
    /// Cookies of visitors who are signed in.
    pub cookies: Vec<String>,
    /// Whether `Authorization` means that the visitor is signed in.
    pub authorization: bool,
    /// Whether `Sec-GPC` is heard.
    pub gpc: bool,
    /// Whether `DNT` is heard.
    pub dnt: bool,
    /// Its time zone.
    pub zone: Zone,
    /// Where its numbers are told on the site itself.
    pub share: Option<Share>,
}

/// A path of a site on which its numbers are told.
#[derive(Clone, PartialEq, Eq)]
pub struct Share {
    /// It begins and ends with `/`.
    pub prefix: String,
    /// Who has it may read.
    pub token: String,
}

impl std::fmt::Debug for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Share({:?})", self.prefix)
    }
}

impl SitePolicy {
    /// A site with the usual rules.
    pub fn named(name: &str) -> Self {
        SitePolicy {
            name: name.to_string(),
            index: 0,
            exclude: Vec::new(),
            api: Vec::new(),
            authenticated: Some(HeaderName::from_static("x-parvis-user")),
            cookies: Vec::new(),
            authorization: true,
            gpc: false,
            dnt: false,
            zone: Zone::utc(),
            share: None,
        }
    }

    /// The field by which an app says that it knows the visitor, on a site that is not recorded:
    /// clients see it on none.
    pub fn field_of_others(process: &VisitsSettings) -> Option<HeaderName> {
        field_name(&process.authenticated, &mut Diagnostics::default())
    }

    /// Compiles a site's rules; `None` when it is not recorded.
    pub fn build(
        name: &str,
        index: usize,
        process: &VisitsSettings,
        site: Option<&SiteVisits>,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let own: Option<&SiteVisitsSettings> = match site? {
            SiteVisits::Off => return None,
            SiteVisits::On => None,
            SiteVisits::Own(own) => Some(own),
        };
        // What is the process's is checked with the process's.
        let mut unheard = Diagnostics::default();
        let patterns = |own: Option<&Vec<At<PathPattern>>>, all: &Vec<At<PathPattern>>| {
            let list = own.unwrap_or(all).iter();
            list.map(|pattern| pattern.value.clone()).collect()
        };
        let field = own.and_then(|own| own.authenticated.as_ref());
        let authenticated = match field {
            Some(field) => field_name(field, errors),
            None => field_name(&process.authenticated, &mut unheard),
        };
        let zone = own.and_then(|own| own.time_zone.as_ref());
        let zone = match zone {
            Some(zone) => time_zone(zone, errors),
            None => time_zone(&process.time_zone, &mut unheard),
        };
        let cookies = own.and_then(|own| own.authenticated_cookies.as_ref());
        let cookies = cookies.unwrap_or(&process.authenticated_cookies).iter();
        let respect = own.and_then(|own| own.respect.as_ref());
        let respect = respect.unwrap_or(&process.respect);
        let hears = |wish| respect.iter().any(|heard| heard.value == wish);
        let share = own.and_then(|own| own.share.as_ref());
        Some(SitePolicy {
            name: name.to_string(),
            index: u16::try_from(index).ok()?,
            exclude: patterns(own.and_then(|own| own.exclude.as_ref()), &process.exclude),
            api: patterns(own.and_then(|own| own.api.as_ref()), &process.api),
            authenticated,
            cookies: cookies.map(|name| name.value.text.clone()).collect(),
            authorization: own
                .and_then(|own| own.authorization)
                .unwrap_or(process.authorization),
            gpc: hears(Wish::Gpc),
            dnt: hears(Wish::Dnt),
            zone,
            share: share.and_then(|share| {
                let prefix = match &share.path.value {
                    PathPattern::Prefix(prefix) => Some(prefix.clone()),
                    other => {
                        if !other.is_stand_in() {
                            let what = "`path` takes what is below it";
                            let label = "expected a path that ends in \"/*\"";
                            errors.push(Diagnostic::new(share.path.place, what).label(label));
                        }
                        None
                    }
                };
                if prefix.as_deref() == Some("/") {
                    let what = "the numbers would take the place of the whole site";
                    let label = "expected a path of their own, such as \"/numbers/*\"";
                    errors.push(Diagnostic::new(share.path.place, what).label(label));
                }
                if process.store.value == OrOff::Off {
                    let what = "there are no numbers to share: visits are kept in no database";
                    errors.push(
                        Diagnostic::new(share.place, what)
                            .related(process.store.place, "switched off here"),
                    );
                }
                let token = share.token.value.text.clone();
                if token.is_empty() && share.sound {
                    let what = "without a token everybody could read the site's numbers";
                    errors.push(
                        Diagnostic::new(share.token.place, what)
                            .label("give one, for instance { env = \"PARVIS_NUMBERS_TOKEN\" }"),
                    );
                }
                Some(Share {
                    prefix: prefix?,
                    token,
                })
            }),
        })
    }

    /// Whether a decoded path is left out.
    pub fn excludes(&self, path: &[u8]) -> bool {
        self.exclude.iter().any(|pattern| pattern.matches(path))
    }

    /// What becomes of a visit to a decoded path, in words for people.
    pub fn describe(&self, method: &Method, path: &[u8]) -> String {
        let excluded = self.exclude.iter().find(|pattern| pattern.matches(path));
        match excluded {
            _ if *method != Method::GET => "not recorded: only GET is".to_string(),
            Some(pattern) => format!("not recorded: {pattern} is excluded"),
            None if self.is_api(path) => "recorded for guests, HTML and the app's JSON".to_string(),
            None => "recorded for guests, when the answer is HTML".to_string(),
        }
    }

    /// Whether a decoded path is the app's.
    pub fn is_api(&self, path: &[u8]) -> bool {
        self.api.iter().any(|pattern| pattern.matches(path))
    }
}

impl VisitsPolicy {
    /// Compiles `[visits]` and `[geoip]`; `None` when no site is recorded, or when they are wrong.
    pub fn build(
        settings: &VisitsSettings,
        geo: &GeoSettings,
        sites: Vec<Arc<SitePolicy>>,
        errors: &mut Diagnostics,
    ) -> Option<Self> {
        let before = errors.found();
        // Sites take them over without a word about what is wrong with them.
        let _ = field_name(&settings.authenticated, errors);
        let _ = time_zone(&settings.time_zone, errors);
        let day = Duration::from_secs(86_400);
        if settings.keep_raw.value < day {
            let what = "visits are kept for a day at least";
            let label = "expected \"1d\" or more";
            errors.push(Diagnostic::new(settings.keep_raw.place, what).label(label));
        }
        const LEAST: u64 = 16 << 20;
        if settings.spool_size.value.0 < LEAST {
            let what = "too little room for visits that wait";
            let label = "expected \"16MiB\" or more";
            errors.push(Diagnostic::new(settings.spool_size.place, what).label(label));
        }
        let redis = settings.redis.as_ref();
        let redis = redis.and_then(|redis| RedisPolicy::build(redis, errors));
        let store = settings.store.value.clone().on().map(|path| path.0);
        if store.is_none() && settings.redis.is_none() && !sites.is_empty() {
            let what = "visits are recorded, but kept nowhere";
            errors.push(
                Diagnostic::new(settings.store.place, what)
                    .label("give a path, or a [visits.redis]"),
            );
        }
        let spool = match (&settings.spool, &store) {
            (Some(spool), _) => spool.0.clone(),
            (None, Some(store)) => {
                let mut name = store.clone().into_os_string();
                name.push(".spool");
                PathBuf::from(name)
            }
            (None, None) => PathBuf::from("/var/lib/parvis/visits.spool"),
        };
        let geo = geo_paths(geo, errors);
        if errors.found() != before || sites.is_empty() {
            return None;
        }
        Some(VisitsPolicy {
            store,
            keep_raw: settings.keep_raw.value,
            ip: settings.ip.into(),
            spool,
            spool_size: settings.spool_size.value.0,
            warn_at: settings.warn_at,
            redis,
            geo,
            sites,
        })
    }

    /// The sites' time zones, by name.
    pub fn zones(&self) -> BTreeMap<String, Zone> {
        let zone = |site: &Arc<SitePolicy>| (site.name.clone(), site.zone.clone());
        self.sites.iter().map(zone).collect()
    }

    /// What the widest of the sinks may have of an address: nothing else is written down.
    pub fn widest(&self) -> AddressKind {
        let kinds = [
            self.store.as_ref().map(|_| self.ip),
            self.redis.as_ref().map(|redis| redis.ip),
        ];
        let has = |kind| kinds.contains(&Some(kind));
        match () {
            () if has(AddressKind::Full) => AddressKind::Full,
            () if has(AddressKind::Truncated) => AddressKind::Truncated,
            () => AddressKind::None,
        }
    }
}

impl From<Kept> for AddressKind {
    fn from(kept: Kept) -> Self {
        match kept {
            Kept::Full => AddressKind::Full,
            Kept::Truncated => AddressKind::Truncated,
            Kept::None => AddressKind::None,
        }
    }
}

/// The databases, each of which is opened once to see whether it can be.
fn geo_paths(settings: &GeoSettings, errors: &mut Diagnostics) -> GeoPaths {
    let mut check = |path: &Option<At<FilePath>>, paths: GeoPaths| {
        if let (Some(path), Err(trouble)) = (path, Geography::open(&paths)) {
            errors.push(Diagnostic::new(path.place, trouble.to_string()));
        }
    };
    let path = |path: &Option<At<FilePath>>| path.as_ref().map(|path| path.value.0.clone());
    let paths = GeoPaths {
        database: path(&settings.database),
        city: path(&settings.city),
        asn: path(&settings.asn),
    };
    let none = GeoPaths::default;
    let (database, city, asn) = (
        paths.database.clone(),
        paths.city.clone(),
        paths.asn.clone(),
    );
    check(&settings.database, GeoPaths { database, ..none() });
    check(&settings.city, GeoPaths { city, ..none() });
    check(&settings.asn, GeoPaths { asn, ..none() });
    paths
}

/// The name of a field that an app gives answers for parvis. It is taken out of them: one that
/// clients need is a mistake.
fn field_name(field: &At<OrOff<Text>>, errors: &mut Diagnostics) -> Option<HeaderName> {
    let text = field.value.clone().on()?;
    let name = HeaderName::from_bytes(text.text.as_bytes()).ok();
    let own = name
        .as_ref()
        .is_some_and(|name| name.as_str().starts_with("x-"));
    if !own {
        errors.push(
            Diagnostic::new(field.place, text.for_messages("name of a field")).label(
                "expected a name that starts with `X-`, such as \"X-Parvis-User\", or \"off\"",
            ),
        );
    }
    name.filter(|_| own)
}

fn time_zone(zone: &At<Text>, errors: &mut Diagnostics) -> Zone {
    match Zone::parse(&zone.value.text) {
        Ok(zone) => zone,
        Err(why) => {
            let what = zone.value.for_messages("time zone");
            errors.push(Diagnostic::new(zone.place, what).label(why));
            Zone::utc()
        }
    }
}
