//! Deleting days, when the operator asks for it.

use super::spans::State;
use super::trouble::{Failure, Kind};
use super::{Store, locked, raw, schema};
use crate::visits::statistics::Date;
use rusqlite::{Connection, Result, TransactionBehavior};
use std::time::Duration;

/// Raw rows that are looked at in one transaction: a few milliseconds.
const STEP: u32 = 2000;
/// Left to the sink between two of them.
const REST: Duration = Duration::from_millis(5);

/// How long the last step waits for other processes that read.
const WAL_WAIT: Duration = Duration::from_millis(200);

/// What is deleted of a site.
struct Cut {
    /// Its number.
    site: i64,
    /// Where its first day begins that stays, microseconds since the epoch.
    before: i64,
}

impl Store {
    /// Deletes the days before a date and their raw rows, in small steps. Gives how many visits
    /// (page views and partial requests) were told of these days. Those of them that still wait in
    /// the spool are not taken when their turn comes. Ends before it is done only with an
    /// error; then it may be asked for again.
    pub(super) fn delete_days(&self, name: Option<&str>, date: Date) -> Result<u64, Failure> {
        if self.only_reads() {
            let text = format!(
                "{} is only read here: ask the parvis that writes it",
                self.path.display()
            );
            return Err(Failure::new(Kind::ReadOnly, text));
        }
        self.settle()?;
        let cuts = self.begin(name, date)?;
        let done = self.delete_all(&cuts, name.is_none(), date);
        for site in locked(&self.board).sites_mut() {
            if cuts.iter().any(|cut| cut.site == site.id) {
                site.deleting = None;
            }
        }
        done
    }

    /// From here on no visit of these days is taken, and none of them is counted again from raw
    /// rows that are partly gone.
    fn begin(&self, name: Option<&str>, date: Date) -> Result<Vec<Cut>, Failure> {
        let mut main = locked(&self.db);
        let db = self.connected(&mut main)?;
        let mut cuts = Vec::new();
        let mut board = locked(&self.board);
        for site in board.sites_mut() {
            if name.is_some_and(|name| name != site.name) {
                continue;
            }
            let last = site.spans.iter().rfind(|span| span.date < date);
            let before = site.zone.start(date);
            let before = last.map_or(before, |span| span.ends.max(before));
            let next = site.spans.iter().find(|span| span.date >= date);
            let before = next.map_or(before, |span| span.begins.min(before));
            site.deleting = Some(before);
            cuts.push(Cut {
                site: site.id,
                before,
            });
        }
        drop(board);
        let marked = mark(db, &cuts, date);
        marked.map_err(|error| self.failed(&error))?;
        let mut board = locked(&self.board);
        for cut in &cuts {
            let site = board.sites_mut().find(|site| site.id == cut.site);
            let Some(site) = site else { continue };
            for span in site.spans.iter_mut().filter(|span| span.date < date) {
                span.whole = false;
            }
        }
        Ok(cuts)
    }

    fn delete_all(&self, cuts: &[Cut], everybody: bool, date: Date) -> Result<u64, Failure> {
        // Days of different zones begin at different times: what is before all of them goes
        // without looking whose it is.
        let first = cuts.iter().map(|cut| cut.before).min();
        let mut from = i64::MIN;
        if let Some(first) = first.filter(|_| everybody) {
            self.delete_rows(None, (from, first))?;
            from = first;
        }
        for cut in cuts {
            self.delete_rows(Some(cut.site), (from, cut.before))?;
        }
        let mut main = locked(&self.db);
        let db = self.connected(&mut main)?;
        forget(db, cuts, date).map_err(|error| self.failed(&error))?;
        let now = self.now();
        let mut board = locked(&self.board);
        let mut told = 0_u64;
        for cut in cuts {
            let site = board.sites_mut().find(|site| site.id == cut.site);
            let Some(site) = site else { continue };
            site.spans.retain(|span| {
                if span.date >= date {
                    return true;
                }
                let totals = match &span.state {
                    State::Open { day, .. } => day.totals(),
                    State::Closed | State::Stale => span.totals,
                };
                for count in [totals.views_web, totals.views_app, totals.partials] {
                    told = told.saturating_add(count);
                }
                false
            });
            board.delete(cut.site, cut.before, now);
        }
        if everybody {
            board.delete_others(date, now);
        }
        board.changed();
        drop(board);
        locked(&self.cache).clear();
        // Nothing of it stays in the WAL, unless another process reads: then a little longer.
        let _reading = locked(&self.reader);
        main.wal_due = !schema::empty_wal(db, WAL_WAIT);
        Ok(told)
    }

    fn delete_rows(&self, site: Option<i64>, (from, before): (i64, i64)) -> Result<(), Failure> {
        let mut from = Some(from);
        while let Some(cursor) = from {
            {
                let mut main = locked(&self.db);
                let db = self.connected(&mut main)?;
                let some = raw::delete_some(db, site, (cursor, before), STEP);
                (_, from) = some.map_err(|error| self.failed(&error))?;
            }
            // The lock is not fair: the sink would not get it otherwise.
            std::thread::sleep(REST);
        }
        Ok(())
    }
}

fn mark(db: &Connection, cuts: &[Cut], date: Date) -> Result<()> {
    let mut statement = db.prepare("UPDATE days SET whole = 0 WHERE site = ?1 AND date < ?2")?;
    for cut in cuts {
        statement.execute((cut.site, date.0))?;
    }
    Ok(())
}

fn forget(db: &mut Connection, cuts: &[Cut], date: Date) -> Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for cut in cuts {
        transaction.execute(
            "DELETE FROM days WHERE site = ?1 AND date < ?2",
            (cut.site, date.0),
        )?;
    }
    transaction.commit()
}
