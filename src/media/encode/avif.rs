//! AVIF, by rav1e.

use crate::media::{Deadline, Fault, Layout, Picture};
use ravif::{BitDepth, Encoder, Img, RGB8, RGBA8};

/// The longest side, pixels (AV1 counts it in 16 bits).
const LONGEST: u32 = 65_535;

/// Writes a picture.
pub(super) fn write(picture: &Picture, quality: u8, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    if picture.width > LONGEST || picture.height > LONGEST {
        return Err(Fault::Unsupported(
            "an AVIF of more than 65535 pixels a side",
        ));
    }
    deadline.check()?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let quality = f32::from(quality);
    let encoder = Encoder::new()
        .with_quality(quality)
        .with_alpha_quality(quality)
        .with_speed(8)
        .with_bit_depth(BitDepth::Eight)
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
