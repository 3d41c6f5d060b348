use super::*;
use crate::media::decode::tests::make;
use crate::media::{Deadline, Decoded, Layout, Limits, Picture, decode, probe};
use std::time::{Duration, Instant};

const PLACE: &[u8] = b"48.8584 N 2.2945 E";

const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    pixels: 1 << 20,
    time: Duration::from_secs(60),
};

fn picture() -> Picture {
    let pixels = (0..48u32).flat_map(|n| [n as u8 * 5, 255 - n as u8 * 5, 100]);
    Picture {
        width: 8,
        height: 6,
        layout: Layout::Rgb,
        pixels: pixels.collect(),
    }
}

fn shown(file: &[u8]) -> Decoded {
    let facts = probe(file, &LIMITS).unwrap();
    let deadline = Deadline(Instant::now() + LIMITS.time);
    decode(file, &facts, None, &LIMITS, deadline).unwrap()
}

/// It shows what it showed, and says nothing of the place.
fn check(file: &[u8]) {
    let facts = probe(file, &LIMITS).unwrap();
    assert!(memchr::memmem::find(file, PLACE).is_some());
    let stripped = without_metadata(file, &facts).unwrap();
    assert!(memchr::memmem::find(&stripped, PLACE).is_none());
    assert_eq!(shown(&stripped), shown(file));
    let again = probe(&stripped, &LIMITS).unwrap();
    assert_eq!(again.orientation, facts.orientation);
    // There is nothing left to be taken out.
    assert_eq!(without_metadata(&stripped, &again), None);
}

#[test]
fn jpegs_keep_their_pixels_and_their_orientation() {
    for plain in [make::jpeg(&picture()), make::progressive(&picture())] {
        for orientation in [1, 6] {
            let mut exif = make::exif(orientation, true);
            exif.extend_from_slice(PLACE);
            let comment: &[u8] = PLACE;
            let exif_segment = [b"Exif\0\0".as_slice(), &exif].concat();
            let exif_segment = match exif.starts_with(b"Exif") {
                true => exif.clone(),
                false => exif_segment,
            };
            let file = make::with_segments(&plain, &[(0xe1, &exif_segment), (0xfe, comment)]);
            check(&file);
            // A preview behind the picture's end.
            check(&[file.as_slice(), &plain, PLACE].concat());
        }
    }
}

#[test]
fn pngs_and_webps_too() {
    let png = make::png(&picture(), None);
    check(&make::with_chunks(&png, &[(b"tEXt", PLACE)]));
    let webp = make::webp(&picture());
    let flags = 0x08 | 0x04;
    let more: [(&[u8; 4], &[u8]); 2] = [(b"EXIF", PLACE), (b"XMP ", PLACE)];
    check(&make::extended_webp(&webp, (8, 6), flags, &[], &more));
}

#[test]
fn what_has_no_metadata_stays_as_it_is() {
    for file in [
        make::jpeg(&picture()),
        make::png(&picture(), None),
        make::webp(&picture()),
    ] {
        let facts = probe(&file, &LIMITS).unwrap();
        assert_eq!(without_metadata(&file, &facts), None);
    }
}

#[test]
fn what_is_cut_off_is_left_alone() {
    let exif = [b"Exif\0\0".as_slice(), &make::exif(6, true)].concat();
    let file = make::with_segments(&make::jpeg(&picture()), &[(0xe1, &exif)]);
    let facts = probe(&file, &LIMITS).unwrap();
    for length in 0..file.len() {
        let cut = file.get(..length).unwrap();
        assert_eq!(without_metadata(cut, &facts), None, "{length}");
    }
    let png = make::with_chunks(&make::png(&picture(), None), &[(b"tEXt", PLACE)]);
    let facts = probe(&png, &LIMITS).unwrap();
    for length in 0..png.len() {
        let cut = png.get(..length).unwrap();
        assert_eq!(without_metadata(cut, &facts), None, "{length}");
    }
}
