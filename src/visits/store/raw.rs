//! Raw rows: one per visit, found by its time.

use crate::visits::address::AddressKind;
use crate::visits::statistics::{Fact, OpenDay};
use crate::visits::visit::{Device, NOWHERE, Source, Visit};
use rusqlite::{Connection, ErrorCode, Result, Row, Statement};
use std::fmt::Write;
use std::net::IpAddr;

const INSERT: &str = "INSERT INTO visits VALUES
    (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22,?23,?24,?25)";

const COUNTED: &str = "SELECT id, source, partial, device, country, visitor, path, referrer_host,
    browser, os, referrer IS NOT NULL FROM visits WHERE id >= ?1 AND id < ?2 AND site = ?3";

/// Neighbouring microseconds that are tried one by one, before others at random.
const NEAR: u32 = 8;
/// Microseconds that are tried in all; 40 or so would do for any crowd.
const MOST: u32 = 1000;

/// Puts rows in.
pub struct Inserter<'db> {
    statement: Statement<'db>,
    ip: AddressKind,
    text: String,
    /// The time that was asked for last, the one that was given, and whether that was sought
    /// backwards: a crowd in one microsecond does not begin its search at the same place again.
    last: (i64, i64, bool),
}

impl<'db> Inserter<'db> {
    /// For one transaction.
    ///
    /// # Errors
    /// SQLite's.
    pub fn new(db: &'db Connection, ip: AddressKind) -> Result<Self> {
        Ok(Inserter {
            statement: db.prepare(INSERT)?,
            ip,
            text: String::new(),
            last: (i64::MIN, i64::MIN, false),
        })
    }

    /// Puts a visit in, at `time` or a microsecond soon after it that is free; before it when what
    /// comes after is not before `ends`, where another day begins.
    ///
    /// # Errors
    /// SQLite's.
    pub fn insert(&mut self, visit: &Visit<'_>, site: i64, time: i64, ends: i64) -> Result<()> {
        self.bind(visit, site)?;
        let (mut id, mut back) = match self.last {
            // In the order of time, what was given is taken, and what is behind it is free.
            (last, id, back) if last == time || (!back && last < time && time <= id) => {
                (next(id, 1, back), back)
            }
            _ => (time, false),
        };
        let mut tried = 0_u32;
        loop {
            if !back && id >= ends {
                (id, back) = (next(time, 1, true), true);
            }
            self.statement.raw_bind_parameter(1, id)?;
            match self.statement.raw_execute() {
                Ok(_) => break,
                Err(error) if is_taken(&error) && tried < MOST => {}
                Err(error) => return Err(error),
            }
            tried = tried.saturating_add(1);
            // A crowd of unknown size: anywhere in twice as much room each time. Twice the crowd
            // is enough, and then every second try finds a free one.
            id = match tried.checked_sub(NEAR) {
                None => next(id, 1, back),
                Some(beyond) => {
                    let room = 1_i64 << beyond.saturating_add(4).min(40);
                    next(
                        time,
                        rand::random::<u64>().cast_signed().rem_euclid(room),
                        back,
                    )
                }
            };
        }
        self.last = (time, id, back);
        Ok(())
    }

    fn bind(&mut self, visit: &Visit<'_>, site: i64) -> Result<()> {
        self.text.clear();
        if let Some(address) = visit.address.and_then(|address| self.ip.apply(address)) {
            write_address(&mut self.text, address);
        }
        let row = &mut self.statement;
        row.raw_bind_parameter(2, site)?;
        row.raw_bind_parameter(3, u8::from(visit.source == Source::App))?;
        row.raw_bind_parameter(4, visit.partial)?;
        row.raw_bind_parameter(5, visit.device.number())?;
        row.raw_bind_parameter(6, visit.country())?;
        row.raw_bind_parameter(7, visit.visitor.cast_signed())?;
        row.raw_bind_parameter(8, visit.path)?;
        row.raw_bind_parameter(9, known(visit.referrer_host))?;
        row.raw_bind_parameter(10, known(visit.browser))?;
        row.raw_bind_parameter(11, known(visit.os))?;
        row.raw_bind_parameter(12, known(visit.referrer))?;
        row.raw_bind_parameter(13, visit.session.cast_signed())?;
        row.raw_bind_parameter(14, visit.status)?;
        row.raw_bind_parameter(15, visit.took)?;
        row.raw_bind_parameter(16, visit.id.to_be_bytes().as_slice())?;
        row.raw_bind_parameter(17, visit.asn)?;
        row.raw_bind_parameter(18, known(&self.text))?;
        row.raw_bind_parameter(19, known(visit.region))?;
        row.raw_bind_parameter(20, known(visit.city))?;
        row.raw_bind_parameter(21, known(visit.language))?;
        row.raw_bind_parameter(22, known(visit.user_agent))?;
        row.raw_bind_parameter(23, known(visit.utm_source))?;
        row.raw_bind_parameter(24, known(visit.utm_medium))?;
        row.raw_bind_parameter(25, known(visit.utm_campaign))
    }
}

