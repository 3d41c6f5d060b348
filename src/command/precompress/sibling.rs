//! A compressed form beside its file: is it up to date, and how it is put there.

use crate::content::Coding;
use std::ffi::OsString;
use std::fs::{self, File, FileTimes, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How a compressed form stands to its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Missing,
    /// It is as old as the file or newer, and this long, in bytes.
    UpToDate(u64),
    /// It is older than the file.
    Outdated,
}

/// Where the compressed form of a file lies.
pub fn path(file: &Path, coding: Coding) -> PathBuf {
    let mut name = OsString::from(file);
    name.push(coding.suffix());
    PathBuf::from(name)
}

/// How what lies at `sibling` stands to a file that was changed at `changed`.
///
/// # Errors
/// It cannot be looked at.
pub fn state(sibling: &Path, changed: SystemTime) -> io::Result<State> {
    match fs::metadata(sibling) {
        Ok(metadata) if !metadata.is_file() => Ok(State::Missing),
        Ok(metadata) if metadata.modified()? >= changed => Ok(State::UpToDate(metadata.len())),
        Ok(_) => Ok(State::Outdated),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::Missing),
        Err(error) => Err(error),
    }
}

/// A compressed form that is complete under a hidden name. Removed when it is dropped.
pub struct Prepared {
    temporary: PathBuf,
    place: PathBuf,
}

impl Prepared {
    /// Writes a form, with the mode, the owner and the time of its file, for this place.
    ///
    /// # Errors
    /// It cannot be written; nothing is left behind.
    pub fn write(place: PathBuf, bytes: &[u8], file: &Metadata) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(format!(".parvis-{}", std::process::id()));
        let temporary = place.with_file_name(name);
        let mut handle = match create(&temporary) {
            // Left by a process that was killed: in containers, numbers come again.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_file(&temporary)?;
                create(&temporary)
            }
            result => result,
        }?;
        let prepared = Prepared { temporary, place };
        handle.write_all(bytes)?;
        let own = handle.metadata()?;
        if (own.uid(), own.gid()) != (file.uid(), file.gid()) {
            // When root compresses for a server that is not root. Others may not give files away.
            let _ = std::os::unix::fs::fchown(&handle, Some(file.uid()), Some(file.gid()));
        }
        handle.set_permissions(Permissions::from_mode(file.mode() & 0o777))?;
        // The file's own time and not now: a change that is made while the form is written must
        // leave the form older than the file.
        handle.set_times(FileTimes::new().set_modified(file.modified()?))?;
        Ok(prepared)
    }

    /// Puts it in its place, at once for whoever looks.
    ///
    /// # Errors
    /// It cannot be put there; nothing is left behind.
    pub fn place(self) -> io::Result<()> {
        // After that the temporary name is gone, and dropping finds nothing to remove.
        fs::rename(&self.temporary, &self.place)
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// A new file that nobody else may read before it has its file's mode.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gets_the_suffix_behind_all_it_has() {
        let path = path(Path::new("a/site.min.css"), Coding::ALL[0]);
        assert_eq!(path, Path::new("a/site.min.css.br"));
    }

    #[test]
    fn nothing_is_left_behind_and_what_was_left_is_no_hindrance() {
        let folder = std::env::temp_dir().join(format!("parvis-sibling-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("a.css");
        fs::write(&file, "original").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let metadata = fs::metadata(&file).unwrap();
        let names = || {
            let entries = fs::read_dir(&folder).unwrap();
            let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let hidden = format!(".a.css.br.parvis-{}", std::process::id());
        fs::write(folder.join(&hidden), "of a process that was killed").unwrap();
        let place = folder.join("a.css.br");
        let prepared = Prepared::write(place.clone(), b"form", &metadata).unwrap();
        assert_eq!(names(), [hidden.as_str(), "a.css"]);
        drop(prepared);
        assert_eq!(names(), ["a.css"]);
        let prepared = Prepared::write(place.clone(), b"form", &metadata).unwrap();
        prepared.place().unwrap();
        assert_eq!(names(), ["a.css", "a.css.br"]);
        let form = fs::metadata(&place).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"form");
        assert_eq!(form.mode() & 0o7777, 0o640);
        assert_eq!(form.modified().unwrap(), metadata.modified().unwrap());
        let changed = metadata.modified().unwrap();
        assert_eq!(state(&place, changed).unwrap(), State::UpToDate(4));
        let later = changed + std::time::Duration::from_nanos(1);
        assert_eq!(state(&place, later).unwrap(), State::Outdated);
        assert_eq!(state(&folder, later).unwrap(), State::Missing);
        fs::remove_dir_all(&folder).unwrap();
    }
}
