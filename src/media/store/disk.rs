//! The folder with variants.
//!
//! `FOLDER/v1/ab/abcdef….webp` is a picture that anybody can look at, with a [`Trailer`] behind its
//! end; `abcdef….none` says that the original is best. The name tells all, so that a process finds
//! what another one wrote. A file's time of modification is when it was used last.

use super::trailer::{LENGTH, Trailer};
use crate::media::{Format, VariantKey};
use bytes::Bytes;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Changes when files are written in another way.
const EDITION: &str = "v1";
/// What somebody uploaded need not be for everybody on the machine.
const FOLDER_MODE: u32 = 0o750;
const FILE_MODE: u32 = 0o644;
const TEMPORARY: &str = ".tmp-";
const MARKER: &str = "none";
/// A file takes at least so much of a disk, and as many times that as it needs.
const BLOCK: u64 = 4096;

/// What a file of the folder is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A variant.
    Picture(Format),
    /// The word that the original is best.
    Marker,
}

impl Kind {
    /// In the order in which they are looked for: the usual ones first.
    pub const ALL: [Kind; 8] = [
        Kind::Picture(Format::WebP),
        Kind::Picture(Format::Avif),
        Kind::Picture(Format::Jpeg),
        Kind::Picture(Format::Png),
        Kind::Marker,
        Kind::Picture(Format::Gif),
        Kind::Picture(Format::Bmp),
        Kind::Picture(Format::Tiff),
    ];

    fn ending(self) -> &'static str {
        match self {
            Kind::Picture(format) => format.name(),
            Kind::Marker => MARKER,
        }
    }
}

/// What a file of so many bytes takes of the disk, bytes.
pub fn room(length: u64) -> u64 {
    length.max(1).div_ceil(BLOCK).saturating_mul(BLOCK)
}

/// What a file of a variant of so many bytes takes of the disk.
pub fn room_of_picture(length: u64) -> u64 {
    room(length.saturating_add(LENGTH as u64))
}

/// What is looked for.
#[derive(Debug)]
pub enum Found {
    /// A sound picture.
    Picture {
        format: Format,
        trailer: Trailer,
        file: File,
        /// When it was used last.
        used: SystemTime,
        /// All of it, when it was not larger than asked.
        bytes: Option<Bytes>,
    },
    /// The word that the original is best, used last then.
    Marker(SystemTime),
    /// Something that was written once, and is not sound any more. It was removed.
    Damaged,
}

/// A file, as a walk through the folder sees it.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Whose it is.
    pub key: VariantKey,
    /// What it is.
    pub kind: Kind,
    /// What it takes of the disk, bytes.
    pub room: u64,
    /// When it was used last; not later than now.
    pub used: SystemTime,
    /// As the file says it.
    modified: SystemTime,
}

/// The folder.
#[derive(Debug)]
pub struct Disk {
    root: PathBuf,
}

