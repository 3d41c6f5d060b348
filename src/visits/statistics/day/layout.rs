//! The bytes of a day: what is where.

use super::columns::{Checked, Cutter, Names, Numbers, View};
use crate::visits::statistics::calendar::LAST_HOUR;
use crate::visits::statistics::fact::Totals;
use crate::visits::statistics::open::Quad;
use crate::visits::statistics::tally::{Axis, Counts, Kind};
use crate::visits::visit::{Device, NOWHERE, Source};
use std::ops::Range;

/// What the summary begins with; the last byte is the number of its layout.
pub const SUMMARY: &[u8; 4] = b"pds\x01";
/// What the rows begin with.
pub const ROWS: &[u8; 4] = b"pdr\x01";
/// Hours of the longest day.
pub const HOURS: usize = LAST_HOUR as usize + 1;
/// A device with a browser and a system, by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    pub device: Device,
    pub browser: u16,
    pub os: u16,
}

/// Where things are in the summary.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    pub totals: Totals,
    pub pages: Names,
    pub referrers: Names,
    pub browsers: Names,
    pub systems: Names,
    countries: Numbers,
    country_count: usize,
    /// Device, browser, system.
    clients: [Numbers; 3],
    client_count: usize,
    /// Views, guests, guests of the hour, for each hour of web and then of app.
    hours: [Numbers; 3],
    /// Pages, countries, referrers, clients: views and guests, for web and for app.
    axes: [[[Numbers; 2]; 2]; 4],
}

fn axis_place(axis: Axis) -> usize {
    match axis {
        Axis::Page => 0,
        Axis::Country => 1,
        Axis::Referrer => 2,
        Axis::Client | Axis::Hour => 3,
    }
}

impl Summary {
    /// Finds everything, and checks it.
    pub fn read(bytes: &[u8]) -> Checked<Summary> {
        let mut cutter = Cutter::new(bytes, SUMMARY)?;
        let totals = Totals {
            views_web: cutter.number("the totals")?,
            views_app: cutter.number("the totals")?,
            guests_web: cutter.number("the totals")?,
            guests_app: cutter.number("the totals")?,
            partials: cutter.number("the totals")?,
        };
        let pages = cutter.names("the pages")?;
        let referrers = cutter.names("the referrers")?;
        let browsers = cutter.names("the browsers")?;
        let systems = cutter.names("the systems")?;
        let country_count = cutter.count("the countries")?;
        let countries = cutter.numbers(country_count, u16::MAX.into(), "the countries")?;
        let client_count = cutter.count("the clients")?;
        let last = |count: usize| (count as u64).saturating_sub(1);
        let clients = [
            cutter.numbers(client_count, last(Device::ALL.len()), "the clients")?,
            cutter.numbers(client_count, last(browsers.len()), "the clients")?,
            cutter.numbers(client_count, last(systems.len()), "the clients")?,
        ];
        let mut summary = Summary {
            totals,
            pages,
            referrers,
            browsers,
            systems,
            countries,
            country_count,
            clients,
            client_count,
            ..Summary::default()
        };
        for column in &mut summary.hours {
            *column = cutter.numbers(2 * HOURS, u64::MAX, "the hours")?;
        }
        for axis in [Axis::Page, Axis::Country, Axis::Referrer, Axis::Client] {
            let length = summary.length(axis);
            let columns = summary.axes.get_mut(axis_place(axis)).into_iter();
            for column in columns.flatten().flatten() {
                *column = cutter.numbers(length, u64::MAX, "the counts")?;
            }
        }
        cutter.end()?;
        Ok(summary)
    }

    /// How many there are on an axis.
    pub fn length(&self, axis: Axis) -> usize {
        match axis {
            Axis::Hour => HOURS,
            Axis::Page => self.pages.len(),
            Axis::Country => self.country_count,
            Axis::Referrer => self.referrers.len(),
            Axis::Client => self.client_count,
        }
    }

    /// The country of this number.
    pub fn country(&self, bytes: &[u8], number: usize) -> [u8; 2] {
        let code = u16::try_from(self.countries.of(bytes).at(number)).map(u16::to_be_bytes);
        match code {
            Ok(code @ [b'A'..=b'Z', b'A'..=b'Z']) => code,
            _ => NOWHERE,
        }
    }

    /// The number of a country.
    pub fn find_country(&self, bytes: &[u8], code: [u8; 2]) -> Option<usize> {
        (0..self.country_count).find(|number| self.country(bytes, *number) == code)
    }

    /// The client of this number.
    pub fn client(&self, bytes: &[u8], number: usize) -> Client {
        let [device, browser, os] = self.clients.each_ref().map(|c| c.of(bytes).at(number));
        let device = usize::try_from(device).ok();
        Client {
            device: device
                .and_then(|d| Device::ALL.get(d).copied())
                .unwrap_or(Device::Other),
            browser: u16::try_from(browser).unwrap_or(u16::MAX),
            os: u16::try_from(os).unwrap_or(u16::MAX),
        }
    }

