//! What the sinks do with the log.

use super::Log;
use crate::visits::spool::Counts;
use crate::visits::spool::cursor::{Cursor, Position};
use crate::visits::spool::places::Place;
use crate::visits::spool::segment::Segment;

/// Where a reader goes on, and how far it may.
#[derive(Debug, Clone, Copy)]
pub struct Stretch {
    pub at: Position,
    pub end: u64,
}

impl Log {
    /// A reader comes for this sink, whose place is made at the end when there is none.
    pub fn enter(&mut self, name: &str) {
        self.readers = self.readers.saturating_add(1);
        if self.places.get(name).is_none() {
            let mut place = Place::new(self.end(), self.next, Cursor::new(self.home.cursor(name)));
            place.save();
            self.places.add(name, place);
        }
    }

    /// A reader is gone.
    pub fn depart(&mut self) {
        self.readers = self.readers.saturating_sub(1);
        self.leave();
    }

    /// When nobody appends or reads any more the directory is free, even if somebody still holds
    /// the spool to look at its counts.
    fn leave(&mut self) {
        if self.closed && self.readers == 0 {
            self.tail = None;
            self.home.leave();
        }
    }

    pub fn forget(&mut self, name: &str) {
        self.places.remove(name);
        self.free();
    }

    /// Where a sink is.
    pub fn position(&self, name: &str) -> Position {
        self.places.get(name).map_or(self.end(), |place| place.at)
    }

    /// Whether there is something for this sink.
    pub fn has_more(&self, name: &str) -> bool {
        self.places.get(name).is_some_and(|place| {
            let behind = self.segments.iter().rev();
            let mut behind = behind.take_while(|segment| segment.number >= place.at.segment);
            behind.any(|segment| segment.is_beyond(place.at))
        })
    }

    /// What a sink can read next. Steps over to the next segment, and over those that went.
    pub fn stretch(&mut self, name: &str) -> Option<Stretch> {
        let place = self.places.get_mut(name)?;
        loop {
            let from = self
                .segments
                .partition_point(|segment| segment.number < place.at.segment);
            let here = self.segments.get(from)?;
            if here.number > place.at.segment {
                place.step_to(here);
            }
            if place.at.offset < here.length {
                return Some(Stretch {
                    at: place.at,
                    end: here.length,
                });
            }
            place.step_to(self.segments.get(from.saturating_add(1))?);
        }
    }

    /// Moves a sink over `count` records.
    pub fn advance(&mut self, name: &str, end: Position, count: u64) {
        if let Some(place) = self.places.get_mut(name) {
            place.at = end;
            place.ordinal = place.ordinal.saturating_add(count);
            place.save();
        }
    }

    /// Passes over a damaged record, or (`None`) over the rest of the segment.
    pub fn pass_over(&mut self, name: &str, frame: Option<usize>) {
        let Some(place) = self.places.get_mut(name) else {
            return;
        };
        let from = self
            .segments
            .partition_point(|segment| segment.number < place.at.segment);
        let Some(here) = self
            .segments
            .get(from)
            .filter(|s| s.number == place.at.segment)
        else {
            // It went in the meantime: that is counted when the sink steps on.
            return;
        };
        let behind = self.segments.get(from.saturating_add(1));
        match frame {
            Some(size) => {
                place.at.offset = place.at.offset.saturating_add(size as u64);
                place.lose_to(place.ordinal.saturating_add(1));
            }
            None => {
                place.at.offset = here.length;
                place.lose_to(behind.map_or(self.next, |segment| segment.first));
                if behind.is_none() {
                    // What comes now goes into a file that is known to be sound.
                    self.close_tail();
                }
            }
        }
    }

    /// The segment of this position as it is now, or the next one.
    pub fn segment_at(&self, position: Position) -> Option<Segment> {
        let from = self
            .segments
            .partition_point(|segment| segment.number < position.segment);
        self.segments.get(from).copied()
    }

    /// Sets a sink's place, with how many records are before it; `None`: to the end.
    pub fn place(&mut self, name: &str, place: Option<(Position, u64)>) {
        let (at, ordinal) = place.unwrap_or((self.end(), self.next));
        if let Some(place) = self.places.get_mut(name) {
            place.at = at;
            place.ordinal = ordinal;
            place.save();
        }
        self.free();
    }

    /// How many records came to the disk since the spool was made.
    pub fn appended(&self) -> u64 {
        self.next
    }

    /// Whether a sink may let records wait: no more than a fourth of the room is taken, and the disk
    /// takes what comes.
    pub fn is_roomy(&self) -> bool {
        self.bytes <= self.most / 4 && self.held.is_empty()
    }

    pub fn counts(&self) -> Counts {
        let oldest = self
            .segments
            .front()
            .map_or(self.next, |oldest| oldest.first);
        Counts {
            bytes: self.bytes,
            held: self.held.bytes() as u64,
            dropped: self.dropped,
            readers: self.places.counts(oldest, self.next, self.held.records()),
        }
    }
}
