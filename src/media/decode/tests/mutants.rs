//! Files that were changed at random (by a generator with a fixed seed): whatever comes of it, it
//! is no panic, and no more pixels than the limit.

use super::{animation, decode, make, pattern, plain, probe, soon, translucent};
use crate::media::{Decoded, Fault, Limits, probe_head};
use std::time::Duration;

/// Small, so that a header which asks for more is found out.
const LIMITS: Limits = Limits {
    bytes: 1 << 20,
    pixels: 20_000,
    time: Duration::from_secs(10),
};

/// Mutants of each file.
const MUTANTS: usize = 300;

/// SplitMix64.
struct Chance(u64);

impl Chance {
    fn number(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) as usize % below
    }

    /// Mostly near the beginning, where headers are.
    fn place(&mut self, length: usize) -> usize {
        match self.number(2) {
            0 => self.number(length),
            _ => self.number(length.min(100)),
        }
    }

    fn mutate(&mut self, file: &[u8]) -> Vec<u8> {
        let mut mutant = file.to_vec();
        for _ in 0..=self.number(4) {
            let at = self.place(mutant.len());
            match self.number(6) {
                0 => mutant[at] ^= 1 << self.number(8),
                1 => mutant[at] = self.number(256) as u8,
                // Huge numbers, of any size.
                2 => {
                    let end = mutant.len().min(at + 1 + self.number(8));
                    mutant[at..end].fill(0xff);
                }
                3 => {
                    let end = mutant.len().min(at + 1 + self.number(4));
                    mutant[at..end].fill(0);
                }
                4 => {
                    let from = self.number(mutant.len());
                    let end = mutant.len().min(from + 1 + self.number(32));
                    let part = mutant[from..end].to_vec();
                    mutant.splice(at..at, part);
                }
                _ => mutant.truncate(mutant.len() - self.number(mutant.len() / 2)),
            }
        }
        mutant
    }
}

fn check(name: &str, file: &[u8]) {
    let mut chance = Chance(name.bytes().map(u64::from).sum());
    let mut sound = 0;
    for number in 0..MUTANTS {
        let mutant = chance.mutate(file);
        probe_head(&mutant);
        let Ok(facts) = probe(&mutant, &LIMITS) else {
            continue;
        };
        assert!(u64::from(facts.width) * u64::from(facts.height) <= LIMITS.pixels);
        let at_least = (number % 2 == 0).then_some((5, 5));
        let found = match decode(&mutant, &facts, at_least, &LIMITS, soon()) {
            Ok(found) => found,
            Err(fault) => {
                assert_ne!(fault, Fault::TooSlow, "{name} {number}");
                continue;
            }
        };
        sound += 1;
        let frames = match found {
            Decoded::Still(picture) => vec![picture],
            Decoded::Moving { frames, .. } => frames.into_iter().map(|f| f.picture).collect(),
        };
        let mut pixels = 0;
        for picture in frames {
            let size = u64::from(picture.width) * u64::from(picture.height);
            assert_eq!(
                picture.pixels.len() as u64,
                size * picture.layout.bytes() as u64
            );
            pixels += size;
        }
        assert!(pixels > 0 && pixels <= LIMITS.pixels, "{name} {number}");
    }
    // Some are still pictures, or nothing was tried.
    assert!(sound > 0, "{name}");
}

#[test]
fn jpeg() {
    let plain = make::jpeg(&pattern(40, 30));
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    let rich = make::oriented(&make::profiled(&plain, &p3, 200), 6, true);
    check("jpeg", &plain);
    check("jpeg with metadata", &rich);
    check("progressive jpeg", &make::progressive(&pattern(40, 30)));
    let inks = crate::media::Picture {
        layout: crate::media::Layout::Rgba,
        ..translucent(20, 10)
    };
    check("jpeg of inks", &make::jpeg(&inks));
}

#[test]
fn png() {
    let p3 = moxcms::ColorProfile::new_display_p3().encode().unwrap();
    check("png", &make::png(&pattern(40, 30), Some(&p3)));
    let chunks: [(&[u8; 4], &[u8]); 2] = [(b"PLTE", &[1, 2, 3, 4, 5, 6]), (b"tRNS", &[0, 128])];
    let rows: [&[u8]; 2] = [&[0b0110_0000], &[0b1010_0000]];
    check("palette", &make::png_of((4, 2), 1, 3, &rows, &chunks));
}

#[test]
fn gif() {
    let images = [
        (0, 4, 0, 1, None, 20),
        (0, 2, 1, 3, None, 1),
        (2, 2, 2, 2, Some(1), 5),
    ];
    check("gif", &animation::gif(Some(0), &images));
    check("still gif", &animation::gif(None, &images[..1]));
}

#[test]
fn webp() {
    check("lossless", &make::webp(&translucent(30, 20)));
    check("lossy", include_bytes!("files/lossy.webp"));
    check("alpha", include_bytes!("files/alpha.webp"));
    check("moving", include_bytes!("files/moving.webp"));
}

#[test]
fn avif() {
    check("4:2:0", include_bytes!("files/420_full.avif"));
    check("avif with alpha", include_bytes!("files/alpha.avif"));
    check("turned", include_bytes!("files/turned.avif"));
}

#[test]
fn bmp_and_tiff() {
    check("bmp", &plain::bmp(&pattern(20, 10)));
    check("bmp with alpha", &plain::bmp(&translucent(20, 10)));
    let picture = pattern(20, 10);
    check(
        "tiff",
        &plain::tiff(&picture, image::ExtendedColorType::Rgb8, None),
    );
    check("tiff of inks", &plain::inks(&[7; 40]));
}

#[test]
fn noise() {
    let mut chance = Chance(5);
    let heads: [&[u8]; 7] = [
        b"\xff\xd8\xff",
        b"\x89PNG\r\n\x1a\n",
        b"GIF89a",
        b"RIFF\xff\0\0\0WEBPVP8X",
        b"\0\0\0\x18ftypavif",
        b"BM",
        b"II*\0\x08\0\0\0",
    ];
    for number in 0..700 {
        let mut file = heads[number % heads.len()].to_vec();
        file.extend((0..chance.number(400)).map(|_| chance.number(256) as u8));
        probe_head(&file);
        if let Ok(facts) = probe(&file, &LIMITS) {
            // What comes of it does not matter, only that it does.
            drop(decode(&file, &facts, None, &LIMITS, soon()));
        }
    }
}
