//! Sizes against exact arithmetic, and pixels through every fit.

use super::*;
use crate::media::Fit;
use std::time::{Duration, Instant};

fn deadline() -> Deadline {
    Deadline(Instant::now() + Duration::from_secs(600))
}

fn recipe(fit: Fit, width: Option<u32>, height: Option<u32>) -> Recipe {
    Recipe {
        width,
        height,
        fit,
        blur: 0,
        quality: 85,
        format: Format::WebP,
        background: [10, 20, 30],
        always: false,
    }
}

fn still(decoded: Decoded) -> Picture {
    match decoded {
        Decoded::Still(picture) => picture,
        Decoded::Moving { .. } => panic!("it moves"),
    }
}

/// The picture that a recipe makes of another, decoded at its full size.
fn shaped(picture: &Picture, recipe: &Recipe) -> Picture {
    let plan = Plan::of(recipe, (picture.width, picture.height));
    let shaped = reshape(Decoded::Still(picture.clone()), &plan, recipe, deadline());
    let shaped = still(shaped.unwrap());
    assert_eq!((shaped.width, shaped.height), plan.size());
    let bytes = shaped.width as usize * shaped.height as usize * shaped.layout.bytes();
    assert_eq!(shaped.pixels.len(), bytes);
    shaped
}

fn picture(
    width: u32,
    height: u32,
    layout: Layout,
    pixel: impl Fn(u32, u32) -> [u8; 4],
) -> Picture {
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            pixels.extend_from_slice(&pixel(x, y)[..layout.bytes()]);
        }
    }
    Picture {
        width,
        height,
        layout,
        pixels,
    }
}

fn at(picture: &Picture, x: u32, y: u32) -> &[u8] {
    let bytes = picture.layout.bytes();
    let start = (y as usize * picture.width as usize + x as usize) * bytes;
    &picture.pixels[start..start + bytes]
}

const RED: [u8; 4] = [255, 0, 0, 255];
const GREEN: [u8; 4] = [0, 255, 0, 255];
const BLUE: [u8; 4] = [0, 0, 255, 255];
const WHITE: [u8; 4] = [255, 255, 255, 255];

/// Red, green; blue, white.
fn quadrants(width: u32, height: u32, layout: Layout) -> Picture {
    picture(width, height, layout, |x, y| {
        match (x < width / 2, y < height / 2) {
            (true, true) => RED,
            (false, true) => GREEN,
            (true, false) => BLUE,
            (false, false) => WHITE,
        }
    })
}

