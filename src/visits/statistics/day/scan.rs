//! Questions that have to do with more than one axis: the rows are looked through.
//!
//! Rows are taken in blocks. For each block the columns that the filter names make a mask, the mask
//! a list of places, and what stands there is added up. A column that the question does not name is
//! not touched.

use super::axis::{Sums, plus};
use super::columns::View;
use super::layout::Rows;
use super::{Asked, Day};
use crate::visits::statistics::tally::{Axis, By, Counts, Tally};
use crate::visits::visit::Source;
use std::ops::Range;

/// Rows of a block: what belongs to it stays in the processor's first cache.
const BLOCK: usize = 1024;

/// A number in a column.
trait Cell: Copy + Eq {
    fn place(self) -> usize;
    /// The cell with this number; one that does not fit is in no row.
    fn of(number: usize) -> Option<Self>;
}

impl Cell for u8 {
    #[inline]
    fn place(self) -> usize {
        self.into()
    }
    fn of(number: usize) -> Option<Self> {
        u8::try_from(number).ok()
    }
}

impl Cell for u16 {
    #[inline]
    fn place(self) -> usize {
        self.into()
    }
    fn of(number: usize) -> Option<Self> {
        u16::try_from(number).ok()
    }
}

impl Cell for [u8; 2] {
    #[inline]
    fn place(self) -> usize {
        u16::from_le_bytes(self).into()
    }
    fn of(number: usize) -> Option<Self> {
        u16::try_from(number).ok().map(u16::to_le_bytes)
    }
}

/// What a column must be.
enum Test<'a> {
    Only(View<'a>, usize),
    AtMost(View<'a>, usize),
    /// One whose place in the table is true.
    Among(View<'a>, &'a [bool]),
}

impl Test<'_> {
    /// Takes those rows out of the mask that are not so.
    fn apply(&self, start: usize, mask: &mut [u8]) {
        match self {
            Test::Only(View::One(cells), one) => only(cells, start, *one, mask),
            Test::Only(View::Two(cells), one) => only(cells, start, *one, mask),
            Test::AtMost(View::One(cells), most) => {
                let most = u8::try_from(*most).unwrap_or(u8::MAX);
                for (keep, cell) in mask.iter_mut().zip(part(cells, start)) {
                    *keep &= u8::from(*cell <= most);
                }
            }
            Test::Among(View::One(cells), table) => among(cells, start, table, mask),
            Test::Among(View::Two(cells), table) => among(cells, start, table, mask),
            // Columns of rows are never wider, and hours have one byte.
            _ => mask.fill(0),
        }
    }
}

fn part<T>(cells: &[T], start: usize) -> &[T] {
    cells.get(start..).unwrap_or_default()
}

fn only<C: Cell>(cells: &[C], start: usize, one: usize, mask: &mut [u8]) {
    let Some(one) = C::of(one) else {
        mask.fill(0);
        return;
    };
    for (keep, cell) in mask.iter_mut().zip(part(cells, start)) {
        *keep &= u8::from(*cell == one);
    }
}

fn among<C: Cell>(cells: &[C], start: usize, table: &[bool], mask: &mut [u8]) {
    for (keep, cell) in mask.iter_mut().zip(part(cells, start)) {
        *keep &= u8::from(table.get(cell.place()).copied().unwrap_or(false));
    }
}

/// Which rows of a block pass.
struct Selection {
    mask: [u8; BLOCK],
    places: [u16; BLOCK],
}

impl Selection {
    /// The places of those that pass all tests; nothing where there are no tests.
    fn select(&mut self, tests: &[Test<'_>], block: &Range<usize>) -> Option<&[u16]> {
        if tests.is_empty() {
            return None;
        }
        let mask = self.mask.get_mut(..block.len()).unwrap_or_default();
        mask.fill(1);
        for test in tests {
            test.apply(block.start, mask);
        }
        // Every place is written, and those that do not pass are written over: that is faster than
        // to guess at each one whether it passes.
        let mut count = 0;
        for (place, keep) in (0_u16..).zip(mask.iter()) {
            if let Some(slot) = self.places.get_mut(count) {
                *slot = place;
            }
            count += usize::from(*keep);
        }
        self.places.get(..count)
    }
}

/// Rows that are added up: their places, and which of them.
struct Block<'a> {
    range: Range<usize>,
    chosen: Option<&'a [u16]>,
    pairs: &'a [[u64; 2]],
}

impl Block<'_> {
    /// Adds up the rows.
    fn total(&self, codes: View<'_>, sum: &mut [u64; 2]) {
        // They are in a group of their own.
        let groups = [0_u8; BLOCK];
        self.gather(&groups, codes, std::slice::from_mut(sum));
    }

    /// Adds up the rows, each in its group in a column.
    fn gather_column(&self, groups: View<'_>, codes: View<'_>, sums: &mut [[u64; 2]]) {
        match groups {
            View::One(groups) => self.gather(part(groups, self.range.start), codes, sums),
            View::Two(groups) => self.gather(part(groups, self.range.start), codes, sums),
            // Columns of rows are never wider.
            View::Four(_) | View::Eight(_) => {}
        }
    }

    /// Adds up the rows, each in its group. Groups begin with that of the block's first row.
    fn gather<G: Cell>(&self, groups: &[G], codes: View<'_>, sums: &mut [[u64; 2]]) {
        match codes {
            View::One(codes) => self.gather_of(groups, part(codes, self.range.start), sums),
            View::Two(codes) => self.gather_of(groups, part(codes, self.range.start), sums),
            View::Four(_) | View::Eight(_) => {}
        }
    }

    fn gather_of<G: Cell, C: Cell>(&self, groups: &[G], codes: &[C], sums: &mut [[u64; 2]]) {
        let mut add = |group: &G, code: &C| {
            let pair = self.pairs.get(code.place());
            if let (Some(pair), Some(sum)) = (pair, sums.get_mut(group.place())) {
                plus(sum, pair);
            }
        };
        let rows = groups.iter().zip(codes).take(self.range.len());
        match self.chosen {
            None => rows.for_each(|(group, code)| add(group, code)),
            Some(chosen) => {
                for place in chosen {
                    let place = usize::from(*place);
                    if let (Some(group), Some(code)) = (groups.get(place), codes.get(place)) {
                        add(group, code);
                    }
                }
            }
        }
    }
}

