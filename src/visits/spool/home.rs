//! The spool's directory: whose it is, and what lies in it.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Files in it name people's pages: only their owner may read them.
const FILE_MODE: u32 = 0o600;
const DIRECTORY_MODE: u32 = 0o700;
/// A process that is just being started holds all locks of the one that starts it until it begins
/// its own program: a lock that was let go a moment ago may seem to be held for this long.
const FORK: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const LOCK: &str = "lock";
const ID: &str = "id";
const CURSOR: &str = ".cursor";
const SEGMENT: &str = ".segment";

/// A directory that this process has for itself.
#[derive(Debug)]
pub struct Home {
    directory: PathBuf,
    /// Names the spool: random, made with the directory.
    pub id: u64,
    /// The lock ends with the file's last descriptor, also when the process is killed.
    lock: Option<File>,
}

impl Home {
    /// Takes the directory, which is made when there is none.
    ///
    /// # Errors
    /// It cannot be made or written, or (`ResourceBusy`) another process has it.
    pub fn take(directory: &Path) -> io::Result<Home> {
        make(directory)?;
        let lock = locked(directory)?;
        let id = match read_id(&directory.join(ID)) {
            Some(id) => id,
            None => {
                let id = rand::random();
                write_id(&directory.join(ID), id)?;
                id
            }
        };
        Ok(Home {
            directory: directory.to_path_buf(),
            id,
            lock: Some(lock),
        })
    }

    /// Makes the directory again, which somebody has removed.
    ///
    /// # Errors
    /// As [`Home::take`].
    pub fn make_again(&mut self) -> io::Result<()> {
        make(&self.directory)?;
        self.lock = Some(locked(&self.directory)?);
        write_id(&self.directory.join(ID), self.id)
    }

    /// Lets another one have the directory.
    pub fn leave(&mut self) {
        self.lock = None;
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The file of a segment.
    pub fn segment(&self, number: u64) -> PathBuf {
        self.directory.join(format!("{number:016x}{SEGMENT}"))
    }

    /// The file of a sink's place.
    pub fn cursor(&self, name: &str) -> PathBuf {
        self.directory.join(format!("{name}{CURSOR}"))
    }

    /// The numbers of the segments, in order, and the names of the cursors. What else lies in the
    /// directory is not the spool's, and is left alone.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub fn list(&self) -> io::Result<(Vec<u64>, Vec<String>)> {
        let (mut segments, mut cursors) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(&self.directory)? {
            let name = entry?.file_name();
            let Some(name) = name.to_str() else { continue };
            if let Some(digits) = name.strip_suffix(SEGMENT) {
                let number = u64::from_str_radix(digits, 16).ok();
                segments.extend(number.filter(|n| format!("{n:016x}") == digits));
            } else if let Some(sink) = name.strip_suffix(CURSOR) {
                cursors.push(sink.to_string());
            }
        }
        segments.sort_unstable();
        Ok((segments, cursors))
    }
}

/// Makes a file that must not be there yet.
///
/// # Errors
/// It is there, or cannot be made.
pub fn new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(FILE_MODE);
    options.open(path)
}

/// Opens a file to write into it, and makes it when there is none.
///
/// # Errors
/// It cannot be written.
pub fn old_or_new_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).mode(FILE_MODE);
    options.truncate(false).open(path)
}

fn make(directory: &Path) -> io::Result<()> {
    if directory.is_dir() {
        return Ok(());
    }
    if let Some(parent) = directory.parent() {
        std::fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(DIRECTORY_MODE).create(directory) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && directory.is_dir() => Ok(()),
        made => made,
    }
}

/// Two processes that write one log would mix their records: the second is told who is the first.
fn locked(directory: &Path) -> io::Result<File> {
    let mut lock = old_or_new_file(&directory.join(LOCK))?;
    let began = Instant::now();
    let held = loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if began.elapsed() < FORK => {
                std::thread::sleep(LOOK_EVERY)
            }
            held => break held,
        }
    };
    match held {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let _ = lock.read_to_string(&mut holder);
            let holder = match holder.trim() {
                "" => "another process".to_string(),
                pid => format!("process {pid}"),
            };
            return Err(io::Error::new(
                io::ErrorKind::ResourceBusy,
                format!(
                    "{} is in use by {holder}: stop it, or give this one a directory of its own",
                    directory.display()
                ),
            ));
        }
        // A file system without locks: nothing can be told, and that is no reason to have no spool.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Only a help for the message above: a full disk is no reason to have no spool.
    let _ = lock.set_len(0);
    let _ = writeln!(lock, "{}", std::process::id());
    Ok(lock)
}

fn read_id(path: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(path).ok()?;
    u64::from_str_radix(text.trim(), 16).ok()
}

fn write_id(path: &Path, id: u64) -> io::Result<()> {
    writeln!(old_or_new_file(path)?, "{id:016x}")
}
