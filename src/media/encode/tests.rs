//! Every format written and read again, by other libraries where there are some.

use super::*;
use crate::media::{Fit, Frame, Layout};
use image::codecs::webp::WebPDecoder;
use image::{AnimationDecoder, DynamicImage, ImageFormat};
use std::io::Cursor;
use std::time::{Duration, Instant};

fn deadline() -> Deadline {
    Deadline(Instant::now() + Duration::from_secs(600))
}

fn recipe(format: Format, quality: u8) -> Recipe {
    Recipe {
        width: None,
        height: None,
        fit: Fit::Inside,
        blur: 0,
        quality,
        format,
        background: [255, 128, 0],
        always: false,
    }
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

/// Soft shapes, as a photograph has them; opaque, but for a corner that fades out.
fn soft(width: u32, height: u32, layout: Layout) -> Picture {
    let wave = |x: u32, y: u32, a: f64, b: f64| {
        (128.0 + 100.0 * (f64::from(x) / a).sin() * (f64::from(y) / b).cos()) as u8
    };
    picture(width, height, layout, |x, y| {
        let alpha = (x + y).saturating_mul(3).min(255) as u8;
        [
            wave(x, y, 17.0, 23.0),
            wave(y, x, 31.0, 19.0),
            wave(x, y, 41.0, 37.0),
            alpha,
        ]
    })
}

fn written(picture: &Picture, format: Format, quality: u8) -> Vec<u8> {
    encode(
        &Decoded::Still(picture.clone()),
        &recipe(format, quality),
        deadline(),
    )
    .unwrap()
}

fn read(bytes: &[u8], format: Format) -> DynamicImage {
    assert_eq!(Format::sniff(bytes), Some(format));
    match format {
        Format::Jpeg => {
            let read = turbojpeg::decompress(bytes, turbojpeg::PixelFormat::RGB).unwrap();
            let (width, height) = (read.width as u32, read.height as u32);
            image::RgbImage::from_raw(width, height, read.pixels)
                .unwrap()
                .into()
        }
        Format::Png => image::load_from_memory_with_format(bytes, ImageFormat::Png).unwrap(),
        _ => image::load_from_memory_with_format(bytes, ImageFormat::WebP).unwrap(),
    }
}

/// The ratio of peak signal to noise, decibels; colours count as much as they are seen.
fn psnr(a: &image::RgbaImage, b: &image::RgbaImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let (mut sum, mut count) = (0.0, 0.0);
    for (a, b) in a.pixels().zip(b.pixels()) {
        for channel in 0..3 {
            let seen = |p: &image::Rgba<u8>| f64::from(p[channel]) * f64::from(p[3]) / 255.0;
            sum += (seen(a) - seen(b)).powi(2);
            count += 1.0;
        }
        sum += (f64::from(a[3]) - f64::from(b[3])).powi(2);
        count += 1.0;
    }
    10.0 * (255.0f64 * 255.0 / (sum / count).max(1e-9)).log10()
}

fn as_rgba(picture: &Picture) -> image::RgbaImage {
    let pixels = match picture.layout {
        Layout::Gray => picture
            .pixels
            .iter()
            .flat_map(|g| [*g, *g, *g, 255])
            .collect(),
        Layout::Rgb => {
            let (pixels, _) = picture.pixels.as_chunks::<3>();
            pixels
                .iter()
                .flat_map(|[r, g, b]| [*r, *g, *b, 255])
                .collect()
        }
        Layout::Rgba => picture.pixels.clone(),
    };
    image::RgbaImage::from_raw(picture.width, picture.height, pixels).unwrap()
}

#[test]
fn every_format_shows_what_was_written() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let original = soft(90, 70, layout);
        for (format, least) in [
            (Format::Jpeg, 36.0),
            (Format::WebP, 36.0),
            (Format::Png, 99.0),
        ] {
            let wanted = match format {
                Format::Jpeg => pixels::flat(&original, [255, 128, 0]).into_owned(),
                _ => original.clone(),
            };
            let bytes = written(&original, format, 85);
            let told = psnr(&as_rgba(&wanted), &read(&bytes, format).to_rgba8());
            assert!(told >= least, "{layout:?} {format:?}: {told}");
        }
    }
}

#[test]
fn quality_is_paid_for() {
    let original = soft(90, 70, Layout::Rgb);
    for format in [Format::Jpeg, Format::WebP] {
        let sizes = [1, 30, 60, 90, 100].map(|quality| written(&original, format, quality).len());
        assert!(
            sizes.is_sorted() && sizes[0] * 2 < sizes[4],
            "{format:?}: {sizes:?}"
        );
    }
}

