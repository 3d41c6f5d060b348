//! What pictures show, against what Pillow shows of the same originals.

use crate::support::pictures::{Seen, look, look_at};
use crate::support::{Folder, Parvis};
use crate::{CHROMIUM, CURL, WEBP, original, painted, picture, serve, settled};

fn truth(folder: &Folder, name: &str) -> Seen {
    look_at(original(folder, name))
}

fn shown(parvis: &Parvis, path: &str, format: &str) -> Seen {
    let path = format!(
        "{path}{}format={format}",
        if path.contains('?') { '&' } else { '?' }
    );
    look_at(picture(parvis, &path, CURL, &format!("image/{format}")).body)
}

#[test]
fn pictures_are_turned_upright() {
    let folder = painted(
        "upright = quarters(96, 64)\n\
         upright.save('truth.png')\n\
         back = {1: None, 2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}\n\
         for turn, undone in back.items():\n\
         \x20   stored = upright if undone is None else upright.transpose(Image.Transpose(undone))\n\
         \x20   exif = Image.Exif()\n\
         \x20   exif[0x0112] = turn\n\
         \x20   stored.save(f'{turn}.jpg', quality=98, subsampling=0, exif=exif)\n\
         \x20   assert ImageOps.exif_transpose(Image.open(f'{turn}.jpg')).size == upright.size\n\
         \x20   there = ImageOps.exif_transpose(Image.open(f'{turn}.jpg')).getpixel((20, 12))\n\
         \x20   assert there[0] > 200 and there[1] < 40, (turn, there)\n\
         \x20   stored.save(f'{turn}.webp', lossless=True, exif=exif)\n\
         \x20   stored.save(f'{turn}.png', exif=exif)\n",
    );
    let parvis = serve(&folder, "widths = [48, 96]\nquality = 95");
    let truth = truth(&folder, "truth.png");
    for turn in 1..=8 {
        for kind in ["jpg", "png", "webp"] {
            let path = format!("/{turn}.{kind}");
            for format in ["png", "webp", "jpeg"] {
                if format == kind {
                    continue;
                }
                let seen = shown(&parvis, &path, format);
                assert_eq!(seen.size(), (96, 64), "{path} {format}");
                let apart = seen.differs(&truth);
                assert!(apart < 5.0, "{path} {format}: {apart}");
                assert_eq!(seen.metadata, [""; 0], "{path} {format}");
            }
        }
        // The size is that of the upright picture.
        let seen = shown(&parvis, &format!("/{turn}.jpg?w=48"), "png");
        assert_eq!(seen.size(), (48, 32), "{turn}");
        for (x, y) in [(10, 6), (38, 6), (10, 25), (38, 25)] {
            for (found, is) in seen.pixel(x, y).into_iter().zip(truth.pixel(x * 2, y * 2)) {
                assert!(found.abs_diff(is) < 12, "{turn} {x} {y}");
            }
        }
    }
}

