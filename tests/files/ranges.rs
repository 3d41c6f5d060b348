//! Ranges of files, compared with a reference that is computed here (RFC 9110 section 14).

use crate::support::{Client, Folder, Reply};
use crate::{Random, ago, at, folder, lives, noise, prose, serve, set_changed, tag, tagged};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

/// What a `Range` asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    /// The field means nothing: the whole file.
    Whole,
    /// Nothing that there is.
    Nothing,
    /// From, and to which byte, that one included; in order, apart.
    Parts(Vec<(u64, u64)>),
}

/// The most parts that are sent.
const MOST: usize = 16;

/// What this value of `Range` asks of a file of this length.
fn wanted(value: &str, length: u64) -> Wanted {
    let Some(set) = value.strip_prefix("bytes=") else {
        return Wanted::Whole;
    };
    // Larger than any number that counts here.
    let number = |text: &str| -> Option<u64> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let mut parts = Vec::new();
    let mut any = false;
    for spec in set.split(',').map(|s| s.trim_matches([' ', '\t'])) {
        // An empty element of a list is none (RFC 9110 section 5.6.1.2).
        if spec.is_empty() {
            continue;
        }
        any = true;
        let Some((first, last)) = spec.split_once('-') else {
            return Wanted::Whole;
        };
        if first.is_empty() {
            let Some(suffix) = number(last) else {
                return Wanted::Whole;
            };
            if suffix > 0 && length > 0 {
                parts.push((length.saturating_sub(suffix), length - 1));
            }
            continue;
        }
        let Some(first) = number(first) else {
            return Wanted::Whole;
        };
        let last = match last {
            "" => u64::MAX,
            last => match number(last) {
                Some(last) => last,
                None => return Wanted::Whole,
            },
        };
        if last < first {
            return Wanted::Whole;
        }
        if first < length {
            parts.push((first, last.min(length - 1)));
        }
    }
    if !any {
        return Wanted::Whole;
    }
    parts.sort_unstable();
    let mut merged: Vec<(u64, u64)> = Vec::new();
    for (first, last) in parts {
        match merged.last_mut() {
            Some(before) if first <= before.1 + 1 => before.1 = before.1.max(last),
            _ => merged.push((first, last)),
        }
    }
    match merged.len() {
        0 => Wanted::Nothing,
        1..=MOST => Wanted::Parts(merged),
        _ => Wanted::Whole,
    }
}

#[test]
fn the_reference_is_right_itself() {
    for (value, expected) in [
        ("bytes=0-0", Wanted::Parts(vec![(0, 0)])),
        ("bytes=0-", Wanted::Parts(vec![(0, 99)])),
        ("bytes=-1", Wanted::Parts(vec![(99, 99)])),
        ("bytes=-200", Wanted::Parts(vec![(0, 99)])),
        ("bytes=90-200", Wanted::Parts(vec![(90, 99)])),
        ("bytes=5-6,0-1", Wanted::Parts(vec![(0, 1), (5, 6)])),
        ("bytes=0-4,5-9,3-6", Wanted::Parts(vec![(0, 9)])),
        ("bytes=0-1, 100-", Wanted::Parts(vec![(0, 1)])),
        ("bytes=100-", Wanted::Nothing),
        ("bytes=-0", Wanted::Nothing),
        ("bytes=5-4", Wanted::Whole),
        ("bytes=0-1,x", Wanted::Whole),
        ("bytes=", Wanted::Whole),
        ("items=0-1", Wanted::Whole),
    ] {
        assert_eq!(wanted(value, 100), expected, "{value}");
    }
}

/// `Content-Range: bytes 5-9/100`, taken apart.
fn content_range(value: &str, length: u64) -> (u64, u64) {
    let (range, whole) = value
        .strip_prefix("bytes ")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_else(|| panic!("{value:?}"));
    assert_eq!(whole, length.to_string(), "{value}");
    let (first, last) = range.split_once('-').unwrap();
    (first.parse().unwrap(), last.parse().unwrap())
}

