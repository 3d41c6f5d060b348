//! Which names of a day are kept when it is over.
//!
//! A closed day is kept for good, and its names are what strangers send: 50,000 addresses that
//! nobody asks for again would be 50 MB each day. What is asked for is kept, and what there is room
//! for; the rest is counted as `(other)`.

use super::names::Names;
use crate::visits::statistics::fact::{DIRECT, INTERNAL, OTHER};
use std::cmp::Reverse;

/// Room for the names of a closed day.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    /// Names at most: those with the most views.
    pub names: usize,
    /// Bytes of all names, into which those with a single view have to fit.
    pub bytes: usize,
}

/// Paths of a closed day.
pub const PAGES: Room = Room {
    names: 10_000,
    bytes: 2 << 20,
};

/// Other sites of a closed day.
pub const REFERRERS: Room = Room {
    names: 5_000,
    bytes: 512 << 10,
};

impl Names {
    /// The names that are kept, in their order, and for each number the place of its name in it, or
    /// that of `(other)`. `views` are those of each number.
    pub fn folded(&self, views: &[u64], room: Room) -> (Vec<&str>, Vec<u16>) {
        let list = self.list();
        if list.len() <= room.names && self.bytes() <= room.bytes {
            return self.sorted();
        }
        let is_own = |name: &str| [OTHER, DIRECT, INTERNAL].contains(&name);
        let viewed = |number: usize| views.get(number).copied().unwrap_or(0);
        let mut strangers: Vec<usize> = (0..list.len()).collect();
        strangers.retain(|number| list.get(*number).is_some_and(|name| !is_own(name)));
        // Of names with as many views, more of the short ones fit.
        strangers.sort_by_cached_key(|number| {
            let name = list.get(*number).copied().unwrap_or_default();
            (Reverse(viewed(*number)), name.len(), name)
        });
        let mut is_kept: Vec<bool> = list.iter().map(|name| is_own(name)).collect();
        let mut bytes = 0_usize;
        for number in strangers.into_iter().take(room.names) {
            let length = list.get(number).map_or(0, |name| name.len());
            bytes = bytes.saturating_add(length);
            if viewed(number) <= 1 && bytes > room.bytes {
                break;
            }
            if let Some(kept) = is_kept.get_mut(number) {
                *kept = true;
            }
        }
        let kept = list.iter().zip(&is_kept).filter(|(_, is_kept)| **is_kept);
        let mut names: Vec<&str> = kept.map(|(name, _)| *name).collect();
        if is_kept.contains(&false) && !names.contains(&OTHER) {
            names.push(OTHER);
        }
        names.sort_unstable();
        let place = |name: &str| {
            let found = names.binary_search(&name);
            found.ok().and_then(|place| u16::try_from(place).ok())
        };
        let other = place(OTHER).unwrap_or(0);
        let places = list.iter().map(|name| place(name).unwrap_or(other));
        let places = places.collect();
        (names, places)
    }
}
