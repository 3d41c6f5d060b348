//! Which files lie in folders.

use super::problem::Problem;
use super::{Failure, shown};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A file that is taken.
#[derive(Debug)]
pub struct File {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// When it was changed.
    pub changed: SystemTime,
    /// Its extension in lower case, or `(none)`.
    pub kind: String,
}

/// What was found in folders.
#[derive(Debug, Default)]
pub struct Found {
    /// The files, however small.
    pub files: Vec<File>,
    /// What could not be looked at.
    pub problems: Vec<Problem>,
}

/// Whether all of these are folders.
///
/// # Errors
/// Which are not.
pub fn check(folders: &[PathBuf]) -> Result<(), Failure> {
    let wrong = |folder: &PathBuf| match fs::metadata(folder) {
        Ok(metadata) if metadata.is_dir() => None,
        Ok(_) => Some(format!("error: {} is not a folder", shown::path(folder))),
        Err(error) => Some(format!(
            "error: the folder {}: {error}",
            shown::path(folder)
        )),
    };
    let wrong: Vec<String> = folders.iter().filter_map(wrong).collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::Wrong(format!(
            "{}\nhelp: give the folders that are served, such as the `root` of a `files` route",
            wrong.join("\n")
        ))),
    }
}

/// Looks for files whose names are taken, in these folders and below.
///
/// Passed over: symbolic links, what is neither file nor folder, and names with a dot in front (but
/// not `.well-known` in a folder that was given, which is served).
pub fn walk(folders: &[PathBuf], taken: impl Fn(&OsStr) -> bool) -> Found {
    let mut found = Found::default();
    // Folders may be given twice, or one inside of another; each is looked into once.
    let mut seen = HashSet::new();
    for given in folders {
        let mut open = vec![given.clone()];
        while let Some(folder) = open.pop() {
            let entries = match fs::metadata(&folder) {
                Ok(metadata) if !seen.insert((metadata.dev(), metadata.ino())) => continue,
                Ok(_) => fs::read_dir(&folder),
                Err(error) => Err(error),
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    found.problem(&folder, &error);
                    continue;
                }
            };
            for entry in entries {
                let entry = match entry {
                    Ok(entry) => entry,
                    Err(error) => {
                        found.problem(&folder, &error);
                        // What cannot be read on would give the same error for ever.
                        break;
                    }
                };
                match look(&entry, &folder == given, &taken) {
                    Ok(Seen::Folder) => open.push(entry.path()),
                    Ok(Seen::File(file)) => found.files.push(file),
                    Ok(Seen::Nothing) => {}
                    Err(error) => found.problem(&entry.path(), &error),
                }
            }
        }
    }
    found
}

impl Found {
    fn problem(&mut self, path: &Path, error: &io::Error) {
        // Removed while we look: it is as if it had never been there.
        if error.kind() != ErrorKind::NotFound {
            self.problems.push(Problem::new(path, error));
        }
    }
}

enum Seen {
    Folder,
    File(File),
    Nothing,
}

fn look(entry: &DirEntry, top: bool, taken: &dyn Fn(&OsStr) -> bool) -> io::Result<Seen> {
    let name = entry.file_name();
    let hidden = name.as_bytes().starts_with(b".");
    let kind = entry.file_type()?;
    if kind.is_dir() {
        return Ok(match !hidden || (top && name == ".well-known") {
            true => Seen::Folder,
            false => Seen::Nothing,
        });
    }
    if hidden || !kind.is_file() || !taken(&name) {
        return Ok(Seen::Nothing);
    }
    Ok(Seen::File(file(entry.path(), &entry.metadata()?)?))
}

/// A single file that was given.
///
/// # Errors
/// It cannot be looked at, or is none.
pub fn one(path: &Path) -> io::Result<File> {
    let metadata = fs::metadata(path)?;
    match metadata.is_file() {
        true => file(path.to_path_buf(), &metadata),
        false => Err(io::Error::other("no file")),
    }
}

fn file(path: PathBuf, metadata: &fs::Metadata) -> io::Result<File> {
    let kind = match path.extension() {
        Some(extension) => shown::path(Path::new(extension)).to_lowercase(),
        None => "(none)".to_string(),
    };
    Ok(File {
        size: metadata.len(),
        changed: metadata.modified()?,
        kind,
        path,
    })
}
