//! Thousands of files that are not what they say, and some that are made to take all memory.

use crate::support::pictures::look;
use crate::support::{Folder, Parvis};
use crate::{CURL, WEBP, client, lives, painted, picture, serve_with};

/// How many.
const FILES: usize = 2000;

/// What parvis may take more than for one picture that is as large as it may be, bytes. Some files
/// and their pixels, 4 MB each, are in several hands at a time; most of it is what the allocator does
/// not give back at once.
const MOST: u64 = 160 << 20;

/// No picture has more pixels: 4 MB of them.
const LIMITS: &str = "max_pixels = 1_000_000";

/// Sound pictures of every kind, small, so that thousands are soon made.
const SOUND: &str = "soft = photo(40, 28)\n\
    hole = soft.convert('RGBA')\n\
    hole.putalpha(Image.linear_gradient('L').resize((40, 28)))\n\
    exif = Image.Exif()\n\
    exif[0x0112] = 6\n\
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()\n\
    soft.save('a.jpg', quality=90, exif=exif, icc_profile=srgb)\n\
    soft.save('b.jpg', quality=90, progressive=True)\n\
    soft.convert('CMYK').save('c.jpg', quality=90)\n\
    soft.save('a.png', icc_profile=srgb)\n\
    hole.save('b.png')\n\
    soft.quantize(16).save('c.png')\n\
    soft.quantize(16).save('a.gif')\n\
    films = [photo(40, 28, at).quantize(16) for at in range(4)]\n\
    films[0].save('b.gif', save_all=True, append_images=films[1:], duration=50)\n\
    soft.save('a.webp', quality=80, exif=exif)\n\
    hole.save('b.webp', lossless=True)\n\
    films = [frame.convert('RGB') for frame in films]\n\
    films[0].save('c.webp', save_all=True, append_images=films[1:], duration=50)\n\
    soft.save('a.avif', quality=80)\n\
    hole.save('b.avif', quality=80)\n\
    soft.save('a.bmp')\n\
    soft.quantize(16).save('b.bmp')\n\
    soft.save('a.tiff', compression='tiff_lzw')\n\
    hole.save('b.tiff', compression='tiff_deflate')\n";

