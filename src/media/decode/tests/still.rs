use super::{LIMITS, decode, decoded, difference, make, near, pattern, pixel, probe, soon, still};
use crate::media::{Deadline, Fault, Format, Frames, Layout, Limits, Picture, probe_head};
use moxcms::ColorProfile;
use std::time::Instant;

/// The pattern with alpha that falls to the right.
fn translucent(width: u32, height: u32) -> Picture {
    let opaque = pattern(width, height);
    let mut pixels = Vec::new();
    for (number, colour) in (0u32..).zip(opaque.pixels.chunks(3)) {
        pixels.extend_from_slice(colour);
        pixels.push(255 - (number % width) as u8 * 5);
    }
    Picture {
        layout: Layout::Rgba,
        pixels,
        ..opaque
    }
}

#[test]
fn png_and_lossless_webp_are_what_was_written() {
    let gray = Picture {
        width: 16,
        height: 16,
        layout: Layout::Gray,
        pixels: (0..=255).collect(),
    };
    for picture in [pattern(33, 17), translucent(33, 17), gray] {
        let png = make::png(&picture, None);
        assert_eq!(still(&png), picture);
        let facts = probe(&png, &LIMITS).unwrap();
        assert_eq!(facts.format, Format::Png);
        assert_eq!(facts.alpha, picture.layout == Layout::Rgba);
        if picture.layout != Layout::Gray {
            let webp = make::webp(&picture);
            assert_eq!(still(&webp), picture);
            let facts = probe(&webp, &LIMITS).unwrap();
            assert_eq!(facts.upright(), (33, 17));
            assert_eq!(facts.alpha, picture.layout == Layout::Rgba);
        }
    }
}

#[test]
fn alpha_that_says_nothing_is_dropped() {
    let mut picture = translucent(9, 5);
    picture
        .pixels
        .chunks_mut(4)
        .for_each(|pixel| pixel[3] = 255);
    let found = still(&make::png(&picture, None));
    assert_eq!(found, pattern(9, 5));
}

#[test]
fn lossy_webp() {
    for picture in [pattern(64, 48), translucent(50, 48)] {
        let file = make::lossy_webp(&picture, 95.0);
        let facts = probe(&file, &LIMITS).unwrap();
        assert_eq!(facts.upright(), (picture.width, picture.height));
        assert_eq!(facts.alpha, picture.layout == Layout::Rgba);
        let found = still(&file);
        assert_eq!(found.layout, picture.layout);
        near(pixel(&found, 8, 40), pixel(&picture, 8, 40), 8);
        near(pixel(&found, 40, 8), pixel(&picture, 40, 8), 8);
    }
}

#[test]
fn png_of_few_bits() {
    // Gray: 1, 2 and 4 bits.
    let found = still(&make::png_of((9, 1), 1, 0, &[&[0b1010_1010, 0x80]], &[]));
    assert_eq!(found.layout, Layout::Gray);
    assert_eq!(found.pixels, [255, 0, 255, 0, 255, 0, 255, 0, 255]);
    let found = still(&make::png_of((4, 1), 2, 0, &[&[0b00_01_10_11]], &[]));
    assert_eq!(found.pixels, [0, 85, 170, 255]);
    let found = still(&make::png_of((2, 2), 4, 0, &[&[0x0f], &[0x7a]], &[]));
    assert_eq!(found.pixels, [0, 255, 0x77, 0xaa]);

    // Palettes, and alpha for some of their colours.
    let colours = [255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7];
    for (depth, row) in [
        (2, [0b00_01_10_11, 0, 0, 0]),
        (4, [0x01, 0x23, 0, 0]),
        (8, [0, 1, 2, 3]),
    ] {
        let row = &row[..usize::from(depth) / 2];
        let opaque = make::png_of((4, 1), depth, 3, &[row], &[(b"PLTE", &colours)]);
        assert!(!probe(&opaque, &LIMITS).unwrap().alpha);
        assert_eq!(still(&opaque).pixels, colours);
        let chunks: [(&[u8; 4], &[u8]); 2] = [(b"PLTE", &colours), (b"tRNS", &[0, 128])];
        let file = make::png_of((4, 1), depth, 3, &[row], &chunks);
        assert!(probe(&file, &LIMITS).unwrap().alpha);
        let found = still(&file);
        assert_eq!(pixel(&found, 0, 0), [255, 0, 0, 0]);
        assert_eq!(pixel(&found, 1, 0), [0, 255, 0, 128]);
        assert_eq!(pixel(&found, 3, 0), [9, 8, 7, 255]);
    }

    // One gray of all is transparent.
    let chunks: [(&[u8; 4], &[u8]); 1] = [(b"tRNS", &[0, 7])];
    let found = still(&make::png_of((2, 1), 8, 0, &[&[7, 8]], &chunks));
    assert_eq!(found.pixels, [7, 7, 7, 0, 8, 8, 8, 255]);
}

#[test]
fn png_of_16_bits() {
    let row = [0xff, 0xff, 0x80, 0x80, 0x00, 0x7f, 0x00, 0x81, 0x12, 0x34];
    let found = still(&make::png_of((5, 1), 16, 0, &[&row], &[]));
    assert_eq!(found.pixels, [255, 128, 0, 1, 18]);
    let row = [0x40, 0x40, 0x80, 0x80];
    let found = still(&make::png_of((1, 1), 16, 4, &[&row], &[]));
    assert_eq!(found.pixels, [64, 64, 64, 128]);
    let row = [1, 1, 2, 2, 3, 3, 4, 4];
    let found = still(&make::png_of((1, 1), 16, 6, &[&row], &[]));
    assert_eq!(found.pixels, [1, 2, 3, 4]);
    assert_eq!(found.layout, Layout::Rgba);
}

