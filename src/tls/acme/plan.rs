//! When something is to be done: arithmetic alone, with the clock and the chance passed in.
//!
//! Times are seconds since the Unix epoch, chances lie in 0.0 to 1.0.

use serde::{Deserialize, Serialize};

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// After the first refusal; each further one doubles it.
const FIRST: u64 = MINUTE;
/// Twice as long as Let's Encrypt needs to forget failed validations, and often enough that what an
/// operator mended is found within a working day.
const LONGEST: u64 = 6 * HOUR;
/// After the first time that a CA could not be reached: this costs it nothing.
const FIRST_AWAY: u64 = 5;
const LONGEST_AWAY: u64 = HOUR;
/// A CA that says "later" is believed up to here.
const LONGEST_LIMIT: u64 = 7 * DAY;
/// After a reload or a restart it is tried again so soon after the last failure: four times in an
/// hour at most, which stays below Let's Encrypt's five failed validations.
const AGAIN: u64 = 15 * MINUTE;
/// How often a CA is asked for its window at most and at least (RFC 9773 section 4.3.3).
const WINDOW_OFTEN: u64 = MINUTE;
const WINDOW_SELDOM: u64 = DAY;
/// When the CA could not tell its window (RFC 9773 section 4.3.3: 6 hours).
pub const WINDOW_AFTER_ERROR: u64 = 6 * HOUR;

/// Clocks of edges that share a storage may differ by so much.
pub const SKEW: u64 = 5 * MINUTE;

/// Why something did not work, as far as it matters for when to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// The CA, or something on the way to it, is not there.
    Away,
    /// The CA refused.
    Refused,
    /// The CA wants to be asked again not before this time.
    Limited(u64),
}

/// When a certificate is renewed of which the CA says nothing: after two thirds of its life, and up
/// to a thirtieth later, so that not all come at once.
pub fn renewal(not_before: u64, not_after: u64, chance: f64) -> u64 {
    let life = not_after.saturating_sub(not_before);
    let due = not_before.saturating_add(life / 3 * 2 + life % 3 * 2 / 3);
    due.saturating_add(part(life / 30, chance))
}

/// A point in the window that a CA suggests (RFC 9773 section 4.2), but always with a twentieth of
/// the life left. `None`: it is no window.
pub fn in_window(window: (u64, u64), not_before: u64, not_after: u64, chance: f64) -> Option<u64> {
    let length = window.1.checked_sub(window.0)?;
    let life = not_after.saturating_sub(not_before);
    let latest = not_after.saturating_sub(life / 20);
    Some(window.0.saturating_add(part(length, chance)).min(latest))
}

/// The soonest that a certificate is renewed that was ordered at this time, whatever the CA says: a
/// fault of its would else have it ordered again and again.
pub fn soonest(issued: u64, not_before: u64, not_after: u64) -> u64 {
    let life = not_after.saturating_sub(not_before);
    match issued {
        0 => 0,
        issued => issued.saturating_add((life / 8).min(DAY)),
    }
}

/// When the CA is asked for its window again, after it said "in so many seconds".
pub fn window_again(now: u64, seconds: u64) -> u64 {
    now.saturating_add(seconds.clamp(WINDOW_OFTEN, WINDOW_SELDOM))
}

/// What is remembered of attempts that did not work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Failures {
    /// How often in a row the CA refused.
    pub refused: u32,
    /// How often in a row it was away.
    pub away: u32,
    /// When the last one was.
    pub last: u64,
    /// When the next attempt may be.
    pub next: u64,
    /// Whether `next` is the CA's word.
    pub limited: bool,
}

impl Failures {
    /// One more.
    pub fn add(&mut self, why: Why, now: u64, chance: f64) {
        self.last = now;
        self.limited = false;
        let wait = match why {
            Why::Away => {
                self.away = self.away.saturating_add(1);
                doubled(FIRST_AWAY, LONGEST_AWAY, self.away)
            }
            Why::Refused | Why::Limited(_) => {
                self.away = 0;
                self.refused = self.refused.saturating_add(1);
                doubled(FIRST, LONGEST, self.refused)
            }
        };
        // Up to a quarter more.
        self.next = now
            .saturating_add(wait)
            .saturating_add(part(wait / 4, chance));
        if let Why::Limited(until) = why {
            self.limited = true;
            self.next = until.clamp(self.next, now.saturating_add(LONGEST_LIMIT).max(self.next));
        }
    }

    /// The same as the clock has it now: what is said to be of later than now was noted by a clock
    /// that was ahead, and counts for nothing.
    pub fn at(self, now: u64) -> Failures {
        if self.last > now.saturating_add(SKEW) {
            return Failures::default();
        }
        let longest = match self.limited {
            true => LONGEST_LIMIT,
            false => LONGEST + LONGEST / 4,
        };
        Failures {
            next: self.next.min(self.last.saturating_add(longest)),
            ..self
        }
    }

    /// How many there were in a row.
    pub fn count(&self) -> u32 {
        self.refused.saturating_add(self.away)
    }

    /// When the next attempt may be. `fresh`: the configuration was read anew, or the process was
    /// started; who did that wants to see whether it works now.
    pub fn not_before(&self, fresh: bool) -> u64 {
        match fresh && !self.limited {
            true => self.next.min(self.last.saturating_add(AGAIN)),
            false => self.next,
        }
    }
}

