//! The database's file: made, checked and opened.

use super::trouble::{Failure, Kind, damaged, failure};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// `PRAGMA application_id`: "prvs". Tells our files from other programs' databases.
const APPLICATION: i64 = 0x7072_7673;
/// `PRAGMA user_version`: the layout of the tables.
const SCHEMA: i64 = 1;
/// How long a statement waits for another connection. Nobody but us writes, so only for an
/// operator's own tools.
pub const BUSY: Duration = Duration::from_secs(2);
/// SQLite moves the WAL into the database when a commit finds this many pages in it: 16 MiB.
const CHECKPOINT_PAGES: u32 = 2048;
/// What is left of the WAL's file when it begins anew.
pub const WAL_KEPT: u64 = 64 << 20;

/// Times are microseconds since the Unix epoch. A visit's `id` is its time, moved a little when
/// that microsecond was taken. `source`: 0 web, 1 app. `device`: 0 mobile, 1 tablet, 2 desktop,
/// 3 bot, 4 other. `date`: days since 1970-01-01. What counting needs comes first in a row, so
/// that nobody reads a user agent to count again.
const TABLES: &str = "
CREATE TABLE sites (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    zone TEXT NOT NULL
);
CREATE TABLE visits (
    id INTEGER PRIMARY KEY,
    site INTEGER NOT NULL,
    source INTEGER NOT NULL,
    partial INTEGER NOT NULL,
    device INTEGER NOT NULL,
    country TEXT NOT NULL,
    visitor INTEGER NOT NULL,
    path TEXT NOT NULL,
    referrer_host TEXT,
    browser TEXT,
    os TEXT,
    referrer TEXT,
    session INTEGER NOT NULL,
    status INTEGER NOT NULL,
    took INTEGER NOT NULL,
    uuid BLOB NOT NULL,
    asn INTEGER NOT NULL,
    address TEXT,
    region TEXT,
    city TEXT,
    language TEXT,
    user_agent TEXT,
    utm_source TEXT,
    utm_medium TEXT,
    utm_campaign TEXT
);
CREATE TABLE days (
    site INTEGER NOT NULL,
    date INTEGER NOT NULL,
    midnight INTEGER NOT NULL,
    begins INTEGER NOT NULL,
    ends INTEGER NOT NULL,
    open INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    views_web INTEGER NOT NULL DEFAULT 0,
    views_app INTEGER NOT NULL DEFAULT 0,
    guests_web INTEGER NOT NULL DEFAULT 0,
    guests_app INTEGER NOT NULL DEFAULT 0,
    partials INTEGER NOT NULL DEFAULT 0,
    summary BLOB,
    tuples BLOB,
    PRIMARY KEY (site, date)
);
CREATE TABLE spools (
    id INTEGER PRIMARY KEY,
    segment INTEGER NOT NULL,
    offset INTEGER NOT NULL
);
CREATE VIEW readable AS SELECT
    strftime('%Y-%m-%d %H:%M:%f', visits.id / 1000000.0, 'unixepoch') AS time,
    sites.name AS site,
    CASE source WHEN 0 THEN 'web' ELSE 'app' END AS source,
    CASE device WHEN 0 THEN 'mobile' WHEN 1 THEN 'tablet' WHEN 2 THEN 'desktop'
        WHEN 3 THEN 'bot' ELSE 'other' END AS device,
    partial, status, took / 1000.0 AS milliseconds, path, referrer, country, region, city, asn,
    address, browser, os, language, user_agent, utm_source, utm_medium, utm_campaign,
    printf('%016x', visitor) AS visitor, printf('%016x', session) AS session, hex(uuid) AS uuid
FROM visits LEFT JOIN sites ON sites.id = visits.site;
";

