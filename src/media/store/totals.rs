//! What lies in the folder, counted.

use super::disk::Kind;

/// Files of each kind, and what they take of the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Files and bytes, as [`Kind::ALL`] has the kinds.
    kinds: [(u64, u64); Kind::ALL.len()],
}

impl Totals {
    fn of(&mut self, kind: Kind) -> Option<&mut (u64, u64)> {
        let place = Kind::ALL.iter().position(|of| *of == kind)?;
        self.kinds.get_mut(place)
    }

    /// A file more, which takes so many bytes.
    pub fn add(&mut self, kind: Kind, room: u64) {
        if let Some((files, bytes)) = self.of(kind) {
            *files = files.saturating_add(1);
            *bytes = bytes.saturating_add(room);
        }
    }

    /// A file less.
    pub fn take(&mut self, kind: Kind, room: u64) {
        if let Some((files, bytes)) = self.of(kind) {
            *files = files.saturating_sub(1);
            *bytes = bytes.saturating_sub(room);
        }
    }

    /// Both together.
    pub fn plus(mut self, other: &Totals) -> Self {
        for ((files, bytes), (more, larger)) in self.kinds.iter_mut().zip(other.kinds) {
            *files = files.saturating_add(more);
            *bytes = bytes.saturating_add(larger);
        }
        self
    }

    /// Bytes of the disk.
    pub fn bytes(&self) -> u64 {
        let bytes = self.kinds.iter().map(|(_, bytes)| *bytes);
        bytes.fold(0, u64::saturating_add)
    }

    /// Each kind with its files and bytes.
    pub fn kinds(&self) -> impl Iterator<Item = (Kind, u64, u64)> {
        let kinds = Kind::ALL.into_iter().zip(self.kinds);
        kinds.map(|(kind, (files, bytes))| (kind, files, bytes))
    }
}
