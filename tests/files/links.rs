//! Links: followed as far as the configuration says, also while they change.

use crate::support::{Folder, Parvis, until};
use crate::{folder, lives, serve, serve_with};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

const SECRET: &str = "the secret that nobody may read";

/// A root with every kind of link in it, and a secret beside it.
fn linked() -> Folder {
    let folder = folder(&[
        ("inside.txt", "public"),
        ("dir/x.txt", "public"),
        ("dir/index.html", "public"),
    ]);
    folder.write("outside/x.txt", SECRET);
    folder.write("outside/index.html", SECRET);
    folder.write("root-private/x.txt", SECRET);
    let link = |target: &str, name: &str| symlink(target, folder.join("root").join(name)).unwrap();
    let here = folder.path().to_str().unwrap().to_string();
    link("inside.txt", "file");
    link("./dir/../inside.txt", "roundabout");
    link("../inside.txt", "dir/up");
    link("dir", "folder");
    link("dir/", "folder-slash");
    link("file", "chain");
    link("chain", "longer-chain");
    link(".", "here");
    link(&format!("{here}/root/inside.txt"), "absolute");
    link(&format!("{here}/root/dir"), "absolute-folder");
    link("../outside/x.txt", "out");
    link("../outside", "out-folder");
    link("..", "up");
    link("../../..", "far-up");
    link("/", "top");
    link("/etc/passwd", "passwd");
    link(&format!("{here}/outside/x.txt"), "absolute-out");
    link(
        &format!("{here}/root/../outside/x.txt"),
        "absolute-dots-out",
    );
    link(&format!("{here}/root-private/x.txt"), "sibling");
    link("out", "chain-out");
    link("out-folder/x.txt", "through-out");
    link("../../outside/x.txt", "dir/out");
    link("loop", "loop");
    link("ping", "pong");
    link("pong", "ping");
    link("nothing", "dangling");
    link("/nothing/at/all", "dangling-out");
    link("/proc/self/cwd", "process");
    link("/proc/self/root", "process-root");
    folder
}

const INSIDE: [&str; 11] = [
    "/file",
    "/roundabout",
    "/dir/up",
    "/folder/x.txt",
    "/folder/",
    "/folder-slash/x.txt",
    "/chain",
    "/longer-chain",
    "/here/here/inside.txt",
    "/absolute",
    "/absolute-folder/x.txt",
];

const OUTSIDE: [&str; 14] = [
    "/out",
    "/out-folder/x.txt",
    "/out-folder/",
    "/up/outside/x.txt",
    "/passwd",
    "/top/etc/passwd",
    "/absolute-out",
    "/absolute-dots-out",
    "/sibling",
    "/chain-out",
    "/through-out",
    "/dir/out",
    "/here/out",
    "/process-root/etc/passwd",
];

const NOWHERE: [&str; 6] = [
    "/loop",
    "/loop/x.txt",
    "/ping",
    "/dangling",
    "/dangling-out",
    "/dangling/x.txt",
];

fn refused(parvis: &Parvis, path: &str) {
    let reply = parvis.get(path);
    assert!(!reply.text().contains(SECRET), "{path}");
    assert!(!reply.text().contains("root:x:0"), "{path}");
    assert_eq!(reply.status, 404, "{path}: {}", reply.text());
}

fn had(parvis: &Parvis, path: &str) {
    let reply = parvis.get(path);
    assert_eq!(
        (reply.status, reply.text()),
        (200, "public".into()),
        "{path}"
    );
}

#[test]
fn by_default_links_are_followed_that_end_inside_the_root() {
    for files in ["", "follow_links = \"inside\"", "autoindex = true"] {
        let mut parvis = serve(linked(), files);
        for path in INSIDE {
            had(&parvis, path);
        }
        for path in OUTSIDE.iter().chain(&NOWHERE) {
            refused(&parvis, path);
        }
        // A directory outside has no listing, with or without its slash.
        for path in ["/up/", "/far-up/", "/top/", "/out-folder/", "/process/"] {
            refused(&parvis, path);
        }
        for path in ["/up", "/top", "/out-folder", "/process", "/process-root"] {
            refused(&parvis, path);
        }
        lives(&mut parvis);
    }
}

#[test]
fn never_means_that_no_link_is_followed() {
    let mut parvis = serve(linked(), "follow_links = \"never\"");
    had(&parvis, "/inside.txt");
    had(&parvis, "/dir/x.txt");
    had(&parvis, "/dir/");
    for path in INSIDE.iter().chain(&OUTSIDE).chain(&NOWHERE) {
        refused(&parvis, path);
    }
    lives(&mut parvis);
}

#[test]
fn anywhere_means_that_every_link_is_followed() {
    let mut parvis = serve(linked(), "follow_links = \"anywhere\"");
    for path in INSIDE {
        had(&parvis, path);
    }
    for path in [
        "/out",
        "/out-folder/x.txt",
        "/out-folder/",
        "/up/outside/x.txt",
        "/absolute-out",
        "/absolute-dots-out",
        "/sibling",
        "/chain-out",
        "/through-out",
        "/dir/out",
        "/here/out",
    ] {
        let reply = parvis.get(path);
        assert_eq!((reply.status, reply.text()), (200, SECRET.into()), "{path}");
    }
    for path in NOWHERE {
        refused(&parvis, path);
    }
    // A path is no link: it leads out of nothing.
    assert_eq!(parvis.get("/../outside/x.txt").status, 400);
    assert_eq!(parvis.get("/..%2foutside/x.txt").status, 400);
    lives(&mut parvis);
}

