//! WebP (RFC 9649), by libwebp.

use super::libwebp::{self, Animation, Settings};
use super::pixels::{are_complete, coloured, has_few_colours};
use crate::media::{Deadline, Fault, Frame, Picture};

/// Up to so many pixels a picture may as well turn out smaller without loss.
const SMALL: u64 = 64 * 64;
/// Up to so many pixels one of few colours is tried without loss: time is bounded.
const DRAWING: u64 = 2_000_000;
/// As many as a palette holds.
const FEW_COLOURS: usize = 256;

/// Pixels of all frames together up to which each is tried with and without loss.
const BOTH_WAYS: u64 = 8_000_000;

/// Writes one picture.
pub(super) fn still(picture: &Picture, quality: u8, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    let picture = &*coloured(picture);
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    let lossy = libwebp::still(picture, &Settings::lossy(quality), deadline)?;
    let worth = pixels <= SMALL || pixels <= DRAWING && has_few_colours(picture, FEW_COLOURS);
    if !worth {
        return Ok(lossy);
    }
    let lossless = libwebp::still(picture, &Settings::lossless(), deadline)?;
    // At the same size the one that is exact.
    Ok(if lossless.len() <= lossy.len() {
        lossless
    } else {
        lossy
    })
}

/// Writes an animation.
pub(super) fn moving(
    frames: &[Frame],
    loops: u32,
    quality: u8,
    deadline: Deadline,
) -> Result<Vec<u8>, Fault> {
    let Some(first) = frames.first().map(|frame| &frame.picture) else {
        return Err(Fault::Encoder("an animation without pictures".to_string()));
    };
    let size = (first.width, first.height);
    let pixels = u64::from(size.0) * u64::from(size.1) * frames.len() as u64;
    let mut animation = Animation::new(size, loops, pixels <= BOTH_WAYS)?;
    for Frame { picture, delay } in frames {
        deadline.check()?;
        if !are_complete(picture) || (picture.width, picture.height) != size {
            return Err(Fault::Encoder("an animation of several sizes".to_string()));
        }
        animation.add(&coloured(picture), *delay, &Settings::lossy(quality))?;
    }
    animation.finish()
}
