//! Most of these files are libavif's work (Pillow's, `save` with the named subsampling and range).

use super::{LIMITS, decoded, difference, near, pattern, pixel, probe, still, translucent};
use crate::media::{Fault, Frames, Layout, Picture};
use ravif::{AlphaColorMode, BitDepth, ColorModel, Encoder, Img, RGBA8};

/// A picture by rav1e.
fn made(picture: &Picture, depth: BitDepth, model: ColorModel) -> Vec<u8> {
    let bytes = picture.layout.bytes();
    let pixels = picture.pixels.chunks(bytes);
    let pixels: Vec<RGBA8> = pixels
        .map(|p| RGBA8::new(p[0], p[1], p[2], p.get(3).copied().unwrap_or(255)))
        .collect();
    let image = Img::new(
        pixels.as_slice(),
        picture.width as usize,
        picture.height as usize,
    );
    let encoder = Encoder::new()
        .with_quality(95.0)
        .with_alpha_quality(95.0)
        .with_alpha_color_mode(AlphaColorMode::UnassociatedDirty)
        .with_bit_depth(depth)
        .with_internal_color_model(model)
        .with_speed(10)
        .with_num_threads(Some(1));
    encoder.encode_rgba(image).unwrap().avif_file
}

#[test]
fn of_8_and_10_bits_with_and_without_alpha() {
    for (depth, model) in [
        (BitDepth::Eight, ColorModel::YCbCr),
        (BitDepth::Ten, ColorModel::YCbCr),
        (BitDepth::Ten, ColorModel::RGB),
    ] {
        for picture in [pattern(40, 24), translucent(40, 24)] {
            let file = made(&picture, depth, model);
            let facts = probe(&file, &LIMITS).unwrap();
            assert_eq!(facts.upright(), (40, 24));
            assert_eq!(facts.alpha, picture.layout == Layout::Rgba);
            let found = still(&file);
            assert_eq!(found.layout, picture.layout);
            for (x, y) in [(2, 2), (35, 3), (5, 20), (30, 20)] {
                near(pixel(&found, x, y), pixel(&picture, x, y), 10);
            }
        }
    }
}

#[test]
fn of_all_subsamplings_and_ranges() {
    let files: [(&[u8], u8); 4] = [
        (include_bytes!("files/444_full.avif"), 16),
        (include_bytes!("files/422_limited.avif"), 120),
        (include_bytes!("files/420_full.avif"), 120),
        (include_bytes!("files/420_limited.avif"), 120),
    ];
    let wanted = pattern(33, 25);
    for (number, (file, at_edges)) in files.iter().enumerate() {
        let found = still(file);
        assert!(difference(&found, &wanted) < *at_edges, "{number}");
        for (x, y) in [(2, 2), (10, 8), (24, 3), (5, 20), (30, 20), (32, 24)] {
            near(pixel(&found, x, y), pixel(&wanted, x, y), 8);
        }
    }
}

#[test]
fn gray() {
    let found = still(include_bytes!("files/gray.avif"));
    assert_eq!(found.layout, Layout::Gray);
    // 0.299 red + 0.587 green + 0.114 blue.
    for (x, y) in [(2u32, 2u32), (30, 4), (20, 20)] {
        let colour = pattern(33, 25);
        let [red, green, blue] = *pixel(&colour, x, y).as_array::<3>().unwrap();
        let luma = 0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue);
        near(pixel(&found, x, y), &[luma as u8], 6);
    }
}

#[test]
fn turned_and_mirrored() {
    // Turned by 270 degrees and mirrored: what Exif calls 7.
    let file = include_bytes!("files/turned.avif");
    let facts = probe(file, &LIMITS).unwrap();
    assert_eq!(facts.orientation.number(), 7);
    assert_eq!(facts.upright(), (25, 33));
    let (found, stored) = (still(file), pattern(33, 25));
    for (x, y) in [(3, 3), (20, 5), (4, 28), (20, 30)] {
        near(pixel(&found, x, y), pixel(&stored, 32 - y, 24 - x), 16);
    }
}

#[test]
fn alpha() {
    let wanted = translucent(40, 24);
    let files: [&[u8]; 2] = [
        include_bytes!("files/alpha.avif"),
        include_bytes!("files/premultiplied.avif"),
    ];
    for file in files {
        assert!(probe(file, &LIMITS).unwrap().alpha);
        let found = still(file);
        for (x, y) in [(2, 2), (10, 20), (25, 3), (30, 20)] {
            near(pixel(&found, x, y), pixel(&wanted, x, y), 14);
        }
    }
}

#[test]
fn a_sequence_is_left_alone() {
    let file = include_bytes!("files/sequence.avif");
    let facts = probe(file, &LIMITS).unwrap();
    assert_eq!((facts.frames, facts.upright()), (Frames::Many, (16, 8)));
    assert!(matches!(decoded(file), Err(Fault::Unsupported(_))));
}

#[test]
fn truncated_or_larger_than_promised() {
    let file = include_bytes!("files/420_full.avif");
    for length in 0..file.len() {
        assert!(decoded(&file[..length]).is_err(), "{length}");
    }
    // The boxes promise less than the bitstream has.
    let mut file = file.to_vec();
    let size = memchr::memmem::find(&file, b"ispe").unwrap();
    file[size + 8..size + 16].copy_from_slice(&[0, 0, 0, 8, 0, 0, 0, 8]);
    assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (8, 8));
    assert!(matches!(decoded(&file), Err(Fault::Broken(_))));
}