impl Disk {
    /// Takes a folder, which is made when there is none.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let disk = Disk::at(folder);
        make_folder(&disk.root)?;
        Ok(disk)
    }

    /// A folder that may be there or not.
    pub fn at(folder: &Path) -> Self {
        Disk {
            root: folder.join(EDITION),
        }
    }

    fn folder(&self, key: &VariantKey) -> PathBuf {
        let [first, ..] = key.0;
        self.root.join(format!("{first:02x}"))
    }

    /// Where a variant's file is.
    pub fn path(&self, key: &VariantKey, kind: Kind) -> PathBuf {
        self.folder(key).join(format!("{key}.{}", kind.ending()))
    }

    /// Writes a picture, beside its place, and renames it.
    ///
    /// # Errors
    /// It cannot be written; nothing of it stays.
    pub fn write(
        &self,
        key: &VariantKey,
        format: Format,
        size: (u32, u32),
        made: u64,
        picture: &[u8],
    ) -> io::Result<File> {
        let trailer = Trailer {
            width: size.0,
            height: size.1,
            length: picture.len() as u64,
            made,
            sum: crc32fast::hash(picture),
        };
        let path = self.path(key, Kind::Picture(format));
        self.with_folder(key, |folder| {
            let (temporary, mut file) = temporary(folder)?;
            let written = file
                .write_all(picture)
                .and_then(|()| file.write_all(&trailer.encode(key, format)))
                .and_then(|()| fs::rename(&temporary, &path));
            match written {
                Ok(()) => Ok(file),
                Err(error) => {
                    let _ = fs::remove_file(&temporary);
                    Err(error)
                }
            }
        })
    }

    /// Writes down that the original is best.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn mark(&self, key: &VariantKey) -> io::Result<()> {
        let path = self.path(key, Kind::Marker);
        self.with_folder(key, |_| {
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).mode(FILE_MODE);
            file.open(&path)?.set_modified(SystemTime::now())
        })
    }

    /// Does something in a variant's folder, which is made when it is not there: it is a new one, or
    /// somebody removed all of them.
    fn with_folder<T>(
        &self,
        key: &VariantKey,
        work: impl Fn(&Path) -> io::Result<T>,
    ) -> io::Result<T> {
        let folder = self.folder(key);
        match work(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_folder(&folder)?;
                work(&folder)
            }
            done => done,
        }
    }

    /// Looks for what is known of a variant; a picture not larger than `small` is read, the other
    /// ones are only looked through.
    ///
    /// # Errors
    /// There is something that cannot be read now. Nothing there is none.
    pub fn read(&self, key: &VariantKey, small: u64) -> io::Result<Option<Found>> {
        for kind in Kind::ALL {
            let path = self.path(key, kind);
            let file = match File::open(&path) {
                Ok(file) => file,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let metadata = file.metadata()?;
            let used = metadata.modified().unwrap_or(UNIX_EPOCH);
            let Kind::Picture(format) = kind else {
                return Ok(Some(Found::Marker(used)));
            };
            let length = metadata.len();
            let sound = match length <= small.saturating_add(LENGTH as u64) {
                true => take(&file, key, format, length)?,
                false => look_through(&file, key, format, length)?.map(|of| (of, None)),
            };
            let Some((trailer, bytes)) = sound else {
                // Another one may have come in its place meanwhile: that one is made again then.
                let _ = fs::remove_file(&path);
                return Ok(Some(Found::Damaged));
            };
            return Ok(Some(Found::Picture {
                format,
                trailer,
                file,
                used,
                bytes,
            }));
        }
        Ok(None)
    }

    /// Says in a file's time when it was used.
    ///
    /// # Errors
    /// It cannot be said, or the file is not there any more.
    pub fn touch(&self, key: &VariantKey, kind: Kind, used: SystemTime) -> io::Result<()> {
        File::open(self.path(key, kind))?.set_modified(used)
    }

    /// Removes a file that was seen, if nobody used it since. Whether there is none now.
    ///
    /// # Errors
    /// It cannot be removed.
    pub fn remove(&self, seen: &Seen) -> io::Result<bool> {
        let path = self.path(&seen.key, seen.kind);
        let gone = |done: io::Result<bool>| match done {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            done => done,
        };
        gone(fs::symlink_metadata(&path).and_then(|file| {
            if file.modified()? > seen.modified {
                return Ok(false);
            }
            fs::remove_file(&path).map(|()| true)
        }))
    }

    /// Shows all files, in any order, until `see` says that it is enough. What writers that are gone
    /// for `leftover` left behind is removed; what is not of the store is left alone. What cannot be
    /// looked at is passed over.
    pub fn walk(&self, leftover: Duration, see: &mut dyn FnMut(Seen) -> bool) {
        let now = SystemTime::now();
        let Ok(folders) = fs::read_dir(&self.root) else {
            return;
        };
        for folder in folders.flatten() {
            let Ok(files) = fs::read_dir(folder.path()) else {
                continue;
            };
            for file in files.flatten() {
                let name = file.file_name();
                let Some(name) = name.to_str() else { continue };
                let temporary = name.starts_with(TEMPORARY);
                let known = parse(name);
                if !temporary && known.is_none() {
                    continue;
                }
                let Ok(metadata) = file.metadata() else {
                    continue;
                };
                let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
                if temporary {
                    let age = now.duration_since(modified).unwrap_or_default();
                    if age >= leftover {
                        let _ = fs::remove_file(file.path());
                    }
                    continue;
                }
                let Some((key, kind)) = known else { continue };
                let seen = Seen {
                    key,
                    kind,
                    room: room(metadata.len()),
                    // A time to come would keep a file for ever.
                    used: modified.min(now),
                    modified,
                };
                if metadata.is_file() && !see(seen) {
                    return;
                }
            }
        }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(FOLDER_MODE).create(folder)
}

/// A new file that nobody looks for. Processes in containers have each other's numbers.
fn temporary(folder: &Path) -> io::Result<(PathBuf, File)> {
    let (process, number) = (std::process::id(), rand::random::<u64>());
    let path = folder.join(format!("{TEMPORARY}{process}-{number:016x}"));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true);
    let file = file.mode(FILE_MODE).open(&path)?;
    Ok((path, file))
}

