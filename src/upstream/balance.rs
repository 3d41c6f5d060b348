//! Whose turn it is: plain functions over weights, health and load.

use super::settings::Balance;
use std::cmp::Ordering::Less;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How an upstream's servers are chosen.
#[derive(Debug)]
pub struct Balancer {
    by: Balance,
    weights: Box<[u16]>,
    robin: RoundRobin,
}

/// Exchanges in flight, and the weight of the server that has them.
type Share = (usize, u16);

/// Whether the first has fewer exchanges for its weight.
fn lighter((a, a_weight): Share, (b, b_weight): Share) -> bool {
    let times = |load: usize, weight: u16| (load as u64).saturating_mul(u64::from(weight));
    times(a, b_weight).cmp(&times(b, a_weight)) == Less
}

impl Balancer {
    /// For servers of these weights (1 to 1000 each), by their index.
    pub fn new(by: Balance, weights: &[u16]) -> Self {
        Balancer {
            by,
            weights: weights.into(),
            robin: RoundRobin::new(weights),
        }
    }

    /// The next server that `usable` accepts; `None` when there is none.
    ///
    /// `load`: exchanges in flight with a server. Other workers choose at the same time, so two may
    /// find the same server the lightest; the next one sees both. `random`: a number below the one
    /// that it is given, each equally likely.
    pub fn choose(
        &self,
        usable: impl Fn(usize) -> bool,
        load: impl Fn(usize) -> usize,
        random: impl FnMut(u64) -> u64,
    ) -> Option<usize> {
        let share = |index: usize| {
            let weight = self.weights.get(index).copied().unwrap_or_default();
            (load(index), weight)
        };
        match self.by {
            Balance::RoundRobin => self.robin.choose(usable),
            Balance::LeastConnections => self.lightest(usable, share),
            Balance::TwoChoices => self.lighter_of_two(usable, share, random),
        }
    }

    /// The server with the fewest exchanges for its weight; of several, the one whose turn it is.
    fn lightest(
        &self,
        usable: impl Fn(usize) -> bool,
        share: impl Fn(usize) -> Share,
    ) -> Option<usize> {
        let (index, least) = (0..self.weights.len())
            .filter(|index| usable(*index))
            .map(|index| (index, share(index)))
            .reduce(|a, b| if lighter(b.1, a.1) { b } else { a })?;
        let turn = self
            .robin
            .choose(|index| usable(index) && !lighter(least, share(index)));
        // It got an exchange just now, and was the only one.
        Some(turn.unwrap_or(index))
    }

    /// Two servers by chance and weight, of which the one with fewer exchanges for its weight.
    fn lighter_of_two(
        &self,
        usable: impl Fn(usize) -> bool,
        share: impl Fn(usize) -> Share,
        mut random: impl FnMut(u64) -> u64,
    ) -> Option<usize> {
        let first = self.draw(&usable, &mut random)?;
        let second = self.draw(|index| index != first && usable(index), &mut random);
        let second = second.filter(|second| lighter(share(*second), share(first)));
        Some(second.unwrap_or(first))
    }

    /// A server by chance: one of twice the weight is twice as likely.
    fn draw(
        &self,
        usable: impl Fn(usize) -> bool,
        random: &mut impl FnMut(u64) -> u64,
    ) -> Option<usize> {
        let all = || {
            let weights = self.weights.iter().map(|weight| u64::from(*weight));
            weights.enumerate().filter(|(index, _)| usable(*index))
        };
        let total: u64 = all().map(|(_, weight)| weight).sum();
        if total == 0 {
            return None;
        }
        let mut left = random(total);
        let mut drawn = None;
        for (index, weight) in all() {
            drawn = Some(index);
            match left.checked_sub(weight) {
                Some(rest) => left = rest,
                None => break,
            }
        }
        drawn
    }
}

/// Round-robin by weight.
///
/// The turns are laid out once, smoothly (a server of weight 3 beside one of weight 1 gets
/// `a a b a`, not `a a a b`), so that choosing is one addition.
#[derive(Debug)]
struct RoundRobin {
    turns: Box<[u16]>,
    next: AtomicUsize,
}