fn next(id: i64, step: i64, back: bool) -> i64 {
    if back {
        id.saturating_sub(step)
    } else {
        id.saturating_add(step)
    }
}

fn is_taken(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ConstraintViolation)
}

/// What is not known takes no room in a row.
fn known(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn write_address(text: &mut String, address: IpAddr) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{address}");
}

/// A row as it is counted, with its time.
struct Counted<'a>(i64, Fact<'a>);

fn counted<'a>(row: &'a Row<'_>) -> Result<Counted<'a>> {
    let device = usize::from(row.get::<_, u8>(3)?);
    let country = text(row, 4)?.as_bytes();
    let referrer = text(row, 7)?;
    let fact = Fact {
        hour: 0,
        source: match row.get::<_, u8>(1)? {
            1 => Source::App,
            _ => Source::Web,
        },
        partial: row.get(2)?,
        device: *Device::ALL.get(device).unwrap_or(&Device::Other),
        country: country.try_into().unwrap_or(NOWHERE),
        page: text(row, 6)?,
        referrer,
        internal: referrer.is_empty() && row.get(10)?,
        browser: text(row, 8)?,
        os: text(row, 9)?,
        visitor: row.get::<_, i64>(5)?.cast_unsigned(),
    };
    Ok(Counted(row.get(0)?, fact))
}

/// A text that another program wrote may be no UTF-8: it is taken as unknown.
fn text<'a>(row: &'a Row<'_>, column: usize) -> Result<&'a str> {
    let value = row.get_ref(column)?;
    Ok(value.as_str_or_null().ok().flatten().unwrap_or(""))
}

/// Counts the rows of a site from `begins` until before `ends`. `note` is told each one's time and
/// fact, `hour` numbers hours.
///
/// # Errors
/// SQLite's.
pub fn count_again(
    db: &Connection,
    site: i64,
    (begins, ends): (i64, i64),
    hour: impl Fn(i64) -> u8,
    mut note: impl FnMut(i64, &Fact<'_>),
) -> Result<OpenDay> {
    let mut day = OpenDay::default();
    let mut statement = db.prepare(COUNTED)?;
    let mut rows = statement.query((begins, ends, site))?;
    while let Some(row) = rows.next()? {
        let Counted(time, mut fact) = counted(row)?;
        fact.hour = hour(time);
        day.count(&fact);
        note(time, &fact);
    }
    Ok(day)
}

/// Removes the rows from `cursor` until before `limit`, of one site or of all, at most about
/// `most`. Gives how many went, and where to go on; `None` when it is done.
///
/// # Errors
/// SQLite's.
pub fn delete_some(
    db: &Connection,
    site: Option<i64>,
    (cursor, limit): (i64, i64),
    most: u32,
) -> Result<(usize, Option<i64>)> {
    let last: Option<i64> = db.query_row(
        "SELECT max(id) FROM
            (SELECT id FROM visits WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT ?3)",
        (cursor, limit, most),
        |row| row.get(0),
    )?;
    let Some(last) = last else {
        return Ok((0, None));
    };
    let gone = match site {
        None => db.execute(
            "DELETE FROM visits WHERE id >= ?1 AND id <= ?2",
            (cursor, last),
        )?,
        Some(site) => db.execute(
            "DELETE FROM visits WHERE id >= ?1 AND id <= ?2 AND site = ?3",
            (cursor, last, site),
        )?,
    };
    Ok((gone, last.checked_add(1)))
}

/// The time of the newest row, and of the oldest.
///
/// # Errors
/// SQLite's.
pub fn bounds(db: &Connection) -> Result<Option<(i64, i64)>> {
    let newest = db.query_row("SELECT max(id) FROM visits", [], |row| row.get(0))?;
    let oldest = db.query_row("SELECT min(id) FROM visits", [], |row| row.get(0))?;
    Ok(Option::zip(oldest, newest))
}
