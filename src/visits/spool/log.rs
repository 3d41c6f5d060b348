//! The segments in order, the end that is written, and the sinks' places among them.

mod sinks;

pub use sinks::Stretch;

use super::cursor::{Cursor, Position};
use super::frame;
use super::held::Held;
use super::home::Home;
use super::places::{Place, Places};
use super::segment::{HEADER, Segment};
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A segment is closed when it has this many bytes: what is freed at once, and what damage costs
/// at worst.
const SEGMENT: u64 = 8 * 1024 * 1024;
/// With a small bound segments are smaller, so that the bound does not take most of it at once.
const SEGMENTS_AT_LEAST: u64 = 4;
/// A smaller bound than this is taken as this.
const LEAST: u64 = 256 * 1024;
/// What all sinks have taken stays this many milliseconds at most, and then goes with its segment.
pub const KEPT: u64 = 60_000;
/// How long a disk that refused a write is left alone.
pub const REST: Duration = Duration::from_millis(200);

/// What the spool's lock guards.
#[derive(Debug)]
pub struct Log {
    home: Home,
    /// Bytes on disk.
    most: u64,
    /// Bytes in all segments.
    bytes: u64,
    /// In order; the last is written to when there is a `tail`.
    segments: VecDeque<Segment>,
    tail: Option<File>,
    /// The ordinal of the next record.
    next: u64,
    held: Held,
    /// When the disk is asked again, while it refuses.
    refused: Option<Instant>,
    /// Records that never came to the disk.
    dropped: u64,
    places: Places,
    /// No more appends.
    pub closed: bool,
    /// How many readers there are.
    readers: usize,
}

impl Log {
    pub fn open(directory: &Path, most: u64) -> io::Result<Log> {
        let home = Home::take(directory)?;
        let (numbers, names) = home.list()?;
        let mut segments = VecDeque::new();
        for number in numbers {
            match Segment::open(&home, number)? {
                Some(segment) => segments.push_back(segment),
                None => put_aside(&home, number)?,
            }
        }
        let mut next = 0;
        if let Some(last) = segments.back_mut() {
            next = last.first.saturating_add(last.cut(&home)?);
        }
        let mut places = Places::default();
        for name in names {
            let cursor = Cursor::new(home.cursor(&name));
            let (at, ordinal) = cursor.read().unwrap_or_else(|| {
                tracing::warn!(
                    sink = name,
                    "the sink's place in the spool of visits is damaged: it begins with the oldest"
                );
                let oldest = segments.front();
                (
                    Position::before(oldest.map_or(0, |s: &Segment| s.number)),
                    oldest.map_or(0, |s| s.first),
                )
            });
            next = next.max(ordinal);
            places.add(&name, Place::new(at, ordinal, cursor));
        }
        let mut log = Log {
            home,
            most: most.max(LEAST),
            bytes: segments.iter().map(|segment| segment.length).sum(),
            segments,
            tail: None,
            next,
            held: Held::default(),
            refused: None,
            dropped: 0,
            places,
            closed: false,
            readers: 0,
        };
        log.free();
        log.shrink(0);
        Ok(log)
    }

    pub fn id(&self) -> u64 {
        self.home.id
    }

    pub fn home(&self) -> &Home {
        &self.home
    }

    pub fn set_most(&mut self, most: u64) {
        self.most = most.max(LEAST);
        self.shrink(0);
    }

    /// Appends framed records: to the disk, or to what waits for it.
    pub fn append(&mut self, frames: &[u8], count: usize) {
        let count = u64::try_from(count).unwrap_or(u64::MAX);
        if self.closed {
            self.dropped = self.dropped.saturating_add(count);
            return;
        }
        if !self.held.is_empty() {
            self.hold(frames);
            self.retry(false);
        } else if let Err((error, written)) = self.write(frames) {
            tracing::warn!(%error, directory = %self.home.directory().display(),
                "the spool of visits cannot be written: they are kept in memory, at most 32 MiB of them; make room on its disk");
            self.hold(frames.get(written..).unwrap_or_default());
            self.refused = Some(Instant::now());
        }
    }

    fn hold(&mut self, frames: &[u8]) {
        self.dropped = self.dropped.saturating_add(self.held.push(frames));
    }

    /// Whether records wait in memory for the disk.
    pub fn is_refused(&self) -> bool {
        !self.held.is_empty()
    }

    /// Writes what waits in memory, when the disk takes it again; at once when `now`.
    pub fn retry(&mut self, now: bool) {
        let rested = self.refused.is_none_or(|at| at.elapsed() >= REST);
        if self.held.is_empty() || !(rested || now) {
            return;
        }
        while let Some(mut frames) = self.held.take_first() {
            if let Err((_, written)) = self.write(&frames) {
                frames.drain(..written);
                self.held.put_back(frames);
                self.refused = Some(Instant::now());
                return;
            }
        }
        self.refused = None;
        tracing::info!("the spool of visits is written again");
    }

    /// Writes framed records to the end of the log. An error comes with how much was written.
    fn write(&mut self, frames: &[u8]) -> Result<(), (io::Error, usize)> {
        let mut written = 0_usize;
        loop {
            let rest = frames.get(written..).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            match self.write_some(rest) {
                Ok(size) => written = written.saturating_add(size),
                // A segment that is closed can be freed when the sinks have taken it, and another
                // file may have room where this one has not.
                Err(_) if self.close_tail() => self.free(),
                Err(error) => return Err((error, written)),
            }
        }
    }

