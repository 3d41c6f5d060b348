//! A file as it is served: its validators, its body in memory or on disk, its encoded forms.

use crate::content::{Coding, Forms};
use bytes::Bytes;
use http::header::HeaderValue;
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Which content a file has, as far as its metadata tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    /// Bytes.
    pub length: u64,
    /// Nanoseconds since the Unix epoch.
    pub modified: i128,
    /// When anything about it changed last, likewise: whoever copies a file with its time does not
    /// copy this.
    changed: i128,
}

impl Stamp {
    /// The stamp of a file with these metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let nanos = |seconds: i64, nanos: i64| {
            i128::from(seconds)
                .saturating_mul(1_000_000_000)
                .saturating_add(i128::from(nanos))
        };
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: nanos(metadata.mtime(), metadata.mtime_nsec()),
            changed: nanos(metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// What tells one content from another: device, inode, length, both times (nanoseconds since the
    /// Unix epoch, of which the lowest 64 bits).
    pub fn parts(&self) -> [u64; 5] {
        let low = |nanos: i128| nanos as u64;
        [
            self.device,
            self.inode,
            self.length,
            low(self.modified),
            low(self.changed),
        ]
    }

    /// What all forms' tags begin with: when it was modified and how long it is, in hexadecimal.
    pub fn tag(&self) -> String {
        format!("{:x}-{:x}", self.modified.max(0), self.length)
    }

    /// Whole seconds, within what an HTTP date can say (RFC 9110 section 5.6.7).
    pub fn modified(&self) -> SystemTime {
        /// The end of the year 9999.
        const LAST: u64 = 253_402_300_799;
        let seconds = u64::try_from(self.modified / 1_000_000_000).unwrap_or(0);
        UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds.min(LAST)))
            .unwrap_or(UNIX_EPOCH)
    }
}

/// A file that is open, and what it was when it was opened.
#[derive(Debug)]
pub struct OpenFile {
    /// The file.
    pub file: Arc<File>,
    /// What it was.
    pub stamp: Stamp,
    /// Some of its first and last bytes then. `None`: nobody writes to it.
    sample: Option<Sample>,
}

/// Bytes at a file's beginning, and at what was its end.
type Sample = ([u8; SAMPLE], [u8; SAMPLE]);

const SAMPLE: usize = 256;

fn sample(file: &File, length: u64) -> Sample {
    let (mut first, mut last) = ([0; SAMPLE], [0; SAMPLE]);
    let from = length.saturating_sub(SAMPLE as u64);
    // What cannot be read stays 0, then and now.
    let _ = file.read_at(&mut first, 0);
    let _ = file.read_at(&mut last, from);
    // What was appended is not looked at.
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    for end in [&mut first, &mut last] {
        if let Some(beyond) = end.get_mut(whole..) {
            beyond.fill(0);
        }
    }
    (first, last)
}

impl OpenFile {
    /// A file of which this is known.
    fn new(file: File, stamp: Stamp) -> Self {
        let sample = sample(&file, stamp.length);
        OpenFile {
            file: Arc::new(file),
            stamp,
            sample: Some(sample),
        }
    }

    /// A file that is written once and never again; the first `length` bytes of it are meant.
    pub fn sealed(file: Arc<File>, length: u64) -> Self {
        let stamp = Stamp {
            length,
            ..Stamp::default()
        };
        OpenFile {
            file,
            stamp,
            sample: None,
        }
    }

    /// Whether what it held is still in it: it was neither cut off nor written over. It may have got
    /// other rights or another name, or something may have been appended, as far as its beginning
    /// and what was its end tell.
    pub fn still_holds(&self) -> bool {
        let Ok(metadata) = self.file.metadata() else {
            return false;
        };
        let (now, then) = (Stamp::of(&metadata), self.stamp);
        let Some(before) = &self.sample else {
            return now.length >= then.length;
        };
        match now.length.cmp(&then.length) {
            std::cmp::Ordering::Less => false,
            std::cmp::Ordering::Equal => now.modified == then.modified,
            std::cmp::Ordering::Greater => sample(&self.file, then.length) == *before,
        }
    }
}

/// Where a body is.
#[derive(Debug, Clone)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// On disk.
    Disk(Arc<OpenFile>),
}