/// Whose file has this name.
fn parse(name: &str) -> Option<(VariantKey, Kind)> {
    let (digits, ending) = name.split_once('.')?;
    // Only as it is written here: all digits, no sign, no capitals.
    let own = |digit: u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 32 || !digits.bytes().all(own) {
        return None;
    }
    let number = u128::from_str_radix(digits, 16).ok()?;
    let kind = Kind::ALL.into_iter().find(|kind| kind.ending() == ending)?;
    Some((VariantKey(number.to_be_bytes()), kind))
}

/// What is known of a large file, if it is all that was written. Each byte of it is read, and is in
/// the kernel's memory then, when it is sent.
fn look_through(
    file: &File,
    key: &VariantKey,
    format: Format,
    length: u64,
) -> io::Result<Option<Trailer>> {
    const PIECE: usize = 64 * 1024;
    let Some(end) = length.checked_sub(LENGTH as u64) else {
        return Ok(None);
    };
    let mut last = [0; LENGTH];
    file.read_exact_at(&mut last, end)?;
    let trailer = Trailer::decode(key, format, &last);
    let Some(trailer) = trailer.filter(|trailer| trailer.length == end) else {
        return Ok(None);
    };
    let mut hasher = crc32fast::Hasher::new();
    let mut piece = vec![0; PIECE.min(usize::try_from(end).unwrap_or(PIECE))];
    let mut at = 0_u64;
    while at < end {
        let most = usize::try_from(end.saturating_sub(at)).unwrap_or(PIECE);
        let most = most.min(PIECE);
        let read = file.read_at(piece.get_mut(..most).unwrap_or_default(), at)?;
        if read == 0 {
            return Ok(None);
        }
        hasher.update(piece.get(..read).unwrap_or_default());
        at = at.saturating_add(read as u64);
    }
    Ok((hasher.finalize() == trailer.sum).then_some(trailer))
}

/// Reads a file; its picture, if it is all that was written.
fn take(
    file: &File,
    key: &VariantKey,
    format: Format,
    length: u64,
) -> io::Result<Option<(Trailer, Option<Bytes>)>> {
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    file.read_exact_at(&mut bytes, 0)?;
    let Some((picture, last)) = bytes.split_last_chunk::<LENGTH>() else {
        return Ok(None);
    };
    let trailer = Trailer::decode(key, format, last);
    let sound = trailer.filter(|trailer| {
        trailer.length == picture.len() as u64 && trailer.sum == crc32fast::hash(picture)
    });
    let end = picture.len();
    bytes.truncate(end);
    Ok(sound.map(|trailer| (trailer, Some(Bytes::from(bytes)))))
}