#[test]
fn sizes() {
    use Fit::{Contain, Cover, Inside};
    // The original, the fit, the box; what it is scaled to, and the variant.
    type Size = (u32, u32);
    type Case = (Size, Fit, (Option<u32>, Option<u32>), Size, Size);
    let cases: &[Case] = &[
        (
            (4000, 3000),
            Inside,
            (Some(640), None),
            (640, 480),
            (640, 480),
        ),
        (
            (4000, 3000),
            Inside,
            (None, Some(480)),
            (640, 480),
            (640, 480),
        ),
        (
            (4000, 3000),
            Inside,
            (None, None),
            (4000, 3000),
            (4000, 3000),
        ),
        (
            (4000, 3000),
            Inside,
            (Some(1920), Some(1080)),
            (1440, 1080),
            (1440, 1080),
        ),
        (
            (3000, 4000),
            Inside,
            (Some(1920), Some(1080)),
            (810, 1080),
            (810, 1080),
        ),
        (
            (100, 100),
            Inside,
            (Some(640), Some(640)),
            (100, 100),
            (100, 100),
        ),
        // Rounded half up: 2.5 is 3.
        ((100, 5), Inside, (Some(50), None), (50, 3), (50, 3)),
        (
            (1, 10_000),
            Inside,
            (Some(150), None),
            (1, 10_000),
            (1, 10_000),
        ),
        ((1, 10_000), Inside, (None, Some(150)), (1, 150), (1, 150)),
        ((10_000, 1), Inside, (Some(150), None), (150, 1), (150, 1)),
        ((1, 1), Inside, (Some(1), Some(1)), (1, 1), (1, 1)),
        ((1, 1), Inside, (Some(0), None), (1, 1), (1, 1)),
        (
            (u32::MAX, u32::MAX),
            Inside,
            (Some(8192), None),
            (8192, 8192),
            (8192, 8192),
        ),
        (
            (4000, 3000),
            Contain,
            (Some(300), Some(300)),
            (300, 225),
            (300, 300),
        ),
        (
            (100, 50),
            Contain,
            (Some(300), Some(300)),
            (100, 50),
            (300, 300),
        ),
        (
            (4000, 3000),
            Contain,
            (Some(300), None),
            (300, 225),
            (300, 225),
        ),
        (
            (4000, 3000),
            Cover,
            (Some(300), Some(300)),
            (300, 300),
            (300, 300),
        ),
        (
            (4000, 3000),
            Cover,
            (Some(300), None),
            (300, 225),
            (300, 225),
        ),
        // A box larger than the original keeps its shape.
        (
            (400, 300),
            Cover,
            (Some(600), Some(600)),
            (300, 300),
            (300, 300),
        ),
        (
            (400, 300),
            Cover,
            (Some(1920), Some(1080)),
            (400, 225),
            (400, 225),
        ),
        (
            (400, 300),
            Cover,
            (Some(400), Some(300)),
            (400, 300),
            (400, 300),
        ),
        ((1, 10_000), Cover, (Some(150), Some(150)), (1, 1), (1, 1)),
    ];
    for (original, fit, (width, height), scaled, size) in cases {
        let plan = Plan::of(&recipe(*fit, *width, *height), *original);
        let told = (plan.scaled(), plan.size());
        assert_eq!(
            told,
            (*scaled, *size),
            "{original:?} {fit:?} {width:?} {height:?}"
        );
    }
}

#[test]
fn the_original_is_shown_unless_something_is_cut_or_added() {
    let told = |fit, width, height| {
        Plan::of(&recipe(fit, Some(width), Some(height)), (400, 300)).shows_the_original()
    };
    assert!(told(Fit::Inside, 100, 100));
    assert!(told(Fit::Inside, 1000, 1000));
    assert!(told(Fit::Contain, 200, 150));
    assert!(!told(Fit::Contain, 200, 200));
    assert!(!told(Fit::Contain, 1000, 1000));
    assert!(told(Fit::Cover, 200, 150));
    assert!(told(Fit::Cover, 4000, 3000));
    assert!(!told(Fit::Cover, 200, 200));
    let blurred = Recipe {
        blur: 2,
        ..recipe(Fit::Inside, None, None)
    };
    assert!(!Plan::of(&blurred, (400, 300)).shows_the_original());
}

/// Numbers without a pattern (SplitMix64): the same in every run.
fn numbers() -> impl FnMut(u32) -> u32 {
    let mut state = 6u64;
    move |below| {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = state;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((number ^ (number >> 31)) % u64::from(below)) as u32
    }
}