impl RoundRobin {
    /// Turns for servers of these weights (1 to 1000 each), by their index.
    fn new(weights: &[u16]) -> Self {
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
    fn choose(&self, usable: impl Fn(usize) -> bool) -> Option<usize> {
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
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::cell::Cell;

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

    /// A balancer for servers of these weights, and what it chooses while these are in flight.
    fn chosen(by: Balance, weights: &[u16], loads: &[usize], n: usize) -> Vec<usize> {
        let balancer = Balancer::new(by, weights);
        let mut random = seeded(7);
        (0..n)
            .filter_map(|_| balancer.choose(|_| true, |i| loads[i], &mut random))
            .collect()
    }

    fn seeded(seed: u64) -> impl FnMut(u64) -> u64 {
        let mut random = StdRng::seed_from_u64(seed);
        move |below| random.gen_range(0..below)
    }

    fn never(_: u64) -> u64 {
        panic!("nothing is left to chance")
    }

    /// Exchanges that all stay in flight: how many each server has of `n`.
    fn held(by: Balance, weights: &[u16], n: usize) -> Vec<usize> {
        let balancer = Balancer::new(by, weights);
        let mut random = seeded(1);
        let mut loads = vec![0; weights.len()];
        for _ in 0..n {
            let index = balancer.choose(|_| true, |i| loads[i], &mut random);
            loads[index.unwrap()] += 1;
        }
        loads
    }

    #[test]
    fn whoever_has_fewest_for_its_weight_is_chosen() {
        let by = Balance::LeastConnections;
        assert_eq!(chosen(by, &[1, 1, 1], &[3, 1, 2], 3), [1, 1, 1]);
        // 3 of 4 is less than 1 of 1.
        assert_eq!(chosen(by, &[4, 1], &[3, 1], 2), [0, 0]);
        assert_eq!(chosen(by, &[4, 1], &[5, 1], 2), [1, 1]);
        // Those that have as few take turns, by weight, whoever stands between them.
        assert_eq!(chosen(by, &[1, 1, 1], &[0, 0, 0], 4), [0, 1, 2, 0]);
        assert_eq!(chosen(by, &[1, 1, 1], &[2, 9, 2], 4), [0, 2, 0, 2]);
        assert_eq!(chosen(by, &[2, 1], &[4, 2], 6), [0, 1, 0, 0, 1, 0]);
        assert_eq!(held(by, &[5, 1, 2], 80), [50, 10, 20]);
        let huge = usize::MAX;
        assert_eq!(chosen(by, &[1000, 1], &[huge, huge], 1).len(), 1);
    }

    #[test]
    fn a_server_that_fills_up_at_the_last_moment_is_chosen_still() {
        let balancer = Balancer::new(Balance::LeastConnections, &[1, 1]);
        let asked = Cell::new(0);
        // Both were free when they were looked at, and neither is when it is chosen.
        let load = |_| {
            asked.set(asked.get() + 1);
            usize::from(asked.get() > 2)
        };
        assert_eq!(balancer.choose(|_| true, load, never), Some(0));
    }

    #[test]
    fn the_lighter_of_two_is_chosen() {
        let by = Balance::TwoChoices;
        // Of three, the heaviest is never the lighter of two, and the lightest is in two pairs of three.
        let mut counts = [0; 3];
        for index in chosen(by, &[1, 1, 1], &[2, 0, 1], 3000) {
            counts[index] += 1;
        }
        assert_eq!(counts[0], 0);
        assert!((1900..2100).contains(&counts[1]), "{counts:?}");
        assert_eq!(chosen(by, &[4, 1], &[3, 1], 20), [0; 20]);
        assert_eq!(chosen(by, &[1], &[9], 2), [0, 0]);
        // Drawn by weight: of two that are free, the first one drawn.
        let heavy = chosen(by, &[9, 1], &[0, 0], 1000);
        let heavy = heavy.iter().filter(|index| **index == 0).count();
        assert!((860..940).contains(&heavy), "{heavy}");
    }

    #[test]
    fn two_choices_keep_many_servers_even() {
        let loads = held(Balance::TwoChoices, &[1; 50], 5000);
        let (least, most) = (loads.iter().min().unwrap(), loads.iter().max().unwrap());
        assert!(most - least <= 8, "{loads:?}");
        let loads = held(Balance::TwoChoices, &[3, 1, 1], 500);
        assert!((290..=310).contains(&loads[0]), "{loads:?}");
    }

    #[test]
    fn who_is_not_usable_is_chosen_by_nobody() {
        for by in [
            Balance::RoundRobin,
            Balance::LeastConnections,
            Balance::TwoChoices,
        ] {
            let balancer = Balancer::new(by, &[1, 5, 1]);
            let mut random = seeded(3);
            let mut choose =
                |usable: fn(usize) -> bool| balancer.choose(usable, |index| index + 1, &mut random);
            for _ in 0..50 {
                assert!(matches!(choose(|index| index != 1), Some(0 | 2)), "{by:?}");
                assert_eq!(choose(|index| index == 2), Some(2), "{by:?}");
                assert_eq!(choose(|_| false), None, "{by:?}");
            }
            let nobody = Balancer::new(by, &[]);
            assert_eq!(nobody.choose(|_| true, |_| 0, &mut random), None);
        }
    }
}
