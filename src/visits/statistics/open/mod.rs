//! A day that is being counted.

mod answer;
mod fold;
mod key;
mod names;

use super::calendar::LAST_HOUR;
use super::day::{Client, Day, Parts, Row};
use super::fact::{
    DIRECT, Fact, INTERNAL, LONGEST_FAMILY, LONGEST_HOST, LONGEST_PAGE, OTHER, Totals, UNKNOWN,
};
use crate::visits::visit::{Device, Source, cut};
use foldhash::fast::RandomState;
use key::{Fields, Key, country_code, country_number};
use names::Names;
use std::collections::{HashMap, HashSet};

/// How much of a day is told apart while it goes on. What is beyond is counted as `(other)`; what
/// is kept of it when it is over is less.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// With [`LONGEST_PAGE`], at most 50 MiB of names.
    pages: usize,
    /// Other sites.
    referrers: usize,
    browsers: usize,
    systems: usize,
    /// Devices, browsers and systems that occur together.
    clients: usize,
    /// Visitors, and visitors with pages, that are remembered as seen: about 100 MiB. Later ones
    /// are views, but no guests.
    seen: usize,
    /// Tuples: about 200 MiB. Later ones lose their page, referrer, browser and system.
    tuples: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Bounds {
            pages: 50_000,
            referrers: 20_000,
            browsers: 500,
            systems: 200,
            clients: 60_000,
            seen: 4_000_000,
            tuples: 4_000_000,
        }
    }
}

/// Views, guests of the day, guests of the hour, guests of the page.
pub(super) type Quad = [u32; 4];

/// A day that is being counted.
#[derive(Debug, Default)]
pub struct OpenDay {
    pages: Names,
    referrers: Names,
    browsers: Names,
    systems: Names,
    clients: Vec<(Device, u16, u16)>,
    client_numbers: HashMap<(Device, u16, u16), u16, RandomState>,
    tuples: HashMap<Key, Quad, RandomState>,
    /// The hours in which a visitor was seen, a bit for each.
    visitors: HashMap<u64, u32, RandomState>,
    /// Visitors with the pages that they saw, as hashes.
    pairs: HashSet<u64, RandomState>,
    totals: Totals,
    bounds: Bounds,
    /// Nobody knows who was seen before.
    blind: bool,
    told: bool,
}

impl OpenDay {
    /// Counts a visit.
    pub fn count(&mut self, fact: &Fact<'_>) {
        if fact.partial {
            self.totals.partials = self.totals.partials.saturating_add(1);
            return;
        }
        let page = cut(fact.page, LONGEST_PAGE);
        let page = self.pages.number(page, self.bounds.pages, "pages");
        let referrer = match fact.referrer {
            "" if fact.internal => INTERNAL,
            "" => DIRECT,
            host => cut(host, LONGEST_HOST),
        };
        let fields = Fields {
            source: fact.source,
            page,
            hour: fact.hour.min(LAST_HOUR),
            country: country_number(fact.country),
            client: self.client(fact.device, fact.browser, fact.os),
            referrer: self
                .referrers
                .number(referrer, self.bounds.referrers, "other sites"),
        };
        let first = self.first_seen(fact.visitor, fields.hour, page);
        let guest = u64::from(first.guest);
        let (views, guests) = match fact.source {
            Source::Web => (&mut self.totals.views_web, &mut self.totals.guests_web),
            Source::App => (&mut self.totals.views_app, &mut self.totals.guests_app),
        };
        *views = views.saturating_add(1);
        *guests = guests.saturating_add(guest);
        let [v, g, h, p] = self.tuple(fields);
        *v = v.saturating_add(1);
        *g = g.saturating_add(u32::from(first.guest));
        *h = h.saturating_add(u32::from(first.hour));
        *p = p.saturating_add(u32::from(first.page));
    }

    fn client(&mut self, device: Device, browser: &str, os: &str) -> u16 {
        let family = |name| match cut(name, LONGEST_FAMILY) {
            "" => UNKNOWN,
            name => name,
        };
        let browser = self
            .browsers
            .number(family(browser), self.bounds.browsers, "browsers");
        let os = self
            .systems
            .number(family(os), self.bounds.systems, "systems");
        let client = (device, browser, os);
        match self.client_numbers.get(&client) {
            Some(number) => *number,
            None if self.clients.len() < self.bounds.clients => self.new_client(client),
            None => self.other_client(device),
        }
    }

    fn new_client(&mut self, client: (Device, u16, u16)) -> u16 {
        let number = u16::try_from(self.clients.len()).unwrap_or(u16::MAX);
        self.clients.push(client);
        self.client_numbers.insert(client, number);
        number
    }

    /// A client of which only the device is known. There is one for each device, so that they
    /// always have room.
    fn other_client(&mut self, device: Device) -> u16 {
        let browser = self
            .browsers
            .number(OTHER, self.bounds.browsers, "browsers");
        let os = self.systems.number(OTHER, self.bounds.systems, "systems");
        let client = (device, browser, os);
        match self.client_numbers.get(&client) {
            Some(number) => *number,
            None => self.new_client(client),
        }
    }

    /// Whether the visitor is new today, in this hour and on this page; and remembers it.
    fn first_seen(&mut self, visitor: u64, hour: u8, page: u16) -> First {
        if self.blind {
            return First::default();
        }
        let mut room = self
            .bounds
            .seen
            .saturating_sub(self.visitors.len())
            .saturating_sub(self.pairs.len());
        let bit = 1_u32.wrapping_shl(u32::from(hour));
        let mut first = First::default();
        if let Some(hours) = self.visitors.get_mut(&visitor) {
            first.hour = *hours & bit == 0;
            *hours |= bit;
        } else if room > 0 {
            self.visitors.insert(visitor, bit);
            room -= 1;
            (first.guest, first.hour) = (true, true);
        }
        // Visitors are hashes already: it is enough to turn them apart for each page.
        let pair = visitor ^ u64::from(page).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        first.page = if room > 0 {
            self.pairs.insert(pair)
        } else {
            self.tell(
                "visitors",
                self.bounds.seen,
                "seen for the first time are no guests",
            );
            false
        };
        first
    }

