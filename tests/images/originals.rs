//! Originals that are no sound pictures, or too large: sent as they are, or refused where the
//! operator wants that.

use crate::support::pictures::look_at;
use crate::support::{Folder, Parvis};
use crate::{CHROMIUM, CURL, WEBP, ask, is_brief, lives, original, painted, picture, serve};

/// Broken in ways that are found out early and late.
const BROKEN: [&str; 9] = [
    "noise.jpg",
    "empty.jpg",
    "head.jpg",
    "half.png",
    "wide.png",
    "wide.gif",
    "half.webp",
    "half.avif",
    "large.jpg",
];

/// Without pixels, those whose decoders show what there is of them are no mistakes.
fn broken() -> Folder {
    painted(
        "soft = photo(300, 200)\n\
         def cut(name, part, **how):\n\
         \x20   soft.save(name, **how)\n\
         \x20   whole = open(name, 'rb').read()\n\
         \x20   open(name, 'wb').write(whole[:int(len(whole) * part)])\n\
         open('noise.jpg', 'wb').write(random.Random(1).randbytes(5000))\n\
         open('empty.jpg', 'wb').close()\n\
         cut('head.jpg', 0.01, quality=95)\n\
         cut('half.png', 0.5)\n\
         cut('half.webp', 0.5)\n\
         cut('half.avif', 0.5)\n\
         def chunk(kind, data):\n\
         \x20   return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
         wide = struct.pack('>IIBBBBB', 30000, 30000, 8, 2, 0, 0, 0)\n\
         open('wide.png', 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', wide)\n\
         \x20   + chunk(b'IDAT', zlib.compress(bytes(90001))) + chunk(b'IEND', b''))\n\
         soft.save('wide.gif')\n\
         gif = bytearray(open('wide.gif', 'rb').read())\n\
         gif[6:10] = struct.pack('<HH', 60000, 60000)\n\
         open('wide.gif', 'wb').write(gif)\n\
         soft.save('large.jpg', quality=95)\n\
         with open('large.jpg', 'ab') as large: large.truncate(20_000_001)\n\
         soft.save('allowed.jpg', quality=95)\n\
         with open('allowed.jpg', 'ab') as allowed: allowed.truncate(20_000_000)\n\
         soft.save('sound.jpg', quality=95)\n",
    )
}

fn as_it_is(parvis: &Parvis, folder: &Folder, name: &str) {
    for (query, accept) in [
        ("?w=150", CURL),
        ("?w=150", CHROMIUM),
        ("?format=webp", CURL),
        ("?placeholder", CURL),
        ("", WEBP),
    ] {
        let reply = ask(parvis, &format!("/{name}{query}"), accept);
        assert_eq!(reply.status, 200, "{name}{query}: {}", reply.head);
        assert!(reply.body == original(folder, name), "{name}{query}");
        // It is what will be sent from now on.
        assert!(!is_brief(&reply), "{name}{query}: {}", reply.head);
    }
}

#[test]
fn what_is_no_sound_picture_is_sent_as_it_is() {
    let folder = broken();
    let mut parvis = serve(&folder, "");
    for name in BROKEN {
        as_it_is(&parvis, &folder, name);
    }
    for (reason, least) in [
        ("too_many_pixels", 2.0),
        ("too_large", 1.0),
        ("broken", 1.0),
    ] {
        let series = format!("parvis_images_faults_total{{reason=\"{reason}\"}}");
        assert!(parvis.metric(&series) >= least, "{reason}");
    }
    for name in ["sound.jpg", "allowed.jpg"] {
        let reply = picture(&parvis, &format!("/{name}?w=150"), WEBP, "image/webp");
        assert_eq!(look_at(reply.body).size(), (150, 100), "{name}");
    }
    lives(&mut parvis);
}

#[test]
fn where_the_route_is_strict_it_is_422() {
    let folder = broken();
    folder.write("root/mark.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    let mut parvis = serve(&folder, "strict = true");
    for name in BROKEN {
        for query in ["?w=150", "", "?format=png", "?placeholder"] {
            for _ in 0..2 {
                let reply = ask(&parvis, &format!("/{name}{query}"), WEBP);
                assert_eq!(reply.status, 422, "{name}{query}");
                assert!(reply.body != original(&folder, name));
                let kept = reply.field("cache-control").unwrap_or_default();
                assert!(!kept.contains("immutable"), "{kept}");
            }
        }
    }
    picture(&parvis, "/sound.jpg?w=150", CURL, "image/jpeg");
    picture(&parvis, "/mark.svg", CURL, "image/svg+xml; charset=utf-8");
    lives(&mut parvis);
}

/// The operator's own limits.
#[test]
fn limits_can_be_set() {
    let folder = painted(
        "photo(300, 200).save('a.png')\n\
         photo(100, 100).save('b.png')\n",
    );
    for limit in ["max_pixels = 59_999", "max_size = \"30KB\""] {
        let parvis = serve(&folder, limit);
        let reply = picture(&parvis, "/a.png?w=150", WEBP, "image/png");
        assert!(reply.body == original(&folder, "a.png"), "{limit}");
        picture(&parvis, "/b.png?w=150", WEBP, "image/webp");
    }
    let parvis = serve(&folder, "max_pixels = 60_000");
    picture(&parvis, "/a.png?w=150", WEBP, "image/webp");
}

/// A file whose name says something else than what it is.
#[test]
fn what_a_file_is_tells_its_content() {
    let folder = painted(
        "photo(300, 200).save('a.png')\n\
         os.rename('a.png', 'a.jpg')\n\
         photo(300, 200).save('b.gif')\n\
         os.rename('b.gif', 'b.webp')\n",
    );
    let parvis = serve(&folder, "");
    for name in ["a.jpg", "b.webp"] {
        let reply = picture(
            &parvis,
            &format!("/{name}?w=150&format=webp"),
            CURL,
            "image/webp",
        );
        assert_eq!(look_at(reply.body).size(), (150, 100), "{name}");
        let reply = picture(&parvis, &format!("/{name}?w=150"), CURL, "image/png");
        assert_eq!(look_at(reply.body).format, "PNG", "{name}");
    }
}

/// A file that cannot be opened is what it is without `images`: no picture, and no 500.
#[test]
fn a_missing_original_is_404_with_every_parameter() {
    let folder = painted("photo(60, 40).save('a.png')");
    let parvis = serve(&folder, "");
    for query in ["", "?w=150", "?w=none", "?placeholder", "?format=webp"] {
        assert_eq!(ask(&parvis, &format!("/none.png{query}"), WEBP).status, 404);
    }
    std::fs::remove_file(folder.join("root/a.png")).unwrap();
    crate::eventually("it is gone", || {
        (ask(&parvis, "/a.png?w=150", WEBP).status == 404).then_some(())
    });
}
