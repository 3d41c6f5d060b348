//! Files to decode.

use super::{Layout, Picture};
use image::codecs::png::PngEncoder;
use image::codecs::webp::WebPEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// A JPEG of high quality, without subsampling.
pub fn jpeg(picture: &Picture) -> Vec<u8> {
    let format = match picture.layout {
        Layout::Gray => turbojpeg::PixelFormat::GRAY,
        Layout::Rgb => turbojpeg::PixelFormat::RGB,
        Layout::Rgba => turbojpeg::PixelFormat::CMYK,
    };
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_quality(98).unwrap();
    let subsamp = match picture.layout {
        Layout::Gray => turbojpeg::Subsamp::Gray,
        _ => turbojpeg::Subsamp::None,
    };
    compressor.set_subsamp(subsamp).unwrap();
    let image = turbojpeg::Image {
        pixels: picture.pixels.as_slice(),
        width: picture.width as usize,
        pitch: picture.width as usize * format.size(),
        height: picture.height as usize,
        format,
    };
    compressor.compress_to_vec(image).unwrap()
}

/// A progressive JPEG.
pub fn progressive(picture: &Picture) -> Vec<u8> {
    let mut compressor = turbojpeg::Compressor::new().unwrap();
    compressor.set_progressive(true).unwrap();
    let image = turbojpeg::Image {
        pixels: picture.pixels.as_slice(),
        width: picture.width as usize,
        pitch: picture.width as usize * 3,
        height: picture.height as usize,
        format: turbojpeg::PixelFormat::RGB,
    };
    compressor.compress_to_vec(image).unwrap()
}

/// The JPEG with segments behind its first marker.
pub fn with_segments(jpeg: &[u8], segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut file = jpeg[..2].to_vec();
    for (marker, data) in segments {
        file.extend([0xff, *marker]);
        file.extend((data.len() as u16 + 2).to_be_bytes());
        file.extend_from_slice(data);
    }
    file.extend_from_slice(&jpeg[2..]);
    file
}

/// Exif metadata (without `Exif\0\0`) that hold an orientation.
pub fn exif(orientation: u16, big: bool) -> Vec<u8> {
    let u16 = |n: u16| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let u32 = |n: u32| {
        if big {
            n.to_be_bytes()
        } else {
            n.to_le_bytes()
        }
    };
    let mut exif = if big { b"MM".to_vec() } else { b"II".to_vec() };
    exif.extend(u16(42));
    exif.extend(u32(8));
    exif.extend(u16(2));
    // ImageDescription, and the orientation.
    for (tag, kind, count, value) in [(0x10e, 2, 4, 0x4142_4300), (0x112, 3, 1, 0)] {
        exif.extend(u16(tag));
        exif.extend(u16(kind));
        exif.extend(u32(count));
        match tag {
            0x112 => {
                exif.extend(u16(orientation));
                exif.extend(u16(0));
            }
            _ => exif.extend(u32(value)),
        }
    }
    exif.extend(u32(0));
    exif
}

/// The JPEG, with Exif metadata that hold an orientation.
pub fn oriented(jpeg: &[u8], orientation: u16, big: bool) -> Vec<u8> {
    let data = [b"Exif\0\0", exif(orientation, big).as_slice()].concat();
    with_segments(jpeg, &[(0xe1, &data)])
}

/// The JPEG with an ICC profile, in segments of `length` bytes; the last one comes first.
pub fn profiled(jpeg: &[u8], icc: &[u8], length: usize) -> Vec<u8> {
    let parts: Vec<&[u8]> = icc.chunks(length).collect();
    let mut file = jpeg.to_vec();
    for (number, part) in (1u8..).zip(&parts) {
        let data = [
            b"ICC_PROFILE\0",
            [number, parts.len() as u8].as_slice(),
            part,
        ]
        .concat();
        file = with_segments(&file, &[(0xe2, &data)]);
    }
    file
}

fn colours(picture: &Picture) -> ExtendedColorType {
    match picture.layout {
        Layout::Gray => ExtendedColorType::L8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
    }
}

