//! Who keeps the folder within its bound: a thread of the store's own.
//!
//! What lies in the folder is not remembered file by file: other processes write into it and remove
//! from it, and an operator does. It is counted, with what was added since, and looked at anew now
//! and then, and before anything is removed. Who was used when is what the files' times say, and for
//! what is in memory, the memory.

use super::Shared;
use super::disk::{Disk, Kind, Seen};
use super::totals::Totals;
use crate::media::VariantKey;
use std::collections::BinaryHeap;
use std::sync::atomic::Ordering;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the folder is looked at. A look at a million files takes seconds: then less often.
const LOOK_EVERY: Duration = Duration::from_secs(300);
/// The pause after a look is so many times as long as that took, up to the longest.
const LOOK_SHARE: u32 = 20;
const LONGEST_PAUSE: Duration = Duration::from_secs(1800);
/// How often files' times are set.
const TOUCH_EVERY: Duration = Duration::from_secs(60);
/// Files whose times wait to be set. One more is not told, and asks again an hour later.
const TOUCHES: usize = 8192;
/// A disk that is full is given room so often, at most.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(60);
/// Whoever writes for so long is dead.
const LEFTOVER: Duration = Duration::from_secs(3600);
/// Of what is used all the time the file's time is not set all the time either, seconds.
const SLACK: u64 = 60;
/// How often it is tried to come below the bound: what turns out to be in use is not removed.
const PASSES: usize = 4;

#[derive(Debug, Default)]
struct State {
    totals: Totals,
    /// What was added since the look began.
    since: Totals,
    /// Whether the folder was looked at.
    complete: bool,
    /// The bound may be exceeded: look, and remove.
    over: bool,
    /// The disk is full: as above.
    full: bool,
    /// It is exceeded and nothing can be removed; it is tried again with the next look.
    stuck: bool,
    gave_back: Option<Instant>,
    closed: bool,
}

/// The keeper's desk.
#[derive(Debug, Default)]
pub struct Desk {
    state: Mutex<State>,
    /// Apart, since the event loop writes here.
    touches: Mutex<Vec<(VariantKey, Kind, u64)>>,
    wake: Condvar,
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn touches(&self) -> MutexGuard<'_, Vec<(VariantKey, Kind, u64)>> {
        self.touches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What lies in the folder, and whether all of it was counted.
    pub fn totals(&self) -> (Totals, bool) {
        let state = self.state();
        (state.totals, state.complete)
    }

    /// A file was written.
    pub fn added(&self, kind: Kind, room: u64, bound: u64) {
        let mut state = self.state();
        state.totals.add(kind, room);
        state.since.add(kind, room);
        if state.totals.bytes() > bound && !state.over && !state.stuck {
            state.over = true;
            self.wake.notify_one();
        }
    }

    /// A file was used then, seconds since the Unix epoch. Nobody is waited for.
    pub fn touch(&self, key: VariantKey, kind: Kind, used: u64) {
        let mut touches = self.touches();
        if touches.len() < TOUCHES {
            touches.push((key, kind, used));
        }
    }

    /// The disk is full: the folder gives back a little, once in a while.
    pub fn full(&self) {
        let mut state = self.state();
        let lately = |then: Instant| then.elapsed() < GIVE_BACK_EVERY;
        if !state.gave_back.is_some_and(lately) {
            state.gave_back = Some(Instant::now());
            state.full = true;
            self.wake.notify_one();
        }
    }

    /// The bound is another one.
    pub fn look_again(&self) {
        self.state().over = true;
        self.wake.notify_one();
    }

    /// Ends the keeper after what it has in hand: one file, at most.
    pub fn close(&self) {
        self.state().closed = true;
        self.wake.notify_one();
    }

    fn is_closed(&self) -> bool {
        self.state().closed
    }

