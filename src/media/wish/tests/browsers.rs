use super::*;

/// What becomes of a JPEG in each browser, and of a WebP.
#[test]
fn browsers_get_what_they_take() {
    use Format::{Avif, Jpeg, WebP};
    let new = (&[Avif, WebP, Jpeg][..], &[Avif, WebP][..]);
    let webp = (&[WebP, Jpeg][..], &[WebP][..]);
    let old = (&[Jpeg][..], &[Jpeg][..]);
    for (browser, accept, (of_jpeg, of_webp)) in [
        ("Chromium's <img>", CHROMIUM, new),
        (
            "Chromium's address bar",
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7",
            new,
        ),
        (
            "Chromium 84",
            "image/webp,image/apng,image/*,*/*;q=0.8",
            webp,
        ),
        (
            "Firefox 132's <img>",
            "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
            new,
        ),
        ("Firefox 93 to 127", "image/avif,image/webp,*/*", new),
        ("Firefox 65 to 92", "image/webp,*/*", webp),
        ("Firefox 64", "*/*", old),
        (
            "Firefox's address bar",
            "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
            old,
        ),
        (
            "Safari 17's <img>",
            "image/webp,image/avif,image/jxl,image/heic,image/heic-sequence,video/*;q=0.8,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
            new,
        ),
        (
            "Safari 14's <img>",
            "image/webp,image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
            webp,
        ),
        (
            "Safari 13's <img>",
            "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
            old,
        ),
        ("curl", "*/*", old),
        (
            "Googlebot",
            "text/html,application/xhtml+xml,application/signed-exchange;v=b3,application/xml;q=0.9,*/*;q=0.8",
            old,
        ),
        (
            "Internet Explorer",
            "image/png, image/svg+xml, image/jxr, image/*;q=0.8, */*;q=0.5",
            old,
        ),
        ("nobody", "", old),
    ] {
        assert_eq!(formats(accept, Format::Jpeg), of_jpeg, "{browser}");
        assert_eq!(formats(accept, Format::WebP), of_webp, "{browser}");
    }
    let nothing_said = policy().wish(b"/", None, &HeaderMap::new()).unwrap();
    let recipes = nothing_said.recipes(&photo(4000, 3000));
    assert_eq!(recipes.len(), 1);
}

/// RFC 9110 section 12.4.2 and 12.5.1.
#[test]
fn weights_decide_and_the_configured_order_breaks_ties() {
    use Format::{Avif, Jpeg, WebP};
    for (accept, expected) in [
        ("image/webp, image/avif", &[Avif, WebP, Jpeg][..]),
        ("image/avif;q=0.5, image/webp", &[WebP, Avif, Jpeg]),
        ("image/avif;q=0.899, image/webp;q=0.9", &[WebP, Avif, Jpeg]),
        ("image/avif;q=0, image/webp", &[WebP, Jpeg]),
        ("image/avif;q=0.000, image/webp;q=0.001", &[WebP, Jpeg]),
        ("image/avif, image/avif;q=0", &[Jpeg]),
        ("IMAGE/AVIF;Q=1.0", &[Avif, Jpeg]),
        (" image/webp ; q = 0.5 ,, ", &[WebP, Jpeg]),
        ("image/webp;level=1;q=0.5", &[WebP, Jpeg]),
        ("image/webp;q", &[WebP, Jpeg]),
        ("image/jpeg, image/webp;q=0.5", &[Jpeg]),
        ("image/jpeg;q=0.5, image/webp;q=0.5", &[WebP, Jpeg]),
        ("image/webp;q=2", &[Jpeg]),
        ("image/webp;q=0.1234", &[Jpeg]),
        ("image/webp;q=1.001", &[Jpeg]),
        ("image/webp;q=", &[Jpeg]),
        ("image/webpx, ximage/webp, image/, image, /webp", &[Jpeg]),
        ("image/*", &[Jpeg]),
        ("*/*", &[Jpeg]),
    ] {
        assert_eq!(formats(accept, Format::Jpeg), expected, "{accept:?}");
    }
    let lines = fields(&[("accept", "image/webp"), ("accept", "image/avif;q=0.9")]);
    let wish = policy().wish(b"/", None, &lines).unwrap();
    let formats: Vec<_> = wish
        .recipes(&photo(4000, 3000))
        .iter()
        .map(|recipe| recipe.format)
        .collect();
    assert_eq!(formats, [WebP, Avif, Jpeg]);
}

fn formats(accept: &str, original: Format) -> Vec<Format> {
    let headers = fields(&[("accept", accept)]);
    let wish = policy().wish(b"/", None, &headers).unwrap();
    assert_eq!(wish.vary(), Some("Accept, Sec-CH-Width, Width"));
    let facts = Facts {
        format: original,
        ..photo(4000, 3000)
    };
    let recipes = wish.recipes(&facts);
    recipes.iter().map(|recipe| recipe.format).collect()
}