/// Few bytes that become very many, or say so.
const BOMBS: &str = "def chunk(kind, data):\n\
    \x20   return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))\n\
    def png(name, width, height, data, *more, depth=8, kind=2):\n\
    \x20   head = struct.pack('>IIBBBBB', width, height, depth, kind, 0, 0, 0)\n\
    \x20   open(name, 'wb').write(b'\\x89PNG\\r\\n\\x1a\\n' + chunk(b'IHDR', head) + b''.join(more)\n\
    \x20       + chunk(b'IDAT', data) + chunk(b'IEND', b''))\n\
    def zeros(count):\n\
    \x20   deflate = zlib.compressobj(9)\n\
    \x20   parts = [deflate.compress(bytes(1 << 20)) for _ in range(count >> 20)]\n\
    \x20   return b''.join(parts) + deflate.flush()\n\
    # One colour, 30,000 x 30,000 pixels, sound.\n\
    png('one-colour.png', 30000, 30000, zeros(30000 * 3751 + (1 << 20)), depth=1, kind=0)\n\
    much = zeros(300 << 20)\n\
    soft = photo(100, 100)\n\
    # More than the header says.\n\
    png('longer.png', 100, 100, much)\n\
    png('profile.png', 100, 100, zlib.compress(bytes(30100)), chunk(b'iCCP', b'p\\0\\0' + much))\n\
    png('text.png', 100, 100, zlib.compress(bytes(30100)), chunk(b'zTXt', b'Comment\\0\\0' + much))\n\
    png('many.png', 100, 100, zlib.compress(bytes(30100)), *[chunk(b'tEXt', b'a\\0' + bytes(60))] * 20000)\n\
    png('thin.png', 1000000, 1, zeros(3 << 20))\n\
    png('largest.png', 1000, 1000, zlib.compress(bytes(3001 * 1000)))\n\
    def patched(name, source, *changes):\n\
    \x20   data = bytearray(open(source, 'rb').read())\n\
    \x20   for at, new in changes: data[at:at + len(new)] = new\n\
    \x20   open(name, 'wb').write(data)\n\
    soft.save('sound.gif')\n\
    huge = struct.pack('<HH', 30000, 30000)\n\
    patched('one-colour.gif', 'sound.gif', (6, huge))\n\
    patched('screen.gif', 'sound.gif', (6, struct.pack('<HH', 65535, 65535)))\n\
    patched('within.gif', 'sound.gif', (6, struct.pack('<HH', 1000, 1000)))\n\
    # Very many pictures of one pixel on a large screen.\n\
    frame = b'\\x21\\xf9\\x04\\0\\1\\0\\0\\0' + b'\\x2c' + bytes(4) + struct.pack('<HH', 1, 1) + b'\\0\\2\\2\\x44\\1\\0'\n\
    head = b'GIF89a' + struct.pack('<HH', 1500, 1500) + b'\\x80\\0\\0' + bytes(6)\n\
    open('frames.gif', 'wb').write(head + frame * 60000 + b';')\n\
    soft.save('sound.jpg')\n\
    sof = open('sound.jpg', 'rb').read().index(b'\\xff\\xc0')\n\
    patched('wide.jpg', 'sound.jpg', (sof + 5, struct.pack('>HH', 65500, 65500)))\n\
    patched('within.jpg', 'sound.jpg', (sof + 5, struct.pack('>HH', 1000, 1000)))\n\
    soft.save('sound.bmp')\n\
    patched('wide.bmp', 'sound.bmp', (18, struct.pack('<ii', 30000, 30000)))\n\
    patched('deep.bmp', 'sound.bmp', (18, struct.pack('<ii', 1000, -1000)))\n\
    patched('negative.bmp', 'sound.bmp', (18, struct.pack('<ii', -2147483648, -2147483648)))\n\
    soft.save('sound.webp', lossless=True)\n\
    patched('wide.webp', 'sound.webp', (21, b'\\xff\\xff\\xff\\x0f'))\n\
    canvas = b'VP8X' + struct.pack('<I', 10) + b'\\x02\\0\\0\\0' + b'\\xff' * 6\n\
    body = b'WEBP' + canvas + b'ANIM' + struct.pack('<IIH', 6, 0, 0)\n\
    open('canvas.webp', 'wb').write(b'RIFF' + struct.pack('<I', len(body)) + body)\n\
    soft.save('sound.avif')\n\
    ispe = open('sound.avif', 'rb').read().index(b'ispe')\n\
    patched('wide.avif', 'sound.avif', (ispe + 8, struct.pack('>II', 30000, 30000)))\n\
    patched('within.avif', 'sound.avif', (ispe + 8, struct.pack('>II', 1000, 1000)))\n\
    def tiff(name, width, height, strip, rows, compression=8, count=None):\n\
    \x20   tags = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, compression), (262, 3, 1),\n\
    \x20           (273, 4, 8), (277, 3, 1), (278, 4, rows), (279, 4, len(strip) if count is None else count)]\n\
    \x20   directory = struct.pack('<H', len(tags)) + b''.join(\n\
    \x20       struct.pack('<HHII', tag, kind, 1, value) for tag, kind, value in tags) + bytes(4)\n\
    \x20   open(name, 'wb').write(b'II*\\0' + struct.pack('<I', 8 + len(strip)) + strip + directory)\n\
    tiff('one-colour.tiff', 30000, 30000, much, 30000)\n\
    tiff('longer.tiff', 100, 100, much, 100)\n\
    tiff('rows.tiff', 1000, 1000, zlib.compress(bytes(1000000)), 0xffffffff)\n\
    tiff('count.tiff', 1000, 1000, b'', 1000, count=0xffffffff)\n\
    tiff('bits.tiff', 1000, 1000, b'\\x81\\0' * 8000, 1000, compression=32773)\n\
    data = b'II*\\0' + struct.pack('<IH', 8, 0xffff) + struct.pack('<HHII', 256, 4, 0x7fffffff, 8) * 100\n\
    open('tags.tiff', 'wb').write(data)\n\
    open('loop.tiff', 'wb').write(b'II*\\0' + struct.pack('<IHI', 8, 0, 8))\n";

/// Numbers that look random and are the same in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d);
        ((number >> 33) as usize) % sides
    }
}

/// Changed in one way of many; the beginning, where the sizes are, more often than the rest.
fn mutated(sound: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = sound.to_vec();
    let at = |dice: &mut Dice, length: usize| match dice.roll(2) {
        0 => dice.roll(length.min(64)),
        _ => dice.roll(length),
    };
    let length = bytes.len();
    match dice.roll(8) {
        0 => bytes.truncate(dice.roll(length)),
        1 => {
            for _ in 0..=dice.roll(8) {
                let at = at(dice, length);
                bytes[at] ^= 1 << dice.roll(8);
            }
        }
        2 => {
            for _ in 0..=dice.roll(4) {
                let at = at(dice, length);
                bytes[at] = [0, 0x7f, 0x80, 0xff][dice.roll(4)];
            }
        }
        // A number of four bytes that is very large.
        3 => {
            let at = at(dice, length - 4);
            let large = [[0xff; 4], [0x7f, 0xff, 0xff, 0xff], [0, 0, 0x75, 0x30]][dice.roll(3)];
            bytes[at..at + 4].copy_from_slice(&large);
        }
        4 => {
            let from = dice.roll(length);
            let to = (from + dice.roll(64)).min(length);
            bytes.drain(from..to);
        }
        5 => {
            let from = dice.roll(length);
            let to = (from + dice.roll(64)).min(length);
            let again = bytes[from..to].to_vec();
            bytes.splice(from..from, again);
        }
        6 => {
            let from = dice.roll(length);
            let to = (from + dice.roll(256)).min(length);
            bytes[from..to].fill(0);
        }
        // One picture's beginning, another one's end.
        _ => {
            bytes.truncate(dice.roll(length));
            bytes.extend(&other[dice.roll(other.len())..]);
        }
    }
    bytes
}

