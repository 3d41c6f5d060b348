//! From a path below a root to what is served for it. Blocks: to be called where that is allowed.

use super::entry::{Content, Entry, Sibling, Stamp};
use super::listing::Item;
use super::open::{Opened, Root, readable};
use super::{Files, LENT_FROM, Try};
use crate::content::{Coding, Forms};
use http::header::HeaderValue;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::UNIX_EPOCH;

/// What there is for a path.
#[derive(Debug)]
pub enum Found {
    /// A file.
    File(Arc<Entry>),
    /// A directory that was asked for without its slash.
    AddSlash,
    /// A directory, listed.
    Listing(Vec<Item>),
    /// Nothing.
    Missing,
    /// Something that may not be read.
    Forbidden,
}

/// A file that was found, not read yet.
struct Hit {
    path: Vec<u8>,
    file: File,
    metadata: Metadata,
}

enum Looked {
    Hit(Hit),
    Other(Found),
}

/// Looks a path up. `known` is what was there before: it is kept when it is still the same.
///
/// # Errors
/// The process has no descriptors left, or the file cannot be read.
pub fn look_up(files: &Files, path: &[u8], known: Option<&Arc<Entry>>) -> io::Result<Found> {
    let Some(root) = Root::open(&files.root, files.follow)? else {
        return Ok(Found::Missing);
    };
    let hit = match resolve(files, &root, path)? {
        Looked::Hit(hit) => hit,
        Looked::Other(found) => return Ok(found),
    };
    let stamp = Stamp::of(&hit.metadata);
    // Another path may have led to it before.
    let elsewhere = files.memory.get(files.number, &hit.path);
    let known = known.filter(|known| known.path == hit.path);
    let known = known.or(elsewhere.as_ref());
    let siblings = siblings(files, &root, &hit.path, &stamp, known)?;
    if let Some(known) = known
        && known.stamp == stamp
        && same(&known.siblings, &siblings)
    {
        return Ok(Found::File(known.clone()));
    }
    entry(files, hit, siblings).map(|entry| Found::File(Arc::new(entry)))
}

fn resolve(files: &Files, root: &Root<'_>, path: &[u8]) -> io::Result<Looked> {
    let mut forbidden = false;
    for place in &files.tries {
        let (candidate, own) = match place {
            Try::Path => (path.to_vec(), true),
            Try::Text(before, after) => ([before, path, after].concat(), false),
            Try::Fixed(fixed) => (fixed.clone(), false),
        };
        match root.get(&candidate)? {
            Opened::File(file, metadata) => {
                // A slash after a file's name names nothing.
                if !candidate.ends_with(b"/") {
                    let path = candidate;
                    return Ok(Looked::Hit(Hit {
                        path,
                        file,
                        metadata,
                    }));
                }
            }
            Opened::Directory(directory) => {
                let slash = candidate.is_empty() || candidate.ends_with(b"/");
                if own && !slash {
                    return Ok(Looked::Other(Found::AddSlash));
                }
                match index(files, root, &candidate)? {
                    Looked::Other(Found::Missing) => {}
                    found => return Ok(found),
                }
                if own && files.autoindex {
                    match list(files, root, &candidate, &readable(&directory)) {
                        Ok(items) => return Ok(Looked::Other(Found::Listing(items))),
                        Err(_) => forbidden = true,
                    }
                }
            }
            Opened::Missing => {}
            Opened::Forbidden => forbidden = true,
        }
    }
    Ok(Looked::Other(match forbidden {
        true => Found::Forbidden,
        false => Found::Missing,
    }))
}

fn index(files: &Files, root: &Root<'_>, directory: &[u8]) -> io::Result<Looked> {
    for name in &files.index {
        let directory = directory.strip_suffix(b"/").unwrap_or(directory);
        let path = match directory.is_empty() {
            true => name.clone(),
            false => [directory, b"/", name].concat(),
        };
        match root.get(&path)? {
            Opened::File(file, metadata) => {
                return Ok(Looked::Hit(Hit {
                    path,
                    file,
                    metadata,
                }));
            }
            // What stands for the directory is not to be read: then neither is the directory.
            Opened::Forbidden => return Ok(Looked::Other(Found::Forbidden)),
            Opened::Missing | Opened::Directory(_) => {}
        }
    }
    Ok(Looked::Other(Found::Missing))
}