#[test]
fn jpegs_are_progressive_and_gray_stays_gray() {
    use turbojpeg::Subsamp;
    for (layout, quality, subsampling) in [
        (Layout::Gray, 85, Subsamp::Gray),
        (Layout::Rgb, 89, Subsamp::Sub2x2),
        (Layout::Rgb, 90, Subsamp::None),
        (Layout::Rgba, 85, Subsamp::Sub2x2),
    ] {
        let bytes = written(&soft(90, 70, layout), Format::Jpeg, quality);
        let header = turbojpeg::read_header(&bytes).unwrap();
        assert!(header.is_progressive);
        assert_eq!(header.subsamp, subsampling);
    }
}

#[test]
fn what_is_transparent_is_laid_on_the_background() {
    let clear = picture(32, 16, Layout::Rgba, |x, _| match x {
        0..16 => [0, 0, 0, 0],
        _ => [0, 0, 0, 128],
    });
    let read = read(&written(&clear, Format::Jpeg, 95), Format::Jpeg).to_rgb8();
    let near = |x, wanted: [u8; 3]| {
        let told = read.get_pixel(x, 8).0;
        assert!(
            told.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) < 6),
            "{told:?}"
        );
    };
    near(4, [255, 128, 0]);
    near(28, [127, 64, 0]);
}

#[test]
fn a_drawing_is_written_without_loss() {
    // Larger than what counts as small; few colours, hard edges.
    let drawing = picture(160, 120, Layout::Rgb, |x, y| match (x / 7 + y / 5) % 3 {
        0 => [250, 250, 250, 255],
        1 => [20, 40, 200, 255],
        _ => [200, 30, 30, 255],
    });
    let webp = written(&drawing, Format::WebP, 85);
    assert_eq!(
        read(&webp, Format::WebP).to_rgb8().into_raw(),
        drawing.pixels
    );
    // And as PNG with a palette: the header says colour type 3.
    let png = written(&drawing, Format::Png, 85);
    assert_eq!(png.get(25), Some(&3));
    assert!(png.len() * 8 < drawing.pixels.len());
    assert!(!pixels::has_few_colours(&soft(90, 70, Layout::Rgb), 256));
    assert!(pixels::has_few_colours(&drawing, 3) && !pixels::has_few_colours(&drawing, 2));
}

#[test]
fn the_smallest_pictures_are_written() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        for (width, height) in [(1, 1), (1, 40), (40, 1), (3, 2)] {
            let original = picture(width, height, layout, |_, _| [90, 100, 110, 200]);
            for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Avif] {
                let bytes = written(&original, format, 85);
                assert_eq!(Format::sniff(&bytes), Some(format));
                if format != Format::Avif {
                    let read = read(&bytes, format);
                    assert_eq!((read.width(), read.height()), (width, height));
                }
            }
        }
    }
}

#[test]
fn avif_is_written_with_its_size_and_alpha() {
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        let bytes = written(&soft(90, 70, layout), Format::Avif, 85);
        let limits = crate::media::Limits {
            bytes: 1 << 20,
            pixels: 1 << 20,
            time: std::time::Duration::from_secs(60),
        };
        let told = crate::media::probe(&bytes, &limits).unwrap();
        assert_eq!((told.width, told.height), (90, 70));
        assert_eq!(told.alpha, layout == Layout::Rgba);
    }
}

#[test]
fn what_a_format_does_not_hold_is_refused() {
    let long = picture(16_384, 1, Layout::Gray, |_, _| [7; 4]);
    let longer = picture(1, 65_536, Layout::Gray, |_, _| [7; 4]);
    let refused = |picture: &Picture, format| {
        let told = encode(
            &Decoded::Still(picture.clone()),
            &recipe(format, 85),
            deadline(),
        );
        assert!(
            matches!(told, Err(Fault::Unsupported(_))),
            "{format:?}: {told:?}"
        );
    };
    refused(&long, Format::WebP);
    refused(&longer, Format::Jpeg);
    refused(&longer, Format::Avif);
    // Too much work for an encoder that cannot be stopped.
    refused(
        &picture(4000, 2200, Layout::Gray, |_, _| [7; 4]),
        Format::Avif,
    );
    for format in [Format::Gif, Format::Bmp, Format::Tiff] {
        refused(&soft(9, 9, Layout::Rgb), format);
    }
    written(
        &picture(16_383, 1, Layout::Gray, |_, _| [7; 4]),
        Format::WebP,
        85,
    );
    written(
        &picture(1, 65_500, Layout::Gray, |_, _| [7; 4]),
        Format::Jpeg,
        85,
    );
}

