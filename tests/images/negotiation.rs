//! The format that a client takes, and what caches are told of it.

use crate::support::pictures::look_at;
use crate::{
    BRIEF, CHROMIUM, CURL, SAFARI, WEBP, ask, client, etag, finally, is_brief, made, original,
    painted, photograph, picture, serve, serve_with, settled,
};

const KEPT: &str = "public, max-age=600";
const ROUTE: &str = "cache_control = \"public, max-age=600\"";

#[test]
fn webp_comes_first_and_avif_as_soon_as_it_is_made() {
    let folder = photograph();
    let parvis = serve_with(&folder, "", ROUTE, "");
    for (accept, path) in [(CHROMIUM, "/photo.jpg?w=150"), (SAFARI, "/photo.jpg?w=300")] {
        let first = picture(&parvis, path, accept, "image/webp");
        assert_eq!(first.all("cache-control"), [BRIEF], "{}", first.head);
        assert_eq!(first.all("vary"), ["Accept"], "{}", first.head);
        let then = settled(&parvis, path, accept);
        assert_eq!(then.all("content-type"), ["image/avif"], "{}", then.head);
        assert_eq!(then.all("cache-control"), [KEPT], "{}", then.head);
        assert_eq!(then.all("vary"), ["Accept"], "{}", then.head);
        assert_ne!(etag(&then), etag(&first));
        let (before, after) = (look_at(&first.body), look_at(then.body));
        assert_eq!((&*before.format, &*after.format), ("WEBP", "AVIF"));
        assert_eq!(before.size(), after.size());
        assert!(before.differs(&after) < 4.0);
        // What the browser kept of the first one does not stand for the second.
        let fields = format!("Accept: {accept}\r\nIf-None-Match: {}\r\n", etag(&first));
        let again = client(&parvis).request("GET", path, &fields, b"");
        assert_eq!(again.status, 200);
        // Who does not take AVIF still gets WebP, and it is the last word.
        let webp = picture(&parvis, path, WEBP, "image/webp");
        assert_eq!(webp.all("cache-control"), [KEPT]);
        assert_eq!(etag(&webp), etag(&first));
    }
    assert_eq!((made(&parvis, "webp"), made(&parvis, "avif")), (2.0, 2.0));
}