    /// Writes as many of these records as the last segment takes. Returns how many bytes.
    fn write_some(&mut self, frames: &[u8]) -> io::Result<usize> {
        if self.tail_is_gone() {
            self.tail = None;
        }
        let largest = SEGMENT.min(self.most / SEGMENTS_AT_LEAST);
        let length = self.segments.back().map_or(0, |last| last.length);
        let room = largest.saturating_sub(length);
        let (mut size, mut count) = frame::fitting(frames, to_size(room), false);
        if self.tail.is_none() || count == 0 {
            self.close_tail();
            self.free();
            let room = to_size(largest).saturating_sub(HEADER);
            (size, count) = frame::fitting(frames, room, true);
            self.shrink(size.saturating_add(HEADER));
            self.begin()?;
        } else {
            self.shrink(size);
        }
        let (Some(last), Some(file)) = (self.segments.back_mut(), &self.tail) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        if let Err(error) = file.write_all_at(frames.get(..size).unwrap_or_default(), last.length) {
            // What was written of it is no record.
            let _ = file.set_len(last.length);
            return Err(error);
        }
        last.length = last.length.saturating_add(size as u64);
        self.bytes = self.bytes.saturating_add(size as u64);
        self.next = self.next.saturating_add(count);
        Ok(size)
    }

    /// Whether somebody removed the file that is written: what goes into it would be seen by those
    /// that have it open, and by nobody after a restart.
    fn tail_is_gone(&self) -> bool {
        let state = self.tail.as_ref().and_then(|file| file.metadata().ok());
        state.is_some_and(|state| state.nlink() == 0)
    }

    /// Closes the last segment; false when it has no records, or there is none.
    fn close_tail(&mut self) -> bool {
        let used = self
            .segments
            .back()
            .is_some_and(|last| last.length > HEADER as u64);
        used && self.tail.take().is_some()
    }

    /// Begins a segment, unless the last one is empty yet.
    fn begin(&mut self) -> io::Result<()> {
        if self.tail.is_some() {
            return Ok(());
        }
        // By the clock, so that a sink's memory of a place in a spool that was restored from a
        // copy never names a segment that was written later.
        let known = self.segments.back().map(|last| last.number);
        let known = known.max(self.places.latest_segment());
        let number = clock().max(known.map_or(0, |number| number.saturating_add(1)));
        let (segment, file) = match Segment::begin(&self.home, number, self.next) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.home.make_again()?;
                self.places.reopen();
                Segment::begin(&self.home, number, self.next)?
            }
            begun => begun?,
        };
        self.bytes = self.bytes.saturating_add(segment.length);
        self.segments.push_back(segment);
        self.tail = Some(file);
        Ok(())
    }

    /// Lets the oldest segments go until `more` bytes fit into the bound.
    fn shrink(&mut self, more: usize) {
        let most = self.most.saturating_sub(more as u64);
        let kept = usize::from(self.tail.is_some());
        while self.bytes > most && self.segments.len() > kept {
            self.drop_oldest();
        }
    }

    /// Lets the segments go that all sinks have taken.
    pub fn free(&mut self) {
        let kept = usize::from(self.tail.is_some());
        while self.segments.len() > kept {
            match self.segments.front() {
                Some(oldest) if self.places.are_past(oldest) => self.drop_oldest(),
                _ => return,
            }
        }
    }

    /// Closes the last segment when it is so many milliseconds old and all sinks have taken it, and
    /// lets it go.
    pub fn let_go(&mut self, age: u64) {
        let old = self.segments.back().is_some_and(|last| {
            last.number.saturating_add(age) <= clock() && self.places.are_past(last)
        });
        if old && self.close_tail() {
            self.free();
        }
    }

    fn drop_oldest(&mut self) {
        let Some(oldest) = self.segments.pop_front() else {
            return;
        };
        self.bytes = self.bytes.saturating_sub(oldest.length);
        let path = self.home.segment(oldest.number);
        if let Err(error) = std::fs::remove_file(&path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %path.display(), "a file of the spool of visits cannot be removed");
        }
    }

    /// Where the next record will be, or a place before it with no record between.
    pub fn end(&self) -> Position {
        match self.segments.back() {
            Some(last) => Position {
                segment: last.number,
                offset: last.length,
            },
            None => Position::before(0),
        }
    }

    /// Writes what is held, for the last time, and takes no more.
    pub fn close(&mut self) {
        self.retry(true);
        self.closed = true;
        if !self.held.is_empty() {
            let records = self.held.records();
            tracing::warn!(
                records,
                "the spool of visits could not be written: they are lost"
            );
        }
    }
}

/// Milliseconds since the Unix epoch.
fn clock() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(0)
}

/// A file with the name of a segment that is none. One that is too short for a header was being
/// made when the process was killed; another one may be worth a look.
fn put_aside(home: &Home, number: u64) -> io::Result<()> {
    let path = home.segment(number);
    if std::fs::metadata(&path)?.len() < HEADER as u64 {
        return std::fs::remove_file(&path);
    }
    let aside = path.with_extension("damaged");
    tracing::warn!(file = %aside.display(), "a file of the spool of visits is damaged: it was renamed, and is not read");
    std::fs::rename(&path, aside)
}

fn to_size(length: u64) -> usize {
    usize::try_from(length).unwrap_or(usize::MAX)
}
