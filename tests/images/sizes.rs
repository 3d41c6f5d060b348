//! Widths, heights and boxes: rounded up to what there is, never beyond the original.

use crate::support::Parvis;
use crate::support::pictures::{Seen, look, look_at, paint};
use crate::{CURL, etag, made, photograph, picture, serve};

/// What these queries get of `photo.jpg`, as JPEG.
fn seen(parvis: &Parvis, queries: &[&str]) -> Vec<Seen> {
    let bodies: Vec<Vec<u8>> = queries
        .iter()
        .map(|query| {
            let path = format!("/photo.jpg?{query}");
            picture(parvis, &path, CURL, "image/jpeg").body
        })
        .collect();
    look(&bodies)
}

fn are(parvis: &Parvis, expected: &[(&str, (u32, u32))]) {
    let queries: Vec<&str> = expected.iter().map(|(query, _)| *query).collect();
    for ((query, size), seen) in expected.iter().zip(seen(parvis, &queries)) {
        assert_eq!(seen.size(), *size, "{query}");
        assert_eq!(seen.format, "JPEG", "{query}");
    }
}

#[test]
fn sizes_are_rounded_up_to_those_that_there_are_and_nothing_is_enlarged() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    are(
        &parvis,
        &[
            ("w=1", (150, 100)),
            ("w=149", (150, 100)),
            ("w=150", (150, 100)),
            ("w=151", (300, 200)),
            ("w=301", (320, 213)),
            ("w=321", (600, 400)),
            ("w=601", (600, 400)),
            ("w=8192", (600, 400)),
            ("h=150", (225, 150)),
            ("h=151", (450, 300)),
            ("h=8192", (600, 400)),
            // The larger side that fits.
            ("w=150&h=150", (150, 100)),
            ("w=300&h=150", (225, 150)),
            ("w=150&h=150&fit=inside", (150, 100)),
            ("w=8000&h=8000", (600, 400)),
            // Filled, and cut off.
            ("w=150&h=150&fit=cover", (150, 150)),
            ("w=300&h=150&fit=cover", (300, 150)),
            ("w=150&h=300&fit=cover", (150, 300)),
            ("fit=cover&h=640&w=640", (400, 400)),
            // A box that is kept.
            ("w=150&h=150&fit=contain", (150, 150)),
            ("w=640&h=640&fit=contain", (640, 640)),
            // Without a box there is nothing to fill.
            ("w=150&fit=cover", (150, 100)),
            ("h=150&fit=contain", (225, 150)),
            // Physical pixels.
            ("w=75&dpr=2", (150, 100)),
            ("w=100&dpr=1.5", (150, 100)),
            ("w=100&dpr=1.51", (300, 200)),
            ("w=75&h=75&dpr=2&fit=cover", (150, 150)),
            ("w=100&dpr=3", (300, 200)),
            ("w=150&dpr=4", (600, 400)),
            // Parameters of the app's.
            ("v=3", (600, 400)),
            ("W=150&width=150&v=3", (600, 400)),
            ("v=3&w=150&utm_source=a%20b", (150, 100)),
            ("w=%31%35%30", (150, 100)),
        ],
    );
}

#[test]
fn what_is_rounded_to_the_same_is_made_once() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let ask = |query: &str| picture(&parvis, &format!("/photo.jpg?{query}"), CURL, "image/jpeg");
    let first = ask("w=150");
    for query in [
        "w=1",
        "w=149",
        "w=75&dpr=2",
        "w=100&v=4",
        "w=150&q=85",
        "w=150&h=1920",
        "w=100&h=100",
        "w=150&dpr=1&fit=cover",
        "w=150&format=auto",
        "w=150&h=150&fit=inside",
    ] {
        let reply = ask(query);
        assert_eq!(etag(&reply), etag(&first), "{query}");
        assert!(reply.body == first.body, "{query}");
    }
    assert_eq!(made(&parvis, "jpeg"), 1.0);
    // All widths beyond the original's are the original's.
    let whole = ask("");
    for query in ["w=600", "w=601", "w=1920", "w=8192", "h=8192"] {
        assert_eq!(etag(&ask(query)), etag(&whole), "{query}");
    }
    assert_eq!(made(&parvis, "jpeg"), 2.0);
    // Nobody can fill the disk.
    for width in 1..=320 {
        ask(&format!("w={width}"));
    }
    assert_eq!(made(&parvis, "jpeg"), 4.0);
}

#[test]
fn without_a_size_there_is_a_largest_one() {
    let folder = photograph();
    let parvis = serve(&folder, "max_width = 500\nmax_height = 100");
    are(
        &parvis,
        &[
            ("", (150, 100)),
            ("q=85", (150, 100)),
            ("fit=cover", (150, 100)),
            ("w=600", (600, 400)),
            ("h=300", (450, 300)),
        ],
    );
    let parvis = serve(&folder, "max_width = 240\nwidths = [400, 100, 200]");
    are(
        &parvis,
        &[
            ("", (240, 160)),
            ("w=99", (100, 67)),
            ("w=101", (200, 133)),
            ("w=201", (400, 267)),
            ("w=8000", (400, 267)),
            ("h=8000", (600, 400)),
        ],
    );
}

/// As Pillow does it: what is seen in a box, and what surrounds it.
#[test]
fn boxes_are_filled_from_the_middle_or_surrounded_by_the_background() {
    let folder = photograph();
    let parvis = serve(&folder, "background = \"#f08\"\nquality = 95");
    let references = folder.join("references");
    std::fs::create_dir(&references).unwrap();
    paint(
        &references,
        "whole = Image.open('../root/photo.jpg')\n\
         def keep(name, picture): picture.save(name + '.png')\n\
         lanczos = Image.Resampling.LANCZOS\n\
         keep('inside', whole.resize((300, 200), lanczos))\n\
         keep('wide', ImageOps.fit(whole, (300, 150), lanczos))\n\
         keep('square', ImageOps.fit(whole, (150, 150), lanczos))\n\
         keep('contain', ImageOps.pad(whole, (150, 150), lanczos, color=(255, 0, 136)))\n\
         canvas = Image.new('RGB', (640, 640), (255, 0, 136))\n\
         canvas.paste(whole, (20, 120))\n\
         keep('large', canvas)\n",
    );
    for (query, name) in [
        ("w=300", "inside"),
        ("w=300&h=150&fit=cover", "wide"),
        ("w=150&h=150&fit=cover", "square"),
        ("w=150&h=150&fit=contain", "contain"),
        ("w=640&h=640&fit=contain", "large"),
    ] {
        let path = format!("/photo.jpg?format=png&{query}");
        let found = look_at(picture(&parvis, &path, CURL, "image/png").body);
        let reference = std::fs::read(references.join(format!("{name}.png"))).unwrap();
        let apart = found.differs(&look_at(reference));
        // Decoders of JPEG differ by one here and there.
        assert!(apart < 1.5, "{query}: {apart}");
    }
}
