//! A sink's place in the log, on the disk.

use super::home::old_or_new_file;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A place in the log. Ordered as the log is; segment numbers grow, but not by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The segment's number.
    pub segment: u64,
    /// Bytes from the segment's start.
    pub offset: u64,
}

/// Segment, offset, ordinal and a CRC-32 over them; integers are little-endian.
const SIZE: usize = 28;

/// What is read again at the next start: how far a sink has come.
#[derive(Debug)]
pub struct Cursor {
    path: PathBuf,
    file: Option<File>,
}

impl Cursor {
    /// The cursor in this file, which need not exist.
    pub fn new(path: PathBuf) -> Cursor {
        Cursor { path, file: None }
    }

    /// The place, and how many records are before it. `None` when the file is damaged.
    pub fn read(&self) -> Option<(Position, u64)> {
        let bytes = std::fs::read(&self.path).ok()?;
        let bytes = bytes.first_chunk::<SIZE>()?;
        let word = |at: usize| {
            let word = bytes.get(at..)?.first_chunk::<8>()?;
            Some(u64::from_le_bytes(*word))
        };
        let place = Position {
            segment: word(0)?,
            offset: word(8)?,
        };
        let ordinal = word(16)?;
        (packed(place, ordinal) == *bytes).then_some((place, ordinal))
    }

    /// Writes the place: over the old one, in one call, so that a full disk does not matter and a
    /// killed process has either.
    ///
    /// # Errors
    /// The file cannot be made or written.
    pub fn write(&mut self, place: Position, ordinal: u64) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => old_or_new_file(&self.path)?,
        };
        file.write_all_at(&packed(place, ordinal), 0)?;
        self.file = Some(file);
        Ok(())
    }

    /// The file was removed by somebody: the next place goes into a new one.
    pub fn reopen(&mut self) {
        self.file = None;
    }

    /// Removes the file.
    pub fn remove(&self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

fn packed(place: Position, ordinal: u64) -> [u8; SIZE] {
    let mut bytes = [0; SIZE];
    let words = place
        .segment
        .to_le_bytes()
        .into_iter()
        .chain(place.offset.to_le_bytes())
        .chain(ordinal.to_le_bytes());
    for (to, byte) in bytes.iter_mut().zip(words) {
        *to = byte;
    }
    if let Some((words, sum)) = bytes.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(words).to_le_bytes();
    }
    bytes
}