/// The pages of rows, which have no column: a page's rows stand together.
struct Pages<'a> {
    ends: View<'a>,
    /// How many pages there are; those of app follow those of web.
    count: usize,
    /// Which of both the last row belonged to.
    place: usize,
    numbers: [u16; BLOCK],
}

impl Pages<'_> {
    /// The page of each row of a block that is not before the last one.
    fn of(&mut self, block: &Range<usize>) -> &[u16] {
        let mut rest = self.numbers.get_mut(..block.len()).unwrap_or_default();
        let mut row = block.start;
        while !rest.is_empty() && self.place < self.count.saturating_mul(2) {
            let end = usize::try_from(self.ends.at(self.place)).unwrap_or(0);
            let length = end.saturating_sub(row).min(rest.len());
            let page = self.place.checked_sub(self.count).unwrap_or(self.place);
            let (filled, after) = rest.split_at_mut(length);
            filled.fill(u16::try_from(page).unwrap_or(u16::MAX));
            rest = after;
            row += length;
            if !rest.is_empty() {
                self.place += 1;
            }
        }
        self.numbers.get(..block.len()).unwrap_or_default()
    }
}

/// Where the group of a row is told.
enum Groups<'a> {
    /// There is only one.
    One,
    Page,
    Column(View<'a>),
}

impl Day {
    /// Answers from the rows.
    pub(super) fn scan(&self, table: &Rows, asked: &Asked<'_>, tally: &mut Tally) {
        let by = tally.by();
        let pairs = table.pairs(&self.rows, asked.filter.kind(by));
        let [hours, countries, clients, referrers, codes] = table.columns(&self.rows);
        let mut tests = Vec::new();
        for axis in asked.filter.axes(By::Nothing) {
            tests.extend(match axis {
                Axis::Page => None,
                Axis::Hour => Some(Test::AtMost(hours, asked.until())),
                Axis::Country => asked.country.map(|one| Test::Only(countries, one)),
                Axis::Referrer => asked.referrer.map(|one| Test::Only(referrers, one)),
                Axis::Client => Some(asked.client_test(clients)),
            });
        }
        let (groups, axis) = match by {
            By::Nothing => (Groups::One, None),
            By::Hour => (Groups::Column(hours), Some(Axis::Hour)),
            By::Page => (Groups::Page, Some(Axis::Page)),
            By::Country => (Groups::Column(countries), Some(Axis::Country)),
            By::Referrer => (Groups::Column(referrers), Some(Axis::Referrer)),
            By::Device | By::Browser | By::Os => (Groups::Column(clients), Some(Axis::Client)),
        };
        let count = axis.map_or(1, |axis| self.layout.length(axis));
        let mut sums: Sums = vec![[0, 0]; count];
        let mut selection = Selection {
            mask: [0; BLOCK],
            places: [0; BLOCK],
        };
        let mut pages = Pages {
            ends: table.ends(&self.rows),
            count: self.layout.pages.len(),
            place: 0,
            numbers: [0; BLOCK],
        };
        let stretches = table.stretches(&self.rows, &self.layout, asked.page);
        for (source, range) in [Source::Web, Source::App].into_iter().zip(stretches) {
            if !asked.filter.source_fits(source) {
                continue;
            }
            for start in range.clone().step_by(BLOCK) {
                let block = start..range.end.min(start + BLOCK);
                let block = Block {
                    chosen: selection.select(&tests, &block),
                    range: block,
                    pairs: &pairs,
                };
                if block.chosen.is_some_and(<[u16]>::is_empty) {
                    continue;
                }
                match groups {
                    Groups::One => sums.iter_mut().for_each(|sum| block.total(codes, sum)),
                    Groups::Page => block.gather(pages.of(&block.range), codes, &mut sums),
                    Groups::Column(groups) => block.gather_column(groups, codes, &mut sums),
                }
            }
            // What is told apart by source is handed over for each.
            if matches!(by, By::Nothing | By::Hour) {
                for (hour, [views, guests]) in sums.iter_mut().map(std::mem::take).enumerate() {
                    let counts = Counts { views, guests };
                    match by {
                        By::Nothing => tally.add(source, counts),
                        _ => tally.add_hour(hour, source, counts),
                    }
                }
            }
        }
        self.add_groups(tally, &sums);
    }
}

impl Asked<'_> {
    /// The test of clients: by their number when there is only one.
    fn client_test<'a>(&'a self, clients: View<'a>) -> Test<'a> {
        let mut meant = (0..).zip(&self.clients).filter(|(_, is_meant)| **is_meant);
        match (meant.next(), meant.next()) {
            (Some((one, _)), None) => Test::Only(clients, one),
            _ => Test::Among(clients, &self.clients),
        }
    }
}