#[test]
fn orientation_of_png_and_webp() {
    let seen = translucent(12, 8);
    let orientation = crate::media::Orientation::of(8);
    let stored = super::super::turn::upright(seen.clone(), orientation);
    let exif = make::exif(6, false);
    let png = make::with_chunks(&make::png(&stored, None), &[(b"eXIf", &exif)]);
    assert_eq!(probe(&png, &LIMITS).unwrap().upright(), (12, 8));
    // As far as the pixels, behind which no orientation comes.
    let pixels = memchr::memmem::find(&png, b"IDAT").unwrap();
    assert_eq!(probe_head(&png[..pixels + 10]), Some((12, 8)));
    assert_eq!(probe_head(&png[..pixels - 10]), None);
    assert_eq!(still(&png), seen);
    let prefixed = [b"Exif\0\0", exif.as_slice()].concat();
    for exif in [exif, prefixed] {
        let size = (stored.width, stored.height);
        let simple = make::webp(&stored);
        let webp = make::extended_webp(&simple, size, 0x18, &[], &[(b"EXIF", &exif)]);
        assert_eq!(still(&webp), seen);
        assert_eq!(probe_head(&webp), Some((12, 8)));
        // The orientation comes last.
        assert_eq!(probe_head(&webp[..60]), None);
    }
}

#[test]
fn an_animated_png_is_left_alone() {
    let control = [0, 0, 0, 2, 0, 0, 0, 0];
    let file = make::with_chunks(&make::png(&pattern(4, 4), None), &[(b"acTL", &control)]);
    assert_eq!(probe(&file, &LIMITS).unwrap().frames, Frames::Many);
    assert!(matches!(decoded(&file), Err(Fault::Unsupported(_))));
}

#[test]
fn colours_become_srgb() {
    let picture = Picture {
        width: 8,
        height: 8,
        layout: Layout::Rgb,
        pixels: [200, 100, 50].repeat(64),
    };
    let p3 = ColorProfile::new_display_p3().encode().unwrap();
    let srgb = ColorProfile::new_srgb().encode().unwrap();
    // Display P3 (200, 100, 50) is sRGB (212, 96, 28), by the matrices of CSS Color 4 section 18.
    let wanted = [212, 96, 28];
    let jpeg = make::jpeg(&picture);
    for file in [
        make::profiled(&jpeg, &p3, 60_000),
        make::profiled(&jpeg, &p3, 100),
        make::png(&picture, Some(&p3)),
    ] {
        near(pixel(&still(&file), 3, 3), &wanted, 3);
    }
    let simple = make::webp(&picture);
    let webp = make::extended_webp(&simple, (8, 8), 0x20, &[(b"ICCP", &p3)], &[]);
    near(pixel(&still(&webp), 3, 3), &wanted, 3);
    // sRGB changes nothing, and neither does what is broken or of another kind.
    let gray = ColorProfile::new_gray_with_gamma(1.0).encode().unwrap();
    for icc in [&srgb, &p3[..200].to_vec(), &b"?".repeat(500), &gray] {
        assert_eq!(still(&make::profiled(&jpeg, icc, 60_000)), still(&jpeg));
        assert_eq!(still(&make::png(&picture, Some(icc))), picture);
    }
    // Gray has profiles too.
    let half = Picture {
        width: 1,
        height: 1,
        layout: Layout::Gray,
        pixels: vec![128],
    };
    let found = still(&make::png(&half, Some(&gray)));
    assert_eq!(found.layout, Layout::Gray);
    near(&found.pixels, &[188], 1);
}

#[test]
fn bounds() {
    let file = make::png(&pattern(20, 10), None);
    let small = Limits {
        pixels: 199,
        ..LIMITS
    };
    assert_eq!(probe(&file, &small), Err(Fault::TooManyPixels));
    let facts = probe(&file, &LIMITS).unwrap();
    let found = decode(&file, &facts, None, &small, soon());
    assert_eq!(found, Err(Fault::TooManyPixels));
    let short = Limits {
        bytes: 50,
        ..LIMITS
    };
    assert_eq!(probe(&file, &short), Err(Fault::TooLarge));
    let over = Deadline(Instant::now());
    let found = decode(&file, &facts, None, &LIMITS, over);
    assert_eq!(found, Err(Fault::TooSlow));
    assert_eq!(probe(b"<svg>", &LIMITS), Err(Fault::Unknown));
    // Facts of another file.
    let other = make::png(&pattern(21, 10), None);
    let found = decode(&other, &facts, None, &LIMITS, soon());
    assert!(matches!(found, Err(Fault::Broken(_))));
    // Nothing at all.
    let nothing = make::png_of((0, 5), 8, 0, &[], &[]);
    assert!(matches!(probe(&nothing, &LIMITS), Err(Fault::Broken(_))));
    assert_eq!(difference(&pattern(20, 10), &still(&file)), 0);
}

#[test]
fn a_webp_that_hides_a_larger_one() {
    let large = make::lossy_webp(&pattern(64, 64), 50.0);
    let file = make::extended_webp(&large, (8, 8), 0, &[], &[]);
    assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (8, 8));
    let found = decoded(&file);
    assert_eq!(found, Err(Fault::Broken("larger than its canvas".into())));
}
