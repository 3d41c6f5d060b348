//! A counted day as columns.
//!
//! It has two parts. The *summary* has the names that occur, the totals, and what was counted along
//! one axis: by hour, page, country, referrer, or client (device, browser and system), each for web
//! and app. Most questions need no more. The *rows* have every tuple that occurred, for questions
//! that have to do with two axes or more.
//!
//! Rows are sorted by source and page, so these two need no column: it is written down where the
//! rows of each end. The other columns have numbers of one or two bytes. Counts are mostly 0 and 1,
//! and few combinations of them occur: each row names its own in a table.

mod asked;
mod axis;
mod columns;
mod layout;
mod scan;
mod write;

use super::fact::Totals;
use super::open::Quad;
use super::tally::{Filter, Tallied, Tally};
use crate::visits::visit::{Device, Source};
use asked::Asked;
use columns::View;
pub(super) use layout::Client;
use layout::{Rows, Summary};
pub(super) use write::{Parts, Row};

/// A counted day. It is kept as the bytes that are stored, and read where they lie.
#[derive(Debug, Clone)]
pub struct Day {
    summary: Box<[u8]>,
    rows: Box<[u8]>,
    layout: Summary,
    table: Option<Rows>,
}

/// A row with its names.
#[derive(Debug, Clone, Copy)]
pub(super) struct NamedRow<'a> {
    pub source: Source,
    pub page: &'a str,
    pub hour: u8,
    pub country: [u8; 2],
    pub device: Device,
    pub browser: &'a str,
    pub os: &'a str,
    pub referrer: &'a str,
    pub counts: Quad,
}

impl Day {
    pub(super) fn build(parts: &Parts<'_>) -> Day {
        let (summary, rows) = write::write(parts);
        // What was written here can be read.
        Day::from_parts(&summary, Some(&rows)).unwrap_or_else(|_| Day {
            summary: summary.into(),
            rows: rows.into(),
            layout: Summary::default(),
            table: None,
        })
    }

    /// The summary, to be stored.
    pub fn summary(&self) -> &[u8] {
        &self.summary
    }

    /// The rows, to be stored; empty when the day was read without.
    pub fn rows(&self) -> &[u8] {
        &self.rows
    }

    /// Reads a day, with its rows or without.
    ///
    /// # Errors
    /// These are no such bytes; the text goes on after the name of what they are.
    pub fn from_parts(summary: &[u8], rows: Option<&[u8]>) -> Result<Day, String> {
        let layout = Summary::read(summary)?;
        let table = rows.map(|rows| Rows::read(rows, &layout)).transpose()?;
        Ok(Day {
            summary: summary.into(),
            rows: rows.unwrap_or_default().into(),
            layout,
            table,
        })
    }

    /// Both parts in one: the length of the first (u32, little endian) and both.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.summary.len() + self.rows.len() + 4);
        columns::write_count(&mut bytes, self.summary.len());
        bytes.extend_from_slice(&self.summary);
        bytes.extend_from_slice(&self.rows);
        bytes
    }

    /// Reads both parts.
    ///
    /// # Errors
    /// These are no such bytes; the text goes on after the name of what they are.
    pub fn from_bytes(bytes: &[u8]) -> Result<Day, String> {
        let cut = || "is cut off".to_string();
        let (length, rest) = bytes.split_first_chunk().ok_or_else(cut)?;
        let length = usize::try_from(u32::from_le_bytes(*length)).map_err(|_| cut())?;
        let (summary, rows) = rest.split_at_checked(length).ok_or_else(cut)?;
        Day::from_parts(summary, (!rows.is_empty()).then_some(rows))
    }

    /// The numbers of the day.
    pub fn totals(&self) -> Totals {
        self.layout.totals
    }

    /// Bytes in memory.
    pub fn weight(&self) -> usize {
        let parts = self.summary.len().saturating_add(self.rows.len());
        parts.saturating_add(size_of::<Self>())
    }

    /// How many rows it has; none when it was read without.
    pub fn len(&self) -> usize {
        self.table.as_ref().map_or(0, |table| table.count)
    }

    /// It has no rows.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn each_row(&self, mut each: impl FnMut(NamedRow<'_>)) {
        let Some(table) = &self.table else {
            return;
        };
        let (bytes, layout) = (&*self.summary, &self.layout);
        let [hours, countries, clients, referrers, codes] = table.columns(&self.rows);
        for (source, page, places) in table.ranges(&self.rows, layout.pages.len()) {
            for row in places {
                let at = |column: View<'_>| usize::try_from(column.at(row)).unwrap_or(usize::MAX);
                let client = layout.client(bytes, at(clients));
                each(NamedRow {
                    source,
                    page: layout.pages.at(bytes, page),
                    hour: u8::try_from(at(hours)).unwrap_or(0),
                    country: layout.country(bytes, at(countries)),
                    device: client.device,
                    browser: layout.browsers.at(bytes, client.browser.into()),
                    os: layout.systems.at(bytes, client.os.into()),
                    referrer: layout.referrers.at(bytes, at(referrers)),
                    counts: table.counts(&self.rows, at(codes)),
                });
            }
        }
    }
}

impl Tallied for Day {
    fn tally(&self, filter: &Filter, tally: &mut Tally) {
        let Some(asked) = Asked::new(filter, &self.summary, &self.layout) else {
            return;
        };
        let mut axes = filter.axes(tally.by());
        match (axes.next(), axes.next(), &self.table) {
            (axis, None, _) => self.tally_axis(axis, &asked, tally),
            (_, Some(_), Some(table)) => self.scan(table, &asked, tally),
            (_, Some(_), None) => tally.lack(),
        }
    }
}

#[cfg(test)]
mod tests;
