//! Names of a day that is being counted.

use crate::visits::statistics::fact::OTHER;
use foldhash::fast::RandomState;
use std::collections::HashMap;

/// Names that get numbers in the order in which they come.
#[derive(Debug, Default)]
pub struct Names {
    numbers: HashMap<Box<str>, u16, RandomState>,
    bytes: usize,
    told: bool,
}

impl Names {
    /// The number of a name, or of `(other)` when there are too many already.
    pub fn number(&mut self, name: &str, most: usize, what: &str) -> u16 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        if self.numbers.len() >= most {
            if !self.told {
                tracing::warn!("a day has more than {most} {what}: the rest is counted as {OTHER}");
                self.told = true;
            }
            return match self.numbers.get(OTHER) {
                Some(number) => *number,
                None => self.insert(OTHER),
            };
        }
        self.insert(name)
    }

    fn insert(&mut self, name: &str) -> u16 {
        let number = u16::try_from(self.numbers.len()).unwrap_or(u16::MAX);
        self.numbers.insert(name.into(), number);
        self.bytes = self.bytes.saturating_add(name.len());
        number
    }

    /// The names by their numbers.
    pub fn list(&self) -> Vec<&str> {
        let mut list = vec![""; self.numbers.len()];
        for (name, number) in &self.numbers {
            if let Some(place) = list.get_mut(usize::from(*number)) {
                *place = name;
            }
        }
        list
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Bytes of all names.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes in memory, about.
    pub fn weight(&self) -> usize {
        // A text of its own, and the table's place for it.
        let each = size_of::<Box<str>>() + size_of::<u16>() + 7;
        self.bytes
            .saturating_add(self.numbers.capacity().saturating_mul(each))
            .saturating_add(self.numbers.len().saturating_mul(16))
    }

    /// The number of a name that is there already.
    pub fn find(&self, name: &str) -> Option<u16> {
        self.numbers.get(name).copied()
    }

    /// Names in their order, and for each number the place of its name in it.
    pub fn sorted(&self) -> (Vec<&str>, Vec<u16>) {
        let mut pairs: Vec<(&str, u16)> = self.numbers.iter().map(|(n, i)| (&**n, *i)).collect();
        pairs.sort_unstable();
        let mut places = vec![0; pairs.len()];
        for (place, (_, number)) in pairs.iter().enumerate() {
            if let Some(to) = places.get_mut(usize::from(*number)) {
                *to = u16::try_from(place).unwrap_or(u16::MAX);
            }
        }
        (pairs.into_iter().map(|(name, _)| name).collect(), places)
    }
}
