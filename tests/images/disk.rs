//! The folder of variants: gone, not to be had, too small, full. Nobody is told but the operator.

use crate::support::{Folder, Parvis, Reply};
use crate::{
    WEBP, configuration, etag, eventually, lives, made, photograph, picture, serve, serve_with,
};
use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

fn webp(parvis: &Parvis, query: &str) -> Reply {
    picture(parvis, &format!("/photo.jpg?{query}"), WEBP, "image/webp")
}

/// The variants' files below a folder.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => found.push(entry.path()),
            }
        }
    }
    found
}

#[test]
fn a_folder_that_is_removed_is_made_anew() {
    let folder = photograph();
    // Nothing is in memory: what is sent was read from the disk, or made.
    let mut parvis = serve_with(&folder, "memory = \"0\"", "", "");
    let first = webp(&parvis, "w=300");
    assert_eq!(etag(&webp(&parvis, "w=300")), etag(&first));
    assert_eq!(made(&parvis, "webp"), 1.0);
    assert_eq!(files(&folder.join("cache")).len(), 1);
    for round in [2.0, 3.0] {
        std::fs::remove_dir_all(folder.join("cache")).unwrap();
        let again = webp(&parvis, "w=300");
        assert!(again.body == first.body);
        assert_eq!(made(&parvis, "webp"), round);
        webp(&parvis, "w=300");
        assert_eq!(made(&parvis, "webp"), round);
        assert_eq!(files(&folder.join("cache")).len(), 1);
    }
    lives(&mut parvis);
}

#[test]
fn a_damaged_file_is_made_anew() {
    let folder = photograph();
    let mut parvis = serve_with(&folder, "memory = \"0\"", "", "");
    let first = webp(&parvis, "w=300");
    let file = files(&folder.join("cache")).remove(0);
    let whole = std::fs::read(&file).unwrap();
    let mut round = 1.0;
    for damaged in [
        &whole[..whole.len() / 2],
        &whole[..whole.len() - 1],
        b"",
        b"<html>",
    ] {
        std::fs::write(&file, damaged).unwrap();
        round += 1.0;
        assert!(webp(&parvis, "w=300").body == first.body);
        assert_eq!(made(&parvis, "webp"), round);
    }
    lives(&mut parvis);
}

#[test]
fn a_folder_that_cannot_be_had_is_told_and_pictures_are_served() {
    let folder = photograph();
    // Root may write everywhere, but not into a file as if it were a folder.
    folder.write("cache", "a file");
    let mut parvis = serve(&folder, "");
    let first = webp(&parvis, "w=300");
    assert_eq!(etag(&webp(&parvis, "w=300")), etag(&first));
    assert_eq!(made(&parvis, "webp"), 1.0);
    let log = parvis.log();
    assert!(log.contains("cannot be kept on disk"), "{log}");
    assert!(
        log.contains(folder.join("cache").to_str().unwrap()),
        "{log}"
    );
    assert!(log.contains("`storage` in [media]"), "{log}");
    lives(&mut parvis);
}

#[test]
fn the_folder_is_bounded_and_what_was_not_asked_for_goes_first() {
    let folder = photograph();
    let widths: Vec<String> = (0..60).map(|at| (100 + at * 4).to_string()).collect();
    let images = format!("widths = [{}]", widths.join(", "));
    let bound = 64 << 10;
    let media = "disk = \"64KiB\"\nmemory = \"0\"";
    let mut parvis = serve_with(&folder, media, "", &images);
    for width in &widths {
        webp(&parvis, &format!("w={width}"));
    }
    eventually("the folder is small again", || {
        let evicted = parvis.metric("parvis_images_evicted_total");
        let bytes = parvis.metric("parvis_images_bytes{where=\"disk\"}");
        (evicted > 0.0 && bytes <= f64::from(bound)).then_some(())
    });
    eventually("so says the disk", || {
        let files = files(&folder.join("cache"));
        let room = |path: &std::path::PathBuf| {
            std::fs::metadata(path).map_or(0, |file| file.len().div_ceil(4096) * 4096)
        };
        let bytes: u64 = files.iter().map(room).sum();
        (bytes <= bound as u64 && !files.is_empty()).then_some(())
    });
    // What went is made again.
    for width in &widths {
        webp(&parvis, &format!("w={width}"));
    }
    assert!(made(&parvis, "webp") > widths.len() as f64);
    lives(&mut parvis);
}

