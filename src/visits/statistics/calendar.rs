//! Local days and hours.
//!
//! A day lasts from the first instant of its date to that of the next date, so a day in which the
//! clock is put forward or back has 23 or 25 hours, and every instant is in exactly one day, also
//! where midnight does not exist or comes twice. Hours are counted from the day's beginning, not
//! read from the clock: none is missing, none comes twice.

use jiff::civil;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Microseconds in a second.
const SECOND: i64 = 1_000_000;
/// Seconds in an hour.
const HOUR: i64 = 3600;
/// Seconds in most days.
const DAY: i64 = 24 * HOUR;
/// The last hour of a day of 25 hours.
pub const LAST_HOUR: u8 = 24;

/// A day of a site's own calendar: days since 1970-01-01. As text `YYYY-MM-DD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Date(pub i32);

impl Date {
    /// The first and the last date that calendars here know (years 1 and 9998).
    const BOUNDS: (i32, i32) = (-719_162, 2_932_531);

    /// So many days later, or earlier.
    pub fn plus(self, days: i32) -> Date {
        Date(self.0.saturating_add(days))
    }

    /// How many days it is after the other one.
    pub fn since(self, other: Date) -> i32 {
        self.0.saturating_sub(other.0)
    }

    /// The Monday of its week.
    pub fn monday(self) -> Date {
        // 1970-01-01 was a Thursday.
        self.plus(-self.0.saturating_add(3).rem_euclid(7))
    }

    /// The first day of its month.
    pub fn first_of_month(self) -> Date {
        let (year, month, _) = self.civil();
        Date::from_civil(year, month, 1)
    }

    /// The first day of the month that is so many months later, or earlier.
    pub fn month(self, later: i32) -> Date {
        let (year, month, _) = self.civil();
        let months = year
            .saturating_mul(12)
            .saturating_add(month - 1)
            .saturating_add(later);
        Date::from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, 1)
    }

    /// Year, month and day of the Gregorian calendar. The algorithm is the one of
    /// chrono::civil_from_days in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms":
    /// eras of 400 years which begin in March, so that the leap day is the last of its year.
    fn civil(self) -> (i32, i32, i32) {
        let (first, last) = Date::BOUNDS;
        let days = self.0.clamp(first, last) + 719_468;
        let era = days.div_euclid(146_097);
        let day = days.rem_euclid(146_097);
        let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
        let day = day - (365 * year + year / 4 - year / 100);
        let month = (5 * day + 2) / 153;
        let day = day - (153 * month + 2) / 5 + 1;
        let (month, later) = if month < 10 {
            (month + 3, 0)
        } else {
            (month - 9, 1)
        };
        (year + era * 400 + later, month, day)
    }

    /// The reverse; years and months are as they come out of [`Date::civil`] and [`Date::month`].
    fn from_civil(year: i32, month: i32, day: i32) -> Date {
        let year = year.clamp(1, 9998) - i32::from(month <= 2);
        let of_era = year.rem_euclid(400);
        let march = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * march + 2) / 5 + day - 1;
        let of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
        Date(year.div_euclid(400) * 146_097 + of_era - 719_468)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.civil();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a date like 2026-11-21");
        let number = |part: Option<&str>, digits: usize| {
            let part = part.filter(|p| p.len() == digits && p.bytes().all(|b| b.is_ascii_digit()));
            part.and_then(|p| p.parse::<i32>().ok()).ok_or_else(wrong)
        };
        let mut parts = text.split('-');
        let year = number(parts.next(), 4)?;
        let month = number(parts.next(), 2)?;
        let day = number(parts.next(), 2)?;
        let date = Date::from_civil(year, month.clamp(1, 12), day);
        // 30 February is 1 or 2 March when it is counted: what does not come back is no date.
        if parts.next().is_some() || date.civil() != (year, month, day) {
            return Err(wrong());
        }
        Ok(date)
    }
}

/// The day that was asked about last, in one word, so that threads need no lock to share it: the
/// day's first second in the upper 35 bits (years 1426 to 2514), its seconds in the next 17, and in
/// the lowest 12 by how much the date is after the one that the first second has in UTC. A day that
/// does not fit is not kept.
#[derive(Debug, Default)]
struct Latest(AtomicU64);

impl Latest {
    fn get(&self) -> (i64, i64, i32) {
        let word = self.0.load(Ordering::Relaxed);
        let start = word.cast_signed() >> 29;
        let length = i64::try_from((word >> 12) & 0x1_ffff).unwrap_or(0);
        let ahead = i32::try_from(word & 0xfff).unwrap_or(0) - 2048;
        let utc = i32::try_from(start.div_euclid(DAY)).unwrap_or(0);
        (start, length, utc.saturating_add(ahead))
    }

    fn set(&self, start: i64, length: i64, date: Date) {
        let utc = i32::try_from(start.div_euclid(DAY)).unwrap_or(0);
        let ahead = date.0.saturating_sub(utc);
        if start.abs() < 1 << 34 && (1..1 << 17).contains(&length) && ahead.abs() < 2048 {
            let low = (length << 12) | i64::from(ahead + 2048);
            let word = (start << 29) | low;
            self.0.store(word.cast_unsigned(), Ordering::Relaxed);
        }
    }
}

/// A time zone of the IANA database.
#[derive(Debug, Clone)]
pub struct Zone {
    name: Arc<str>,
    zone: TimeZone,
    latest: Arc<Latest>,
}