/// The files beside a file that hold it in a coding, and are not older.
fn siblings(
    files: &Files,
    root: &Root<'_>,
    path: &[u8],
    stamp: &Stamp,
    known: Option<&Arc<Entry>>,
) -> io::Result<[Option<Sibling>; 3]> {
    let mut all = [const { None }; 3];
    if !files.precompressed {
        return Ok(all);
    }
    for coding in Coding::ALL {
        let name = [path, coding.suffix().as_bytes()].concat();
        let Opened::File(file, metadata) = root.get(&name)? else {
            continue;
        };
        let own = Stamp::of(&metadata);
        if own.modified < stamp.modified || own.length == 0 {
            continue;
        }
        let Some(slot) = all.get_mut(coding.index()) else {
            continue;
        };
        let before = known.and_then(|known| known.siblings.get(coding.index())?.as_ref());
        *slot = match before.filter(|before| before.stamp == own) {
            Some(before) => Some(before.clone()),
            None => {
                // It is never encoded again.
                let largest = files.memory.largest().min(LENT_FROM);
                let (content, stamp) = Content::take(file, &metadata, largest)?;
                Some(Sibling { content, stamp })
            }
        };
    }
    Ok(all)
}

fn same(a: &[Option<Sibling>; 3], b: &[Option<Sibling>; 3]) -> bool {
    let stamps = |all: &[Option<Sibling>; 3]| {
        all.each_ref()
            .map(|sibling| sibling.as_ref().map(|sibling| sibling.stamp))
    };
    stamps(a) == stamps(b)
}

fn entry(files: &Files, hit: Hit, siblings: [Option<Sibling>; 3]) -> io::Result<Entry> {
    let name = hit.path.rsplit(|b| *b == b'/').next().unwrap_or_default();
    let content_type = files.types.of(name);
    let (content, stamp) = Content::take(hit.file, &hit.metadata, files.largest(&content_type))?;
    let tag = stamp.tag();
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| io::Error::other("no value of a header field"))
    };
    Ok(Entry {
        etag: value(&format!("\"{tag}\""))?,
        last_modified: value(&httpdate::fmt_http_date(stamp.modified()))?,
        content_type,
        immutable: files.immutable.takes(&hit.path),
        path: hit.path,
        content,
        stamp,
        tag,
        derived: false,
        forms: Arc::new(Forms::default()),
        siblings,
        checked: AtomicU64::new(0),
    })
}

/// A directory's entries that would be served.
fn list(
    files: &Files,
    root: &Root<'_>,
    directory: &[u8],
    readable: &std::path::Path,
) -> io::Result<Vec<Item>> {
    let mut items = Vec::new();
    for entry in std::fs::read_dir(readable)? {
        let entry = entry?;
        let name = entry.file_name();
        let raw_name = name.as_bytes().to_vec();
        // What could not be asked for is not offered.
        if raw_name.starts_with(b".") || raw_name.contains(&b'\\') {
            continue;
        }
        // One that is gone by now is left out.
        let Ok(mut metadata) = entry.metadata() else {
            continue;
        };
        if metadata.is_symlink() {
            let path = [directory, &raw_name].concat();
            match root.get(&path)? {
                Opened::File(_, target) => metadata = target,
                Opened::Directory(target) => metadata = File::from(target).metadata()?,
                Opened::Missing | Opened::Forbidden => continue,
            }
        }
        if !metadata.is_file() && !metadata.is_dir() {
            continue;
        }
        if files.precompressed && is_sibling(files, &raw_name, &metadata, readable) {
            continue;
        }
        items.push(Item {
            name: name.to_string_lossy().into_owned(),
            raw_name,
            directory: metadata.is_dir(),
            size: metadata.len(),
            modified: metadata.modified().unwrap_or(UNIX_EPOCH),
        });
    }
    Ok(items)
}

/// Whether the file is sent in place of another one: listing both would show each four times. An
/// archive beside what is in it (`a.tar`, `a.tar.gz`) is a file of its own.
fn is_sibling(
    files: &Files,
    name: &[u8],
    metadata: &Metadata,
    directory: &std::path::Path,
) -> bool {
    let of = |coding: &Coding| {
        let plain = name.strip_suffix(coding.suffix().as_bytes())?;
        let kind = files.types.of(plain);
        if plain.is_empty() || !(files.shrinks.test)(kind.as_bytes()) {
            return None;
        }
        let plain = directory.join(std::ffi::OsStr::from_bytes(plain));
        let plain = plain.symlink_metadata().ok()?;
        Some(Stamp::of(&plain).modified <= Stamp::of(metadata).modified)
    };
    metadata.is_file() && Coding::ALL.iter().any(|coding| of(coding) == Some(true))
}
