//! Pages that come in pieces, or that are more than the parser takes.

use super::*;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

#[test]
fn a_page_that_trickles_trickles() {
    let page =
        "<p>Hello, <b>you</b><!-- c --><script>1 < 2</script> &amp; so on <img src=/m/a.jpg> x";
    let mut rewriter = rewriter(UTF8);
    let (mut taken, mut out) = (String::new(), Vec::new());
    for byte in page.bytes() {
        taken.push(char::from(byte));
        out.extend(rewriter.write(&[byte]));
        let given = without_additions(&out).len();
        // All but a tag that is not complete.
        let open = taken.rfind('<').filter(|at| !taken[*at..].contains('>'));
        assert!(given >= open.unwrap_or(taken.len()), "{taken}: {given}");
    }
    out.extend(rewriter.end());
    assert_eq!(out, through(UTF8, page.as_bytes()));
}

#[test]
fn a_page_beyond_the_parsers_memory_passes_whole() {
    let picture = "<img  src=/m/a.jpg>";
    let large = format!("<img  src='data:,{}'>", "A".repeat(300_000));
    let deep = "<div>".repeat(100_000);
    for heavy in [large, deep] {
        let page = format!("{picture}{heavy}{picture}");
        for size in [1_000, 100_000] {
            let mut rewriter = rewriter(UTF8);
            let mut out = Vec::new();
            for piece in page.as_bytes().chunks(size) {
                out.extend(rewriter.write(piece));
            }
            out.extend(rewriter.end());
            assert!(rewriter.passes());
            assert!(out.starts_with(b"<img decoding"));
            assert!(out.ends_with(picture.as_bytes()));
            assert!(without_additions(&out) == page.as_bytes());
        }
    }
}

#[test]
fn markup_that_readers_disagree_on_ends_the_help() {
    let page = "<img  src=/m/a.jpg><select><xmp><img  src=/m/a.jpg></select> and so on <img";
    for size in 1..page.len() {
        let mut rewriter = rewriter(UTF8);
        let mut out = Vec::new();
        for piece in page.as_bytes().chunks(size) {
            out.extend(rewriter.write(piece));
        }
        out.extend(rewriter.end());
        let added = format!("{ALL}{EARLY}");
        assert_eq!(
            String::from_utf8(out).unwrap(),
            page.replacen("  src", &format!("{added}  src"), 1)
        );
    }
}

/// What pages are made of, and what they should not be made of. Images have two spaces before
/// their attributes, so that what was added can be told.
const PARTS: [&str; 58] = [
    "<img  src=/m/a.jpg>",
    "<img  src=\"/m/b.jpg?v=1&amp;x=2\" alt='x > y'>",
    "<IMG\nSRC=/m/c.jpg/>",
    "<img  src=/m/d.jpg width=3>",
    "<img  width=3 height=4 src='/m/d.jpg' loading=lazy />",
    "<img  srcset='/m/x 2x' src=/m/x>",
    "<img/src=/m/e.jpg>",
    "<img  src=\"/m/",
    "<img",
    "<img ",
    "<img  =\"'>",
    "<img  src=/m/f.jpg src=/n/>",
    "<img  src=/m/\u{444}.jpg>",
    "<",
    ">",
    "</",
    "/>",
    "\"",
    "'",
    "=",
    "&",
    "&amp;",
    "<!--",
    "-->",
    "--!>",
    "<!",
    "<!DOCTYPE html>",
    "<![CDATA[",
    "]]>",
    "<script>",
    "</script>",
    "<script",
    "<style>",
    "</style>",
    "<textarea>",
    "</textarea>",
    "<title>",
    "</title>",
    "<noscript>",
    "</noscript>",
    "<template>",
    "</template>",
    "<picture>",
    "</picture>",
    "<svg>",
    "</svg>",
    "<math>",
    "<mi>",
    "</math>",
    "<p>",
    "</p>",
    "<div a=b>",
    "</div>",
    " text ",
    "\u{444}\u{1f600}",
    "<base href=/m/>",
    "<meta charset=utf-8>",
    "\0",
];

fn random_page(rng: &mut StdRng) -> Vec<u8> {
    let mut page = Vec::new();
    for _ in 0..rng.gen_range(0..60) {
        match rng.gen_range(0..50) {
            0 => page.push(rng.r#gen()),
            1 => page.extend_from_slice(b"<select>"),
            2 => page.extend_from_slice(b"<br   >"),
            _ => page.extend_from_slice(PARTS.choose(rng).unwrap().as_bytes()),
        }
    }
    page
}

#[test]
fn a_page_in_pieces_is_the_page_with_additions() {
    const TYPES: [&str; 4] = [
        UTF8,
        "text/html",
        "text/html; charset=windows-1251",
        "text/html; charset=shift_jis",
    ];
    let mut rng = StdRng::seed_from_u64(6);
    let mut changed = 0;
    for round in 0..5_000 {
        let page = random_page(&mut rng);
        let content_type = TYPES[round % TYPES.len()];
        let mut rewriter = rewriter(content_type);
        let mut out = Vec::new();
        let mut rest = page.as_slice();
        while !rest.is_empty() {
            let most = if rng.gen_bool(0.5) { 4 } else { rest.len() };
            let (piece, after) = rest.split_at(rng.gen_range(0..=most.min(rest.len())));
            out.extend(rewriter.write(piece));
            rest = after;
        }
        out.extend(rewriter.end());
        let shown = String::from_utf8_lossy(&page);
        assert_eq!(without_additions(&out), page, "{shown}");
        assert_eq!(out, through(content_type, &page), "{shown}");
        changed += usize::from(out != page);
    }
    assert!(changed > 1_000, "{changed}");
}