/// Where a photograph was taken is nobody's business, whatever else happens to it.
#[test]
fn metadata_is_gone_from_every_variant() {
    let folder = painted(
        "exif = Image.Exif()\n\
         exif[0x010f] = 'Make of the camera'\n\
         exif[0x0112] = 6\n\
         exif.get_ifd(0x8825).update({1: 'N', 2: (48.0, 12.0, 30.5), 3: 'E', 4: (16.0, 22.0, 1.0)})\n\
         xmp = b'<x:xmpmeta>secret place</x:xmpmeta>'\n\
         soft = photo(300, 200)\n\
         how = {'exif': exif, 'quality': 95}\n\
         soft.save('a.jpg', xmp=xmp, comment=b'secret place', **how)\n\
         soft.save('a.webp', xmp=xmp, **how)\n\
         soft.save('a.avif', xmp=xmp, **how)\n\
         soft.save('a.png', exif=exif)\n\
         soft.save('a.tiff', exif=exif)\n\
         assert b'Make of the camera' in open('a.jpg', 'rb').read()\n\
         assert Image.open('a.jpg').getexif().get_ifd(0x8825)[1] == 'N'\n",
    );
    let parvis = serve(&folder, "");
    for name in ["a.jpg", "a.webp", "a.avif", "a.png", "a.tiff"] {
        // AVIF takes long.
        let avif = (name == "a.jpg").then_some("avif");
        for format in ["webp", "jpeg", "png"].into_iter().chain(avif) {
            let path = format!("/{name}?w=150&format={format}");
            let reply = picture(&parvis, &path, CURL, &format!("image/{format}"));
            let has = |what: &[u8]| reply.body.windows(what.len()).any(|part| part == what);
            for what in ["Make of", "secret", "Exif\0", "xmp", "GPS"] {
                assert!(!has(what.as_bytes()), "{path}: {what}");
            }
            let seen = look_at(&reply.body);
            assert_eq!(seen.metadata, [""; 0], "{path}");
        }
    }
    let reply = settled(&parvis, "/a.jpg", CHROMIUM);
    assert_eq!(reply.all("content-type"), ["image/avif"]);
    assert_eq!(look_at(reply.body).metadata, [""; 0]);
}

#[test]
fn kinds_of_pixels_are_read_as_others_read_them() {
    let folder = painted(
        "soft = photo(150, 100)\n\
         grey = soft.convert('L')\n\
         def chunk(kind, data):\n\
         \x20   return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
         def deep(name, picture, kind, channels):\n\
         \x20   data, row = picture.tobytes(), picture.width * channels\n\
         \x20   rows = [data[at:at + row] for at in range(0, len(data), row)]\n\
         \x20   twice = b''.join(b'\\0' + bytes(b for v in r for b in (v, v)) for r in rows)\n\
         \x20   head = struct.pack('>IIBBBBB', *picture.size, 16, kind, 0, 0, 0)\n\
         \x20   open(name, 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head)\n\
         \x20       + chunk(b'IDAT', zlib.compress(twice)) + chunk(b'IEND', b''))\n\
         def pair(name, picture, truth, **how):\n\
         \x20   picture.save(name, **how)\n\
         \x20   truth.convert('RGBA').save('truth.' + name + '.png')\n\
         hole = soft.convert('RGBA')\n\
         hole.putalpha(Image.linear_gradient('L').resize((150, 100)))\n\
         few = soft.quantize(32)\n\
         pair('plain.jpg', soft, soft, quality=98, subsampling=0)\n\
         pair('progressive.jpg', soft, soft, quality=98, subsampling=0, progressive=True)\n\
         pair('sub.jpg', soft, soft, quality=98)\n\
         pair('grey.jpg', grey, grey, quality=98)\n\
         cmyk = soft.convert('CMYK')\n\
         pair('cmyk.jpg', cmyk, cmyk.convert('RGB'), quality=98)\n\
         pair('grey.png', grey, grey)\n\
         pair('grey-alpha.png', hole.convert('LA'), hole.convert('LA'))\n\
         pair('palette.png', few, few.convert('RGB'))\n\
         bits = soft.convert('1')\n\
         pair('bits.png', bits, bits.convert('L'))\n\
         clear = few.copy()\n\
         clear.info['transparency'] = 3\n\
         clear.save('clear.png', transparency=3)\n\
         Image.open('clear.png').convert('RGBA').save('truth.clear.png.png')\n\
         pair('alpha.png', hole, hole)\n\
         pair('alpha.webp', hole, hole, lossless=True)\n\
         pair('lossy.webp', soft, soft, quality=98)\n\
         pair('few.gif', few, few.convert('RGB'))\n\
         pair('rgb.bmp', soft, soft)\n\
         pair('palette.bmp', few, few.convert('RGB'))\n\
         pair('rgb.tiff', soft, soft)\n\
         pair('lzw.tiff', soft, soft, compression='tiff_lzw')\n\
         pair('deflate.tiff', hole, hole, compression='tiff_deflate')\n\
         pair('grey.tiff', grey, grey)\n\
         pair('soft.avif', soft, soft, quality=95, subsampling='4:4:4')\n\
         pair('alpha.avif', hole, hole, quality=95, subsampling='4:4:4')\n\
         deep('deep.png', soft, 2, 3)\n\
         soft.convert('RGBA').save('truth.deep.png.png')\n\
         deep('deep-grey.png', grey, 0, 1)\n\
         grey.convert('RGBA').save('truth.deep-grey.png.png')\n\
         deep('deep-alpha.png', hole, 6, 4)\n\
         hole.save('truth.deep-alpha.png.png')\n",
    );
    let mut names: Vec<String> = std::fs::read_dir(folder.join("root"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with("truth."))
        .collect();
    names.sort();
    assert_eq!(names.len(), 25, "{names:?}");
    let parvis = serve(&folder, "");
    let found = names
        .iter()
        .map(|name| picture(&parvis, &format!("/{name}?format=png"), CURL, "image/png").body);
    let found = look(&found.collect::<Vec<_>>());
    let truths = names
        .iter()
        .map(|name| original(&folder, &format!("truth.{name}.png")));
    let truths = look(&truths.collect::<Vec<_>>());
    for ((name, found), truth) in names.iter().zip(found).zip(truths) {
        let apart = visible(&found, &truth);
        // What was lossy before is decoded a little otherwise by each decoder.
        let lossy =
            ["jpg", "avif"].iter().any(|kind| name.ends_with(kind)) || name.starts_with("lossy");
        let most = if lossy { 4.0 } else { 0.6 };
        assert!(apart < most, "{name}: {apart}");
    }
}

