//! What the statistics ask of a store.

use super::calendar::{Date, Zone};
use super::fact::Totals;
use super::tally::{Detail, Tallied};
use std::fmt;

/// A store that cannot tell: which file, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble(pub String);

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Trouble {}

/// What a store tells. Ranges of dates have both ends in them; the first may be long before
/// anything was counted (`Date(i32::MIN)`).
pub trait History {
    /// The sites whose visits are recorded, and their time zones.
    ///
    /// # Errors
    /// The store cannot be read: that is not the same as no sites.
    fn sites(&self) -> Result<Vec<(String, Zone)>, Trouble>;

    /// The totals of every day that has any, oldest first; also of open days.
    ///
    /// # Errors
    /// The store cannot be read.
    fn totals(&self, site: &str, from: Date, to: Date) -> Result<Vec<(Date, Totals)>, Trouble>;

    /// Calls `each` with every counted day, closed or open, oldest first. Closed days need
    /// their rows only when `detail` says so.
    ///
    /// # Errors
    /// The store cannot be read.
    fn days(
        &self,
        site: &str,
        from: Date,
        to: Date,
        detail: Detail,
        each: &mut dyn FnMut(Date, &dyn Tallied),
    ) -> Result<(), Trouble>;

    /// Another number when anything that it would tell is different. It begins at a random one, so
    /// that no ETag of an earlier process fits by chance.
    fn version(&self) -> u64;

    /// Reads everything anew from here on.
    fn forget_cache(&self);

    /// Deletes all that was counted and recorded before a date, of one site or of all. How many
    /// visits that were.
    ///
    /// # Errors
    /// The store cannot be written.
    fn delete_before(&self, site: Option<&str>, date: Date) -> Result<u64, Trouble>;

    /// Guests and views (partials left out) since an instant, microseconds since the Unix epoch.
    fn recent(&self, site: Option<&str>, since: i64) -> (u64, u64);
}
