mod animation;
mod avif;
mod jpeg;
pub mod make;
mod mutants;
mod plain;
mod still;

use super::decode;
use crate::media::{Deadline, Decoded, Fault, Layout, Limits, Picture, probe};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    bytes: 20 << 20,
    pixels: 50_000_000,
    time: Duration::from_secs(10),
};

fn soon() -> Deadline {
    Deadline(Instant::now() + Duration::from_secs(60))
}

/// Probed and decoded as it is.
fn decoded(file: &[u8]) -> Result<Decoded, Fault> {
    let facts = probe(file, &LIMITS)?;
    decode(file, &facts, None, &LIMITS, soon())
}

/// A still picture.
fn still(file: &[u8]) -> Picture {
    match decoded(file).unwrap() {
        Decoded::Still(picture) => picture,
        Decoded::Moving { .. } => panic!("it moves"),
    }
}

/// The channels of a pixel.
fn pixel(picture: &Picture, x: u32, y: u32) -> &[u8] {
    let bytes = picture.layout.bytes();
    let at = (y * picture.width + x) as usize * bytes;
    &picture.pixels[at..at + bytes]
}

/// Whether all channels differ by `by` at most.
#[track_caller]
fn near(found: &[u8], wanted: &[u8], by: u8) {
    let close = found.iter().zip(wanted).all(|(a, b)| a.abs_diff(*b) <= by);
    assert!(
        close && found.len() == wanted.len(),
        "{found:?} is not {wanted:?}"
    );
}

/// The largest difference of two pictures of one size.
fn difference(a: &Picture, b: &Picture) -> u8 {
    assert_eq!((a.width, a.height), (b.width, b.height));
    assert_eq!(a.layout, b.layout);
    let pairs = a.pixels.iter().zip(&b.pixels);
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

/// A picture of which no two corners, and no two turns, are alike: red grows to the right, green
/// downwards, blue is there in the left upper quarter.
fn pattern(width: u32, height: u32) -> Picture {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let corner = x < width / 2 && y < height / 2;
            pixels.push((x * 255 / (width - 1).max(1)) as u8);
            pixels.push((y * 255 / (height - 1).max(1)) as u8);
            pixels.push(if corner { 255 } else { 0 });
        }
    }
    Picture {
        width,
        height,
        layout: Layout::Rgb,
        pixels,
    }
}

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
