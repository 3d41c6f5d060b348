//! Colours of other profiles to sRGB.

use super::{Deadline, Fault, Layout, Picture};
use moxcms::{
    ColorProfile, DataColorSpace, Layout as Channels, TransferCharacteristics,
    Transform8BitExecutor, TransformOptions,
};
use std::sync::Arc;

/// Bytes of a profile. Those of printers, the largest, have 3 MB.
const LONGEST: usize = 8 << 20;

/// Rows between two looks at the clock.
const ROWS: usize = 64;

/// What an ICC profile says; a broken one, or one of no use, says nothing.
///
/// # Errors
/// [`Fault::Unsupported`]: its colours are brighter than a page (PQ, HLG).
pub(super) fn profile(icc: &[u8]) -> Result<Option<ColorProfile>, Fault> {
    let sound = (icc.len() <= LONGEST).then(|| ColorProfile::new_from_slice(icc).ok());
    let Some(profile) = sound.flatten() else {
        return Ok(None);
    };
    match profile.cicp.map(|cicp| cicp.transfer_characteristics) {
        Some(TransferCharacteristics::Smpte2084 | TransferCharacteristics::Hlg) => {
            Err(Fault::Unsupported("HDR"))
        }
        _ => Ok(Some(profile)),
    }
}

/// Brings a picture's colours to sRGB. A profile that is not of the picture's kind is ignored; a
/// profile of gray on a picture with three channels is applied to each.
pub(super) fn to_srgb(
    picture: &mut Picture,
    profile: &ColorProfile,
    deadline: Deadline,
) -> Result<(), Fault> {
    match (picture.layout, profile.color_space) {
        (_, DataColorSpace::Gray) => {
            if let Some(table) = grays(profile) {
                map(picture, &table);
            }
            Ok(())
        }
        (Layout::Rgb, DataColorSpace::Rgb) => convert(picture, profile, Channels::Rgb, deadline),
        (Layout::Rgba, DataColorSpace::Rgb) => convert(picture, profile, Channels::Rgba, deadline),
        _ => Ok(()),
    }
}

fn transform(
    profile: &ColorProfile,
    from: Channels,
    to: Channels,
) -> Option<Arc<Transform8BitExecutor>> {
    let srgb = ColorProfile::new_srgb();
    let options = TransformOptions::default();
    profile.create_transform_8bit(from, &srgb, to, options).ok()
}

fn convert(
    picture: &mut Picture,
    profile: &ColorProfile,
    channels: Channels,
    deadline: Deadline,
) -> Result<(), Fault> {
    let Some(transform) = transform(profile, channels, channels) else {
        return Ok(());
    };
    if is_srgb(&transform, picture.layout.bytes()) {
        return Ok(());
    }
    let rows = (picture.width as usize * picture.layout.bytes()).max(1) * ROWS;
    let mut from = Vec::with_capacity(rows.min(picture.pixels.len()));
    for rows in picture.pixels.chunks_mut(rows) {
        deadline.check()?;
        from.clear();
        from.extend_from_slice(rows);
        transform.transform(&from, rows).map_err(super::broken)?;
    }
    Ok(())
}

/// Whether it changes nothing that can be seen: most profiles are one of the many ways to say sRGB.
fn is_srgb(transform: &Arc<Transform8BitExecutor>, bytes: usize) -> bool {
    const STEPS: [u8; 6] = [0, 51, 102, 153, 204, 255];
    let mut from = Vec::with_capacity(STEPS.len().pow(3) * bytes);
    for red in STEPS {
        for green in STEPS {
            for blue in STEPS {
                from.extend([red, green, blue, 255].iter().take(bytes));
            }
        }
    }
    let mut to = vec![0; from.len()];
    let done = transform.transform(&from, &mut to);
    done.is_ok()
        && from
            .iter()
            .zip(&to)
            .all(|(from, to)| from.abs_diff(*to) <= 1)
}

/// What each gray is in sRGB.
fn grays(profile: &ColorProfile) -> Option<[u8; 256]> {
    let transform = transform(profile, Channels::Gray, Channels::Rgb)?;
    let from: Vec<u8> = (0..=255).collect();
    let mut to = vec![0; 256 * 3];
    transform.transform(&from, &mut to).ok()?;
    let mut table = [0; 256];
    let (to, _) = to.as_chunks::<3>();
    for (gray, [_, green, _]) in table.iter_mut().zip(to) {
        *gray = *green;
    }
    Some(table)
}

fn map(picture: &mut Picture, table: &[u8; 256]) {
    let bytes = picture.layout.bytes();
    for pixel in picture.pixels.chunks_exact_mut(bytes) {
        for channel in pixel.iter_mut().take(3) {
            *channel = table
                .get(usize::from(*channel))
                .copied()
                .unwrap_or(*channel);
        }
    }
}

/// Cyan, magenta, yellow and black, 0 for no ink, as sRGB: as their profile says, and without one
/// that is of use, as if inks were filters behind each other.
pub(super) fn inks(
    inks: &[u8],
    (width, height): (u32, u32),
    profile: Option<&ColorProfile>,
    deadline: Deadline,
) -> Result<Picture, Fault> {
    let transform = profile
        .filter(|profile| profile.color_space == DataColorSpace::Cmyk)
        .and_then(|profile| transform(profile, Channels::Rgba, Channels::Rgb));
    let mut pixels = vec![0; inks.len() / 4 * 3];
    let row = (width as usize).max(1);
    let rows = inks.chunks(row * 4 * ROWS);
    for (from, to) in rows.zip(pixels.chunks_mut(row * 3 * ROWS)) {
        deadline.check()?;
        match &transform {
            Some(transform) => transform.transform(from, to).map_err(super::broken)?,
            None => filters(from, to),
        }
    }
    Ok(Picture {
        width,
        height,
        layout: Layout::Rgb,
        pixels,
    })
}

fn filters(inks: &[u8], colours: &mut [u8]) {
    let (inks, _) = inks.as_chunks::<4>();
    let (colours, _) = colours.as_chunks_mut::<3>();
    for ([cyan, magenta, yellow, black], colour) in inks.iter().zip(colours) {
        let light = |ink: u8| {
            let both = u32::from(255 - ink) * u32::from(255 - *black);
            // At most 255 * 255 / 255.
            u8::try_from((both + 127) / 255).unwrap_or(255)
        };
        *colour = [light(*cyan), light(*magenta), light(*yellow)];
    }
}
