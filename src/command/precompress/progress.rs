//! The line on the terminal that shows how far it is.

use super::shown;
use super::work::{Event, Work};
use std::collections::VecDeque;
use std::io::Write;
use std::time::{Duration, Instant};

/// Columns of the bar.
const BAR: usize = 20;
/// Columns for the name of what is being compressed. With all else the line stays within 80.
const NAME: usize = 28;

/// What is known of the work while it is done.
pub struct Progress {
    began: Instant,
    /// How many tasks each file still waits for.
    waiting: Vec<usize>,
    files: usize,
    bytes: u64,
    all_bytes: u64,
    cost: u64,
    all_cost: u64,
    /// Tasks that were begun and have not ended, the oldest first.
    running: VecDeque<usize>,
}

impl Progress {
    /// Whether the terminal understands what is sent to draw it.
    pub fn can_be_drawn() -> bool {
        std::env::var_os("TERM").is_some_and(|term| term != "dumb")
    }

    /// The state before the first task.
    pub fn new(work: &Work) -> Self {
        let mut waiting = vec![0_usize; work.files.len()];
        for task in &work.tasks {
            if let Some(count) = waiting.get_mut(task.file) {
                *count += 1;
            }
        }
        let size = |(file, _): (&super::walk::File, &usize)| file.size;
        let pairs = || work.files.iter().zip(&waiting);
        Progress {
            began: Instant::now(),
            files: waiting.iter().filter(|count| **count == 0).count(),
            bytes: pairs().filter(|(_, count)| **count == 0).map(size).sum(),
            all_bytes: pairs().map(size).sum(),
            cost: 0,
            all_cost: total(work.tasks.iter().map(|task| task.cost)),
            running: VecDeque::new(),
            waiting,
        }
    }

    /// Takes in what a thread told.
    pub fn note(&mut self, work: &Work, event: &Event) {
        let number = match event {
            Event::Begun(number) => return self.running.push_back(*number),
            Event::Ended(number, _) => *number,
        };
        self.running.retain(|other| *other != number);
        let Some(task) = work.tasks.get(number) else {
            return;
        };
        self.cost = self.cost.saturating_add(task.cost);
        let Some(count) = self.waiting.get_mut(task.file) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.files += 1;
            self.bytes += work.files.get(task.file).map_or(0, |file| file.size);
        }
    }

    /// Draws the line over the one before.
    pub fn draw(&self, work: &Work) {
        let line = self.line(work, self.began.elapsed());
        // A line that is broken in two could not be drawn over: the terminal's wrapping is off for
        // it (DECAWM, which every terminal since the VT100 has).
        send(&format!("\r\x1b[?7l{line}\x1b[K\x1b[?7h"));
    }

    /// Takes the line away.
    pub fn clear(&self) {
        send("\r\x1b[K");
    }

    fn line(&self, work: &Work, elapsed: Duration) -> String {
        let full = match self.all_cost {
            0 => BAR,
            all => (u128::from(self.cost) * BAR as u128 / u128::from(all)) as usize,
        };
        let full = full.min(BAR);
        // The one that has run longest is the one that is waited for.
        let what = match self.running.front().and_then(|number| work.what(*number)) {
            Some((file, coding)) => {
                let name = file.path.file_name().unwrap_or_default();
                let name = shown::path(std::path::Path::new(name));
                format!("  {} {}", shorten(&name, NAME), coding.name())
            }
            None => String::new(),
        };
        format!(
            "[{}{}] {}/{} files, {} of {}, {}{what}",
            "#".repeat(full),
            "-".repeat(BAR - full),
            self.files,
            work.files.len(),
            shown::size(self.bytes),
            shown::size(self.all_bytes),
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
    use super::super::walk::File;
    use super::super::work::Outcome;
    use super::*;
    use crate::content::Coding;
    use std::path::PathBuf;
    use std::time::SystemTime;

    #[test]
    fn the_line_says_how_far_it_is() {
        let file = |name: &str, size| File {
            path: PathBuf::from(name),
            size,
            changed: SystemTime::now(),
            kind: "css".to_string(),
        };
        let files = vec![file("none/a.css", 3072), file("none/b\x1b.css", 1024)];
        let work = Work::plan(files, &[Coding::Brotli, Coding::Gzip], false, |_, _, _| {});
        let mut progress = Progress::new(&work);
        let line = |progress: &Progress| progress.line(&work, Duration::from_secs(61));
        assert_eq!(
            line(&progress),
            "[--------------------] 0/2 files, 0 B of 4.0 KiB, 1:01"
        );
        // Longest first: a.css br, b.css br, a.css gzip, b.css gzip.
        for number in 0..2 {
            progress.note(&work, &Event::Begun(number));
        }
        assert!(line(&progress).ends_with("1:01  a.css br"));
        progress.note(
            &work,
            &Event::Ended(0, Outcome::NotWorth { removed: false }),
        );
        assert_eq!(
            line(&progress),
            "[##############------] 0/2 files, 0 B of 4.0 KiB, 1:01  b?.css br"
        );
        for number in 1..4 {
            progress.note(
                &work,
                &Event::Ended(number, Outcome::NotWorth { removed: false }),
            );
        }
        assert_eq!(
            line(&progress),
            "[####################] 2/2 files, 4.0 KiB of 4.0 KiB, 1:01"
        );
    }

    #[test]
    fn long_names_keep_their_end() {
        assert_eq!(shorten("vendors.3f2a9c.chunk.js", 12), "....chunk.js");
        assert_eq!(shorten("site.css", 12), "site.css");
    }
}
