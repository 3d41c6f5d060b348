//! Letting visits wait while they come thick and fast.
//!
//! To store a visit takes longer than all else that is done for it. In a rush the processors are for
//! requests, and the spool is where visits can wait.

use std::time::{Duration, Instant};

/// More visits than so many in a second are a rush.
const MANY: u64 = 2000;
/// Visits wait at most as long for a rush to end.
const LONGEST: Duration = Duration::from_secs(30);

/// Watches how visits come.
#[derive(Debug)]
pub struct Rush {
    began: Instant,
    looked: Instant,
    /// Visits that had come by then.
    before: u64,
}

impl Rush {
    /// Watches from now on; so many visits have come so far.
    pub fn watch(now: Instant, came: u64) -> Self {
        Rush {
            began: now,
            looked: now,
            before: came,
        }
    }

    /// Whether there was a rush since the last look, and visits may still wait for its end; so many
    /// have come so far.
    pub fn goes_on(&mut self, now: Instant, came: u64) -> bool {
        let time = now.saturating_duration_since(self.looked);
        let visits = came.saturating_sub(self.before);
        (self.looked, self.before) = (now, came);
        let many = u128::from(MANY).saturating_mul(time.as_millis());
        u128::from(visits).saturating_mul(1000) > many
            && now.saturating_duration_since(self.began) < LONGEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rush_is_told_by_its_pace_and_waited_for_half_a_minute() {
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        let mut rush = Rush::watch(start, 1_000_000);
        assert!(rush.goes_on(at(200), 1_000_401));
        assert!(rush.goes_on(at(400), 1_010_000));
        // The pace since the last look counts, also when that was long ago.
        assert!(!rush.goes_on(at(10_400), 1_030_000));
        assert!(rush.goes_on(at(29_900), 2_000_000));
        assert!(!rush.goes_on(at(30_000), 3_000_000));
        let mut calm = Rush::watch(start, 0);
        assert!(!calm.goes_on(at(200), 400));
        assert!(!calm.goes_on(at(400), 400));
    }
}
