//! The `days`, `sites` and `spools` tables.

use super::spans::{Span, State};
use crate::visits::spool::Position;
use crate::visits::statistics::{Date, Day, Detail, Totals};
use rusqlite::{Connection, OptionalExtension, Result, Row};

/// Forgotten spools are removed when there are more than this many: a spool's folder is made anew
/// rarely, and two may take turns when an operator tries something.
const SPOOLS: i64 = 8;

/// The stored sites: id, name, name of the zone.
///
/// # Errors
/// SQLite's.
pub fn sites(db: &Connection) -> Result<Vec<(i64, String, String)>> {
    let mut statement = db.prepare("SELECT id, name, zone FROM sites ORDER BY id")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// Stores a site, or its new zone.
///
/// # Errors
/// SQLite's.
pub fn put_site(db: &Connection, id: i64, name: &str, zone: &str) -> Result<()> {
    db.execute(
        "INSERT INTO sites (id, name, zone) VALUES (?1, ?2, ?3)
         ON CONFLICT (id) DO UPDATE SET zone = excluded.zone",
        (id, name, zone),
    )?;
    Ok(())
}

/// The stored days of all sites, without their counts: site and day.
///
/// # Errors
/// SQLite's.
pub fn load(db: &Connection) -> Result<Vec<(i64, Span)>> {
    let mut statement = db.prepare(
        "SELECT site, date, midnight, begins, ends, open, whole,
            views_web, views_app, guests_web, guests_app, partials FROM days",
    )?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, span(row)?)))?;
    rows.collect()
}

fn span(row: &Row<'_>) -> Result<Span> {
    let open: bool = row.get(5)?;
    let count = |column: usize| {
        row.get::<_, i64>(column)
            .map(|n| u64::try_from(n).unwrap_or(0))
    };
    Ok(Span {
        date: Date(row.get(1)?),
        midnight: row.get(2)?,
        begins: row.get(3)?,
        ends: row.get(4)?,
        whole: row.get(6)?,
        stored: true,
        totals: Totals {
            views_web: count(7)?,
            views_app: count(8)?,
            guests_web: count(9)?,
            guests_app: count(10)?,
            partials: count(11)?,
        },
        revision: 0,
        state: if open { State::Stale } else { State::Closed },
    })
}

/// Stores that a day is being counted: should the process end, its raw rows are counted again.
///
/// # Errors
/// SQLite's.
pub fn put_open(db: &Connection, site: i64, span: &Span) -> Result<()> {
    let open = !matches!(span.state, State::Closed);
    db.execute(
        "INSERT INTO days (site, date, midnight, begins, ends, open, whole)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (site, date) DO UPDATE SET
            begins = excluded.begins, ends = excluded.ends, open = excluded.open",
        (
            site,
            span.date.0,
            span.midnight,
            span.begins,
            span.ends,
            open,
            span.whole,
        ),
    )?;
    Ok(())
}

/// Stores a day's counts, and that it is closed.
///
/// # Errors
/// SQLite's.
pub fn put_closed(db: &Connection, site: i64, date: Date, day: &Day) -> Result<()> {
    let totals = day.totals();
    db.execute(
        "UPDATE days SET open = 0, views_web = ?3, views_app = ?4, guests_web = ?5,
            guests_app = ?6, partials = ?7, summary = ?8, tuples = ?9
         WHERE site = ?1 AND date = ?2",
        (
            site,
            date.0,
            totals.views_web.cast_signed(),
            totals.views_app.cast_signed(),
            totals.guests_web.cast_signed(),
            totals.guests_app.cast_signed(),
            totals.partials.cast_signed(),
            day.summary(),
            day.rows(),
        ),
    )?;
    Ok(())
}

/// Reads a closed day's counts. `None`: there is no such day (any more), or
/// it was never closed. The inner error says what
/// is wrong with its bytes.
///
/// # Errors
/// SQLite's.
pub fn read(
    db: &Connection,
    site: i64,
    date: Date,
    detail: Detail,
) -> Result<Option<std::result::Result<Day, String>>> {
    let query = match detail {
        Detail::Summary => "SELECT summary FROM days WHERE site = ?1 AND date = ?2",
        Detail::Rows => "SELECT summary, tuples FROM days WHERE site = ?1 AND date = ?2",
    };
    db.query_row(query, (site, date.0), |row| {
        let Some(summary) = row.get_ref(0)?.as_blob_or_null()? else {
            return Ok(None);
        };
        let rows = match detail {
            Detail::Summary => None,
            Detail::Rows => row.get_ref(1)?.as_blob_or_null()?,
        };
        Ok(Some(Day::from_parts(summary, rows)))
    })
    .optional()
    .map(Option::flatten)
}

/// Where a spool had been taken to.
///
/// # Errors
/// SQLite's.
pub fn position(db: &Connection, spool: u64) -> Result<Option<Position>> {
    db.query_row(
        "SELECT segment, offset FROM spools WHERE id = ?1",
        [spool.cast_signed()],
        |row| {
            Ok(Position {
                segment: row.get::<_, i64>(0)?.cast_unsigned(),
                offset: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        },
    )
    .optional()
}

/// Stores where a spool has been taken to.
///
/// # Errors
/// SQLite's.
pub fn put_position(db: &Connection, spool: u64, position: Position) -> Result<()> {
    let new = db.execute(
        "UPDATE spools SET segment = ?2, offset = ?3 WHERE id = ?1",
        (
            spool.cast_signed(),
            position.segment.cast_signed(),
            position.offset.cast_signed(),
        ),
    )? == 0;
    if new {
        db.execute(
            "DELETE FROM spools WHERE (SELECT count(*) FROM spools) >= ?1",
            [SPOOLS],
        )?;
        db.execute(
            "INSERT INTO spools (id, segment, offset) VALUES (?1, ?2, ?3)",
            (
                spool.cast_signed(),
                position.segment.cast_signed(),
                position.offset.cast_signed(),
            ),
        )?;
    }
    Ok(())
}
