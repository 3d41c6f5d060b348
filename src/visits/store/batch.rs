//! A batch of visits: one transaction.

use super::board::{Board, Unstored};
use super::raw::Inserter;
use super::spans::State;
use super::trouble::Failure;
use super::{Store, days, locked};
use crate::visits::address::AddressKind;
use crate::visits::spool::Position;
use crate::visits::statistics::{Date, Day, Detail, Fact, OpenDay, Zone};
use crate::visits::visit::Visit;
use rusqlite::{Connection, Result, TransactionBehavior};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;

/// A visit may be this far ahead of the clock (and of the newest visit), microseconds: a day. One
/// further ahead comes from a clock that was wrong, and would keep a day open for years.
const AHEAD: i64 = 86_400_000_000;

/// What became of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Taken {
    /// Visits that are in the database now.
    pub stored: u64,
    /// Records that are none, or of another version.
    pub unreadable: u64,
    /// Visits of the far future, put at the present instead. They are in `stored` too.
    pub moved: u64,
    /// Visits of days that are being deleted or were.
    pub deleted: u64,
}

/// A visit with its place.
struct Placed<'a> {
    visit: Visit<'a>,
    /// The site's place on the board, and its number.
    place: usize,
    site: i64,
    date: Date,
    time: i64,
    /// Where its day ends.
    ends: i64,
    hour: u8,
    /// Its day is closed, and cannot be counted again.
    late: bool,
}

impl Placed<'_> {
    fn fact(&self) -> Fact<'_> {
        Fact::of(&self.visit, self.hour)
    }
}

/// Days whose raw rows are gone, with the late visits added: site's place, site, date.
type Late = BTreeMap<(usize, i64, Date), OpenDay>;

impl Store {
    /// Stores records as the spool holds them, with where the spool (its id) has been taken to. On
    /// an error nothing is stored, and the batch can be taken again.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(super) fn take<'a>(
        &self,
        records: impl Iterator<Item = &'a [u8]>,
        taken_to: Option<(u64, Position)>,
    ) -> std::result::Result<Taken, Failure> {
        let mut main = locked(&self.db);
        let db = self.connected(&mut main)?;
        if locked(&self.board).forgetful {
            // Otherwise the last minutes would be noted now and again with the raw rows.
            self.count_stale(db)?;
        }
        let now = self.now();
        let mut taken = Taken::default();
        let ip = locked(&self.policy)
            .as_ref()
            .map_or(AddressKind::None, |policy| policy.ip);
        let (visits, unstored) = {
            let mut board = locked(&self.board);
            let visits = place(&mut board, records, now, &mut taken);
            (visits, board.unstored())
        };
        let written = write(db, &visits, &unstored, taken_to, ip);
        let late = written.map_err(|error| self.failed(&error))?;
        let mut board = locked(&self.board);
        board.stored(&unstored);
        count(&mut board, &visits, late, now);
        Ok(taken)
    }
}

/// Finds each visit's site and day.
fn place<'a>(
    board: &mut Board,
    records: impl Iterator<Item = &'a [u8]>,
    now: i64,
    taken: &mut Taken,
) -> Vec<Placed<'a>> {
    let mut visits = Vec::with_capacity(4096);
    // Sites that are not configured (any more) have no zone.
    let utc = Zone::utc();
    let mut last: Option<(&str, usize)> = None;
    let (mut newest, mut unstored) = (board.newest, board.unstored);
    for record in records {
        let Some(visit) = Visit::decode(record) else {
            taken.unreadable = taken.unreadable.saturating_add(1);
            continue;
        };
        let mut time = visit.time.max(0);
        if time > now.max(newest).saturating_add(AHEAD) {
            time = now.max(0);
            taken.moved = taken.moved.saturating_add(1);
        }
        let at = match last {
            Some((name, at)) if name == visit.site => at,
            _ => {
                let at = board.place_of(visit.site, &utc);
                unstored |= board.unstored;
                last = Some((visit.site, at));
                at
            }
        };
        let Some(site) = board.at(at) else { continue };
        if time < site.gone || site.deleting.is_some_and(|before| time < before) {
            taken.deleted = taken.deleted.saturating_add(1);
            continue;
        }
        let Some(span) = site.spans.place(time, &site.zone, now) else {
            continue;
        };
        let closed = matches!(span.state, State::Closed);
        if closed && span.whole {
            // Its raw rows are all there: it is counted again with this one among them.
            span.state = State::Stale;
            span.stored = false;
        }
        unstored |= !span.stored;
        newest = newest.max(time);
        visits.push(Placed {
            visit,
            place: at,
            site: site.id,
            date: span.date,
            time,
            ends: span.ends,
            hour: span.hour(time),
            late: closed && !span.whole,
        });
    }
    board.unstored = unstored;
    board.newest = newest;
    taken.stored = u64::try_from(visits.len()).unwrap_or(u64::MAX);
    visits
}

