//! Why a database cannot be used, told to the operator.

use super::Role;
use std::fmt;
use std::path::PathBuf;

/// A file that cannot be used as a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeoTrouble {
    /// What it was to tell.
    pub role: Role,
    /// The file; `None` for the database that is built in.
    pub path: Option<PathBuf>,
    /// What is wrong with it.
    pub wrong: Wrong,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// There is none.
    Missing,
    /// Permissions.
    Denied,
    /// A directory, a socket, a device.
    NotAFile,
    /// Of so many bytes.
    TooLarge(u64),
    /// The system says why.
    Unreadable(String),
    /// It changed while it was read.
    Busy,
    /// It begins as gzip or zstd does, or a ZIP archive.
    Packed,
    /// It has no metadata; of so many bytes.
    NotADatabase(usize),
    /// It has metadata, and contradicts it.
    Damaged(String),
    /// A sound database that tells other things.
    OtherKind {
        /// `database_type` of its metadata.
        kind: String,
        /// What it could be used for.
        fits: Vec<Role>,
    },
}

impl Wrong {
    /// Whether it lies in what the file holds: then it is worth no second try before the file changes.
    pub fn lies_in_content(&self) -> bool {
        match self {
            Wrong::Missing
            | Wrong::Denied
            | Wrong::NotAFile
            | Wrong::Unreadable(_)
            | Wrong::Busy => false,
            Wrong::TooLarge(_)
            | Wrong::Packed
            | Wrong::NotADatabase(_)
            | Wrong::Damaged(_)
            | Wrong::OtherKind { .. } => true,
        }
    }
}

impl fmt::Display for GeoTrouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "geoip.{}: {}: ", self.role.key(), path.display())?,
            None => write!(f, "the country database that is built in: ")?,
        }
        match &self.wrong {
            Wrong::Missing => write!(
                f,
                "there is no such file. Correct the path, or fetch a database with geoip/update"
            ),
            Wrong::Denied => write!(
                f,
                "parvis may not read it. Let its user read the file and enter the directories above it"
            ),
            Wrong::NotAFile => write!(f, "it is no regular file. Give the path of a .mmdb file"),
            Wrong::TooLarge(bytes) => write!(
                f,
                "it has {bytes} bytes, more than any such database. Give the path of a .mmdb file"
            ),
            Wrong::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Wrong::Busy => write!(
                f,
                "it is being written at this moment. Write a new database beside it, then rename it"
            ),
            Wrong::Packed => write!(f, "it is packed. Unpack it: the .mmdb file is inside"),
            Wrong::NotADatabase(bytes) => write!(
                f,
                "it is no MaxMind DB, or only the first part of one: no metadata in its {bytes} bytes. Fetch it again"
            ),
            Wrong::Damaged(why) => write!(f, "it is damaged: {why}. Fetch it again"),
            Wrong::OtherKind { kind, fits } => {
                let what = self.role.tells();
                write!(
                    f,
                    "it is a database of the type \"{kind}\", which tells no {what}. "
                )?;
                match fits.as_slice() {
                    [] => write!(f, "Give one that does"),
                    [first, ..] => {
                        write!(
                            f,
                            "It belongs to geoip.{}; give one here that does",
                            first.key()
                        )
                    }
                }
            }
        }
    }
}

impl std::error::Error for GeoTrouble {}
