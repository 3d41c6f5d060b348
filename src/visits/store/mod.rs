//! The SQLite sink: visits as raw rows, and their days counted.
//!
//! One thread (`visits-store`) takes visits from the spool. A batch is one transaction, and where
//! the spool has been taken to is stored in it: each visit is in the database exactly once,
//! whenever the process ends. Days that go on are counted in memory; their raw rows are counted
//! again at the next start. A day that is over is closed: its counts are stored as two blobs, and
//! its raw rows are needed no more. A visit that comes late opens its day again.
//!
//! `synchronous = NORMAL`: what was taken survives the end of the process, however it ends. A power
//! cut may take the last batches, but does not damage the file; they are taken again from the
//! spool as far as it still has them.
//!
//! The file is never removed or made anew by itself. When it cannot be written, visits wait in the
//! spool, and the sink tries again; a file that was moved away is made anew.

mod batch;
mod board;
mod cache;
mod days;
mod delete;
mod history;
mod keep;
mod policy;
mod raw;
mod recent;
mod rush;
mod schema;
mod sink;
mod spans;
mod trouble;

#[cfg(test)]
mod tests;

pub use policy::StorePolicy;
pub use sink::{NAME, StoreSink};

use crate::visits::spool::Position;
use crate::visits::statistics::{Trouble, Zone};
use crate::visits::visit::micros;
use board::Board;
use cache::Cache;
use rusqlite::{Connection, InterruptHandle};
use spans::State;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};
use trouble::{Failure, failure};

/// How long the last one that writes waits for other processes that read: the WAL that it leaves
/// to them otherwise does no harm.
const LAST_WAIT: Duration = Duration::from_millis(200);

/// Tells the time, microseconds since the Unix epoch.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The system's clock.
pub fn system_clock() -> Clock {
    Arc::new(|| micros(SystemTime::now()))
}

/// A database of visits. The sink writes to it, anybody reads from it as a
/// [`History`](crate::visits::statistics::History).
///
/// Locks are taken in the order of the fields. `board` is held for moments only, the longest of
/// which is a question to a day that is still open: 1 ms for 100,000 different tuples.
pub struct Store {
    path: PathBuf,
    clock: Clock,
    /// Only for reading: another process writes.
    read_only: bool,
    /// The sink has ended: only for reading from here on.
    retired: AtomicBool,
    /// The connection that writes.
    db: Mutex<Main>,
    /// The connection of those who ask.
    reader: Mutex<Option<Connection>>,
    policy: Mutex<Option<StorePolicy>>,
    board: Mutex<Board>,
    cache: Mutex<Cache>,
    /// Breaks off what the connection that writes is doing.
    interrupt: Mutex<Option<InterruptHandle>>,
    /// Held as long as the store may be written.
    claim: Mutex<Option<File>>,
}

/// The connection that writes, and what goes with it.
#[derive(Default)]
struct Main {
    db: Option<Connection>,
    /// Which file it is.
    identity: Option<(u64, u64)>,
    /// What was deleted is still in the WAL.
    wal_due: bool,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Store");
        shown.field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the database, and makes it when it is missing. Only one store at a time may write to
    /// a file, in this process or another. A file that is damaged, or a disk that is full, is no
    /// reason for a server not to start: the sink tells it and tries again, and visits wait in the
    /// spool.
    ///
    /// # Errors
    /// The path cannot be right; the text says which, why and what to do.
    pub fn open(policy: &StorePolicy) -> Result<Store, Trouble> {
        Store::open_with(policy, system_clock())
    }