    /// The whole day.
    pub fn sum(&self, source: Source) -> Counts {
        let totals = self.totals;
        let (views, guests) = match source {
            Source::Web => (totals.views_web, totals.guests_web),
            Source::App => (totals.views_app, totals.guests_app),
        };
        Counts { views, guests }
    }

    /// An hour of web (`side` 0) or app (1).
    pub fn hour(&self, bytes: &[u8], side: usize, hour: usize, kind: Kind) -> Counts {
        let place = side.saturating_mul(HOURS).saturating_add(hour);
        let [views, guests, of_hour] = self.hours.each_ref().map(|c| c.of(bytes).at(place));
        let guests = match kind {
            Kind::Hour => of_hour,
            Kind::Day | Kind::Page => guests,
        };
        Counts { views, guests }
    }

    /// Views and guests along an axis other than that of hours. On that of pages, guests are those
    /// of the page.
    pub fn axis<'a>(&self, bytes: &'a [u8], axis: Axis, side: usize) -> [View<'a>; 2] {
        let columns = self.axes.get(axis_place(axis)).and_then(|a| a.get(side));
        columns.map_or([View::One(&[]); 2], |c| c.each_ref().map(|c| c.of(bytes)))
    }
}

/// Where things are in the rows.
#[derive(Debug, Clone)]
pub struct Rows {
    pub count: usize,
    /// Where the rows of each page end, for web and then for app.
    ends: Numbers,
    /// Views, guests, guests of the hour, guests of the page.
    table: [Numbers; 4],
    codes: usize,
    /// Hour, country, client, referrer, place in the table.
    columns: [Numbers; 5],
}

impl Rows {
    /// Finds everything, and checks it.
    pub fn read(bytes: &[u8], summary: &Summary) -> Checked<Rows> {
        let mut cutter = Cutter::new(bytes, ROWS)?;
        let count = cutter.count("the rows")?;
        let ends = summary.pages.len().saturating_mul(2);
        let ends = cutter.numbers(ends, count as u64, "the pages' rows")?;
        let codes = cutter.count("the table of counts")?;
        let mut table: [Numbers; 4] = Default::default();
        for column in &mut table {
            *column = cutter.numbers(codes, u32::MAX.into(), "the table of counts")?;
        }
        let mut columns: [Numbers; 5] = Default::default();
        let lengths = [
            HOURS,
            summary.country_count,
            summary.client_count,
            summary.referrers.len(),
            codes,
        ];
        for (column, length) in columns.iter_mut().zip(lengths) {
            let last = (length as u64).saturating_sub(1).min(u16::MAX.into());
            *column = cutter.numbers(count, last, "the rows")?;
        }
        cutter.end()?;
        Ok(Rows {
            count,
            ends,
            table,
            codes,
            columns,
        })
    }

    /// The rows of each page: its source, its number, their places.
    pub fn ranges(
        &self,
        bytes: &[u8],
        pages: usize,
    ) -> impl Iterator<Item = (Source, usize, Range<usize>)> {
        let ends = self.ends.of(bytes);
        let end = move |place: usize| usize::try_from(ends.at(place)).unwrap_or(0);
        (0..pages.saturating_mul(2)).map(move |place| {
            let start = place.checked_sub(1).map_or(0, end);
            let (source, page) = match place.checked_sub(pages) {
                None => (Source::Web, place),
                Some(page) => (Source::App, page),
            };
            (source, page, start..end(place))
        })
    }

    /// The rows of web and those of app, of all pages or of one.
    pub fn stretches(
        &self,
        bytes: &[u8],
        summary: &Summary,
        page: Option<usize>,
    ) -> [Range<usize>; 2] {
        let pages = summary.pages.len();
        let ends = self.ends.of(bytes);
        let end = |before: usize| match before.checked_sub(1) {
            None => 0,
            Some(place) => usize::try_from(ends.at(place)).unwrap_or(0),
        };
        let (first, count) = page.map_or((0, pages), |page| (page, 1));
        [0, pages].map(|side| {
            let first = side.saturating_add(first);
            end(first)..end(first.saturating_add(count))
        })
    }

    /// Where the rows of each page end, for web and then for app.
    pub fn ends<'a>(&self, bytes: &'a [u8]) -> View<'a> {
        self.ends.of(bytes)
    }

    /// Hours, countries, clients, referrers, places in the table.
    pub fn columns<'a>(&self, bytes: &'a [u8]) -> [View<'a>; 5] {
        self.columns.each_ref().map(|c| c.of(bytes))
    }

    /// A combination of counts.
    pub fn counts(&self, bytes: &[u8], code: usize) -> Quad {
        let counts = self.table.each_ref().map(|c| c.of(bytes).at(code));
        counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX))
    }

    /// Views and guests of each combination.
    pub fn pairs(&self, bytes: &[u8], kind: Kind) -> Vec<[u64; 2]> {
        let [views, day, hour, page] = self.table.each_ref().map(|c| c.of(bytes));
        let guests = match kind {
            Kind::Day => day,
            Kind::Hour => hour,
            Kind::Page => page,
        };
        let pair = |code| [views.at(code), guests.at(code)];
        (0..self.codes).map(pair).collect()
    }
}
