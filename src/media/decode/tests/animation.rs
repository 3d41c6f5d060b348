use super::{LIMITS, decode, decoded, near, pixel, probe, soon, still};
use crate::media::{Decoded, Fault, Frames, Layout, Limits};

/// A GIF of 4 x 2 pixels, whose colours are red, green, blue and black. Its images are given as
/// left, width (all 2 high), colour, disposal, the transparent colour, and hundredths of a second.
pub type Shown = (u8, u8, u8, u8, Option<u8>, u16);

pub fn gif(repeats: Option<u16>, images: &[Shown]) -> Vec<u8> {
    let mut file = b"GIF89a\x04\0\x02\0\x81\0\0".to_vec();
    file.extend([255, 0, 0, 0, 255, 0, 0, 0, 255, 0, 0, 0]);
    if let Some(repeats) = repeats {
        file.extend(b"\x21\xff\x0bNETSCAPE2.0\x03\x01");
        file.extend(repeats.to_le_bytes());
        file.push(0);
    }
    for (left, width, colour, disposal, transparent, delay) in images {
        let flags = disposal << 2 | u8::from(transparent.is_some());
        file.extend([0x21, 0xf9, 4, flags]);
        file.extend(delay.to_le_bytes());
        file.extend([transparent.unwrap_or(0), 0]);
        file.extend([0x2c, *left, 0, 0, 0, *width, 0, 2, 0, 0]);
        file.extend(codes(&vec![*colour; usize::from(*width) * 2]));
    }
    file.push(0x3b);
    file
}

/// GIF's LZW of two bits, each pixel a code of its own: cleared before codes would grow.
fn codes(pixels: &[u8]) -> Vec<u8> {
    let mut bits = Vec::new();
    for pixel in pixels {
        bits.extend(
            [4, *pixel]
                .iter()
                .flat_map(|code| (0..3).map(move |bit| code >> bit & 1)),
        );
    }
    bits.extend([1, 0, 1]);
    let bytes = bits.chunks(8).map(|bits| {
        let places = bits.iter().zip(0..);
        places.fold(0u8, |byte, (bit, place)| byte | bit << place)
    });
    let bytes: Vec<u8> = bytes.collect();
    [&[2, bytes.len() as u8], bytes.as_slice(), &[0]].concat()
}

#[test]
fn a_still_gif() {
    let file = gif(None, &[(0, 4, 2, 0, None, 0)]);
    let facts = probe(&file, &LIMITS).unwrap();
    assert_eq!((facts.frames, facts.alpha), (Frames::One, false));
    let found = still(&file);
    assert_eq!(found.layout, Layout::Rgb);
    assert_eq!(found.pixels, [0, 0, 255].repeat(8));
    // One that does not cover all of its canvas.
    let file = gif(None, &[(2, 2, 1, 0, None, 0)]);
    assert!(probe(&file, &LIMITS).unwrap().alpha);
    let found = still(&file);
    assert_eq!(pixel(&found, 0, 0)[3], 0);
    assert_eq!(pixel(&found, 3, 1), [0, 255, 0, 255]);
}

#[test]
fn frames_are_put_together() {
    let file = gif(
        Some(0),
        &[
            (0, 4, 0, 1, None, 20),
            // Drawn over it, and taken away again.
            (0, 2, 1, 3, None, 1),
            // Drawn, and cleared.
            (2, 2, 2, 2, None, 5),
            // Transparent: what is below it stays.
            (0, 4, 3, 0, Some(3), 0),
        ],
    );
    assert_eq!(probe(&file, &LIMITS).unwrap().frames, Frames::Many);
    let Decoded::Moving { frames, loops } = decoded(&file).unwrap() else {
        panic!("it is still");
    };
    assert_eq!(loops, 0);
    let delays: Vec<u32> = frames.iter().map(|frame| frame.delay).collect();
    assert_eq!(delays, [200, 100, 50, 100]);
    let (red, green, blue) = ([255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 255]);
    let seen = [(red, red), (green, red), (red, blue), (red, [0; 4])];
    for (frame, (left, right)) in frames.iter().zip(seen) {
        assert_eq!(frame.picture.layout, Layout::Rgba);
        assert_eq!(pixel(&frame.picture, 0, 1), left);
        assert_eq!(pixel(&frame.picture, 3, 1), right);
    }
}

#[test]
fn how_often() {
    let images = [(0, 4, 0, 1, None, 20), (0, 4, 1, 1, None, 20)];
    for (repeats, wanted) in [
        (None, 1),
        (Some(0), 0),
        (Some(1), 2),
        (Some(65_535), 65_536),
    ] {
        let Decoded::Moving { frames, loops } = decoded(&gif(repeats, &images)).unwrap() else {
            panic!("it is still");
        };
        assert_eq!(loops, wanted);
        assert_eq!(frames[1].picture.layout, Layout::Rgb);
    }
}

#[test]
fn frames_count_together() {
    let file = gif(None, &[(0, 4, 0, 1, None, 20); 10]);
    let facts = probe(&file, &LIMITS).unwrap();
    let limits = |pixels| Limits { pixels, ..LIMITS };
    assert!(decode(&file, &facts, None, &limits(80), soon()).is_ok());
    let found = decode(&file, &facts, None, &limits(79), soon());
    assert_eq!(found, Err(Fault::TooManyPixels));
}

#[test]
fn a_gif_cut_off_is_broken() {
    let file = gif(None, &[(0, 4, 0, 1, None, 20); 3]);
    for length in [file.len() - 6, file.len() / 2] {
        let found = decoded(&file[..length]);
        assert!(
            matches!(found, Err(Fault::Broken(_))),
            "{length}: {found:?}"
        );
    }
}

#[test]
fn webp() {
    // Red; green in its left half and nothing in its right; blue of which half is seen. Shown for
    // 50, 5 and 200 milliseconds, three times.
    let file = include_bytes!("files/moving.webp");
    let facts = probe(file, &LIMITS).unwrap();
    assert_eq!((facts.frames, facts.alpha), (Frames::Many, true));
    let Decoded::Moving { frames, loops } = decoded(file).unwrap() else {
        panic!("it is still");
    };
    assert_eq!(loops, 3);
    let delays: Vec<u32> = frames.iter().map(|frame| frame.delay).collect();
    assert_eq!(delays, [50, 100, 200]);
    let (red, green, blue) = ([255, 0, 0, 255], [0, 255, 0, 255], [0, 0, 255, 128]);
    let seen = [(red, red), (green, [0; 4]), (blue, blue)];
    for (frame, (left, right)) in frames.iter().zip(seen) {
        near(pixel(&frame.picture, 3, 1), &left, 1);
        near(pixel(&frame.picture, 12, 1), &right, 1);
    }
    let limits = Limits {
        pixels: 16 * 8 * 3 - 1,
        ..LIMITS
    };
    let found = decode(file, &facts, None, &limits, soon());
    assert_eq!(found, Err(Fault::TooManyPixels));
    let found = decoded(&file[..file.len() - 8]);
    assert!(matches!(found, Err(Fault::Broken(_))), "{found:?}");
}