/// A PNG, with an ICC profile.
pub fn png(picture: &Picture, icc: Option<&[u8]>) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = PngEncoder::new(&mut file);
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc.to_vec()).unwrap();
    }
    let (width, height) = (picture.width, picture.height);
    let written = encoder.write_image(&picture.pixels, width, height, colours(picture));
    written.unwrap();
    file
}

/// A PNG of samples as they are stored, one row after the other without their filter's byte.
pub fn png_of(
    (width, height): (u32, u32),
    depth: u8,
    colour: u8,
    rows: &[&[u8]],
    chunks: &[(&[u8; 4], &[u8])],
) -> Vec<u8> {
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
    header.extend([depth, colour, 0, 0, 0]);
    chunk(&mut file, b"IHDR", &header);
    for (name, data) in chunks {
        chunk(&mut file, name, data);
    }
    let filtered: Vec<u8> = rows.iter().flat_map(|row| [&[0], *row].concat()).collect();
    chunk(&mut file, b"IDAT", &zlib(&filtered));
    chunk(&mut file, b"IEND", b"");
    file
}

/// The PNG with chunks behind its header.
pub fn with_chunks(png: &[u8], chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let mut file = png[..33].to_vec();
    for (name, data) in chunks {
        chunk(&mut file, name, data);
    }
    file.extend_from_slice(&png[33..]);
    file
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    file.extend((data.len() as u32).to_be_bytes());
    let start = file.len();
    file.extend_from_slice(name);
    file.extend_from_slice(data);
    // CRC-32 as PNG has it (section 5.5), bit by bit.
    let mut crc = u32::MAX;
    for byte in &file[start..] {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 * (crc & 1));
        }
    }
    file.extend((!crc).to_be_bytes());
}

/// A zlib stream that holds the bytes as they are (RFC 1950, RFC 1951 section 3.2.4).
fn zlib(bytes: &[u8]) -> Vec<u8> {
    assert!(bytes.len() < 1 << 16);
    let length = bytes.len() as u16;
    let mut stream = vec![0x78, 0x01, 0x01];
    stream.extend(length.to_le_bytes());
    stream.extend((!length).to_le_bytes());
    stream.extend_from_slice(bytes);
    let (mut a, mut b) = (1u32, 0u32);
    for byte in bytes {
        a = (a + u32::from(*byte)) % 65_521;
        b = (b + a) % 65_521;
    }
    stream.extend((b << 16 | a).to_be_bytes());
    stream
}

/// A lossless WebP.
pub fn webp(picture: &Picture) -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = WebPEncoder::new_lossless(&mut file);
    let (width, height) = (picture.width, picture.height);
    let written = encoder.write_image(&picture.pixels, width, height, colours(picture));
    written.unwrap();
    file
}

/// The bitstream of a simple WebP as an extended one, with chunks before and after it.
pub fn extended_webp(
    simple: &[u8],
    (width, height): (u32, u32),
    flags: u8,
    before: &[(&[u8; 4], &[u8])],
    after: &[(&[u8; 4], &[u8])],
) -> Vec<u8> {
    let mut extended = vec![flags, 0, 0, 0];
    extended.extend_from_slice(&(width - 1).to_le_bytes()[..3]);
    extended.extend_from_slice(&(height - 1).to_le_bytes()[..3]);
    let mut body = b"WEBP".to_vec();
    riff(&mut body, b"VP8X", &extended);
    before
        .iter()
        .for_each(|(name, data)| riff(&mut body, name, data));
    body.extend_from_slice(&simple[12..]);
    after
        .iter()
        .for_each(|(name, data)| riff(&mut body, name, data));
    let mut file = Vec::new();
    riff(&mut file, b"RIFF", &body);
    file
}

/// A chunk of RIFF.
pub fn riff(file: &mut Vec<u8>, name: &[u8; 4], data: &[u8]) {
    file.extend_from_slice(name);
    file.extend((data.len() as u32).to_le_bytes());
    file.extend_from_slice(data);
    if data.len() % 2 == 1 {
        file.push(0);
    }
}
