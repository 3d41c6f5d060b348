//! What is compressed: a route's policy, and what it does to an answer's head.

use super::negotiate::{Accepted, accepted};
use super::settings::CompressSettings;
use crate::config::{Diagnostic, Diagnostics, PathPattern};
use crate::content::Coding;
use crate::wire::has_item;
use http::header::{
    ACCEPT_RANGES, AUTHORIZATION, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE,
    COOKIE, ETAG, HOST, HeaderName, HeaderValue, ORIGIN, REFERER, VARY,
};
use http::{HeaderMap, StatusCode};
use pingora::http::ResponseHeader;

/// A route's policy, its site's included.
#[derive(Debug, Clone)]
pub struct CompressPolicy {
    algorithms: Vec<Coding>,
    min_length: u64,
    types: Vec<String>,
    exclude: Vec<PathPattern>,
    cross_site: bool,
}

/// Shorter answers gain nothing: with the head they fit in one packet as they are.
const MIN_LENGTH: u64 = 800;

impl Default for CompressPolicy {
    fn default() -> Self {
        CompressPolicy {
            algorithms: Coding::ALL.to_vec(),
            min_length: MIN_LENGTH,
            types: Vec::new(),
            exclude: Vec::new(),
            cross_site: false,
        }
    }
}

impl CompressPolicy {
    /// Compiles the layers of settings, the site's before the route's.
    pub fn build(layers: &[Option<&CompressSettings>], errors: &mut Diagnostics) -> Self {
        let mut policy = CompressPolicy::default();
        for layer in layers.iter().flatten() {
            if let Some(given) = &layer.algorithms {
                policy.algorithms = Vec::new();
                for algorithm in &given.value {
                    let coding = Coding::from(algorithm.value);
                    if policy.algorithms.contains(&coding) {
                        let what = format!("{:?} is given twice", coding.name());
                        errors.push(Diagnostic::new(algorithm.place, what));
                        continue;
                    }
                    policy.algorithms.push(coding);
                }
                // What could not be read is a mistake of its own.
                if given.value.is_empty() && layer.sound {
                    errors.push(
                        Diagnostic::new(given.place, "no algorithm is left")
                            .label("to compress nothing, write compress = \"off\""),
                    );
                }
            }
            if let Some(length) = layer.min_length {
                policy.min_length = length.0;
            }
            if let Some(types) = &layer.types {
                policy.types = Vec::new();
                for kind in types {
                    let text = kind.value.text.trim().to_ascii_lowercase();
                    let sound = text.split_once('/').is_some_and(|(a, b)| {
                        !a.is_empty() && !b.is_empty() && !text.contains([' ', ';', ','])
                    });
                    if !sound {
                        errors.push(
                            Diagnostic::new(kind.place, kind.value.for_messages("content type"))
                                .label("expected a type such as \"application/x-ours\""),
                        );
                    }
                    policy.types.push(text);
                }
            }
            if let Some(exclude) = &layer.exclude {
                policy.exclude = exclude.iter().map(|path| path.value.clone()).collect();
            }
            if let Some(cross_site) = layer.cross_site {
                policy.cross_site = cross_site;
            }
        }
        policy
    }

    /// Whether an app's answer for this decoded path may be compressed.
    pub fn takes_path(&self, path: &[u8]) -> bool {
        !self.exclude.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether the length of the answer could betray a secret in it to another site (BREACH): the
    /// request was made by another site, as far as can be told, with the visitor's cookies.
    pub fn betrays(&self, request: &HeaderMap) -> bool {
        !self.cross_site
            && (request.contains_key(COOKIE) || request.contains_key(AUTHORIZATION))
            && from_another_site(request)
    }

    /// What the client takes of this policy's codings.
    pub fn accepted(&self, request: &HeaderMap) -> Accepted {
        accepted(request, &self.algorithms)
    }

    /// The same for a stream of events: thousands may be open, and brotli's encoders are the largest.
    pub fn accepted_for_events(&self, request: &HeaderMap) -> Accepted {
        const SMALL_FIRST: [Coding; 3] = [Coding::Zstd, Coding::Gzip, Coding::Brotli];
        let mut order = SMALL_FIRST.to_vec();
        order.retain(|coding| self.algorithms.contains(coding));
        accepted(request, &order)
    }

    /// Whether answers of this type, status and length are compressed for those who ask for it.
    pub fn could_encode(&self, answer: &ResponseHeader) -> bool {
        let headers = &answer.headers;
        if answer.status.is_informational()
            || matches!(
                answer.status,
                StatusCode::NO_CONTENT
                    | StatusCode::RESET_CONTENT
                    | StatusCode::PARTIAL_CONTENT
                    | StatusCode::NOT_MODIFIED
            )
        {
            return false;
        }
        let short = |length: &HeaderValue| {
            let length = std::str::from_utf8(length.as_bytes()).ok();
            length
                .and_then(|text| text.trim().parse::<u64>().ok())
                .is_some_and(|length| length < self.min_length.max(1))
        };
        if headers.get(CONTENT_LENGTH).is_some_and(short) || must_not_change(headers) {
            return false;
        }
        headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| self.takes_type(kind.as_bytes()))
    }

