//! From a file to a variant.

use super::*;
use crate::media::{Fit, Frame, Layout, Picture, probe};
use std::time::{Duration, Instant};

const LIMITS: Limits = Limits {
    bytes: 20_000_000,
    pixels: 50_000_000,
    time: Duration::from_secs(600),
};

fn deadline() -> Deadline {
    Deadline(Instant::now() + LIMITS.time)
}

fn recipe(format: Format) -> Recipe {
    Recipe {
        width: Some(60),
        height: Some(60),
        fit: Fit::Inside,
        blur: 0,
        quality: 85,
        format,
        background: [255; 3],
        always: false,
    }
}

/// A picture with many colours in few pixels.
fn rough(width: u32, height: u32, shift: u32) -> Picture {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let (x, y) = (x + shift, y);
            pixels.extend([x * 7 + y, y * 5 + x * x / 30, (x * y) / 9].map(|byte| byte as u8));
        }
    }
    Picture {
        width,
        height,
        layout: Layout::Rgb,
        pixels,
    }
}

fn file(picture: &Decoded, format: Format, quality: u8) -> Vec<u8> {
    let recipe = Recipe {
        quality,
        ..recipe(format)
    };
    encode(picture, &recipe, deadline()).unwrap()
}

fn made(original: &[u8], recipe: &Recipe) -> Result<Made, Fault> {
    let facts = probe(original, &LIMITS)?;
    make(original, &facts, recipe, &LIMITS, deadline())
}

#[test]
fn a_variant_has_its_format_and_size() {
    let picture = Decoded::Still(rough(320, 240, 0));
    for from in [Format::Jpeg, Format::Png, Format::WebP] {
        let original = file(&picture, from, 90);
        for to in [Format::Jpeg, Format::Png, Format::WebP, Format::Avif] {
            for (fit, size) in [
                (Fit::Inside, (60, 45)),
                (Fit::Cover, (60, 60)),
                (Fit::Contain, (60, 60)),
            ] {
                let recipe = Recipe { fit, ..recipe(to) };
                let Ok(Made::Variant {
                    bytes,
                    width,
                    height,
                }) = made(&original, &recipe)
                else {
                    panic!("{from:?} {to:?}")
                };
                assert_eq!((width, height), size);
                let facts = probe(&bytes, &LIMITS).unwrap();
                assert_eq!((facts.format, facts.upright()), (to, size));
            }
        }
    }
}

#[test]
fn the_original_is_best_when_it_is_smaller_and_shows_the_same() {
    let original = file(&Decoded::Still(rough(60, 45, 0)), Format::Jpeg, 20);
    let same = Recipe {
        quality: 100,
        ..recipe(Format::Jpeg)
    };
    assert_eq!(made(&original, &same), Ok(Made::NotSmaller));
    for other in [
        Recipe {
            always: true,
            ..same
        },
        Recipe {
            fit: Fit::Cover,
            ..same
        },
        Recipe {
            fit: Fit::Contain,
            ..same
        },
        Recipe { blur: 1, ..same },
        Recipe { quality: 5, ..same },
    ] {
        let told = made(&original, &other);
        assert!(
            matches!(told, Ok(Made::Variant { .. })),
            "{other}: {told:?}"
        );
    }
}

#[test]
fn an_animation_is_whole_or_left_alone() {
    let frames = (0..4)
        .map(|turn| Frame {
            picture: rough(120, 90, turn * 20),
            delay: 40 + 10 * turn,
        })
        .collect();
    let original = file(&Decoded::Moving { frames, loops: 2 }, Format::WebP, 95);
    for format in Format::ALL {
        let told = made(&original, &recipe(format));
        if format != Format::WebP {
            assert!(matches!(told, Err(Fault::Unsupported(_))), "{format:?}");
            continue;
        }
        let Ok(Made::Variant { bytes, .. }) = told else {
            panic!("{told:?}")
        };
        let facts = probe(&bytes, &LIMITS).unwrap();
        let read = decode(&bytes, &facts, None, &LIMITS, deadline()).unwrap();
        let Decoded::Moving { frames, loops } = read else {
            panic!("it stands still")
        };
        let told: Vec<_> = frames.iter().map(|f| (f.picture.width, f.delay)).collect();
        assert_eq!(
            (told, loops),
            (vec![(60, 40), (60, 50), (60, 60), (60, 70)], 2)
        );
    }
}

#[test]
fn a_box_that_is_filled_up_is_bounded_too() {
    let original = file(&Decoded::Still(rough(60, 45, 0)), Format::Png, 85);
    let large = Recipe {
        width: Some(8192),
        height: Some(8192),
        fit: Fit::Contain,
        ..recipe(Format::WebP)
    };
    assert_eq!(made(&original, &large), Err(Fault::TooManyPixels));
}

#[test]
fn it_stops_when_the_time_is_over() {
    let original = file(&Decoded::Still(rough(60, 45, 0)), Format::Png, 85);
    let facts = probe(&original, &LIMITS).unwrap();
    let over = Deadline(Instant::now());
    let told = make(&original, &facts, &recipe(Format::WebP), &LIMITS, over);
    assert_eq!(told, Err(Fault::TooSlow));
}

#[test]
fn a_broken_original_is_a_fault() {
    let original = file(&Decoded::Still(rough(320, 240, 0)), Format::Png, 85);
    let facts = probe(&original, &LIMITS).unwrap();
    let cut = &original[..original.len() / 2];
    let told = make(cut, &facts, &recipe(Format::WebP), &LIMITS, deadline());
    assert!(matches!(told, Err(Fault::Broken(_))), "{told:?}");
}
