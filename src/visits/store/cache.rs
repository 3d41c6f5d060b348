//! Closed days that were read, kept in memory.

use crate::visits::statistics::{Date, Day, Detail};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Bytes of all days that are kept.
const WEIGHT: usize = 64 << 20;

/// Closed days in memory, at most 64 MiB.
#[derive(Debug, Default)]
pub struct Cache {
    days: BTreeMap<Order, Kept>,
    weight: usize,
}

/// Which day, as what: those that have to go first come first. Tuples are heavy and go before
/// summaries, and old days before new ones: questions end with today, and one that goes through
/// more than there is room for would otherwise push out each day just before its turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Order {
    summary: bool,
    date: Date,
    site: i64,
}

#[derive(Debug)]
struct Kept {
    revision: u64,
    weight: usize,
    day: Arc<Day>,
}

fn order(site: i64, date: Date, detail: Detail) -> Order {
    Order {
        summary: detail == Detail::Summary,
        date,
        site,
    }
}

impl Cache {
    /// The day of a site as it was at this revision, with at least this detail.
    pub fn get(&self, site: i64, date: Date, detail: Detail, revision: u64) -> Option<Arc<Day>> {
        let find = |detail| {
            let kept = self.days.get(&order(site, date, detail))?;
            (kept.revision == revision).then(|| kept.day.clone())
        };
        find(Detail::Rows).or_else(|| (detail == Detail::Summary).then(|| find(detail)).flatten())
    }

    /// Keeps a day, unless there is only room for newer ones.
    pub fn put(&mut self, site: i64, date: Date, detail: Detail, revision: u64, day: Arc<Day>) {
        let key = order(site, date, detail);
        let weight = day.weight();
        self.remove(key);
        while self.weight.saturating_add(weight) > WEIGHT {
            match self.days.first_key_value() {
                Some((first, _)) if *first < key => {
                    let first = *first;
                    self.remove(first);
                }
                _ => return,
            }
        }
        if detail == Detail::Rows {
            self.remove(order(site, date, Detail::Summary));
        }
        self.weight = self.weight.saturating_add(weight);
        self.days.insert(
            key,
            Kept {
                revision,
                weight,
                day,
            },
        );
    }

    fn remove(&mut self, key: Order) {
        if let Some(gone) = self.days.remove(&key) {
            self.weight = self.weight.saturating_sub(gone.weight);
        }
    }

    /// Keeps nothing.
    pub fn clear(&mut self) {
        *self = Cache::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::visits::statistics::{Fact, OpenDay};
    use crate::visits::visit::{Device, Source};

    /// A day of about a quarter of a megabyte.
    fn heavy() -> Arc<Day> {
        let mut open = OpenDay::default();
        for visitor in 0..20_000 {
            open.count(&Fact {
                hour: (visitor % 24) as u8,
                source: Source::Web,
                partial: false,
                device: Device::Mobile,
                country: *b"FR",
                page: &format!("/{visitor}"),
                referrer: "",
                internal: false,
                browser: "",
                os: "",
                visitor,
            });
        }
        Arc::new(open.close())
    }

    #[test]
    fn the_newest_days_stay_and_summaries_longer() {
        let day = heavy();
        let room = WEIGHT / day.weight();
        let mut cache = Cache::default();
        let date = |n: usize| Date(n as i32);
        for n in 0..room + 10 {
            cache.put(1, date(n), Detail::Rows, 7, day.clone());
        }
        assert!(cache.weight <= WEIGHT && cache.days.len() == room);
        assert!(cache.get(1, date(9), Detail::Rows, 7).is_none());
        assert!(cache.get(1, date(10), Detail::Rows, 7).is_some());
        // A summary is told from the rows too; another revision is another day.
        assert!(cache.get(1, date(10), Detail::Summary, 7).is_some());
        assert!(cache.get(1, date(10), Detail::Summary, 8).is_none());
        assert!(cache.get(2, date(10), Detail::Summary, 7).is_none());
        // Older ones find no room, but their summaries do.
        cache.put(1, date(3), Detail::Rows, 7, day.clone());
        assert!(cache.get(1, date(3), Detail::Rows, 7).is_none());
        cache.put(1, date(3), Detail::Summary, 7, day.clone());
        assert!(cache.get(1, date(3), Detail::Summary, 7).is_some());
        assert!(cache.get(1, date(3), Detail::Rows, 7).is_none());
        assert!(cache.get(1, date(10), Detail::Rows, 7).is_none());
        // In place of what was there before.
        for revision in 8..100 {
            cache.put(1, date(3), Detail::Summary, revision, day.clone());
        }
        assert!(cache.weight <= WEIGHT && cache.days.len() == room);
        cache.clear();
        assert_eq!((cache.weight, cache.days.len()), (0, 0));
    }
}