impl Content {
    /// Takes a file's content, into memory when it is not larger than `largest`, and says what the
    /// file was then. One that is written to all the time stays on disk.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn take(file: File, metadata: &Metadata, largest: u64) -> io::Result<(Self, Stamp)> {
        const TRIES: usize = 4;
        let mut stamp = Stamp::of(metadata);
        for _ in 0..TRIES {
            if stamp.length > largest {
                break;
            }
            let mut body = vec![0; usize::try_from(stamp.length).unwrap_or(0)];
            let read = file.read_exact_at(&mut body, 0);
            let now = Stamp::of(&file.metadata()?);
            if now == stamp {
                read?;
                return Ok((Content::Memory(Bytes::from(body)), stamp));
            }
            stamp = now;
        }
        Ok((Content::Disk(Arc::new(OpenFile::new(file, stamp))), stamp))
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        match self {
            Content::Memory(body) => body.len() as u64,
            Content::Disk(open) => open.stamp.length,
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it costs to keep it, bytes; `descriptor` is what an open file counts for.
    fn weight(&self, descriptor: u64) -> u64 {
        match self {
            Content::Memory(body) => body.len() as u64,
            Content::Disk(_) => descriptor,
        }
    }

    /// Whether it is what it was when it was taken. A file that is written over while it is kept
    /// must not be begun.
    fn is_current(&self) -> bool {
        match self {
            Content::Memory(_) => true,
            Content::Disk(open) => open.still_holds(),
        }
    }
}

/// A file made beforehand, in one coding, that lies beside the file.
#[derive(Debug, Clone)]
pub struct Sibling {
    /// Its content.
    pub content: Content,
    pub(super) stamp: Stamp,
}

/// A file as it is served.
#[derive(Debug)]
pub struct Entry {
    /// Where it is below the root.
    pub path: Vec<u8>,
    /// Its content.
    pub content: Content,
    /// What it was when it was read.
    pub stamp: Stamp,
    /// What all forms' tags begin with.
    pub tag: String,
    /// `Last-Modified`.
    pub last_modified: HeaderValue,
    /// `ETag` of the plain form.
    pub etag: HeaderValue,
    /// `Content-Type`.
    pub content_type: HeaderValue,
    /// Whether its name carries a hash of its content.
    pub immutable: bool,
    /// Whether it was made of the file: its time does not tell it from others that were.
    pub derived: bool,
    /// Its encoded forms, for a file that is in memory.
    pub forms: Arc<Forms>,
    pub(super) siblings: [Option<Sibling>; 3],
    /// When it was last compared with what is on disk, milliseconds of the memory's clock.
    pub(super) checked: AtomicU64,
}

impl Entry {
    /// What was made of this file, under a tag of its own.
    pub fn derive(&self, content: Content, tag: String, content_type: HeaderValue) -> Self {
        let quoted = HeaderValue::from_str(&format!("\"{tag}\""));
        Entry {
            path: Vec::new(),
            content,
            stamp: self.stamp,
            last_modified: self.last_modified.clone(),
            // A tag that is no tag would never match.
            etag: quoted.unwrap_or_else(|_| HeaderValue::from_static("\"\"")),
            tag,
            content_type,
            immutable: self.immutable,
            derived: true,
            forms: Arc::default(),
            siblings: [const { None }; 3],
            checked: AtomicU64::new(0),
        }
    }

    /// Whether this was made of that file, and not of another one with the same bytes: their times
    /// may differ, and so may what their names say.
    pub fn is_of(&self, file: &Entry) -> bool {
        self.derived && self.stamp == file.stamp && self.immutable == file.immutable
    }

    /// The file made beforehand in this coding.
    pub fn sibling(&self, coding: Coding) -> Option<&Content> {
        let sibling = self.siblings.get(coding.index())?.as_ref()?;
        Some(&sibling.content)
    }

    /// `ETag` of a form: of the best one, or of one that was made in haste. Their bytes differ.
    pub fn etag_of(&self, coding: Coding, best: bool) -> HeaderValue {
        let haste = if best { "" } else { ".f" };
        let text = format!("\"{}-{}{haste}\"", self.tag, coding.name());
        HeaderValue::from_str(&text).unwrap_or_else(|_| self.etag.clone())
    }

    /// What it costs to keep it, bytes; `descriptor` is what an open file counts for. The forms come
    /// later, and are together hardly larger than the file.
    pub fn weight(&self, descriptor: u64) -> u64 {
        const OWN: u64 = 1024;
        let forms = match &self.content {
            Content::Memory(body) => body.len() as u64,
            Content::Disk(_) => 0,
        };
        let siblings = self.siblings.iter().flatten();
        siblings
            .map(|sibling| sibling.content.weight(descriptor))
            .fold(OWN, u64::saturating_add)
            .saturating_add(self.content.weight(descriptor))
            .saturating_add(forms)
    }

    /// Whether it is open and has no name any more.
    pub(super) fn is_deleted(&self) -> bool {
        let gone = |content: &Content| match content {
            Content::Memory(_) => false,
            Content::Disk(open) => open.file.metadata().is_ok_and(|file| file.nlink() == 0),
        };
        let mut siblings = self.siblings.iter().flatten();
        gone(&self.content) || siblings.any(|sibling| gone(&sibling.content))
    }

    /// Whether what is on disk is still open as it was.
    pub(super) fn is_current(&self) -> bool {
        let mut siblings = self.siblings.iter().flatten();
        self.content.is_current() && siblings.all(|sibling| sibling.content.is_current())
    }

    /// Whether somebody has to look whether it is still the same: it is `now`, and the last look
    /// was `every` ago. Says so to one caller only.
    pub(super) fn due(&self, now: u64, every: u64) -> bool {
        let checked = self.checked.load(Ordering::Relaxed);
        now.saturating_sub(checked) >= every
            && self
                .checked
                .compare_exchange(checked, now, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}
