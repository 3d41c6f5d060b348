//! What a picture is, told by its header alone.

mod bmp;
mod bytes;
mod exif;
pub(super) mod gif;
pub(super) mod heif;
pub(super) mod jpeg;
mod orientation;
pub(super) mod png;
pub(super) mod tiff;
pub(super) mod webp;

use super::{Fault, Format, Limits};
pub use orientation::Orientation;

/// More than any limit allows: decoders that count bytes of a picture in 32 bits are safe below it.
const MOST_PIXELS: u64 = 1 << 28;

/// Whether a file is an animation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Frames {
    /// A still picture.
    One,
    /// An animation.
    Many,
}

/// What a file's header promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Facts {
    /// What the file is, whatever its name says.
    pub format: Format,
    /// Pixels as stored, at least 1.
    pub width: u32,
    /// Pixels as stored, at least 1.
    pub height: u32,
    /// How to turn it.
    pub orientation: Orientation,
    /// Whether it moves.
    pub frames: Frames,
    /// Whether some of it may be transparent.
    pub alpha: bool,
}

impl Facts {
    /// Width and height as they are seen.
    pub fn upright(&self) -> (u32, u32) {
        self.orientation.turned((self.width, self.height))
    }
}

/// Reads what a whole file's header says. Takes a few microseconds and makes room for nothing.
///
/// # Errors
/// [`Fault::TooLarge`], [`Fault::Unknown`], [`Fault::TooManyPixels`]; [`Fault::Broken`] and
/// [`Fault::Unsupported`] as far as the header tells: that a picture has facts does not mean that
/// it can be decoded.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Facts, Fault> {
    if bytes.len() as u64 > limits.bytes {
        return Err(Fault::TooLarge);
    }
    let facts = read(bytes)?;
    fits(&facts, 1, limits)?;
    Ok(facts)
}

/// The upright width and height of a picture, of which only the beginning is at hand; some formats
/// keep there what is needed, others do not.
pub fn probe_head(head: &[u8]) -> Option<(u32, u32)> {
    let (width, height) = read(head).ok()?.upright();
    (width > 0 && height > 0).then_some((width, height))
}

fn read(bytes: &[u8]) -> Result<Facts, Fault> {
    match Format::sniff(bytes).ok_or(Fault::Unknown)? {
        Format::Jpeg => jpeg::read(bytes),
        Format::Png => png::read(bytes),
        Format::Gif => gif::read(bytes),
        Format::WebP => webp::read(bytes),
        Format::Avif => heif::read(bytes),
        Format::Bmp => bmp::read(bytes),
        Format::Tiff => tiff::read(bytes),
    }
}

/// Whether so many frames of this size are within the limit.
pub(super) fn fits(facts: &Facts, frames: u64, limits: &Limits) -> Result<(), Fault> {
    let pixels = u64::from(facts.width) * u64::from(facts.height);
    if pixels == 0 {
        return Err(broken("no width or no height"));
    }
    match pixels.saturating_mul(frames) > limits.pixels.min(MOST_PIXELS) {
        true => Err(Fault::TooManyPixels),
        false => Ok(()),
    }
}

fn broken(why: &str) -> Fault {
    Fault::Broken(why.to_string())
}
