//! JPEG (ITU-T T.81), by libjpeg-turbo: progressive, with Huffman tables of its own.

use crate::media::{Fault, Layout, Picture};
use turbojpeg::{Compressor, Image, PixelFormat, Subsamp};

/// The longest side that libjpeg-turbo writes, pixels (`JPEG_MAX_DIMENSION`).
const LONGEST: u32 = 65_500;

/// From this quality on colours are kept in full resolution: who asks for as much wants no soft red
/// edges. Below it they have half of it in both directions, as cameras write them.
const FULL_COLOUR: u8 = 90;

/// Writes a picture without transparency.
pub(super) fn write(picture: &Picture, quality: u8) -> Result<Vec<u8>, Fault> {
    if picture.width > LONGEST || picture.height > LONGEST {
        return Err(Fault::Unsupported(
            "a JPEG of more than 65500 pixels a side",
        ));
    }
    let (format, subsampling) = match picture.layout {
        Layout::Gray => (PixelFormat::GRAY, Subsamp::Gray),
        Layout::Rgb if quality < FULL_COLOUR => (PixelFormat::RGB, Subsamp::Sub2x2),
        Layout::Rgb => (PixelFormat::RGB, Subsamp::None),
        Layout::Rgba => return Err(Fault::Unsupported("transparency in JPEG")),
    };
    let image = Image {
        pixels: picture.pixels.as_slice(),
        width: picture.width as usize,
        pitch: picture.width as usize * picture.layout.bytes(),
        height: picture.height as usize,
        format,
    };
    let compress = || {
        let mut compressor = Compressor::new()?;
        compressor.set_quality(i32::from(quality))?;
        compressor.set_subsamp(subsampling)?;
        compressor.set_progressive(true)?;
        compressor.set_optimize(true)?;
        compressor.compress_to_vec(image)
    };
    compress().map_err(|fault: turbojpeg::Error| Fault::Encoder(fault.to_string()))
}
