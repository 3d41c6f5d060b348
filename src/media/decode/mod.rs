//! A picture's bytes to pixels: upright, in sRGB, 8 bits a channel.
//!
//! What it needs, in bytes for each pixel that its header promises (of an animation: of all its
//! frames together), beside the file itself:
//!
//! * JPEG: 1 (gray), 3 or 4 (CMYK) for each pixel *after* DCT scaling; a progressive one also 2
//!   for each coefficient, 3 of 4:2:0 to 6 of 4:4:4 for each pixel *before* it, 8 of CMYK.
//! * PNG, BMP, GIF: 1 to 4; 16 bit 3 to 12. TIFF: twice that.
//! * WebP: up to 10. Animations: 4 for each frame, 12 for each pixel of the canvas.
//! * AVIF: 3 or 4, and 1.5 to 3 (8 bit) or 3 to 6 (more bits) in the decoder, twice with alpha.
//! * Turned by 90 degrees, or with alpha that says nothing: once more what the pixels take.
//!
//! Decoders are not asked to stop inside of a picture; what a picture may take is bounded by its
//! pixels (and of JPEG: its scans), and the deadline is looked at before and after, between frames,
//! and while colours are converted.

mod av1;
mod avif;
mod colour;
mod jpeg;
mod moving;
mod raster;
mod turn;
mod yuv;

#[cfg(test)]
pub(super) mod tests;

use super::facts::{Facts, Frames, fits};
use super::{Deadline, Decoded, Fault, Format, Layout, Limits, Picture};

/// Decodes a file that has these facts (those that `probe` told of the same bytes).
///
/// `at_least`: upright pixels, width and height, that the caller needs. A JPEG is decoded at the
/// smallest scale of n/8 that has no fewer; other formats are decoded as they are.
///
/// Truncated files are broken: a browser shows of the original what is there of it, and goes on
/// when more comes; a variant would keep the hole. APNG, sequences and tiles of AVIF, and HDR
/// (PQ, HLG) are not supported: the original is better left alone than shown still or grey.
///
/// # Errors
/// All but [`Fault::Unknown`] and [`Fault::Encoder`].
pub fn decode(
    bytes: &[u8],
    facts: &Facts,
    at_least: Option<(u32, u32)>,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Decoded, Fault> {
    if bytes.len() as u64 > limits.bytes {
        return Err(Fault::TooLarge);
    }
    fits(facts, 1, limits)?;
    deadline.check()?;
    let stored = match (facts.format, facts.frames) {
        (Format::Png, Frames::Many) => return Err(Fault::Unsupported("animated PNG")),
        (Format::Avif, Frames::Many) => return Err(Fault::Unsupported("AVIF sequence")),
        (Format::Gif | Format::WebP, Frames::Many) => {
            return moving::decode(bytes, facts, limits, deadline);
        }
        (Format::Jpeg, _) => jpeg::decode(bytes, facts, at_least, deadline)?,
        (Format::Avif, _) => avif::decode(bytes, facts, deadline)?,
        _ => raster::decode(bytes, facts, deadline)?,
    };
    deadline.check()?;
    let picture = turn::upright(without_idle_alpha(stored), facts.orientation);
    deadline.check()?;
    Ok(Decoded::Still(picture))
}

/// A picture without its alpha, if that says of every pixel that it is opaque.
fn without_idle_alpha(picture: Picture) -> Picture {
    match picture.layout == Layout::Rgba && is_opaque(&picture) {
        true => without_alpha(picture),
        false => picture,
    }
}

fn is_opaque(picture: &Picture) -> bool {
    let (pixels, _) = picture.pixels.as_chunks::<4>();
    pixels.iter().all(|[_, _, _, alpha]| *alpha == 255)
}

fn without_alpha(picture: Picture) -> Picture {
    let (old, _) = picture.pixels.as_chunks::<4>();
    let mut pixels = Vec::with_capacity(old.len() * 3);
    for [red, green, blue, _] in old {
        pixels.extend_from_slice(&[*red, *green, *blue]);
    }
    Picture {
        layout: Layout::Rgb,
        pixels,
        ..picture
    }
}

fn broken(why: impl ToString) -> Fault {
    Fault::Broken(why.to_string())
}
