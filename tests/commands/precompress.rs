//! `parvis precompress`: compressed forms beside files, made once.

use crate::support::{Folder, command, until};
use crate::{code, text};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// The files that shrink, with what is repeated in them and how often.
const SHRINK: [(&str, &str, usize); 4] = [
    ("site.css", ".button { color: #336699; margin: 0 }\n", 300),
    ("js/app.js", "const x = (a) => a.map((b) => b + 1);\n", 900),
    ("js/lib/deep/Other.JS", "export default {};\n", 60),
    ("coast.svg", "<path d='M0 0 L10 10'/>\n", 40),
];

/// The suffixes of the forms, in the order of the table's columns.
const SUFFIXES: [&str; 3] = [".br", ".zst", ".gz"];

/// Bytes that do not shrink (xorshift32).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    let step = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(step).take(length).collect()
}

fn tree() -> Folder {
    let folder = Folder::new();
    for (name, line, times) in SHRINK {
        // Lines that differ, as lines do.
        let lines = (0..times).map(|n| format!("{n} {line}"));
        folder.write(name, &lines.collect::<String>());
    }
    folder.write("tiny.css", "a { color: red }\n");
    folder.write(".hidden.css", &"b { color: red }\n".repeat(100));
    folder.write(".git/site.css", &"c { color: red }\n".repeat(100));
    fs::write(folder.join("photo.jpg"), noise(5_000)).unwrap();
    fs::write(folder.join("noise.txt"), noise(5_000)).unwrap();
    folder
}

fn precompress(folder: &Folder, options: &[&str]) -> Output {
    let folder = folder.path().to_str().unwrap();
    command(&[&["precompress"], options, &[folder]].concat())
}

/// Runs it, and gives the table: the cells of each line by their kind, and the line below.
fn table(folder: &Folder, options: &[&str]) -> (BTreeMap<String, Vec<String>>, String) {
    let output = precompress(folder, options);
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
    let printed = text(&output.stdout);
    let (table, last) = printed.trim_end().rsplit_once('\n').unwrap();
    let width = table.lines().next().unwrap().chars().count();
    let cells = |line: &str| {
        assert_eq!(line.chars().count(), width, "{printed}");
        let mut cells = line.split("  ").map(str::trim).filter(|c| !c.is_empty());
        let kind = cells.next().unwrap().to_string();
        (kind, cells.map(str::to_string).collect())
    };
    (table.lines().map(cells).collect(), last.to_string())
}

/// All files below, by their names, with what tells that one was written again.
fn files(folder: &Path) -> BTreeMap<String, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(path).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            if metadata.is_dir() {
                open.push(entry.path());
                continue;
            }
            let path = entry.path();
            let name = path.strip_prefix(folder).unwrap().to_str().unwrap();
            found.insert(
                name.to_string(),
                (metadata.ino(), metadata.modified().unwrap()),
            );
        }
    }
    found
}

fn forms(folder: &Folder) -> Vec<String> {
    let form = |name: &String| SUFFIXES.iter().any(|suffix| name.ends_with(suffix));
    files(folder.path()).into_keys().filter(form).collect()
}

fn decoded(folder: &Folder, name: &str) -> Vec<u8> {
    let file = File::open(folder.join(name)).unwrap();
    let mut body = Vec::new();
    match name.rsplit_once('.').unwrap().1 {
        "br" => brotli::Decompressor::new(file, 4096).read_to_end(&mut body),
        "zst" => zstd::Decoder::new(file).unwrap().read_to_end(&mut body),
        _ => flate2::read::MultiGzDecoder::new(file).read_to_end(&mut body),
    }
    .unwrap();
    body
}

/// Gives a file this content, so that it is seen to be newer than its forms.
fn change(folder: &Folder, name: &str, content: &[u8]) {
    let path = folder.join(name);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    fs::write(&path, content).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    file.set_modified(before + Duration::from_secs(1)).unwrap();
}

#[test]
fn what_shrinks_gets_forms_that_decode_to_it() {
    let folder = tree();
    let old = SystemTime::UNIX_EPOCH + Duration::new(1_600_000_000, 123_456_789);
    let site = File::options()
        .write(true)
        .open(folder.join("site.css"))
        .unwrap();
    site.set_modified(old).unwrap();
    site.set_permissions(fs::Permissions::from_mode(0o640))
        .unwrap();
    table(&folder, &[]);
    let mut expected: Vec<String> = SHRINK
        .iter()
        .flat_map(|(name, ..)| SUFFIXES.map(|suffix| format!("{name}{suffix}")))
        .collect();
    expected.sort();
    assert_eq!(forms(&folder), expected);
    // Nothing else was made: neither beside what does not shrink nor under a hidden name.
    assert_eq!(files(folder.path()).len(), SHRINK.len() * 4 + 5);
    for (name, ..) in SHRINK {
        let original = fs::read(folder.join(name)).unwrap();
        for suffix in SUFFIXES {
            let form = format!("{name}{suffix}");
            assert_eq!(decoded(&folder, &form), original, "{form}");
            let length = fs::metadata(folder.join(&form)).unwrap().len();
            assert!(length * 100 <= original.len() as u64 * 95, "{form}");
        }
    }
    for suffix in SUFFIXES {
        let metadata = fs::metadata(folder.join(&format!("site.css{suffix}"))).unwrap();
        assert_eq!(metadata.modified().unwrap(), old);
        assert_eq!(metadata.mode() & 0o7777, 0o640);
    }
}