fn write(
    db: &mut Connection,
    visits: &[Placed<'_>],
    unstored: &Unstored,
    taken_to: Option<(u64, Position)>,
    ip: AddressKind,
) -> Result<Vec<((usize, Date), Day)>> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for (id, name, zone) in &unstored.sites {
        days::put_site(&transaction, *id, name, zone)?;
    }
    for (site, span) in &unstored.spans {
        days::put_open(&transaction, *site, span)?;
    }
    let mut late = Late::new();
    let mut rows = Inserter::new(&transaction, ip)?;
    // In the order of time each row goes behind the last: pages are filled one after another.
    let mut order: Vec<&Placed<'_>> = visits.iter().collect();
    order.sort_by_key(|placed| placed.time);
    for placed in order {
        rows.insert(&placed.visit, placed.site, placed.time, placed.ends)?;
        if placed.late {
            add_late(&transaction, &mut late, placed)?;
        }
    }
    drop(rows);
    let mut closed = Vec::new();
    for ((place, site, date), open) in late {
        let day = open.close();
        days::put_closed(&transaction, site, date, &day)?;
        closed.push(((place, date), day));
    }
    if let Some((spool, position)) = taken_to {
        days::put_position(&transaction, spool, position)?;
    }
    transaction.commit()?;
    Ok(closed)
}

fn add_late(db: &Connection, late: &mut Late, placed: &Placed<'_>) -> Result<()> {
    let day = match late.entry((placed.place, placed.site, placed.date)) {
        Entry::Occupied(day) => day.into_mut(),
        Entry::Vacant(place) => {
            // Counts that cannot be read any more are not overwritten with fewer: the visit is
            // only in its raw row then.
            let Some(Ok(day)) = days::read(db, placed.site, placed.date, Detail::Rows)? else {
                return Ok(());
            };
            place.insert(OpenDay::reopen(&day))
        }
    };
    day.count(&placed.fact());
    Ok(())
}

/// Counts what is in the database now.
fn count(board: &mut Board, visits: &[Placed<'_>], late: Vec<((usize, Date), Day)>, now: i64) {
    for run in visits.chunk_by(|one, next| one.place == next.place && one.date == next.date) {
        let Some(first) = run.first() else { continue };
        let Some(site) = board.at(first.place) else {
            continue;
        };
        for placed in run.iter().filter(|placed| !placed.visit.partial) {
            site.recent.note(placed.time, placed.visit.visitor, now);
        }
        let Some(span) = site.spans.get_mut(first.date) else {
            continue;
        };
        let State::Open { day, touched } = &mut span.state else {
            continue;
        };
        *touched = now;
        match Arc::get_mut(day) {
            Some(day) => run.iter().for_each(|placed| day.count(&placed.fact())),
            // Somebody still holds it, which nobody does: it is counted again instead.
            None => span.state = State::Stale,
        }
    }
    if !visits.is_empty() {
        board.changed();
    }
    let revision = board.version;
    for ((place, date), day) in late {
        let site = board.at(place);
        if let Some(span) = site.and_then(|site| site.spans.get_mut(date)) {
            span.totals = day.totals();
            span.revision = revision;
        }
    }
}
