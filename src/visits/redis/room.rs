//! Room in the list, which has at most `keep` visits.
//!
//! While its consumer comes now and then, nothing is thrown away: what there is no room for waits
//! in the spool. A list that is full for long and that nobody takes from has no consumer: then the
//! newest visits are the ones to keep.

use super::policy::RedisPolicy;
use crate::visits::sink::SinkCounters;
use std::time::{Duration, Instant};

/// A consumer that took nothing from a full list for so long is none.
pub const ABSENT: Duration = Duration::from_secs(15 * 60);
/// Between two looks at a full list: doubled from the first to the last, while nothing is taken.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(1);
/// More time than this between two looks was not spent looking: Redis was away, or no visit was
/// there. In that time a consumer may have wanted to come.
const LONGEST_LOOK: Duration = Duration::from_secs(3);

/// What the sink knows of the list, for as long as the sink lives.
#[derive(Debug)]
pub struct Room {
    list: String,
    keep: u64,
    absent: Duration,
    counters: SinkCounters,
    /// How long the list is when nobody has taken anything since it was last seen.
    length: u64,
    /// Nothing can have been put in by this sink since it was last seen.
    sure: bool,
    /// How long it was watched while it was full and nobody took anything.
    full: Duration,
    /// When it was last seen full.
    looked: Option<Instant>,
    pause: Duration,
    /// Nobody takes from it.
    alone: bool,
    /// It was told that visits wait.
    told: bool,
}

/// What may be pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// So many visits at most, at least one.
    Push(u64),
    /// All; then the list is to be trimmed.
    Trim,
    /// Nothing. When to look again.
    Wait(Duration),
}

impl Room {
    /// Nothing is known yet. `absent`: see [`ABSENT`].
    pub fn new(policy: &RedisPolicy, absent: Duration, counters: SinkCounters) -> Room {
        Room {
            list: policy.list.clone(),
            keep: policy.keep,
            absent,
            counters,
            length: 0,
            sure: false,
            full: Duration::ZERO,
            looked: None,
            pause: FIRST_PAUSE,
            alone: false,
            told: false,
        }
    }

    /// Whether so many visits fit for sure, so that Redis need not be asked.
    pub fn fits(&self, visits: u64) -> bool {
        self.sure && !self.alone && self.length.saturating_add(visits) <= self.keep
    }

    /// Something may be in the list that is not known of.
    pub fn doubt(&mut self) {
        self.sure = false;
    }

    /// Redis told the list's length. What may be pushed?
    pub fn ask(&mut self, length: u64, now: Instant) -> Leave {
        self.see(length, self.length);
        let free = self.keep.saturating_sub(length);
        if self.alone {
            return Leave::Trim;
        }
        if free > 0 {
            self.looked = None;
            self.pause = FIRST_PAUSE;
            return Leave::Push(free);
        }
        let watched = self.looked.map_or(Duration::ZERO, |looked| {
            now.saturating_duration_since(looked).min(LONGEST_LOOK)
        });
        self.full = self.full.saturating_add(watched);
        self.looked = Some(now);
        if self.full >= self.absent {
            self.alone = true;
            self.told = false;
            tracing::warn!(
                list = self.list,
                keep = self.keep,
                "the list of visits is full, nobody takes from it, and its oldest go: is its consumer running?"
            );
            return Leave::Trim;
        }
        if !self.told {
            self.told = true;
            tracing::info!(
                list = self.list,
                keep = self.keep,
                "the list of visits is full: visits wait in the spool until its consumer makes room"
            );
        }
        let pause = self.pause;
        self.pause = pause.saturating_mul(2).min(LAST_PAUSE);
        Leave::Wait(pause)
    }

    /// So many visits were pushed, and the list was as long as this before it was trimmed, if it
    /// was. `more`: others wait.
    pub fn pushed(&mut self, visits: u64, length: u64, trimmed: bool, more: bool) {
        self.see(length, self.length.saturating_add(visits));
        self.trim(trimmed);
        if self.told && !more && length <= (self.keep / 2).max(1) {
            self.told = false;
            tracing::info!(
                list = self.list,
                "no visits wait for room in the list any more"
            );
        }
    }

    /// So many visits were pushed, as is known by the marker.
    pub fn pushed_unseen(&mut self, visits: u64, trimmed: bool) {
        self.length = self.length.saturating_add(visits);
        self.trim(trimmed);
        self.sure = false;
    }

