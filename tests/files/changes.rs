//! Files that change while they are served: what is seen, and how soon.

use crate::support::{Parvis, Reply};
use crate::{ago, at, changed, decoded, folder, noise, prose, serve, serve_with, set_changed};
use std::io::Write;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How soon a change is seen: the second that is promised, and a little for a busy machine.
const SOON: Duration = Duration::from_millis(1400);

/// Waits until `condition` holds, which it has to do soon.
pub fn seen(what: &str, mut condition: impl FnMut() -> bool) {
    let began = Instant::now();
    loop {
        // Asked for before the deadline, whenever the answer comes.
        let late = began.elapsed() > SOON;
        if condition() {
            return;
        }
        assert!(!late, "not seen within a second: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

const PROCESSES: [&str; 2] = ["", "[files]\nmemory = \"0\""];

/// Asks often enough that the file is in memory if any is.
fn warm(parvis: &Parvis, path: &str) -> Reply {
    let mut client = parvis.client();
    for _ in 0..20 {
        client.get(path);
        client.request("GET", path, "Accept-Encoding: gzip\r\n", b"");
    }
    client.get(path)
}

/// Replaces a file in one step.
fn replace(path: &Path, content: &str) {
    let next = path.with_extension("next");
    std::fs::write(&next, content).unwrap();
    std::fs::rename(next, path).unwrap();
}

#[test]
fn a_changed_file_is_seen_within_a_second_and_its_tag_changes() {
    for top in PROCESSES {
        let folder = folder(&[("file.txt", "old content")]);
        let path = at(&folder, "file.txt");
        let parvis = serve_with(folder, top, "", "");
        let before = warm(&parvis, "/file.txt");
        assert_eq!(before.text(), "old content");
        // In place, of the same length.
        std::fs::write(&path, "new content").unwrap();
        seen("the new content", || {
            parvis.get("/file.txt").text() == "new content"
        });
        let after = warm(&parvis, "/file.txt");
        assert_ne!(before.field("etag"), after.field("etag"));
        let old_tag = format!("If-None-Match: {}\r\n", before.field("etag").unwrap());
        let asked = parvis.client().request("GET", "/file.txt", &old_tag, b"");
        assert_eq!(asked.status, 200);
        // Replaced, of another length.
        replace(&path, "newer and longer content");
        seen("the newer content", || {
            parvis.get("/file.txt").text() == "newer and longer content"
        });
        assert_ne!(after.field("etag"), parvis.get("/file.txt").field("etag"));
        // Back to an older one, as a deployment that is taken back does.
        warm(&parvis, "/file.txt");
        let next = path.with_extension("next");
        std::fs::write(&next, "oldest content").unwrap();
        set_changed(&next, ago(100_000));
        std::fs::rename(next, &path).unwrap();
        seen("the oldest content", || {
            parvis.get("/file.txt").text() == "oldest content"
        });
    }
}

#[test]
fn encoded_forms_change_with_their_file() {
    for top in PROCESSES {
        let (old, new) = (prose(1, 30_000), prose(2, 30_000));
        let folder = folder(&[("file.txt", &old)]);
        let path = at(&folder, "file.txt");
        let parvis = serve_with(folder, top, "", "");
        let get = |coding: &str| {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            let reply = parvis.client().request("GET", "/file.txt", &fields, b"");
            assert_eq!(reply.status, 200);
            assert_eq!(reply.field("content-encoding").as_deref(), Some(coding));
            String::from_utf8(decoded(&reply)).unwrap()
        };
        for coding in ["gzip", "br", "zstd"] {
            for _ in 0..5 {
                assert_eq!(get(coding), old, "{coding}");
            }
        }
        std::fs::write(&path, &new).unwrap();
        let began = Instant::now();
        for coding in ["gzip", "br", "zstd"] {
            seen(coding, || get(coding) == new);
        }
        assert!(began.elapsed() < SOON * 2);
    }
}

/// A file put in its place with the same size and time is another file all the same.
#[test]
fn a_file_replaced_by_one_of_the_same_size_and_time_is_seen() {
    for top in PROCESSES {
        let folder = folder(&[("file.txt", "old content")]);
        let path = at(&folder, "file.txt");
        let parvis = serve_with(folder, top, "", "");
        assert_eq!(warm(&parvis, "/file.txt").text(), "old content");
        let next = path.with_extension("next");
        std::fs::write(&next, "new content").unwrap();
        set_changed(&next, changed(&path));
        std::fs::rename(next, &path).unwrap();
        seen("the new content", || {
            parvis.get("/file.txt").text() == "new content"
        });
    }
}

#[test]
fn a_deleted_file_is_missing_within_a_second() {
    for top in PROCESSES {
        let folder = folder(&[
            ("file.txt", "content"),
            ("dir/index.html", "index"),
            ("gone/x.txt", "x"),
        ]);
        let root = folder.join("root");
        let parvis = serve_with(folder, top, "", "");
        for path in ["/file.txt", "/dir/", "/gone/x.txt"] {
            assert_eq!(warm(&parvis, path).status, 200);
        }
        std::fs::remove_file(root.join("file.txt")).unwrap();
        std::fs::remove_file(root.join("dir/index.html")).unwrap();
        std::fs::remove_dir_all(root.join("gone")).unwrap();
        for path in ["/file.txt", "/dir/", "/gone/x.txt"] {
            seen(path, || parvis.get(path).status == 404);
        }
    }
}

#[test]
fn a_file_made_after_a_404_is_there_at_once() {
    for top in PROCESSES {
        let folder = folder(&[("dir/x.txt", "x")]);
        let root = folder.join("root");
        let parvis = serve_with(folder, top, "", "try = [\"{path}\", \"{path}.html\"]");
        for (path, name) in [
            ("/file.txt", "file.txt"),
            ("/dir/y.txt", "dir/y.txt"),
            ("/dir/", "dir/index.html"),
            ("/", "index.html"),
            ("/page", "page.html"),
            ("/new/x.txt", "new/x.txt"),
        ] {
            for _ in 0..20 {
                assert_eq!(parvis.get(path).status, 404, "{path}");
            }
            parvis.folder.write(&format!("root/{name}"), "made");
            assert_eq!(parvis.get(path).text(), "made", "{path}");
        }
        // An earlier try, and an earlier index, come first again as soon as they are there.
        std::fs::write(root.join("page"), "earlier").unwrap();
        seen("the earlier try", || {
            parvis.get("/page").text() == "earlier"
        });
    }
}

#[test]
fn a_file_that_becomes_a_directory_and_back_is_seen() {
    for top in PROCESSES {
        let folder = folder(&[("thing", "file")]);
        let path = at(&folder, "thing");
        let parvis = serve_with(folder, top, "", "");
        assert_eq!(warm(&parvis, "/thing").text(), "file");
        std::fs::remove_file(&path).unwrap();
        parvis.folder.write("root/thing/index.html", "directory");
        seen("the directory", || parvis.get("/thing").status == 308);
        assert_eq!(warm(&parvis, "/thing/").text(), "directory");
        std::fs::remove_dir_all(&path).unwrap();
        parvis.folder.write("root/thing", "file again");
        seen("the file", || parvis.get("/thing").text() == "file again");
        seen("no directory", || parvis.get("/thing/").status == 404);
    }
}

#[test]
fn a_link_that_points_elsewhere_is_seen() {
    for top in PROCESSES {
        let folder = folder(&[("v1/x.txt", "first"), ("v2/x.txt", "second")]);
        let root = folder.join("root");
        symlink("v1", root.join("current")).unwrap();
        symlink("v1/x.txt", root.join("x.txt")).unwrap();
        let parvis = serve_with(folder, top, "", "");
        for path in ["/current/x.txt", "/x.txt"] {
            assert_eq!(warm(&parvis, path).text(), "first");
        }
        for (target, name) in [("v2", "current"), ("v2/x.txt", "x.txt")] {
            symlink(target, root.join("next")).unwrap();
            std::fs::rename(root.join("next"), root.join(name)).unwrap();
        }
        for path in ["/current/x.txt", "/x.txt"] {
            seen(path, || parvis.get(path).text() == "second");
        }
    }
}

/// How releases are put in place: `root` is a link that is turned to the next one, or a
/// directory that is moved away for another.
#[test]
fn a_root_that_is_exchanged_is_seen() {
    for top in PROCESSES {
        let folder = crate::Folder::new();
        folder.write("v1/x.txt", "first");
        folder.write("v1/gone.txt", "first");
        folder.write("v2/x.txt", "second");
        folder.write("v3/x.txt", "third");
        symlink("v1", folder.join("root")).unwrap();
        let parvis = serve_with(folder, top, "", "");
        let at = |name: &str| parvis.folder.join(name);
        assert_eq!(warm(&parvis, "/x.txt").text(), "first");
        assert_eq!(warm(&parvis, "/gone.txt").text(), "first");
        symlink("v2", at("next")).unwrap();
        std::fs::rename(at("next"), at("root")).unwrap();
        seen("the second release", || {
            parvis.get("/x.txt").text() == "second"
        });
        seen("what it has not", || parvis.get("/gone.txt").status == 404);
        warm(&parvis, "/x.txt");
        std::fs::remove_file(at("root")).unwrap();
        std::fs::rename(at("v3"), at("root")).unwrap();
        seen("the third release", || {
            parvis.get("/x.txt").text() == "third"
        });
        // Gone altogether, and back.
        std::fs::rename(at("root"), at("away")).unwrap();
        seen("that it is gone", || parvis.get("/x.txt").status == 404);
        std::fs::rename(at("away"), at("root")).unwrap();
        seen("that it is back", || parvis.get("/x.txt").text() == "third");
    }
}

/// Whatever is read while a file is replaced again and again is one whole content of it, with its
/// own tag and length.
#[test]
fn answers_are_never_mixed_while_a_file_is_replaced() {
    for top in PROCESSES {
        let folder = folder(&[("file.txt", "0")]);
        let path = at(&folder, "file.txt");
        let content = |n: usize| format!("{n}:").repeat(100 + n % 50 * 100);
        replace(&path, &content(0));
        let parvis = serve_with(folder, top, "", "");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| {
                for n in 1..400 {
                    replace(&path, &content(n));
                    std::thread::sleep(Duration::from_millis(2));
                }
                over.store(true, Ordering::Relaxed);
            });
            let mut client = parvis.client();
            let mut tags = std::collections::HashMap::new();
            while !over.load(Ordering::Relaxed) {
                for coding in ["identity", "gzip", "br"] {
                    let fields = format!("Accept-Encoding: {coding}\r\n");
                    let reply = client.request("GET", "/file.txt", &fields, b"");
                    let text = String::from_utf8(decoded(&reply)).unwrap();
                    let n: usize = text.split(':').next().unwrap().parse().unwrap();
                    assert_eq!(text, content(n));
                    let tag = reply.field("etag").unwrap();
                    let before = tags.insert(tag.clone(), n);
                    assert!(before.is_none_or(|b| b == n), "{tag} is two contents");
                }
            }
            writer.join().unwrap();
        });
        seen("the last content", || {
            parvis.get("/file.txt").text() == content(399)
        });
    }
}