    /// Whether bodies of this type, or `Content-Type`, shrink.
    pub fn takes_type(&self, kind: &[u8]) -> bool {
        let essence = essence(kind);
        shrinks(kind)
            || self
                .types
                .iter()
                .any(|own| own.as_bytes().eq_ignore_ascii_case(essence))
    }

    /// Bodies that are shorter are not worth it.
    pub fn min_length(&self) -> u64 {
        self.min_length.max(1)
    }

    /// The policy in words, for `parvis explain`.
    pub fn describe(&self) -> String {
        let names: Vec<&str> = self.algorithms.iter().map(|c| c.name()).collect();
        let mut text = format!("{} from {} bytes on", names.join(", "), self.min_length());
        if !self.exclude.is_empty() {
            let paths: Vec<String> = self.exclude.iter().map(PathPattern::to_string).collect();
            text.push_str(&format!(", not {}", paths.join(", ")));
        }
        text
    }
}

/// They tell what the body is, byte for byte, with its coding (RFC 9530; RFC 3230 and RFC 1864,
/// obsolete but sent).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Whether an answer's body must reach the client as it is: it is encoded, its head tells its bytes,
/// or it says so (RFC 9111 section 5.2.2.6).
pub fn must_not_change(headers: &HeaderMap) -> bool {
    let coded = |coding: &HeaderValue| {
        !coding
            .as_bytes()
            .trim_ascii()
            .eq_ignore_ascii_case(b"identity")
    };
    headers.get_all(CONTENT_ENCODING).iter().any(coded)
        || DIGESTS.iter().any(|name| headers.contains_key(name))
        || has_item(headers, &CACHE_CONTROL, b"no-transform")
}

/// A type without its parameters.
fn essence(kind: &[u8]) -> &[u8] {
    kind.split(|b| *b == b';')
        .next()
        .unwrap_or_default()
        .trim_ascii()
}

/// Types outside of `text/`, `+json` and `+xml` whose bodies shrink.
const SHRINK: [&str; 33] = [
    "application/atom+xml",
    "application/dash+xml",
    "application/ecmascript",
    "application/graphql",
    "application/javascript",
    "application/json",
    "application/json5",
    "application/jsonl",
    "application/manifest",
    "application/ndjson",
    "application/postscript",
    "application/rtf",
    "application/sql",
    "application/toml",
    "application/vnd.apple.mpegurl",
    "application/vnd.ms-fontobject",
    "application/wasm",
    "application/x-font-opentype",
    "application/x-font-truetype",
    "application/x-font-ttf",
    "application/x-javascript",
    "application/x-ndjson",
    "application/x-sh",
    "application/x-web-app-manifest+json",
    "application/x-yaml",
    "application/xml",
    "application/yaml",
    "font/collection",
    "font/otf",
    "font/sfnt",
    "font/ttf",
    "image/bmp",
    "image/x-icon",
];

