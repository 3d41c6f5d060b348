//! The canvas of a picture that does not fill its box.

use crate::media::{Layout, Picture};

/// The picture in the middle of a canvas of this size, pixels.
///
/// Around it is the background; a picture that is transparent itself, in a format that can be,
/// stands on a transparent canvas: a frame of one colour around a logo is what nobody wants.
pub(super) fn put(
    picture: Picture,
    (width, height): (u32, u32),
    background: [u8; 3],
    transparent: bool,
) -> Picture {
    if (picture.width, picture.height) == (width, height) {
        return picture;
    }
    let [red, green, blue] = background;
    let picture = match picture.layout {
        Layout::Gray if red != green || green != blue => coloured(picture),
        _ => picture,
    };
    let alpha = if transparent { 0 } else { 255 };
    let colour = match picture.layout {
        Layout::Gray => vec![red],
        Layout::Rgb => vec![red, green, blue],
        Layout::Rgba => vec![red, green, blue, alpha],
    };
    let bytes = picture.layout.bytes();
    let stride = width as usize * bytes;
    let mut pixels = colour.repeat(width as usize * height as usize);
    let left = (width.saturating_sub(picture.width) / 2) as usize * bytes;
    let top = (height.saturating_sub(picture.height) / 2) as usize;
    let rows = picture
        .pixels
        .chunks_exact((picture.width as usize * bytes).max(1));
    for (to, from) in pixels.chunks_exact_mut(stride.max(1)).skip(top).zip(rows) {
        for (to, from) in to.iter_mut().skip(left).zip(from) {
            *to = *from;
        }
    }
    Picture {
        width,
        height,
        layout: picture.layout,
        pixels,
    }
}

/// A gray picture as one of three channels.
fn coloured(picture: Picture) -> Picture {
    Picture {
        layout: Layout::Rgb,
        pixels: picture.pixels.iter().flat_map(|gray| [*gray; 3]).collect(),
        ..picture
    }
}
