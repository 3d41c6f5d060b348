//! The numbers of today, of the last days, and of all time.

use super::{Numbers, Pair, Scope, sum};
use crate::visits::statistics::{Counts, Date, Filter, History, Trouble};
use serde::Serialize;

/// Minutes that count as now.
const LIVE_MINUTES: i64 = 5;
/// Microseconds in a minute.
const MINUTE: i64 = 60_000_000;

/// The overview.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// The only site that it is about.
    pub site: Option<String>,
    /// The sites that there are to ask about, sorted.
    pub sites: Vec<String>,
    /// The zone of its dates.
    pub time_zone: String,
    /// When it was made, seconds since the Unix epoch.
    pub generated: f64,
    /// The last minutes, whatever the filters.
    pub live: Live,
    /// Today so far; before it, yesterday up to and including the same hour.
    pub today: Span,
    /// Yesterday; before it, the day before.
    pub yesterday: Span,
    /// Today and the six days before it.
    pub days_7: Span,
    /// Today and the 29 days before it.
    pub days_30: Span,
    /// Everything.
    pub all_time: Span,
}

/// The last minutes.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Live {
    /// How many minutes.
    pub minutes: i64,
    /// Visitors in them.
    pub guests: u64,
    /// Page views in them.
    pub views: u64,
}

/// Some days together.
#[derive(Debug, Clone, Serialize)]
pub struct Span {
    /// The first date.
    pub from: Date,
    /// The last date.
    pub to: Date,
    /// Guests, the sum of the days'.
    pub guests: u64,
    /// Page views.
    pub views: u64,
    /// Pieces of pages. They are not told apart by anything: none when there is a filter.
    pub partials: Option<u64>,
    /// In browsers.
    pub web: Pair,
    /// In the site's own app.
    pub app: Pair,
    /// The days before; none for all time.
    pub before: Option<Pair>,
    /// By how much it is more than before.
    pub change: Option<Change>,
}

/// Change in percent, with one decimal; none when there was nothing before.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Change {
    /// Of guests.
    pub guests: Option<f64>,
    /// Of views.
    pub views: Option<f64>,
}

/// From `before` to `now`, percent with one decimal.
fn change(now: u64, before: u64) -> Option<f64> {
    let percent = (now as f64 - before as f64) / before as f64 * 100.0;
    (before > 0).then_some((percent * 10.0).round() / 10.0)
}

impl Span {
    fn new(
        (from, to): (Date, Date),
        numbers: Numbers,
        before: Option<Counts>,
        filter: &Filter,
    ) -> Span {
        let all = numbers.split.sum();
        let is_whole = *filter == Filter::default();
        Span {
            from,
            to,
            guests: all.guests,
            views: all.views,
            partials: is_whole.then_some(numbers.partials),
            web: numbers.split.web.into(),
            app: numbers.split.app.into(),
            before: before.map(Pair::from),
            change: before.map(|before| Change {
                guests: change(all.guests, before.guests),
                views: change(all.views, before.views),
            }),
        }
    }
}

/// The overview.
///
/// # Errors
/// The store cannot tell.
pub fn overview(
    history: &dyn History,
    scope: &Scope,
    filter: &Filter,
) -> Result<Overview, Trouble> {
    let today = scope.today;
    let days = scope.days(history, filter, (Date(i32::MIN), today))?;
    let first = days.keys().next().copied().unwrap_or(today);
    let of = |from: Date, to: Date| sum(&days, from, to);
    let last = |count: i32, until: Date| {
        let from = until.plus(1 - count);
        let before = of(from.plus(-count), from.plus(-1)).split.sum();
        Span::new((from, until), of(from, until), Some(before), filter)
    };
    let so_far = scope.yesterday_so_far(history, filter)?.sum();
    let since = scope.now.saturating_sub(LIVE_MINUTES * MINUTE);
    let (guests, views) = history.recent(scope.site.as_deref(), since);
    let mut sites: Vec<String> = history.sites()?.into_iter().map(|(name, _)| name).collect();
    sites.sort();
    Ok(Overview {
        site: scope.site.clone(),
        sites,
        time_zone: scope.zone.name().to_string(),
        generated: (scope.now / 10_000) as f64 / 100.0,
        live: Live {
            minutes: LIVE_MINUTES,
            guests,
            views,
        },
        today: Span::new((today, today), of(today, today), Some(so_far), filter),
        yesterday: last(1, today.plus(-1)),
        days_7: last(7, today),
        days_30: last(30, today),
        all_time: Span::new((first, today), of(first, today), None, filter),
    })
}
