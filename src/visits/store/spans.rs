//! Which of a site's days a moment belongs to.
//!
//! The days of a site lie on the line of time without overlaps, and none of them changes once it
//! is counted. A new time zone would move the bounds of all days; instead, days that were counted
//! stay as they were told, and the new zone's days begin where they end. A day then has a few
//! hours more or less, once, and every visit is still in exactly one day.

use crate::visits::statistics::{Date, OpenDay, Totals, Zone};
use std::sync::Arc;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;
/// The last hour of a day of 25 hours.
const LAST_HOUR: i64 = 24;

/// How a day is held.
#[derive(Debug)]
pub enum State {
    /// Its counts are in the `days` table.
    Closed,
    /// Its raw rows have to be counted (again).
    Stale,
    /// It is being counted. Only the thread that writes changes it; shared so that this thread can
    /// close it without keeping readers out.
    Open {
        /// The counts.
        day: Arc<OpenDay>,
        /// When a visit came last, microseconds since the epoch.
        touched: i64,
    },
}

/// A site's day.
#[derive(Debug)]
pub struct Span {
    /// Its date.
    pub date: Date,
    /// The instant from which its hours are numbered, microseconds since the epoch.
    pub midnight: i64,
    /// Its first microsecond.
    pub begins: i64,
    /// The microsecond after its last.
    pub ends: i64,
    /// All of its visits still have their raw row, so that it can be counted again.
    pub whole: bool,
    /// The `days` table knows it as it is here.
    pub stored: bool,
    /// Of a closed day.
    pub totals: Totals,
    /// Changes when the closed day changes.
    pub revision: u64,
    /// How it is held.
    pub state: State,
}

impl Span {
    /// Whole hours since its midnight, 0..=24.
    pub fn hour(&self, time: i64) -> u8 {
        let hour = time.saturating_sub(self.midnight).div_euclid(HOUR);
        u8::try_from(hour.clamp(0, LAST_HOUR)).unwrap_or(0)
    }

    /// Itself without its counts, which only the writer may hold beside the board.
    pub fn bare(&self) -> Span {
        let state = match self.state {
            State::Closed => State::Closed,
            State::Stale | State::Open { .. } => State::Stale,
        };
        let Span {
            date,
            midnight,
            begins,
            ends,
            whole,
            stored,
            totals,
            revision,
            ..
        } = *self;
        Span {
            date,
            midnight,
            begins,
            ends,
            whole,
            stored,
            totals,
            revision,
            state,
        }
    }

    /// Whether the moment is in it.
    pub fn holds(&self, time: i64) -> bool {
        self.begins <= time && time < self.ends
    }
}

/// The days of a site that have visits, in the order of time, which is that of their dates too.
#[derive(Debug, Default)]
pub struct Spans(Vec<Span>);

impl Spans {
    /// Takes days as they were stored, in any order.
    pub fn new(mut spans: Vec<Span>) -> Self {
        spans.sort_by_key(|span| span.date);
        Spans(spans)
    }

    /// The days, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Span> {
        self.0.iter()
    }

    /// The days, oldest first.
    pub fn iter_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut Span> {
        self.0.iter_mut()
    }

    /// The days of these dates, both included.
    pub fn between(&self, from: Date, to: Date) -> &[Span] {
        let first = self.0.partition_point(|span| span.date < from);
        let end = self.0.partition_point(|span| span.date <= to);
        self.0.get(first..end).unwrap_or(&[])
    }

    /// The day of a date.
    pub fn get(&self, date: Date) -> Option<&Span> {
        let at = self.0.binary_search_by_key(&date, |span| span.date).ok()?;
        self.0.get(at)
    }

    /// The day of a date.
    pub fn get_mut(&mut self, date: Date) -> Option<&mut Span> {
        let at = self.0.binary_search_by_key(&date, |span| span.date).ok()?;
        self.0.get_mut(at)
    }

    /// Removes the days that `keep` does not keep.
    pub fn retain(&mut self, keep: impl FnMut(&Span) -> bool) {
        self.0.retain(keep);
    }

    /// The day of a moment, made when there is none yet.
    pub fn place(&mut self, time: i64, zone: &Zone, now: i64) -> Option<&mut Span> {
        let after = self.0.partition_point(|span| span.begins <= time);
        let before = after.checked_sub(1);
        let at = match before {
            Some(before) if self.0.get(before).is_some_and(|span| span.holds(time)) => before,
            _ => self.fill(time, zone, now, after),
        };
        self.0.get_mut(at)
    }

    /// Gives a moment between two days (`after` is the later one's place) to one of them or to a
    /// new day, whichever leaves the dates in the order of time. Says which place it is.
    fn fill(&mut self, time: i64, zone: &Zone, now: i64, after: usize) -> usize {
        let (date, _) = zone.place(time);
        let (starts, ends) = (zone.start(date), zone.start(date.plus(1)));
        let floor = after.checked_sub(1).and_then(|at| self.0.get(at));
        let floor = floor.map_or((None, i64::MIN), |span| (Some(span.date), span.ends));
        let ceiling = self.0.get(after);
        let ceiling = ceiling.map_or((None, i64::MAX), |span| (Some(span.date), span.begins));
        if floor.0.is_some_and(|before| before >= date) {
            let at = after.saturating_sub(1);
            if let Some(span) = self.0.get_mut(at) {
                span.ends = zone
                    .start(span.date.plus(1))
                    .clamp(time.saturating_add(1), ceiling.1);
                span.stored = false;
            }
            return at;
        }
        if ceiling.0.is_some_and(|next| next <= date) {
            if let Some(span) = self.0.get_mut(after) {
                span.begins = zone.start(span.date).clamp(floor.1, time);
                span.stored = false;
            }
            return after;
        }
        let span = Span {
            date,
            midnight: starts,
            begins: starts.max(floor.1),
            ends: ends.min(ceiling.1).max(time.saturating_add(1)),
            whole: true,
            stored: false,
            totals: Totals::default(),
            revision: 0,
            state: State::Open {
                day: Arc::new(OpenDay::default()),
                touched: now,
            },
        };
        self.0.insert(after, span);
        after
    }

    /// Ends the day that goes on after `time` there when the new zone already has a later date.
    pub fn cut(&mut self, time: i64, zone: &Zone) {
        let (date, _) = zone.place(time);
        for span in &mut self.0 {
            if span.holds(time) && span.date < date {
                span.ends = time;
                span.stored = false;
            }
        }
    }
}
