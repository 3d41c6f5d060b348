//! Tuples in one number.

use crate::visits::statistics::calendar::LAST_HOUR;
use crate::visits::visit::{NOWHERE, Source};

/// What visits have in common when they are counted together, in 63 bits: the source, 16 bits of
/// page, 5 of hour, 10 of country, 16 of client, 15 of referrer. Sorted by this number, rows of one
/// page stand together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(u64);

/// The fields of a [`Key`].
#[derive(Debug, Clone, Copy)]
pub struct Fields {
    pub source: Source,
    pub page: u16,
    pub hour: u8,
    pub country: u16,
    pub client: u16,
    pub referrer: u16,
}

impl Fields {
    /// All in one number.
    pub fn key(self) -> Key {
        let mut key = u64::from(self.source == Source::App);
        key = (key << 16) | u64::from(self.page);
        key = (key << 5) | u64::from(self.hour.min(LAST_HOUR));
        key = (key << 10) | u64::from(self.country & 0x3ff);
        key = (key << 16) | u64::from(self.client);
        Key((key << 15) | u64::from(self.referrer & 0x7fff))
    }
}

impl Key {
    /// Taken apart again.
    pub fn fields(self) -> Fields {
        let part = |shift: u32, bits: u32| ((self.0 >> shift) & ((1 << bits) - 1)) as u16;
        Fields {
            referrer: part(0, 15),
            client: part(15, 16),
            country: part(31, 10),
            hour: part(41, 5) as u8,
            page: part(46, 16),
            source: match part(62, 1) {
                0 => Source::Web,
                _ => Source::App,
            },
        }
    }
}

/// Two letters as a number below 676.
pub fn country_number(code: [u8; 2]) -> u16 {
    let [a, b] = match code {
        [b'A'..=b'Z', b'A'..=b'Z'] => code,
        _ => NOWHERE,
    };
    u16::from(a - b'A') * 26 + u16::from(b - b'A')
}

/// The letters of such a number.
pub fn country_code(number: u16) -> [u8; 2] {
    let letter = |n: u16| b'A' + u8::try_from(n % 26).unwrap_or(0);
    [letter(number / 26), letter(number)]
}