/// Asks for all of these, from some connections at a time. What is answered otherwise than with the
/// original.
fn send_all(parvis: &Parvis, folder: &Folder, names: &[String]) -> Vec<Vec<u8>> {
    let share = |part: &[String]| {
        let mut variants = Vec::new();
        let mut client = client(parvis);
        for (at, name) in part.iter().enumerate() {
            let (query, accept) = match at % 8 {
                0 => ("?format=webp", CURL),
                1 => ("?w=8&h=8&fit=cover&format=png", CURL),
                2 => ("?w=20", CURL),
                3 => ("?placeholder", CURL),
                4 => ("?w=20&format=jpeg", CURL),
                _ => ("?w=20", WEBP),
            };
            let path = format!("/{name}{query}");
            let reply = client.request("GET", &path, &format!("Accept: {accept}\r\n"), b"");
            assert_eq!(reply.status, 200, "{path}: {}", reply.head);
            if query == "?placeholder" && reply.text().starts_with("data:image/") {
                continue;
            }
            if reply.body != crate::original(folder, name) {
                variants.push(reply.body);
            }
        }
        variants
    };
    std::thread::scope(|scope| {
        let parts = names.chunks(names.len().div_ceil(4));
        let asking: Vec<_> = parts.map(|part| scope.spawn(move || share(part))).collect();
        asking
            .into_iter()
            .flat_map(|asked| asked.join().unwrap())
            .collect()
    })
}

#[test]
fn no_file_breaks_parvis_or_takes_its_memory() {
    let folder = painted(&format!(
        "{SOUND}\nos.mkdir('bombs'); os.chdir('bombs')\n{BOMBS}"
    ));
    let list = |below: &str| {
        let entries = std::fs::read_dir(folder.join(below)).unwrap();
        let files = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file());
        let mut files: Vec<_> = files.collect();
        files.sort();
        files
    };
    let sound: Vec<(String, Vec<u8>)> = list("root")
        .iter()
        .map(|path| {
            let ending = path.extension().unwrap().to_str().unwrap().to_string();
            (ending, std::fs::read(path).unwrap())
        })
        .collect();
    assert_eq!(sound.len(), 17);
    let bombs: Vec<String> = list("root/bombs")
        .iter()
        .map(|path| format!("bombs/{}", path.file_name().unwrap().to_str().unwrap()))
        .collect();
    assert!(bombs.len() > 30, "{bombs:?}");
    let mut dice = Dice(0x5eed_0f1e_55ed_f11e);
    let names: Vec<String> = (0..FILES - bombs.len())
        .map(|at| {
            let (ending, bytes) = &sound[at % sound.len()];
            let (_, other) = &sound[dice.roll(sound.len())];
            let name = format!("{at}.{ending}");
            let path = folder.join("root").join(&name);
            std::fs::write(path, mutated(bytes, other, &mut dice)).unwrap();
            name
        })
        .collect();
    let images = format!("{LIMITS}\nwidths = [8, 20]");
    let mut parvis = serve_with(&folder, "", "", &images);
    // What one that is as large as it may be takes, in each of the formats.
    for format in ["webp", "jpeg", "png"] {
        let path = format!("/bombs/largest.png?w=20&format={format}");
        picture(&parvis, &path, CURL, &format!("image/{format}"));
    }
    let before = parvis.peak_memory();
    let mut variants = Vec::new();
    for (names, of) in [(&names, "mutated files"), (&bombs, "bombs")] {
        variants.extend(send_all(&parvis, &folder, names));
        let peak = parvis.peak_memory();
        let more = peak.saturating_sub(before);
        assert!(
            more < MOST,
            "{of}: {} MiB more than {}",
            more >> 20,
            before >> 20
        );
        lives(&mut parvis);
    }
    // Some were sound enough, and what was made of them is sound.
    assert!(variants.len() > FILES / 20, "{}", variants.len());
    for seen in look(&variants) {
        assert!(
            ["JPEG", "PNG", "WEBP"].contains(&&*seen.format),
            "{}",
            seen.format
        );
        let pixels = u64::from(seen.width) * u64::from(seen.height);
        assert!(pixels <= 1_000_000, "{:?}", seen.size());
    }
    crate::finally(&parvis, "/bombs/sound.jpg?w=20", WEBP, "image/webp");
}