#[test]
fn the_table_says_what_was_saved() {
    let folder = tree();
    let (rows, last) = table(&folder, &["--threads", "3"]);
    assert!(last.starts_with("12 written, 0 removed, in "), "{last}");
    let kinds: Vec<_> = rows.keys().map(String::as_str).collect();
    assert_eq!(kinds, ["css", "js", "kind", "svg", "total", "txt"]);
    assert_eq!(
        rows["kind"],
        [
            "files",
            "original",
            "br",
            "saved",
            "zstd",
            "saved",
            "gzip",
            "saved",
            "up to date",
            "not worth it"
        ]
    );
    let length = |name: &str| fs::metadata(folder.join(name)).unwrap().len();
    let size = |bytes: u64| match bytes {
        0..1024 => format!("{bytes} B"),
        _ => format!("{:.1} KiB", bytes as f64 / 1024.0),
    };
    // By kind: which files, and how many forms of how many were not worth it.
    let names = |end: &str| {
        let all = SHRINK.iter().map(|(name, ..)| *name);
        all.filter(|name| name.to_lowercase().ends_with(end))
            .collect::<Vec<_>>()
    };
    for (kind, ends) in [("css", "css"), ("js", "js"), ("svg", "svg"), ("total", "")] {
        let names = names(ends);
        let original: u64 = names.iter().map(|name| length(name)).sum();
        let noise = match kind {
            "total" => 1,
            _ => 0,
        };
        let mut cells = vec![
            (names.len() as u64 + noise).to_string(),
            size(original + noise * 5_000),
        ];
        for suffix in SUFFIXES {
            let forms = names.iter().map(|name| length(&format!("{name}{suffix}")));
            let bytes: u64 = forms.sum();
            let saved = 100.0 - bytes as f64 * 100.0 / original as f64;
            cells.extend([size(bytes), format!("{saved:.1}%")]);
        }
        cells.extend(["0".to_string(), (noise * 3).to_string()]);
        assert_eq!(rows[kind], cells, "{kind}");
    }
    assert_eq!(
        rows["txt"],
        ["1", "4.9 KiB", "-", "-", "-", "-", "-", "-", "0", "3"]
    );
    // What is up to date counts for the bytes as what was made.
    let (again, last) = table(&folder, &[]);
    assert!(last.starts_with("0 written, 0 removed, in "), "{last}");
    assert_eq!(again["total"][..8], rows["total"][..8]);
    assert_eq!(again["total"][8..], ["12", "3"]);
}

#[test]
fn only_what_was_changed_is_done_again() {
    let folder = tree();
    table(&folder, &[]);
    let before = files(folder.path());
    table(&folder, &[]);
    assert_eq!(files(folder.path()), before);

    let content = "p { margin: 1em }\n".repeat(200);
    change(&folder, "site.css", content.as_bytes());
    let (_, last) = table(&folder, &[]);
    assert!(last.starts_with("3 written, 0 removed, in "), "{last}");
    let after = files(folder.path());
    for (name, was) in &before {
        let same = !name.starts_with("site.css");
        assert_eq!(after[name] == *was, same, "{name}");
    }
    for suffix in SUFFIXES {
        let form = decoded(&folder, &format!("site.css{suffix}"));
        assert_eq!(form, content.as_bytes());
    }

    // Forms that say what the file no longer says go when new ones would not help.
    change(&folder, "site.css", &noise(5_000));
    change(&folder, "coast.svg", b"<svg/>");
    let (rows, last) = table(&folder, &[]);
    assert!(last.starts_with("0 written, 6 removed, in "), "{last}");
    assert!(!rows.contains_key("svg"));
    let left = forms(&folder);
    assert_eq!(left.len(), 6, "{left:?}");
    assert!(left.iter().all(|name| name.starts_with("js/")), "{left:?}");
}

