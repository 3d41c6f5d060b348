//! What an AV1 bitstream says of itself, before it is decoded (AV1 Bitstream & Decoding Process
//! Specification, sections 5.3 to 5.5).

use super::{Fault, broken};
use crate::media::facts::heif::Nclx;

/// Frames of an item. A still picture has one; one in layers, up to four.
const FRAMES: u32 = 4;

const SEQUENCE_HEADER: u8 = 1;
const FRAME_HEADER: u8 = 3;
const FRAME: u8 = 6;

/// Checks that there are no more frames than a still picture has (each may take as long as the
/// whole, and only the last one be shown), and reads which colours the sequence header names.
pub(super) fn colours(bitstream: &[u8]) -> Result<Nclx, Fault> {
    let mut colours = None;
    let mut frames = 0;
    let mut rest = bitstream;
    while !rest.is_empty() {
        let unit = Unit::take(&mut rest).ok_or_else(|| broken("cut off"))?;
        match unit.kind {
            SEQUENCE_HEADER => {
                colours = colours.or(sequence_header(&mut Bits::of(unit.content)));
            }
            FRAME_HEADER | FRAME => frames += 1,
            _ => {}
        }
        if frames > FRAMES {
            return Err(Fault::Unsupported("AVIF of several frames"));
        }
    }
    colours.ok_or_else(|| broken("no sequence header"))
}

/// An open bitstream unit.
struct Unit<'a> {
    kind: u8,
    content: &'a [u8],
}

impl<'a> Unit<'a> {
    fn take(rest: &mut &'a [u8]) -> Option<Self> {
        let (header, mut bytes) = rest.split_first()?;
        if header & 4 != 0 {
            // An extension, which says to which layer it belongs.
            bytes = bytes.get(1..)?;
        }
        let length = match header & 2 {
            0 => bytes.len(),
            _ => leb128(&mut bytes)?,
        };
        let (content, behind) = bytes.split_at_checked(length)?;
        *rest = behind;
        let kind = header >> 3 & 15;
        Some(Unit { kind, content })
    }
}

/// A number in groups of seven bits, the lowest first.
fn leb128(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0u64;
    for group in 0..8 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << (group * 7);
        if byte & 0x80 == 0 {
            return usize::try_from(number).ok();
        }
    }
    None
}

/// Bits, the highest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Bits { bytes, at: 0 }
    }

    fn flag(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit != 0)
    }

    /// A number of up to 32 bits.
    fn number(&mut self, bits: u32) -> Option<u32> {
        (0..bits).try_fold(0, |number, _| Some(number << 1 | u32::from(self.flag()?)))
    }

    fn skip(&mut self, bits: u32) {
        self.at += bits as usize;
    }
}

/// Reads up to the colours (section 5.5.2).
fn sequence_header(bits: &mut Bits<'_>) -> Option<Nclx> {
    let profile = bits.number(3)?;
    bits.skip(1);
    let reduced = bits.flag()?;
    match reduced {
        true => bits.skip(5),
        false => operating_points(bits)?,
    }
    let (width, height) = (bits.number(4)? + 1, bits.number(4)? + 1);
    bits.skip(width + height);
    if !reduced && bits.flag()? {
        // Lengths of frame identifiers.
        bits.skip(4 + 3);
    }
    // Superblocks of 128, filter intra, the intra edge filter.
    bits.skip(3);
    if !reduced {
        tools(bits)?;
    }
    // Super resolution, CDEF, restoration.
    bits.skip(3);
    colour_config(bits, profile)
}

fn operating_points(bits: &mut Bits<'_>) -> Option<()> {
    let mut delay = None;
    if bits.flag()? {
        // Timing: ticks and their scale, and whether pictures are equally long.
        bits.skip(32 + 32);
        if bits.flag()? {
            // A number whose length is told by as many zeros.
            let mut zeros = 0;
            while !bits.flag()? {
                zeros += 1;
            }
            bits.skip(zeros);
        }
        if bits.flag()? {
            delay = Some(bits.number(5)? + 1);
            bits.skip(32 + 5 + 5);
        }
    }
    let initial_delay = bits.flag()?;
    for _ in 0..=bits.number(5)? {
        bits.skip(12);
        if bits.number(5)? > 7 {
            // The tier.
            bits.skip(1);
        }
        if let Some(delay) = delay
            && bits.flag()?
        {
            bits.skip(delay + delay + 1);
        }
        if initial_delay && bits.flag()? {
            bits.skip(4);
        }
    }
    Some(())
}

fn tools(bits: &mut Bits<'_>) -> Option<()> {
    // Compounds, warped motion, dual filter.
    bits.skip(4);
    let order_hint = bits.flag()?;
    if order_hint {
        bits.skip(2);
    }
    // Screen content tools: chosen by each frame, or else forced or not; then the same of integer
    // motion vectors.
    let screen_content = bits.flag()? || bits.flag()?;
    if screen_content && !bits.flag()? {
        bits.skip(1);
    }
    if order_hint {
        bits.skip(3);
    }
    Some(())
}

/// Section 5.5.2, color_config.
fn colour_config(bits: &mut Bits<'_>, profile: u32) -> Option<Nclx> {
    let high = bits.flag()?;
    if profile == 2 && high {
        // Whether it has 12 bits.
        bits.skip(1);
    }
    let gray = profile != 1 && bits.flag()?;
    let described = bits.flag()?;
    let mut number = || match described {
        true => bits.number(8).and_then(|n| u16::try_from(n).ok()),
        false => Some(2),
    };
    let (primaries, transfer, matrix) = (number()?, number()?, number()?);
    let srgb = (primaries, transfer, matrix) == (1, 13, 0);
    Some(Nclx {
        primaries,
        transfer,
        matrix,
        full: (srgb && !gray) || bits.flag()?,
    })
}