    /// Waits until there is something to do, at most so long.
    fn wait(&self, most: Duration) -> Wish {
        let idle = |state: &mut State| !state.closed && !state.over && !state.full;
        let waited = self.wake.wait_timeout_while(self.state(), most, idle);
        let (state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        match (state.closed, state.over || state.full) {
            (true, _) => Wish::End,
            (false, true) => Wish::Look,
            (false, false) => Wish::Nothing,
        }
    }
}

enum Wish {
    Nothing,
    Look,
    End,
}

/// The keeper's life.
pub fn keep(shared: &Shared, disk: &Disk) {
    crate::nice::give_way();
    let mut next = look(shared, disk);
    loop {
        let wish = shared.desk.wait(TOUCH_EVERY);
        if matches!(wish, Wish::End) {
            break;
        }
        touch(shared, disk);
        let due = Instant::now() >= next;
        if due {
            shared.memory.forget_deleted();
        }
        if due || matches!(wish, Wish::Look) {
            next = look(shared, disk);
        }
    }
}

/// Says in files' times when they were used.
pub fn touch(shared: &Shared, disk: &Disk) {
    let touches = std::mem::take(&mut *shared.desk.touches());
    for (key, kind, used) in touches {
        let last = shared.memory.last_used(&key).unwrap_or(used);
        // One that is not there any more, or that is another user's, is not told.
        let _ = disk.touch(&key, kind, time(last.max(used)));
    }
}

/// Looks at the folder and brings it below the bound; when to do so again.
pub fn look(shared: &Shared, disk: &Disk) -> Instant {
    let began = Instant::now();
    enforce(shared, disk);
    let now = Instant::now();
    let pause = now.duration_since(began).saturating_mul(LOOK_SHARE);
    let pause = pause.clamp(LOOK_EVERY, LONGEST_PAUSE);
    now.checked_add(pause).unwrap_or(now)
}

/// Counts what lies in the folder; its bytes. `None`: the end came first.
fn count(shared: &Shared, disk: &Disk) -> Option<u64> {
    shared.desk.state().since = Totals::default();
    let mut totals = Totals::default();
    let mut closed = false;
    disk.walk(LEFTOVER, &mut |seen| {
        totals.add(seen.kind, seen.room);
        closed = shared.desk.is_closed();
        !closed
    });
    if closed {
        return None;
    }
    let mut state = shared.desk.state();
    // What was written meanwhile was seen or not: twice is better than never, and only until the
    // next look.
    state.totals = totals.plus(&state.since);
    state.complete = true;
    // What is removed is what was seen.
    Some(totals.bytes())
}

fn enforce(shared: &Shared, disk: &Disk) {
    let full = {
        let mut state = shared.desk.state();
        (state.over, state.stuck) = (false, false);
        std::mem::take(&mut state.full)
    };
    let bound = shared.bound();
    let mut target = None;
    for _ in 0..PASSES {
        let Some(bytes) = count(shared, disk) else {
            return;
        };
        // A little more than needed, so that the next one who writes does not begin all this again.
        let goal = match target {
            Some(goal) => goal,
            None if bytes > bound => bound.saturating_sub(bound / 20),
            None if full => bytes.saturating_sub(bytes / 20),
            None => return,
        };
        target = Some(goal);
        let excess = bytes.saturating_sub(goal);
        if excess == 0 {
            return;
        }
        let evicted = shared.evicted.load(Ordering::Relaxed);
        let again = remove(shared, disk, &oldest(shared, disk, excess));
        let nothing = evicted == shared.evicted.load(Ordering::Relaxed);
        if !again {
            let mut state = shared.desk.state();
            let over = state.totals.bytes() > bound;
            // Others wrote meanwhile, or nothing of all this can be removed.
            (state.over, state.stuck) = (over && !nothing, over && nothing);
            return;
        }
    }
    // All this turned out to be in use: nobody is kept busy with it until the next look.
    shared.desk.state().stuck = true;
}

/// Those that were used least lately and take so many bytes together, the least lately used first.
fn oldest(shared: &Shared, disk: &Disk, excess: u64) -> Vec<Seen> {
    let mut heap = BinaryHeap::new();
    let mut sum = 0_u64;
    disk.walk(LEFTOVER, &mut |seen| {
        heap.push(Aged(seen));
        sum = sum.saturating_add(seen.room);
        // Without the youngest of them, is it enough?
        while let Some(Aged(youngest)) = heap.peek() {
            let without = sum.saturating_sub(youngest.room);
            if without < excess {
                break;
            }
            sum = without;
            heap.pop();
        }
        !shared.desk.is_closed()
    });
    let sorted = heap.into_sorted_vec();
    sorted.into_iter().map(|Aged(seen)| seen).collect()
}

/// Removes these, one after another. Whether some turned out to be in use, and others are to be
/// looked for.
fn remove(shared: &Shared, disk: &Disk, oldest: &[Seen]) -> bool {
    let mut spared = false;
    for seen in oldest {
        if shared.desk.is_closed() {
            return false;
        }
        // The file's time may be an hour behind.
        let told = seconds(seen.used).saturating_add(SLACK);
        let last = shared.memory.last_used(&seen.key);
        if let Some(last) = last.filter(|last| *last > told) {
            spared |= disk.touch(&seen.key, seen.kind, time(last)).is_ok();
            continue;
        }
        match disk.remove(seen) {
            Ok(true) => {
                shared.memory.remove(&seen.key);
                shared.desk.state().totals.take(seen.kind, seen.room);
                shared.evicted.fetch_add(1, Ordering::Relaxed);
            }
            Ok(false) => spared = true,
            Err(error) => shared.trouble("cannot remove a picture from its folder", &error),
        }
    }
    spared
}

/// Whole seconds since the Unix epoch.
pub fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// The time so many seconds after the Unix epoch.
pub fn time(seconds: u64) -> SystemTime {
    let since = Duration::from_secs(seconds);
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}

/// In the order of their use; of those that were used together, by their keys.
#[derive(Debug)]
struct Aged(Seen);

impl Aged {
    fn order(&self) -> (SystemTime, VariantKey, Kind) {
        (self.0.used, self.0.key, self.0.kind)
    }
}

impl PartialEq for Aged {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Aged {}

impl PartialOrd for Aged {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Aged {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.order().cmp(&other.order())
    }
}