#[test]
fn no_size_is_off_by_one() {
    let mut number = numbers();
    for _ in 0..20_000 {
        let mut side = |most: u32| {
            let most = [3, 40, 700, most][number(4) as usize];
            1 + number(most)
        };
        let (width, height) = (side(70_000), side(70_000));
        let (box_width, box_height) = (side(8192), side(8192));
        let told = |fit| {
            let recipe = recipe(fit, Some(box_width), Some(box_height));
            Plan::of(&recipe, (width, height))
        };
        let what = format!("{width}x{height} in {box_width}x{box_height}");
        let inside = told(Fit::Inside).size();
        let (w, h) = (u128::from(inside.0), u128::from(inside.1));
        let (w0, h0) = (u128::from(width), u128::from(height));
        assert!(inside.0 <= width.min(box_width) && inside.1 <= height.min(box_height));
        // A side is at its bound, and the other one is not half a pixel from the exact quotient.
        let exact = |side: u128, of: u128, per: u128| {
            let nearest = (2 * of).abs_diff(2 * side * per) <= per;
            nearest || side == 1
        };
        let by_width = inside.0 == width.min(box_width) && exact(h, h0 * w, w0);
        let by_height = inside.1 == height.min(box_height) && exact(w, w0 * h, h0);
        assert!(by_width || by_height, "{what}: {inside:?}");
        let contain = told(Fit::Contain);
        assert_eq!(contain.scaled(), inside, "{what}");
        assert_eq!(contain.size(), (box_width, box_height), "{what}");
        let cover = told(Fit::Cover);
        let size = cover.size();
        assert!(
            size.0 <= width.min(box_width) && size.1 <= height.min(box_height),
            "{what}"
        );
        // Decoded to as much as is wanted, or to the whole, the part that is seen is inside of it
        // and has as many pixels as the variant, but for a thousandth.
        for plan in [told(Fit::Inside), contain, cover] {
            let least = plan.at_least();
            assert!(least.0 <= width && least.1 <= height, "{what}");
            for decoded in [least, (width, height)] {
                let area = plan.area(decoded);
                let right = area.left + area.width;
                let bottom = area.top + area.height;
                assert!(
                    area.left >= 0.0 && right <= f64::from(decoded.0),
                    "{what}: {area:?}"
                );
                assert!(
                    area.top >= 0.0 && bottom <= f64::from(decoded.1),
                    "{what}: {area:?}"
                );
                let (scaled_width, scaled_height) = plan.scaled();
                let enough = area.width + 0.01 >= f64::from(scaled_width)
                    && area.height + 0.01 >= f64::from(scaled_height);
                assert!(enough, "{what}: {area:?} for {:?}", plan.scaled());
            }
        }
    }
}

#[test]
fn quadrants_stay_where_they_are() {
    for layout in [Layout::Rgb, Layout::Rgba] {
        let original = quadrants(80, 60, layout);
        let colour = |colour: [u8; 4]| colour[..layout.bytes()].to_vec();
        for (fit, width, height) in [
            (Fit::Inside, 40, 40),
            (Fit::Inside, 20, 15),
            (Fit::Inside, 80, 60),
            (Fit::Inside, 500, 500),
            (Fit::Cover, 30, 30),
            (Fit::Cover, 40, 10),
            (Fit::Cover, 10, 40),
            (Fit::Cover, 60, 60),
            (Fit::Cover, 80, 20),
            (Fit::Cover, 500, 500),
        ] {
            let shaped = shaped(&original, &recipe(fit, Some(width), Some(height)));
            let (right, bottom) = (shaped.width - 1, shaped.height - 1);
            let what = format!("{layout:?} {fit:?} {width}x{height}");
            assert_eq!(at(&shaped, 0, 0), colour(RED), "{what}");
            assert_eq!(at(&shaped, right, 0), colour(GREEN), "{what}");
            assert_eq!(at(&shaped, 0, bottom), colour(BLUE), "{what}");
            assert_eq!(at(&shaped, right, bottom), colour(WHITE), "{what}");
            // The cross is still in the middle.
            let count = |x: u32| at(&shaped, x, 0)[0] > 127;
            let red = (0..shaped.width).filter(|x| count(*x)).count() as u32;
            assert!(red.abs_diff(shaped.width - red) <= 1, "{what}: {red}");
        }
    }
}

#[test]
fn what_is_not_scaled_is_cut_by_whole_pixels() {
    let original = picture(7, 5, Layout::Gray, |x, y| [(x * 10 + y) as u8, 0, 0, 0]);
    let shaped = shaped(&original, &recipe(Fit::Cover, Some(4), Some(5)));
    for y in 0..5 {
        for x in 0..4 {
            assert_eq!(at(&shaped, x, y), at(&original, x + 1, y));
        }
    }
}

