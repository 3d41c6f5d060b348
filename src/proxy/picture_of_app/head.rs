//! Heads of answers that take the place of an app's.

use crate::upstream::fields;
use crate::wire::has_item;
use bytes::{BufMut, BytesMut};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, HeaderValue, SET_COOKIE, VARY};
use pingora::Result;
use pingora::http::ResponseHeader;

/// How long an answer holds that will soon be another one, seconds.
const BRIEFLY: u64 = 15;
const BRIEF: HeaderValue = HeaderValue::from_static("max-age=15");
const BRIEF_PRIVATE: HeaderValue = HeaderValue::from_static("private, max-age=15");

/// Fields that are about the bytes of a body, or how they are framed.
const OF_THE_BODY: [&str; 11] = [
    "content-type",
    "content-length",
    "etag",
    "accept-ranges",
    "transfer-encoding",
    "trailer",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "signature",
];

/// A 200 with the app's fields and another body. `tag`: without quotes; an answer without one has
/// no date either.
pub fn ok(app: &[u8], kind: &str, tag: Option<&str>, body: &[u8]) -> Vec<u8> {
    let status = app.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut answer = status.to_vec();
    answer.extend_from_slice(b"\r\n");
    let dated = tag.is_some();
    keep(app, &mut answer, |name| {
        is_one_of(name, &OF_THE_BODY) || (!dated && name.eq_ignore_ascii_case(b"last-modified"))
    });
    let length = body.len();
    let mut add = format!("Content-Type: {kind}\r\nContent-Length: {length}\r\n");
    if let Some(tag) = tag {
        add.push_str(&format!("ETag: \"{tag}\"\r\n"));
    }
    add.push_str("Accept-Ranges: none\r\n\r\n");
    answer.extend_from_slice(add.as_bytes());
    answer.extend_from_slice(body);
    answer
}

/// A 304 with the app's fields. `tag`: of the variant, without quotes; else the app's stays.
pub fn not_modified(app: &[u8], tag: Option<&str>) -> Vec<u8> {
    // The version tells whether the connection is kept.
    let mut answer = app.get(..9).unwrap_or_default().to_vec();
    answer.extend_from_slice(b"304 Not Modified\r\n");
    keep(app, &mut answer, |name| {
        let own = tag.is_none() && name.eq_ignore_ascii_case(b"etag");
        is_one_of(name, &OF_THE_BODY) && !own
    });
    if let Some(tag) = tag {
        answer.extend_from_slice(format!("ETag: \"{tag}\"\r\n").as_bytes());
    }
    answer.extend_from_slice(b"\r\n");
    answer
}

/// An answer of ours. The connection to the app is kept after it.
pub fn spell(head: &ResponseHeader, body: &[u8]) -> Vec<u8> {
    let reason = head.status.canonical_reason().unwrap_or("Error");
    let mut answer = BytesMut::new();
    answer.put_slice(format!("HTTP/1.1 {} {reason}\r\n", head.status.as_u16()).as_bytes());
    head.header_to_h1_wire(&mut answer);
    answer.put_slice(b"\r\n");
    answer.put_slice(body);
    answer.to_vec()
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
}

/// Copies the app's fields but those that are left out.
fn keep(app: &[u8], answer: &mut Vec<u8>, left_out: impl Fn(&[u8]) -> bool) {
    for (name, value) in fields(app).flatten() {
        if !left_out(name) {
            answer.extend_from_slice(name);
            answer.extend_from_slice(b": ");
            answer.extend_from_slice(value);
            answer.extend_from_slice(b"\r\n");
        }
    }
}

/// Adds what an answer depends on to what it depends on already.
///
/// # Errors
/// More fields than a header map holds.
pub fn add_vary(answer: &mut ResponseHeader, names: &str) -> Result<()> {
    let known = |item: &str| has_item(&answer.headers, &VARY, item.as_bytes());
    if known("*") {
        return Ok(());
    }
    let before = answer.headers.get_all(VARY).iter();
    let before = before.filter_map(|line| line.to_str().ok().map(str::to_string));
    let mut all: Vec<String> = before.filter(|line| !line.trim().is_empty()).collect();
    let new = names.split(", ").filter(|name| !known(name));
    all.extend(new.map(str::to_string));
    match HeaderValue::from_str(&all.join(", ")) {
        Ok(all) => answer.insert_header("Vary", all),
        Err(_) => Ok(()),
    }
}

/// `Cache-Control` of an answer that will soon be another one, where it is kept for longer now. What
/// is for one client alone stays so: `personal` is a request that says who it comes from.
pub fn brief(answer: &HeaderMap, personal: bool) -> Option<HeaderValue> {
    let says = |item: &[u8]| has_item(answer, &CACHE_CONTROL, item);
    if says(b"no-store") || says(b"no-cache") {
        return None;
    }
    let lines = answer.get_all(CACHE_CONTROL).iter();
    let items = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    let ages = items.filter_map(|item| {
        let age = std::str::from_utf8(item).ok()?.trim().to_ascii_lowercase();
        age.strip_prefix("max-age=")?.parse::<u64>().ok()
    });
    if ages.min().is_some_and(|age| age <= BRIEFLY) {
        return None;
    }
    let untold = !answer.contains_key(CACHE_CONTROL) && personal;
    match says(b"private") || answer.contains_key(SET_COOKIE) || untold {
        true => Some(BRIEF_PRIVATE),
        false => Some(BRIEF),
    }
}