/// Whether bodies of this `Content-Type` shrink.
pub fn shrinks(kind: &[u8]) -> bool {
    let essence = essence(kind);
    let starts = |with: &[u8]| {
        essence
            .get(..with.len())
            .is_some_and(|head| head.eq_ignore_ascii_case(with))
    };
    let ends = |with: &[u8]| {
        let from = essence.len().checked_sub(with.len());
        from.and_then(|from| essence.get(from..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(with))
    };
    starts(b"text/")
        || ends(b"+json")
        || ends(b"+xml")
        || starts(b"image/vnd.microsoft.icon")
        || SHRINK
            .iter()
            .any(|kind| kind.as_bytes().eq_ignore_ascii_case(essence))
}

/// Whether a browser says that another site made it send the request (Fetch Metadata). One that
/// does not say is asked where it comes from.
fn from_another_site(request: &HeaderMap) -> bool {
    let says = |name: &str, value: &[u8]| {
        request
            .get(name)
            .is_some_and(|found| found.as_bytes() == value)
    };
    if request.contains_key("sec-fetch-site") {
        // A visitor who follows a link does so once; guessing takes thousands of requests.
        let followed = says("sec-fetch-mode", b"navigate") && says("sec-fetch-user", b"?1");
        return says("sec-fetch-site", b"cross-site") && !followed;
    }
    let own = request.get(HOST).map(HeaderValue::as_bytes);
    let Some(from) = request.get(ORIGIN).or_else(|| request.get(REFERER)) else {
        return false;
    };
    let Some(authority) = authority(from.as_bytes()) else {
        // `null`: who sends it does not want to be known.
        return true;
    };
    own.is_none_or(|own| !own.eq_ignore_ascii_case(authority))
}

/// The authority of a URL.
fn authority(url: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(url, b"://")?;
    url.get(at.saturating_add(3)..)?
        .split(|b| *b == b'/')
        .next()
}

/// Tells caches that the answer depends on `Accept-Encoding`, unless they know.
///
/// # Errors
/// More fields than a header map holds.
pub fn add_vary(answer: &mut ResponseHeader) -> pingora::Result<()> {
    let known = |item: &[u8]| has_item(&answer.headers, &VARY, item);
    if known(b"*") || known(b"accept-encoding") {
        return Ok(());
    }
    let before: Vec<&[u8]> = answer
        .headers
        .get_all(VARY)
        .iter()
        .map(HeaderValue::as_bytes)
        .filter(|value| !value.trim_ascii().is_empty())
        .collect();
    let merged = match before.is_empty() {
        true => HeaderValue::from_static("Accept-Encoding"),
        false => {
            let merged = [&before.join(&b", "[..])[..], b", Accept-Encoding"].concat();
            HeaderValue::from_bytes(&merged)
                .unwrap_or_else(|_| HeaderValue::from_static("Accept-Encoding"))
        }
    };
    answer.insert_header("Vary", merged)
}

/// Makes an answer's head that of its encoded form, whose length is not known yet.
///
/// # Errors
/// More fields than a header map holds.
pub fn encoded(answer: &mut ResponseHeader, coding: Coding) -> pingora::Result<()> {
    answer.remove_header(&CONTENT_LENGTH);
    // Ranges are of the plain body, which this is not.
    answer.remove_header(&ACCEPT_RANGES);
    answer.insert_header(CONTENT_ENCODING, coding.value())?;
    weaken_tag(answer)
}

/// Makes a strong `ETag` weak: the bytes are others now, the meaning is not (RFC 9110 section
/// 8.8.3.3).
///
/// # Errors
/// More fields than a header map holds.
pub fn weaken_tag(answer: &mut ResponseHeader) -> pingora::Result<()> {
    let Some(tag) = answer.headers.get(ETAG) else {
        return Ok(());
    };
    if !tag.as_bytes().starts_with(b"\"") {
        return Ok(());
    }
    let weak = weak(tag);
    answer.insert_header("ETag", weak)
}

/// The weak form of a strong tag.
pub fn weak(tag: &HeaderValue) -> HeaderValue {
    // What was a field's value is one with two letters more.
    HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).unwrap_or_else(|_| tag.clone())
}

/// Adds to each weak tag of `If-Match` or `If-None-Match` its strong twin: the app knows the tag
/// as it gave it, before parvis made it weak. `None` when there is no weak tag.
pub fn with_strong_twins(text: &[u8]) -> Option<HeaderValue> {
    let mut out = Vec::with_capacity(text.len().saturating_mul(2));
    let mut found = false;
    let mut rest = text;
    while let Some(open) = memchr::memchr(b'"', rest) {
        let (before, quoted) = rest.split_at_checked(open)?;
        let close = memchr::memchr(b'"', quoted.get(1..)?)?.saturating_add(2);
        let (tag, after) = quoted.split_at_checked(close)?;
        out.extend_from_slice(before);
        out.extend_from_slice(tag);
        if before.ends_with(b"W/") {
            out.extend_from_slice(b", ");
            out.extend_from_slice(tag);
            found = true;
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    found.then(|| HeaderValue::from_bytes(&out).ok()).flatten()
}

#[cfg(test)]
mod tests;
