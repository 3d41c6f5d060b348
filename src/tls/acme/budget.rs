//! How many orders there may be for names that clients come for: a CA's limits are for renewals too.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// So many at once, and one more each [`EVERY`] seconds: 230 in three hours. Let's Encrypt takes 300
/// in that time from one account.
const MOST: u64 = 50;
const EVERY: u64 = 60;
/// It is told so often that there were more, in seconds.
const TELL_EVERY: u64 = 10 * 60;

/// By directory.
#[derive(Debug, Default)]
pub struct Budget {
    all: Mutex<HashMap<String, One>>,
}

#[derive(Debug, Default)]
struct One {
    /// When there may be [`MOST`] at once again.
    full: u64,
    /// When it was told last.
    told: u64,
}

impl Budget {
    /// Takes one; `now`: seconds since the Unix epoch.
    ///
    /// # Errors
    /// When there is the next one.
    pub fn take(&self, directory: &str, now: u64) -> Result<(), u64> {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        let one = all.entry(directory.to_string()).or_default();
        let longest = now.saturating_add(MOST * EVERY);
        // Not longer than that, also when the clock was set back.
        one.full = one.full.clamp(now, longest);
        let full = one.full.saturating_add(EVERY);
        if full <= longest {
            one.full = full;
            return Ok(());
        }
        if now.abs_diff(one.told) >= TELL_EVERY {
            one.told = now;
            tracing::warn!(
                directory,
                "clients came for more new names of late than certificates may be ordered for: some have to wait"
            );
        }
        Err(full.saturating_sub(MOST * EVERY))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_renewals() {
        let budget = Budget::default();
        let start = 1_000_000;
        let mut taken = 0;
        for now in start..start + 3 * 60 * 60 {
            taken += u64::from(budget.take("ca", now).is_ok());
        }
        assert_eq!(taken, MOST + 3 * 60 - 1);
        let now = start + 3 * 60 * 60;
        assert_eq!(budget.take("ca", now), Ok(()));
        assert_eq!(budget.take("ca", now), Err(now + EVERY));
        assert_eq!(budget.take("other", now), Ok(()));
        // The clock was ahead.
        assert_eq!(budget.take("ca", 1_000), Err(1_000 + EVERY));
        assert_eq!(budget.take("ca", 1_000 + EVERY), Ok(()));
    }
}
