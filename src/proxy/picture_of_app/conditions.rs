//! What a client asks for and has already, where parvis weighs it in the app's stead.

use crate::files::conditional::{Validators, Verdict, evaluate};
use crate::upstream::fields;
use http::HeaderMap;
use http::header::{
    ACCEPT, HeaderName, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use pingora::http::RequestHeader;
use std::time::SystemTime;

const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Extensions of what variants are made of.
const PICTURES: [&str; 10] = [
    "jpg", "jpeg", "jpe", "png", "gif", "webp", "avif", "bmp", "tif", "tiff",
];
/// Extensions of pictures that pass as they are.
const OTHERS: [&str; 3] = ["svg", "svgz", "ico"];

/// Whether a request is for a picture of which there may be variants, as far as can be told before
/// it is answered: by its path, or because the browser says so (Fetch Metadata, W3C).
pub fn is_likely(path: &[u8], headers: &HeaderMap) -> bool {
    let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
    let dot = memchr::memrchr(b'.', name);
    let extension = dot.and_then(|dot| name.get(dot.checked_add(1)?..));
    if let Some(extension) = extension {
        let is = |other: &&str| extension.eq_ignore_ascii_case(other.as_bytes());
        if PICTURES.iter().any(is) {
            return true;
        }
        if OTHERS.iter().any(is) {
            return false;
        }
    }
    if let Some(wanted) = headers.get(SEC_FETCH_DEST) {
        return wanted.as_bytes() == b"image";
    }
    let accept = headers.get(ACCEPT).map(HeaderValue::as_bytes);
    accept.is_some_and(|accept| accept.starts_with(b"image/"))
}

/// Takes conditions and ranges out of a request for the app: of one for a picture all, for they are
/// about the variant; of others what would mislead an app that knows no entity tags of ours.
pub fn withhold(request: &mut RequestHeader, likely: bool) {
    if likely {
        for name in [IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_RANGE, RANGE] {
            request.remove_header(&name);
        }
    } else if request.headers.get_all(IF_NONE_MATCH).iter().any(has_ours) {
        // It does not count beside the tags (RFC 9110 section 13.1.3), which not every app knows.
        request.remove_header(&IF_MODIFIED_SINCE);
    }
}

/// Whether there is a tag such as variants have: 32 hexadecimal digits.
fn has_ours(tags: &HeaderValue) -> bool {
    let mut parts = tags.as_bytes().split(|byte| *byte == b'"');
    parts.any(|tag| tag.len() == 32 && tag.iter().all(u8::is_ascii_hexdigit))
}

/// What a client has.
#[derive(Debug, Default)]
pub struct Asked {
    tags: HeaderMap,
    since: Option<HeaderValue>,
}

impl Asked {
    /// As its request says.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut tags = HeaderMap::new();
        for line in headers.get_all(IF_NONE_MATCH) {
            tags.append(IF_NONE_MATCH, line.clone());
        }
        let mut dates = headers.get_all(IF_MODIFIED_SINCE).iter();
        let since = dates.next().filter(|_| dates.next().is_none());
        Asked {
            tags,
            since: since.cloned(),
        }
    }

    /// Whether it has what has this tag, which is without quotes. A date says nothing: many variants
    /// have the same.
    pub fn has_tag(&self, tag: &str) -> bool {
        let validators = Validators {
            base: tag,
            modified: SystemTime::UNIX_EPOCH,
        };
        evaluate(&self.tags, &validators) == Verdict::NotModified
    }

    /// Whether it has the app's answer with this head.
    pub fn has(&self, head: &[u8]) -> bool {
        let field = |wanted: &str| {
            fields(head)
                .flatten()
                .find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
                .and_then(|(_, value)| std::str::from_utf8(value).ok())
        };
        if !self.tags.is_empty() {
            let tag = field("etag").map(|tag| tag.strip_prefix("W/").unwrap_or(tag));
            let tag = tag.and_then(|tag| tag.strip_prefix('"')?.strip_suffix('"'));
            return tag.is_some_and(|tag| self.has_tag(tag));
        }
        let date = |text: &str| httpdate::parse_http_date(text).ok();
        let since = self
            .since
            .as_ref()
            .and_then(|since| date(since.to_str().ok()?));
        let modified = field("last-modified").and_then(date);
        matches!((modified, since), (Some(modified), Some(since)) if modified <= since)
    }
}