/// Says that this process writes to a database: two of them would not know of each other's
/// counts. A file beside it, because closing the database's own file would take away the locks
/// that SQLite has on it.
///
/// # Errors
/// Another process (or store of this one) has it, or the folder cannot be written.
pub fn claim(path: &Path) -> Result<File, Failure> {
    check_place(path)?;
    let lock = beside(path, "-lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&lock)
        .map_err(|error| unusable(path, &error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Failure::new(
            Kind::Busy,
            format!(
                "{} is written by another parvis: give each its own database",
                path.display()
            ),
        )),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

/// Opens the database to write, and makes it when it is missing.
///
/// # Errors
/// It cannot be made or used; the text says what to do.
pub fn writer(path: &Path) -> Result<Connection, Failure> {
    check_place(path)?;
    // SQLite gives -wal and -shm the mode of the database.
    let made = OpenOptions::new()
        .create_new(true)
        .write(true)
        .mode(0o600)
        .open(path);
    match made {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(unusable(path, &error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(|error| failure(path, &error))?;
    prepare(&db, path)?;
    Ok(db)
}

fn prepare(db: &Connection, path: &Path) -> Result<(), Failure> {
    let failed = |error: rusqlite::Error| failure(path, &error);
    db.busy_timeout(BUSY).map_err(failed)?;
    // Both only have an effect on a new file.
    db.execute_batch("PRAGMA page_size = 8192; PRAGMA auto_vacuum = INCREMENTAL;")
        .map_err(failed)?;
    let new = check(db, path)?;
    if db.is_readonly("main").map_err(failed)? {
        let read_only = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_READONLY);
        let read_only = rusqlite::Error::SqliteFailure(read_only, None);
        return Err(failure(path, &read_only));
    }
    let mode: String = db
        .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
        .map_err(failed)?;
    if mode != "wal" {
        return Err(Failure::new(
            Kind::Other,
            format!(
                "{}: SQLite cannot keep a WAL there (it is {mode}): put the database on a local disk",
                path.display()
            ),
        ));
    }
    // What is deleted is overwritten: addresses that are kept for so long and no longer do not stay
    // in pages that are free.
    //
    // Autocommits and batches survive the end of the process at once; a power cut may take the
    // last of them, which are then taken from the spool again as far as it has them.
    db.execute_batch(&format!(
        "PRAGMA synchronous = NORMAL; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -8192;
         PRAGMA secure_delete = ON;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}; PRAGMA journal_size_limit = {WAL_KEPT};"
    ))
    .map_err(failed)?;
    if new {
        db.execute_batch(&format!(
            "BEGIN IMMEDIATE; {TABLES} PRAGMA application_id = {APPLICATION};
             PRAGMA user_version = {SCHEMA}; COMMIT;"
        ))
        .map_err(failed)?;
    }
    Ok(())
}

/// Moves what is in the WAL into the database and leaves nothing of it, if those who read leave
/// within `patience`. Says whether it did.
pub fn empty_wal(db: &Connection, patience: Duration) -> bool {
    let _ = db.busy_timeout(patience);
    let query = "PRAGMA wal_checkpoint(TRUNCATE)";
    let busy = db.query_row(query, [], |row| row.get::<_, bool>(0));
    let _ = db.busy_timeout(BUSY);
    matches!(busy, Ok(false))
}

/// Opens the database to read.
///
/// # Errors
/// It is missing or cannot be read; the text says what to do.
pub fn reader(path: &Path) -> Result<Connection, Failure> {
    check_place(path)?;
    if !path.exists() {
        return Err(Failure::new(
            Kind::Missing,
            format!(
                "{} does not exist: no visit has been stored yet, or it is another file",
                path.display()
            ),
        ));
    }
    // The WAL's index is shared memory, which a reader writes to as well.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let failed = |error: rusqlite::Error| failure(path, &error);
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY).map_err(failed)?;
    db.execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(failed)?;
    if check(&db, path)? {
        return Err(Failure::new(
            Kind::Missing,
            format!("{} is empty: no visit has been stored yet", path.display()),
        ));
    }
    Ok(db)
}

/// Whether the database has nothing in it yet.
fn check(db: &Connection, path: &Path) -> Result<bool, Failure> {
    let number = |query: &str| {
        db.query_row(query, [], |row| row.get::<_, i64>(0))
            .map_err(|error| failure(path, &error))
    };
    let tables = number("SELECT count(*) FROM sqlite_schema")?;
    let ours = "SELECT count(*) FROM sqlite_schema
        WHERE name IN ('sites', 'visits', 'days', 'spools', 'readable')";
    let application = number("PRAGMA application_id")?;
    let schema = number("PRAGMA user_version")?;
    let file = path.display();
    if tables == 0 && application == 0 {
        return Ok(true);
    }
    if application != APPLICATION {
        return Err(Failure::new(
            Kind::Foreign,
            format!("{file} is another program's database: name another file"),
        ));
    }
    if schema > SCHEMA {
        return Err(Failure::new(
            Kind::Foreign,
            format!(
                "{file} was written by a later parvis (schema {schema}; this one knows {SCHEMA}): \
                 run that version, or name another file"
            ),
        ));
    }
    if schema < SCHEMA || number(ours)? < 5 {
        return Err(Failure::new(
            Kind::Damaged,
            damaged(path, "tables are missing"),
        ));
    }
    Ok(false)
}

/// What can be said about the path before SQLite, whose own words for it are few.
fn check_place(path: &Path) -> Result<(), Failure> {
    let file = path.display();
    if path.is_dir() {
        return Err(Failure::new(
            Kind::Missing,
            format!("{file} is a folder: name a file, such as {file}/visits.sqlite"),
        ));
    }
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(Failure::new(
            Kind::Missing,
            format!(
                "{file} cannot be made: the folder {} does not exist; make it, so that parvis's \
                 user may write there",
                folder.display()
            ),
        ));
    }
    Ok(())
}

fn unusable(path: &Path, error: &std::io::Error) -> Failure {
    let file = path.display();
    let kind = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Kind::Full,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Kind::ReadOnly,
        _ => Kind::Missing,
    };
    Failure::new(
        kind,
        format!("{file} cannot be made ({error}): see that parvis's user may write to its folder"),
    )
}

/// A file beside the database: `-wal`, `-lock`.
pub fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Which file a path names: device and inode. Changes when it is moved away.
pub fn identity(path: &Path) -> Option<(u64, u64)> {
    let found = std::fs::metadata(path).ok()?;
    Some((found.dev(), found.ino()))
}
