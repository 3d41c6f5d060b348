//! Writing a day's bytes.

use super::columns::{Names, Numbers, write_count};
use super::layout::{Client, HOURS, ROWS, SUMMARY};
use crate::visits::statistics::fact::Totals;
use crate::visits::statistics::open::Quad;
use crate::visits::visit::Source;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Combinations of counts that a table has when rows name them with two bytes.
const MOST_CODES: usize = 1 << 16;
/// Places in that table for the powers of two of each count.
const POWERS: usize = 4 * 32;

/// A tuple, by the numbers of its names.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    pub source: Source,
    pub page: u16,
    pub hour: u8,
    pub country: [u8; 2],
    pub client: u16,
    pub referrer: u16,
    pub counts: Quad,
}

/// A day that is to be written. Names are in their order; rows by source, then page.
#[derive(Debug)]
pub struct Parts<'a> {
    pub totals: Totals,
    pub pages: Vec<&'a str>,
    pub referrers: Vec<&'a str>,
    pub browsers: Vec<&'a str>,
    pub systems: Vec<&'a str>,
    pub clients: Vec<Client>,
    pub rows: Vec<Row>,
}

/// Combinations of counts that occur.
#[derive(Default)]
struct Codes {
    table: Vec<Quad>,
    numbers: HashMap<Quad, u16, RandomState>,
}

impl Codes {
    /// The places of these counts: one, or when the table is full those of numbers that make them
    /// up.
    fn places(&mut self, counts: Quad, each: &mut impl FnMut(u16)) {
        let place = match self.numbers.get(&counts) {
            Some(place) => Some(*place),
            None if self.table.len() < MOST_CODES - POWERS => Some(self.insert(counts)),
            None => None,
        };
        if let Some(place) = place {
            each(place);
            return;
        }
        for (which, count) in counts.into_iter().enumerate() {
            for bit in (0..32)
                .map(|bit| 1_u32 << bit)
                .filter(|bit| count & bit != 0)
            {
                let mut power = [0; 4];
                power.iter_mut().skip(which).take(1).for_each(|p| *p = bit);
                let place = match self.numbers.get(&power) {
                    Some(place) => *place,
                    None => self.insert(power),
                };
                each(place);
            }
        }
    }

    fn insert(&mut self, counts: Quad) -> u16 {
        let place = u16::try_from(self.table.len()).unwrap_or(u16::MAX);
        self.table.push(counts);
        self.numbers.insert(counts, place);
        place
    }
}

/// The summary's and the rows' bytes.
pub fn write(parts: &Parts<'_>) -> (Vec<u8>, Vec<u8>) {
    let mut countries: Vec<u16> = parts
        .rows
        .iter()
        .map(|row| u16::from_be_bytes(row.country))
        .collect();
    countries.sort_unstable();
    countries.dedup();
    (
        write_summary(parts, &countries),
        write_rows(parts, &countries),
    )
}

fn country(countries: &[u16], row: &Row) -> usize {
    let code = u16::from_be_bytes(row.country);
    countries.binary_search(&code).unwrap_or(0)
}

/// Sums for web and for app.
type Sums = [Vec<[u64; 3]>; 2];

fn add(sums: &mut Sums, source: Source, place: usize, [v, g, h]: [u32; 3]) {
    let [web, app] = sums;
    let side = if source == Source::Web { web } else { app };
    if let Some([views, guests, of_hour]) = side.get_mut(place) {
        *views = views.saturating_add(v.into());
        *guests = guests.saturating_add(g.into());
        *of_hour = of_hour.saturating_add(h.into());
    }
}

fn write_summary(parts: &Parts<'_>, countries: &[u16]) -> Vec<u8> {
    let mut out = SUMMARY.to_vec();
    let totals = parts.totals;
    for number in [
        totals.views_web,
        totals.views_app,
        totals.guests_web,
        totals.guests_app,
        totals.partials,
    ] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    for names in [
        &parts.pages,
        &parts.referrers,
        &parts.browsers,
        &parts.systems,
    ] {
        Names::write(&mut out, names);
    }
    write_count(&mut out, countries.len());
    Numbers::write(&mut out, countries.iter().map(|c| u64::from(*c)));
    write_count(&mut out, parts.clients.len());
    let clients = parts.clients.iter();
    Numbers::write(&mut out, clients.clone().map(|c| c.device as u64));
    Numbers::write(&mut out, clients.clone().map(|c| c.browser.into()));
    Numbers::write(&mut out, clients.map(|c| c.os.into()));

    let sums = |length: usize| -> Sums { [vec![[0; 3]; length], vec![[0; 3]; length]] };
    let mut hours = sums(HOURS);
    let mut axes = [
        sums(parts.pages.len()),
        sums(countries.len()),
        sums(parts.referrers.len()),
        sums(parts.clients.len()),
    ];
    for row in &parts.rows {
        let [views, guests, of_hour, of_page] = row.counts;
        let all = [views, guests, of_hour];
        add(&mut hours, row.source, row.hour.into(), all);
        let [pages, by_country, referrers, clients] = &mut axes;
        let page = [views, of_page, 0];
        add(pages, row.source, row.page.into(), page);
        add(by_country, row.source, country(countries, row), all);
        add(referrers, row.source, row.referrer.into(), all);
        add(clients, row.source, row.client.into(), all);
    }
    let [web, app] = &hours;
    let both = web.iter().chain(app);
    Numbers::write(&mut out, both.clone().map(|[v, _, _]| *v));
    Numbers::write(&mut out, both.clone().map(|[_, g, _]| *g));
    Numbers::write(&mut out, both.map(|[_, _, h]| *h));
    for side in axes.iter().flatten() {
        Numbers::write(&mut out, side.iter().map(|[v, _, _]| *v));
        Numbers::write(&mut out, side.iter().map(|[_, g, _]| *g));
    }
    out
}

fn write_rows(parts: &Parts<'_>, countries: &[u16]) -> Vec<u8> {
    let mut codes = Codes::default();
    let mut rows: Vec<(&Row, u16)> = Vec::with_capacity(parts.rows.len());
    let pages = parts.pages.len();
    let mut ends = vec![0_u64; pages.saturating_mul(2)];
    for row in &parts.rows {
        codes.places(row.counts, &mut |code| rows.push((row, code)));
        let side = if row.source == Source::Web { 0 } else { pages };
        if let Some(end) = ends.get_mut(side.saturating_add(row.page.into())) {
            *end = rows.len() as u64;
        }
    }
    // Pages without rows end where the one before them does.
    let mut before = 0;
    for end in &mut ends {
        before = before.max(*end);
        *end = before;
    }
    let mut out = ROWS.to_vec();
    write_count(&mut out, rows.len());
    Numbers::write(&mut out, ends.into_iter());
    write_count(&mut out, codes.table.len());
    for which in 0..4 {
        let column = codes.table.iter().filter_map(|quad| quad.get(which));
        Numbers::write(&mut out, column.map(|c| u64::from(*c)));
    }
    let all = rows.iter();
    Numbers::write(&mut out, all.clone().map(|(row, _)| row.hour.into()));
    let places = all.clone().map(|(row, _)| country(countries, row) as u64);
    Numbers::write(&mut out, places);
    Numbers::write(&mut out, all.clone().map(|(row, _)| row.client.into()));
    Numbers::write(&mut out, all.clone().map(|(row, _)| row.referrer.into()));
    Numbers::write(&mut out, all.map(|(_, code)| u64::from(*code)));
    out
}
