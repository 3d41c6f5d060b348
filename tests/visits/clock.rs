//! A clock that the test sets, for the real binary.

use crate::support::{Folder, Parvis};
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

/// A clock that goes on by itself from where it was set last.
pub struct Clock {
    file: PathBuf,
    folder: Folder,
    library: String,
}

/// Seconds since the Unix epoch of a time in UTC: `2026-03-29T00:59:50Z`.
pub fn seconds(time: &str) -> i64 {
    time.parse::<jiff::Timestamp>().unwrap().as_second()
}

/// The number of a day in the database: `2026-03-29`.
pub fn day(date: &str) -> i64 {
    seconds(&format!("{date}T00:00:00Z")) / 86_400
}

impl Clock {
    /// # Panics
    /// When libfaketime is missing: `tests/run` installs it.
    pub fn at(time: &str) -> Self {
        let folder = Folder::new();
        let clock = Clock {
            file: folder.join("clock"),
            folder,
            library: library(),
        };
        clock.set(time);
        clock
    }

    /// Sets it: forward, or back.
    pub fn set(&self, time: &str) {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        // A fraction later than the second that was asked for.
        let offset = seconds(time) as f64 + 0.01 - now;
        let beside = self.folder.write("clock.new", &format!("{offset:+.3}\n"));
        std::fs::rename(beside, &self.file).unwrap();
    }

    /// Starts parvis by this clock. Only the time of day is another one: what waits, waits as long
    /// as ever, and files are as old as they are.
    pub fn start(&self, folder: Folder, configuration: &str) -> Parvis {
        let environment = [
            ("LD_PRELOAD", self.library.as_str()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
            ("DONT_FAKE_MONOTONIC", "1"),
            ("NO_FAKE_STAT", "1"),
        ];
        Parvis::start_in(folder, configuration, &environment)
    }
}

fn library() -> String {
    let folders = std::fs::read_dir("/usr/lib")
        .into_iter()
        .flatten()
        .flatten();
    let mut folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.extend([
        "/usr/lib".into(),
        "/usr/local/lib".into(),
        "/usr/lib64".into(),
    ]);
    let found = folders
        .iter()
        .map(|folder| folder.join("faketime/libfaketimeMT.so.1"))
        .find(|path| path.exists());
    let found =
        found.expect("libfaketime is missing: run `tests/run --install`, which installs it");
    found.to_str().unwrap().to_string()
}
