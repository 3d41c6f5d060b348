//! How records stand in a segment: a length, a checksum, the bytes.

use crate::visits::visit::Visit;

/// Before each record: its length in bytes and a CRC-32 over length and bytes, both u32, little-endian.
pub const HEAD: usize = 8;
/// A longer record is damage: a visit has thirteen texts of at most 64 KiB.
pub const LONGEST: usize = 1024 * 1024;

/// Records, framed, on their way to the spool. Emptied with [`Batch::clear`] it keeps its memory.
#[derive(Debug, Default)]
pub struct Batch {
    bytes: Vec<u8>,
    len: usize,
}

impl Batch {
    /// One without records.
    pub fn new() -> Self {
        Batch::default()
    }

    /// Adds a visit.
    pub fn push(&mut self, visit: &Visit<'_>) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD]);
        visit.encode(&mut self.bytes);
        self.finish(start);
    }

    /// Adds a record of any kind; one that is empty or longer than 1 MiB is left out.
    #[cfg(test)]
    pub fn push_bytes(&mut self, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD]);
        self.bytes.extend_from_slice(record);
        self.finish(start);
    }

    fn finish(&mut self, start: usize) {
        let frame = self.bytes.get_mut(start..).unwrap_or_default();
        let framed = frame.split_first_chunk_mut::<HEAD>();
        let head = framed.and_then(|(place, record)| {
            let length = u32::try_from(record.len()).ok()?;
            let fits = (1..=LONGEST).contains(&record.len());
            fits.then_some((place, length, checksum(length, record)))
        });
        let Some((place, length, sum)) = head else {
            self.bytes.truncate(start);
            return;
        };
        let [a, b, c, d] = length.to_le_bytes();
        let [e, f, g, h] = sum.to_le_bytes();
        *place = [a, b, c, d, e, f, g, h];
        self.len = self.len.saturating_add(1);
    }

    /// How many records it has.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it has no record.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The records with their frames.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes all records out.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.len = 0;
    }
}

/// The length is under the checksum too: a frame of zeros is none.
fn checksum(length: u32, record: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(length);
    hasher.update(record);
    hasher.finalize()
}

/// What some bytes begin with.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A sound record.
    Whole(&'a [u8]),
    /// More bytes are needed: this many from the frame's start.
    Short(usize),
    /// A record that is not as it was written, and how long its frame claims to be.
    Damaged(usize),
    /// No frame at all.
    Rubbish,
}

/// Looks at the frame that these bytes begin with.
pub fn first(bytes: &[u8]) -> Frame<'_> {
    let Some((head, rest)) = bytes.split_first_chunk::<HEAD>() else {
        return Frame::Short(HEAD);
    };
    let [a, b, c, d, e, f, g, h] = *head;
    let length = u32::from_le_bytes([a, b, c, d]);
    let size = usize::try_from(length).unwrap_or(usize::MAX);
    if size == 0 || size > LONGEST {
        return Frame::Rubbish;
    }
    match rest.get(..size) {
        None => Frame::Short(size.saturating_add(HEAD)),
        Some(record) if checksum(length, record) == u32::from_le_bytes([e, f, g, h]) => {
            Frame::Whole(record)
        }
        Some(_) => Frame::Damaged(size.saturating_add(HEAD)),
    }
}

/// Whether what begins here can follow a damaged record whose length is right: a sound record, or
/// the end.
pub fn continues(bytes: &[u8]) -> bool {
    bytes.is_empty() || matches!(first(bytes), Frame::Whole(_))
}

/// How far records go, and how many there are. A damaged one with a sound one behind it counts.
pub fn sound(bytes: &[u8]) -> (usize, u64) {
    let (mut end, mut count) = (0_usize, 0_u64);
    loop {
        let rest = bytes.get(end..).unwrap_or_default();
        let size = match first(rest) {
            Frame::Whole(record) => record.len().saturating_add(HEAD),
            Frame::Damaged(size) => match rest.get(size..) {
                Some(behind) if !behind.is_empty() && continues(behind) => size,
                _ => return (end, count),
            },
            Frame::Short(_) | Frame::Rubbish => return (end, count),
        };
        end = end.saturating_add(size);
        count = count.saturating_add(1);
    }
}

/// How much of these frames, which are sound, fits into `room` bytes: bytes and records. At least
/// one record when `force`.
pub fn fitting(frames: &[u8], room: usize, force: bool) -> (usize, u64) {
    let (mut end, mut count) = (0_usize, 0_u64);
    for record in Records(frames) {
        let next = end.saturating_add(HEAD).saturating_add(record.len());
        if next > room && !(force && count == 0) {
            break;
        }
        (end, count) = (next, count.saturating_add(1));
    }
    (end, count)
}

/// The records of frames that were looked at before.
#[derive(Debug, Clone)]
pub struct Records<'a>(pub &'a [u8]);

impl<'a> Iterator for Records<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_first_chunk::<HEAD>()?;
        let [a, b, c, d, ..] = *head;
        let size = usize::try_from(u32::from_le_bytes([a, b, c, d])).ok()?;
        let (record, rest) = rest.split_at_checked(size)?;
        self.0 = rest;
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(records: &[&[u8]]) -> Batch {
        let mut batch = Batch::new();
        for record in records {
            batch.push_bytes(record);
        }
        batch
    }

    #[test]
    fn frames_come_back() {
        let batch = batch(&[b"one", b"two", b"three"]);
        let records: Vec<_> = Records(batch.bytes()).collect();
        assert_eq!(records, [&b"one"[..], b"two", b"three"]);
        assert_eq!(sound(batch.bytes()), (batch.bytes().len(), 3));
    }

    #[test]
    fn a_record_that_is_empty_or_too_long_is_left_out() {
        let mut batch = batch(&[b"", b"one"]);
        batch.push_bytes(&vec![1; LONGEST + 1]);
        assert_eq!((batch.len(), batch.bytes().len()), (1, HEAD + 3));
    }

    #[test]
    fn every_changed_bit_is_seen() {
        let batch = batch(&[b"one"]);
        for bit in 0..batch.bytes().len() * 8 {
            let mut bytes = batch.bytes().to_vec();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(first(&bytes), Frame::Whole(_)), "{bit}");
        }
        assert_eq!(first(&[0; 64]), Frame::Rubbish);
    }

    #[test]
    fn pieces_end_between_records() {
        let batch = batch(&[b"one", b"two", b"three"]);
        let size = HEAD + 3;
        assert_eq!(fitting(batch.bytes(), 1000, false), (3 * size + 2, 3));
        assert_eq!(fitting(batch.bytes(), 2 * size + 1, false), (2 * size, 2));
        assert_eq!(fitting(batch.bytes(), size - 1, false), (0, 0));
        assert_eq!(fitting(batch.bytes(), 0, true), (size, 1));
    }
}
