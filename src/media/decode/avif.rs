//! AVIF: an AV1 picture, and perhaps another one that is its alpha.

use super::{Deadline, Facts, Fault, Layout, Picture, av1, broken, colour, yuv};
use crate::media::facts::heif::{Avif, Nclx};
use moxcms::DataColorSpace;
use re_rav1d::dav1d::{self, PixelLayout, Settings};

/// Rows between two looks at the clock.
const ROWS: usize = 64;

pub(super) fn decode(bytes: &[u8], facts: &Facts, deadline: Deadline) -> Result<Picture, Fault> {
    let avif = Avif::of(bytes)?;
    let bitstream = avif.colour()?;
    // What the file says of its colours goes before what the bitstream does.
    let colours = match avif.nclx {
        Some(nclx) => nclx,
        None => av1::colours(&bitstream)?,
    };
    let profile = match avif.icc {
        Some(icc) => colour::profile(icc)?,
        None => colour::cicp(colours.primaries, colours.transfer)?,
    };
    let decoded = av1(bitstream, facts)?;
    deadline.check()?;
    let has_alpha = avif.alpha().is_some();
    let mut picture = colour_planes(&decoded, facts, colours, has_alpha, deadline)?;
    drop(decoded);
    if let Some(alpha) = avif.alpha() {
        deadline.check()?;
        alpha_plane(alpha?, facts, &mut picture, deadline)?;
        if avif.premultiplied {
            divide(&mut picture);
        }
    }
    if let Some(profile) = profile {
        let is_gray = picture.layout == Layout::Gray;
        if is_gray == (profile.color_space == DataColorSpace::Gray) {
            colour::to_srgb(&mut picture, &profile, deadline)?;
        }
    }
    Ok(picture)
}

/// Decodes a bitstream to planes.
fn av1(bitstream: Vec<u8>, facts: &Facts) -> Result<dav1d::Picture, Fault> {
    av1::colours(&bitstream)?;
    let mut settings = Settings::new();
    // The pool has threads enough, and without frames in flight there is one call and one answer.
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    // No larger than the file's boxes promise, before anything is made room for.
    let pixels = facts.width.saturating_mul(facts.height);
    settings.set_frame_size_limit(pixels);
    let mut decoder = dav1d::Decoder::with_settings(&settings).map_err(broken)?;
    match decoder.send_data(bitstream, None, None, None) {
        Err(error) if !error.is_again() => return Err(broken(error)),
        _ => {}
    }
    let picture = match decoder.get_picture() {
        Err(error) if error.is_again() => {
            match decoder.send_pending_data() {
                Err(error) if !error.is_again() => return Err(broken(error)),
                _ => {}
            }
            decoder.get_picture()
        }
        first => first,
    };
    let picture = picture.map_err(broken)?;
    match (picture.width(), picture.height()) == (facts.width, facts.height) {
        true => Ok(picture),
        false => Err(broken("its headers differ")),
    }
}

fn colour_planes(
    decoded: &dav1d::Picture,
    facts: &Facts,
    colours: Nclx,
    has_alpha: bool,
    deadline: Deadline,
) -> Result<Picture, Fault> {
    let is_gray = decoded.pixel_layout() == PixelLayout::I400;
    let layout = match (has_alpha, is_gray) {
        (true, _) => Layout::Rgba,
        (false, true) => Layout::Gray,
        (false, false) => Layout::Rgb,
    };
    let row = facts.width as usize * layout.bytes();
    let mut pixels = vec![255; row * facts.height as usize];
    let rows = pixels.chunks_exact_mut(row.max(1)).enumerate();
    if is_gray {
        let mut lumas = yuv::Lumas::of(decoded, colours.full);
        for (y, row) in rows {
            pause(y, deadline)?;
            let pixels = row.chunks_exact_mut(layout.bytes());
            for (pixel, luma) in pixels.zip(lumas.row(y)) {
                pixel.iter_mut().take(3).for_each(|channel| *channel = luma);
            }
        }
    } else {
        let mut colours = yuv::Colours::of(decoded, colours.matrix, colours.full)?;
        for (y, row) in rows {
            pause(y, deadline)?;
            match has_alpha {
                true => {
                    let pixels = row.as_chunks_mut::<4>().0.iter_mut();
                    for (pixel, [red, green, blue]) in pixels.zip(colours.row(y)) {
                        *pixel = [red, green, blue, 255];
                    }
                }
                false => {
                    let pixels = row.as_chunks_mut::<3>().0.iter_mut();
                    for (pixel, colour) in pixels.zip(colours.row(y)) {
                        *pixel = colour;
                    }
                }
            }
        }
    }
    Ok(Picture {
        width: facts.width,
        height: facts.height,
        layout,
        pixels,
    })
}

fn alpha_plane(
    bitstream: Vec<u8>,
    facts: &Facts,
    picture: &mut Picture,
    deadline: Deadline,
) -> Result<(), Fault> {
    let full = av1::colours(&bitstream)?.full;
    let decoded = av1(bitstream, facts)?;
    let mut lumas = yuv::Lumas::of(&decoded, full);
    let row = (facts.width as usize * 4).max(1);
    for (y, row) in picture.pixels.chunks_exact_mut(row).enumerate() {
        pause(y, deadline)?;
        let pixels = row.as_chunks_mut::<4>().0.iter_mut();
        for ([_, _, _, alpha], luma) in pixels.zip(lumas.row(y)) {
            *alpha = luma;
        }
    }
    Ok(())
}

fn pause(y: usize, deadline: Deadline) -> Result<(), Fault> {
    match y % ROWS {
        0 => deadline.check(),
        _ => Ok(()),
    }
}

/// Colours that are multiplied with alpha, as they were before that.
fn divide(picture: &mut Picture) {
    for [red, green, blue, alpha] in picture.pixels.as_chunks_mut::<4>().0 {
        let alpha = u32::from(*alpha);
        for channel in [red, green, blue] {
            let whole = (u32::from(*channel) * 255 + alpha / 2).checked_div(alpha);
            *channel = u8::try_from(whole.unwrap_or(0)).unwrap_or(255);
        }
    }
}
