//! Questions that have to do with one axis: the summary has the sums.

use super::{Asked, Day};
use crate::visits::statistics::tally::{Axis, By, Counts, Tally};
use crate::visits::visit::{Device, Source};

/// Views and guests of each group.
pub type Sums = Vec<[u64; 2]>;

/// Adds views and guests. Rows are fewer than 2^32, and their counts below that: this would have to
/// be done more often than anything is.
pub fn plus([views, guests]: &mut [u64; 2], [v, g]: &[u64; 2]) {
    *views = views.wrapping_add(*v);
    *guests = guests.wrapping_add(*g);
}

impl Day {
    /// Answers from what was counted along one axis, or from the totals.
    pub(super) fn tally_axis(&self, axis: Option<Axis>, asked: &Asked<'_>, tally: &mut Tally) {
        let by = tally.by();
        let mut sums: Sums = match (axis, by) {
            (None | Some(Axis::Hour), _) | (_, By::Nothing) => Vec::new(),
            (Some(axis), _) => vec![[0, 0]; self.layout.length(axis)],
        };
        for (side, source) in [Source::Web, Source::App].into_iter().enumerate() {
            if !asked.filter.source_fits(source) {
                continue;
            }
            match axis {
                None => tally.add(source, self.layout.sum(source)),
                Some(Axis::Hour) => self.tally_hours(side, source, asked, tally),
                Some(axis) => {
                    let sum = self.along(axis, side, asked, &mut sums);
                    if by == By::Nothing {
                        tally.add(source, counts(sum));
                    }
                }
            }
        }
        self.add_groups(tally, &sums);
    }

    fn tally_hours(&self, side: usize, source: Source, asked: &Asked<'_>, tally: &mut Tally) {
        let kind = asked.filter.kind(tally.by());
        for hour in 0..=asked.until() {
            let counts = self.layout.hour(&self.summary, side, hour, kind);
            match tally.by() {
                By::Hour => tally.add_hour(hour, source, counts),
                _ => tally.add(source, counts),
            }
        }
    }

    /// Adds what is meant on an axis to its groups. The sum of it.
    fn along(&self, axis: Axis, side: usize, asked: &Asked<'_>, sums: &mut Sums) -> [u64; 2] {
        let [views, guests] = self.layout.axis(&self.summary, axis, side);
        let mut sum = [0, 0];
        let mut add = |number: usize| {
            let pair = [views.at(number), guests.at(number)];
            plus(&mut sum, &pair);
            if let Some(group) = sums.get_mut(number) {
                plus(group, &pair);
            }
        };
        match (axis, asked.one(axis)) {
            (Axis::Client, _) => {
                let meant = (0..).zip(&asked.clients).filter(|(_, is_meant)| **is_meant);
                meant.for_each(|(number, _)| add(number));
            }
            (_, Some(number)) => add(number),
            (_, None) => (0..self.layout.length(axis)).for_each(add),
        }
        sum
    }

    /// Adds the sums of groups by their names. Groups are the numbers on the axis that the tally
    /// groups by.
    pub(super) fn add_groups(&self, tally: &mut Tally, sums: &Sums) {
        let (bytes, layout) = (&*self.summary, &self.layout);
        let by = tally.by();
        let families;
        let sums = match by {
            By::Device | By::Browser | By::Os => {
                families = self.families(by, sums);
                &families
            }
            _ => sums,
        };
        for (number, sum) in sums.iter().enumerate().filter(|(_, sum)| **sum != [0, 0]) {
            let code = match by {
                By::Country => layout.country(bytes, number),
                _ => [0, 0],
            };
            let name = match by {
                By::Nothing | By::Hour => continue,
                By::Page => layout.pages.at(bytes, number),
                By::Referrer => layout.referrers.at(bytes, number),
                By::Country => std::str::from_utf8(&code).unwrap_or("ZZ"),
                By::Device => Device::ALL
                    .get(number)
                    .map_or("other", |device| device.name()),
                By::Browser => layout.browsers.at(bytes, number),
                By::Os => layout.systems.at(bytes, number),
            };
            tally.add_name(name, counts(*sum));
        }
    }

    /// The sums of clients as those of their devices, browsers or systems.
    fn families(&self, by: By, sums: &Sums) -> Sums {
        let layout = &self.layout;
        let length = match by {
            By::Browser => layout.browsers.len(),
            By::Os => layout.systems.len(),
            _ => Device::ALL.len(),
        };
        let mut families = vec![[0, 0]; length];
        for (number, sum) in sums.iter().enumerate() {
            let client = layout.client(&self.summary, number);
            let family = match by {
                By::Browser => client.browser,
                By::Os => client.os,
                _ => client.device as u16,
            };
            if let Some(family) = families.get_mut(usize::from(family)) {
                plus(family, sum);
            }
        }
        families
    }
}

fn counts([views, guests]: [u64; 2]) -> Counts {
    Counts { views, guests }
}
