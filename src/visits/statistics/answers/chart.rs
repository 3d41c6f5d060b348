//! Views and guests along time, without gaps.

use super::{HOUR, Pair, Scope, each_day, sum};
use crate::visits::statistics::calendar::LAST_HOUR;
use crate::visits::statistics::{By, Date, Filter, History, Split, Tally, Trouble, Zone};
use serde::Serialize;

/// How long a point of a chart lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// An hour.
    Hourly,
    /// A day.
    Daily,
    /// A week from Monday on.
    Weekly,
    /// A month.
    Monthly,
}

/// A chart.
#[derive(Debug, Clone, Serialize)]
pub struct Chart {
    /// How long a point lasts.
    pub period: Period,
    /// The first date.
    pub from: Date,
    /// The last date: today. The last week or month is not over yet.
    pub to: Date,
    /// The points, oldest first.
    pub points: Vec<Point>,
}

/// A point of a chart.
#[derive(Debug, Clone, Serialize)]
pub struct Point {
    /// Its first date; for an hour its beginning by RFC 3339.
    pub start: String,
    /// Its beginning, seconds since the Unix epoch.
    pub time: i64,
    /// Page views.
    pub views: u64,
    /// Guests; of an hour, the visitors that were seen in it.
    pub guests: u64,
    /// In browsers.
    pub web: Pair,
    /// In the site's own app.
    pub app: Pair,
    /// The same point one range earlier.
    pub before: Pair,
}

impl Point {
    fn new(start: String, micros: i64, split: Split, before: Split) -> Point {
        let all = split.sum();
        Point {
            start,
            time: micros.div_euclid(1_000_000),
            views: all.views,
            guests: all.guests,
            web: split.web.into(),
            app: split.app.into(),
            before: before.sum().into(),
        }
    }
}

/// A chart of so many periods (of days, when it is hourly) up to today.
///
/// # Errors
/// The store cannot tell.
pub fn chart(
    history: &dyn History,
    scope: &Scope,
    filter: &Filter,
    period: Period,
    count: i32,
) -> Result<Chart, Trouble> {
    if period == Period::Hourly {
        return hourly(history, scope, filter, count);
    }
    let start = |point: i32| -> Date {
        let later = point - (count - 1);
        match period {
            Period::Weekly => scope.today.monday().plus(later.saturating_mul(7)),
            Period::Monthly => scope.today.month(later),
            Period::Hourly | Period::Daily => scope.today.plus(later),
        }
    };
    let days = scope.days(history, filter, (start(-count), scope.today))?;
    let split = |point: i32| sum(&days, start(point), start(point + 1).plus(-1)).split;
    let points = (0..count).map(|point| {
        let date = start(point);
        let micros = scope.zone.start(date);
        Point::new(date.to_string(), micros, split(point), split(point - count))
    });
    Ok(Chart {
        period,
        from: start(0),
        to: scope.today,
        points: points.collect(),
    })
}

/// The hours of dates that follow each other.
struct Hours {
    first: Date,
    dates: Vec<[Split; LAST_HOUR as usize + 1]>,
}

impl Hours {
    fn at(&mut self, date: Date, hour: u8) -> Option<&mut Split> {
        let date = usize::try_from(date.since(self.first)).ok()?;
        self.dates.get_mut(date)?.get_mut(usize::from(hour))
    }

    /// Adds a date's hours in a zone of its own to the hours in which they began.
    fn add(&mut self, (date, zone): (Date, &Zone), tally: &Tally, to: &Zone) {
        let start = zone.start(date);
        for (hour, split) in (0_u8..).zip(tally.hours()) {
            if split.sum().is_nothing() {
                continue;
            }
            let place = match zone == to {
                true => (date, hour),
                false => to.place(start.saturating_add(i64::from(hour) * HOUR)),
            };
            if let Some(sum) = self.at(place.0, place.1) {
                sum.add_all(*split);
            }
        }
    }
}

fn hourly(
    history: &dyn History,
    scope: &Scope,
    filter: &Filter,
    count: i32,
) -> Result<Chart, Trouble> {
    let from = scope.today.plus(1 - count);
    let first = from.plus(-count);
    let length = usize::try_from(count.saturating_mul(2)).unwrap_or(0);
    let mut hours = Hours {
        first,
        dates: vec![[Split::default(); LAST_HOUR as usize + 1]; length],
    };
    for (site, zone) in &scope.sites {
        // Other zones' dates reach into the ones before and after.
        let range = match *zone == scope.zone {
            true => (first, scope.today),
            false => (first.plus(-1), scope.today.plus(1)),
        };
        let mut add = |date: Date, tally: &Tally| hours.add((date, zone), tally, &scope.zone);
        each_day(history, site, range, filter, By::Hour, &mut add)?;
    }
    let mut points = Vec::new();
    for date in (0..count).map(|later| from.plus(later)) {
        let start = scope.zone.start(date);
        for hour in 0..scope.zone.hours(date) {
            let micros = start.saturating_add(i64::from(hour) * HOUR);
            let split = hours.at(date, hour).copied().unwrap_or_default();
            let before = hours.at(date.plus(-count), hour).copied();
            let text = scope.zone.text(micros);
            points.push(Point::new(text, micros, split, before.unwrap_or_default()));
        }
    }
    Ok(Chart {
        period: Period::Hourly,
        from,
        to: scope.today,
        points,
    })
}
