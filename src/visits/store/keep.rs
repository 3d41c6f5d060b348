//! Housekeeping between batches, in steps of a few milliseconds: days are closed, old raw rows
//! removed, the file made smaller, the WAL kept short.

use super::spans::{Span, State};
use super::trouble::{Failure, Kind};
use super::{Main, Store, days, locked, raw, schema};
use crate::visits::statistics::{Date, OpenDay};
use rusqlite::{Connection, Result, TransactionBehavior};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A day is closed this long after its end, microseconds: visits that end after midnight are
/// stamped with it, and those in the queue come a little later still.
const GRACE: i64 = 300_000_000;
/// A day that is not today's is closed when no visit came for it for as long, microseconds.
const QUIET: i64 = 300_000_000;
/// A day that begins this much later than now is not today's, microseconds: one day.
const AHEAD: i64 = 86_400_000_000;
/// Days in memory: when all of them weigh more, those that had no visits for longest are closed.
const OPEN_WEIGHT: usize = 256 << 20;
/// Days in memory, beyond one for each site.
const OPEN_DAYS: usize = 64;
/// Raw rows that are removed in one step.
const ROWS: u32 = 2000;
/// Pages that are given back in one step.
const PAGES: u32 = 128;
/// Free pages that the file keeps: what is removed makes room for what comes, and moving pages
/// about for nothing is work. 8 MiB.
const SPARE: i64 = 1024;
/// Beyond [`SPARE`], one page in this many may be free.
const SPARE_PART: i64 = 8;
/// A clock that jumped is believed after this long.
const BELIEVED: Duration = Duration::from_secs(86_400);

/// What time it is for removing things, which cannot be undone: a clock that jumps ahead (a wrong
/// time server, a mistyped date) must not empty the store. It is believed at once when it is
/// behind, and when it stays ahead for a day.
#[derive(Debug, Clone, Copy)]
pub struct Steady {
    wall: i64,
    at: Instant,
    ahead: Option<Instant>,
}

impl Steady {
    /// Believes the clock as it is now.
    pub fn new(wall: i64, at: Instant) -> Self {
        Steady {
            wall,
            at,
            ahead: None,
        }
    }

    /// The time, microseconds since the epoch; `wall` is what the clock says.
    pub fn time(&mut self, wall: i64, at: Instant) -> i64 {
        let passed = at.saturating_duration_since(self.at).as_micros();
        let passed = i64::try_from(passed).unwrap_or(i64::MAX);
        let expected = self.wall.saturating_add(passed);
        // Clocks are set right by a few seconds now and then.
        if wall <= expected.saturating_add(GRACE) {
            self.ahead = None;
            (self.wall, self.at) = (wall, at);
            return wall;
        }
        let since = *self.ahead.get_or_insert(at);
        if at.saturating_duration_since(since) >= BELIEVED {
            *self = Steady::new(wall, at);
            return wall;
        }
        expected
    }
}

impl Store {
    /// One step of everything that is due. `caught_up`: the spool is empty. `steady`: the time for
    /// removing. Says whether more is to be done soon.
    ///
    /// # Errors
    /// The database cannot be written.
    pub(super) fn keep(&self, caught_up: bool, steady: i64) -> std::result::Result<bool, Failure> {
        let mut main = locked(&self.db);
        if main.db.is_some() && main.identity != schema::identity(&self.path) {
            self.disconnect(&mut main);
            let text = format!(
                "{} was moved away or replaced: it is opened (or made) anew",
                self.path.display()
            );
            return Err(Failure::new(Kind::Missing, text));
        }
        let db = self.connected(&mut main)?;
        let failed = |error| self.failed(&error);
        // First what makes room.
        let mut more = self.remove_old(db, steady).map_err(failed)?;
        more |= self.close_one(db, caught_up).map_err(failed)?;
        more |= shrink(db).map_err(failed)?;
        self.shorten_wal(&mut main);
        Ok(more)
    }

    /// Closes a day that is over. Says whether it did.
    fn close_one(&self, db: &mut Connection, caught_up: bool) -> Result<bool> {
        let now = self.now();
        let Some((site, span, open)) = self.due(now, caught_up) else {
            return Ok(false);
        };
        // Takes a while, and readers go on meanwhile: nobody else changes an open day.
        let day = open.close();
        drop(open);
        let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        days::put_open(&transaction, site, &span)?;
        days::put_closed(&transaction, site, span.date, &day)?;
        transaction.commit()?;
        let mut board = locked(&self.board);
        board.changed();
        let revision = board.version;
        if let Some(span) = board.day(site, span.date) {
            span.totals = day.totals();
            span.revision = revision;
            span.state = State::Closed;
        }
        Ok(true)
    }

