//! Who goes before whom, with the clock passed in.

use super::Priority;
use std::task::Waker;
use std::time::Duration;
use tokio::time::Instant;

/// Without a byte sent for so long, an answer has nobody wait any more. Some round trips to most
/// clients, so that one whose window opens once per round trip keeps its place; and a delay that
/// nobody sees where it did so for nothing.
pub(super) const STALLED: Duration = Duration::from_millis(50);

/// Where an answer stands: by urgency, then in the order they began.
pub(super) type Place = (u8, u64);

/// Whether an answer may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum May {
    Go,
    /// It will be woken.
    Wait,
    /// It will be woken, but has to ask again by itself then: it is the first of those who wait, and
    /// the only one that needs a timer, for when it is let go the others are looked at too.
    WaitUntil(Instant),
}

#[derive(Debug)]
struct Answer {
    place: Place,
    incremental: bool,
    /// When it last got on, or was let go on.
    moved: Instant,
    /// Waits for its turn.
    waits: Option<Waker>,
    /// Its timer runs.
    timed: bool,
}

impl Answer {
    fn live(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.moved) < STALLED
    }
}

/// The answers of one connection, by place.
#[derive(Debug, Default)]
pub(super) struct Order {
    answers: Vec<Answer>,
    begun: u64,
}

impl Order {
    pub(super) fn begin(&mut self, priority: Priority, now: Instant) -> Place {
        // One that was alone did not note when it got on.
        if let [alone] = self.answers.as_mut_slice() {
            alone.moved = now;
        }
        let place = (priority.urgency, self.begun);
        self.begun = self.begun.wrapping_add(1);
        let at = self.answers.partition_point(|other| other.place < place);
        let answer = Answer {
            place,
            incremental: priority.incremental,
            moved: now,
            waits: None,
            timed: false,
        };
        self.answers.insert(at, answer);
        place
    }

    /// Whether there is but one answer.
    pub(super) fn alone(&self) -> bool {
        self.answers.len() == 1
    }

    /// The one answer goes on.
    pub(super) fn go_alone(&mut self) {
        if let [alone] = self.answers.as_mut_slice() {
            alone.waits = None;
        }
    }

    pub(super) fn ask(&mut self, place: Place, waker: &Waker, now: Instant) -> (May, Vec<Waker>) {
        if let Some(answer) = self.find(place) {
            answer.timed = false;
        }
        let (may, woken) = self.settle(Some(place), now);
        if may != May::Go
            && let Some(answer) = self.find(place)
        {
            answer.timed = may != May::Wait;
            answer.waits = Some(waker.clone());
        }
        (may, woken)
    }

    pub(super) fn moved(&mut self, place: Place, now: Instant) {
        if let Some(answer) = self.find(place) {
            answer.moved = now;
        }
    }

    /// An answer ends. Those who are to be woken.
    pub(super) fn leave(&mut self, place: Place, now: Instant) -> Vec<Waker> {
        self.answers.retain(|answer| answer.place != place);
        self.settle(None, now).1
    }

    fn find(&mut self, place: Place) -> Option<&mut Answer> {
        let at = self
            .answers
            .binary_search_by_key(&place, |a| a.place)
            .ok()?;
        self.answers.get_mut(at)
    }

    /// Goes through all answers in order. Whoever waits and need not any more is woken, and has
    /// others wait from then on. What the one that asks may do, if one does.
    fn settle(&mut self, asks: Option<Place>, now: Instant) -> (May, Vec<Waker>) {
        // Of those that get on: the most urgent, and of its urgency the first sent in one piece.
        let mut ahead: Option<(u8, Instant)> = None;
        let mut line: Option<Instant> = None;
        let (mut may, mut woken, mut first) = (May::Go, Vec::new(), true);
        for answer in &mut self.answers {
            let asking = asks == Some(answer.place);
            let (urgency, _) = answer.place;
            let blocked = match ahead {
                Some((most, moved)) if most < urgency => Some(moved),
                Some(_) if !answer.incremental => line,
                _ => None,
            };
            if let Some(moved) = blocked {
                if asking {
                    may = match moved.checked_add(STALLED) {
                        Some(until) if first => May::WaitUntil(until),
                        _ => May::Wait,
                    };
                    first = false;
                } else if let Some(waker) = &answer.waits {
                    // Whoever had the timer waits no more: this one is to set its own.
                    if first && !answer.timed {
                        woken.push(waker.clone());
                    }
                    first = false;
                }
                continue;
            }
            if let Some(waker) = answer.waits.take() {
                answer.moved = now;
                answer.timed = false;
                if !asking {
                    woken.push(waker);
                }
            }
            if answer.live(now) {
                ahead = ahead.or(Some((urgency, answer.moved)));
                if !answer.incremental {
                    line = line.or(Some(answer.moved));
                }
            }
        }
        (may, woken)
    }
}
