//! Whose turn it is: a plain function over weights and health.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Round-robin by weight.
///
/// The turns are laid out once, smoothly (a server of weight 3 beside one of weight 1 gets
/// `a a b a`, not `a a a b`), so that choosing is one addition.
#[derive(Debug)]
pub struct RoundRobin {
    turns: Box<[u16]>,
    next: AtomicUsize,
}

impl RoundRobin {
    /// Turns for servers of these weights (1 to 1000 each), by their index.
    pub fn new(weights: &[u16]) -> Self {
        let divisor = weights.iter().copied().fold(0, gcd).max(1);
        let weights: Vec<i64> = weights.iter().map(|w| i64::from(w / divisor)).collect();
        let total: i64 = weights.iter().sum();
        let mut credit = vec![0i64; weights.len()];
        let mut turns = Vec::new();
        for _ in 0..total {
            for (credit, weight) in credit.iter_mut().zip(&weights) {
                *credit = credit.saturating_add(*weight);
            }
            let richest = credit
                .iter()
                .enumerate()
                .rev()
                .max_by_key(|(_, credit)| **credit);
            let Some((index, _)) = richest else { break };
            if let Some(credit) = credit.get_mut(index) {
                *credit = credit.saturating_sub(total);
            }
            turns.push(u16::try_from(index).unwrap_or(u16::MAX));
        }
        RoundRobin {
            turns: turns.into_boxed_slice(),
            next: AtomicUsize::new(0),
        }
    }

    /// The next server that `usable` accepts; `None` when there is none.
    pub fn choose(&self, usable: impl Fn(usize) -> bool) -> Option<usize> {
        let count = self.turns.len();
        let start = self.next.fetch_add(1, Ordering::Relaxed);
        let turn = |step| {
            let index = self
                .turns
                .get(start.wrapping_add(step).checked_rem(count)?)?;
            Some((step, usize::from(*index)))
        };
        let found = (0..count).filter_map(turn).find(|turn| usable(turn.1));
        let (skipped, index) = found?;
        if skipped > 0 {
            // Their turns are over: else whoever stands behind them would have theirs and its own.
            self.next.fetch_add(skipped, Ordering::Relaxed);
        }
        Some(index)
    }
}

fn gcd(a: u16, b: u16) -> u16 {
    match a.checked_rem(b) {
        None => a,
        Some(rest) => gcd(b, rest),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turns(weights: &[u16], n: usize) -> Vec<usize> {
        let robin = RoundRobin::new(weights);
        (0..n).filter_map(|_| robin.choose(|_| true)).collect()
    }

    #[test]
    fn turns_follow_the_weights_smoothly() {
        assert_eq!(turns(&[1, 1, 1], 6), [0, 1, 2, 0, 1, 2]);
        assert_eq!(turns(&[3, 1], 8), [0, 0, 1, 0, 0, 0, 1, 0]);
        assert_eq!(turns(&[1000, 500], 3), [0, 1, 0]);
    }

    #[test]
    fn a_server_that_cannot_is_passed_over() {
        let robin = RoundRobin::new(&[1, 1, 1]);
        let chosen: Vec<_> = (0..6).filter_map(|_| robin.choose(|i| i != 1)).collect();
        assert_eq!(chosen, [0, 2, 0, 2, 0, 2], "nobody has its turns besides");
        let chosen: Vec<_> = (0..3).filter_map(|_| robin.choose(|_| true)).collect();
        assert_eq!(chosen, [0, 1, 2]);
        assert_eq!(robin.choose(|_| false), None);
        assert_eq!(RoundRobin::new(&[]).choose(|_| true), None);
    }
}
