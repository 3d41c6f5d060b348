//! Who was there in the last minutes, in memory.

use foldhash::{HashMap, HashMapExt};

/// Seconds that are remembered.
const REMEMBERED: i64 = 300;
/// Microseconds that are remembered.
pub const MINUTES: i64 = REMEMBERED * SECOND;
/// Slots of one second; a few more than are asked for, so that the oldest is whole.
const SLOTS: usize = 304;
/// Visitors that are remembered, per site: about 4 MiB. Of a greater crowd the rest is not told.
const VISITORS: usize = 200_000;
/// Microseconds of a second.
const SECOND: i64 = 1_000_000;

/// A site's last minutes.
#[derive(Debug, Clone)]
pub struct Recent {
    /// A second and its page views, at the second modulo [`SLOTS`].
    views: Vec<(i64, u64)>,
    /// The second in which a visitor came last.
    seen: HashMap<u64, i64>,
    /// When those who left were taken out last.
    swept: i64,
}

impl Default for Recent {
    fn default() -> Self {
        Recent {
            views: vec![(i64::MIN, 0); SLOTS],
            seen: HashMap::new(),
            swept: i64::MIN,
        }
    }
}

impl Recent {
    /// Notes a page view; both times in microseconds since the epoch.
    pub fn note(&mut self, time: i64, visitor: u64, now: i64) {
        let (second, now) = (time.min(now).div_euclid(SECOND), now.div_euclid(SECOND));
        if second < now.saturating_sub(REMEMBERED) {
            return;
        }
        let slots = i64::try_from(SLOTS).unwrap_or(1);
        let slot = usize::try_from(second.rem_euclid(slots)).unwrap_or(0);
        if let Some(slot) = self.views.get_mut(slot) {
            if slot.0 != second {
                *slot = (second, 0);
            }
            slot.1 = slot.1.saturating_add(1);
        }
        let room = self.seen.len() < VISITORS;
        if room || self.seen.contains_key(&visitor) {
            self.seen.insert(visitor, second);
        }
        let rested = now.saturating_sub(self.swept).unsigned_abs();
        if rested >= 60 || (!room && rested >= 1) {
            let from = now.saturating_sub(REMEMBERED);
            self.seen.retain(|_, seen| (from..=now).contains(seen));
            self.swept = now;
        }
    }

    /// Forgets who came before an instant, microseconds since the epoch, and not since.
    pub fn forget_before(&mut self, before: i64) {
        let before = before.div_euclid(SECOND);
        self.seen.retain(|_, seen| *seen >= before);
        for slot in self.views.iter_mut().filter(|slot| slot.0 < before) {
            *slot = (i64::MIN, 0);
        }
    }

    /// Guests and page views from `since` until `now`, microseconds since the epoch.
    pub fn count(&self, since: i64, now: i64) -> (u64, u64) {
        let now = now.div_euclid(SECOND);
        let since = since.div_euclid(SECOND).max(now.saturating_sub(REMEMBERED));
        let counted = since..=now;
        let guests = self.seen.values().filter(|seen| counted.contains(seen));
        let guests = u64::try_from(guests.count()).unwrap_or(u64::MAX);
        let views = self.views.iter().filter(|slot| counted.contains(&slot.0));
        (guests, views.map(|slot| slot.1).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_763_740_000 * SECOND;

    #[test]
    fn five_minutes_are_remembered() {
        let mut recent = Recent::default();
        recent.note(NOW - 301 * SECOND, 1, NOW);
        recent.note(NOW - 200 * SECOND, 2, NOW);
        recent.note(NOW - 100 * SECOND, 2, NOW);
        recent.note(NOW - SECOND, 3, NOW);
        assert_eq!(recent.count(NOW - 300 * SECOND, NOW), (2, 3));
        assert_eq!(recent.count(NOW - 60 * SECOND, NOW), (1, 1));
        let later = NOW + 250 * SECOND;
        assert_eq!(recent.count(later - 300 * SECOND, later), (1, 1));
        assert_eq!(recent.count(0, later + 300 * SECOND), (0, 0));
    }

    #[test]
    fn who_was_deleted_is_forgotten() {
        let mut recent = Recent::default();
        recent.note(NOW - 100 * SECOND, 1, NOW);
        recent.note(NOW - 100 * SECOND, 2, NOW);
        recent.note(NOW - 50 * SECOND, 2, NOW);
        recent.forget_before(NOW - 50 * SECOND);
        assert_eq!(recent.count(0, NOW), (1, 1));
        recent.forget_before(i64::MAX);
        assert_eq!(recent.count(0, NOW), (0, 0));
    }

    #[test]
    fn the_clock_may_go_back() {
        let mut recent = Recent::default();
        recent.note(NOW, 1, NOW);
        let before = NOW - 3600 * SECOND;
        assert_eq!(recent.count(before - 300 * SECOND, before), (0, 0));
        recent.note(before, 1, before);
        recent.note(before + 60 * SECOND, 2, before);
        assert_eq!(recent.count(before - 300 * SECOND, before), (2, 2));
    }

    #[test]
    fn a_crowd_is_bounded() {
        let mut recent = Recent::default();
        for visitor in 0..300_000 {
            recent.note(NOW, visitor, NOW);
        }
        let count = recent.count(0, NOW);
        assert_eq!(count, (VISITORS as u64, 300_000));
        // They leave, and others find room.
        let later = NOW + 400 * SECOND;
        recent.note(later, 1_000_000, later);
        recent.note(later, 1_000_001, later);
        assert_eq!(recent.count(0, later).1, 2);
        assert!(recent.seen.len() <= 2);
    }
}
