//! What is known about all sites in memory: their days, the open ones with their counts.

use super::days;
use super::recent::Recent;
use super::spans::{Span, Spans, State};
use crate::visits::statistics::{Date, Zone};
use foldhash::HashMap;
use rusqlite::{Connection, Result};
use std::collections::BTreeMap;

/// A site.
#[derive(Debug)]
pub struct Site {
    /// Its number in the database.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// The zone of its days.
    pub zone: Zone,
    /// The `sites` table knows it as it is here.
    pub stored: bool,
    /// Its days.
    pub spans: Spans,
    /// Its last minutes.
    pub recent: Recent,
    /// Visits before this moment are being deleted: those that come meanwhile are not taken.
    pub deleting: Option<i64>,
    /// Visits before this moment were deleted: those that waited in the spool meanwhile are not
    /// taken. `i64::MIN` when none were.
    pub gone: i64,
}

/// What was deleted since the process began, for as long as it lives: the database may be opened
/// again meanwhile.
#[derive(Debug, Default, Clone)]
pub struct Gone {
    /// Of a site: visits before this moment.
    sites: HashMap<String, i64>,
    /// Of sites that were not known then.
    others: Option<i64>,
}

impl Gone {
    fn of(&self, name: &str) -> i64 {
        let known = self.sites.get(name).copied();
        known.or(self.others).unwrap_or(i64::MIN)
    }
}

/// All sites.
#[derive(Debug, Default)]
pub struct Board {
    sites: Vec<Site>,
    by_name: HashMap<String, usize>,
    /// Changes with everything that the store would tell.
    pub version: u64,
    /// The time of the newest visit, microseconds since the epoch.
    pub newest: i64,
    /// Some site or day is not stored as it is here.
    pub unstored: bool,
    /// What was deleted.
    pub gone: Gone,
    /// The last minutes are not known: the next counting of raw rows notes them.
    pub forgetful: bool,
}

/// What has to be stored before (and with) the next visits.
#[derive(Debug, Default)]
pub struct Unstored {
    /// Number, name, zone.
    pub sites: Vec<(i64, String, String)>,
    /// The site's number and the day.
    pub spans: Vec<(i64, Span)>,
}

impl Board {
    /// Nothing is known, as long as the database cannot be read.
    pub fn unknown() -> Self {
        Board {
            forgetful: true,
            version: rand::random(),
            ..Board::default()
        }
    }

    /// What the database knows; nothing is counted yet.
    ///
    /// # Errors
    /// SQLite's.
    pub fn load(db: &Connection, newest: i64, gone: Gone) -> Result<Self> {
        let mut board = Board {
            newest,
            gone,
            ..Board::unknown()
        };
        let mut spans: BTreeMap<i64, Vec<Span>> = BTreeMap::new();
        for (site, span) in days::load(db)? {
            spans.entry(site).or_default().push(span);
        }
        for (id, name, zone) in days::sites(db)? {
            let spans = Spans::new(spans.remove(&id).unwrap_or_default());
            // A zone that the time zone database no longer knows: its days are told all the same.
            let zone = Zone::parse(&zone).unwrap_or_else(|_| Zone::utc());
            board.push(id, name, zone, true, spans);
        }
        Ok(board)
    }

    fn push(&mut self, id: i64, name: String, zone: Zone, stored: bool, spans: Spans) -> usize {
        let at = self.sites.len();
        self.by_name.insert(name.clone(), at);
        self.unstored |= !stored;
        self.sites.push(Site {
            id,
            gone: self.gone.of(&name),
            name,
            zone,
            stored,
            spans,
            recent: Recent::default(),
            deleting: None,
        });
        at
    }

    /// Sets the zones of configured sites; the others keep theirs.
    pub fn set_zones(&mut self, zones: &BTreeMap<String, Zone>, now: i64) {
        let from = now.max(self.newest.saturating_add(1));
        for (name, zone) in zones {
            let at = self.place_of(name, zone);
            let Some(site) = self.sites.get_mut(at) else {
                continue;
            };
            if site.zone != *zone {
                site.zone = zone.clone();
                site.stored = false;
                site.spans.cut(from, zone);
                self.unstored = true;
            }
        }
        self.changed();
    }

