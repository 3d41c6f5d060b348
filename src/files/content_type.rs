//! What kind of file a name stands for.
//!
//! The operator's types come first, then a short table of our own (`ours`), then that of the
//! `mime_guess` crate. Names alone decide: content is never looked into, and clients are told not to
//! either (`nosniff`).

use bytes::Bytes;
use http::header::HeaderValue;
use std::borrow::Cow;
use std::collections::HashMap;

/// Of a file about which nothing is known.
const UNKNOWN: &str = "application/octet-stream";

/// The content types of files, by their names' extensions.
#[derive(Debug, Clone, Default)]
pub struct ContentTypes {
    /// The operator's, by extension in lower case.
    overrides: HashMap<String, HeaderValue>,
}

impl FromIterator<(String, HeaderValue)> for ContentTypes {
    /// The operator's types: extension (`md`; `.MD` means the same) and the whole value of
    /// `Content-Type`, to which no charset is added.
    fn from_iter<T: IntoIterator<Item = (String, HeaderValue)>>(types: T) -> Self {
        let key = |extension: String| extension.trim_start_matches('.').to_ascii_lowercase();
        ContentTypes {
            overrides: types
                .into_iter()
                .map(|(extension, value)| (key(extension), value))
                .collect(),
        }
    }
}

impl ContentTypes {
    /// The value of `Content-Type` for a file with this name (its last path segment).
    ///
    /// Text has a charset: `text/*`, JavaScript, JSON, XML and what is built on them are taken for
    /// UTF-8. Nothing is allocated for the types of `ours`, the operator's, and those without charset.
    pub fn of(&self, name: &[u8]) -> HeaderValue {
        let Some(extension) = extension(name) else {
            return HeaderValue::from_static(without_extension(name));
        };
        if let Some(value) = self.overrides.get(extension.as_ref()) {
            return value.clone();
        }
        if let Some(value) = ours(&extension) {
            return HeaderValue::from_static(value);
        }
        let Some(guess) = mime_guess::from_ext(&extension).first_raw() else {
            return HeaderValue::from_static(UNKNOWN);
        };
        if !is_text(guess) {
            return HeaderValue::from_static(guess);
        }
        let value = Bytes::from(format!("{guess}; charset=utf-8"));
        HeaderValue::from_maybe_shared(value).unwrap_or(HeaderValue::from_static(UNKNOWN))
    }
}

/// What stands behind the last dot, in lower case; `None` when nothing does, and for names such as
/// `.profile`, which have a dot but no extension.
fn extension(name: &[u8]) -> Option<Cow<'_, str>> {
    let dot = name.iter().rposition(|byte| *byte == b'.')?;
    let extension = name.get(dot.checked_add(1)?..)?;
    if dot == 0 || extension.is_empty() {
        return None;
    }
    let extension = std::str::from_utf8(extension).ok()?;
    Some(if extension.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(extension.to_ascii_lowercase())
    } else {
        Cow::Borrowed(extension)
    })
}

/// Files below `/.well-known/` that must have a name without an extension.
fn without_extension(name: &[u8]) -> &'static str {
    match name {
        // Apple takes it as JSON only; OpenID Connect Discovery 1.0 section 4.2; RFC 8414 section 3.2.
        b"apple-app-site-association" | b"openid-configuration" | b"oauth-authorization-server" => {
            "application/json; charset=utf-8"
        }
        _ => UNKNOWN,
    }
}