#[test]
fn a_decoder_that_scaled_already_changes_nothing() {
    // A ramp of 800 x 601 pixels, decoded by 1/8 to 100 x 76, cut square.
    let ramp = |width: u32, height: u32| {
        picture(width, height, Layout::Gray, |x, _| {
            [(x * 255 / (width - 1)) as u8, 0, 0, 0]
        })
    };
    let recipe = recipe(Fit::Cover, Some(50), Some(50));
    let plan = Plan::of(&recipe, (800, 601));
    // 1.6 pixels for each: 50 of 601, and as many of the part of 800 that is seen.
    assert_eq!(plan.at_least(), (107, 80));
    let of = |decoded: Picture| {
        still(reshape(Decoded::Still(decoded), &plan, &recipe, deadline()).unwrap())
    };
    let (whole, reduced) = (of(ramp(800, 601)), of(ramp(100, 76)));
    for (a, b) in whole.pixels.iter().zip(&reduced.pixels) {
        assert!(a.abs_diff(*b) <= 2, "{a} {b}");
    }
}

#[test]
fn around_a_contained_picture_is_the_background() {
    let original = quadrants(40, 20, Layout::Rgb);
    let recipe = recipe(Fit::Contain, Some(20), Some(20));
    let made = shaped(&original, &recipe);
    for x in 0..20 {
        assert_eq!(at(&made, x, 4), [10, 20, 30]);
        assert_eq!(at(&made, x, 15), [10, 20, 30]);
    }
    assert_eq!(at(&made, 0, 5), RED[..3].to_vec());
    assert_eq!(at(&made, 19, 14), WHITE[..3].to_vec());
    // A gray picture takes the colour; on a gray background it stays gray.
    let gray = picture(40, 20, Layout::Gray, |_, _| [90; 4]);
    assert_eq!(at(&shaped(&gray, &recipe), 0, 0), [10, 20, 30]);
    let on_gray = Recipe {
        background: [7; 3],
        ..recipe
    };
    assert_eq!(at(&shaped(&gray, &on_gray), 0, 0), [7]);
    // What is transparent stands on nothing, where the format has nothing.
    let clear = picture(40, 20, Layout::Rgba, |x, _| {
        [255, 0, 0, if x < 20 { 0 } else { 255 }]
    });
    assert_eq!(at(&shaped(&clear, &recipe), 0, 0), [10, 20, 30, 0]);
    let jpeg = Recipe {
        format: Format::Jpeg,
        ..recipe
    };
    assert_eq!(at(&shaped(&clear, &jpeg), 0, 0), [10, 20, 30, 255]);
}

#[test]
fn what_is_transparent_leaves_no_fringe() {
    // A white disc on black that nobody sees.
    let disc = picture(200, 200, Layout::Rgba, |x, y| {
        let (x, y) = (f64::from(x) - 99.5, f64::from(y) - 99.5);
        match x * x + y * y < 80.0 * 80.0 {
            true => [255, 255, 255, 255],
            false => [0, 0, 0, 0],
        }
    });
    for blur in [0, 3] {
        let recipe = Recipe {
            blur,
            ..recipe(Fit::Inside, Some(50), None)
        };
        let shaped = shaped(&disc, &recipe);
        let mut edges = 0;
        for pixel in shaped.pixels.chunks_exact(4) {
            // At the faintest alphas a byte has no room for the colour.
            if pixel[3] > 8 {
                edges += usize::from(pixel[3] < 250);
                assert!(pixel[..3].iter().all(|c| *c >= 240), "{blur}: {pixel:?}");
            }
        }
        assert!(edges > 50, "{edges}");
    }
}

#[test]
fn a_blur_is_as_wide_as_it_says() {
    for (sigma, size) in [(1, 41), (2, 61), (5, 121), (10, 201), (50, 901)] {
        // One white line down the middle: what becomes of it is the blur's own shape.
        let line = picture(size, 9, Layout::Rgb, |x, _| {
            [if x == size / 2 { 255 } else { 0 }; 4]
        });
        let thick = picture(size, 9, Layout::Rgb, |x, _| {
            [if x.abs_diff(size / 2) <= u32::from(sigma) {
                255
            } else {
                0
            }; 4]
        });
        // A line is too faint for bytes once it is wide: a bar, whose own variance is known.
        let (original, own) = match sigma {
            1 | 2 => (line, 0.0),
            _ => (thick, {
                let wide = 2.0 * f64::from(sigma) + 1.0;
                (wide * wide - 1.0) / 12.0
            }),
        };
        let recipe = Recipe {
            blur: sigma,
            ..recipe(Fit::Inside, None, None)
        };
        let blurred = shaped(&original, &recipe);
        let (mut sum, mut variance) = (0.0, 0.0);
        for x in 0..size {
            let value = f64::from(at(&blurred, x, 4)[0]);
            let from = f64::from(x) - f64::from(size / 2);
            sum += value;
            variance += value * from * from;
        }
        let told = (variance / sum - own).sqrt();
        let wanted = f64::from(sigma);
        assert!(
            (told - wanted).abs() < 0.12 * wanted + 0.1,
            "{sigma}: {told}"
        );
    }
}

