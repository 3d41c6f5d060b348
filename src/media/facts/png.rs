//! PNG's chunks (W3C PNG, third edition, section 5).

use super::bytes::{Order, slice};
use super::{Facts, Frames, Orientation, broken, exif};
use crate::media::{Fault, Format};

/// The chunks of a file, in its order, their checksums unseen. Ends where the file does; of the
/// last one there may be less than it promises.
pub(in crate::media) struct Chunks<'a> {
    rest: &'a [u8],
}

impl<'a> Chunks<'a> {
    pub(in crate::media) fn of(png: &'a [u8]) -> Self {
        let rest = png.get(8..).unwrap_or_default();
        Chunks { rest }
    }
}

impl<'a> Iterator for Chunks<'a> {
    /// Its name and data.
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(Order::Big.u32(self.rest, 0)?).ok()?;
        let name = super::bytes::array(self.rest, 4)?;
        let data = slice(self.rest, 8, length).or_else(|| self.rest.get(8..))?;
        self.rest = self.rest.get(length.checked_add(12)?..).unwrap_or_default();
        Some((name, data))
    }
}

pub(super) fn read(png: &[u8]) -> Result<Facts, Fault> {
    let mut chunks = Chunks::of(png);
    let Some((name, header)) = chunks.next() else {
        return Err(broken("no header"));
    };
    let (Some(width), Some(height), Some(colour)) = (
        Order::Big.u32(header, 0),
        Order::Big.u32(header, 4),
        header.get(9),
    ) else {
        return Err(broken("the header is too short"));
    };
    if name != *b"IHDR" {
        return Err(broken("no header"));
    }
    let mut facts = Facts {
        format: Format::Png,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: Frames::One,
        // Gray with alpha, colours with alpha.
        alpha: matches!(colour, 4 | 6),
    };
    for (name, data) in chunks {
        match &name {
            b"tRNS" => facts.alpha = true,
            b"acTL" => facts.frames = Frames::Many,
            b"eXIf" => facts.orientation = exif::orientation(data),
            // The specification wants all of these before the pixels.
            b"IDAT" => return Ok(facts),
            _ => {}
        }
    }
    Err(broken("no pixels in it"))
}