/// A log, or a state that some program writes again and again: whoever asks gets what there is.
#[test]
fn a_file_that_is_written_all_the_time_is_served_all_the_time() {
    for top in PROCESSES {
        let folder = folder(&[("log.txt", "")]);
        let path = at(&folder, "log.txt");
        let mut parvis = serve_with(folder, top, "", "");
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut file = std::fs::File::options().append(true).open(&path).unwrap();
                let mut length = 0;
                while !over.load(Ordering::Relaxed) {
                    // Begun anew before it is large.
                    if length > 200_000 {
                        file.set_len(0).unwrap();
                        length = 0;
                    }
                    length += file.write(&[b'x'; 100]).unwrap();
                    std::thread::sleep(Duration::from_millis(1));
                }
            });
            let asked = std::panic::catch_unwind(|| {
                let mut complete = 0;
                for _ in 0..1000 {
                    let mut client = parvis.client();
                    client.send("GET /log.txt HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
                    let answer = client.rest();
                    let text = String::from_utf8_lossy(&answer).into_owned();
                    // One that is read while it is sent may be cut off, since it changes.
                    let Some((head, body)) = text.split_once("\r\n\r\n") else {
                        assert!(answer.is_empty(), "{text}");
                        continue;
                    };
                    assert!(head.starts_with("HTTP/1.1 200 "), "{text}");
                    let said = head.split_once("Content-Length: ").unwrap().1;
                    let length: usize = said.split("\r\n").next().unwrap().parse().unwrap();
                    assert!(body.len() <= length);
                    complete += usize::from(body.len() == length);
                }
                let least = if top.is_empty() { 1000 } else { 1 };
                assert!(complete >= least, "only {complete} were sent whole");
            });
            over.store(true, Ordering::Relaxed);
            if let Err(panic) = asked {
                std::panic::resume_unwind(panic);
            }
        });
        crate::lives(&mut parvis);
    }
}

