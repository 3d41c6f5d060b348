//! Variants are sent like files: tags, conditions, ranges, `HEAD`.

use crate::support::{Parvis, Reply};
use crate::{client, etag, original, photograph, picture, serve, serve_with};
use std::collections::BTreeMap;

const WEBP: &str = "/photo.jpg?w=300&format=webp";

fn with(parvis: &Parvis, method: &str, path: &str, fields: &str) -> Reply {
    client(parvis).request(method, path, fields, b"")
}

/// The fields that are not made anew for each answer.
fn lasting(reply: &Reply) -> BTreeMap<String, String> {
    let lower = |(name, value): &(String, String)| (name.to_ascii_lowercase(), value.clone());
    let fields = reply.fields.iter().map(lower);
    fields
        .filter(|(name, _)| !["connection", "date", "x-request-id"].contains(&name.as_str()))
        .collect()
}

#[test]
fn every_variant_has_a_tag_of_its_own() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    let paths = [
        WEBP,
        "/photo.jpg?w=300&format=jpeg",
        "/photo.jpg?w=150&format=webp",
        "/photo.jpg?w=300&format=webp&q=50",
        "/photo.jpg?w=300&h=300&fit=cover&format=webp",
        "/photo.jpg?w=300&format=webp&blur",
    ];
    let mut tags: Vec<String> = paths
        .iter()
        .map(|path| etag(&with(&parvis, "GET", path, "")))
        .collect();
    for tag in &tags {
        let strong = tag.starts_with('"') && tag.ends_with('"') && tag.len() > 10;
        assert!(strong, "{tag}");
    }
    tags.sort();
    tags.dedup();
    assert_eq!(tags.len(), paths.len());
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let folder = photograph();
    for memory in ["", "memory = \"0\""] {
        let parvis = serve_with(&folder, memory, "", "");
        let reply = picture(&parvis, WEBP, "*/*", "image/webp");
        let tag = etag(&reply);
        assert_eq!(reply.all("accept-ranges"), ["bytes"]);
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
        let none = |tag: &str| format!("If-None-Match: {tag}\r\n");
        let must = |tag: &str| format!("If-Match: {tag}\r\n");
        for (fields, status) in [
            (none(&tag), 304),
            (none(&format!("W/{tag}")), 304),
            (none("*"), 304),
            (none(&format!("\"x\", {tag}")), 304),
            (none("\"x\""), 200),
            (must(&tag), 200),
            (must("\"x\""), 412),
        ] {
            for method in ["GET", "HEAD"] {
                let mut client = client(&parvis);
                let reply = client.request(method, WEBP, &fields, b"");
                assert_eq!(reply.status, status, "{method} {fields}");
                if status != 412 {
                    assert_eq!(etag(&reply), tag);
                }
                // No body is left over.
                let next = client.request("GET", WEBP, "", b"");
                assert_eq!(etag(&next), tag);
            }
        }
        // The negotiated one says on what it depends, also when it is not sent again.
        let fields = "Accept: image/webp\r\nIf-None-Match: *\r\n";
        let reply = with(&parvis, "GET", "/photo.jpg?w=300", fields);
        assert_eq!(reply.status, 304);
        assert_eq!(reply.all("vary"), ["Accept"], "{}", reply.head);
    }
}

#[test]
fn head_is_get_without_its_body() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    for path in [
        WEBP,
        "/photo.jpg?w=150",
        "/photo.jpg",
        "/photo.jpg?placeholder",
        "/photo.jpg?w=0",
    ] {
        // Also when it is the first to ask for it.
        let head = with(&parvis, "HEAD", path, "");
        let got = with(&parvis, "GET", path, "");
        assert_eq!(head.status, got.status, "{path}");
        assert_eq!(lasting(&head), lasting(&got), "{path}");
        let length = got.field("content-length").unwrap();
        assert_eq!(length, got.body.len().to_string(), "{path}");
    }
}

#[test]
fn parts_of_variants_can_be_had() {
    let folder = photograph();
    // From memory, and from disk.
    for memory in ["", "memory = \"0\""] {
        let parvis = serve_with(&folder, memory, "", "");
        let whole = with(&parvis, "GET", WEBP, "");
        let (tag, length) = (etag(&whole), whole.body.len());
        let range = |range: &str| format!("Range: bytes={range}\r\n");
        for (asked, from, to) in [
            ("0-0", 0, 1),
            ("0-99", 0, 100),
            ("100-", 100, length),
            ("-7", length - 7, length),
            ("10-999999999", 10, length),
        ] {
            let part = with(&parvis, "GET", WEBP, &range(asked));
            assert_eq!(part.status, 206, "{asked}");
            assert!(part.body == whole.body[from..to], "{asked}");
            let said = part.field("content-range").unwrap();
            assert_eq!(said, format!("bytes {from}-{}/{length}", to - 1));
            assert_eq!(part.all("content-type"), ["image/webp"]);
            assert_eq!(etag(&part), tag);
        }
        let beyond = with(&parvis, "GET", WEBP, &range(&format!("{length}-")));
        assert_eq!(beyond.status, 416);
        let said = beyond.field("content-range").unwrap();
        assert_eq!(said, format!("bytes */{length}"));
        let several = with(&parvis, "GET", WEBP, &range("0-1,5-6"));
        assert!([200, 206].contains(&several.status));
        // A part of this variant, and never one of another.
        let same = format!("{}If-Range: {tag}\r\n", range("5-9"));
        let part = with(&parvis, "GET", WEBP, &same);
        assert_eq!((part.status, &part.body[..]), (206, &whole.body[5..10]));
        let other = etag(&with(&parvis, "GET", "/photo.jpg?w=150&format=webp", ""));
        for other in [other.as_str(), &format!("W/{tag}"), "\"x\""] {
            let fields = format!("{}If-Range: {other}\r\n", range("5-9"));
            let all = with(&parvis, "GET", WEBP, &fields);
            assert_eq!(all.status, 200, "{other}");
            assert!(all.body == whole.body, "{other}");
        }
    }
}

#[test]
fn other_methods_are_405() {
    let folder = photograph();
    let parvis = serve(&folder, "");
    for method in ["POST", "PUT", "DELETE"] {
        let reply = with(&parvis, method, WEBP, "");
        assert_eq!(reply.status, 405, "{method}");
    }
}

/// A film beside the pictures: the player seeks in it.
#[test]
fn films_are_sent_in_parts() {
    let folder = photograph();
    let film: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
    for (name, kind) in [
        ("a.mp4", "video/mp4"),
        ("a.webm", "video/webm"),
        ("a.mov", "video/quicktime"),
    ] {
        std::fs::write(folder.join("root").join(name), &film).unwrap();
        let parvis = serve(&folder, "");
        let path = format!("/{name}?w=150");
        for (asked, from, to) in [
            ("0-", 0, film.len()),
            ("0-1", 0, 2),
            ("1100000-1100099", 1_100_000, 1_100_100),
            ("-65536", film.len() - 65_536, film.len()),
        ] {
            let part = with(&parvis, "GET", &path, &format!("Range: bytes={asked}\r\n"));
            assert_eq!(part.status, 206, "{name} {asked}");
            assert!(part.body == film[from..to], "{name} {asked}");
            assert_eq!(part.all("content-type"), [kind]);
        }
        assert!(with(&parvis, "GET", &path, "").body == original(&folder, name));
    }
}
