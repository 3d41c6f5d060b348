//! BMP and TIFF.

use super::{LIMITS, decoded, make, near, pattern, pixel, probe, still, translucent};
use crate::media::{Fault, Layout, Picture};
use image::codecs::bmp::BmpEncoder;
use image::codecs::tiff::TiffEncoder;
use image::{ExtendedColorType, ImageEncoder};
use moxcms::ColorProfile;
use std::io::Cursor;

fn colours(picture: &Picture) -> ExtendedColorType {
    match picture.layout {
        Layout::Gray => ExtendedColorType::L8,
        Layout::Rgb => ExtendedColorType::Rgb8,
        Layout::Rgba => ExtendedColorType::Rgba8,
    }
}

pub fn bmp(picture: &Picture) -> Vec<u8> {
    let mut file = Vec::new();
    let (width, height) = (picture.width, picture.height);
    let written =
        BmpEncoder::new(&mut file).write_image(&picture.pixels, width, height, colours(picture));
    written.unwrap();
    file
}

pub fn tiff(picture: &Picture, colours: ExtendedColorType, icc: Option<Vec<u8>>) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let mut encoder = TiffEncoder::new(&mut file);
    if let Some(icc) = icc {
        encoder.set_icc_profile(icc).unwrap();
    }
    let (width, height) = (picture.width, picture.height);
    encoder
        .write_image(&picture.pixels, width, height, colours)
        .unwrap();
    file.into_inner()
}

#[test]
fn as_they_were_written() {
    let gray = Picture {
        width: 16,
        height: 16,
        layout: Layout::Gray,
        pixels: (0..=255).collect(),
    };
    for picture in [pattern(19, 7), translucent(19, 7), gray] {
        let tiff = tiff(&picture, colours(&picture), None);
        let facts = probe(&tiff, &LIMITS).unwrap();
        assert_eq!(facts.upright(), (picture.width, picture.height));
        assert_eq!(facts.alpha, picture.layout == Layout::Rgba);
        assert_eq!(still(&tiff), picture);
        let bmp = bmp(&picture);
        let facts = probe(&bmp, &LIMITS).unwrap();
        assert_eq!(facts.upright(), (picture.width, picture.height));
        let found = still(&bmp);
        near(pixel(&found, 3, 2), &expected(&picture, found.layout), 0);
        for file in [bmp, tiff] {
            for length in [10, 20, file.len() / 2] {
                assert!(decoded(&file[..length]).is_err());
            }
        }
    }
}

/// A palette of grays is colours in BMP.
fn expected(picture: &Picture, layout: Layout) -> Vec<u8> {
    let pixel = pixel(picture, 3, 2);
    match (picture.layout, layout) {
        (Layout::Gray, Layout::Rgb) => pixel.repeat(3),
        _ => pixel.to_vec(),
    }
}

#[test]
fn a_bmp_from_top_to_bottom() {
    let mut file = bmp(&pattern(4, 2));
    let height = 22..26;
    assert_eq!(file[height.clone()], 2i32.to_le_bytes());
    file[height].copy_from_slice(&(-2i32).to_le_bytes());
    assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (4, 2));
    let found = still(&file);
    assert_eq!(pixel(&found, 3, 0), pixel(&pattern(4, 2), 3, 1));
}

#[test]
fn tiff_of_16_bits_of_inks_and_of_profiles() {
    let samples = [0x0000u16, 0x8080, 0xffff, 0x0101, 0x0202, 0x0303];
    let wide = Picture {
        width: 2,
        height: 1,
        layout: Layout::Rgb,
        pixels: samples.iter().flat_map(|n| n.to_ne_bytes()).collect(),
    };
    let found = still(&tiff(&wide, ExtendedColorType::Rgb16, None));
    assert_eq!(found.pixels, [0, 128, 255, 1, 2, 3]);

    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let picture = Picture {
        width: 2,
        height: 2,
        layout: Layout::Rgb,
        pixels: [200, 100, 50].repeat(4),
    };
    let found = still(&tiff(&picture, ExtendedColorType::Rgb8, Some(p3)));
    near(pixel(&found, 1, 1), &[215, 93, 31], 2);

    // No ink; all of black; half of cyan. Five tags make a strip of CMYK (separated) samples.
    let file = inks(&[0, 0, 0, 0, 0, 0, 0, 255, 128, 0, 0, 0]);
    let found = still(&file);
    assert_eq!(found.layout, Layout::Rgb);
    near(&found.pixels, &[255, 255, 255, 0, 0, 0, 127, 255, 255], 1);
}

/// A TIFF of one row of CMYK.
pub fn inks(samples: &[u8]) -> Vec<u8> {
    let width = samples.len() as u32 / 4;
    let entries: [(u16, u16, u32, u32); 9] = [
        (256, 4, 1, width),
        (257, 4, 1, 1),
        (258, 3, 4, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 5),
        (273, 4, 1, 16),
        (277, 3, 1, 4),
        (278, 4, 1, 1),
        (279, 4, 1, samples.len() as u32),
    ];
    let directory = 16 + samples.len() as u32;
    let mut file = b"II*\0".to_vec();
    file.extend(directory.to_le_bytes());
    file.extend([8, 0, 8, 0, 8, 0, 8, 0]);
    file.extend_from_slice(samples);
    file.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        file.extend(tag.to_le_bytes());
        file.extend(kind.to_le_bytes());
        file.extend(count.to_le_bytes());
        file.extend(value.to_le_bytes());
    }
    file.extend([0; 4]);
    file
}

#[test]
fn orientation_of_tiff() {
    let mut file = inks(&[0; 12]);
    // The tag of the rows of a strip gives its place to the orientation.
    let tag = memchr::memmem::find(&file, &278u16.to_le_bytes()).unwrap();
    file[tag..tag + 2].copy_from_slice(&274u16.to_le_bytes());
    file[tag + 2..tag + 4].copy_from_slice(&3u16.to_le_bytes());
    file[tag + 8..tag + 12].copy_from_slice(&6u32.to_le_bytes());
    let facts = probe(&file, &LIMITS).unwrap();
    assert_eq!(facts.orientation.number(), 6);
    assert_eq!(facts.upright(), (1, 3));
    let found = still(&file);
    assert_eq!((found.width, found.height), (1, 3));
}

#[test]
fn what_is_rare_is_left_alone() {
    let floats = Picture {
        width: 1,
        height: 1,
        layout: Layout::Rgb,
        pixels: vec![0; 12],
    };
    let found = decoded(&tiff(&floats, ExtendedColorType::Rgb32F, None));
    assert!(matches!(found, Err(Fault::Unsupported(_))), "{found:?}");
    let empty = make::png_of((1, 1), 8, 2, &[&[0, 0, 0]], &[]);
    assert!(decoded(&empty[..40]).is_err());
}