/// The parts of a `multipart/byteranges` body of a file of this length (RFC 9110 section 14.6): where each begins
/// and what it is.
pub fn parts(content_type: &str, body: &[u8], length: u64) -> Vec<(u64, Vec<u8>)> {
    let boundary = content_type
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap_or_else(|| panic!("{content_type}"))
        .trim_matches('"');
    assert!((1..=70).contains(&boundary.len()), "{content_type}");
    let delimiter = format!("--{boundary}");
    let mut rest = body;
    let mut parts = Vec::new();
    loop {
        // The first has no line before it.
        if let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        rest = rest
            .strip_prefix(delimiter.as_bytes())
            .unwrap_or_else(|| panic!("no {delimiter} after {} parts", parts.len()));
        if let Some(end) = rest.strip_prefix(b"--") {
            assert!(end.is_empty() || end == b"\r\n", "an epilogue");
            return parts;
        }
        let head_end = rest
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .expect("a part without a head");
        let head = String::from_utf8(rest[..head_end].to_vec()).unwrap();
        let field = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(n, _)| n.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_string())
        };
        assert!(field("content-type").is_some(), "{head}");
        let range = field("content-range").unwrap_or_else(|| panic!("{head}"));
        let (first, last) = content_range(&range, length);
        let size = usize::try_from(last + 1 - first).unwrap();
        rest = &rest[head_end + 4..];
        parts.push((first, rest[..size].to_vec()));
        rest = &rest[size..];
    }
}

/// Whether an answer is what the reference says.
fn check(value: &str, reply: &Reply, file: &[u8]) {
    let length = file.len() as u64;
    let said = || format!("{value}\n{}", reply.head);
    let content_length = reply.field("content-length");
    assert_eq!(
        content_length,
        Some(reply.body.len().to_string()),
        "{}",
        said()
    );
    match wanted(value, length) {
        Wanted::Whole => {
            assert_eq!(reply.status, 200, "{}", said());
            assert_eq!(reply.field("content-range"), None, "{}", said());
            assert!(reply.body == file, "{}", said());
        }
        Wanted::Nothing => {
            assert_eq!(reply.status, 416, "{}", said());
            let range = reply.all("content-range");
            assert_eq!(range, [format!("bytes */{length}")], "{}", said());
        }
        Wanted::Parts(expected) => {
            assert_eq!(reply.status, 206, "{}", said());
            let found = match &expected[..] {
                [_] => {
                    let range = reply.all("content-range");
                    assert_eq!(range.len(), 1, "{}", said());
                    let (first, last) = content_range(&range[0], length);
                    assert_eq!(reply.body.len() as u64, last + 1 - first, "{}", said());
                    vec![(first, reply.body.clone())]
                }
                _ => {
                    assert_eq!(reply.field("content-range"), None, "{}", said());
                    let kind = reply.field("content-type").unwrap();
                    let mut found = parts(&kind, &reply.body, length);
                    found.sort_unstable_by_key(|(first, _)| *first);
                    found
                }
            };
            let spans: Vec<(u64, u64)> = found
                .iter()
                .map(|(first, bytes)| (*first, first + bytes.len() as u64 - 1))
                .collect();
            assert_eq!(spans, expected, "{}", said());
            for (first, bytes) in &found {
                let from = *first as usize;
                assert!(file[from..from + bytes.len()] == bytes[..], "{}", said());
            }
        }
    }
}

/// A `Range` that may ask for anything.
fn any(random: &mut Random, length: u64) -> String {
    let count = match random.below(10) {
        0..=4 => 1,
        5..=6 => 2,
        7..=8 => 1 + random.below(8),
        _ => 12 + random.below(10),
    };
    let mut near = random.below(length);
    let specs: Vec<String> = (0..count)
        .map(|_| spec(random, length, &mut near))
        .collect();
    let comma = random.one(&[",", ", ", " ,", ",,"]);
    format!("bytes={}", specs.join(comma))
}

fn spec(random: &mut Random, length: u64, near: &mut u64) -> String {
    // Mostly little, so that many can be asked for.
    let size = match random.below(20) {
        0 => random.below(length),
        1..=4 => random.below(20_000),
        _ => random.below(700),
    };
    match random.below(40) {
        0 => format!("{}-", random.below(length)),
        1..=2 => format!("{}-", length - 1 - random.below(3000)),
        3..=5 => format!("-{}", random.below(3000)),
        6 => format!("-{}", length - 1 + random.below(3)),
        7 => format!(
            "{}-{}",
            length - 1 + random.below(3),
            length + random.below(9)
        ),
        8 => format!("{length}-"),
        9 => "-0".to_string(),
        10 => format!("{}-{}", length - 1 - random.below(900), u64::MAX),
        11 => format!(
            "{}-99999999999999999999999999",
            length - 1 - random.below(900)
        ),
        12 => format!("{}-{}", size + 1, size),
        13 => random
            .one(&[
                "x", "-", "1", "1-x", "--1", "1-2-3", "0x1-2", "+1-2", "1 - 2",
            ])
            .into(),
        // Beside the one before, or over it.
        14..=20 => {
            let first = near.saturating_sub(random.below(3));
            *near = (first + size).min(length);
            format!("{first}-{}", first + size)
        }
        _ => {
            let first = random.below(length);
            *near = first + size + 1;
            format!("{first}-{}", first + size)
        }
    }
}

