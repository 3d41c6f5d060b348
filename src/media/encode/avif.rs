//! AVIF, by rav1e.

use crate::media::{Deadline, Fault, Layout, Picture};
use ravif::{BitDepth, Encoder, Img, RGB8, RGBA8};

/// The longest side, pixels (AV1 counts it in 16 bits).
const LONGEST: u32 = 65_535;

/// Up to so many pixels (1920 x 1080 and a little) an AVIF is worth more time.
const CAREFUL: u64 = 2_100_000;
/// More pixels (3840 x 2160 and a little) are not written: rav1e cannot be stopped when the time is
/// over.
pub const MOST_PIXELS: u64 = 8_400_000;

/// Writes a picture.
pub(super) fn write(picture: &Picture, quality: u8, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    if picture.width > LONGEST || picture.height > LONGEST {
        return Err(Fault::Unsupported(
            "an AVIF of more than 65535 pixels a side",
        ));
    }
    let pixels = u64::from(picture.width) * u64::from(picture.height);
    if pixels > MOST_PIXELS {
        return Err(Fault::Unsupported("an AVIF of more than 8.4 megapixels"));
    }
    deadline.check()?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    // ravif counts a little otherwise than libwebp: by structural similarity of photographs 58 is
    // like 60 there, and 83 like 85.
    let quality = f32::from(quality.saturating_sub(2).max(1));
    let encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality(quality)
        .with_speed(if pixels <= CAREFUL { 8 } else { 10 })
        .with_bit_depth(BitDepth::Eight)
        // One: variants are made on threads of their own, which are counted.
        .with_num_threads(Some(1));
    let encoded = match picture.layout {
        Layout::Gray => {
            let pixels: Vec<RGB8> = picture
                .pixels
                .iter()
                .map(|g| RGB8::new(*g, *g, *g))
                .collect();
            encoder.encode_rgb(Img::new(&pixels, width, height))
        }
        Layout::Rgb => {
            let (pixels, _) = picture.pixels.as_chunks::<3>();
            let pixels: Vec<RGB8> = pixels.iter().map(|rgb| RGB8::from(*rgb)).collect();
            encoder.encode_rgb(Img::new(&pixels, width, height))
        }
        Layout::Rgba => {
            let (pixels, _) = picture.pixels.as_chunks::<4>();
            let pixels: Vec<RGBA8> = pixels.iter().map(|rgba| RGBA8::from(*rgba)).collect();
            encoder.encode_rgba(Img::new(&pixels, width, height))
        }
    };
    encoded
        .map(|encoded| encoded.avif_file)
        .map_err(|fault| Fault::Encoder(fault.to_string()))
}
