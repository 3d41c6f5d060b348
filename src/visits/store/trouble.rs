//! What can be wrong with the database's file, told so that an operator knows what to do.

use crate::visits::statistics::Trouble;
use rusqlite::ffi::SQLITE_IOERR_WRITE;
use rusqlite::{Error, ErrorCode};
use std::path::Path;

/// Kinds of trouble: each is logged once when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing more fits.
    Full,
    /// Another connection holds it.
    Busy,
    /// The file may only be read.
    ReadOnly,
    /// It is broken inside.
    Damaged,
    /// It cannot be opened.
    Missing,
    /// It is not a file that this parvis can use.
    Foreign,
    /// The disk failed, or anything else.
    Other,
}

/// A failure with what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Its kind.
    pub kind: Kind,
    /// Which file, what is wrong, what to do.
    pub trouble: Trouble,
}

impl Failure {
    /// A failure with its own text.
    pub fn new(kind: Kind, text: String) -> Self {
        let trouble = Trouble(text);
        Failure { kind, trouble }
    }

    /// Whether the operator named a file that cannot be used, rather than that one that can be
    /// used is in a bad way.
    pub fn is_settings(&self) -> bool {
        matches!(self.kind, Kind::Missing | Kind::Foreign | Kind::ReadOnly)
    }

    /// Whether the connection is still good: nothing was written, and what is known about the
    /// file is still true.
    pub fn passes(&self) -> bool {
        matches!(self.kind, Kind::Full | Kind::Busy)
    }
}

/// What an error of SQLite means for this file.
pub fn failure(path: &Path, error: &Error) -> Failure {
    let file = path.display();
    let full = error.sqlite_extended_error_code() == Some(SQLITE_IOERR_WRITE);
    let (kind, text) = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => (
            Kind::Full,
            format!("{file} cannot grow ({error}): make room on its disk"),
        ),
        // A quota, or a limit on the size of files: the system says no in other words.
        Some(ErrorCode::SystemIoFailure) if full => (
            Kind::Full,
            format!(
                "{file} cannot be written ({error}): see that its disk has room, that no quota or \
                 limit on the size of files is in the way, and what the system's log says"
            ),
        ),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            Kind::Busy,
            format!("{file} is locked by another program ({error}): end what writes to it"),
        ),
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => (
            Kind::ReadOnly,
            format!(
                "{file} cannot be written ({error}): give parvis's user the right to write to the \
                 file and its folder, and see that the disk is not mounted read-only"
            ),
        ),
        Some(ErrorCode::NotADatabase) => (
            Kind::Foreign,
            format!(
                "{file} is not an SQLite database: name another file, or move this one away and \
                 parvis begins a new one"
            ),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (Kind::Damaged, damaged(path, &error.to_string())),
        Some(ErrorCode::CannotOpen) => (
            Kind::Missing,
            format!(
                "{file} cannot be opened ({error}): see that its folder exists and that parvis's \
                 user may write there"
            ),
        ),
        Some(ErrorCode::SystemIoFailure) => (
            Kind::Other,
            format!("{file}: the disk failed ({error}): see the system's log"),
        ),
        _ => (Kind::Other, format!("{file}: {error}")),
    };
    Failure::new(kind, text)
}

/// A file that is broken inside. It is never removed: most of it can usually be saved.
pub fn damaged(path: &Path, what: &str) -> String {
    let file = path.display();
    format!(
        "{file} is damaged ({what}): stop parvis and save what can be read with \
         `sqlite3 {file} .recover | sqlite3 NEW`, then put NEW in its place; or move the file (with \
         its -wal and -shm) away and parvis begins a new one. Visits wait in the spool meanwhile"
    )
}
