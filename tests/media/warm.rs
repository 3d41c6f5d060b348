//! `parvis media warm`.

use crate::support::{Folder, Parvis, until};
use crate::{cells, code, gallery, media, path, picture, site, start, text};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

/// What a browser sends that takes WebP.
const BROWSER: &str = "Accept: image/avif,image/webp,*/*;q=0.8\r\n";

/// The files of the store, notes and temporary ones included, by their names.
fn kept(folder: &Folder) -> Vec<String> {
    let mut names = Vec::new();
    let Ok(folders) = fs::read_dir(folder.join("cache/media/v1")) else {
        return names;
    };
    for inner in folders {
        let files = fs::read_dir(inner.unwrap().path()).unwrap();
        names.extend(files.map(|file| file.unwrap().file_name().into_string().unwrap()));
    }
    names.sort();
    names
}

fn count(folder: &Folder, ending: &str) -> usize {
    kept(folder).iter().filter(|n| n.ends_with(ending)).count()
}

/// `["made", "there", "not smaller", "failed"]` of the last line, and what is said on standard error.
fn warm(folder: &Folder, words: &[&str]) -> (i32, String, String) {
    let output = media(folder, &[&["warm"], words].concat());
    (code(&output), text(&output.stdout), text(&output.stderr))
}

#[test]
fn variants_are_made_once_and_served_without_a_miss() {
    let folder = gallery("");
    let media = path(&folder, "media");
    let (code, printed, said) = warm(&folder, &[&media]);
    assert_eq!((code, said.as_str()), (0, ""));
    // 160x120: 40, 80 and whole; 60x90: 40 and whole; 100x50: 40, 80 and whole.
    assert_eq!(
        cells(&printed, "webp")[..4],
        ["8", "0", "0", "0"],
        "{printed}"
    );
    assert_eq!(cells(&printed, "total")[0], "8");
    let last = printed.trim_end().lines().last().unwrap();
    assert!(last.starts_with("3 pictures of "), "{last}");
    assert!(last.contains(", 8 variants made in "), "{last}");
    assert_eq!((kept(&folder).len(), count(&folder, ".webp")), (8, 8));

    let (code, printed, said) = warm(&folder, &[&media, &path(&folder, "media/one.png")]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert_eq!(
        cells(&printed, "webp")[..4],
        ["0", "8", "0", "0"],
        "{printed}"
    );
    assert!(printed.contains("3 pictures of "), "{printed}");

    let parvis = Parvis::start_in(folder, &site(""), &[]);
    let mut client = parvis.client();
    let queries = ["", "?w=40", "?w=80", "?w=33", "?w=8000"];
    for name in ["one.png", "2026/two.png", "2026/three.bmp"] {
        for query in queries {
            let target = format!("/media/{name}{query}");
            let reply = client.request("GET", &target, BROWSER, b"");
            assert_eq!(reply.status, 200, "{target}");
            assert_eq!(reply.field("content-type").as_deref(), Some("image/webp"));
        }
    }
    assert_eq!(parvis.metric("parvis_images_misses_total"), 0.0);
    assert_eq!(parvis.metric("parvis_images_hits_total"), 15.0);
}

#[test]
fn a_single_picture_and_the_format_of_others() {
    let folder = gallery("");
    let one = path(&folder, "media/2026/three.bmp");
    let (code, printed, _) = warm(&folder, &["--fallback", "--threads", "2", &one]);
    assert_eq!(code, 0);
    assert_eq!(cells(&printed, "webp")[0], "3", "{printed}");
    assert_eq!(cells(&printed, "jpeg")[0], "3", "{printed}");
    assert!(printed.contains("1 picture of "), "{printed}");
    let (code, printed, _) = warm(&folder, &["-q", "--fallback", &one]);
    assert_eq!((code, printed.as_str()), (0, ""));

    let parvis = Parvis::start_in(folder, &site(""), &[]);
    for query in ["", "?w=40", "?w=80"] {
        let reply = parvis.get(&format!("/media/2026/three.bmp{query}"));
        assert_eq!(reply.field("content-type").as_deref(), Some("image/jpeg"));
    }
    assert_eq!(parvis.metric("parvis_images_misses_total"), 0.0);
}

#[test]
fn what_the_original_is_best_for_is_noted() {
    let folder = gallery("");
    // A PNG of one colour is smaller than any WebP of a photograph's quality, but not when it is
    // made smaller still: what is made then is the PNG, if that is smaller.
    let tiny = image::RgbImage::from_pixel(4, 4, image::Rgb([255; 3]));
    tiny.save(folder.join("media/dot.gif.png")).unwrap();
    let dot = path(&folder, "media/dot.gif.png");
    let (code, printed, said) = warm(&folder, &[&dot]);
    assert_eq!((code, said.as_str()), (0, ""));
    let markers = count(&folder, ".none");
    let variants = kept(&folder).len() - markers;
    let total = cells(&printed, "total");
    assert_eq!(total[0], variants.to_string(), "{printed}");
    assert_eq!(total[2], markers.to_string(), "{printed}");
    let (code, printed, _) = warm(&folder, &[&dot]);
    let again = cells(&printed, "total");
    assert_eq!(code, 0);
    assert_eq!(again[..3], ["0", total[0].as_str(), total[2].as_str()]);

    let parvis = Parvis::start_in(folder, &site(""), &[]);
    let reply = parvis
        .client()
        .request("GET", "/media/dot.gif.png", BROWSER, b"");
    assert_eq!(reply.status, 200);
    assert_eq!(parvis.metric("parvis_images_misses_total"), 0.0);
}

#[test]
fn a_broken_picture_is_told_and_the_others_are_made() {
    let folder = gallery("");
    let mut bytes = fs::read(folder.join("media/one.png")).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(folder.join("media/half.png"), bytes).unwrap();
    folder.write(
        "media/text.jpg",
        "this is no picture at all, whatever its name says",
    );
    let (code, printed, said) = warm(&folder, &[&path(&folder, "media")]);
    assert_eq!(code, 1);
    assert_eq!(cells(&printed, "webp")[0], "8", "{printed}");
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("error: 2 problems; all else is done"));
    let half = lines.next().unwrap();
    let real = fs::canonicalize(folder.join("media")).unwrap();
    let real = real.to_str().unwrap();
    assert!(half.starts_with(&format!("  {real}/half.png: ")), "{said}");
    let other = format!("  {real}/text.jpg: no format of pictures that is known");
    assert_eq!(lines.next(), Some(other.as_str()), "{said}");
    assert_eq!(lines.next(), None);
}