    /// A day to be closed: its site, itself, its counts.
    fn due(&self, now: i64, caught_up: bool) -> Option<(i64, Span, Arc<OpenDay>)> {
        let board = locked(&self.board);
        let mut weight = 0_usize;
        let mut count = 0_usize;
        let mut sites = 0_usize;
        let mut oldest: Option<(i64, i64, &Span, &Arc<OpenDay>)> = None;
        for site in board.sites() {
            sites = sites.saturating_add(1);
            for span in site.spans.iter() {
                let State::Open { day, touched } = &span.state else {
                    continue;
                };
                let over = span.ends.saturating_add(GRACE) <= now
                    || span.begins > now.saturating_add(AHEAD);
                let quiet = now.saturating_sub(*touched).saturating_abs() >= QUIET;
                let just_over = *touched <= span.ends.saturating_add(GRACE);
                if caught_up && over && (quiet || just_over) {
                    return Some((site.id, span.bare(), day.clone()));
                }
                weight = weight.saturating_add(day.weight());
                count = count.saturating_add(1);
                if !span.holds(now) && oldest.is_none_or(|oldest| *touched < oldest.0) {
                    oldest = Some((*touched, site.id, span, day));
                }
            }
        }
        let crowded = weight > OPEN_WEIGHT || count > sites.saturating_add(OPEN_DAYS);
        let (_, site, span, day) = oldest.filter(|_| crowded)?;
        Some((site, span.bare(), day.clone()))
    }

    /// Removes some raw rows that are older than they are kept. Says whether there are more.
    fn remove_old(&self, db: &mut Connection, steady: i64) -> Result<bool> {
        let kept = locked(&self.policy).as_ref().map(|policy| policy.keep_raw);
        let Some(kept) = kept else { return Ok(false) };
        let kept = i64::try_from(kept.as_micros()).unwrap_or(i64::MAX);
        let (before, marks) = {
            let board = locked(&self.board);
            let before = steady.saturating_sub(kept).min(board.needed_from());
            (
                before,
                thinned(
                    board.sites().map(|site| (site.id, site.spans.iter())),
                    before,
                ),
            )
        };
        let transaction = db.transaction_with_behavior(TransactionBehavior::Deferred)?;
        let (gone, _) = raw::delete_some(&transaction, None, (i64::MIN, before), ROWS)?;
        if gone == 0 {
            return Ok(false);
        }
        for (site, date) in &marks {
            transaction.execute(
                "UPDATE days SET whole = 0 WHERE site = ?1 AND date = ?2",
                (site, date.0),
            )?;
        }
        transaction.commit()?;
        let mut board = locked(&self.board);
        for (site, date) in marks {
            if let Some(span) = board.day(site, date) {
                span.whole = false;
            }
        }
        Ok(gone >= usize::try_from(ROWS).unwrap_or(usize::MAX))
    }

    /// Readers can keep SQLite from beginning the WAL anew: once it is long, it is emptied as soon
    /// as there is a moment without them. So it is when what was deleted is still in it.
    fn shorten_wal(&self, main: &mut Main) {
        let Some(db) = &main.db else { return };
        let wal = schema::beside(&self.path, "-wal");
        let long = std::fs::metadata(wal).is_ok_and(|wal| wal.len() > schema::WAL_KEPT);
        if long || main.wal_due {
            // With no patience: a reader that takes its time is waited for in the next step.
            main.wal_due &= !schema::empty_wal(db, Duration::ZERO);
        }
    }
}

/// The whole days that lose raw rows when those before a moment go.
fn thinned<'a, S: Iterator<Item = &'a Span>>(
    sites: impl Iterator<Item = (i64, S)>,
    before: i64,
) -> Vec<(i64, Date)> {
    let mut thinned = Vec::new();
    for (site, spans) in sites {
        let spans = spans.filter(|span| span.whole && span.begins < before);
        thinned.extend(spans.map(|span| (site, span.date)));
    }
    thinned
}

/// Gives some free pages back to the disk. Says whether there are more.
fn shrink(db: &Connection) -> Result<bool> {
    let number = |query: &str| db.query_row(query, [], |row| row.get::<_, i64>(0));
    let free = number("PRAGMA freelist_count")?;
    if free <= SPARE {
        return Ok(false);
    }
    let pages = number("PRAGMA page_count")?;
    let spare = SPARE.max(pages.checked_div(SPARE_PART).unwrap_or(0));
    if free <= spare {
        return Ok(false);
    }
    db.execute_batch(&format!("PRAGMA incremental_vacuum({PAGES})"))?;
    Ok(true)
}
