//! What the store tells.

use super::spans::State;
use super::trouble::{Failure, Kind, damaged};
use super::{Store, days, locked, schema};
use crate::visits::statistics::{
    Date, Day, Detail, History, OpenDay, Tallied, Totals, Trouble, Zone,
};
use std::sync::Arc;

impl History for Store {
    fn sites(&self) -> Result<Vec<(String, Zone)>, Trouble> {
        self.counted()?;
        let board = locked(&self.board);
        let sites = board.sites();
        let mut sites: Vec<_> = sites
            .map(|site| (site.name.clone(), site.zone.clone()))
            .collect();
        sites.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(sites)
    }

    fn totals(&self, site: &str, from: Date, to: Date) -> Result<Vec<(Date, Totals)>, Trouble> {
        self.counted()?;
        let board = locked(&self.board);
        let Some(site) = board.named(site) else {
            return Ok(Vec::new());
        };
        let totals = site.spans.between(from, to).iter();
        let totals = totals.map(|span| {
            let totals = match &span.state {
                State::Open { day, .. } => day.totals(),
                State::Closed | State::Stale => span.totals,
            };
            (span.date, totals)
        });
        Ok(totals
            .filter(|(_, totals)| *totals != Totals::default())
            .collect())
    }

    fn days(
        &self,
        site: &str,
        from: Date,
        to: Date,
        detail: Detail,
        each: &mut dyn FnMut(Date, &dyn Tallied),
    ) -> Result<(), Trouble> {
        self.counted()?;
        let (id, dates): (i64, Vec<Date>) = {
            let board = locked(&self.board);
            let Some(site) = board.named(site) else {
                return Ok(());
            };
            let spans = site.spans.between(from, to).iter();
            (site.id, spans.map(|span| span.date).collect())
        };
        for date in dates {
            // A visit that just came may have opened the day again.
            if self.is_stale(site, date) {
                self.counted()?;
            }
            let revision = {
                let board = locked(&self.board);
                let span = board.named(site).and_then(|site| site.spans.get(date));
                let Some(span) = span else { continue };
                if let State::Open { day, .. } = &span.state {
                    // The writer waits meanwhile, as it would for its own counting: some 3 ms for
                    // a busy day, 60 ms at most. `each` may not ask the store anything.
                    let day: &OpenDay = day;
                    each(date, day);
                    continue;
                }
                span.revision
            };
            if let Some(day) = self.closed(id, date, detail, revision)? {
                each(date, &*day);
            }
        }
        Ok(())
    }

    fn version(&self) -> u64 {
        locked(&self.board).version
    }

    fn forget_cache(&self) {
        locked(&self.cache).clear();
    }

    fn delete_before(&self, site: Option<&str>, date: Date) -> Result<u64, Trouble> {
        self.delete_days(site, date)
            .map_err(|failure| failure.trouble)
    }

    fn recent(&self, site: Option<&str>, since: i64) -> (u64, u64) {
        // A database that cannot be read has no last minutes either.
        let _ = self.settle();
        let now = self.now();
        let board = locked(&self.board);
        let sites = board.sites();
        let sites = sites.filter(|known| site.is_none_or(|site| known.name == site));
        sites.fold((0, 0), |(guests, views), site| {
            let (more_guests, more_views) = site.recent.count(since, now);
            (
                guests.saturating_add(more_guests),
                views.saturating_add(more_views),
            )
        })
    }
}

impl Store {
    /// Sees that open days are counted: after a start, whoever asks first may come before the sink.
    fn counted(&self) -> Result<(), Trouble> {
        self.settle().map_err(|failure| failure.trouble)
    }

    fn is_stale(&self, site: &str, date: Date) -> bool {
        let board = locked(&self.board);
        let span = board.named(site).and_then(|site| site.spans.get(date));
        span.is_some_and(|span| matches!(span.state, State::Stale))
    }

    /// A closed day, from memory or from the database.
    fn closed(
        &self,
        site: i64,
        date: Date,
        detail: Detail,
        revision: u64,
    ) -> Result<Option<Arc<Day>>, Trouble> {
        if let Some(day) = locked(&self.cache).get(site, date, detail, revision) {
            return Ok(Some(day));
        }
        let day = self.read(site, date, detail);
        let Some(day) = day.map_err(|failure| failure.trouble)? else {
            return Ok(None);
        };
        let day = Arc::new(day);
        locked(&self.cache).put(site, date, detail, revision, day.clone());
        Ok(Some(day))
    }

    fn read(&self, site: i64, date: Date, detail: Detail) -> Result<Option<Day>, Failure> {
        let mut reader = locked(&self.reader);
        let db = match reader.take() {
            Some(db) => db,
            None => schema::reader(&self.path)?,
        };
        let read = days::read(&db, site, date, detail);
        let day = read.map_err(|error| self.failed(&error))?;
        // One that failed is not used again.
        if !self.is_retired() {
            *reader = Some(db);
        }
        day.transpose().map_err(|what| {
            let what = format!("the counts of {date}: {what}");
            Failure::new(Kind::Damaged, damaged(&self.path, &what))
        })
    }
}