#[test]
fn the_options_do_what_they_say() {
    let folder = tree();
    let (rows, _) = table(&folder, &["--algorithms", "gzip,br,gzip"]);
    assert_eq!(
        rows["kind"][2..],
        ["gzip", "saved", "br", "saved", "up to date", "not worth it"]
    );
    assert_eq!(forms(&folder).len(), 8);
    let quiet = precompress(&folder, &["--quiet"]);
    assert_eq!(code(&quiet), 0);
    assert_eq!(
        (text(&quiet.stdout), text(&quiet.stderr)),
        Default::default()
    );
    assert_eq!(forms(&folder).len(), 12);
    let before = files(folder.path());
    let (_, last) = table(&folder, &["--force"]);
    assert!(last.starts_with("12 written, "), "{last}");
    let after = files(folder.path());
    for form in forms(&folder) {
        assert_ne!(after[&form].0, before[&form].0, "{form}");
    }
    let empty = Folder::new();
    let output = precompress(&empty, &[]);
    assert_eq!(code(&output), 0);
    let said = format!("no files that shrink in {}\n", empty.path().display());
    assert!(text(&output.stdout).starts_with(&said));
    // A folder inside of another that is given too is looked through once.
    let inner = folder.join("js");
    let output = precompress(&folder, &["--force", inner.to_str().unwrap()]);
    assert!(text(&output.stdout).contains("\n12 written, "));
}

#[test]
fn links_are_not_followed() {
    let folder = Folder::new();
    let other = tree();
    std::os::unix::fs::symlink(other.path(), folder.join("folder")).unwrap();
    std::os::unix::fs::symlink(other.join("site.css"), folder.join("a.css")).unwrap();
    std::os::unix::fs::symlink(".", folder.join("circle")).unwrap();
    folder.write(".well-known/plan.txt", &"word ".repeat(1000));
    folder.write("sub/.well-known/plan.txt", &"word ".repeat(1000));
    let (rows, _) = table(&folder, &[]);
    assert_eq!(rows["total"][0], "1");
    assert!(forms(&other).is_empty());
    // What is served is only the one at the root.
    let expected = SUFFIXES.map(|suffix| format!(".well-known/plan.txt{suffix}"));
    assert!(expected.iter().all(|form| forms(&folder).contains(form)));
    assert_eq!(forms(&folder).len(), 3);
}

#[test]
fn folders_that_are_none_are_wrong_usage() {
    let folder = tree();
    let (none, file) = (folder.join("none"), folder.join("site.css"));
    let (none, file) = (none.to_str().unwrap(), file.to_str().unwrap());
    let output = precompress(&folder, &[none, file]);
    assert_eq!((code(&output), text(&output.stdout)), (2, String::new()));
    assert_eq!(
        text(&output.stderr),
        format!(
            "error: the folder {none}: No such file or directory (os error 2)\n\
             error: {file} is not a folder\n\
             help: give the folders that are served, such as the `root` of a `files` route\n"
        )
    );
    // Nothing was begun.
    assert!(forms(&folder).is_empty());
    for wrong in [
        &["precompress"][..],
        &["precompress", "--algorithms", "br,lzma", "."],
        &["precompress", "--threads", "0", "."],
    ] {
        let output = command(wrong);
        assert_eq!((code(&output), text(&output.stdout)), (2, String::new()));
        assert!(text(&output.stderr).starts_with("error: "));
    }
}

#[test]
fn a_problem_is_told_and_the_rest_is_done() {
    let folder = tree();
    // No form can be put in the place of a folder, not even by root.
    fs::create_dir(folder.join("site.css.br")).unwrap();
    for option in ["--force", "--quiet"] {
        let output = precompress(&folder, &[option]);
        assert_eq!(code(&output), 1);
        assert_eq!(text(&output.stdout).is_empty(), option == "--quiet");
        let said = text(&output.stderr);
        let place = folder.join("site.css.br");
        let expected = format!(
            "error: one problem; all else is done\n  {}: ",
            place.display()
        );
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(said.lines().count(), 2, "{said}");
        assert_eq!(forms(&folder).len(), 11);
        assert_eq!(files(folder.path()).len(), SHRINK.len() * 4 + 4);
    }
}

#[test]
fn an_interrupted_run_leaves_no_half_of_a_file() {
    let folder = Folder::new();
    // Tens of seconds at the best level: words in an order that does not repeat.
    let words = ["static", "file", "margin", "colour", "width", "auto", "px;"];
    let order = noise(2 << 20);
    let large = order.iter().map(|n| words[usize::from(*n) % words.len()]);
    folder.write("large.css", &large.collect::<Vec<_>>().join(" "));
    folder.write("small.css", &"a { color: red }\n".repeat(100));
    let child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["precompress", "--algorithms", "br", "--threads", "2"])
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let small = folder.join("small.css.br");
    until("the small file is done", || small.exists().then_some(()));
    let status = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    let output = child.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output.stdout)), (1, String::new()));
    let said = text(&output.stderr);
    assert!(
        said.starts_with("error: stopped by SIGINT: ") && said.contains("\nhelp: "),
        "{said}"
    );
    let names: Vec<String> = files(folder.path()).into_keys().collect();
    assert_eq!(names, ["large.css", "small.css", "small.css.br"]);
}
