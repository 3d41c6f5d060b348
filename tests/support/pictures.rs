//! Pictures, painted and looked at by Pillow, which shares no code with parvis.

use super::programs::{fed, python, said};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// What a picture is.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `"JPEG"`, `"WEBP"`, ... or why it is no picture.
    pub format: String,
    pub width: u32,
    pub height: u32,
    /// How long each picture of an animation is shown, milliseconds; one entry for a still.
    pub delays: Vec<u64>,
    /// How often an animation is shown; 0: for ever.
    pub loops: Option<u64>,
    /// Which of `exif`, `xmp`, `icc_profile` and `comment` it carries.
    pub metadata: Vec<String>,
    /// Of each picture, red, green, blue and alpha.
    pub pixels: Vec<Vec<u8>>,
}

impl Seen {
    pub fn size(&self) -> (u32, u32) {
        (self.width, self.height)
    }

    /// Red, green, blue and alpha of the first picture there.
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        let at = (y * self.width + x) as usize * 4;
        self.pixels[0][at..at + 4].try_into().unwrap()
    }

    /// How much the first pictures differ, on average of all pixels and channels, 0 to 255.
    ///
    /// # Panics
    /// When their sizes do.
    pub fn differs(&self, other: &Seen) -> f64 {
        assert_eq!(self.size(), other.size());
        mean(&self.pixels[0], &other.pixels[0])
    }
}

/// How much pixels differ on average.
pub fn mean(one: &[u8], other: &[u8]) -> f64 {
    assert_eq!(one.len(), other.len());
    let pairs = one.iter().zip(other);
    let sum: u64 = pairs.map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / one.len() as f64
}

const BRUSHES: &str = r#"
import io, os, random, struct, sys, zlib
from PIL import Image, ImageCms, ImageDraw, ImageFilter, ImageOps, ImageSequence
os.chdir(sys.argv[1])

def photo(width, height, seed=1):
    """Soft shapes under a little grain, the same in every run: no harder than a photograph."""
    dice = random.Random(seed)
    picture = Image.new("RGB", (width, height), (90, 120, 160))
    draw = ImageDraw.Draw(picture)
    for _ in range(30):
        x, y, r = dice.randrange(width), dice.randrange(height), dice.randrange(3, 4 + width // 4)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=tuple(dice.randrange(256) for _ in "rgb"))
    picture = picture.filter(ImageFilter.GaussianBlur(width / 60))
    grain = Image.frombytes("L", (width, height), dice.randbytes(width * height))
    return Image.blend(picture, grain.convert("RGB"), 0.05)

def quarters(width, height):
    """Red and green above, blue and white below: no turn or mirror image of it is like another."""
    picture = Image.new("RGB", (width, height), (255, 255, 255))
    x, y = width // 2, height // 2
    for box, colour in [((0, 0, x, y), (220, 20, 20)), ((x, 0, width, y), (20, 180, 20)),
                        ((0, y, x, height), (20, 20, 220))]:
        picture.paste(colour, box)
    return picture
"#;

/// Runs a script that paints pictures into this folder, with Pillow and `photo(width, height, seed)`
/// and `quarters(width, height)`.
///
/// # Panics
/// When it fails, or Pillow is missing: `tests/run` installs it.
pub fn paint(folder: &Path, script: &str) {
    let text = format!("{BRUSHES}\n{script}");
    let mut command = Command::new(python());
    let output = fed(command.arg("-").arg(folder), &text);
    assert!(output.status.success(), "{}", said(&output));
}

const EYES: &str = r#"
import base64, io, json, sys
from PIL import Image

def look(data):
    try:
        picture = Image.open(io.BytesIO(data))
        delays, pixels = [], []
        for at in range(getattr(picture, "n_frames", 1)):
            picture.seek(at)
            picture.load()
            delays.append(int(picture.info.get("duration", 0)))
            pixels.append(picture.convert("RGB" if picture.mode == "CMYK" else "RGBA").convert("RGBA"))
    except Exception as error:
        return {"format": f"no picture: {error!r}", "size": [0, 0], "delays": [], "loops": None,
                "metadata": [], "pixels": []}
    names = ["exif", "xmp", "icc_profile", "comment"]
    return {
        "format": picture.format,
        "size": picture.size,
        "delays": delays,
        "loops": picture.info.get("loop"),
        "metadata": [name for name in names if picture.info.get(name)],
        "pixels": [base64.b64encode(frame.tobytes()).decode() for frame in pixels],
    }

pictures = [base64.b64decode(line) for line in sys.stdin.read().split()]
print(json.dumps([look(picture) for picture in pictures]))
"#;

/// What Pillow finds in these files.
///
/// # Panics
/// When Pillow is missing: `tests/run` installs it.
pub fn look<B: AsRef<[u8]>>(pictures: &[B]) -> Vec<Seen> {
    let lines: Vec<String> = pictures.iter().map(|p| STANDARD.encode(p)).collect();
    let mut command = Command::new(python());
    let output = fed(command.arg("-c").arg(EYES), &lines.join("\n"));
    assert!(output.status.success(), "{}", said(&output));
    let seen: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    seen.iter().map(read).collect()
}

/// The same for one.
pub fn look_at(picture: impl AsRef<[u8]>) -> Seen {
    look(&[picture]).remove(0)
}

fn read(seen: &Value) -> Seen {
    let list = |name: &str| seen[name].as_array().unwrap().clone();
    let side = |at: usize| seen["size"][at].as_u64().unwrap() as u32;
    Seen {
        format: seen["format"].as_str().unwrap().to_string(),
        width: side(0),
        height: side(1),
        delays: list("delays").iter().filter_map(Value::as_u64).collect(),
        loops: seen["loops"].as_u64(),
        metadata: serde_json::from_value(seen["metadata"].clone()).unwrap(),
        pixels: list("pixels")
            .iter()
            .map(|frame| STANDARD.decode(frame.as_str().unwrap()).unwrap())
            .collect(),
    }
}
