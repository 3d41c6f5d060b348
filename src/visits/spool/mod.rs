//! The log of visits between the one who records them and the sinks that keep them.
//!
//! Records are appended to files of 8 MiB, the segments; each sink has a place in them and takes
//! records in order, as fast as it can. A segment goes when every sink has taken it, or, the
//! oldest first, when the spool is over its bound.
//!
//! What was appended is in the system's page cache: it survives when the process is killed. It is
//! never flushed to the disk by force, because that would cost more than all else here together:
//! a power cut may lose what the system had not written, on Linux the last half minute. Every
//! record has a checksum, and what a power cut left half written is passed over.
//!
//! ```text
//! DIRECTORY/lock                       who has the directory
//!           id                         names the spool to sinks that remember their place themselves
//!           NAME.cursor                the place of a sink
//!           0000019ab3c4d5e6.segment   a header, then records: length, checksum, bytes
//! ```

mod cursor;
mod frame;
mod held;
mod home;
mod log;
mod places;
mod reader;
mod segment;
#[cfg(test)]
mod tests;

pub use cursor::Position;
pub use frame::Batch;
pub use reader::{Chunk, Reader};

use log::Log;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The log, shared by the one who appends and the sinks.
#[derive(Debug)]
pub struct Spool {
    log: Mutex<Log>,
    /// Something was appended, or the spool was closed.
    grown: Condvar,
    id: u64,
}

/// What is in the spool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes on disk.
    pub bytes: u64,
    /// Bytes in memory, while the disk takes nothing.
    pub held: u64,
    /// Records that never came to the disk, since the start.
    pub dropped: u64,
    /// Each sink's share, by name.
    pub readers: Vec<ReaderCounts>,
}

/// What a sink has before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderCounts {
    /// The sink's name.
    pub name: String,
    /// Records that it has not taken.
    pub waiting: u64,
    /// Records that went with old segments before it took them, or were damaged, since the start.
    pub lost: u64,
}

impl Counts {
    /// Records that some sink never saw, since the start.
    pub fn lost(&self) -> u64 {
        let most = self.readers.iter().map(|reader| reader.lost).max();
        self.dropped.saturating_add(most.unwrap_or(0))
    }
}

impl Spool {
    /// Opens the spool in `directory`, or makes one there. `most`: bytes on disk (256 KiB at
    /// least); when there is more, the oldest go. What a killed process left half written is cut
    /// off.
    ///
    /// # Errors
    /// The directory cannot be used, or another process uses it (`ResourceBusy`).
    pub fn open(directory: &Path, most: u64) -> io::Result<Spool> {
        let log = Log::open(directory, most)?;
        Ok(Spool {
            id: log.id(),
            log: Mutex::new(log),
            grown: Condvar::new(),
        })
    }

    /// Names this spool to a sink that remembers where it was: random, made with the directory.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Appends records. Never fails: while the disk takes nothing they are kept in memory (at most
    /// 32 MiB, the oldest go and are counted) and written when it does again. After
    /// [`Spool::close`] they are counted and dropped.
    pub fn append(&self, records: &Batch) {
        if !records.is_empty() {
            locked(&self.log).append(records.bytes(), records.len());
            self.grown.notify_all();
        }
    }

    /// The place of the sink of this name (a part of a file's name), as it was left. A new one
    /// begins at the end: it sees what is appended from here on.
    pub fn reader(self: &Arc<Self>, name: &str) -> Reader {
        locked(&self.log).enter(name);
        Reader::new(self.clone(), name)
    }

    /// Keeps nothing more for the sink of this name, which exists no longer.
    pub fn forget(&self, name: &str) {
        locked(&self.log).forget(name);
    }

    /// Sets another bound, in bytes on disk.
    pub fn bound(&self, most: u64) {
        locked(&self.log).set_most(most);
    }

    /// How many records came to the disk since the spool was made.
    pub fn appended(&self) -> u64 {
        locked(&self.log).appended()
    }

    /// Behind the last record.
    pub fn end(&self) -> Position {
        locked(&self.log).end()
    }

    /// Whether a sink may let records wait: no more than a fourth of the room is taken, and the disk
    /// takes what comes.
    pub fn is_roomy(&self) -> bool {
        locked(&self.log).is_roomy()
    }

    /// What is in it.
    pub fn counts(&self) -> Counts {
        locked(&self.log).counts()
    }

    /// Looks after what time brings; to be called every few seconds. What waits in memory is
    /// written when the disk takes it again, and what all sinks have taken is removed within a
    /// minute: addresses must not lie on the disk for as long as a segment takes to be full.
    pub fn tend(&self) {
        let mut log = locked(&self.log);
        log.retry(false);
        log.let_go(log::KEPT);
    }

    /// Takes no more records, and wakes the readers. They can read to the end; when the last of
    /// them is gone the directory can be opened again.
    pub fn close(&self) {
        locked(&self.log).close();
        self.grown.notify_all();
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        locked(&self.log).closed
    }
}

/// Each change of the log is finished before anything in it can fail.
fn locked(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}
