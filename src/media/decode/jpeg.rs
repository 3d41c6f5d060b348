//! JPEG, by libjpeg-turbo.

use super::{Deadline, Facts, Fault, Layout, Picture, broken, colour};
use crate::media::facts::jpeg::Segments;
use turbojpeg::{Colorspace, Decompressor, Image, PixelFormat, ScalingFactor};

/// Scans of a picture. Encoders make 10 to 20; each one more costs a walk over all blocks, with
/// hardly a byte in the file.
const SCANS: u32 = 64;

/// What an ICC profile's segments begin with (ICC.1:2022, annex B.4).
const ICC: &[u8] = b"ICC_PROFILE\0";

pub(super) fn decode(
    bytes: &[u8],
    facts: &Facts,
    at_least: Option<(u32, u32)>,
    deadline: Deadline,
) -> Result<Picture, Fault> {
    scans(bytes)?;
    let mut decoder = Decompressor::new().map_err(broken)?;
    let header = decoder.read_header(bytes).map_err(broken)?;
    if (header.width, header.height) != (facts.width as usize, facts.height as usize) {
        return Err(broken("its headers differ"));
    }
    if header.is_lossless {
        return Err(Fault::Unsupported("lossless JPEG"));
    }
    let scale = match at_least {
        Some(upright) => scale(
            (facts.width, facts.height),
            facts.orientation.turned(upright),
        ),
        None => ScalingFactor::ONE,
    };
    decoder.set_scaling_factor(scale).map_err(broken)?;
    decoder.set_scan_limit(SCANS).map_err(broken)?;
    let format = match header.colorspace {
        Colorspace::Gray => PixelFormat::GRAY,
        Colorspace::CMYK | Colorspace::YCCK => PixelFormat::CMYK,
        Colorspace::RGB | Colorspace::YCbCr => PixelFormat::RGB,
    };
    let (width, height) = (scale.scale(header.width), scale.scale(header.height));
    let mut pixels = vec![0; width * height * format.size()];
    let image = Image {
        pixels: pixels.as_mut_slice(),
        width,
        pitch: width * format.size(),
        height,
        format,
    };
    decoder.decompress(bytes, image).or_else(harmless)?;
    drop(decoder);
    deadline.check()?;

    let profile = match icc(bytes) {
        Some(icc) => colour::profile(&icc)?,
        None => None,
    };
    let side = |side: usize| u32::try_from(side).map_err(broken);
    let size = (side(width)?, side(height)?);
    if format == PixelFormat::CMYK {
        // Stored is how much light is left, as Adobe does it. No marker says so for certain;
        // browsers do not look for one either.
        pixels.iter_mut().for_each(|ink| *ink = 255 - *ink);
        return colour::inks(&pixels, size, profile.as_ref(), deadline);
    }
    let mut picture = Picture {
        width: size.0,
        height: size.1,
        layout: match format {
            PixelFormat::GRAY => Layout::Gray,
            _ => Layout::Rgb,
        },
        pixels,
    };
    // A profile of gray belongs to gray, one of colours to colours.
    if let Some(profile) = profile {
        let is_gray = profile.color_space == moxcms::DataColorSpace::Gray;
        if is_gray == (picture.layout == Layout::Gray) {
            colour::to_srgb(&mut picture, &profile, deadline)?;
        }
    }
    Ok(picture)
}

/// The smallest scale of n/8 at which a picture is no smaller than what is wanted of it.
fn scale((width, height): (u32, u32), (at_least_w, at_least_h): (u32, u32)) -> ScalingFactor {
    let enough = |scale: &ScalingFactor| {
        let reaches = |side: u32, wanted: u32| scale.scale(side as usize) >= wanted as usize;
        reaches(width, at_least_w.min(width)) && reaches(height, at_least_h.min(height))
    };
    (1..=8)
        .map(|eighths| ScalingFactor::new(eighths, 8))
        .find(enough)
        .unwrap_or(ScalingFactor::ONE)
}

/// libjpeg shows what it can, and warns. A hole or a grey half is no picture to keep; a few bytes
/// too many between the last block and the end do no harm, and some cameras write them.
fn harmless(fault: turbojpeg::Error) -> Result<(), Fault> {
    let words = fault.to_string();
    match words.contains("extraneous bytes before marker 0xd9") {
        true => Ok(()),
        false => Err(Fault::Broken(words)),
    }
}

/// Counts the scans, before any of them is decoded.
fn scans(jpeg: &[u8]) -> Result<(), Fault> {
    let mut scans = 0;
    // In coded data 0xff is followed by 0 or a restart's marker. What lies before the first scan is
    // left out: a thumbnail has scans of its own.
    let rest = Segments::of(jpeg).behind();
    for _ in memchr::memmem::find_iter(rest, b"\xff\xda") {
        scans += 1;
        if scans > SCANS {
            return Err(Fault::Unsupported("JPEG of so many scans"));
        }
    }
    Ok(())
}

/// The ICC profile, its segments put together.
fn icc(jpeg: &[u8]) -> Option<Vec<u8>> {
    let mut parts: Vec<(u8, &[u8])> = Segments::of(jpeg)
        .filter(|segment| segment.marker == 0xe2)
        .filter_map(|segment| match segment.data.strip_prefix(ICC)? {
            [number, _, data @ ..] => Some((*number, data)),
            _ => None,
        })
        .collect();
    parts.sort_by_key(|(number, _)| *number);
    let whole: Vec<u8> = parts.iter().flat_map(|(_, data)| *data).copied().collect();
    (!whole.is_empty()).then_some(whole)
}