#[test]
fn a_blur_keeps_what_is_even_and_is_bounded() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        for (width, height) in [(1, 1), (1, 50), (50, 1), (30, 20)] {
            let even = picture(width, height, layout, |_, _| [200, 13, 255, 255]);
            for blur in [1, 2, 7, 100, 255] {
                let recipe = Recipe {
                    blur,
                    ..recipe(Fit::Inside, None, None)
                };
                assert_eq!(shaped(&even, &recipe), even, "{layout:?} {blur}");
            }
        }
    }
}

#[test]
fn extreme_shapes() {
    let tall = picture(1, 10_000, Layout::Rgb, |_, y| [(y % 256) as u8; 4]);
    for (fit, width, height) in [
        (Fit::Inside, Some(150), None),
        (Fit::Inside, None, Some(150)),
        (Fit::Inside, None, Some(1)),
        (Fit::Cover, Some(150), Some(150)),
        (Fit::Cover, Some(1), Some(150)),
        (Fit::Contain, Some(150), Some(150)),
    ] {
        shaped(&tall, &recipe(fit, width, height));
    }
    let dot = picture(1, 1, Layout::Rgba, |_, _| [1, 2, 3, 4]);
    for fit in [Fit::Inside, Fit::Cover, Fit::Contain] {
        let made = shaped(&dot, &recipe(fit, Some(9), Some(9)));
        let middle = made.width / 2;
        assert_eq!(at(&made, middle, middle), [1, 2, 3, 4]);
    }
}

#[test]
fn every_picture_of_an_animation_is_shaped() {
    let frames = vec![
        Frame {
            picture: quadrants(80, 60, Layout::Rgb),
            delay: 40,
        },
        Frame {
            picture: picture(80, 60, Layout::Rgb, |_, _| RED),
            delay: 70,
        },
    ];
    let recipe = recipe(Fit::Inside, Some(40), None);
    let plan = Plan::of(&recipe, (80, 60));
    let moving = Decoded::Moving { frames, loops: 3 };
    let Decoded::Moving { frames, loops } = reshape(moving, &plan, &recipe, deadline()).unwrap()
    else {
        panic!("it stands still")
    };
    let told: Vec<_> = frames
        .iter()
        .map(|frame| (frame.picture.width, frame.picture.height, frame.delay))
        .collect();
    assert_eq!((told, loops), (vec![(40, 30, 40), (40, 30, 70)], 3));
}

#[test]
fn it_stops_when_the_time_is_over() {
    let recipe = recipe(Fit::Inside, Some(40), None);
    let plan = Plan::of(&recipe, (80, 60));
    let picture = Decoded::Still(quadrants(80, 60, Layout::Rgb));
    let over = Deadline(Instant::now());
    assert_eq!(reshape(picture, &plan, &recipe, over), Err(Fault::TooSlow));
}

#[test]
fn a_picture_without_its_pixels_is_a_fault() {
    let recipe = Recipe {
        blur: 2,
        ..recipe(Fit::Inside, Some(4), None)
    };
    let plan = Plan::of(&recipe, (8, 6));
    let mut short = quadrants(8, 6, Layout::Rgb);
    short.pixels.truncate(20);
    let told = reshape(Decoded::Still(short), &plan, &recipe, deadline());
    assert!(matches!(told, Err(Fault::Encoder(_))), "{told:?}");
}
