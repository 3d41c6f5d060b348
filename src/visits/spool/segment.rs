//! A segment: a file of records with a header that says which.

use super::frame;
use super::home::{Home, new_file};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// `MAGIC`, the segment's number, the ordinal of its first record, a CRC-32 over these; integers
/// are little-endian.
pub const HEADER: usize = 28;
const MAGIC: &[u8; 8] = b"PVSPOOL1";

/// A segment on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Its name, and its place in the log.
    pub number: u64,
    /// How many records were before it since the spool was made.
    pub first: u64,
    /// Bytes, with the header, that hold whole records.
    pub length: u64,
}

impl Segment {
    /// Makes an empty segment.
    ///
    /// # Errors
    /// The disk does not take it; then there is no file.
    pub fn begin(home: &Home, number: u64, first: u64) -> io::Result<(Segment, File)> {
        let path = home.segment(number);
        let file = new_file(&path)?;
        if let Err(error) = file.write_all_at(&header(number, first), 0) {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        let segment = Segment {
            number,
            first,
            length: HEADER as u64,
        };
        Ok((segment, file))
    }

    /// Reads the header of a segment; `None` when the file is none.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(home: &Home, number: u64) -> io::Result<Option<Segment>> {
        let file = File::open(home.segment(number))?;
        let mut found = [0; HEADER];
        match file.read_exact_at(&mut found, 0) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let first = found
            .get(16..24)
            .and_then(|bytes| bytes.first_chunk::<8>())
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let length = file.metadata()?.len();
        Ok((header(number, first) == found).then_some(Segment {
            number,
            first,
            length,
        }))
    }

    /// Cuts off what the last writer of this segment, the log's last, did not finish. Returns how
    /// many records it has.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn cut(&mut self, home: &Home) -> io::Result<u64> {
        let path = home.segment(self.number);
        let bytes = std::fs::read(&path)?;
        let (end, count) = frame::sound(bytes.get(HEADER..).unwrap_or_default());
        let length = end.saturating_add(HEADER) as u64;
        if length < self.length {
            self.length = length;
            // What stays behind the end, if it must, is never read by this process.
            let _ = File::options()
                .write(true)
                .open(&path)
                .and_then(|file| file.set_len(length));
        }
        Ok(count)
    }
}

fn header(number: u64, first: u64) -> [u8; HEADER] {
    let mut bytes = [0; HEADER];
    let words = MAGIC
        .iter()
        .copied()
        .chain(number.to_le_bytes())
        .chain(first.to_le_bytes());
    for (place, byte) in bytes.iter_mut().zip(words) {
        *place = byte;
    }
    if let Some((words, sum)) = bytes.split_last_chunk_mut::<4>() {
        *sum = crc32fast::hash(words).to_le_bytes();
    }
    bytes
}