#[test]
fn only_the_first_twenty_problems_are_told() {
    let folder = gallery("");
    for number in 0..25 {
        folder.write(&format!("media/bad/{number}.png"), "no picture");
    }
    let (code, _, said) = warm(&folder, &[&path(&folder, "media/bad")]);
    assert_eq!((code, said.lines().count()), (1, 22), "{said}");
    assert!(
        said.starts_with("error: 25 problems; all else is done\n"),
        "{said}"
    );
    assert!(said.ends_with("\n  and 5 more\n"), "{said}");
}

#[test]
fn a_folder_of_no_route_is_an_error_that_names_those_that_are() {
    let folder = gallery("");
    let nowhere = path(&folder, "nowhere");
    let plain = path(&folder, "plain");
    let (code, printed, said) = warm(&folder, &[&plain, &nowhere]);
    assert_eq!((code, printed.as_str()), (2, ""));
    let real = fs::canonicalize(folder.join("media")).unwrap();
    let configuration = path(&folder, "parvis.toml");
    for part in [
        format!("error: {plain} lies under no route with `files` and `images`\n"),
        format!("error: {nowhere}: No such file"),
        format!(
            "help: these folders do:\n  {}   {configuration}:",
            real.display()
        ),
    ] {
        assert!(said.contains(&part), "{said}");
    }
    assert!(kept(&folder).is_empty());

    // A folder that holds a root stands for it; a link for what it leads to.
    let link = folder.join("link");
    std::os::unix::fs::symlink(folder.join("media/2026"), &link).unwrap();
    let (code, printed, _) = warm(&folder, &[link.to_str().unwrap()]);
    assert_eq!(code, 0);
    assert_eq!(cells(&printed, "total")[0], "5", "{printed}");
    let (code, printed, _) = warm(&folder, &[folder.path().to_str().unwrap()]);
    assert_eq!(code, 0);
    assert_eq!(cells(&printed, "total")[..2], ["3", "5"], "{printed}");
}

