//! What is to be done, and doing it: threads that take the next of a list of tasks.

use super::File;
use super::sibling::{self, Prepared, State};
use crate::command::problem::Problem;
use crate::compress;
use crate::content::{Coding, Effort, saves_enough};
use std::cmp::Reverse;
use std::fs::{self, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{PoisonError, RwLock};
use tokio::sync::mpsc::Sender;

/// What is smaller is served as it is, so no compressed form of it is ever asked for. In bytes; the
/// default of `min_length`.
pub const SMALLEST: u64 = 800;

/// What became of one compressed form. Lengths are in bytes.
#[derive(Debug)]
pub enum Outcome {
    /// It was made.
    Written {
        /// The file's length.
        original: u64,
        /// The form's length.
        bytes: u64,
    },
    /// It was there.
    UpToDate {
        /// The file's length.
        original: u64,
        /// The form's length.
        bytes: u64,
    },
    /// It would not have saved enough.
    NotWorth {
        /// Whether there was one, which is gone now.
        removed: bool,
    },
    /// There is none, or an old one.
    Failed(Problem),
}

impl Outcome {
    /// What could not be done.
    pub fn problem(self) -> Option<Problem> {
        match self {
            Outcome::Failed(problem) => Some(problem),
            _ => None,
        }
    }
}

/// One form of one file.
#[derive(Debug)]
pub struct Task {
    /// The file's number in [`Work::files`].
    pub file: usize,
    /// The form's coding.
    pub coding: Coding,
    /// About how long it takes, in no unit.
    pub cost: u64,
    /// Whether there is an old form.
    existed: bool,
}

/// What a thread tells. The number is that of the task.
#[derive(Debug)]
pub enum Event {
    /// It was begun.
    Begun(usize),
    /// It ended.
    Ended(usize, Outcome),
}

/// All there is to do.
#[derive(Debug)]
pub struct Work {
    /// The files that have compressed forms, or may get them.
    pub files: Vec<File>,
    /// What has to be done, what takes longest first.
    pub tasks: Vec<Task>,
    next: AtomicUsize,
    /// Held for reading while a form is written, until it is in its place; true: no more writing.
    stopped: RwLock<bool>,
}

impl Work {
    /// Finds out what has to be done. What is settled without compressing is told.
    pub fn plan(
        files: Vec<File>,
        codings: &[Coding],
        force: bool,
        mut settled: impl FnMut(&File, Coding, Outcome),
    ) -> Self {
        let (files, small): (Vec<File>, Vec<File>) =
            files.into_iter().partition(|file| file.size >= SMALLEST);
        for file in &small {
            for coding in codings {
                // A file that was larger once may have forms, which say what it said then.
                let path = sibling::path(&file.path, *coding);
                if matches!(sibling::state(&path, file.changed), Ok(State::Outdated)) {
                    settled(file, *coding, remove(&path, true));
                }
            }
        }
        let mut tasks = Vec::new();
        for (number, file) in files.iter().enumerate() {
            for coding in codings {
                let path = sibling::path(&file.path, *coding);
                let existed = match sibling::state(&path, file.changed) {
                    Ok(State::UpToDate(bytes)) if !force => {
                        let original = file.size;
                        settled(file, *coding, Outcome::UpToDate { original, bytes });
                        continue;
                    }
                    Ok(state) => state != State::Missing,
                    Err(error) => {
                        settled(file, *coding, Outcome::Failed(Problem::new(&path, &error)));
                        continue;
                    }
                };
                tasks.push(Task {
                    file: number,
                    coding: *coding,
                    cost: file.size.saturating_mul(slowness(*coding)),
                    existed,
                });
            }
        }
        // So that the end is not one large file that all other threads wait for.
        tasks.sort_by_key(|task| Reverse(task.cost));
        Work {
            files,
            tasks,
            next: AtomicUsize::new(0),
            stopped: RwLock::new(false),
        }
    }

    /// Which form of which file a task makes.
    pub fn what(&self, number: usize) -> Option<(&File, Coding)> {
        let task = self.tasks.get(number)?;
        Some((self.files.get(task.file)?, task.coding))
    }

    /// Does one task after the other until none is left, or nobody listens.
    pub fn until_done(&self, tell: &Sender<Event>) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = self.tasks.get(number) else {
                return;
            };
            let Some(file) = self.files.get(task.file) else {
                return;
            };
            if tell.blocking_send(Event::Begun(number)).is_err() {
                return;
            }
            let outcome = self.make(file, task);
            if tell.blocking_send(Event::Ended(number, outcome)).is_err() {
                return;
            }
        }
    }

    /// Waits until what is being written is in its place; nothing is written after that.
    pub fn stop_writing(&self) {
        *self.stopped.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    fn make(&self, file: &File, task: &Task) -> Outcome {
        let (metadata, body) = match read(&file.path) {
            Ok(read) => read,
            Err(error) => return Outcome::Failed(Problem::new(&file.path, &error)),
        };
        let form = match compress::whole(task.coding, Effort::Best, &body) {
            Ok(form) => form,
            Err(error) => return Outcome::Failed(Problem::new(&file.path, &error)),
        };
        let (original, bytes) = (body.len() as u64, form.len() as u64);
        drop(body);
        let path = sibling::path(&file.path, task.coding);
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            let stopped = io::Error::from(ErrorKind::Interrupted);
            return Outcome::Failed(Problem::new(&path, &stopped));
        }
        if original < SMALLEST || !saves_enough(original, bytes) {
            return remove(&path, task.existed);
        }
        let written = Prepared::write(path.clone(), &form, &metadata).and_then(|prepared| {
            same(&file.path, &metadata)?;
            prepared.place()
        });
        match written {
            Ok(()) => Outcome::Written { original, bytes },
            Err(error) => Outcome::Failed(Problem::new(&path, &error)),
        }
    }
}

/// Removes a form that is not worth it, if there is one.
fn remove(path: &Path, existed: bool) -> Outcome {
    match existed.then(|| fs::remove_file(path)) {
        None => Outcome::NotWorth { removed: false },
        Some(Ok(())) => Outcome::NotWorth { removed: true },
        Some(Err(error)) if error.kind() == ErrorKind::NotFound => {
            Outcome::NotWorth { removed: false }
        }
        Some(Err(error)) => Outcome::Failed(Problem::new(path, &error)),
    }
}

/// A file's content, and what it was like before it was read.
fn read(path: &Path) -> io::Result<(Metadata, Vec<u8>)> {
    let mut file = OpenOptions::new()
        .read(true)
        // It was a file when it was found. What has become a link is not followed, and what has
        // become a pipe is not waited for.
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("no longer a file"));
    }
    let mut body = Vec::new();
    // A file that no longer fits into memory is one problem, not the end of the process.
    let length = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    body.try_reserve_exact(length)?;
    file.read_to_end(&mut body)?;
    Ok((metadata, body))
}

/// Whether a file is still what it was when it was read.
fn same(path: &Path, before: &Metadata) -> io::Result<()> {
    let now = fs::symlink_metadata(path)?;
    let key = |m: &Metadata| (m.dev(), m.ino(), m.len(), m.mtime(), m.mtime_nsec());
    match key(&now) == key(before) {
        true => Ok(()),
        false => Err(io::Error::other("its file was changed meanwhile")),
    }
}

/// How much longer a byte takes than with gzip, about, measured on the files of Django's admin. It
/// only puts tasks in an order.
fn slowness(coding: Coding) -> u64 {
    match coding {
        Coding::Brotli => 25,
        Coding::Zstd => 7,
        Coding::Gzip => 1,
    }
}
