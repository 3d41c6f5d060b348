//! Quality, blur, and placeholders.

use crate::support::Reply;
use crate::support::pictures::{Seen, look_at};
use crate::{CHROMIUM, CURL, ask, etag, painted, photograph, picture, serve};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

#[test]
fn quality_is_rounded_up_and_shows_in_the_size() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let ask = |query: &str| {
        let path = format!("/photo.jpg?w=300&format=webp{query}");
        picture(&parvis, &path, CURL, "image/webp")
    };
    let sizes: Vec<usize> = ["&q=30", "&q=50", "&q=70", "&q=85", "&q=100"]
        .iter()
        .map(|query| ask(query).body.len())
        .collect();
    assert!(sizes.is_sorted() && sizes[0] < sizes[4] / 2, "{sizes:?}");
    for (query, same) in [
        ("", "&q=85"),
        ("&q=1", "&q=30"),
        ("&q=31", "&q=50"),
        ("&q=71", "&q=85"),
        ("&q=86", "&q=100"),
    ] {
        assert_eq!(etag(&ask(query)), etag(&ask(same)), "{query}");
    }
    let parvis = serve(&folder, "quality = 40");
    let ask = |query: &str| {
        let path = format!("/photo.jpg?w=150&format=webp{query}");
        etag(&picture(&parvis, &path, CURL, "image/webp"))
    };
    assert_eq!(ask(""), ask("&q=31"));
    assert_eq!(ask("&q=41"), ask("&q=50"));
}

/// How much neighbours differ.
fn roughness(seen: &Seen) -> u64 {
    let row = seen.width as usize * 4;
    let rows = seen.pixels[0].chunks(row);
    rows.flat_map(|row| row.chunks(4).zip(row.chunks(4).skip(1)))
        .map(|(one, next)| u64::from(one[1].abs_diff(next[1])))
        .sum()
}

#[test]
fn blur_is_a_tiny_picture_or_one_of_the_size_that_is_asked_for() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let seen = |query: &str| {
        let path = format!("/photo.jpg?format=png&{query}");
        look_at(picture(&parvis, &path, CURL, "image/png").body)
    };
    for query in ["blur", "blur=5", "blur=100", "placeholder=0&blur"] {
        assert_eq!(seen(query).size(), (20, 13), "{query}");
    }
    let (sharp, soft, softer) = (seen("w=150"), seen("w=150&blur=2"), seen("w=150&blur=20"));
    assert_eq!(soft.size(), (150, 100));
    assert_eq!(softer.size(), (150, 100));
    let rough = [roughness(&sharp), roughness(&soft), roughness(&softer)];
    assert!(rough[0] > rough[1] && rough[1] > rough[2] * 2, "{rough:?}");
    let tag = |query: &str| {
        let path = format!("/photo.jpg?format=png&w=150&{query}");
        etag(&picture(&parvis, &path, CURL, "image/png"))
    };
    assert_eq!(tag("blur=1"), tag("blur=2"));
    assert_eq!(tag("blur=11"), tag("blur=20"));
    assert_ne!(tag("blur=10"), tag("blur=20"));
}

/// The picture within a data URI.
fn within(reply: &Reply) -> Seen {
    assert_eq!(reply.status, 200, "{}", reply.head);
    let kind = reply.field("content-type").unwrap();
    assert_eq!(kind.split(';').next(), Some("text/plain"), "{kind}");
    let text = reply.text();
    let (head, body) = text.split_once(";base64,").expect(&text);
    let seen = look_at(STANDARD.decode(body).unwrap());
    let format = head.strip_prefix("data:image/").unwrap().to_uppercase();
    assert_eq!(seen.format, format);
    seen
}

#[test]
fn a_placeholder_is_text_for_a_page() {
    let folder = painted(
        "photo(600, 400).save('wide.jpg', quality=95)\n\
         photo(100, 3000).save('high.png')\n\
         hole = Image.new('RGBA', (200, 200), (0, 0, 0, 0))\n\
         hole.paste((255, 0, 0, 255), (0, 0, 100, 200))\n\
         hole.save('hole.png')\n\
         Image.new('RGB', (8, 8), 'blue').save('dot.png')\n",
    );
    let parvis = serve(&folder, "");
    for (path, size) in [
        ("/wide.jpg?placeholder", (20, 13)),
        ("/wide.jpg?placeholder=1", (20, 13)),
        ("/wide.jpg?w=640&h=640&fit=cover&placeholder", (20, 20)),
        ("/high.png?placeholder", (1, 40)),
        ("/hole.png?placeholder", (20, 20)),
        ("/dot.png?placeholder", (8, 8)),
    ] {
        let reply = ask(&parvis, path, CHROMIUM);
        assert!(reply.body.len() < 1500, "{path}: {}", reply.body.len());
        // Text is the same for everybody.
        let vary = reply.field("vary").unwrap_or_default();
        assert!(!vary.split(", ").any(|name| name == "Accept"), "{vary}");
        assert_eq!(within(&reply).size(), size, "{path}");
        assert_eq!(within(&ask(&parvis, path, CURL)).size(), size);
    }
    let hole = within(&ask(&parvis, "/hole.png?placeholder", CURL));
    assert!(hole.pixel(2, 10)[3] > 240 && hole.pixel(17, 10)[3] < 15);
    for format in ["jpeg", "png", "webp"] {
        let path = format!("/wide.jpg?placeholder&format={format}");
        let seen = within(&ask(&parvis, &path, CURL));
        assert_eq!(seen.format, format.to_uppercase());
    }
    let off = picture(&parvis, "/wide.jpg?placeholder=0&w=150", CURL, "image/jpeg");
    assert_eq!(look_at(off.body).size(), (150, 100));
}

#[test]
fn without_webp_a_placeholder_is_in_older_formats() {
    let folder = photograph();
    let parvis = serve(&folder, "formats = []");
    let seen = within(&ask(&parvis, "/photo.jpg?placeholder", CHROMIUM));
    assert_eq!((&*seen.format, seen.size()), ("JPEG", (20, 13)));
    picture(&parvis, "/photo.jpg", CHROMIUM, "image/jpeg");
    let refused = ask(&parvis, "/photo.jpg?format=webp", CHROMIUM);
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("jpeg, png or auto"));
}
