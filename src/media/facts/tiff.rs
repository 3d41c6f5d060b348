//! TIFF 6.0: its first directory.

use super::exif::{Directory, EXTRA_SAMPLES, HEIGHT, ICC, SAMPLES, WIDTH};
use super::{Facts, Frames, broken};
use crate::media::{Fault, Format};

pub(super) fn read(tiff: &[u8]) -> Result<Facts, Fault> {
    let directory = Directory::first(tiff).ok_or_else(|| broken("no directory"))?;
    let (Some(width), Some(height)) = (directory.number(WIDTH), directory.number(HEIGHT)) else {
        return Err(broken("no width and height"));
    };
    let samples = directory.number(SAMPLES).unwrap_or(1);
    Ok(Facts {
        format: Format::Tiff,
        width,
        height,
        orientation: directory.orientation(),
        // More directories are pages, not frames: the first one is the picture.
        frames: Frames::One,
        alpha: matches!(samples, 2 | 4) || directory.number(EXTRA_SAMPLES).is_some(),
    })
}

/// The profile of its colours.
pub(in crate::media) fn icc(tiff: &[u8]) -> Option<&[u8]> {
    Directory::first(tiff)?.bytes(ICC)
}