/// parvis with a disk of this many KiB at `cache`, which nobody else sees.
///
/// # Panics
/// Where no file system can be mounted.
fn on_a_small_disk(folder: &Folder, kib: u32, media: &str, images: &str) -> Parvis {
    let cache = folder.join("cache");
    std::fs::create_dir(&cache).unwrap();
    let own = Folder::new();
    let (out, log) = (own.join("parvis.out"), own.join("parvis.log"));
    let text = configuration(folder, media, "", images);
    let root = std::fs::metadata("/proc/self").unwrap().uid() == 0;
    let namespace: &[&str] = match root {
        true => &["--mount"],
        false => &["--user", "--map-root-user", "--mount"],
    };
    let mount = format!(
        "mount -t tmpfs -o size={kib}k tmpfs \"$1\" || \
         {{ echo 'this test needs to be root, or user namespaces, to mount a tmpfs'; exit 1; }}; \
         shift; exec \"$@\""
    );
    Parvis::start_as(own, &text, |command| {
        let mut parvis: Vec<OsString> = vec![command.get_program().into()];
        parvis.extend(command.get_args().map(OsString::from));
        let mut within = Command::new("unshare");
        within
            .args(namespace)
            .args(["sh", "-c", &mount, "sh"])
            .arg(&cache)
            .args(parvis)
            .stdin(Stdio::null())
            .stdout(File::create(out).unwrap())
            .stderr(File::options().append(true).open(log).unwrap());
        *command = within;
    })
}

#[test]
fn a_full_disk_costs_nobody_a_picture() {
    for memory in ["", "memory = \"0\""] {
        let folder = photograph();
        let widths: Vec<String> = (0..24).map(|at| (200 + at * 8).to_string()).collect();
        let images = format!("widths = [{}]", widths.join(", "));
        let mut parvis = on_a_small_disk(&folder, 256, memory, &images);
        webp(&parvis, "w=200");
        // As parvis sees it.
        let disk = folder.join("cache");
        let disk = format!("/proc/{}/root{}", parvis.pid(), disk.display());
        let disk = Path::new(&disk);
        assert_eq!(files(disk).len(), 1, "{disk:?}");
        assert_eq!(files(&folder.join("cache")).len(), 0);
        // The rest of it is taken.
        let filler = disk.join("filler");
        let mut file = File::create(&filler).unwrap();
        std::io::copy(&mut std::io::repeat(1), &mut file).unwrap_err();
        drop(file);
        let failures = "parvis_images_write_failures_total";
        for width in &widths {
            let first = webp(&parvis, &format!("w={width}"));
            let again = webp(&parvis, &format!("w={width}"));
            assert!(first.body == again.body);
        }
        assert!(parvis.metric(failures) > 0.0);
        if memory.is_empty() {
            assert_eq!(made(&parvis, "webp"), widths.len() as f64);
        }
        let log = parvis.log();
        let told = log.matches("cannot keep a picture on disk").count();
        assert!(
            told >= 1 && (told as f64) < parvis.metric(failures),
            "{log}"
        );
        // As soon as there is room they are kept again.
        std::fs::remove_file(&filler).unwrap();
        let mut quality = 0;
        eventually("variants are kept again", || {
            let before = files(disk).len();
            quality = quality % 4 + 1;
            webp(
                &parvis,
                &format!(
                    "w=392&h={}&fit=cover&q={}",
                    200 + quality,
                    [30, 50, 70, 100][quality - 1]
                ),
            );
            (files(disk).len() > before).then_some(())
        });
        lives(&mut parvis);
    }
}
