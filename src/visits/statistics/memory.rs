//! A history in memory, for tests.

use super::reference::{Random, random_facts};
use super::{Date, Day, Detail, Fact, History, OpenDay, Tallied, Totals, Trouble, Zone};
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// A visit, in its place in its site's calendar.
#[derive(Debug, Clone, Copy)]
pub struct Placed {
    pub time: i64,
    pub date: Date,
    pub fact: Fact<'static>,
}

pub struct Site {
    pub name: String,
    pub zone: Zone,
    pub visits: Vec<Placed>,
    open: BTreeMap<Date, OpenDay>,
    closed: BTreeMap<Date, (Day, Day)>,
}

#[derive(Default)]
pub struct Memory {
    pub sites: Vec<Site>,
    pub version: AtomicU64,
    pub trouble: Mutex<Option<String>>,
    /// How often anything was read.
    pub read: AtomicU64,
    pub forgotten: AtomicU64,
    pub deleted: Mutex<Vec<(Option<String>, Date)>>,
}

impl Memory {
    /// With a site whose visits are at these times.
    pub fn with(mut self, name: &str, zone: &str, visits: &[(i64, Fact<'static>)]) -> Memory {
        let zone = Zone::parse(zone).unwrap();
        let mut visits: Vec<Placed> = visits
            .iter()
            .map(|(time, fact)| {
                let (date, hour) = zone.place(*time);
                let fact = Fact { hour, ..*fact };
                let time = *time;
                Placed { time, date, fact }
            })
            .collect();
        visits.sort_by_key(|visit| visit.time);
        let mut open: BTreeMap<Date, OpenDay> = BTreeMap::new();
        for visit in &visits {
            open.entry(visit.date).or_default().count(&visit.fact);
        }
        let closed = open.iter().map(|(date, day)| {
            let day = day.close();
            let summary = Day::from_parts(day.summary(), None).unwrap();
            (*date, (summary, day))
        });
        self.sites.push(Site {
            name: name.to_string(),
            zone,
            visits,
            closed: closed.collect(),
            open,
        });
        self
    }

    /// With a site that had so many visits at random times before `now`, on most days.
    pub fn with_random(
        self,
        random: &mut Random,
        (name, zone): (&str, &str),
        (days, count, now): (usize, usize, i64),
    ) -> Memory {
        let facts = random_facts(random, count);
        let visits: Vec<_> = facts
            .into_iter()
            .map(|fact| {
                // Every seventh day nobody comes.
                let day = random.below(days);
                let day = if day % 7 == 3 { 0 } else { day };
                let into = random.below(86_400) as i64 * 1_000_000;
                (now - day as i64 * 86_400_000_000 - into, fact)
            })
            .collect();
        self.with(name, zone, &visits)
    }

    fn site(&self, name: &str) -> &Site {
        self.sites.iter().find(|site| site.name == name).unwrap()
    }

    fn check(&self) -> Result<(), Trouble> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.trouble()
    }

    fn trouble(&self) -> Result<(), Trouble> {
        match &*self.trouble.lock().unwrap() {
            Some(text) => Err(Trouble(text.clone())),
            None => Ok(()),
        }
    }
}

impl History for Memory {
    fn sites(&self) -> Result<Vec<(String, Zone)>, Trouble> {
        self.trouble()?;
        let sites = self.sites.iter();
        Ok(sites
            .map(|site| (site.name.clone(), site.zone.clone()))
            .collect())
    }

    fn totals(&self, site: &str, from: Date, to: Date) -> Result<Vec<(Date, Totals)>, Trouble> {
        self.check()?;
        let days = self.site(site).open.range(from..=to);
        Ok(days.map(|(date, day)| (*date, day.totals())).collect())
    }

    fn days(
        &self,
        site: &str,
        from: Date,
        to: Date,
        detail: Detail,
        each: &mut dyn FnMut(Date, &dyn Tallied),
    ) -> Result<(), Trouble> {
        self.check()?;
        let site = self.site(site);
        let newest = site.open.keys().next_back();
        for (date, day) in site.open.range(from..=to) {
            let (summary, whole) = &site.closed[date];
            match detail {
                _ if Some(date) == newest => each(*date, day),
                Detail::Summary => each(*date, summary),
                Detail::Rows => each(*date, whole),
            }
        }
        Ok(())
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Relaxed)
    }

    fn forget_cache(&self) {
        self.forgotten.fetch_add(1, Ordering::Relaxed);
    }

    fn delete_before(&self, site: Option<&str>, date: Date) -> Result<u64, Trouble> {
        self.check()?;
        let mut deleted = self.deleted.lock().unwrap();
        deleted.push((site.map(str::to_string), date));
        self.version.fetch_add(1, Ordering::Relaxed);
        Ok(123)
    }

    fn recent(&self, site: Option<&str>, since: i64) -> (u64, u64) {
        let sites = self
            .sites
            .iter()
            .filter(|s| site.is_none_or(|name| name == s.name));
        let (mut guests, mut views) = (0, 0);
        for site in sites {
            let recent = site
                .visits
                .iter()
                .filter(|v| v.time >= since && !v.fact.partial);
            let mut visitors: Vec<u64> = recent.map(|visit| visit.fact.visitor).collect();
            views += visitors.len() as u64;
            visitors.sort_unstable();
            visitors.dedup();
            guests += visitors.len() as u64;
        }
        (guests, views)
    }
}