impl PartialEq for Zone {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Zone {
    /// The zone of this name: `Europe/Paris`. The system's database is asked first, then the one in
    /// the binary.
    ///
    /// # Errors
    /// There is none of this name; the text says so.
    pub fn parse(name: &str) -> Result<Zone, String> {
        match TimeZone::get(name) {
            Ok(zone) => Ok(Zone::new(zone)),
            Err(_) => Err(format!(
                "{name:?} is not a time zone; one is \"Europe/Paris\", the names are those of \
                 https://en.wikipedia.org/wiki/List_of_tz_database_time_zones"
            )),
        }
    }

    /// Coordinated universal time.
    pub fn utc() -> Zone {
        Zone::new(TimeZone::UTC)
    }

    fn new(zone: TimeZone) -> Zone {
        Zone {
            name: zone.iana_name().unwrap_or("UTC").into(),
            zone,
            latest: Arc::default(),
        }
    }

    /// Its name in the database.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The date, and the whole hours since it began (0 to 24), of an instant in microseconds since
    /// the Unix epoch. Most questions are about the same day as the one before, and cost a few
    /// nanoseconds.
    pub fn place(&self, micros: i64) -> (Date, u8) {
        let seconds = micros.div_euclid(SECOND);
        let (start, length, date) = self.latest.get();
        let into = seconds.saturating_sub(start);
        if (0..length).contains(&into) {
            return (Date(date), hour(into));
        }
        let (date, start, end) = self.look_up(seconds);
        self.latest.set(start, end.saturating_sub(start), date);
        (date, hour(seconds.saturating_sub(start)))
    }

    /// The date of an instant (seconds), and where it begins and ends.
    fn look_up(&self, seconds: i64) -> (Date, i64, i64) {
        let offset = i64::from(self.offset(seconds));
        let days = seconds.saturating_add(offset).div_euclid(DAY);
        let (first, last) = Date::BOUNDS;
        let days = days.clamp(i64::from(first) + 2, i64::from(last) - 2);
        let mut date = Date(i32::try_from(days).unwrap_or(0));
        // What the clock shows and the day can differ by one where clocks are put back over
        // midnight.
        for _ in 0..2 {
            if self.start_seconds(date) > seconds {
                date = date.plus(-1);
            } else if self.start_seconds(date.plus(1)) <= seconds {
                date = date.plus(1);
            } else {
                break;
            }
        }
        let end = self.start_seconds(date.plus(1));
        (date, self.start_seconds(date), end)
    }

    /// The instant at which a date begins, microseconds since the Unix epoch. An instant `t` is in
    /// `date` exactly when `start(date) <= t < start(date.plus(1))`.
    pub fn start(&self, date: Date) -> i64 {
        self.start_seconds(date).saturating_mul(SECOND)
    }

    fn start_seconds(&self, date: Date) -> i64 {
        let (year, month, day) = date.civil();
        let civil = (
            i16::try_from(year).unwrap_or(1970),
            i8::try_from(month).unwrap_or(1),
            i8::try_from(day).unwrap_or(1),
        );
        let begin = civil::Date::new(civil.0, civil.1, civil.2)
            .ok()
            .and_then(|date| self.zone.to_timestamp(date.at(0, 0, 0, 0)).ok());
        begin.map_or(i64::from(date.0).saturating_mul(DAY), |t| t.as_second())
    }

    /// How many hours the date has, the last one perhaps only half: 24, and 23 or 25 when the clock
    /// is changed. None when the calendar left the date out, as Samoa did with 2011-12-30.
    pub fn hours(&self, date: Date) -> u8 {
        let end = self.start_seconds(date.plus(1));
        let length = end.saturating_sub(self.start_seconds(date));
        let hours = length.saturating_add(HOUR - 1) / HOUR;
        u8::try_from(hours.clamp(0, i64::from(LAST_HOUR) + 1)).unwrap_or(0)
    }

    /// An instant as text by RFC 3339, with whole seconds and the zone's offset.
    pub fn text(&self, micros: i64) -> String {
        let seconds = micros.div_euclid(SECOND);
        // Offsets of past centuries have seconds, RFC 3339's have not.
        let offset = self.offset(seconds) / 60 * 60;
        let local = seconds.saturating_add(i64::from(offset));
        let date = Date(i32::try_from(local.div_euclid(DAY)).unwrap_or(0));
        let of_day = local.rem_euclid(DAY);
        let (hour, minute, second) = (of_day / HOUR, of_day / 60 % 60, of_day % 60);
        let sign = if offset < 0 { '-' } else { '+' };
        let (ahead, minutes) = (offset.abs() / 3600, offset.abs() / 60 % 60);
        format!("{date}T{hour:02}:{minute:02}:{second:02}{sign}{ahead:02}:{minutes:02}")
    }

    /// How many seconds clocks are ahead of UTC at an instant.
    fn offset(&self, seconds: i64) -> i32 {
        let instant = jiff::Timestamp::from_second(seconds).unwrap_or_default();
        self.zone.to_offset(instant).seconds()
    }
}

/// Seconds since the day began, in hours. Days of more than 25 hours were only known when whole
/// countries changed their side of the date line.
fn hour(seconds: i64) -> u8 {
    let hours = (seconds / HOUR).clamp(0, i64::from(LAST_HOUR));
    u8::try_from(hours).unwrap_or(0)
}

#[cfg(test)]
mod tests;