/// The root is the operator's own word: it may be a link, and lie below one.
#[test]
fn the_root_itself_may_be_a_link() {
    for follow in ["never", "inside", "anywhere"] {
        let folder = Folder::new();
        folder.write("releases/3/inside.txt", "public");
        folder.write("releases/x.txt", SECRET);
        symlink("releases/3", folder.join("root")).unwrap();
        symlink("../x.txt", folder.join("releases/3/out")).unwrap();
        let parvis = serve(folder, &format!("follow_links = \"{follow}\""));
        had(&parvis, "/inside.txt");
        if follow != "anywhere" {
            refused(&parvis, "/out");
        }
    }
}

/// An index, a try and a form beside the file are opened as carefully as the file itself.
#[test]
fn no_index_try_or_encoded_form_leads_out() {
    let folder = folder(&[("dir/y.txt", "public"), ("style.css", "public")]);
    folder.write("outside/x", SECRET);
    folder.write("outside/index.html", SECRET);
    let link = |target: &str, name: &str| symlink(target, folder.join("root").join(name)).unwrap();
    link("../../outside/index.html", "dir/index.html");
    link("../outside/x", "page.html");
    link("../outside/x", "style.css.br");
    link("../outside/x", "style.css.gz");
    link("../outside/x", "style.css.zst");
    link("../outside/x", "last.html");
    let parvis = serve(
        folder,
        "autoindex = false\ntry = [\"{path}\", \"{path}.html\", \"/last.html\"]",
    );
    for path in ["/dir/", "/page", "/nothing", "/last.html"] {
        refused(&parvis, path);
    }
    for coding in ["br", "gzip", "zstd"] {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let reply = parvis.client().request("GET", "/style.css", &fields, b"");
        assert_eq!(reply.status, 200);
        assert!(!reply.text().contains(SECRET), "{coding}");
    }
}

/// Requests for `path` while `swap` goes on; returns how many were answered with 200 and 404.
fn raced(
    parvis: &Parvis,
    path: &str,
    least: usize,
    swap: impl Fn() + Send + Sync,
) -> (usize, usize) {
    let (over, swaps) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (had, not) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                swap();
                swaps.fetch_add(1, Ordering::Relaxed);
            }
        });
        let clients: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = parvis.client();
                    let began = Instant::now();
                    // A machine with little time has to swap often all the same.
                    while had.load(Ordering::Relaxed) + not.load(Ordering::Relaxed) < least
                        || swaps.load(Ordering::Relaxed) < 3000
                    {
                        let reply = client.get(path);
                        let text = reply.text();
                        if text.contains(SECRET) {
                            over.store(true, Ordering::Relaxed);
                            panic!("{path} led out");
                        }
                        let counter = match (reply.status, text.as_str()) {
                            (200, "public") => &had,
                            (404, _) => &not,
                            other => {
                                over.store(true, Ordering::Relaxed);
                                panic!("{path}: {other:?}");
                            }
                        };
                        counter.fetch_add(1, Ordering::Relaxed);
                        assert!(began.elapsed().as_secs() < 120, "too slow to say anything");
                    }
                })
            })
            .collect();
        let ends: Vec<_> = clients.into_iter().map(|client| client.join()).collect();
        over.store(true, Ordering::Relaxed);
        for end in ends {
            end.unwrap();
        }
    });
    (had.into_inner(), not.into_inner())
}

fn rename(from: &Path, to: &Path) {
    std::fs::rename(from, to).unwrap();
}

#[test]
fn no_race_leads_out_when_a_directory_becomes_a_link() {
    for (follow, memory) in [("inside", "64MiB"), ("inside", "0"), ("never", "0")] {
        let folder = folder(&[("swap/x.txt", "public"), ("swap/deep/er/x.txt", "public")]);
        folder.write("outside/x.txt", SECRET);
        folder.write("outside/deep/er/x.txt", SECRET);
        let root = folder.join("root");
        symlink("../outside", root.join("link")).unwrap();
        let (swap, link, parked) = (root.join("swap"), root.join("link"), root.join("parked"));
        let mut parvis = serve_with(
            folder,
            &format!("[files]\nmemory = \"{memory}\""),
            "",
            &format!("follow_links = \"{follow}\""),
        );
        for path in ["/swap/x.txt", "/swap/deep/er/x.txt"] {
            let (had, not) = raced(&parvis, path, 3000, || {
                rename(&swap, &parked);
                rename(&link, &swap);
                rename(&swap, &link);
                rename(&parked, &swap);
            });
            assert!(had > 0 || memory != "0", "{path}: {had} had, {not} not");
            assert!(not > 0 || memory != "0", "{path}: {had} had, {not} not");
        }
        lives(&mut parvis);
    }
}

#[test]
fn no_race_leads_out_when_a_file_becomes_a_link() {
    for (follow, memory) in [("inside", "64MiB"), ("inside", "0"), ("never", "0")] {
        let folder = folder(&[("swap.txt", "public")]);
        folder.write("outside.txt", SECRET);
        let root = folder.join("root");
        let (swap, link, file) = (root.join("swap.txt"), root.join("link"), root.join("file"));
        let mut parvis = serve_with(
            folder,
            &format!("[files]\nmemory = \"{memory}\""),
            "",
            &format!("follow_links = \"{follow}\""),
        );
        // There is always one of the two: what is renamed over is replaced in one step.
        let (had, not) = raced(&parvis, "/swap.txt", 5000, || {
            symlink("../outside.txt", &link).unwrap();
            rename(&link, &swap);
            std::fs::write(&file, "public").unwrap();
            rename(&file, &swap);
        });
        assert!(had + not >= 5000);
        assert!(
            (had > 0 && not > 0) || memory != "0",
            "{had} had, {not} not"
        );
        until("the file is back", || {
            (parvis.get("/swap.txt").text() == "public").then_some(())
        });
        lives(&mut parvis);
    }
}
