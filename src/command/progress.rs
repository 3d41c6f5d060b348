//! The line on the terminal that shows how far it is.

use super::shown;
use std::collections::VecDeque;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

/// How often the line is drawn.
pub const REDRAW: Duration = Duration::from_millis(100);

/// Columns of the bar.
const BAR: usize = 20;
/// Columns for the name of what is being worked on. With all else the line stays within 80.
const NAME: usize = 28;

/// What is known of the work while it is done: tasks, several of which may be for one file.
pub struct Progress {
    began: Instant,
    /// What the files are, in the plural.
    noun: &'static str,
    /// Bytes of each file.
    sizes: Vec<u64>,
    /// The file of each task, and about how long it takes, in no unit.
    tasks: Vec<(usize, u64)>,
    /// How many tasks each file still waits for.
    waiting: Vec<usize>,
    files: usize,
    bytes: u64,
    cost: u64,
    /// Tasks that were begun and have not ended, the oldest first.
    running: VecDeque<usize>,
}

/// A task that was begun.
pub struct Begun<'a> {
    /// The file.
    pub path: &'a Path,
    /// What is made of it; may be empty.
    pub detail: &'a str,
}

impl Progress {
    /// Whether there is a terminal, and it understands what is sent to draw it.
    pub fn can_be_drawn() -> bool {
        std::io::stderr().is_terminal() && std::env::var_os("TERM").is_some_and(|t| t != "dumb")
    }

    /// The state before the first task. `sizes`: bytes of each file; `tasks`: the number of each
    /// one's file, and about how long it takes, in no unit.
    pub fn new(noun: &'static str, sizes: Vec<u64>, tasks: Vec<(usize, u64)>) -> Self {
        let mut waiting = vec![0_usize; sizes.len()];
        for (file, _) in &tasks {
            if let Some(count) = waiting.get_mut(*file) {
                *count += 1;
            }
        }
        let done = sizes.iter().zip(&waiting).filter(|(_, count)| **count == 0);
        Progress {
            began: Instant::now(),
            noun,
            files: done.clone().count(),
            bytes: total(done.map(|(size, _)| *size)),
            cost: 0,
            running: VecDeque::new(),
            waiting,
            sizes,
            tasks,
        }
    }

    /// The task with this number was begun.
    pub fn begun(&mut self, number: usize) {
        self.running.push_back(number);
    }

    /// It ended.
    pub fn ended(&mut self, number: usize) {
        self.running.retain(|other| *other != number);
        let Some((file, cost)) = self.tasks.get(number).copied() else {
            return;
        };
        self.cost = self.cost.saturating_add(cost);
        let Some(count) = self.waiting.get_mut(file) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.files += 1;
            self.bytes += self.sizes.get(file).copied().unwrap_or(0);
        }
    }

    /// Draws the line over the one before. `what` tells what a task is.
    pub fn draw<'a>(&self, what: impl Fn(usize) -> Option<Begun<'a>>) {
        let line = self.line(what, self.began.elapsed());
        // A line that is broken in two could not be drawn over: the terminal's wrapping is off for
        // it (DECAWM, which every terminal since the VT100 has).
        send(&format!("\r\x1b[?7l{line}\x1b[K\x1b[?7h"));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        send("\r\x1b[K");
    }

    fn line<'a>(&self, what: impl Fn(usize) -> Option<Begun<'a>>, elapsed: Duration) -> String {
        let full = match total(self.tasks.iter().map(|(_, cost)| *cost)) {
            0 => BAR,
            all => (u128::from(self.cost) * BAR as u128 / u128::from(all)) as usize,
        };
        let full = full.min(BAR);
        // The one that has run longest is the one that is waited for.
        let what = match self.running.front().and_then(|number| what(*number)) {
            Some(Begun { path, detail }) => {
                let name = path.file_name().unwrap_or_default();
                let name = shown::path(Path::new(name));
                format!("  {} {detail}", shorten(&name, NAME))
                    .trim_end()
                    .to_string()
            }
            None => String::new(),
        };
        format!(
            "[{}{}] {}/{} {}, {} of {}, {}{what}",
            "#".repeat(full),
            "-".repeat(BAR - full),
            self.files,
            self.sizes.len(),
            self.noun,
            shown::size(self.bytes),
            shown::size(total(self.sizes.iter().copied())),
            shown::clock(elapsed),
        )
    }
}

/// The terminal may be gone, which is no reason to stop.
fn send(text: &str) {
    let mut terminal = std::io::stderr().lock();
    let _ = terminal.write_all(text.as_bytes());
    let _ = terminal.flush();
}

fn total(numbers: impl Iterator<Item = u64>) -> u64 {
    numbers.fold(0, u64::saturating_add)
}

/// A name in this many columns: its end tells more than its beginning.
fn shorten(name: &str, columns: usize) -> String {
    let length = name.chars().count();
    match length > columns {
        true => {
            let end = name.chars().skip(length + 3 - columns);
            format!("...{}", end.collect::<String>())
        }
        false => name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        let paths = ["none/a.css", "none/b\x1b.css"].map(Path::new);
        // a.css br, b.css br, a.css gzip, b.css gzip.
        let tasks = vec![(0, 75), (1, 25), (0, 3), (1, 1)];
        let mut progress = Progress::new("files", vec![3072, 1024], tasks);
        let what = |number: usize| {
            let (path, detail) = (paths[number % 2], ["br", "gzip"][number / 2]);
            Some(Begun { path, detail })
        };
        let line = |progress: &Progress| progress.line(what, Duration::from_secs(61));
        assert_eq!(
            line(&progress),
            "[--------------------] 0/2 files, 0 B of 4.0 KiB, 1:01"
        );
        for number in 0..2 {
            progress.begun(number);
        }
        assert!(line(&progress).ends_with("1:01  a.css br"));
        progress.ended(0);
        assert_eq!(
            line(&progress),
            "[##############------] 0/2 files, 0 B of 4.0 KiB, 1:01  b?.css br"
        );
        for number in 1..4 {
            progress.ended(number);
        }
        assert_eq!(
            line(&progress),
            "[####################] 2/2 files, 4.0 KiB of 4.0 KiB, 1:01"
        );
        let whole = Progress::new("pictures", vec![5], Vec::new());
        assert_eq!(
            whole.line(|_| None, Duration::ZERO),
            "[####################] 1/1 pictures, 5 B of 5 B, 0:00"
        );
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shorten("vendors.3f2a9c.chunk.js", 12), "....chunk.js");
        assert_eq!(shorten("site.css", 12), "site.css");
    }
}
