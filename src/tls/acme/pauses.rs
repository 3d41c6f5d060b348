//! CAs that are away: one order finds that out, and the others wait.

use super::failure::Failure;
use super::plan::{Failures, Why};
use super::status::Trouble;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// By directory.
#[derive(Debug, Default)]
pub struct Pauses {
    all: Mutex<HashMap<String, (Failures, Trouble)>>,
}

impl Pauses {
    /// Until when a CA is left alone, and why.
    pub fn of(&self, directory: &str) -> Option<(u64, Trouble)> {
        let all = self.all();
        let (failures, trouble) = all.get(directory)?;
        Some((failures.next, trouble.clone()))
    }

    /// Takes note of how an order ended.
    pub fn note(&self, directory: &str, failure: Option<&Failure>, now: u64) {
        let mut all = self.all();
        match failure.filter(|failure| failure.why == Why::Away) {
            Some(failure) => {
                let trouble = failure.trouble(now);
                let (failures, told) = all
                    .entry(directory.to_string())
                    .or_insert_with(|| (Failures::default(), trouble.clone()));
                // Several may have been on their way when it went.
                if failures.next <= now {
                    failures.add(Why::Away, now, 0.0);
                }
                *told = trouble;
            }
            // It was there.
            None => {
                all.remove(directory);
            }
        }
    }

    /// Tries them all again.
    pub fn clear(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, (Failures, Trouble)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_away_is_left_alone_until_it_answers() {
        let pauses = Pauses::default();
        let away = Failure::new(Why::Away, "cannot reach it");
        let refused = Failure::new(Why::Refused, "no");
        assert!(pauses.of("ca").is_none());
        pauses.note("ca", Some(&away), 100);
        assert_eq!(pauses.of("ca").unwrap().0, 105);
        // What was on its way at the same time is the same failure.
        pauses.note("ca", Some(&away), 101);
        assert_eq!(pauses.of("ca").unwrap().0, 105);
        pauses.note("ca", Some(&away), 105);
        assert_eq!(pauses.of("ca").unwrap().0, 115);
        assert!(pauses.of("other").is_none());
        pauses.note("ca", Some(&refused), 115);
        assert!(pauses.of("ca").is_none());
    }
}
