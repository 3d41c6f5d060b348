//! Answers to whole questions: of several days, and of several sites.
//!
//! The calendar of an answer is that of the sites it is about. Sites of different zones are added
//! up by their own dates, those that UTC has: the 21st is the 21st of each.

mod chart;
mod overview;
mod top;

pub use chart::{Chart, Period, Point, chart};
pub use overview::{Change, Live, Overview, Span, overview};
pub use top::{Item, Subject, Top, top};

use super::{By, Counts, Date, Detail, Filter, History, Split, Tally, Totals, Trouble, Zone};
use crate::visits::visit::Source;
use serde::Serialize;
use std::collections::BTreeMap;

/// Microseconds in an hour.
const HOUR: i64 = 3_600_000_000;

/// Why nobody can be asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nobody {
    /// There is no such site: the names of those that there are.
    Unknown(Vec<String>),
    /// The store cannot tell which sites there are.
    Trouble(Trouble),
}

/// Whom a question is about, and when it was asked.
#[derive(Debug, Clone)]
pub struct Scope {
    /// The only site; none for all together.
    pub site: Option<String>,
    /// The zone of the answer's dates.
    pub zone: Zone,
    /// The date of `now` there.
    pub today: Date,
    /// Microseconds since the Unix epoch.
    pub now: i64,
    sites: Vec<(String, Zone)>,
}

impl Scope {
    /// One site or all.
    ///
    /// # Errors
    /// There is no such site, or the store cannot tell.
    pub fn new(history: &dyn History, site: Option<&str>, now: i64) -> Result<Scope, Nobody> {
        // A clock that is wrong by ages is no reason to count beyond the calendar: 1970 to about
        // 8900.
        let now = now.clamp(0, 220_000_000_000_000_000);
        let mut sites = history.sites().map_err(Nobody::Trouble)?;
        sites.sort_by(|(a, _), (b, _)| a.cmp(b));
        if let Some(site) = site {
            if !sites.iter().any(|(name, _)| name == site) {
                let names = sites.into_iter().map(|(name, _)| name);
                return Err(Nobody::Unknown(names.collect()));
            }
            sites.retain(|(name, _)| name == site);
        }
        let mut zones = sites.iter().map(|(_, zone)| zone);
        let zone = zones
            .next()
            .filter(|first| zones.all(|zone| zone == *first));
        let zone = zone.cloned().unwrap_or_else(Zone::utc);
        Ok(Scope {
            site: site.map(str::to_string),
            today: zone.place(now).0,
            zone,
            now,
            sites,
        })
    }

    /// The names of the zones of its sites.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        self.sites.iter().map(|(_, zone)| zone.name())
    }

    /// Up to which date of its own a site is asked for what is up to `to`: where zones differ, a site
    /// may be a day ahead, and what its visitors see now belongs to today all the same.
    fn until(&self, zone: &Zone, to: Date) -> Date {
        match to < self.today {
            true => to,
            false => to.max(zone.place(self.now).0),
        }
    }

    /// The numbers of each date that has any, both ends of the range included.
    fn days(
        &self,
        history: &dyn History,
        filter: &Filter,
        (from, to): (Date, Date),
    ) -> Result<BTreeMap<Date, Numbers>, Trouble> {
        let mut days: BTreeMap<Date, Numbers> = BTreeMap::new();
        for (site, zone) in &self.sites {
            let until = self.until(zone, to);
            if filter.is_open() {
                for (date, totals) in history.totals(site, from, until)? {
                    days.entry(date.min(to)).or_default().add(filter, totals);
                }
                continue;
            }
            let mut add = |date: Date, tally: &Tally| {
                let numbers = days.entry(date.min(to)).or_default();
                numbers.split.add_all(tally.split());
            };
            each_day(history, site, (from, until), filter, By::Nothing, &mut add)?;
        }
        Ok(days)
    }

    /// The numbers of yesterday, as far as today has come.
    fn yesterday_so_far(&self, history: &dyn History, filter: &Filter) -> Result<Split, Trouble> {
        let yesterday = self.today.plus(-1);
        let mut sum = Split::default();
        for (site, zone) in &self.sites {
            let hours = self
                .now
                .saturating_sub(zone.start(self.today))
                .div_euclid(HOUR);
            if hours < 0 {
                continue;
            }
            let filter = Filter {
                until_hour: Some(u8::try_from(hours).unwrap_or(u8::MAX)),
                ..filter.clone()
            };
            let range = (yesterday, yesterday);
            let mut add = |_: Date, tally: &Tally| sum.add_all(tally.split());
            each_day(history, site, range, &filter, By::Nothing, &mut add)?;
        }
        Ok(sum)
    }
}

/// Asks every day of a site the same question.
fn each_day(
    history: &dyn History,
    site: &str,
    (from, to): (Date, Date),
    filter: &Filter,
    by: By,
    each: &mut dyn FnMut(Date, &Tally),
) -> Result<(), Trouble> {
    let mut is_lacking = false;
    let detail = filter.detail(by);
    history.days(site, from, to, detail, &mut |date, day| {
        let mut tally = Tally::new(by);
        day.tally(filter, &mut tally);
        is_lacking |= tally.is_lacking();
        each(date, &tally);
    })?;
    whole(is_lacking, detail)
}

/// Adds what every day of a site answers to one tally.
fn all_days(
    history: &dyn History,
    site: &str,
    (from, to): (Date, Date),
    filter: &Filter,
    tally: &mut Tally,
) -> Result<(), Trouble> {
    let detail = filter.detail(tally.by());
    history.days(site, from, to, detail, &mut |_, day| {
        day.tally(filter, tally)
    })?;
    whole(tally.is_lacking(), detail)
}

fn whole(is_lacking: bool, detail: Detail) -> Result<(), Trouble> {
    match is_lacking {
        false => Ok(()),
        true => Err(Trouble(format!(
            "a day was read without its rows, and {detail:?} was asked for: this is a mistake in parvis"
        ))),
    }
}

/// A date's numbers.
#[derive(Debug, Clone, Copy, Default)]
struct Numbers {
    split: Split,
    partials: u64,
}

impl Numbers {
    fn add(&mut self, filter: &Filter, totals: Totals) {
        let web = Counts {
            views: totals.views_web,
            guests: totals.guests_web,
        };
        let app = Counts {
            views: totals.views_app,
            guests: totals.guests_app,
        };
        for (source, counts) in [(Source::Web, web), (Source::App, app)] {
            if filter.source_fits(source) {
                self.split.add(source, counts);
            }
        }
        self.partials = self.partials.saturating_add(totals.partials);
    }
}

/// The sum of the dates in a range.
fn sum(days: &BTreeMap<Date, Numbers>, from: Date, to: Date) -> Numbers {
    let mut sum = Numbers::default();
    if from <= to {
        for (_, numbers) in days.range(from..=to) {
            sum.split.add_all(numbers.split);
            sum.partials = sum.partials.saturating_add(numbers.partials);
        }
    }
    sum
}

/// Views and guests in an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Page views.
    pub views: u64,
    /// Guests.
    pub guests: u64,
}

impl From<Counts> for Pair {
    fn from(counts: Counts) -> Pair {
        Pair {
            views: counts.views,
            guests: counts.guests,
        }
    }
}