/// The types of today's web, so that they cost nothing, and where `mime_guess` 2.0.5 is wrong or
/// silent. Whole values of `Content-Type`.
fn ours(extension: &str) -> Option<&'static str> {
    Some(match extension {
        // Right in mime_guess; here with their charset.
        "html" | "htm" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "txt" => "text/plain; charset=utf-8",
        "csv" => "text/csv; charset=utf-8",
        "vtt" => "text/vtt; charset=utf-8",
        "md" | "markdown" => "text/markdown; charset=utf-8",
        "xml" => "text/xml; charset=utf-8",
        "svg" => "image/svg+xml; charset=utf-8",
        "json" => "application/json; charset=utf-8",
        "webmanifest" => "application/manifest+json; charset=utf-8",

        // RFC 9239: `text/javascript` and no other; mime_guess has application/javascript for .mjs
        // and nothing for .cjs.
        "js" | "mjs" | "cjs" => "text/javascript; charset=utf-8",
        // Source maps are JSON (ECMA-426); text/plain in mime_guess.
        "map" => "application/json; charset=utf-8",
        // Missing, JSON all the same.
        "topojson" | "har" => "application/json; charset=utf-8",
        "importmap" => "application/importmap+json; charset=utf-8",
        "ipynb" => "application/x-ipynb+json; charset=utf-8",
        "ndjson" | "jsonl" => "application/x-ndjson; charset=utf-8",
        // RFC 9512; text/x-yaml in mime_guess. TOML: registered with IANA. Both are UTF-8 by their
        // definition and have no charset parameter.
        "yaml" | "yml" => "application/yaml",
        "toml" => "application/toml",
        // RFC 6350; text/x-vcard in mime_guess.
        "vcf" => "text/vcard; charset=utf-8",

        // MPEG-TS or TypeScript? No client runs TypeScript, but players do load the segments of HTTP
        // Live Streaming, so it is the registered type of those, as with nginx, and not the DLNA type
        // of mime_guess. A site that shows TypeScript sets `types = { ts = "text/plain; ..." }`.
        "ts" | "m2ts" | "m2t" => "video/mp2t",
        // No player loads .mts: the other spellings are source code.
        "mts" | "cts" | "tsx" => "text/plain; charset=utf-8",
        // Source code that mime_guess does not know.
        "vue" | "svelte" | "astro" | "go" | "kt" | "swift" | "wat" | "diff" | "patch" | "rst"
        | "properties" | "sha256" | "sha512" | "md5" => "text/plain; charset=utf-8",

        // RFC 8216 section 4; audio/x-mpegurl in mime_guess.
        "m3u8" => "application/vnd.apple.mpegurl",
        // Segments of ISO media files (DASH, fragmented HLS).
        "m4s" => "video/iso.segment",
        // The names that all browsers know; audio/m4a and video/x-m4v in mime_guess.
        "m4a" => "audio/mp4",
        "m4v" => "video/mp4",

        // RFC 8081; application/font-woff and application/font-sfnt in mime_guess.
        "woff" => "font/woff",
        "otf" => "font/otf",

        // A cursor is an icon; application/octet-stream in mime_guess.
        "cur" => "image/x-icon",
        "avifs" => "image/avif",
        "ktx2" => "image/ktx2",
        "psd" => "image/vnd.adobe.photoshop",
        // Its type would be image/svg+xml only with `Content-Encoding: gzip`, which a file as it lies
        // there is not sent with: this says what its bytes are.
        "svgz" => "application/gzip",

        // Registered; other types or none in mime_guess.
        "zst" => "application/zstd",
        "tgz" => "application/gzip",
        "rar" => "application/vnd.rar",
        "deb" => "application/vnd.debian.binary-package",
        // A RealPlayer plug-in in mime_guess.
        "rpm" => "application/x-rpm",

        // Three-dimensional models and maps: a certificate store and a drawing in mime_guess, or nothing.
        "stl" => "model/stl",
        "obj" => "model/obj",
        "mtl" => "model/mtl",
        "3mf" => "model/3mf",
        "usdz" => "model/vnd.usdz+zip",
        "mvt" => "application/vnd.mapbox-vector-tile",
        "pbf" => "application/x-protobuf",
        "pmtiles" => "application/vnd.pmtiles",
        _ => return None,
    })
}

