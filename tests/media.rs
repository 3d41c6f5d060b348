//! `parvis media`: variants made ahead, what is kept of them, signed addresses.

mod support;

#[path = "media/explain.rs"]
mod explain;
#[path = "media/sign.rs"]
mod sign;
#[path = "media/stats.rs"]
mod stats;
#[path = "media/warm.rs"]
mod warm;

use image::{ImageFormat, Rgb, RgbImage};
use std::fs;
use std::process::{Command, Output, Stdio};
use support::{Folder, Parvis, command};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().expect("ended by a signal")
}

/// A picture that is like a photograph: soft, with a little noise, so that a smaller one is smaller.
fn photograph(width: u32, height: u32, seed: u32) -> RgbImage {
    let mut state = seed.max(1);
    RgbImage::from_fn(width, height, |x, y| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        let noise = (state & 7) as u8;
        let wave = |of: u32, length: f64| (f64::from(of) / length).sin().mul_add(100.0, 110.0);
        let (a, b) = (wave(x + seed * 40, 31.0) as u8, wave(y, 47.0) as u8);
        Rgb([a + noise, b + noise, (a / 2 + b / 2) + noise])
    })
}

/// Writes a picture; the format is that of its name.
fn picture(folder: &Folder, name: &str, (width, height): (u32, u32), seed: u32) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let format = ImageFormat::from_path(&path).unwrap();
    let picture = photograph(width, height, seed);
    picture.save_with_format(&path, format).unwrap();
}

/// Widths, formats and times that a test build on a busy machine can do.
const IMAGES: &str =
    "{ widths = [40, 80], formats = [\"webp\"], timeout = \"60s\", wait = \"60s\"@MORE }";

/// A site that serves `@DIR/media` with images, and keeps variants in `@DIR/cache/media`.
fn site(more: &str) -> String {
    let images = IMAGES.replace("@MORE", more);
    format!(
        "[media]\nstorage = \"@DIR/cache\"\nworkers = 1\n\
         [[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/media/*\"\nfiles = {{ root = \"@DIR/media\" }}\nimages = {images}\n\
         [[site.route]]\npath = \"/plain/*\"\nfiles = {{ root = \"@DIR/plain\" }}\n"
    )
}

/// A folder with this configuration and three pictures.
fn gallery(more: &str) -> Folder {
    let folder = Folder::new();
    fs::create_dir_all(folder.join("plain")).unwrap();
    picture(&folder, "media/one.png", (160, 120), 1);
    picture(&folder, "media/2026/two.png", (60, 90), 2);
    picture(&folder, "media/2026/three.bmp", (100, 50), 3);
    folder.write("media/read.me", "no picture");
    Parvis::write_configuration(&folder, &site(more));
    folder
}

/// `parvis media` with these words, the configuration of the folder, and these.
fn media(folder: &Folder, words: &[&str]) -> Output {
    command(&[&["media"], words, &["-c", &path(folder, "parvis.toml")]].concat())
}

fn path(folder: &Folder, name: &str) -> String {
    folder.join(name).to_str().unwrap().to_string()
}

/// The cells of a printed table, by the first of each line.
fn cells(printed: &str, of: &str) -> Vec<String> {
    let line = printed
        .lines()
        .find(|line| line.split("  ").next() == Some(of))
        .unwrap_or_else(|| panic!("no line {of}:\n{printed}"));
    let cells = line.split("  ").map(str::trim).filter(|c| !c.is_empty());
    cells.skip(1).map(str::to_string).collect()
}

/// The binary with these arguments, running.
fn start(arguments: &[&str]) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}
