//! PNG, without loss, by oxipng: a palette or gray where that says the same, and the filter and the
//! compression that pay for a picture of its size.

use crate::media::{Deadline, Fault, Layout, Picture};
use oxipng::{BitDepth, ColorType, Deflater, FilterStrategy, Options, RawImage, indexset};
use std::time::Instant;

/// Up to so many pixels several filters are tried, and the thorough compression.
const THOROUGH: u64 = 400_000;
/// Up to so many the quick one; above it only one filter.
const QUICK: u64 = 4_000_000;

/// Writes a picture.
pub(super) fn write(picture: &Picture, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    let colours = match picture.layout {
        Layout::Gray => ColorType::Grayscale {
            transparent_shade: None,
        },
        Layout::Rgb => ColorType::RGB {
            transparent_color: None,
        },
        Layout::Rgba => ColorType::RGBA,
    };
    let mut options = effort(u64::from(picture.width) * u64::from(picture.height));
    // What is not to be seen may have the colour that takes least.
    options.optimize_alpha = true;
    options.timeout = Some(deadline.0.saturating_duration_since(Instant::now()));
    let (width, height) = (picture.width, picture.height);
    let pixels = picture.pixels.clone();
    RawImage::new(width, height, colours, BitDepth::Eight, pixels)
        .and_then(|image| image.create_optimized_png(&options))
        .map_err(|fault| Fault::Encoder(fault.to_string()))
}

fn effort(pixels: u64) -> Options {
    let mut options = Options::from_preset(0);
    if pixels <= THOROUGH {
        options.filters = indexset! {
            FilterStrategy::NONE,
            FilterStrategy::SUB,
            FilterStrategy::Entropy,
            FilterStrategy::Bigrams,
        };
        options.deflater = Deflater::Libdeflater { compression: 10 };
    } else if pixels <= QUICK {
        options.deflater = Deflater::Libdeflater { compression: 7 };
    } else {
        options.filters = indexset! { FilterStrategy::MinSum };
        options.deflater = Deflater::Libdeflater { compression: 5 };
    }
    options
}