/// Whether a type of mime_guess is text, and so needs a charset.
fn is_text(kind: &str) -> bool {
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind,
            "application/javascript" | "application/json" | "application/json5" | "application/xml"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> String {
        let types = ContentTypes::default();
        types.of(name.as_bytes()).to_str().unwrap().to_string()
    }

    #[test]
    fn the_files_of_the_web() {
        for (name, expected) in [
            ("index.html", "text/html; charset=utf-8"),
            ("INDEX.HTM", "text/html; charset=utf-8"),
            ("a.css", "text/css; charset=utf-8"),
            ("a.js", "text/javascript; charset=utf-8"),
            ("a.mjs", "text/javascript; charset=utf-8"),
            ("a.cjs", "text/javascript; charset=utf-8"),
            ("a.jsx", "text/javascript; charset=utf-8"),
            ("a.js.map", "application/json; charset=utf-8"),
            ("a.json", "application/json; charset=utf-8"),
            ("a.jsonld", "application/ld+json; charset=utf-8"),
            ("a.geojson", "application/geo+json; charset=utf-8"),
            ("a.json5", "application/json5; charset=utf-8"),
            (
                "site.webmanifest",
                "application/manifest+json; charset=utf-8",
            ),
            ("a.wasm", "application/wasm"),
            ("a.svg", "image/svg+xml; charset=utf-8"),
            ("a.svgz", "application/gzip"),
            ("a.xml", "text/xml; charset=utf-8"),
            ("a.xhtml", "application/xhtml+xml; charset=utf-8"),
            ("a.rss", "application/rss+xml; charset=utf-8"),
            ("a.atom", "application/atom+xml; charset=utf-8"),
            ("a.md", "text/markdown; charset=utf-8"),
            ("robots.txt", "text/plain; charset=utf-8"),
            ("a.log", "text/plain; charset=utf-8"),
            ("a.csv", "text/csv; charset=utf-8"),
            ("a.vtt", "text/vtt; charset=utf-8"),
            ("a.ics", "text/calendar; charset=utf-8"),
            ("a.yml", "application/yaml"),
            ("favicon.ico", "image/x-icon"),
            ("a.png", "image/png"),
            ("a.JPG", "image/jpeg"),
            ("a.gif", "image/gif"),
            ("a.webp", "image/webp"),
            ("a.avif", "image/avif"),
            ("a.jxl", "image/jxl"),
            ("a.woff", "font/woff"),
            ("a.woff2", "font/woff2"),
            ("a.ttf", "font/ttf"),
            ("a.otf", "font/otf"),
            ("a.mp4", "video/mp4"),
            ("a.webm", "video/webm"),
            ("seg1.ts", "video/mp2t"),
            ("list.m3u8", "application/vnd.apple.mpegurl"),
            ("a.mp3", "audio/mpeg"),
            ("a.m4a", "audio/mp4"),
            ("a.opus", "audio/ogg"),
            ("a.pdf", "application/pdf"),
            ("a.zip", "application/zip"),
            ("a.tar.gz", "application/gzip"),
            (
                "a.docx",
                "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ),
            (
                "apple-app-site-association",
                "application/json; charset=utf-8",
            ),
        ] {
            assert_eq!(of(name), expected, "{name}");
        }
    }

    #[test]
    fn nothing_known_is_bytes() {
        for name in [
            "", ".", "a.", "LICENSE", ".html", "a.nosuch", "a.h tml", "a.bin", "md",
        ] {
            assert_eq!(of(name), UNKNOWN, "{name}");
        }
        let types = ContentTypes::default();
        assert_eq!(types.of(b"a.\xff"), UNKNOWN);
        assert_eq!(types.of(b"\xff.html"), "text/html; charset=utf-8");
        assert_eq!(types.of(&[b'x'; 5000]), UNKNOWN);
    }

    #[test]
    fn the_operator_comes_first() {
        let types: ContentTypes = [
            ("md", "text/x-web-markdown"),
            (".TS", "text/plain; charset=utf-8"),
            ("nosuch", "application/x-such"),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_string(), HeaderValue::from_static(value)))
        .collect();
        assert_eq!(types.of(b"README.MD"), "text/x-web-markdown");
        assert_eq!(types.of(b"a.ts"), "text/plain; charset=utf-8");
        assert_eq!(types.of(b"a.nosuch"), "application/x-such");
        assert_eq!(types.of(b"a.html"), "text/html; charset=utf-8");
    }
}