    /// The place of a site, made with this zone when it is new.
    pub fn place_of(&mut self, name: &str, zone: &Zone) -> usize {
        if let Some(at) = self.by_name.get(name) {
            return *at;
        }
        let last = self.sites.iter().map(|site| site.id).max().unwrap_or(0);
        let id = last.saturating_add(1);
        self.push(id, name.to_string(), zone.clone(), false, Spans::default())
    }

    /// A site by its place.
    pub fn at(&mut self, place: usize) -> Option<&mut Site> {
        self.sites.get_mut(place)
    }

    /// A site by its name.
    pub fn named(&self, name: &str) -> Option<&Site> {
        self.sites.get(*self.by_name.get(name)?)
    }

    /// A day by its site's number.
    pub fn day(&mut self, site: i64, date: Date) -> Option<&mut Span> {
        let site = self.sites.iter_mut().find(|known| known.id == site)?;
        site.spans.get_mut(date)
    }

    /// All sites.
    pub fn sites(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter()
    }

    /// All sites.
    pub fn sites_mut(&mut self) -> impl Iterator<Item = &mut Site> {
        self.sites.iter_mut()
    }

    /// Visits before `before` were deleted of a site, by its number, at the moment `at`. Nothing
    /// that happened later is meant, even if days to come were.
    pub fn delete(&mut self, site: i64, before: i64, at: i64) {
        let site = self.sites.iter_mut().find(|known| known.id == site);
        let Some(site) = site else { return };
        site.gone = site.gone.max(before.min(at));
        site.recent.forget_before(before);
        self.gone.sites.insert(site.name.clone(), site.gone);
    }

    /// Days before a date were deleted of all sites: also of those that are still unknown.
    pub fn delete_others(&mut self, date: Date, at: i64) {
        // They have no zone yet.
        let gone = Zone::utc().start(date).min(at);
        self.gone.others = self.gone.others.max(Some(gone));
    }

    /// Something that it tells is different now.
    pub fn changed(&mut self) {
        self.version = self.version.wrapping_add(1);
    }

    /// What the database does not know yet.
    pub fn unstored(&self) -> Unstored {
        let mut unstored = Unstored::default();
        if !self.unstored {
            return unstored;
        }
        for site in &self.sites {
            if !site.stored {
                let zone = site.zone.name().to_string();
                unstored.sites.push((site.id, site.name.clone(), zone));
            }
            // A day that only exists because of a batch that failed has nothing to be stored for,
            // but it does no harm either.
            let spans = site.spans.iter().filter(|span| !span.stored);
            unstored
                .spans
                .extend(spans.map(|span| (site.id, span.bare())));
        }
        unstored
    }

    /// They are stored now.
    pub fn stored(&mut self, unstored: &Unstored) {
        if unstored.sites.is_empty() && unstored.spans.is_empty() {
            return;
        }
        self.unstored = false;
        for site in &mut self.sites {
            site.stored = true;
            for span in site.spans.iter_mut() {
                span.stored = true;
            }
        }
    }

    /// The days whose raw rows have to be counted: site's number and day.
    pub fn stale(&self) -> Vec<(i64, Span)> {
        let mut stale = Vec::new();
        for site in &self.sites {
            let spans = site.spans.iter();
            let spans = spans.filter(|span| matches!(span.state, State::Stale));
            stale.extend(spans.map(|span| (site.id, span.bare())));
        }
        stale
    }

    /// Where the first day begins that needs its raw rows: rows before may go.
    pub fn needed_from(&self) -> i64 {
        let spans = self.sites.iter().flat_map(|site| site.spans.iter());
        let needed = spans.filter(|span| !matches!(span.state, State::Closed));
        needed.map(|span| span.begins).min().unwrap_or(i64::MAX)
    }
}
