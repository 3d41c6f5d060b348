//! `parvis media stats`.

use crate::support::{Folder, Parvis};
use crate::{cells, code, gallery, media, path, site, text};
use serde_json::Value;

fn stats(folder: &Folder) -> String {
    let output = media(folder, &["stats"]);
    assert_eq!((code(&output), text(&output.stderr)), (0, String::new()));
    text(&output.stdout)
}

fn json(folder: &Folder) -> Value {
    let output = media(folder, &["stats", "--json"]);
    assert_eq!(code(&output), 0);
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_kept_is_told_while_parvis_does_not_run() {
    let folder = gallery("");
    let printed = stats(&folder);
    let cache = path(&folder, "cache/media");
    let head = format!("{cache}: 0 B of 1.0 GiB used (0.0%)\nno variants\n");
    assert!(printed.starts_with(&head), "{printed}");
    // Looking makes nothing.
    assert!(!folder.join("cache").exists());

    let warmed = media(&folder, &["warm", "--fallback", &path(&folder, "media")]);
    assert_eq!(code(&warmed), 0);
    let printed = stats(&folder);
    assert_eq!(cells(&printed, "webp")[0], "8", "{printed}");
    assert!(
        printed.contains(" times the original is best\n"),
        "{printed}"
    );
    let told = json(&folder);
    assert_eq!(told["folder"], cache);
    assert_eq!(told["bound_bytes"], 1 << 30);
    assert_eq!(told["formats"]["webp"]["variants"], 8);
    let formats = told["formats"].as_object().unwrap().values();
    let sum: u64 = formats
        .map(|format| format["variants"].as_u64().unwrap())
        .sum();
    assert_eq!(told["variants"], sum);
    assert!(told["bytes"].as_u64().unwrap() >= sum * 4096);
    assert_eq!(told["running"], Value::Null);
}

#[test]
fn the_running_parvis_tells_how_variants_fare() {
    let folder = gallery("");
    let parvis = Parvis::start_in(folder, &site(""), &[]);
    // The command has to know the port that the kernel gave.
    let admin = format!("[admin]\nlisten = \"{}\"\n{}", parvis.admin(), site(""));
    Parvis::write_configuration(&parvis.folder, &admin);
    for _ in 0..3 {
        let fields = "Accept: image/webp\r\n";
        let reply = parvis
            .client()
            .request("GET", "/media/one.png?w=80", fields, b"");
        assert_eq!(reply.field("content-type").as_deref(), Some("image/webp"));
    }
    let told = json(&parvis.folder);
    assert_eq!(
        (&told["variants"], &told["running"]["stored"]),
        (&1.into(), &1.into())
    );
    assert_eq!(told["running"]["hits"], 2);
    assert_eq!(told["running"]["misses"], 1);
    assert!(told["running"]["saved_bytes"].as_u64().unwrap() > 0);
    let printed = stats(&parvis.folder);
    let line = "\nsince parvis was started: 2 hits, 1 misses (66.7% hits), ";
    assert!(printed.contains(line), "{printed}");
    assert!(
        printed.contains("\nnow: 0 being made, 0 waiting, 0 for later, "),
        "{printed}"
    );
}

#[test]
fn without_images_there_is_nothing_to_tell() {
    let folder = Folder::new();
    let plain = "[[site]]\nname = \"s\"\nlisten = [\"127.0.0.1:0\"]\n\
                 [[site.route]]\npath = \"/*\"\nrespond = {}\n";
    Parvis::write_configuration(&folder, plain);
    for words in [&["stats"][..], &["stats", "--json"]] {
        let output = media(&folder, words);
        assert_eq!(code(&output), 1);
        let said = text(&output.stderr);
        assert!(said.starts_with("error: no route makes variants"), "{said}");
    }
}
