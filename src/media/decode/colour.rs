//! Colours of other profiles to sRGB.

use super::{Deadline, Fault, Layout, Picture};
use crate::media::facts::png::Chunks;
use moxcms::{
    Chromaticity, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout as Channels,
    MatrixCoefficients, ToneReprCurve, TransferCharacteristics, Transform8BitExecutor,
    TransformOptions,
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

/// What ITU-T H.273's numbers for primaries (table 2) and transfer (table 3) say; nothing, of those
/// that are sRGB. The curves of BT.601, BT.709 and BT.2020 are taken for sRGB's, as browsers do.
///
/// # Errors
/// [`Fault::Unsupported`]: its colours are brighter than a page (PQ, HLG).
pub(super) fn cicp(primaries: u16, transfer: u16) -> Result<Option<ColorProfile>, Fault> {
    let primaries = match primaries {
        2 => 1,
        named => named,
    };
    let transfer = match transfer {
        16 | 18 => return Err(Fault::Unsupported("HDR")),
        1 | 2 | 6 | 14 | 15 => 13,
        named => named,
    };
    if (primaries, transfer) == (1, 13) {
        return Ok(None);
    }
    let named = |number: u16| u8::try_from(number).ok();
    let named = named(primaries).zip(named(transfer));
    let profile = named.and_then(|(primaries, transfer)| {
        Some(ColorProfile::new_from_cicp(CicpProfile {
            color_primaries: primaries.try_into().ok()?,
            transfer_characteristics: transfer.try_into().ok()?,
            matrix_coefficients: MatrixCoefficients::Identity,
            full_range: true,
        }))
    });
    Ok(profile)
}

/// What a PNG without a profile says of its colours (W3C PNG, third edition, sections 11.3.2.1 to
/// 11.3.2.5): `cICP` goes before `sRGB`, and that before `gAMA` and `cHRM`.
///
/// # Errors
/// [`Fault::Unsupported`]: its colours are brighter than a page (PQ, HLG).
pub(super) fn png(bytes: &[u8], is_gray: bool) -> Result<Option<ColorProfile>, Fault> {
    let mut gamma = None;
    let mut points = None;
    let mut is_srgb = false;
    let number = |bytes: &[u8; 4]| u32::from_be_bytes(*bytes) as f32 / 100_000.0;
    for (name, data) in Chunks::of(bytes) {
        match (&name, data) {
            (b"cICP", [primaries, transfer, 0, _]) if !is_gray => {
                return cicp((*primaries).into(), (*transfer).into());
            }
            (b"sRGB", _) => is_srgb = true,
            (b"gAMA", data) => gamma = data.first_chunk().map(number),
            (b"cHRM", data) => {
                let numbers = data.as_chunks::<4>().0.iter().map(number);
                points = numbers.collect::<Vec<_>>().try_into().ok();
            }
            (b"IDAT", _) => break,
            _ => {}
        }
    }
    Ok(match is_srgb {
        true => None,
        false => calibrated(gamma, points, is_gray),
    })
}

/// A profile of an exponent (that of the encoder, as `gAMA` has it) and of the white point, red,
/// green and blue, x and y each. What cannot be is ignored.
fn calibrated(gamma: Option<f32>, points: Option<[f32; 8]>, is_gray: bool) -> Option<ColorProfile> {
    // Near 1/2.2 is what writers say who mean sRGB.
    let usual = 0.45..0.46;
    let gamma = gamma.filter(|gamma| !usual.contains(gamma) && (0.1..10.0).contains(gamma));
    if is_gray {
        return gamma.map(|gamma| ColorProfile::new_gray_with_gamma(1.0 / gamma));
    }
    let points = points.filter(are_colours);
    if gamma.is_none() && points.is_none() {
        return None;
    }
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    if let Some(points) = points {
        let [white, red, green, blue] = pairs(&points).map(|[x, y]| Chromaticity { x, y });
        profile.update_rgb_colorimetry(white.to_xyyb(), ColorPrimaries { red, green, blue });
    }
    if let Some(gamma) = gamma {
        let curve = ToneReprCurve::Parametric(vec![1.0 / gamma]);
        profile.red_trc = Some(curve.clone());
        profile.green_trc = Some(curve.clone());
        profile.blue_trc = Some(curve);
    }
    Some(profile)
}

fn pairs([a, b, c, d, e, f, g, h]: &[f32; 8]) -> [[f32; 2]; 4] {
    [[*a, *b], [*c, *d], [*e, *f], [*g, *h]]
}

/// Whether red, green and blue span a triangle, around a white.
fn are_colours(points: &[f32; 8]) -> bool {
    let [white, red, green, blue] = pairs(points);
    let side = |[ax, ay]: [f32; 2], [bx, by]: [f32; 2]| {
        (bx - ax) * (white[1] - ay) - (by - ay) * (white[0] - ax)
    };
    let inside = [side(red, green), side(green, blue), side(blue, red)];
    let within = points.iter().all(|number| (0.0..=1.0).contains(number));
    within && white[1] > 0.1 && inside.iter().all(|side| *side > 0.005)
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