/// How much two pictures differ to the eye: colours count as much as they are seen.
fn visible(one: &Seen, other: &Seen) -> f64 {
    let premultiplied = |seen: &Seen| Seen {
        pixels: vec![
            seen.pixels[0]
                .chunks(4)
                .flat_map(|p| {
                    let seen = |c: u8| (u16::from(c) * u16::from(p[3]) / 255) as u8;
                    [seen(p[0]), seen(p[1]), seen(p[2]), p[3]]
                })
                .collect(),
        ],
        ..seen.clone()
    };
    premultiplied(one).differs(&premultiplied(other))
}

#[test]
fn transparency_is_kept_or_shows_the_configured_colour() {
    let folder = painted(
        "hole = Image.new('RGBA', (150, 100), (0, 0, 0, 0))\n\
         hole.paste((20, 60, 200, 255), (0, 0, 50, 100))\n\
         hole.paste((20, 60, 200, 128), (50, 0, 100, 100))\n\
         hole.save('hole.png')\n\
         hole.save('hole.webp', lossless=True)\n",
    );
    for (images, red) in [
        ("", 255),
        ("background = \"#ff8000\"", 255),
        ("background = \"#000\"", 0),
    ] {
        let parvis = serve(&folder, images);
        let seen = shown(&parvis, "/hole.png", "jpeg");
        let near = |found: [u8; 4], is: [u8; 3]| {
            let apart = found
                .iter()
                .zip(is)
                .map(|(found, is)| found.abs_diff(is))
                .max();
            assert!(apart.unwrap() < 14, "{images}: {found:?}, not {is:?}");
        };
        let green = if images.contains("80") { 128 } else { red };
        let blue = if images.contains("ff8") { 0 } else { red };
        near(seen.pixel(25, 50), [20, 60, 200]);
        near(seen.pixel(125, 50), [red, green, blue]);
        let half = |of: u16, behind: u8| ((of + u16::from(behind)) / 2) as u8;
        near(
            seen.pixel(75, 50),
            [half(20, red), half(60, green), half(200, blue)],
        );
    }
    let parvis = serve(&folder, "");
    for (name, format) in [
        ("hole.png", "webp"),
        ("hole.png", "avif"),
        ("hole.webp", "png"),
        ("hole.webp", "avif"),
    ] {
        let seen = shown(&parvis, &format!("/{name}"), format);
        for (x, alpha) in [(25, 255_u8), (75, 128), (125, 0)] {
            let found = seen.pixel(x, 50)[3];
            assert!(found.abs_diff(alpha) < 8, "{name} {format} {x}: {found}");
        }
    }
}

