//! The time.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch; 0 before it.
pub fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// The same, as certificates count: theirs may be before the epoch.
pub fn signed_now() -> i64 {
    i64::try_from(now()).unwrap_or(i64::MAX)
}
