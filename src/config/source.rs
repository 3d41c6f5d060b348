//! The texts a configuration is made of, and places in them.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Which file of [`Sources`] a [`Place`] lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct FileId(u32);

/// A stretch of bytes in one file: `start..end`, counted from the start of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Place {
    /// A place in `file` for a byte range; texts over 4 GiB are cut at the end.
    pub fn new(file: FileId, range: std::ops::Range<usize>) -> Self {
        let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        Place {
            file,
            start: clip(range.start),
            end: clip(range.end),
        }
    }

    /// The start of a file, for what concerns all of it.
    pub fn file_start(file: FileId) -> Self {
        Place {
            file,
            start: 0,
            end: 0,
        }
    }
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    text: String,
}

/// A place in a form for people: file, line and column (from 1), and the line's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// As the operator named the file.
    pub path: PathBuf,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The whole line without its end.
    pub text: String,
    /// How many characters of the line the place covers, at least 1.
    pub width: usize,
}

/// What tells a changed file or folder: its inode, size and time of change (ns); `None` for one
/// that is not there.
type Facts = Option<(u64, u64, i64, i64)>;

fn facts(path: &Path) -> Facts {
    let facts = std::fs::metadata(path).ok()?;
    Some((facts.ino(), facts.size(), facts.mtime(), facts.mtime_nsec()))
}

/// All files of one configuration, kept for messages that quote them.
#[derive(Debug, Default)]
pub struct Sources {
    files: Vec<File>,
    seen: Mutex<BTreeMap<PathBuf, Facts>>,
}

impl Sources {
    /// Adds a file's text and returns its id.
    pub fn add(&mut self, path: PathBuf, text: String) -> FileId {
        self.files.push(File { path, text });
        FileId(u32::try_from(self.files.len().saturating_sub(1)).unwrap_or(u32::MAX))
    }

    fn file(&self, id: FileId) -> Option<&File> {
        self.files.get(id.0 as usize)
    }

    /// The text of a file; empty for an id of other sources.
    pub fn text(&self, id: FileId) -> &str {
        self.file(id).map_or("", |file| file.text.as_str())
    }

    /// The path of a file as it was named.
    pub fn path(&self, id: FileId) -> &Path {
        self.file(id)
            .map_or(Path::new(""), |file| file.path.as_path())
    }

    /// The folder that relative paths in this file are relative to.
    pub fn folder(&self, id: FileId) -> &Path {
        match self.path(id).parent() {
            Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
            Some(folder) => folder,
            None => Path::new("."),
        }
    }

    /// Every file's path, in the order they were read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().map(|file| file.path.as_path())
    }

    /// Notes a file that the configuration depends on, or a folder in which a new file would be
    /// one. To be called before it is read: then a change while it is read is noticed later.
    pub fn watch(&self, path: &Path) {
        let mut seen = self.lock();
        if !seen.contains_key(path) {
            seen.insert(path.to_path_buf(), facts(path));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<PathBuf, Facts>> {
        // A panic while it was held cannot have left it half written: it is only inserted into.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was noted, as it was then.
    pub fn seen(&self) -> BTreeMap<PathBuf, Facts> {
        self.lock().clone()
    }

    /// What was noted, as it is now.
    pub fn now(&self) -> BTreeMap<PathBuf, Facts> {
        let now = |path: PathBuf| {
            let facts = facts(&path);
            (path, facts)
        };
        self.seen().into_keys().map(now).collect()
    }

    /// `file:line`, for logs and `parvis explain`.
    pub fn line(&self, place: Place) -> String {
        let located = self.locate(place);
        format!("{}:{}", located.path.display(), located.line)
    }

    /// The line that a place begins in, without its end.
    pub fn whole_line(&self, place: Place) -> Place {
        let text = self.text(place.file);
        let at = floor_char_boundary(text, place.start as usize);
        let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
        let start = before.rfind('\n').map_or(0, |end| end.saturating_add(1));
        let end = after
            .find('\n')
            .map_or(text.len(), |end| at.saturating_add(end));
        Place::new(place.file, start..end)
    }

    /// Line, column and text of a place.
    pub fn locate(&self, place: Place) -> Located {
        let text = self.text(place.file);
        let start = floor_char_boundary(text, place.start as usize);
        let end = floor_char_boundary(text, place.end as usize).max(start);
        let before = text.get(..start).unwrap_or("");
        let line = memchr::memchr_iter(b'\n', before.as_bytes())
            .count()
            .saturating_add(1);
        let line_start = before.rfind('\n').map_or(0, |at| at.saturating_add(1));
        let rest = text.get(line_start..).unwrap_or("");
        let line_text = rest.lines().next().unwrap_or("");
        let column = before
            .get(line_start..)
            .unwrap_or("")
            .chars()
            .count()
            .saturating_add(1);
        let covered = text.get(start..end).unwrap_or("");
        let width = covered.lines().next().unwrap_or("").chars().count().max(1);
        Located {
            path: self.path(place.file).to_path_buf(),
            line,
            column,
            text: line_text.to_string(),
            width,
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at = at.saturating_sub(1);
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_by_line_and_column_in_characters() {
        let mut sources = Sources::default();
        let id = sources.add("a.toml".into(), "x = 1\nnäme = \"é\"\n".into());
        let located = sources.locate(Place::new(id, 14..18));
        assert_eq!((located.line, located.column, located.width), (2, 8, 3));
        assert_eq!(located.text, "näme = \"é\"");
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        let mut sources = Sources::default();
        let id = sources.add("a.toml".into(), "x = 1".into());
        assert_eq!(sources.locate(Place::new(id, 99..120)).line, 1);
    }
}
