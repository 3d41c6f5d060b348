//! Pixels as the encoders want them.

use crate::media::{Layout, Picture};
use std::borrow::Cow;
use std::collections::HashSet;

/// Has it a size, and as many bytes as that wants?
pub(super) fn are_complete(picture: &Picture) -> bool {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let bytes = width
        .checked_mul(height)
        .and_then(|pixels| pixels.checked_mul(picture.layout.bytes()));
    width > 0 && height > 0 && bytes == Some(picture.pixels.len())
}

/// Laid on a background: without transparency.
pub(super) fn flat(picture: &Picture, background: [u8; 3]) -> Cow<'_, Picture> {
    if picture.layout != Layout::Rgba {
        return Cow::Borrowed(picture);
    }
    let (pixels, _) = picture.pixels.as_chunks::<4>();
    let [behind_red, behind_green, behind_blue] = background;
    let flat = |[red, green, blue, alpha]: &[u8; 4]| {
        let over = |front: u8, behind: u8| {
            let alpha = u32::from(*alpha);
            // Rounded to the nearest; at most 255.
            ((u32::from(front) * alpha + u32::from(behind) * (255 - alpha) + 127) / 255) as u8
        };
        [
            over(*red, behind_red),
            over(*green, behind_green),
            over(*blue, behind_blue),
        ]
    };
    Cow::Owned(Picture {
        width: picture.width,
        height: picture.height,
        layout: Layout::Rgb,
        pixels: pixels.iter().flat_map(flat).collect(),
    })
}

/// In three channels or four: not gray.
pub(super) fn coloured(picture: &Picture) -> Cow<'_, Picture> {
    if picture.layout != Layout::Gray {
        return Cow::Borrowed(picture);
    }
    Cow::Owned(Picture {
        width: picture.width,
        height: picture.height,
        layout: Layout::Rgb,
        pixels: picture.pixels.iter().flat_map(|gray| [*gray; 3]).collect(),
    })
}

/// Has it at most this many colours? Stops at the first one too many: a photograph is told from a
/// drawing by its first rows.
pub(super) fn has_few_colours(picture: &Picture, most: usize) -> bool {
    let mut seen =
        HashSet::with_capacity_and_hasher(most + 1, foldhash::fast::FixedState::default());
    let mut last = None;
    picture
        .pixels
        .chunks_exact(picture.layout.bytes())
        .all(|pixel| {
            // Drawings have runs: most pixels are as the one before.
            if last != Some(pixel) {
                last = Some(pixel);
                seen.insert(pixel);
            }
            seen.len() <= most
        })
}