/// Of 300 KB, which are kept in memory, and of 3 MB, which are not.
fn files() -> (Folder, [(&'static str, Vec<u8>); 2]) {
    let folder = folder(&[]);
    let files = [
        ("/small.bin", noise(1, 300_000)),
        ("/large.bin", noise(2, 3_000_000)),
    ];
    for (path, bytes) in &files {
        std::fs::write(at(&folder, &path[1..]), bytes).unwrap();
    }
    (folder, files)
}

#[test]
fn ten_thousand_ranges_are_what_the_reference_says() {
    const THREADS: u64 = 4;
    const EACH: usize = 2500;
    let (folder, files) = files();
    let mut parvis = serve(folder, "");
    let address = parvis.address();
    // How many were answered with 200, 206 in one part, 206 in several, 416.
    let kinds: [AtomicUsize; 4] = Default::default();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (files, kinds) = (&files, &kinds);
            scope.spawn(move || {
                let mut random = Random(0x5eed_0001 + thread * 7919);
                let mut client = Client::connect(address);
                for _ in 0..EACH {
                    let (path, bytes) = &files[usize::from(random.below(5) < 2)];
                    let value = any(&mut random, bytes.len() as u64);
                    let fields = format!("Range: {value}\r\nAccept-Encoding: gzip, br\r\n");
                    let reply = client.request("GET", path, &fields, b"");
                    check(&value, &reply, bytes);
                    let kind = match (reply.status, reply.field("content-range")) {
                        (200, _) => 0,
                        (206, Some(_)) => 1,
                        (206, None) => 2,
                        _ => 3,
                    };
                    kinds[kind].fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    let kinds = kinds.map(AtomicUsize::into_inner);
    println!("200, one part, several, 416: {kinds:?}");
    assert!(kinds.iter().all(|n| *n > 100), "{kinds:?}");
    lives(&mut parvis);
}

#[test]
fn every_form_of_range_is_what_the_reference_says() {
    let (folder, files) = files();
    let parvis = serve(folder, "");
    for (path, bytes) in &files {
        let length = bytes.len();
        let last = length - 1;
        let many = |n: usize| (0..n).map(|i| format!("{}-{}", i * 10, i * 10 + 4));
        let list = |n: usize| many(n).collect::<Vec<_>>().join(",");
        let mut client = parvis.client();
        for value in [
            "bytes=0-0".to_string(),
            "bytes=0-".to_string(),
            format!("bytes=0-{last}"),
            format!("bytes=0-{length}"),
            format!("bytes={last}-"),
            format!("bytes={last}-{last}"),
            format!("bytes={length}-"),
            format!("bytes={length}-{length}"),
            "bytes=-1".to_string(),
            format!("bytes=-{length}"),
            format!("bytes=-{}", length + 1),
            "bytes=-0".to_string(),
            "bytes=-0,0-0".to_string(),
            format!("bytes=0-0,{length}-"),
            "bytes=0-0,-1".to_string(),
            "bytes=-1,0-0".to_string(),
            "bytes=0-9,10-19".to_string(),
            "bytes=0-9,11-19".to_string(),
            "bytes=0-9,5-19".to_string(),
            "bytes=5-19,0-9".to_string(),
            "bytes=0-100,20-30,40-50".to_string(),
            "bytes=0-,0-,0-".to_string(),
            "bytes=0-,1-,2-,-5".to_string(),
            format!("bytes={}", list(16)),
            format!("bytes={}", list(17)),
            format!("bytes={}", list(100)),
            // Hundreds that are one.
            format!("bytes={}", vec!["0-9"; 200].join(",")),
            format!("bytes={}", vec!["-1"; 200].join(", ")),
            format!("bytes={}", vec!["99999999-"; 200].join(",")),
            "bytes=0-18446744073709551615".to_string(),
            "bytes=0-18446744073709551616".to_string(),
            "bytes=18446744073709551615-".to_string(),
            "bytes=18446744073709551616-".to_string(),
            "bytes=-18446744073709551616".to_string(),
            "bytes=00000000000000000000000000-00000000000000000000000001".to_string(),
            "bytes=1-0".to_string(),
            "bytes=0-9,1-0".to_string(),
            "bytes=".to_string(),
            "bytes=,".to_string(),
            "bytes=-".to_string(),
            "bytes=--1".to_string(),
            "bytes=1".to_string(),
            "bytes=a-b".to_string(),
            "bytes=0-9;".to_string(),
            "bytes=0-9, x".to_string(),
            "bytes=0x0-0x9".to_string(),
            "bytes 0-9".to_string(),
            "bytes".to_string(),
            "items=0-9".to_string(),
            "0-9".to_string(),
            "none".to_string(),
            String::new(),
        ] {
            let fields = format!("Range: {value}\r\n");
            let reply = client.request("GET", path, &fields, b"");
            check(&value, &reply, bytes);
        }
    }
}

#[test]
fn a_part_has_the_fields_of_its_file() {
    let (folder, _) = files();
    let file_tag = tag(&at(&folder, "small.bin"));
    let parvis = serve(folder, "");
    let mut client = parvis.client();
    for (value, one) in [("bytes=5-9", true), ("bytes=5-9,20-29", false)] {
        let fields = format!("Range: {value}\r\n");
        let reply = client.request("GET", "/small.bin", &fields, b"");
        assert_eq!(reply.status, 206);
        assert_eq!(reply.all("etag"), [file_tag.as_str()]);
        assert_eq!(reply.all("x-content-type-options"), ["nosniff"]);
        assert_eq!(reply.all("cache-control"), ["no-cache"]);
        assert!(reply.field("last-modified").is_some());
        let kind = reply.all("content-type");
        assert_eq!(kind.len(), 1);
        assert_eq!(kind[0] == "application/octet-stream", one, "{kind:?}");
    }
    let reply = client.request("GET", "/small.bin", "Range: bytes=300000-\r\n", b"");
    assert_eq!(reply.status, 416);
    assert_eq!(reply.all("content-range"), ["bytes */300000"]);
}

/// No part of the file can be taken for the line between the parts.
#[test]
fn the_line_between_parts_is_another_each_time() {
    let (folder, _) = files();
    let parvis = serve(folder, "");
    let mut client = parvis.client();
    let mut boundary = || {
        let fields = "Range: bytes=0-1,5-6\r\n";
        let reply = client.request("GET", "/small.bin", fields, b"");
        reply.field("content-type").unwrap()
    };
    assert_ne!(boundary(), boundary());
}

#[test]
fn a_range_applies_only_to_the_file_that_the_client_has() {
    let (folder, files) = files();
    let second = Duration::from_secs(1);
    let when = ago(86_400);
    let path = at(&folder, "small.bin");
    set_changed(&path, when);
    let file_tag = tag(&path);
    let parvis = serve(folder, "");
    let date = |when: SystemTime| httpdate::fmt_http_date(when);
    let mut client = parvis.client();
    for (condition, applies) in [
        (file_tag.clone(), true),
        (date(when), true),
        // Compared strongly, and a date exactly (RFC 9110 section 13.1.5).
        (format!("W/{file_tag}"), false),
        ("\"other\"".to_string(), false),
        ("*".to_string(), false),
        (String::new(), false),
        (file_tag.trim_matches('"').to_string(), false),
        (format!("{file_tag}, \"other\""), false),
        // Tags of other forms, of which this is no range.
        (tagged(&file_tag, "-br"), false),
        (tagged(&file_tag, "-gzip.f"), false),
        (date(when + second), false),
        (date(when - second), false),
        (date(SystemTime::now()), false),
        ("yesterday".to_string(), false),
    ] {
        for (value, satisfied) in [
            ("bytes=5-9", true),
            ("bytes=5-9,20-29", true),
            ("bytes=900000-", false),
        ] {
            let fields = format!("If-Range: {condition}\r\nRange: {value}\r\n");
            let reply = client.request("GET", "/small.bin", &fields, b"");
            let status = match (applies, satisfied) {
                (true, true) => 206,
                (true, false) => 416,
                (false, _) => 200,
            };
            assert_eq!(reply.status, status, "{fields}");
            if !applies {
                assert!(reply.body == files[0].1, "{fields}");
            }
        }
        // Without a range it means nothing.
        let fields = format!("If-Range: {condition}\r\n");
        assert_eq!(
            client.request("GET", "/small.bin", &fields, b"").status,
            200
        );
    }
}

/// Text is sent encoded, but a range is always one of the file as it is.
#[test]
fn a_range_of_text_is_not_encoded() {
    let text = prose(5, 100_000);
    let folder = folder(&[("a.txt", &text)]);
    let file_tag = tag(&at(&folder, "a.txt"));
    let parvis = serve(folder, "");
    let mut client = parvis.client();
    let encoding = "Accept-Encoding: br, gzip\r\n";
    let encoded = client.request("GET", "/a.txt", encoding, b"");
    assert!(
        encoded.field("content-encoding").is_some(),
        "{}",
        encoded.head
    );
    assert_eq!(encoded.field("accept-ranges"), None);
    let encoded_tag = encoded.field("etag").unwrap();
    for value in [
        "bytes=0-",
        "bytes=10-99",
        "bytes=10-99,200-299",
        "bytes=100000-",
    ] {
        let fields = format!("{encoding}Range: {value}\r\n");
        let reply = client.request("GET", "/a.txt", &fields, b"");
        assert_eq!(reply.field("content-encoding"), None, "{}", reply.head);
        check(value, &reply, text.as_bytes());
        if reply.status == 206 {
            assert_eq!(reply.all("etag"), [file_tag.as_str()]);
            assert_eq!(reply.all("vary"), ["Accept-Encoding"]);
        }
        // One of the encoded form that the client has does not go with it.
        let fields = format!("{fields}If-Range: {encoded_tag}\r\n");
        let reply = client.request("GET", "/a.txt", &fields, b"");
        assert_eq!(reply.status, 200, "{}", reply.head);
        assert_eq!(crate::decoded(&reply), text.as_bytes());
    }
    // One that means nothing changes nothing.
    let fields = format!("{encoding}Range: lines=1-2\r\n");
    let reply = client.request("GET", "/a.txt", &fields, b"");
    assert_eq!(reply.status, 200);
    assert_eq!(crate::decoded(&reply), text.as_bytes());
}

/// A head has room for thousands of ranges; how many are looked at is bounded, what they may cost
/// too.
#[test]
fn thousands_of_ranges_do_no_harm() {
    let (folder, files) = files();
    let mut parvis = serve(folder, "");
    for spec in ["0-", "0-0", "-1", "5-4", ""] {
        let list = vec![spec; 10_000].join(",");
        let far = |i: u32| format!("{}-{}", i * 90, i * 90 + 1);
        let apart = (0..3000).map(far).collect::<Vec<_>>().join(",");
        for list in [list, apart] {
            let fields = format!("Range: bytes={list}\r\n");
            for (path, bytes) in &files {
                let reply = parvis.client().request("GET", path, &fields, b"");
                assert!([200, 206].contains(&reply.status), "{spec}");
                assert!(reply.body.len() <= bytes.len(), "{spec}");
            }
        }
    }
    lives(&mut parvis);
}

#[test]
fn two_fields_of_ranges_do_no_harm() {
    let (folder, files) = files();
    let mut parvis = serve(folder, "");
    let fields = "Range: bytes=0-1\r\nRange: bytes=5-6\r\n";
    let reply = parvis.client().request("GET", "/small.bin", fields, b"");
    assert!([200, 206, 400].contains(&reply.status));
    assert!(reply.status != 200 || reply.body == files[0].1);
    lives(&mut parvis);
}

#[test]
fn a_download_that_broke_off_is_continued() {
    let (folder, files) = files();
    let parvis = serve(folder, "");
    let (path, bytes) = &files[1];
    let first = parvis.client().request("HEAD", path, "", b"");
    let tag = first.field("etag").unwrap();
    let mut all = Vec::new();
    while all.len() < bytes.len() {
        let mut client = parvis.client();
        let from = all.len();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nRange: bytes={from}-\r\nIf-Range: {tag}\r\n\r\n"
        ));
        let reply = client.head_only();
        assert_eq!(reply.status, 206);
        // Then the client goes.
        all.extend(client.exactly((bytes.len() - from).min(400_000)));
    }
    assert!(all == *bytes);
}
