use super::{
    LIMITS, decode, decoded, difference, make, near, pattern, pixel, probe, soon, still,
    translucent,
};
use crate::media::{Deadline, Fault, Format, Frames, Layout, Limits, Picture, probe_head};
use moxcms::ColorProfile;
use std::time::Instant;

const LOSSY_WEBP: &[u8] = include_bytes!("files/lossy.webp");

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

/// libwebp's work (Pillow's, `save` of quality 90).
#[test]
fn lossy_webp() {
    let files: [(&[u8], Picture); 2] = [
        (LOSSY_WEBP, pattern(40, 24)),
        (include_bytes!("files/alpha.webp"), translucent(40, 24)),
    ];
    for (file, wanted) in files {
        let facts = probe(file, &LIMITS).unwrap();
        assert_eq!(facts.upright(), (40, 24));
        assert_eq!(facts.alpha, wanted.layout == Layout::Rgba);
        let found = still(file);
        assert_eq!(found.layout, wanted.layout);
        for (x, y) in [(3, 3), (34, 4), (8, 20), (34, 20)] {
            near(pixel(&found, x, y), pixel(&wanted, x, y), 14);
        }
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
    // Display P3 (200, 100, 50) is sRGB (215, 93, 31), by the matrices of CSS Color 4 section 18.
    let wanted = [215, 93, 31];
    let jpeg = make::jpeg(&picture);
    for file in [
        make::profiled(&jpeg, &p3, 60_000),
        make::profiled(&jpeg, &p3, 100),
        make::png(&picture, Some(&p3)),
    ] {
        near(pixel(&still(&file), 3, 3), &wanted, 2);
    }
    let simple = make::webp(&picture);
    let webp = make::extended_webp(&simple, (8, 8), 0x20, &[(b"ICCP", &p3)], &[]);
    near(pixel(&still(&webp), 3, 3), &wanted, 2);
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
fn png_without_a_profile_may_still_name_its_colours() {
    let colour = [200, 100, 50];
    let png = |chunks: &[(&[u8; 4], &[u8])]| {
        let found = still(&make::png_of((1, 1), 8, 2, &[&colour], chunks));
        <[u8; 3]>::try_from(found.pixels).unwrap()
    };
    let numbers = |numbers: &[u32]| -> Vec<u8> {
        numbers
            .iter()
            .flat_map(|number| number.to_be_bytes())
            .collect()
    };
    let p3 = [
        31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000,
    ];
    let (p3, usual, linear) = (numbers(&p3), numbers(&[45_455]), numbers(&[100_000]));
    let wanted = [215, 93, 31];
    near(&png(&[(b"cICP", &[12, 13, 0, 1])]), &wanted, 2);
    near(&png(&[(b"gAMA", &usual), (b"cHRM", &p3)]), &wanted, 2);
    near(&png(&[(b"gAMA", &linear)]), &[229, 168, 122], 2);
    // sRGB, and what cannot be.
    assert_eq!(png(&[(b"gAMA", &usual)]), colour);
    assert_eq!(png(&[(b"sRGB", &[0]), (b"gAMA", &linear)]), colour);
    assert_eq!(png(&[(b"gAMA", &numbers(&[0]))]), colour);
    assert_eq!(png(&[(b"cHRM", &numbers(&[0; 8]))]), colour);
    assert_eq!(png(&[(b"cICP", &[1, 13, 0, 1])]), colour);
    // HDR is left alone.
    let file = make::png_of((1, 1), 8, 2, &[&colour], &[(b"cICP", &[9, 16, 0, 1])]);
    assert_eq!(decoded(&file), Err(Fault::Unsupported("HDR")));
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
    let file = make::extended_webp(LOSSY_WEBP, (8, 8), 0, &[], &[]);
    assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (8, 8));
    let found = decoded(&file);
    assert_eq!(found, Err(Fault::Broken("larger than its canvas".into())));
}
