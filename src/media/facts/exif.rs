//! TIFF's directories (TIFF 6.0, section 2), which Exif uses too.

use super::Orientation;
use super::bytes::{Order, slice};

/// Entries of a directory that are looked at: more than any camera writes.
const ENTRIES: usize = 512;

/// ImageWidth.
pub(super) const WIDTH: u16 = 256;
/// ImageLength.
pub(super) const HEIGHT: u16 = 257;
/// Orientation.
pub(super) const ORIENTATION: u16 = 274;
/// SamplesPerPixel.
pub(super) const SAMPLES: u16 = 277;
/// ExtraSamples.
pub(super) const EXTRA_SAMPLES: u16 = 338;

/// The ICC profile (ICC.1:2022, annex B.5).
pub(super) const ICC: u16 = 34_675;

/// The first directory of a TIFF file.
pub(super) struct Directory<'a> {
    tiff: &'a [u8],
    order: Order,
    entries: &'a [u8],
}

impl<'a> Directory<'a> {
    /// The first directory; `None` when there is none. One that is cut off is taken as far as it
    /// goes.
    pub(super) fn first(tiff: &'a [u8]) -> Option<Self> {
        let order = match tiff.get(..4)? {
            [b'I', b'I', 42, 0] => Order::Little,
            [b'M', b'M', 0, 42] => Order::Big,
            _ => return None,
        };
        let at = usize::try_from(order.u32(tiff, 4)?).ok()?;
        let count = usize::from(order.u16(tiff, at)?).min(ENTRIES);
        let rest = tiff.get(at.checked_add(2)?..)?;
        let entries = rest.get(..count * 12).unwrap_or(rest);
        Some(Directory {
            tiff,
            order,
            entries,
        })
    }

    /// A tag's value, when it is one number (SHORT or LONG), or the first of several that lie in
    /// the entry.
    pub(super) fn number(&self, tag: u16) -> Option<u32> {
        let entry = self.entry(tag)?;
        match self.order.u16(entry, 2)? {
            3 => self.order.u16(entry, 8).map(u32::from),
            4 => self.order.u32(entry, 8),
            _ => None,
        }
    }

    /// A tag's bytes (BYTE or UNDEFINED), when there are so many that they lie elsewhere.
    pub(super) fn bytes(&self, tag: u16) -> Option<&'a [u8]> {
        let entry = self.entry(tag)?;
        if !matches!(self.order.u16(entry, 2)?, 1 | 7) {
            return None;
        }
        let length = usize::try_from(self.order.u32(entry, 4)?).ok()?;
        let at = usize::try_from(self.order.u32(entry, 8)?).ok()?;
        slice(self.tiff, at, length).filter(|bytes| bytes.len() > 4)
    }

    fn entry(&self, tag: u16) -> Option<&'a [u8]> {
        let mut entries = self.entries.chunks_exact(12);
        entries.find(|entry| self.order.u16(entry, 0) == Some(tag))
    }

    /// What the orientation's tag says.
    pub(super) fn orientation(&self) -> Orientation {
        let number = self.number(ORIENTATION).and_then(|n| u16::try_from(n).ok());
        Orientation::of(number.unwrap_or(1))
    }
}

/// The orientation that Exif metadata tell, with or without the `Exif\0\0` before them. Broken
/// ones say nothing.
pub(super) fn orientation(exif: &[u8]) -> Orientation {
    let tiff = match slice(exif, 0, 6) {
        Some(b"Exif\0\0") => exif.get(6..).unwrap_or_default(),
        _ => exif,
    };
    Directory::first(tiff).map_or(Orientation::UPRIGHT, |directory| directory.orientation())
}