/// One that is not kept in memory too: whoever asks just then gets an answer, of what it was or is.
#[test]
fn a_file_that_was_written_over_a_moment_ago_is_answered() {
    for top in [PROCESSES[0], PROCESSES[1], "[files]\nlargest = \"1KiB\""] {
        let (old, new) = (noise(1, 100_000), noise(2, 100_000));
        let folder = folder(&[]);
        let path = at(&folder, "file.bin");
        std::fs::write(&path, &old).unwrap();
        let parvis = serve_with(folder, top, "", "");
        for n in 0..10 {
            assert_eq!(warm(&parvis, "/file.bin").status, 200);
            let content = if n % 2 == 0 { &new } else { &old };
            let file = std::fs::File::options().write(true).open(&path).unwrap();
            std::os::unix::fs::FileExt::write_all_at(&file, content, 0).unwrap();
            let body = parvis.get("/file.bin").body;
            assert!(body == old || body == new, "mixed");
            seen("the new content", || {
                parvis.get("/file.bin").body == *content
            });
        }
    }
}

/// What was kept under the old configuration is not sent under the new one.
#[test]
fn a_reload_is_seen_at_once() {
    let folder = folder(&[("a.md", "first"), ("a.55e7cbb9ba48.js", "x")]);
    folder.write("other/a.md", "second");
    let parvis = serve(folder, "");
    let reply = warm(&parvis, "/a.md");
    assert_eq!(reply.text(), "first");
    let script = warm(&parvis, "/a.55e7cbb9ba48.js");
    assert!(script.field("cache-control").unwrap().contains("immutable"));
    let load = |files: &str| {
        let text = crate::configuration("", "", files);
        let text = text.replacen("root = \"root\"\n", "", 1);
        Parvis::write_configuration(&parvis.folder, &text);
        let reply = parvis.admin_request("POST", "/reload", "");
        assert_eq!(reply.status, 200, "{}", reply.text());
    };
    load("root = \"root\"\ntypes = { md = \"text/x-other\" }\nimmutable = \"off\"");
    let reply = parvis.get("/a.md");
    assert_eq!(reply.all("content-type"), ["text/x-other"]);
    let script = parvis.get("/a.55e7cbb9ba48.js");
    assert_eq!(script.all("cache-control"), ["no-cache"]);
    load("root = \"other\"");
    assert_eq!(parvis.get("/a.md").text(), "second");
    assert_eq!(parvis.get("/a.55e7cbb9ba48.js").status, 404);
    load("root = \"root\"\nfollow_links = \"never\"");
    assert_eq!(parvis.get("/a.md").text(), "first");
}

#[test]
fn nothing_is_written_below_the_root() {
    let long = prose(3, 60_000);
    let folder = folder(&[("a.txt", "a"), ("long.txt", &long), ("dir/index.html", "i")]);
    let parvis = serve(folder, "autoindex = true");
    for path in ["/a.txt", "/long.txt", "/dir/", "/", "/none"] {
        for _ in 0..10 {
            let fields = "Accept-Encoding: br, gzip\r\n";
            parvis.client().request("GET", path, fields, b"");
        }
    }
    let mut names: Vec<_> = std::fs::read_dir(parvis.folder.join("root"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["a.txt", "dir", "long.txt"]);
}