#[test]
fn without_images_or_a_disk_there_is_nothing_to_warm() {
    let folder = Folder::new();
    picture(&folder, "media/one.png", (50, 50), 1);
    let media = path(&folder, "media");
    let plain = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                 [[site.route]]\npath = \"/*\"\nfiles = { root = \"@DIR/media\" }\n";
    Parvis::write_configuration(&folder, plain);
    let (code, _, said) = warm(&folder, &[&media]);
    assert_eq!(code, 1);
    assert!(said.starts_with("error: no route makes variants of pictures\n"));
    fs::create_dir(folder.join("plain")).unwrap();
    let memory = site("").replace("[media]\n", "[media]\ndisk = \"0\"\n");
    Parvis::write_configuration(&folder, &memory);
    let (code, _, said) = warm(&folder, &[&media]);
    assert_eq!(code, 1);
    assert!(said.contains("in memory only"), "{said}");
    let file = site("").replace("@DIR/cache", "@DIR/parvis.toml/cache");
    Parvis::write_configuration(&folder, &file);
    let (code, _, said) = warm(&folder, &[&media]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("error: variants cannot be kept in "),
        "{said}"
    );
}

#[test]
fn it_stops_when_told_and_goes_on_where_it_stopped() {
    let folder = gallery("");
    // The large ones come first: there is time to say stop.
    for number in 0..43 {
        let size = if number < 3 { (500, 400) } else { (120, 90) };
        picture(
            &folder,
            &format!("media/many/{number}.png"),
            size,
            10 + number,
        );
    }
    let (many, configuration) = (path(&folder, "media/many"), path(&folder, "parvis.toml"));
    let child = start(&[
        "media",
        "warm",
        "--threads",
        "1",
        &many,
        "-c",
        &configuration,
    ]);
    until("a variant is made", || {
        (count(&folder, ".webp") > 0).then_some(())
    });
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(status.unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(code(&output), 1, "{said}");
    assert!(said.starts_with("error: stopped by SIGINT: "), "{said}");
    assert!(said.contains(" of 43 pictures were not done\n"), "{said}");
    assert!(text(&output.stdout).is_empty());
    let there = kept(&folder);
    assert!(
        there.iter().all(|name| !name.starts_with(".tmp")),
        "{there:?}"
    );
    assert!(there.len() < 129, "{}", there.len());

    let (code, printed, said) = warm(&folder, &[&many]);
    assert_eq!((code, said.as_str()), (0, ""));
    let total = cells(&printed, "total");
    let numbers: Vec<usize> = total[..2]
        .iter()
        .map(|cell| cell.parse().unwrap())
        .collect();
    assert_eq!(numbers, [129 - there.len(), there.len()], "{printed}");
}

#[test]
fn a_running_parvis_finds_what_is_made() {
    let folder = gallery("");
    let parvis = Parvis::start_in(folder, &site(""), &[]);
    let get = |target: &str| parvis.client().request("GET", target, BROWSER, b"");
    // It has opened the folder.
    assert_eq!(get("/media/one.png").status, 200);
    let (code, printed, said) = warm(&parvis.folder, &[&path(&parvis.folder, "media")]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert_eq!(cells(&printed, "total")[..2], ["7", "1"], "{printed}");
    for target in ["/media/one.png?w=40", "/media/2026/two.png?w=40"] {
        assert_eq!(get(target).status, 200);
    }
    assert_eq!(parvis.metric("parvis_images_misses_total"), 1.0);
}

#[test]
fn more_than_there_is_room_for_is_told() {
    let folder = gallery("");
    let small = site("").replace("[media]\n", "[media]\ndisk = \"8KiB\"\n");
    Parvis::write_configuration(&folder, &small);
    let (code, printed, _) = warm(&folder, &[&path(&folder, "media")]);
    assert_eq!(code, 0);
    let note = "note: all variants together are more than `disk` of [media], 8.0 KiB: ";
    assert!(printed.contains(note), "{printed}");
}

/// Variants that parvis could not read would be made for nothing.
#[test]
fn a_folder_of_another_user_is_told() {
    let folder = gallery("");
    let cache = folder.join("cache/media");
    fs::create_dir_all(&cache).unwrap();
    let own = fs::metadata("/proc/self").unwrap().uid();
    if own != 0 {
        // Only root can give a folder to somebody.
        assert!(Path::new("/proc/self").exists());
        return;
    }
    std::os::unix::fs::chown(&cache, Some(65_534), None).unwrap();
    let (code, _, said) = warm(&folder, &[&path(&folder, "media/one.png")]);
    assert_eq!(code, 0);
    assert!(said.contains("is another user's (number 65534)"), "{said}");
}
