//! CAs that are away or want to be left alone: one order finds that out, and the others wait.

use super::failure::Failure;
use super::plan::{Failures, Why};
use super::status::Trouble;
use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A limit that a CA tells of when it is asked for an order may be the account's, or one that only
/// holds for some names: it does not say. The order that it was told to waits as long as it was told;
/// others no longer than this.
const LONGEST_LIMIT: u64 = 15 * 60;
/// A CA that is shut is believed up to here.
const LONGEST_SHUT: u64 = 24 * 60 * 60;

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
        match failure.filter(|failure| failure.whole) {
            Some(failure) => {
                let trouble = failure.trouble(now);
                let (failures, told) = all
                    .entry(directory.to_string())
                    .or_insert_with(|| (Failures::default(), trouble.clone()));
                if let Why::Limited(until) = failure.why {
                    let longest = match failure.problem.as_deref() {
                        Some("rateLimited") => LONGEST_LIMIT,
                        _ => LONGEST_SHUT,
                    };
                    let until = until.min(now.saturating_add(longest));
                    failures.limited = true;
                    failures.next = failures.next.max(until);
                } else if failures.next <= now {
                    // Several may have been on their way when it went.
                    failures.limited = false;
                    failures.add(Why::Away, now, 0.0);
                }
                *told = trouble;
            }
            // It was there. What it said of when to come again holds all the same.
            None => {
                let ended = |(failures, _): &mut (Failures, Trouble)| {
                    !failures.limited || failures.next <= now
                };
                if all.get_mut(directory).is_some_and(ended) {
                    all.remove(directory);
                }
            }
        }
    }

    /// Tries all again that did not ask to be left alone.
    pub fn clear(&self) {
        self.all().retain(|_, (failures, _)| failures.limited);
    }

    /// The clock was ahead: nothing of it holds.
    pub fn set_back(&self) {
        self.all().clear();
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, (Failures, Trouble)>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(why: Why, problem: Option<&str>) -> Failure {
        Failure {
            problem: problem.map(str::to_string),
            whole: true,
            ..Failure::new(why, "x")
        }
    }

    #[test]
    fn one_that_wants_to_be_left_alone_is() {
        let pauses = Pauses::default();
        let refused = Failure::new(Why::Refused, "no");
        let until = |now: u64| pauses.of("ca").map(|(until, _)| until.saturating_sub(now));
        // Busy: neither another order's end nor a reload hurries it.
        pauses.note("ca", Some(&failure(Why::Limited(5_000), None)), 1_000);
        for other in [
            None,
            Some(&refused),
            Some(&failure(Why::Limited(2_000), None)),
        ] {
            pauses.note("ca", other, 1_001);
        }
        pauses.clear();
        assert_eq!(until(0), Some(5_000));
        pauses.note("ca", None, 5_000);
        assert_eq!(until(0), None);
        // A limit, which may be one of some names alone.
        let limited = failure(Why::Limited(900_000), Some("rateLimited"));
        pauses.note("ca", Some(&limited), 6_000);
        assert_eq!(until(6_000), Some(LONGEST_LIMIT));
        // One of a name alone, as it stands.
        let own = Failure::new(Why::Limited(9_000), "its own");
        pauses.note("other", Some(&own), 6_000);
        assert!(pauses.of("other").is_none());
    }

    #[test]
    fn one_that_is_away_is_left_alone_until_it_answers() {
        let pauses = Pauses::default();
        let away = failure(Why::Away, None);
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
