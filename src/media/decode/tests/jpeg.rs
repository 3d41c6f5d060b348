use super::{LIMITS, decode, decoded, difference, make, near, pattern, pixel, probe, soon, still};
use crate::media::{Decoded, Fault, Frames, Layout, Picture};

#[test]
fn eight_orientations_in_both_byte_orders() {
    let seen = pattern(48, 32);
    for number in 1..=8u16 {
        // What is stored, turned by its number, is what is seen.
        let back = match number {
            6 => 8,
            8 => 6,
            other => other,
        };
        let orientation = crate::media::Orientation::of(back);
        let stored = super::super::turn::upright(seen.clone(), orientation);
        let file = make::oriented(&make::jpeg(&stored), number, number % 2 == 0);
        let facts = probe(&file, &LIMITS).unwrap();
        assert_eq!(facts.upright(), (48, 32), "{number}");
        assert_eq!((facts.width, facts.height), (stored.width, stored.height));
        let found = still(&file);
        assert!(difference(&found, &seen) < 40, "{number}");
        near(pixel(&found, 4, 4), pixel(&seen, 4, 4), 12);
        near(pixel(&found, 44, 28), pixel(&seen, 44, 28), 12);
    }
}

#[test]
fn broken_exif_says_nothing() {
    let jpeg = make::jpeg(&pattern(16, 8));
    let whole = [b"Exif\0\0", make::exif(6, true).as_slice()].concat();
    for length in 0..32 {
        let file = make::with_segments(&jpeg, &[(0xe1, &whole[..length])]);
        assert_eq!(
            probe(&file, &LIMITS).unwrap().upright(),
            (16, 8),
            "{length}"
        );
    }
    for number in [0, 9, 0x0600, 65535] {
        let file = make::oriented(&jpeg, number, false);
        assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (16, 8));
    }
    let mut far = make::exif(6, true);
    far[4..8].copy_from_slice(&u32::MAX.to_be_bytes());
    let file = make::with_segments(&jpeg, &[(0xe1, &[b"Exif\0\0", far.as_slice()].concat())]);
    assert_eq!(probe(&file, &LIMITS).unwrap().upright(), (16, 8));
}

#[test]
fn at_the_smallest_scale_that_is_enough() {
    let file = make::jpeg(&pattern(160, 80));
    let turned = make::oriented(&file, 6, true);
    let cases = [
        (&file, (1, 1), (20, 10)),
        (&file, (20, 10), (20, 10)),
        (&file, (21, 1), (40, 20)),
        (&file, (1, 31), (80, 40)),
        (&file, (150, 1), (160, 80)),
        (&file, (1000, 1000), (160, 80)),
        (&turned, (10, 20), (10, 20)),
        (&turned, (11, 1), (20, 40)),
        (&turned, (1, 101), (60, 120)),
    ];
    for (file, at_least, wanted) in cases {
        let facts = probe(file, &LIMITS).unwrap();
        let decoded = decode(file, &facts, Some(at_least), &LIMITS, soon()).unwrap();
        let Decoded::Still(picture) = decoded else {
            panic!("it moves");
        };
        let size = (picture.width, picture.height);
        assert_eq!(size, wanted, "{at_least:?}");
        assert_eq!(picture.pixels.len() as u32, wanted.0 * wanted.1 * 3);
    }
}

#[test]
fn gray_stays_gray() {
    let gray = Picture {
        width: 16,
        height: 16,
        layout: Layout::Gray,
        pixels: (0..=255).collect(),
    };
    let found = still(&make::jpeg(&gray));
    assert!(difference(&found, &gray) < 6);
}

#[test]
fn inks() {
    // Stored is the light that is left: 255 for no ink.
    let cases = [
        ([255, 255, 255, 255], [255, 255, 255]),
        ([255, 255, 255, 0], [0, 0, 0]),
        ([0, 255, 255, 255], [0, 255, 255]),
        ([255, 0, 255, 255], [255, 0, 255]),
        ([255, 255, 0, 128], [128, 128, 0]),
    ];
    for (stored, seen) in cases {
        let file = make::jpeg(&Picture {
            width: 16,
            height: 16,
            layout: Layout::Rgba,
            pixels: stored.repeat(256),
        });
        let found = still(&file);
        assert_eq!(found.layout, Layout::Rgb);
        near(pixel(&found, 7, 9), &seen, 4);
    }
}

#[test]
fn truncated_or_damaged_is_broken() {
    let file = make::jpeg(&pattern(64, 64));
    for length in [file.len() / 2, file.len() - 20, file.len() - 2] {
        let found = decoded(&file[..length]);
        assert!(
            matches!(found, Err(Fault::Broken(_))),
            "{length}: {found:?}"
        );
    }
    // Bytes behind the picture are nobody's business.
    let more = [file.as_slice(), b"and a film"].concat();
    assert_eq!(still(&more), still(&file));
    // A few bytes before the end: some cameras' work.
    let (picture, end) = file.split_at(file.len() - 2);
    let padded = [picture, &[0, 0, 0, 0], end].concat();
    assert_eq!(still(&padded), still(&file));
}

#[test]
fn scans_without_end() {
    let picture = pattern(64, 64);
    let file = make::progressive(&picture);
    let found = still(&file);
    assert!(difference(&found, &picture) < 80);
    let facts = probe(&file, &LIMITS).unwrap();
    assert_eq!(facts.frames, Frames::One);

    // The last scan again and again.
    let last = memchr::memmem::rfind(&file, b"\xff\xda").unwrap();
    let scan = &file[last..file.len() - 2];
    let bomb = [&file[..last], &scan.repeat(100), b"\xff\xd9"].concat();
    let found = decoded(&bomb);
    assert!(matches!(found, Err(Fault::Unsupported(_))), "{found:?}");
}
