//! Encoded forms of files: those that lie beside them, and those that parvis makes.

use crate::support::{Folder, Parvis, Reply, until};
use crate::{ago, at, changed, decoded, folder, lasting, lives, noise, prose, serve, serve_with};
use crate::{set_changed, tag, tagged};
use std::collections::BTreeSet;
use std::io::Write;
use std::time::{Duration, SystemTime};

const CODINGS: [(&str, &str); 3] = [("br", "br"), ("zstd", "zst"), ("gzip", "gz")];

fn encode(coding: &str, text: &str) -> Vec<u8> {
    match coding {
        "gzip" => {
            let level = flate2::Compression::new(1);
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        "zstd" => zstd::stream::encode_all(text.as_bytes(), 1).unwrap(),
        "br" => {
            let mut encoded = Vec::new();
            let mut encoder = brotli::CompressorWriter::new(&mut encoded, 4096, 1, 18);
            encoder.write_all(text.as_bytes()).unwrap();
            drop(encoder);
            encoded
        }
        other => panic!("{other}"),
    }
}

fn ask(parvis: &Parvis, path: &str, accept: &str) -> Reply {
    let fields = format!("Accept-Encoding: {accept}\r\n");
    parvis.client().request("GET", path, &fields, b"")
}

/// `style.css` with its three siblings, each of which holds a text that tells it from all others.
fn siblings(sibling_changed: SystemTime) -> (Folder, String) {
    let text = prose(1, 5000);
    let folder = folder(&[("style.css", &text)]);
    set_changed(&at(&folder, "style.css"), ago(1000));
    for (coding, extension) in CODINGS {
        let path = at(&folder, &format!("style.css.{extension}"));
        std::fs::write(&path, encode(coding, &format!("{coding}: {text}"))).unwrap();
        set_changed(&path, sibling_changed);
    }
    (folder, text)
}

#[test]
fn siblings_that_are_not_older_are_used() {
    for (sibling_changed, top) in [
        (ago(1000), ""),
        (ago(500), ""),
        (ago(500), "[files]\nmemory = \"0\""),
    ] {
        let (folder, text) = siblings(sibling_changed);
        let path = at(&folder, "style.css");
        // As old, exactly.
        for (_, extension) in CODINGS {
            let sibling = at(&folder, &format!("style.css.{extension}"));
            if changed(&sibling) < changed(&path) + Duration::from_secs(1) {
                set_changed(&sibling, changed(&path));
            }
        }
        let file_tag = tag(&path);
        let parvis = serve_with(folder, top, "", "");
        let plain = ask(&parvis, "/style.css", "identity");
        assert_eq!(plain.text(), text);
        assert_eq!(plain.all("etag"), [file_tag.as_str()]);
        assert_eq!(plain.all("vary"), ["Accept-Encoding"]);
        assert_eq!(plain.all("accept-ranges"), ["bytes"]);
        let mut tags = BTreeSet::from([file_tag.clone()]);
        for (coding, extension) in CODINGS {
            let sibling = at(&parvis.folder, &format!("style.css.{extension}"));
            let bytes = std::fs::read(sibling).unwrap();
            for _ in 0..3 {
                let reply = ask(&parvis, "/style.css", coding);
                assert_eq!(reply.status, 200);
                assert_eq!(reply.all("content-encoding"), [coding], "{}", reply.head);
                assert!(reply.body == bytes, "{coding}: not the sibling");
                assert_eq!(reply.all("content-length"), [bytes.len().to_string()]);
                assert_eq!(reply.all("content-type"), ["text/css; charset=utf-8"]);
                assert_eq!(reply.all("vary"), ["Accept-Encoding"]);
                assert_eq!(reply.field("accept-ranges"), None, "{}", reply.head);
                assert_eq!(reply.all("last-modified"), plain.all("last-modified"));
                assert_eq!(
                    reply.all("etag"),
                    [tagged(&file_tag, &format!("-{coding}"))]
                );
                tags.extend(reply.all("etag"));
                let fields = format!("Accept-Encoding: {coding}\r\n");
                let head = parvis.client().request("HEAD", "/style.css", &fields, b"");
                assert_eq!(lasting(&head), lasting(&reply));
            }
        }
        assert_eq!(tags.len(), 4, "{tags:?}");
        // Whichever form the client has, it need not be sent again.
        for tag in &tags {
            for coding in ["identity", "br", "zstd", "gzip"] {
                let fields = format!("Accept-Encoding: {coding}\r\nIf-None-Match: {tag}\r\n");
                let reply = parvis.client().request("GET", "/style.css", &fields, b"");
                assert_eq!(reply.status, 304, "{fields}");
                assert_eq!(reply.all("vary"), ["Accept-Encoding"]);
            }
        }
    }
}

#[test]
fn siblings_that_are_older_are_not_used() {
    let (folder, text) = siblings(ago(2000));
    let parvis = serve(folder, "");
    for (coding, _) in CODINGS {
        for _ in 0..3 {
            let reply = ask(&parvis, "/style.css", coding);
            assert_eq!(decoded(&reply), text.as_bytes(), "{coding}");
        }
    }
}

#[test]
fn siblings_are_not_used_when_told_so() {
    let (folder, text) = siblings(ago(500));
    let parvis = serve(folder, "precompressed = false");
    for (coding, _) in CODINGS {
        let reply = ask(&parvis, "/style.css", coding);
        assert_eq!(decoded(&reply), text.as_bytes(), "{coding}");
    }
}

#[test]
fn the_client_says_which_form_it_takes() {
    let (folder, _) = siblings(ago(500));
    let parvis = serve(folder, "");
    for (accept, expected) in [
        ("br", "br"),
        ("zstd", "zstd"),
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, deflate, br, zstd", "br"),
        ("zstd, gzip", "zstd"),
        ("br;q=0.1, gzip;q=0.9", "gzip"),
        ("br;q=0, zstd;q=0, gzip", "gzip"),
        ("*", "br"),
        ("*;q=0.5, br;q=0", "zstd"),
        ("br ; q=1.0 , gzip;q=0.5", "br"),
        ("identity", ""),
        ("identity;q=1, br;q=0.5", ""),
        ("deflate", ""),
        ("compress, sdch", ""),
        ("br;q=0", ""),
        ("*;q=0, identity", ""),
        ("", ""),
    ] {
        let reply = ask(&parvis, "/style.css", accept);
        assert_eq!(reply.status, 200);
        let said = reply.field("content-encoding").unwrap_or_default();
        assert_eq!(said, expected, "{accept}");
        assert_eq!(reply.all("vary"), ["Accept-Encoding"], "{accept}");
    }
    assert_eq!(parvis.get("/style.css").field("content-encoding"), None);
}

#[test]
fn one_sibling_alone_is_used_where_the_client_takes_it() {
    let (folder, text) = siblings(ago(500));
    for extension in ["br", "zst"] {
        std::fs::remove_file(at(&folder, &format!("style.css.{extension}"))).unwrap();
    }
    let parvis = serve_with(folder, "", "compress = { algorithms = [\"gzip\"] }", "");
    let reply = ask(&parvis, "/style.css", "gzip, br, zstd");
    assert_eq!(reply.all("content-encoding"), ["gzip"]);
    assert_eq!(decoded(&reply), format!("gzip: {text}").into_bytes());
    let reply = ask(&parvis, "/style.css", "br");
    assert_eq!(decoded(&reply), text.as_bytes());
}

#[test]
fn a_range_is_one_of_the_identity_form() {
    let (folder, text) = siblings(ago(500));
    let parvis = serve(folder, "");
    for (coding, _) in CODINGS {
        let fields = format!("Accept-Encoding: {coding}\r\nRange: bytes=10-19\r\n");
        let reply = parvis.client().request("GET", "/style.css", &fields, b"");
        assert_eq!(reply.status, 206, "{coding}");
        assert_eq!(reply.field("content-encoding"), None);
        assert_eq!(reply.text(), text[10..20]);
        assert_eq!(reply.all("content-range"), ["bytes 10-19/5000"]);
    }
}

#[test]
fn siblings_that_change_are_seen() {
    let (folder, text) = siblings(ago(500));
    let parvis = serve(folder, "");
    let at = |name: &str| at(&parvis.folder, name);
    let get = || ask(&parvis, "/style.css", "br");
    for _ in 0..10 {
        assert_eq!(decoded(&get()), format!("br: {text}").into_bytes());
    }
    let before = get();
    // Another form of the same text, as a new build makes it.
    std::fs::write(at("style.css.br"), encode("br", "newer")).unwrap();
    crate::changes::seen("the newer sibling", || decoded(&get()) == b"newer");
    assert_ne!(before.body, get().body);
    std::fs::remove_file(at("style.css.br")).unwrap();
    crate::changes::seen("that it is gone", || decoded(&get()) == text.as_bytes());
    std::fs::write(at("style.css.br"), encode("br", "back")).unwrap();
    crate::changes::seen("that it is back", || decoded(&get()) == b"back");
    // The file itself is newer than they are: they are of an older one.
    std::fs::write(at("style.css"), "newest").unwrap();
    set_changed(
        &at("style.css"),
        SystemTime::now() + Duration::from_secs(10),
    );
    for (coding, _) in CODINGS {
        crate::changes::seen(coding, || {
            decoded(&ask(&parvis, "/style.css", coding)) == b"newest"
        });
    }
}

#[test]
fn siblings_that_are_no_files_are_not_used() {
    let (folder, text) = siblings(ago(500));
    for (_, extension) in CODINGS {
        let path = at(&folder, &format!("style.css.{extension}"));
        std::fs::remove_file(&path).unwrap();
        match extension {
            "br" => std::fs::create_dir(path).unwrap(),
            "gz" => std::os::unix::fs::symlink("nothing", path).unwrap(),
            _ => std::os::unix::fs::symlink("style.css.zst", path).unwrap(),
        }
    }
    let mut parvis = serve(folder, "");
    for (coding, _) in CODINGS {
        let reply = ask(&parvis, "/style.css", coding);
        assert_eq!(reply.status, 200);
        assert_eq!(decoded(&reply), text.as_bytes(), "{coding}");
    }
    lives(&mut parvis);
}

/// A sibling is a file too; it is what it is, not a form of another.
#[test]
fn a_sibling_can_be_had_by_its_own_name() {
    let (folder, _) = siblings(ago(500));
    let bytes = std::fs::read(at(&folder, "style.css.gz")).unwrap();
    let parvis = serve(folder, "");
    for accept in ["identity", "gzip", "br"] {
        let reply = ask(&parvis, "/style.css.gz", accept);
        assert_eq!(reply.status, 200);
        assert_eq!(reply.field("content-encoding"), None, "{}", reply.head);
        assert!(reply.body == bytes);
        let kind = reply.field("content-type").unwrap();
        assert!(kind.starts_with("application/"), "{kind}");
    }
}

/// A missing file is missing, whatever lies where its siblings would be.
#[test]
fn a_sibling_without_its_file_is_nobodys() {
    let (folder, _) = siblings(ago(500));
    std::fs::remove_file(at(&folder, "style.css")).unwrap();
    let parvis = serve(folder, "");
    assert_eq!(ask(&parvis, "/style.css", "br, gzip").status, 404);
}

#[test]
fn an_index_has_siblings_too() {
    let folder = folder(&[("dir/index.html", "<p>page</p>")]);
    let sibling = at(&folder, "dir/index.html.br");
    std::fs::write(sibling, encode("br", "the sibling")).unwrap();
    let parvis = serve(folder, "");
    assert_eq!(decoded(&ask(&parvis, "/dir/", "br")), b"the sibling");
    assert_eq!(ask(&parvis, "/dir/", "gzip").text(), "<p>page</p>");
    // Small as it is, it has two forms.
    for accept in ["br", "gzip", "identity"] {
        let reply = ask(&parvis, "/dir/", accept);
        assert_eq!(reply.all("vary"), ["Accept-Encoding"], "{accept}");
    }
}

#[test]
fn text_is_encoded_and_decodes_to_what_it_was() {
    let folder = folder(&[]);
    let sizes = [
        0, 1, 799, 800, 801, 4096, 65_535, 65_536, 65_537, 900_000, 3_000_000,
    ];
    for size in sizes {
        folder.write(&format!("root/{size}.html"), &prose(size as u64, size));
    }
    let mut parvis = serve(folder, "");
    let mut client = parvis.client();
    for size in sizes {
        let text = prose(size as u64, size);
        for (coding, _) in CODINGS {
            let fields = format!("Accept-Encoding: {coding}\r\n");
            for _ in 0..3 {
                let reply = client.request("GET", &format!("/{size}.html"), &fields, b"");
                assert_eq!(reply.status, 200);
                assert!(decoded(&reply) == text.as_bytes(), "{coding}, {size} bytes");
                let encoded = reply.field("content-encoding");
                assert_eq!(encoded.is_some(), size >= 800, "{size}: {}", reply.head);
                assert_eq!(reply.all("content-type"), ["text/html; charset=utf-8"]);
                // One that is never encoded need not vary.
                if size >= 800 {
                    assert_eq!(reply.all("vary"), ["Accept-Encoding"], "{size}");
                    assert!(reply.body.len() < size, "{coding}, {size}: it grew");
                    assert_eq!(reply.field("accept-ranges"), None);
                }
            }
        }
    }
    lives(&mut parvis);
}

#[test]
fn what_does_not_shrink_is_sent_as_it_is() {
    let folder = folder(&[]);
    for name in ["a.png", "a.jpg", "a.woff2", "a.mp4", "a.zip", "a.bin"] {
        std::fs::write(at(&folder, name), noise(1, 5000)).unwrap();
    }
    // Of a type that shrinks, but this one does not.
    std::fs::write(at(&folder, "a.txt"), noise(1, 5000)).unwrap();
    let parvis = serve(folder, "");
    for name in ["a.png", "a.jpg", "a.woff2", "a.mp4", "a.zip", "a.bin"] {
        let reply = ask(&parvis, &format!("/{name}"), "br, gzip, zstd");
        assert_eq!(reply.field("content-encoding"), None, "{name}");
        assert_eq!(reply.field("vary"), None, "{name}");
        assert!(reply.body == noise(1, 5000));
    }
    let reply = ask(&parvis, "/a.txt", "br");
    assert!(decoded(&reply) == noise(1, 5000));
}

/// The first answers are encoded in haste, later ones well; each form has a tag of its own, and
/// a client with any of them need not be sent another.
#[test]
fn a_file_that_is_asked_for_again_gets_its_best_form() {
    let text = prose(9, 60_000);
    let folder = folder(&[("a.html", &text)]);
    let file_tag = tag(&at(&folder, "a.html"));
    let parvis = serve(folder, "");
    for (coding, _) in CODINGS {
        let hasty = tagged(&file_tag, &format!("-{coding}.f"));
        let last = tagged(&file_tag, &format!("-{coding}"));
        let mut forms: Vec<(String, Vec<u8>)> = Vec::new();
        until("the best form", || {
            let reply = ask(&parvis, "/a.html", coding);
            assert_eq!(reply.all("content-encoding"), [coding]);
            assert_eq!(reply.all("content-length"), [reply.body.len().to_string()]);
            assert!(decoded(&reply) == text.as_bytes());
            let tag = reply.field("etag").unwrap();
            assert!(tag == hasty || tag == last, "{tag}");
            // One tag, one form.
            match forms.iter().find(|(known, _)| *known == tag) {
                Some((_, body)) => assert!(*body == reply.body, "{tag} is two forms"),
                None => forms.push((tag.clone(), reply.body)),
            }
            (tag == last).then_some(())
        });
        for tag in [&file_tag, &hasty, &last] {
            let fields = format!("Accept-Encoding: {coding}\r\nIf-None-Match: {tag}\r\n");
            let reply = parvis.client().request("GET", "/a.html", &fields, b"");
            assert_eq!(reply.status, 304, "{tag}");
        }
        if let [(_, hasty), (_, last)] = &forms[..] {
            assert!(
                last.len() <= hasty.len(),
                "{coding}: the best form is larger"
            );
        }
    }
}

#[test]
fn compression_that_is_off_leaves_files_as_they_are() {
    let text = prose(3, 5000);
    let parvis = serve_with(folder(&[("a.html", &text)]), "", "compress = \"off\"", "");
    for accept in ["br", "gzip, zstd", "*"] {
        let reply = ask(&parvis, "/a.html", accept);
        assert_eq!(reply.field("content-encoding"), None);
        assert_eq!(reply.text(), text);
    }
}

#[test]
fn a_large_file_is_encoded_while_it_is_sent() {
    let text = prose(4, 5_000_000);
    let folder = folder(&[("a.txt", &text)]);
    let file_tag = tag(&at(&folder, "a.txt"));
    let parvis = serve(folder, "");
    for (coding, _) in CODINGS {
        let mut client = parvis.client();
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let reply = client.request("GET", "/a.txt", &fields, b"");
        assert_eq!(reply.all("content-encoding"), [coding]);
        assert_eq!(
            reply.all("transfer-encoding"),
            ["chunked"],
            "{}",
            reply.head
        );
        assert_eq!(reply.field("content-length"), None);
        assert_eq!(reply.field("accept-ranges"), None);
        assert_eq!(reply.all("etag"), [format!("W/{file_tag}")]);
        assert!(decoded(&reply) == text.as_bytes(), "{coding}");
        assert!(reply.body.len() < text.len() / 2, "{coding}");
        let head = client.request("HEAD", "/a.txt", &fields, b"");
        let mut expected = lasting(&reply);
        expected.remove("transfer-encoding");
        let mut found = lasting(&head);
        found.remove("transfer-encoding");
        assert_eq!(found, expected);
        let fields = format!("{fields}If-None-Match: W/{file_tag}\r\n");
        assert_eq!(client.request("GET", "/a.txt", &fields, b"").status, 304);
    }
}

/// A 304 says of the form what its 200 would say (RFC 9110 section 15.4.5): caches go by it.
#[test]
fn a_304_has_the_tag_of_its_200() {
    let (folder, _) = siblings(ago(500));
    std::fs::remove_file(at(&folder, "style.css.br")).unwrap();
    folder.write("root/page.html", &prose(2, 50_000));
    folder.write("root/short.html", &prose(2, 100));
    folder.write("root/large.txt", &prose(3, 2_000_000));
    std::fs::write(at(&folder, "noise.txt"), noise(1, 50_000)).unwrap();
    std::fs::write(at(&folder, "noise.bin"), noise(1, 50_000)).unwrap();
    let off = serve_with(siblings(ago(500)).0, "", "compress = \"off\"", "");
    std::fs::remove_file(at(&off.folder, "style.css.br")).unwrap();
    let parvis = serve(folder, "");
    for (parvis, path) in [
        (&parvis, "/style.css"),
        (&parvis, "/page.html"),
        (&parvis, "/short.html"),
        (&parvis, "/large.txt"),
        (&parvis, "/noise.txt"),
        (&parvis, "/noise.bin"),
        (&off, "/style.css"),
    ] {
        for accept in ["identity", "br", "gzip", "zstd", "br, gzip"] {
            // A form made in haste has another tag than the one that follows it.
            let tags = || {
                let full = ask(parvis, path, accept);
                assert_eq!(full.status, 200);
                let fields = format!("Accept-Encoding: {accept}\r\nIf-None-Match: *\r\n");
                let reply = parvis.client().request("GET", path, &fields, b"");
                assert_eq!(reply.status, 304);
                (full.all("etag"), reply.all("etag"))
            };
            let end = std::time::Instant::now() + Duration::from_secs(5);
            loop {
                let (full, reply) = tags();
                if full == reply {
                    break;
                }
                let late = std::time::Instant::now() > end;
                assert!(!late, "{path}, {accept}: 200 {full:?}, 304 {reply:?}");
            }
        }
    }
}
