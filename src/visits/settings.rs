//! `[visits]` of the process, and `visits` of a site.

use super::redis::settings::RedisSettings;
use crate::config::{
    At, Diagnostic, Diagnostics, FilePath, Node, OrOff, PathPattern, Size, Table, Text, Value,
    choice, table,
};
use std::path::PathBuf;
use std::time::Duration;

table! {
    /// Guest visits, for the process: where they are kept and sent. They are recorded for sites that
    /// say `visits = true`. The keys from `exclude` on are what such a site has unless its own
    /// `visits = {...}` says otherwise.
    pub struct VisitsSettings {
        /// The database that visits are kept in (SQLite); `"off"`: none, for those who only feed a
        /// Redis list.
        store: At<OrOff<FilePath>> = default_store(),
        /// How long single visits are kept. What is counted of them is kept for good.
        keep_raw: At<Duration> = At::unplaced(Duration::from_secs(30 * 86_400)),
        /// What the database keeps of an address: all of it, its network (/24, /48), or nothing.
        ip: Kept = Kept::Truncated,
        /// A directory for visits on their way; what cannot be delivered waits there. Absent: the
        /// database's path with `.spool` behind it.
        spool: Option<FilePath> = None,
        /// Room for visits that wait; when it is full the oldest go.
        spool_size: At<Size> = At::unplaced(Size(1 << 30)),
        /// A warning is logged when so many visits wait for the database or for Redis.
        warn_at: u64 = 100_000,
        /// Every visit is sent to this Redis too.
        redis: Option<RedisSettings> = None,
        /// Paths that are not recorded.
        exclude: Vec<At<PathPattern>> = Vec::new(),
        /// Paths whose JSON answers count as views when the site's app asks for them.
        api: Vec<At<PathPattern>> = Vec::new(),
        /// A field of answers by which the app says that the visitor is known to it: such visits are
        /// not recorded, and clients do not see the field. `"off"`: none.
        authenticated: At<OrOff<Text>> = At::unplaced(OrOff::On(Text::literal("X-Parvis-User"))),
        /// Cookies of visitors who are signed in, for apps that do not say so. Django gives guests a
        /// `sessionid` too as soon as something is kept for them.
        authenticated_cookies: Vec<At<Text>> = Vec::new(),
        /// Whether a request with `Authorization` is one of somebody who is signed in. `false` for
        /// apps that give tokens to guests.
        authorization: bool = true,
        /// Wishes of visitors that are heard: who sends them is not recorded.
        respect: Vec<At<Wish>> = Vec::new(),
        /// Where the site's days begin and end: a name of the IANA time zone database.
        time_zone: At<Text> = At::unplaced(Text::literal("UTC")),
    }
}

table! {
    /// How a site's visits are recorded. Keys that are absent are those of `[visits]`.
    pub struct SiteVisitsSettings {
        /// Paths that are not recorded.
        exclude: Option<Vec<At<PathPattern>>> = None,
        /// Paths whose JSON answers count as views when the site's app asks for them.
        api: Option<Vec<At<PathPattern>>> = None,
        /// A field of answers by which the app says that the visitor is known to it; `"off"`: none.
        authenticated: Option<At<OrOff<Text>>> = None,
        /// Cookies of visitors who are signed in.
        authenticated_cookies: Option<Vec<At<Text>>> = None,
        /// Whether a request with `Authorization` is one of somebody who is signed in.
        authorization: Option<bool> = None,
        /// Wishes of visitors that are heard: who sends them is not recorded.
        respect: Option<Vec<At<Wish>>> = None,
        /// Where the site's days begin and end: a name of the IANA time zone database.
        time_zone: Option<At<Text>> = None,
        /// Tells the site's numbers on a path of the site itself, to who has the token.
        share: Option<ShareSettings> = None,
    }
}

table! {
    /// The numbers of a site on the site itself: what `/api/analytics/` of the admin interface
    /// tells, of this site alone. Visits cannot be deleted there.
    pub struct ShareSettings {
        /// Below which path: `"/api/analytics/*"`.
        path: At<PathPattern>,
        /// Who sends `Authorization: Bearer TOKEN` is answered.
        token: At<Text>,
    }
}

choice! {
    /// What is kept of an address.
    pub enum Kept {
        /// All of it.
        Full = "full",
        /// Its network: /24 of IPv4, /48 of IPv6.
        Truncated = "truncated",
        /// Nothing.
        None = "none",
    }
}

choice! {
    /// What a visitor can ask for.
    pub enum Wish {
        /// `Sec-GPC: 1` (Global Privacy Control).
        Gpc = "gpc",
        /// `DNT: 1` (Tracking Preference Expression).
        Dnt = "dnt",
    }
}

/// `visits` of a site: switched on or off, or a table.
#[derive(Debug, Clone)]
pub enum SiteVisits {
    /// Not recorded.
    Off,
    /// Recorded as `[visits]` says.
    On,
    /// Recorded, with keys of its own.
    Own(Box<SiteVisitsSettings>),
}

impl Value for SiteVisits {
    fn kind() -> String {
        "boolean or table".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        if node.entries().is_some() {
            return SiteVisitsSettings::read(node, errors)
                .map(|own| SiteVisits::Own(Box::new(own)));
        }
        match node.value.as_bool() {
            Some(true) => Some(SiteVisits::On),
            Some(false) => Some(SiteVisits::Off),
            None => {
                errors.push(
                    Diagnostic::new(node.place, "`visits` is switched on or off, or a table")
                        .label("expected `true`, `false` or a table"),
                );
                None
            }
        }
    }

    fn show(&self) -> String {
        match self {
            SiteVisits::Off => "false".to_string(),
            SiteVisits::On | SiteVisits::Own(_) => "true".to_string(),
        }
    }

    fn table() -> Option<fn() -> Table> {
        Some(SiteVisitsSettings::describe)
    }
}

fn default_store() -> At<OrOff<FilePath>> {
    At::unplaced(OrOff::On(FilePath(PathBuf::from(
        "/var/lib/parvis/visits.sqlite",
    ))))
}
