//! Static files: what of a folder can be had, in which form, and what never can.

mod support;

#[path = "files/changes.rs"]
mod changes;
#[path = "configuration/checked.rs"]
mod checked;
#[path = "files/configuration.rs"]
mod configuration;
#[path = "files/django.rs"]
mod django;
#[path = "files/fallback.rs"]
mod fallback;
#[path = "files/kinds.rs"]
mod kinds;
#[path = "files/links.rs"]
mod links;
#[path = "files/listing.rs"]
mod listing;
#[path = "files/memory.rs"]
mod memory;
#[path = "files/paths.rs"]
mod paths;
#[path = "files/precompressed.rs"]
mod precompressed;
#[path = "files/ranges.rs"]
mod ranges;
#[path = "files/sending.rs"]
mod sending;
#[path = "files/swapped.rs"]
mod swapped;
#[path = "files/validators.rs"]
mod validators;

use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use support::{Folder, Parvis, Reply};

/// A folder with these files below its `root`.
fn folder(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    std::fs::create_dir(folder.join("root")).unwrap();
    for (name, text) in files {
        folder.write(&format!("root/{name}"), text);
    }
    folder
}

/// parvis before the `root` of this folder, with these lines in `[site.route.files]`.
fn serve(folder: Folder, files: &str) -> Parvis {
    serve_with(folder, "", "", files)
}

/// The same with these lines at the top (tables of the process) and in the route.
fn serve_with(folder: Folder, top: &str, route: &str, files: &str) -> Parvis {
    Parvis::start_in(folder, &configuration(top, route, files), &[])
}

fn configuration(top: &str, route: &str, files: &str) -> String {
    format!(
        "{top}\n[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
         [[site.route]]\npath = \"/*\"\n{route}\n\
         [site.route.files]\nroot = \"root\"\n{files}\n"
    )
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// From 0, less than `end`.
    fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 11) % end
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len() as u64) as usize]
    }
}

/// Bytes that do not shrink, others for every seed.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        bytes.extend(random.next().to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Text that shrinks, others for every seed.
fn prose(seed: u64, length: usize) -> String {
    let words = [
        "edge", "paper", "river", "stone", "window", "colour", "letter", "under", "static",
    ];
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut text = String::with_capacity(length + 16);
    while text.len() < length {
        text.push_str(random.one(&words));
        text.push(random.one(&[' ', ' ', ' ', '\n']));
    }
    text.truncate(length);
    text
}

/// The path and name of a file below `root`.
fn at(folder: &Folder, name: &str) -> std::path::PathBuf {
    folder.join("root").join(name)
}

/// Sets when a file was changed.
fn set_changed(path: &Path, when: SystemTime) {
    let file = File::options().read(true).open(path).unwrap();
    file.set_times(FileTimes::new().set_modified(when)).unwrap();
}

/// So many seconds ago.
fn ago(seconds: u64) -> SystemTime {
    SystemTime::now() - Duration::from_secs(seconds)
}

fn changed(path: &Path) -> SystemTime {
    std::fs::metadata(path).unwrap().modified().unwrap()
}

/// The tag that a file has, quotes included: its change in nanoseconds and its size.
fn tag(path: &Path) -> String {
    let metadata = std::fs::metadata(path).unwrap();
    let since = metadata.modified().unwrap().duration_since(UNIX_EPOCH);
    format!("\"{:x}-{:x}\"", since.unwrap().as_nanos(), metadata.len())
}

/// A tag with a suffix within its quotes.
fn tagged(tag: &str, suffix: &str) -> String {
    format!("{}{suffix}\"", tag.strip_suffix('"').unwrap())
}

/// The body as it was before it was encoded.
fn decoded(reply: &Reply) -> Vec<u8> {
    let mut plain = Vec::new();
    let body = reply.body.as_slice();
    let read = match reply.field("content-encoding").as_deref() {
        None => return body.to_vec(),
        Some("gzip") => flate2::read::MultiGzDecoder::new(body).read_to_end(&mut plain),
        Some("br") => brotli::Decompressor::new(body, 65536).read_to_end(&mut plain),
        Some("zstd") => zstd::stream::read::Decoder::new(body)
            .unwrap()
            .read_to_end(&mut plain),
        Some(other) => panic!("what is {other}?"),
    };
    read.unwrap_or_else(|error| panic!("does not decode: {error}\n{}", reply.head));
    plain
}

/// The fields of an answer, those left out that are made anew each time.
fn lasting(reply: &Reply) -> BTreeMap<String, String> {
    let anew = ["connection", "date", "x-request-id"];
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    let fields = reply.fields.iter().map(lower);
    fields
        .filter(|(n, _)| !anew.contains(&n.as_str()))
        .collect()
}

/// Whether nothing went wrong within parvis, and it still serves.
fn lives(parvis: &mut Parvis) {
    assert!(parvis.is_running(), "parvis ended");
    let log = parvis.log();
    assert!(!log.contains("panicked"), "{log}");
}
