//! A sink's way through the log.

use super::cursor::Position;
use super::frame::{self, Frame, HEAD, LONGEST, Records};
use super::log::{self, Stretch};
use super::segment::HEADER;
use super::{Spool, locked};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a reader rests when the system has no file descriptor left, or the like.
const REST: Duration = Duration::from_millis(100);

/// A sink's place in the log. There is one reader of a name at a time.
#[derive(Debug)]
pub struct Reader {
    spool: Arc<Spool>,
    name: String,
    /// The segment that is read.
    file: Option<(u64, File)>,
    /// What was read last: from, to, and how many records.
    last: Option<(Position, Position, usize)>,
    /// The memory of the last chunk.
    spare: Vec<u8>,
}

/// Records that were read.
#[derive(Debug)]
pub struct Chunk {
    /// Where it begins.
    pub start: Position,
    /// Where it ends: for [`Reader::done`].
    pub end: Position,
    /// How many records it has.
    pub count: usize,
    bytes: Vec<u8>,
}

impl Chunk {
    /// The records, in order.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> + Clone {
        Records(&self.bytes)
    }
}

enum Loaded {
    Bytes(Vec<u8>),
    /// The file, or what should be in it, is not there.
    Gone,
}

impl Reader {
    pub(super) fn new(spool: Arc<Spool>, name: &str) -> Reader {
        Reader {
            spool,
            name: name.to_string(),
            file: None,
            last: None,
            spare: Vec::new(),
        }
    }

    /// Takes back a chunk's memory for the next one.
    pub fn reuse(&mut self, chunk: Chunk) {
        self.spare = chunk.bytes;
    }

    /// Reads whole records from where it is, of one segment, up to `most` bytes but at least one
    /// record. `None` when there is nothing. It stays where it is: until [`Reader::done`] the same
    /// records come again. Damaged records are passed over: one, or all of its segment that are
    /// behind it when its length is damaged too.
    pub fn read(&mut self, most: usize) -> Option<Chunk> {
        let mut wanted = most.max(HEAD);
        loop {
            let mut log = locked(&self.spool.log);
            log.retry(false);
            let stretch = log.stretch(&self.name)?;
            drop(log);
            let bytes = match self.load(stretch, wanted) {
                Ok(Loaded::Bytes(bytes)) => bytes,
                Ok(Loaded::Gone) => {
                    self.pass_over(None);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(%error, "the spool of visits cannot be read");
                    // Who asks in a loop must not keep a processor busy with it.
                    std::thread::sleep(REST);
                    return None;
                }
            };
            if let Some(chunk) = chunk(stretch.at, bytes.as_slice()) {
                let mut bytes = bytes;
                bytes.truncate(chunk.2);
                let (end, count, _) = chunk;
                self.last = Some((stretch.at, end, count));
                return Some(Chunk {
                    start: stretch.at,
                    end,
                    count,
                    bytes,
                });
            }
            let left = stretch.end.saturating_sub(stretch.at.offset);
            match frame::first(&bytes) {
                Frame::Short(size) if size > wanted && size as u64 <= left => wanted = size,
                Frame::Damaged(size) if self.goes_on(stretch, size) => self.pass_over(Some(size)),
                _ => self.pass_over(None),
            }
        }
    }

    /// Whether there is a sound record behind a damaged one of this size.
    fn goes_on(&mut self, stretch: Stretch, size: usize) -> bool {
        let behind = Stretch {
            at: Position {
                offset: stretch.at.offset.saturating_add(size as u64),
                ..stretch.at
            },
            ..stretch
        };
        match self.load(behind, LONGEST.saturating_add(HEAD)) {
            Ok(Loaded::Bytes(bytes)) => frame::continues(&bytes),
            Ok(Loaded::Gone) | Err(_) => false,
        }
    }

    fn pass_over(&mut self, frame: Option<usize>) {
        tracing::warn!(
            sink = self.name,
            "the spool of visits is damaged: records are passed over"
        );
        locked(&self.spool.log).pass_over(&self.name, frame);
    }