    /// As [`Store::open`], with another clock.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_with(policy: &StorePolicy, clock: Clock) -> Result<Store, Trouble> {
        let claim = schema::claim(&policy.path).map_err(|failure| failure.trouble)?;
        let store = Store {
            path: policy.path.clone(),
            clock,
            read_only: false,
            retired: AtomicBool::new(false),
            policy: Mutex::new(Some(policy.clone())),
            db: Mutex::default(),
            reader: Mutex::default(),
            board: Mutex::new(Board::unknown()),
            cache: Mutex::default(),
            interrupt: Mutex::default(),
            claim: Mutex::new(Some(claim)),
        };
        let connected = store.connected(&mut locked(&store.db)).map(|_| ());
        match connected {
            Err(failure) if failure.is_settings() => Err(failure.trouble),
            Ok(()) | Err(_) => Ok(store),
        }
    }

    /// Opens a database that another process may be writing to. It tells what is there now; open
    /// days are counted from their raw rows when they are asked for first. `zones`: of the sites
    /// that are configured; the stored ones hold for others.
    ///
    /// # Errors
    /// The file cannot be read; the text says which, why and what to do.
    pub fn read_only(path: &Path, zones: &BTreeMap<String, Zone>) -> Result<Store, Trouble> {
        let store = Store {
            path: path.to_path_buf(),
            clock: system_clock(),
            read_only: true,
            retired: AtomicBool::new(false),
            policy: Mutex::new(None),
            db: Mutex::default(),
            reader: Mutex::default(),
            board: Mutex::new(Board::unknown()),
            cache: Mutex::default(),
            interrupt: Mutex::default(),
            claim: Mutex::default(),
        };
        let connected = store.connected(&mut locked(&store.db)).map(|_| ());
        connected.map_err(|failure| failure.trouble)?;
        locked(&store.board).set_zones(zones, store.now());
        Ok(store)
    }

    /// Puts a changed policy in force. The path stays what it was. A new time zone makes days from
    /// now on; those that were counted stay as they were told.
    pub fn set(&self, policy: &StorePolicy) {
        let mut held = locked(&self.policy);
        *held = Some(policy.clone());
        locked(&self.board).set_zones(&policy.zones, self.now());
    }

    /// The database's file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Breaks off what the connection that writes is doing.
    fn interrupt(&self) {
        if let Some(handle) = locked(&self.interrupt).as_ref() {
            handle.interrupt();
        }
    }

    fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    fn only_reads(&self) -> bool {
        self.read_only || self.is_retired()
    }

    fn now(&self) -> i64 {
        (self.clock)()
    }

    /// Where this spool had been taken to; `None` when the database knows nothing of it.
    fn position(&self, spool: u64) -> Result<Option<Position>, Failure> {
        let mut main = locked(&self.db);
        let db = self.connected(&mut main)?;
        days::position(db, spool).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &rusqlite::Error) -> Failure {
        failure(&self.path, error)
    }

    /// The connection, made anew when there is none: then everything that is known is read again.
    fn connected<'a>(&self, main: &'a mut Main) -> Result<&'a mut Connection, Failure> {
        if main.db.is_none() {
            let db = if self.only_reads() {
                schema::reader(&self.path)?
            } else {
                schema::writer(&self.path)?
            };
            let failed = |error| self.failed(&error);
            let newest = raw::bounds(&db)
                .map_err(failed)?
                .map_or(0, |(_, newest)| newest);
            let gone = locked(&self.board).gone.clone();
            let mut board = Board::load(&db, newest, gone).map_err(failed)?;
            if let Some(policy) = locked(&self.policy).as_ref() {
                board.set_zones(&policy.zones, self.now());
            }
            *locked(&self.board) = board;
            locked(&self.cache).clear();
            main.identity = schema::identity(&self.path);
            *locked(&self.interrupt) = Some(db.get_interrupt_handle());
            main.db = Some(db);
        }
        main.db.as_mut().ok_or_else(|| {
            Failure::new(
                trouble::Kind::Other,
                format!("{} is not open", self.path.display()),
            )
        })
    }

    /// Lets go of the file: it was moved away, or the connection is no longer to be trusted. It is
    /// opened again when it is needed.
    fn disconnect(&self, main: &mut Main) {
        *main = Main::default();
        *locked(&self.reader) = None;
    }

    /// Lets go of the file after trouble.
    fn let_go(&self) {
        self.disconnect(&mut locked(&self.db));
    }

    /// Writes no more: another store may. What it knows can still be asked for, but no connection
    /// is kept for that: its WAL could not go with the last one that writes.
    fn retire(&self) {
        let mut main = locked(&self.db);
        self.retired.store(true, Ordering::Release);
        *locked(&self.reader) = None;
        if let Some(db) = &main.db {
            // To close does this as well, but not on a connection that was interrupted before, nor
            // while another process reads.
            schema::empty_wal(db, LAST_WAIT);
        }
        self.disconnect(&mut main);
        *locked(&self.claim) = None;
    }

    /// Whether no day is to be counted again.
    fn is_settled(&self) -> bool {
        let board = locked(&self.board);
        !board.forgetful && board.stale().is_empty()
    }

    /// Counts the raw rows of days that need it. Does nothing otherwise.
    fn settle(&self) -> Result<(), Failure> {
        if self.is_settled() {
            return Ok(());
        }
        let mut main = locked(&self.db);
        let db = self.connected(&mut main)?;
        let counted = self.count_stale(db);
        if self.is_retired() {
            main.db = None;
        }
        counted
    }

    fn count_stale(&self, db: &Connection) -> Result<(), Failure> {
        let (stale, forgetful) = {
            let board = locked(&self.board);
            (board.stale(), board.forgetful)
        };
        let now = self.now();
        for (site, span) in stale {
            let mut last = Vec::new();
            let note = |time: i64, fact: &crate::visits::statistics::Fact<'_>| {
                let ago = now.saturating_sub(time);
                if forgetful && !fact.partial && (0..=recent::MINUTES).contains(&ago) {
                    last.push((time, fact.visitor));
                }
            };
            let bounds = (span.begins, span.ends);
            let counted = raw::count_again(db, site, bounds, |time| span.hour(time), note);
            let day = counted.map_err(|error| self.failed(&error))?;
            let mut board = locked(&self.board);
            let known = board.sites_mut().find(|known| known.id == site);
            let Some(known) = known else { continue };
            for (time, visitor) in last {
                known.recent.note(time, visitor, now);
            }
            if let Some(span) = known.spans.get_mut(span.date) {
                span.state = State::Open {
                    day: Arc::new(day),
                    touched: now,
                };
            }
            board.changed();
        }
        locked(&self.board).forgetful = false;
        Ok(())
    }
}

/// What is behind these locks stays usable when a thread that held one panicked: the board is
/// changed by whole values, and the database by transactions.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
