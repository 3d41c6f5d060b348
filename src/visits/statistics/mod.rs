//! Days counted, and questions about them answered.
//!
//! [`OpenDay`] counts visits as they come; closed, it is a [`Day`], columns that the store keeps. A
//! [`History`] hands both to [`answers`], which adds up what is asked; [`api`] tells that in JSON,
//! and [`terminal`] draws it.
//!
//! What strangers make up does not grow for good: a closed day keeps the names that matter, and
//! counts the rest as `(other)` (see [`OpenDay::close`]).
//!
//! What is a view and who is a guest: a *view* is a visit that is no partial. A *guest* of a day is
//! a visitor who was seen first that day; since visitors cannot be told from one day to the next,
//! the guests of several days are the sum of the days'. Guests of one page, and those that are
//! counted by page, are visitors who were first on that page that day. Those of one hour in a chart
//! are the visitors who were first seen in that hour.

pub mod answers;
pub mod api;
pub mod calendar;
mod day;
mod fact;
mod history;
#[cfg(test)]
pub(crate) mod memory;
mod open;
#[cfg(test)]
mod reference;
mod tally;
pub mod terminal;

pub use calendar::{Date, Zone};
pub use day::Day;
pub use fact::{DIRECT, Fact, INTERNAL, OTHER, Totals, UNKNOWN};
pub use history::{History, Trouble};
pub use open::OpenDay;
pub use tally::{By, Counts, Detail, Filter, Split, Tallied, Tally};
