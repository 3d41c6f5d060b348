//! Still pictures that the `image` crate decodes: PNG, GIF, WebP, BMP, TIFF.

use super::{Deadline, Facts, Fault, Format, Layout, Picture, broken, colour};
use crate::media::facts::{gif, tiff, webp};
use image::codecs::{bmp::BmpDecoder, gif::GifDecoder, png::PngDecoder};
use image::codecs::{tiff::TiffDecoder, webp::WebPDecoder};
use image::{ColorType, ImageDecoder, ImageError, Limits};
use moxcms::{ColorProfile, DataColorSpace};
use std::io::Cursor;

pub(super) fn decode(bytes: &[u8], facts: &Facts, deadline: Deadline) -> Result<Picture, Fault> {
    let file = Cursor::new(bytes);
    match facts.format {
        Format::Png => {
            let mut decoder = PngDecoder::with_limits(file, room(facts)).map_err(fault)?;
            let profile = match embedded(&mut decoder)? {
                None => colour::png(bytes, is_gray(decoder.color_type()))?,
                embedded => embedded,
            };
            read(decoder, facts, profile, deadline)
        }
        Format::Gif if !gif::Images::of(bytes).reaches_end() => Err(broken("cut off")),
        Format::Gif => {
            let mut decoder = GifDecoder::new(file).map_err(fault)?;
            let profile = embedded(&mut decoder)?;
            read(decoder, facts, profile, deadline)
        }
        Format::WebP => {
            webp::sound(bytes, facts)?;
            let mut decoder = WebPDecoder::new(file).map_err(fault)?;
            let profile = embedded(&mut decoder)?;
            read(decoder, facts, profile, deadline)
        }
        Format::Bmp => read(BmpDecoder::new(file).map_err(fault)?, facts, None, deadline),
        Format::Tiff => {
            let profile = match tiff::icc(bytes) {
                Some(icc) => colour::profile(icc)?,
                None => None,
            };
            read(
                TiffDecoder::new(file).map_err(fault)?,
                facts,
                profile,
                deadline,
            )
        }
        Format::Jpeg | Format::Avif => Err(Fault::Unknown),
    }
}

/// The ICC profile that a decoder has found.
pub(super) fn embedded(decoder: &mut impl ImageDecoder) -> Result<Option<ColorProfile>, Fault> {
    match decoder.icc_profile() {
        Ok(Some(icc)) => colour::profile(&icc),
        _ => Ok(None),
    }
}

fn is_gray(colours: ColorType) -> bool {
    matches!(
        colours,
        ColorType::L8 | ColorType::L16 | ColorType::La8 | ColorType::La16
    )
}

/// What a decoder may take: the pixels in its widest form, once more for what it works with, and
/// for tables and metadata a fixed part.
pub(super) fn room(facts: &Facts) -> Limits {
    const WIDEST: u64 = 2 * 8;
    const TABLES: u64 = 16 << 20;
    let pixels = u64::from(facts.width) * u64::from(facts.height);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(pixels.saturating_mul(WIDEST).saturating_add(TABLES));
    limits
}

fn read(
    mut decoder: impl ImageDecoder,
    facts: &Facts,
    profile: Option<ColorProfile>,
    deadline: Deadline,
) -> Result<Picture, Fault> {
    if decoder.dimensions() != (facts.width, facts.height) {
        return Err(broken("its headers differ"));
    }
    decoder.set_limits(room(facts)).map_err(fault)?;
    let colours = decoder.color_type();
    let bytes = usize::try_from(decoder.total_bytes()).map_err(broken)?;
    let mut samples = vec![0; bytes];
    decoder.read_image(&mut samples).map_err(fault)?;
    deadline.check()?;

    if matches!(
        colours,
        ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16
    ) {
        samples = narrow(&samples);
    }
    let layout = match colours {
        ColorType::L8 | ColorType::L16 => Layout::Gray,
        ColorType::La8 | ColorType::La16 => {
            samples = spread(&samples);
            Layout::Rgba
        }
        ColorType::Rgb8 | ColorType::Rgb16 => Layout::Rgb,
        ColorType::Rgba8 | ColorType::Rgba16 => Layout::Rgba,
        _ => return Err(Fault::Unsupported("samples that are not 8 or 16 bits")),
    };
    let mut picture = Picture {
        width: facts.width,
        height: facts.height,
        layout,
        pixels: samples,
    };
    // A profile of gray belongs to gray, one of colours to colours.
    if let Some(profile) = profile
        && is_gray(colours) == (profile.color_space == DataColorSpace::Gray)
    {
        colour::to_srgb(&mut picture, &profile, deadline)?;
    }
    Ok(picture)
}

/// Samples of 16 bits, in the machine's order, as 8 bits.
fn narrow(samples: &[u8]) -> Vec<u8> {
    let (samples, _) = samples.as_chunks::<2>();
    samples
        .iter()
        .map(|sample| {
            // Of 65535 parts 255, rounded to the nearest.
            let sample = u32::from(u16::from_ne_bytes(*sample));
            u8::try_from((sample * 255 + 32_895) >> 16).unwrap_or(255)
        })
        .collect()
}

/// Gray and alpha as red, green, blue and alpha.
fn spread(samples: &[u8]) -> Vec<u8> {
    let mut pixels = Vec::with_capacity(samples.len() * 2);
    for [gray, alpha] in samples.as_chunks::<2>().0 {
        pixels.extend_from_slice(&[*gray, *gray, *gray, *alpha]);
    }
    pixels
}

/// What the crate's errors are here.
pub(super) fn fault(error: ImageError) -> Fault {
    match error {
        ImageError::Limits(_) => Fault::TooManyPixels,
        ImageError::Unsupported(_) => Fault::Unsupported("a rare variety of its format"),
        error => Fault::Broken(error.to_string()),
    }
}
