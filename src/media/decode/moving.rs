//! Animations: GIF and WebP.

use super::{Deadline, Decoded, Facts, Fault, Format, Layout, Limits, Picture};
use super::{broken, colour, is_opaque, raster, turn, without_alpha};
use crate::media::Frame;
use crate::media::facts::{fits, gif, webp};
use image::codecs::{gif::GifDecoder, webp::WebPDecoder};
use image::metadata::LoopCount;
use image::{AnimationDecoder, Frames, ImageDecoder, Rgba};
use moxcms::ColorProfile;
use std::io::Cursor;

/// Frames shorter than this are shown for [`USUAL`]: as all browsers take them.
const SHORTEST: u32 = 11;
/// Milliseconds.
const USUAL: u32 = 100;

pub(super) fn decode(
    bytes: &[u8],
    facts: &Facts,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Decoded, Fault> {
    let file = Cursor::new(bytes);
    let (frames, profile, loops) = match facts.format {
        Format::Gif => {
            let loops = gif_frames(bytes, facts, limits)?;
            let mut decoder = GifDecoder::new(file).map_err(raster::fault)?;
            let profile = prepare(&mut decoder, facts)?;
            (decoder.into_frames(), profile, loops)
        }
        _ => {
            let frames = webp::sound(bytes, facts)?;
            fits(facts, frames, limits)?;
            let mut decoder = WebPDecoder::new(file).map_err(raster::fault)?;
            // Browsers do not look at the file's own background.
            let nothing = decoder.set_background_color(Rgba([0; 4]));
            nothing.map_err(raster::fault)?;
            let profile = prepare(&mut decoder, facts)?;
            let loops = match decoder.loop_count() {
                LoopCount::Infinite => 0,
                LoopCount::Finite(times) => times.get(),
            };
            (decoder.into_frames(), profile, loops)
        }
    };
    collect(frames, facts, profile.as_ref(), loops, deadline)
}

fn prepare(decoder: &mut impl ImageDecoder, facts: &Facts) -> Result<Option<ColorProfile>, Fault> {
    if decoder.dimensions() != (facts.width, facts.height) {
        return Err(broken("its headers differ"));
    }
    let room = raster::room(facts);
    decoder.set_limits(room).map_err(raster::fault)?;
    raster::embedded(decoder)
}

/// Counts a GIF's frames against the limit, and says how often they are shown.
fn gif_frames(bytes: &[u8], facts: &Facts, limits: &Limits) -> Result<u32, Fault> {
    let mut images = gif::Images::of(bytes);
    let canvas = u64::from(facts.width) * u64::from(facts.height);
    let mut pixels = 0u64;
    for image in images.by_ref() {
        // An image may be larger than the canvas, and is decoded whole.
        pixels += canvas.max(u64::from(image.width) * u64::from(image.height));
        if pixels > limits.pixels {
            return Err(Fault::TooManyPixels);
        }
    }
    let loops = images.loops();
    match images.reaches_end() {
        true => Ok(loops),
        false => Err(broken("cut off")),
    }
}

fn collect(
    decoded: Frames<'_>,
    facts: &Facts,
    profile: Option<&ColorProfile>,
    loops: u32,
    deadline: Deadline,
) -> Result<Decoded, Fault> {
    let mut frames = Vec::new();
    for frame in decoded {
        deadline.check()?;
        let frame = frame.map_err(raster::fault)?;
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let delay = numerator / denominator.max(1);
        let mut picture = Picture {
            width: facts.width,
            height: facts.height,
            layout: Layout::Rgba,
            pixels: frame.into_buffer().into_raw(),
        };
        if let Some(profile) = profile {
            colour::to_srgb(&mut picture, profile, deadline)?;
        }
        frames.push(Frame {
            picture: turn::upright(picture, facts.orientation),
            delay: if delay < SHORTEST { USUAL } else { delay },
        });
    }
    if frames.iter().all(|frame| is_opaque(&frame.picture)) {
        frames = frames
            .into_iter()
            .map(|frame| Frame {
                picture: without_alpha(frame.picture),
                ..frame
            })
            .collect();
    }
    match frames.len() {
        0 => Err(broken("no frames in it")),
        1 => {
            let first = frames.pop().ok_or_else(|| broken("no frames in it"))?;
            Ok(Decoded::Still(first.picture))
        }
        _ => Ok(Decoded::Moving { frames, loops }),
    }
}
