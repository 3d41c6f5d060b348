//! What waits in memory while the disk takes nothing.

use super::frame;
use std::collections::VecDeque;

/// Bytes in memory at most. When it is full the oldest go, and are counted.
const MOST: usize = 32 * 1024 * 1024;
/// Kept in pieces of about this many bytes: what goes at once.
const PIECE: usize = 256 * 1024;

/// Framed records that are not on the disk yet, in order.
#[derive(Debug, Default)]
pub struct Held {
    pieces: VecDeque<Vec<u8>>,
    bytes: usize,
}

impl Held {
    /// Adds records. Returns how many went for them.
    pub fn push(&mut self, mut frames: &[u8]) -> u64 {
        while !frames.is_empty() {
            let used = self.pieces.back().map_or(PIECE, Vec::len);
            let fresh = frame::fitting(frames, PIECE.saturating_sub(used), false).0 == 0;
            if fresh {
                self.pieces.push_back(Vec::new());
            }
            let used = if fresh { 0 } else { used };
            let (size, _) = frame::fitting(frames, PIECE.saturating_sub(used), fresh);
            let Some((piece, rest)) = frames.split_at_checked(size).filter(|_| size > 0) else {
                break;
            };
            if let Some(last) = self.pieces.back_mut() {
                last.extend_from_slice(piece);
                self.bytes = self.bytes.saturating_add(size);
            }
            frames = rest;
        }
        let mut gone = 0_u64;
        while self.bytes > MOST {
            let Some(oldest) = self.take_first() else {
                break;
            };
            gone = gone.saturating_add(records(&oldest));
        }
        gone
    }

    /// Takes the oldest piece out.
    pub fn take_first(&mut self) -> Option<Vec<u8>> {
        let piece = self.pieces.pop_front()?;
        self.bytes = self.bytes.saturating_sub(piece.len());
        Some(piece)
    }

    /// Puts back what was not written of the oldest piece.
    pub fn put_back(&mut self, piece: Vec<u8>) {
        self.bytes = self.bytes.saturating_add(piece.len());
        self.pieces.push_front(piece);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many records wait. They are counted now: this is asked seldom.
    pub fn records(&self) -> u64 {
        self.pieces.iter().map(|piece| records(piece)).sum()
    }
}

fn records(frames: &[u8]) -> u64 {
    u64::try_from(frame::Records(frames).count()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Batch, HEAD};
    use super::*;

    #[test]
    fn the_oldest_go_and_are_counted() {
        let mut held = Held::default();
        let mut batch = Batch::new();
        for _ in 0..1_000 {
            batch.push_bytes(&[7; 1_000]);
        }
        let (mut pushed, mut gone) = (0, 0);
        for _ in 0..50 {
            gone += held.push(batch.bytes());
            pushed += 1_000;
        }
        assert!(gone > 0 && held.bytes() <= MOST && held.bytes() > MOST - PIECE);
        assert_eq!(held.records(), pushed - gone);
        assert_eq!(held.bytes() as u64, held.records() * (1_000 + HEAD as u64));
    }

    #[test]
    fn what_is_put_back_is_the_first_again() {
        let mut held = Held::default();
        let mut batch = Batch::new();
        batch.push_bytes(&vec![1; PIECE]);
        batch.push_bytes(&[2]);
        held.push(batch.bytes());
        let first = held.take_first().unwrap();
        assert_eq!(records(&first), 1);
        held.put_back(first);
        assert_eq!((held.records(), held.bytes()), (2, batch.bytes().len()));
        let lengths = [
            held.take_first().unwrap().len(),
            held.take_first().unwrap().len(),
        ];
        assert_eq!(lengths, [PIECE + HEAD, 1 + HEAD]);
        assert!(held.is_empty() && held.bytes() == 0);
    }
}
