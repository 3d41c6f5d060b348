//! WebP's chunks (RFC 9649, section 2).

use super::bytes::{Order, array, le24, slice};
use super::{Facts, Frames, Orientation, broken, exif};
use crate::media::{Fault, Format};

/// Chunks that lie behind each other. Ends where a chunk is cut off.
struct Chunks<'a> {
    bytes: &'a [u8],
    at: usize,
    /// Where the last one may begin.
    end: usize,
}

impl<'a> Iterator for Chunks<'a> {
    /// Its name and data.
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.end {
            return None;
        }
        let name = array(self.bytes, self.at)?;
        let length = usize::try_from(Order::Little.u32(self.bytes, self.at + 4)?).ok()?;
        let data = slice(self.bytes, self.at + 8, length)?;
        self.at += 8 + length + (length & 1);
        Some((name, data))
    }
}

/// The chunks of a file.
fn chunks(webp: &[u8]) -> Option<Chunks<'_>> {
    let promised = usize::try_from(Order::Little.u32(webp, 4)?).ok()?;
    Some(Chunks {
        bytes: webp,
        at: 12,
        // Ten bytes more than promised: the decoder looks for chunks up to there, so what is found
        // here is what is found there.
        end: promised.saturating_add(18),
    })
}

/// The size that a bitstream's own header tells, and whether it has alpha.
fn bitstream(name: [u8; 4], data: &[u8]) -> Option<(u32, u32, bool)> {
    match &name {
        b"VP8 " => {
            let side = |at| Order::Little.u16(data, at).map(|n| u32::from(n & 0x3fff));
            Some((side(6)?, side(8)?, false))
        }
        b"VP8L" => {
            let bits = Order::Little.u32(data, 1)?;
            let (width, height) = ((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1);
            Some((width, height, bits >> 28 & 1 != 0))
        }
        _ => None,
    }
}

pub(super) fn read(webp: &[u8]) -> Result<Facts, Fault> {
    let cut = || broken("the header is too short");
    let mut chunks = chunks(webp).ok_or_else(cut)?;
    // The first one is all there is of a simple file, and may be cut off here.
    let name = array(webp, chunks.at).ok_or_else(cut)?;
    let data = webp.get(chunks.at + 8..).ok_or_else(cut)?;
    let mut facts = Facts {
        format: Format::WebP,
        width: 0,
        height: 0,
        orientation: Orientation::UPRIGHT,
        frames: Frames::One,
        alpha: false,
    };
    if name != *b"VP8X" {
        let (width, height, alpha) =
            bitstream(name, data).ok_or_else(|| broken("no picture in it"))?;
        return Ok(Facts {
            width,
            height,
            alpha,
            ..facts
        });
    }
    let (Some(flags), Some(width), Some(height)) = (data.first(), le24(data, 4), le24(data, 7))
    else {
        return Err(cut());
    };
    (facts.width, facts.height) = (width + 1, height + 1);
    facts.alpha = flags & 0x10 != 0;
    if flags & 0x02 != 0 {
        facts.frames = Frames::Many;
    }
    if flags & 0x08 != 0 {
        // Behind the pixels, if the writer keeps to the RFC.
        let exif = chunks.find(|(name, _)| name == b"EXIF");
        let (_, exif) = exif.ok_or_else(|| broken("its Exif metadata are missing"))?;
        facts.orientation = exif::orientation(exif);
    }
    Ok(facts)
}

/// Checks what the decoder does not before it makes room: that no bitstream is larger than the
/// canvas. Says how many frames there are; of a still picture, none.
pub(in crate::media) fn sound(webp: &[u8], facts: &Facts) -> Result<u64, Fault> {
    let cut = || broken("cut off");
    let mut frames = 0;
    let mut chunks = chunks(webp).ok_or_else(cut)?;
    for (name, data) in chunks.by_ref() {
        if name == *b"ANMF" {
            frames += 1;
            frame(data, facts)?;
        } else {
            within(name, data, facts)?;
        }
    }
    match chunks.at >= chunks.end.min(webp.len()) {
        true => Ok(frames),
        false => Err(cut()),
    }
}

/// A frame's chunks: alpha or not, and then the picture.
fn frame(data: &[u8], facts: &Facts) -> Result<(), Fault> {
    let mut chunks = Chunks {
        bytes: data,
        at: 16,
        end: data.len(),
    };
    let mut first = chunks.next();
    if matches!(first, Some((name, _)) if name == *b"ALPH") {
        first = chunks.next().filter(|(name, _)| name == b"VP8 ");
    }
    match first {
        Some((name, data)) if matches!(&name, b"VP8 " | b"VP8L") => within(name, data, facts),
        _ => Err(broken("a frame without a picture")),
    }
}

fn within(name: [u8; 4], data: &[u8], facts: &Facts) -> Result<(), Fault> {
    match bitstream(name, data) {
        Some((width, height, _)) if width > facts.width || height > facts.height => {
            Err(broken("larger than its canvas"))
        }
        _ => Ok(()),
    }
}