/// `first`, doubled for each further failure.
fn doubled(first: u64, longest: u64, failures: u32) -> u64 {
    let factor = 1u64
        .checked_shl(failures.saturating_sub(1))
        .unwrap_or(u64::MAX);
    first.saturating_mul(factor).min(longest)
}

/// Up to so many.
fn part(most: u64, chance: f64) -> u64 {
    ((most as f64 * chance.clamp(0.0, 1.0)) as u64).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_renewed_after_two_thirds_of_its_life() {
        let (from, to) = (1_000 * DAY, 1_090 * DAY);
        assert_eq!(renewal(from, to, 0.0), 1_060 * DAY);
        assert_eq!(renewal(from, to, 1.0), 1_063 * DAY);
        assert_eq!(renewal(from, to, 7.0), 1_063 * DAY);
        assert_eq!(renewal(0, 10, 0.0), 6);
        // What makes no sense is over, and not an overflow.
        assert_eq!(renewal(to, from, 0.5), to);
        assert!(renewal(0, u64::MAX, 1.0) > u64::MAX / 2);
    }

    #[test]
    fn the_cas_window_is_followed() {
        let life = (0, 90 * DAY);
        let at = |window, chance| in_window(window, life.0, life.1, chance);
        assert_eq!(at((60 * DAY, 62 * DAY), 0.0), Some(60 * DAY));
        assert_eq!(at((60 * DAY, 62 * DAY), 0.5), Some(61 * DAY));
        assert_eq!(at((60 * DAY, 62 * DAY), 1.0), Some(62 * DAY));
        // A moment.
        assert_eq!(at((5, 5), 0.7), Some(5));
        // Over already: at once. After the end: while there is time.
        assert_eq!(at((1, 2), 0.0), Some(1));
        assert_eq!(
            at((95 * DAY, 99 * DAY), 0.3),
            Some(90 * DAY - 90 * DAY / 20)
        );
        assert_eq!(at((2, 1), 0.3), None);
    }

    #[test]
    fn the_window_is_asked_for_neither_too_often_nor_too_seldom() {
        for (said, then) in [(0, 60), (59, 60), (21_600, 21_600), (u64::MAX, DAY)] {
            assert_eq!(window_again(1_000, said), 1_000 + then);
        }
        assert_eq!(window_again(u64::MAX, 9), u64::MAX);
    }

    #[test]
    fn refusals_double_the_wait_up_to_six_hours() {
        let mut failures = Failures::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            failures.add(Why::Refused, 1_000, 0.0);
            waits.push((failures.next - 1_000) / MINUTE);
        }
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360, 360]);
        assert_eq!(failures.count(), 12);
        failures.refused = u32::MAX;
        failures.add(Why::Refused, u64::MAX - 3, 1.0);
        assert_eq!(failures.next, u64::MAX);
        let mut spread = Failures::default();
        spread.add(Why::Refused, 0, 1.0);
        assert_eq!(spread.next, 75);
    }

    #[test]
    fn a_ca_that_is_away_is_tried_sooner() {
        let mut failures = Failures::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            failures.add(Why::Away, 0, 0.0);
            waits.push(failures.next);
        }
        assert_eq!(
            waits,
            [5, 10, 20, 40, 80, 160, 320, 640, 1280, 2560, 3600, 3600]
        );
        // Then it is there, and refuses.
        failures.add(Why::Refused, 0, 0.0);
        assert_eq!((failures.next, failures.away), (60, 0));
    }

    #[test]
    fn a_ca_that_says_later_is_believed() {
        let limited = |until| {
            let mut failures = Failures::default();
            failures.add(Why::Limited(until), 1_000, 0.0);
            assert!(failures.limited);
            failures.next
        };
        assert_eq!(limited(5_000), 5_000);
        assert_eq!(limited(0), 1_060);
        assert_eq!(limited(u64::MAX), 1_000 + 7 * DAY);
    }

    #[test]
    fn a_clock_that_was_ahead_does_not_hold_anything_up() {
        let mut failures = Failures::default();
        failures.add(Why::Refused, 9_000 * DAY, 0.0);
        assert_eq!(failures.at(8_000 * DAY), Failures::default());
        assert_eq!(failures.at(9_000 * DAY), failures);
        // A little: another edge's clock.
        assert_eq!(failures.at(9_000 * DAY - SKEW), failures);
        failures.next = u64::MAX;
        assert_eq!(failures.at(9_000 * DAY).next, 9_000 * DAY + LONGEST * 5 / 4);
        failures.add(Why::Limited(u64::MAX), 9_000 * DAY, 0.0);
        assert_eq!(failures.at(9_001 * DAY), failures);
    }

    #[test]
    fn a_reload_tries_again_soon_but_not_at_once_and_not_against_the_cas_word() {
        let mut failures = Failures {
            refused: 7,
            ..Failures::default()
        };
        failures.add(Why::Refused, 10_000, 0.0);
        assert_eq!(failures.not_before(false), 10_000 + 128 * MINUTE);
        assert_eq!(failures.not_before(true), 10_000 + 15 * MINUTE);
        failures.add(Why::Limited(99_000), 10_000, 0.0);
        assert_eq!(failures.not_before(true), 99_000);
        assert_eq!(Failures::default().not_before(true), 0);
    }
}