    fn tuple(&mut self, mut fields: Fields) -> &mut Quad {
        if self.tuples.len() >= self.bounds.tuples && !self.tuples.contains_key(&fields.key()) {
            self.tell(
                "kinds of visits",
                self.bounds.tuples,
                "are counted as (other)",
            );
            let device = self.clients.get(usize::from(fields.client));
            let device = device.map_or(Device::Other, |(device, _, _)| *device);
            fields.client = self.other_client(device);
            fields.page = self.pages.number(OTHER, self.bounds.pages, "pages");
            fields.referrer = self
                .referrers
                .number(OTHER, self.bounds.referrers, "other sites");
        }
        self.tuples.entry(fields.key()).or_default()
    }

    fn tell(&mut self, what: &str, most: usize, then: &str) {
        if !self.told {
            tracing::warn!("a day has more than {most} {what}: those that are {then}");
            self.told = true;
        }
    }

    /// The numbers so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Nothing was counted yet.
    pub fn is_empty(&self) -> bool {
        self.totals == Totals::default()
    }

    /// Bytes in memory, about.
    pub fn weight(&self) -> usize {
        // A byte of each place in a table is the table's own.
        let tuples = size_of::<(Key, Quad)>() + 1;
        [&self.pages, &self.referrers, &self.browsers, &self.systems]
            .into_iter()
            .map(Names::weight)
            .fold(size_of::<Self>(), usize::saturating_add)
            .saturating_add(self.tuples.capacity().saturating_mul(tuples))
            .saturating_add(self.visitors.capacity().saturating_mul(17))
            .saturating_add(self.pairs.capacity().saturating_mul(9))
            .saturating_add(self.clients.capacity().saturating_mul(20))
    }

    /// The day as columns, with as many names as are kept for good: of pages the 10,000 with the
    /// most views, and those with a single view only as long as all are 2 MiB; of other sites
    /// 5,000, and 512 KiB. The rest is `(other)`; sums stay what they were.
    ///
    /// It takes up to a second for millions of tuples: not behind a lock that others wait for.
    pub fn close(&self) -> Day {
        let [page_views, referrer_views] = self.views();
        let (pages, page) = self.pages.folded(&page_views, fold::PAGES);
        let (referrers, referrer) = self.referrers.folded(&referrer_views, fold::REFERRERS);
        let (browsers, browser) = self.browsers.sorted();
        let (systems, system) = self.systems.sorted();
        let to = |order: &[u16], number: u16| order.get(usize::from(number)).copied().unwrap_or(0);
        let mut rows: Vec<(Key, Quad)> = self
            .tuples
            .iter()
            .map(|(key, quad)| {
                let mut fields = key.fields();
                fields.page = to(&page, fields.page);
                fields.referrer = to(&referrer, fields.referrer);
                (fields.key(), *quad)
            })
            .collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.dedup_by(|(key, quad), (same, sums)| {
            let is_same = key == same;
            if is_same {
                for (sum, count) in sums.iter_mut().zip(quad) {
                    *sum = sum.saturating_add(*count);
                }
            }
            is_same
        });
        Day::build(&Parts {
            totals: self.totals,
            pages,
            referrers,
            browsers,
            systems,
            clients: self
                .clients
                .iter()
                .map(|(device, b, s)| Client {
                    device: *device,
                    browser: to(&browser, *b),
                    os: to(&system, *s),
                })
                .collect(),
            rows: rows.into_iter().map(|(key, quad)| row(key, quad)).collect(),
        })
    }

    /// The views of pages and of other sites, by their numbers.
    fn views(&self) -> [Vec<u64>; 2] {
        let mut sums = [&self.pages, &self.referrers].map(|names| vec![0_u64; names.len()]);
        for (key, [views, ..]) in &self.tuples {
            let fields = key.fields();
            for (sums, number) in sums.iter_mut().zip([fields.page, fields.referrer]) {
                if let Some(sum) = sums.get_mut(usize::from(number)) {
                    *sum = sum.saturating_add(u64::from(*views));
                }
            }
        }
        sums
    }

    /// A closed day to which late visits are added when nobody knows any more who was seen: they
    /// are views, never guests.
    pub fn reopen(day: &Day) -> OpenDay {
        let mut open = OpenDay {
            totals: day.totals(),
            blind: true,
            ..OpenDay::default()
        };
        day.each_row(|row| {
            let fields = Fields {
                source: row.source,
                page: open.pages.number(row.page, open.bounds.pages, "pages"),
                hour: row.hour,
                country: country_number(row.country),
                client: open.client(row.device, row.browser, row.os),
                referrer: open
                    .referrers
                    .number(row.referrer, open.bounds.referrers, "other sites"),
            };
            for (sum, count) in open.tuple(fields).iter_mut().zip(row.counts) {
                *sum = sum.saturating_add(count);
            }
        });
        open
    }
}

/// What a visit is the first of.
#[derive(Debug, Clone, Copy, Default)]
struct First {
    guest: bool,
    hour: bool,
    page: bool,
}

fn row(key: Key, counts: Quad) -> Row {
    let fields = key.fields();
    Row {
        source: fields.source,
        page: fields.page,
        hour: fields.hour,
        country: country_code(fields.country),
        client: fields.client,
        referrer: fields.referrer,
        counts,
    }
}

#[cfg(test)]
mod tests;