/// A profile that swaps what is red and what is green: whoever ignores it shows other colours.
#[test]
fn colours_are_those_of_the_profile() {
    let folder = painted(
        "wide = photo(150, 100)\n\
         import array\n\
         def s15(v): return struct.pack('>i', round(v * 65536))\n\
         def xyz(x, y, z): return b'XYZ ' + bytes(4) + s15(x) + s15(y) + s15(z)\n\
         def text(t): return b'desc' + bytes(4) + struct.pack('>I', len(t) + 1) + t + bytes(79)\n\
         curve = b'curv' + bytes(4) + struct.pack('>IH', 1, 563) + bytes(2)\n\
         tags = {b'desc': text(b'swapped'), b'wtpt': xyz(0.9642, 1, 0.8249), b'cprt': b'text' + bytes(8),\n\
         \x20   b'rXYZ': xyz(0.3851, 0.7169, 0.0971), b'gXYZ': xyz(0.4361, 0.2225, 0.0139),\n\
         \x20   b'bXYZ': xyz(0.1431, 0.0606, 0.7141), b'rTRC': curve, b'gTRC': curve, b'bTRC': curve}\n\
         at, table, data = 128 + 4 + 12 * len(tags), b'', b''\n\
         for name, body in tags.items():\n\
         \x20   body += bytes(-len(body) % 4)\n\
         \x20   table += name + struct.pack('>II', at + len(data), len(body))\n\
         \x20   data += body\n\
         head = struct.pack('>I4sI4s4s4s', at + len(data), b'none', 0x02400000, b'mntr', b'RGB ', b'XYZ ')\n\
         head += struct.pack('>6H', 2026, 1, 1, 0, 0, 0) + b'acsp' + bytes(28) + s15(0.9642) + s15(1) + s15(0.8249)\n\
         icc = head + bytes(128 - len(head)) + struct.pack('>I', len(tags)) + table + data\n\
         srgb = ImageCms.createProfile('sRGB')\n\
         profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))\n\
         ImageCms.profileToProfile(wide, profile, srgb).save('truth.png')\n\
         wide.save('bare.png')\n\
         wide.save('a.png', icc_profile=icc)\n\
         wide.save('a.jpg', icc_profile=icc, quality=98, subsampling=0)\n\
         wide.save('a.webp', icc_profile=icc, lossless=True)\n\
         wide.save('a.tiff', icc_profile=icc)\n",
    );
    let parvis = serve(&folder, "quality = 95");
    let truth = truth(&folder, "truth.png");
    let bare = look_at(original(&folder, "bare.png"));
    assert!(bare.differs(&truth) > 10.0, "{}", bare.differs(&truth));
    for name in ["a.png", "a.jpg", "a.webp", "a.tiff"] {
        for format in ["jpeg", "webp", "png"] {
            let path = format!("/{name}?w=150");
            let accept = if format == "webp" { WEBP } else { CURL };
            let path = format!("{path}&format={format}");
            let reply = picture(&parvis, &path, accept, &format!("image/{format}"));
            let seen = look_at(reply.body);
            if seen.metadata.iter().any(|name| name == "icc_profile") {
                // Kept: then the pixels are as they were.
                assert!(seen.differs(&bare) < 4.0, "{path}");
            } else {
                let apart = seen.differs(&truth);
                assert!(apart < 5.0, "{path}: {apart}");
            }
        }
    }
}
