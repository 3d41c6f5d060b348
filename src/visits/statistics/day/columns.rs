//! Columns of whole numbers and lists of names in bytes, and reading them with every length
//! checked.

use std::ops::Range;

/// Whole numbers, all of the same width, little endian. They are read where they lie.
#[derive(Debug, Clone, Copy)]
pub enum View<'a> {
    One(&'a [u8]),
    Two(&'a [[u8; 2]]),
    Four(&'a [[u8; 4]]),
    Eight(&'a [[u8; 8]]),
}

impl<'a> View<'a> {
    /// Bytes as numbers of this width.
    fn new(bytes: &'a [u8], width: u8) -> Option<View<'a>> {
        Some(match width {
            1 => View::One(bytes),
            2 => View::Two(bytes.as_chunks().0),
            4 => View::Four(bytes.as_chunks().0),
            8 => View::Eight(bytes.as_chunks().0),
            _ => return None,
        })
    }

    /// A number; 0 beyond the end.
    #[inline]
    pub fn at(&self, place: usize) -> u64 {
        match self {
            View::One(cells) => cells.get(place).copied().map_or(0, u64::from),
            View::Two(cells) => cells
                .get(place)
                .map_or(0, |c| u16::from_le_bytes(*c).into()),
            View::Four(cells) => cells
                .get(place)
                .map_or(0, |c| u32::from_le_bytes(*c).into()),
            View::Eight(cells) => cells.get(place).map_or(0, |c| u64::from_le_bytes(*c)),
        }
    }

    /// The largest number.
    fn most(&self) -> u64 {
        match self {
            View::One(cells) => cells.iter().copied().max().unwrap_or(0).into(),
            View::Two(cells) => {
                let all = cells.iter().map(|c| u16::from_le_bytes(*c));
                all.max().unwrap_or(0).into()
            }
            View::Four(cells) => {
                let all = cells.iter().map(|c| u32::from_le_bytes(*c));
                all.max().unwrap_or(0).into()
            }
            View::Eight(cells) => {
                let all = cells.iter().map(|c| u64::from_le_bytes(*c));
                all.max().unwrap_or(0)
            }
        }
    }
}

/// Where a column lies in its bytes.
#[derive(Debug, Clone, Default)]
pub struct Numbers {
    place: Range<usize>,
    width: u8,
}

impl Numbers {
    /// The numbers.
    pub fn of<'a>(&self, bytes: &'a [u8]) -> View<'a> {
        let cells = bytes.get(self.place.clone()).unwrap_or_default();
        View::new(cells, self.width).unwrap_or(View::One(&[]))
    }

    /// Appends a column: a byte that tells the width, and the numbers in the narrowest that fits.
    pub fn write(out: &mut Vec<u8>, numbers: impl Iterator<Item = u64> + Clone) {
        let most = numbers.clone().max().unwrap_or(0);
        let width: u8 = match most {
            0..=0xff => 1,
            0x100..=0xffff => 2,
            0x1_0000..=0xffff_ffff => 4,
            _ => 8,
        };
        out.push(width);
        for number in numbers {
            let bytes = number.to_le_bytes();
            out.extend_from_slice(bytes.get(..usize::from(width)).unwrap_or_default());
        }
    }
}

/// Where a list of names lies in its bytes.
#[derive(Debug, Clone, Default)]
pub struct Names {
    ends: Numbers,
    text: Range<usize>,
    count: usize,
}

impl Names {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// A name; empty beyond the end.
    pub fn at<'a>(&self, bytes: &'a [u8], number: usize) -> &'a str {
        let ends = self.ends.of(bytes);
        let start = number.checked_sub(1).map_or(0, |before| ends.at(before));
        let place = usize::try_from(start)
            .ok()
            .zip(usize::try_from(ends.at(number)).ok());
        let text = bytes.get(self.text.clone()).unwrap_or_default();
        let name = place.and_then(|(start, end)| text.get(start..end));
        std::str::from_utf8(name.unwrap_or_default()).unwrap_or_default()
    }

    /// The number of a name. They are in their order.
    pub fn find(&self, bytes: &[u8], name: &str) -> Option<usize> {
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.at(bytes, middle).cmp(name) {
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Appends a list: how many, where each ends, and their text.
    pub fn write(out: &mut Vec<u8>, names: &[&str]) {
        write_count(out, names.len());
        let ends = names.iter().scan(0_u64, |end, name| {
            *end = end.saturating_add(name.len() as u64);
            Some(*end)
        });
        Numbers::write(out, ends);
        for name in names {
            out.extend_from_slice(name.as_bytes());
        }
    }
}

/// Appends a number of things.
pub fn write_count(out: &mut Vec<u8>, count: usize) {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    out.extend_from_slice(&count.to_le_bytes());
}

/// Reads bytes from the start to the end.
#[derive(Debug)]
pub struct Cutter<'a> {
    bytes: &'a [u8],
    place: usize,
}

/// What is wrong, and with what.
pub type Checked<T> = Result<T, String>;

impl<'a> Cutter<'a> {
    /// Begins after `magic`, which says what this is and in which layout.
    pub fn new(bytes: &'a [u8], magic: &[u8; 4]) -> Checked<Self> {
        match bytes.split_first_chunk::<4>() {
            Some((found, _)) if found == magic => Ok(Cutter { bytes, place: 4 }),
            Some((found, _)) if found.first_chunk::<3>() == magic.first_chunk::<3>() => {
                Err("is in a layout that this parvis does not know".to_string())
            }
            _ => Err("is not a counted day".to_string()),
        }
    }

    fn range(&mut self, length: usize, what: &str) -> Checked<Range<usize>> {
        let end = self.place.checked_add(length);
        match end.filter(|end| *end <= self.bytes.len()) {
            Some(end) => {
                let range = self.place..end;
                self.place = end;
                Ok(range)
            }
            None => Err(format!("is cut off in {what}")),
        }
    }

    /// One number of 8 bytes.
    pub fn number(&mut self, what: &str) -> Checked<u64> {
        let range = self.range(8, what)?;
        let view = self.bytes.get(range).and_then(|b| View::new(b, 8));
        Ok(view.map_or(0, |view| view.at(0)))
    }

    /// How many of something follow.
    pub fn count(&mut self, what: &str) -> Checked<usize> {
        let range = self.range(4, what)?;
        let view = self.bytes.get(range).and_then(|b| View::new(b, 4));
        Ok(usize::try_from(view.map_or(0, |view| view.at(0))).unwrap_or(usize::MAX))
    }

    /// A column of so many numbers, none of which is above `most`.
    pub fn numbers(&mut self, count: usize, most: u64, what: &str) -> Checked<Numbers> {
        let width = self.range(1, what)?;
        let width = self.bytes.get(width).and_then(|b| b.first()).copied();
        let width = width.filter(|w| matches!(w, 1 | 2 | 4 | 8));
        let width = width.ok_or_else(|| format!("has numbers of no known width in {what}"))?;
        let place = self.range(count.saturating_mul(usize::from(width)), what)?;
        let numbers = Numbers { place, width };
        if numbers.of(self.bytes).most() > most {
            return Err(format!("has a number that is too large in {what}"));
        }
        Ok(numbers)
    }

    /// A list of names.
    pub fn names(&mut self, what: &str) -> Checked<Names> {
        let count = self.count(what)?;
        let ends = self.numbers(count, u64::MAX, what)?;
        let view = ends.of(self.bytes);
        let mut before = 0;
        for number in 0..count {
            let end = view.at(number);
            if end < before {
                return Err(format!("has names that end before they begin in {what}"));
            }
            before = end;
        }
        let text = self.range(usize::try_from(before).unwrap_or(usize::MAX), what)?;
        let names = Names { ends, text, count };
        let text = self.bytes.get(names.text.clone()).unwrap_or_default();
        let text = std::str::from_utf8(text).ok();
        let whole = |end: u64| {
            let end = usize::try_from(end).ok();
            text.zip(end)
                .is_some_and(|(text, end)| text.is_char_boundary(end))
        };
        if !(0..count).all(|number| whole(view.at(number))) {
            return Err(format!("has names that are not UTF-8 in {what}"));
        }
        Ok(names)
    }

    /// Nothing may follow.
    pub fn end(self) -> Checked<()> {
        match self.place == self.bytes.len() {
            true => Ok(()),
            false => Err("has more bytes than belong to it".to_string()),
        }
    }
}
