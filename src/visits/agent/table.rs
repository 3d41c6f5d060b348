//! Ordered tables of what to look for in a user agent: the first that is found says what it is.

use memchr::memmem::Finder;

/// Needles in small letters, in the order in which they are tried.
#[derive(Debug)]
pub struct Table<T: 'static>(Vec<(Finder<'static>, T)>);

impl<T: Copy> Table<T> {
    /// Makes the needles ready to be looked for.
    pub fn new(rows: &'static [(&'static str, T)]) -> Self {
        let ready = |(needle, value): &(&'static str, T)| (Finder::new(*needle), *value);
        Table(rows.iter().map(ready).collect())
    }

    /// What the first needle that is in the text stands for.
    pub fn first(&self, text: &[u8]) -> Option<T> {
        let found = self
            .0
            .iter()
            .find(|(needle, _)| needle.find(text).is_some());
        found.map(|(_, value)| *value)
    }
}

/// Whether the text has this in it.
pub fn has(text: &[u8], needle: &str) -> bool {
    memchr::memmem::find(text, needle.as_bytes()).is_some()
}
