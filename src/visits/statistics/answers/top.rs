//! What occurs most.

use super::{Pair, Scope, all_days};
use crate::visits::statistics::{By, Counts, Date, Filter, History, INTERNAL, Tally, Trouble};
use serde::Serialize;

/// What is put in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Paths.
    Pages,
    /// ISO 3166-1 alpha-2; `ZZ` for unknown.
    Countries,
    /// Other sites, and `(direct)`.
    Referrers,
    /// Kinds of devices.
    Devices,
    /// Families of browsers.
    Browsers,
    /// Families of systems.
    Systems,
}

impl Subject {
    fn by(self) -> By {
        match self {
            Subject::Pages => By::Page,
            Subject::Countries => By::Country,
            Subject::Referrers => By::Referrer,
            Subject::Devices => By::Device,
            Subject::Browsers => By::Browser,
            Subject::Systems => By::Os,
        }
    }
}

/// A part of the list of what occurs most.
#[derive(Debug, Clone, Serialize)]
pub struct Top {
    /// The first date.
    pub from: Date,
    /// The last date.
    pub to: Date,
    /// The part that was asked for, most views first, then by name.
    pub items: Vec<Item>,
    /// All that is in the total and not in this part.
    pub others: Pair,
    /// The whole list's sum. Its guests are the sum of the items', so on pages each counts for
    /// every page.
    pub total: Pair,
    /// How many there are in the whole list.
    pub count: usize,
    /// How long a part is.
    pub limit: usize,
    /// Where this part begins.
    pub offset: usize,
    /// Where the next one begins; none after the last.
    pub next: Option<usize>,
}

/// One of a list.
#[derive(Debug, Clone, Serialize)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// Page views.
    pub views: u64,
    /// Guests.
    pub guests: u64,
    /// Its part of all views, from 0 to 1, with four decimals.
    pub share: f64,
}

/// A part of the list: `limit` items from `offset` on, of so many days up to today.
///
/// # Errors
/// The store cannot tell.
pub fn top(
    history: &dyn History,
    scope: &Scope,
    filter: &Filter,
    subject: Subject,
    days: i32,
    (offset, limit): (usize, usize),
) -> Result<Top, Trouble> {
    let (from, to) = (scope.today.plus(1 - days), scope.today);
    let mut tally = Tally::new(subject.by());
    for (site, zone) in &scope.sites {
        let until = scope.until(zone, to);
        all_days(history, site, (from, until), filter, &mut tally)?;
    }
    let is_listed = |name: &str| subject != Subject::Referrers || name != INTERNAL;
    let mut list: Vec<(&str, Counts)> = tally.names().filter(|(n, _)| is_listed(n)).collect();
    let total = list
        .iter()
        .fold(Counts::default(), |sum, (_, c)| sum.and(*c));
    let count = list.len();
    let order = |a: &(&str, Counts), b: &(&str, Counts)| {
        let views = b.1.views.cmp(&a.1.views);
        views.then_with(|| a.0.cmp(b.0))
    };
    // Long lists are put in order only as far as they are shown.
    let end = offset.saturating_add(limit).min(count);
    if end > 0 && end < count {
        list.select_nth_unstable_by(end - 1, order);
    }
    list.truncate(end);
    list.sort_unstable_by(order);
    let share = |views: u64| match total.views {
        0 => 0.0,
        all => (views as f64 / all as f64 * 10_000.0).round() / 10_000.0,
    };
    let shown = list.get(offset.min(end)..).unwrap_or_default();
    let sum = shown
        .iter()
        .fold(Counts::default(), |sum, (_, c)| sum.and(*c));
    Ok(Top {
        from,
        to,
        items: shown
            .iter()
            .map(|(name, counts)| Item {
                name: (*name).to_string(),
                views: counts.views,
                guests: counts.guests,
                share: share(counts.views),
            })
            .collect(),
        others: total.without(sum).into(),
        total: total.into(),
        count,
        limit,
        offset,
        next: (end < count).then_some(end),
    })
}