#[test]
fn a_format_has_to_be_named_to_be_sent() {
    let folder = photograph();
    let parvis = serve(&folder, "formats = [\"webp\"]");
    let path = "/photo.jpg?w=150";
    for (accept, kind) in [
        (CURL, "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("image/*,*/*;q=0.8", "image/jpeg"),
        ("image/avif", "image/jpeg"),
        ("image/webp;q=0", "image/jpeg"),
        ("image/webp;q=0.000, image/*", "image/jpeg"),
        ("image/jpeg, image/webp;q=0.5", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("", "image/jpeg"),
        ("nonsense;;;,,,=", "image/jpeg"),
        ("image/webp", "image/webp"),
        ("IMAGE/WebP", "image/webp"),
        ("image/webp;q=0.001", "image/webp"),
        ("*/*, image/webp ; q=0.5", "image/webp"),
        (CHROMIUM, "image/webp"),
        (SAFARI, "image/webp"),
    ] {
        let reply = finally(&parvis, path, accept, kind);
        assert_eq!(reply.all("vary"), ["Accept"], "{accept}");
        let format = if kind == "image/webp" { "WEBP" } else { "JPEG" };
        assert_eq!(look_at(reply.body).format, format, "{accept}");
    }
    let silent = client(&parvis).get(path);
    assert_eq!(silent.all("content-type"), ["image/jpeg"]);
    assert_eq!(silent.all("vary"), ["Accept"]);
    let two = "Accept: text/html\r\nAccept: image/webp\r\n";
    // Of several fields all count.
    let two = client(&parvis).request("GET", path, two, b"");
    assert_eq!(two.all("content-type"), ["image/webp"]);
    assert_eq!((made(&parvis, "webp"), made(&parvis, "jpeg")), (1.0, 1.0));
}

#[test]
fn avif_without_webp_waits_behind_the_originals_own_format() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let accept = "image/avif,*/*";
    let first = picture(&parvis, "/photo.jpg?w=150", accept, "image/jpeg");
    assert!(is_brief(&first), "{}", first.head);
    let then = settled(&parvis, "/photo.jpg?w=150", accept);
    assert_eq!(then.all("content-type"), ["image/avif"]);
    assert_eq!((made(&parvis, "webp"), made(&parvis, "avif")), (0.0, 1.0));
}

#[test]
fn a_format_may_be_named_in_the_address() {
    let folder = painted("photo(150, 100).save('photo.jpg', quality=95)");
    let parvis = serve(&folder, "");
    for (name, kind, format) in [
        ("webp", "image/webp", "WEBP"),
        ("jpeg", "image/jpeg", "JPEG"),
        ("jpg", "image/jpeg", "JPEG"),
        ("png", "image/png", "PNG"),
        ("avif", "image/avif", "AVIF"),
    ] {
        for accept in [CURL, CHROMIUM, "image/gif"] {
            let path = format!("/photo.jpg?w=150&format={name}");
            let reply = picture(&parvis, &path, accept, kind);
            // It does not depend on what the client takes.
            assert_eq!(reply.field("vary"), None, "{name} {}", reply.head);
            assert!(!is_brief(&reply), "{name} {}", reply.head);
            let seen = look_at(reply.body);
            assert_eq!((&*seen.format, seen.size()), (format, (150, 100)));
        }
    }
    let auto = finally(&parvis, "/photo.jpg?w=150&format=auto", WEBP, "image/webp");
    assert_eq!(auto.all("vary"), ["Accept"]);
}

/// Whatever the original is, the client gets something that it shows.
#[test]
fn every_format_is_read_and_what_is_sent_can_be_shown() {
    let folder = painted(
        "soft = photo(600, 450)\n\
         soft.save('a.jpg', quality=95)\n\
         soft.save('a.png')\n\
         soft.convert('P', palette=Image.Palette.ADAPTIVE).save('a.gif')\n\
         soft.save('a.webp', quality=95)\n\
         soft.resize((300, 225)).save('a.avif', quality=90)\n\
         soft.save('a.bmp')\n\
         soft.save('a.tiff', compression='tiff_lzw')\n\
         hole = soft.convert('RGBA')\n\
         hole.putalpha(Image.linear_gradient('L').resize((600, 450)))\n\
         hole.save('b.webp', lossless=True)\n\
         hole.save('b.tiff')\n\
         hole.save('b.png')\n",
    );
    let parvis = serve(&folder, "formats = [\"webp\"]");
    for (name, old) in [
        ("a.jpg", "image/jpeg"),
        ("a.png", "image/png"),
        ("a.gif", "image/png"),
        ("a.webp", "image/jpeg"),
        ("a.avif", "image/jpeg"),
        ("a.bmp", "image/jpeg"),
        ("a.tiff", "image/jpeg"),
        ("b.webp", "image/png"),
        ("b.tiff", "image/png"),
        ("b.png", "image/png"),
    ] {
        let path = format!("/{name}?w=150");
        let truth = look_at(original(&folder, name));
        for (accept, kind) in [(CURL, old), (WEBP, "image/webp")] {
            let reply = finally(&parvis, &path, accept, kind);
            let seen = look_at(reply.body);
            assert_eq!(seen.size(), (150, 113), "{name} for {accept}");
            let middle =
                |seen: &crate::support::pictures::Seen| seen.pixel(seen.width / 2, seen.height / 2);
            for (found, is) in middle(&seen).into_iter().zip(middle(&truth)) {
                assert!(found.abs_diff(is) < 40, "{name} for {accept}");
            }
        }
    }
}

#[test]
fn the_original_is_sent_when_a_variant_would_be_larger() {
    let folder = painted(
        "photo(300, 200).save('rough.jpg', quality=20)\n\
         photo(300, 200).save('rough.webp', quality=10)\n\
         Image.new('RGB', (16, 16), 'red').save('dot.png', optimize=True)\n",
    );
    let parvis = serve(&folder, "");
    for (name, kind, accept) in [
        ("rough.jpg", "image/jpeg", CURL),
        ("dot.png", "image/png", CURL),
        ("rough.webp", "image/webp", WEBP),
    ] {
        for query in ["", "?w=640", "?q=100"] {
            let path = format!("/{name}{query}");
            let reply = finally(&parvis, &path, accept, kind);
            assert!(reply.body == original(&folder, name), "{path}");
            assert!(reply.field("vary").unwrap().starts_with("Accept"), "{path}");
        }
    }
    assert!(parvis.metric("parvis_images_not_smaller_total") >= 3.0);
    // A smaller size is smaller, and a format that is named is sent whatever it weighs.
    let small = picture(&parvis, "/rough.jpg?w=150&q=30", CURL, "image/jpeg");
    assert_eq!(look_at(small.body).size(), (150, 100));
    let named = picture(&parvis, "/rough.jpg?format=png", CURL, "image/png");
    assert_eq!(look_at(named.body).size(), (300, 200));
}

#[test]
fn what_is_no_picture_passes() {
    let folder = photograph();
    folder.write("root/notes.txt", "w=150");
    folder.write("root/film.mp4", "no film");
    let parvis = serve(&folder, "");
    for (path, kind) in [
        ("/notes.txt?w=none", "text/plain; charset=utf-8"),
        ("/film.mp4?w=150&w=150", "video/mp4"),
    ] {
        let reply = ask(&parvis, path, CHROMIUM);
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.all("content-type"), [kind]);
        let vary = reply.field("vary").unwrap_or_default();
        assert!(!vary.split(", ").any(|name| name == "Accept"), "{vary}");
    }
    assert_eq!(ask(&parvis, "/none.jpg?w=150", CHROMIUM).status, 404);
}