    /// The list has this length. It is shorter than it was only when somebody took from it.
    fn see(&mut self, length: u64, expected: u64) {
        if length < expected {
            self.full = Duration::ZERO;
            if self.alone {
                self.alone = false;
                tracing::info!(list = self.list, "the list of visits has a consumer again");
            }
        }
        self.length = length;
        self.sure = true;
        self.counters.has_length(length);
    }

    fn trim(&mut self, trimmed: bool) {
        if trimmed && self.length > self.keep {
            self.counters.trim(self.length.saturating_sub(self.keep));
            self.length = self.keep;
            self.counters.has_length(self.length);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::ListMode;
    use super::*;
    use crate::visits::address::AddressKind;

    const MINUTES: Duration = Duration::from_secs(60);

    fn room(keep: u64) -> (Room, SinkCounters) {
        let policy = RedisPolicy::new("redis://x", "q", keep, ListMode::List, AddressKind::None);
        let counters = SinkCounters::default();
        let room = Room::new(&policy.unwrap(), 15 * MINUTES, counters.clone());
        (room, counters)
    }

    /// Looks at a list of this length, as often as the sink would, for so long.
    fn watch(room: &mut Room, length: u64, now: &mut Instant, time: Duration) -> Leave {
        let end = *now + time;
        loop {
            match room.ask(length, *now) {
                Leave::Wait(pause) if *now + pause <= end => *now += pause,
                leave => return leave,
            }
        }
    }

    #[test]
    fn what_fits_may_be_pushed() {
        let (mut room, counters) = room(100);
        assert!(!room.fits(1), "nothing is known yet");
        assert_eq!(room.ask(40, Instant::now()), Leave::Push(60));
        assert!(room.fits(60) && !room.fits(61));
        room.pushed(50, 90, false, true);
        assert!(room.fits(10) && !room.fits(11));
        room.doubt();
        assert!(!room.fits(1));
        assert_eq!((counters.length(), counters.trimmed()), (Some(90), 0));
    }

    #[test]
    fn a_list_that_nobody_takes_from_is_trimmed_until_somebody_does() {
        let (mut room, counters) = room(100);
        let mut now = Instant::now();
        let leave = watch(&mut room, 100, &mut now, 14 * MINUTES);
        assert_eq!(leave, Leave::Wait(LAST_PAUSE));
        let leave = watch(&mut room, 100, &mut now, 2 * MINUTES);
        assert_eq!(leave, Leave::Trim);
        room.pushed(30, 130, true, true);
        assert_eq!((counters.trimmed(), counters.length()), (30, Some(100)));
        assert_eq!(room.ask(100, now), Leave::Trim);
        room.pushed_unseen(7, true);
        assert_eq!(counters.trimmed(), 37);
        // Somebody took one while the next was pushed.
        assert_eq!(room.ask(100, now), Leave::Trim);
        room.pushed(30, 129, true, true);
        assert_eq!(counters.trimmed(), 66);
        assert!(matches!(room.ask(100, now), Leave::Wait(_)));
        let leave = watch(&mut room, 100, &mut now, 16 * MINUTES);
        assert_eq!(leave, Leave::Trim);
        assert_eq!(room.ask(60, now), Leave::Push(40));
    }

    #[test]
    fn a_consumer_that_comes_seldom_is_one() {
        let (mut room, counters) = room(100);
        let mut now = Instant::now();
        for _ in 0..10 {
            let leave = watch(&mut room, 100, &mut now, 14 * MINUTES);
            assert!(matches!(leave, Leave::Wait(_)));
            assert_eq!(room.ask(0, now), Leave::Push(100));
            room.pushed(100, 100, false, true);
        }
        assert_eq!(counters.trimmed(), 0);
    }

    #[test]
    fn time_without_redis_is_not_time_without_a_consumer() {
        let (mut room, _) = room(100);
        let mut now = Instant::now();
        for _ in 0..10 {
            assert!(matches!(room.ask(100, now), Leave::Wait(_)));
            now += 60 * MINUTES;
        }
    }

    #[test]
    fn a_list_that_is_longer_than_its_bound_waits_for_its_consumer_too() {
        let (mut room, counters) = room(100);
        let now = Instant::now();
        assert!(matches!(room.ask(500, now), Leave::Wait(_)));
        assert!(matches!(room.ask(101, now), Leave::Wait(_)));
        assert_eq!(room.ask(99, now), Leave::Push(1));
        assert_eq!(counters.trimmed(), 0);
    }
}