    /// Reads up to `most` bytes of a stretch. An error is one of this process's, that may pass.
    fn load(&mut self, stretch: Stretch, most: usize) -> io::Result<Loaded> {
        let number = stretch.at.segment;
        if self.file.as_ref().is_none_or(|(open, _)| *open != number) {
            let path = locked(&self.spool.log).home().segment(number);
            match File::open(path) {
                Ok(file) => self.file = Some((number, file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Loaded::Gone),
                Err(error) => return Err(error),
            }
        }
        let Some((_, file)) = &self.file else {
            return Ok(Loaded::Gone);
        };
        let left = stretch.end.saturating_sub(stretch.at.offset);
        let size = usize::try_from(left).unwrap_or(usize::MAX).min(most);
        let mut bytes = std::mem::take(&mut self.spare);
        bytes.resize(size, 0);
        // A part of the disk that cannot be read is like one that was written wrongly.
        match file.read_exact_at(&mut bytes, stretch.at.offset) {
            Ok(()) => Ok(Loaded::Bytes(bytes)),
            Err(_) => Ok(Loaded::Gone),
        }
    }

    /// Waits until there is something to read, and says whether there is. Ends early when the
    /// spool is closed, and at the latest after `limit`.
    pub fn wait(&self, limit: Duration) -> bool {
        let began = Instant::now();
        let mut log = locked(&self.spool.log);
        loop {
            log.retry(false);
            if log.has_more(&self.name) {
                return true;
            }
            let left = limit.saturating_sub(began.elapsed());
            if log.closed || left.is_zero() {
                return false;
            }
            // While the disk refuses, who waits asks it again.
            let pause = if log.is_refused() {
                left.min(log::REST)
            } else {
                left
            };
            let waited = self.spool.grown.wait_timeout(log, pause);
            log = waited.unwrap_or_else(|broken| broken.into_inner()).0;
        }
    }

    /// The records up to `end` (of a [`Chunk`]) are taken for good. It is there at the next start
    /// too, and segments that all sinks have taken are freed.
    pub fn done(&mut self, end: Position) {
        match self.last.take() {
            Some((start, read, count)) if read == end && start == self.position() => {
                let mut log = locked(&self.spool.log);
                log.retry(false);
                log.advance(&self.name, end, count as u64);
                log.free();
            }
            _ => self.set(end),
        }
    }

    /// Goes to a position that the sink itself remembered: before the oldest record to the oldest,
    /// behind the end to the end.
    pub fn set(&mut self, position: Position) {
        let found = locked(&self.spool.log).segment_at(position);
        let place = found.map(|segment| {
            let start = Position::before(segment.number);
            if segment.number > position.segment {
                return (start, segment.first);
            }
            let before = Stretch {
                at: start,
                end: segment.length.min(position.offset.max(HEADER as u64)),
            };
            let (end, count) = match self.load(before, usize::MAX) {
                Ok(Loaded::Bytes(bytes)) => frame::sound(&bytes),
                Ok(Loaded::Gone) | Err(_) => (0, 0),
            };
            let end = Position {
                offset: start.offset.saturating_add(end as u64),
                ..start
            };
            (end, segment.first.saturating_add(count))
        });
        self.last = None;
        locked(&self.spool.log).place(&self.name, place);
    }

    /// Where it is.
    pub fn position(&self) -> Position {
        locked(&self.spool.log).position(&self.name)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        locked(&self.spool.log).depart();
    }
}

/// Where the sound records at the beginning of these bytes end: position, records, bytes. `None`
/// when there is none.
fn chunk(start: Position, bytes: &[u8]) -> Option<(Position, usize, usize)> {
    let (mut size, mut count) = (0_usize, 0_usize);
    while let Frame::Whole(record) = frame::first(bytes.get(size..).unwrap_or_default()) {
        size = size.saturating_add(HEAD).saturating_add(record.len());
        count = count.saturating_add(1);
    }
    let end = Position {
        offset: start.offset.saturating_add(size as u64),
        ..start
    };
    (count > 0).then_some((end, count, size))
}
