//! The sinks' places in the log.

use super::ReaderCounts;
use super::cursor::{Cursor, Position};
use super::segment::{HEADER, Segment};
use std::collections::BTreeMap;

/// A sink's place.
#[derive(Debug)]
pub struct Place {
    pub at: Position,
    /// How many records were before it since the spool was made.
    pub ordinal: u64,
    /// Records that the sink will never see.
    lost: u64,
    cursor: Cursor,
    /// The disk did not take the cursor.
    unsaved: bool,
}

impl Place {
    pub fn new(at: Position, ordinal: u64, cursor: Cursor) -> Place {
        Place {
            at,
            ordinal,
            lost: 0,
            cursor,
            unsaved: false,
        }
    }

    /// Steps to the beginning of a later segment. Records between went before they were taken.
    pub fn step_to(&mut self, segment: &Segment) {
        self.at = Position::before(segment.number);
        self.lose_to(segment.first);
    }

    /// What is before this ordinal was not taken and never will be.
    pub fn lose_to(&mut self, ordinal: u64) {
        let missed = ordinal.saturating_sub(self.ordinal);
        self.lost = self.lost.saturating_add(missed);
        self.ordinal = self.ordinal.max(ordinal);
    }

    /// Writes the place down. When the disk does not take it, the sink knows it only as long as
    /// the process lives.
    pub fn save(&mut self) {
        let saved = self.cursor.write(self.at, self.ordinal);
        if let (Err(error), false) = (&saved, self.unsaved) {
            tracing::warn!(%error, "a sink's place in the spool of visits cannot be written");
        }
        self.unsaved = saved.is_err();
    }
}

/// All places, by the sinks' names.
#[derive(Debug, Default)]
pub struct Places(BTreeMap<String, Place>);

impl Places {
    pub fn add(&mut self, name: &str, place: Place) {
        self.0.insert(name.to_string(), place);
    }

    pub fn get(&self, name: &str) -> Option<&Place> {
        self.0.get(name)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Place> {
        self.0.get_mut(name)
    }

    pub fn remove(&mut self, name: &str) {
        if let Some(place) = self.0.remove(name) {
            place.cursor.remove();
        }
    }

    /// The files went with their directory: they are made again.
    pub fn reopen(&mut self) {
        for place in self.0.values_mut() {
            place.cursor.reopen();
            place.save();
        }
    }

    /// Whether no sink needs this segment.
    pub fn are_past(&self, segment: &Segment) -> bool {
        self.0.values().all(|place| !segment.is_beyond(place.at))
    }

    /// The latest segment that a place names; it may be gone.
    pub fn latest_segment(&self) -> Option<u64> {
        self.0.values().map(|place| place.at.segment).max()
    }

    /// What each sink has before it: on the disk from the `oldest` ordinal to `next`, and `held`.
    pub fn counts(&self, oldest: u64, next: u64, held: u64) -> Vec<ReaderCounts> {
        let count = |(name, place): (&String, &Place)| ReaderCounts {
            name: name.clone(),
            waiting: next
                .saturating_sub(place.ordinal.max(oldest))
                .saturating_add(held),
            lost: place
                .lost
                .saturating_add(oldest.saturating_sub(place.ordinal)),
        };
        self.0.iter().map(count).collect()
    }
}

impl Position {
    /// The beginning of a segment.
    pub fn before(segment: u64) -> Position {
        Position {
            segment,
            offset: HEADER as u64,
        }
    }
}

impl Segment {
    /// Whether it has bytes behind this place.
    pub fn is_beyond(&self, place: Position) -> bool {
        self.number > place.segment && self.length > HEADER as u64
            || self.number == place.segment && self.length > place.offset
    }
}