#[test]
fn pictures_without_their_pixels_are_faults() {
    for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Avif] {
        let mut short = soft(9, 9, Layout::Rgba);
        short.pixels.pop();
        let mut none = soft(9, 9, Layout::Rgb);
        (none.width, none.pixels) = (0, Vec::new());
        for picture in [short, none] {
            let told = encode(&Decoded::Still(picture), &recipe(format, 85), deadline());
            assert!(
                matches!(told, Err(Fault::Encoder(_))),
                "{format:?}: {told:?}"
            );
        }
    }
}

#[test]
fn it_stops_when_the_time_is_over() {
    let picture = Decoded::Still(soft(90, 70, Layout::Rgb));
    for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Avif] {
        let told = encode(&picture, &recipe(format, 85), Deadline(Instant::now()));
        assert_eq!(told, Err(Fault::TooSlow));
    }
    // libwebp asks by itself, too.
    let large = soft(300, 200, Layout::Rgb);
    assert_eq!(
        webp::still(&large, 85, Deadline(Instant::now())),
        Err(Fault::TooSlow)
    );
}

fn moving(layout: Layout, delays: &[u32], loops: u32) -> Decoded {
    let frames = delays
        .iter()
        .zip(0u32..)
        .map(|(delay, turn)| Frame {
            picture: picture(60, 40, layout, |x, y| {
                let inside = x.abs_diff(10 + 8 * turn) < 6 && y.abs_diff(20) < 6;
                if inside {
                    [220, 40, 40, 255]
                } else {
                    [30, 60, 90, 0]
                }
            }),
            delay: *delay,
        })
        .collect();
    Decoded::Moving { frames, loops }
}

#[test]
fn an_animation_keeps_its_pictures_delays_and_loops() {
    let delays = [40, 250, 10, 1000, 70];
    for layout in [Layout::Gray, Layout::Rgb, Layout::Rgba] {
        for loops in [0, 1, 7] {
            let original = moving(layout, &delays, loops);
            let bytes = encode(&original, &recipe(Format::WebP, 85), deadline()).unwrap();
            // The number of loops stands in the ANIM chunk, after the background.
            let at = bytes.windows(4).position(|four| four == b"ANIM").unwrap();
            let told = u16::from_le_bytes([bytes[at + 12], bytes[at + 13]]);
            assert_eq!(u32::from(told), loops);
            let decoder = WebPDecoder::new(Cursor::new(&bytes)).unwrap();
            let read = decoder.into_frames().collect_frames().unwrap();
            let Decoded::Moving { frames, .. } = &original else {
                panic!("it stands still")
            };
            let told: Vec<u32> = read.iter().map(|f| f.delay().numer_denom_ms().0).collect();
            assert_eq!(told, delays);
            for (frame, read) in frames.iter().zip(&read) {
                let told = psnr(&as_rgba(&frame.picture), read.buffer());
                assert!(told > 28.0, "{layout:?}: {told}");
            }
        }
    }
}

#[test]
fn an_animation_is_written_as_webp_or_not_at_all() {
    let original = moving(Layout::Rgb, &[40, 40], 0);
    for format in Format::ALL {
        let told = encode(&original, &recipe(format, 85), deadline());
        match format {
            Format::WebP => assert!(told.is_ok()),
            _ => assert!(matches!(told, Err(Fault::Unsupported(_))), "{format:?}"),
        }
    }
}

#[test]
fn animations_that_make_no_sense_are_faults() {
    let told = |frames| {
        let moving = Decoded::Moving { frames, loops: 0 };
        let told = encode(&moving, &recipe(Format::WebP, 85), deadline());
        assert!(
            matches!(told, Err(Fault::Encoder(_) | Fault::Unsupported(_))),
            "{told:?}"
        );
    };
    let frame = |width, height, delay| Frame {
        picture: soft(width, height, Layout::Rgb),
        delay,
    };
    told(Vec::new());
    told(vec![frame(9, 9, 10), frame(9, 8, 10)]);
    let mut short = frame(9, 9, 10);
    short.picture.pixels.pop();
    told(vec![frame(9, 9, 10), short]);
    told(vec![frame(16_384, 1, 10), frame(16_384, 1, 10)]);
    // Longer than 31 bits of milliseconds.
    told((0..200).map(|_| frame(1, 1, u32::MAX)).collect());
}

#[test]
fn no_metadata_is_written() {
    let original = soft(90, 70, Layout::Rgba);
    for format in [Format::Jpeg, Format::Png, Format::WebP, Format::Avif] {
        let bytes = written(&original, format, 85);
        for mark in [
            b"Exif", b"EXIF", b"eXIf", b"XMP ", b"ICCP", b"iCCP", b"tEXt", b"tIME",
        ] {
            assert!(
                !bytes.windows(4).any(|four| four == mark),
                "{format:?} {mark:?}"
            );
        }
    }
}
