//! The dashboard of guest visits: a page for the operator's browser.
//!
//! In: a path. Out: a file of the page, all of which are in the binary. The page asks
//! `/api/analytics/` for its numbers; only that needs the token of the admin interface, the files
//! here tell nothing of anybody and are served without.
//!
//! `vendor/` is what others made (uPlot, Natural Earth's countries), with its licences;
//! `vendor/update` renews it. There is no other build step: the files are what the browser gets.

use std::fmt::Write as _;
use std::sync::LazyLock;

/// A file of the page.
#[derive(Debug)]
pub struct Asset {
    /// The path that it is asked by.
    pub path: &'static str,
    /// The body.
    pub bytes: &'static [u8],
    /// `Content-Type`.
    pub content_type: &'static str,
    /// `ETag`, strong and with its quotes: changes when the bytes do.
    pub etag: String,
}

/// `Content-Security-Policy` of every file. Nothing but the page's own files runs, colours it or is
/// asked, nobody frames it, and no text becomes markup (Trusted Types without any policy): the
/// names of pages and referrers are written by strangers.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; \
    style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
    trusted-types 'none'";

/// Fields of every file, beside `Content-Type`, `Content-Length` and `ETag`.
///
/// `no-cache`: a browser asks again each time, and is mostly answered 304, so that the page is never
/// made of files of two versions.
pub const HEADERS: [(&str, &str); 7] = [
    ("content-security-policy", CONTENT_SECURITY_POLICY),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cache-control", "no-cache"),
];

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const PICTURE: &str = "image/svg+xml";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

macro_rules! assets {
    ($($path:literal, $file:literal, $kind:ident;)*) => {
        vec![$(Asset::new(concat!("/dashboard", $path), include_bytes!($file), $kind)),*]
    };
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    assets! {
        "", "index.html", HTML;
        "/style.css", "style.css", STYLE;
        "/theme.js", "theme.js", SCRIPT;
        "/app.js", "app.js", SCRIPT;
        "/api.js", "api.js", SCRIPT;
        "/chart.js", "chart.js", SCRIPT;
        "/dom.js", "dom.js", SCRIPT;
        "/format.js", "format.js", SCRIPT;
        "/map.js", "map.js", SCRIPT;
        "/numbers.js", "numbers.js", SCRIPT;
        "/state.js", "state.js", SCRIPT;
        "/strings.js", "strings.js", SCRIPT;
        "/tables.js", "tables.js", SCRIPT;
        "/icon.svg", "icon.svg", PICTURE;
        "/vendor/uplot.js", "vendor/uplot.js", SCRIPT;
        "/vendor/uplot.css", "vendor/uplot.css", STYLE;
        "/vendor/uplot.LICENSE", "vendor/uplot.LICENSE", TEXT;
        "/vendor/world.json", "vendor/world.json", JSON;
        "/vendor/world.LICENSE", "vendor/world.LICENSE", TEXT;
    }
});

/// The file for the path of a request: `/dashboard` (with or without a slash at the end) is the
/// page, what it needs lies below. `None`: there is no such file.
pub fn file(path: &str) -> Option<&'static Asset> {
    let path = path.strip_suffix('/').unwrap_or(path);
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    fn new(path: &'static str, bytes: &'static [u8], content_type: &'static str) -> Self {
        // FNV-1a: the same in every build, and told apart from the file of another version is all
        // that it has to be.
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let mut etag = String::with_capacity(18);
        // Writing to a String cannot fail.
        let _ = write!(etag, "\"{hash:016x}\"");
        Asset {
            path,
            bytes,
            content_type,
            etag,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn text(asset: &Asset) -> &'static str {
        std::str::from_utf8(asset.bytes).unwrap()
    }

    #[test]
    fn the_page_is_found_with_and_without_a_slash_and_nothing_else_is() {
        assert!(text(file("/dashboard").unwrap()).starts_with("<!doctype html>"));
        assert_eq!(file("/dashboard/").unwrap().path, "/dashboard");
        assert_eq!(file("/dashboard/app.js").unwrap().content_type, SCRIPT);
        for path in [
            "",
            "/",
            "/dash",
            "/dashboard//",
            "/dashboard/mod.rs",
            "/dashboard/../app.js",
        ] {
            assert!(file(path).is_none(), "{path}");
        }
    }

    /// What a file asks for, in quotes: `/dashboard/x` in the page, `./x.js` in a module.
    fn asked(asset: &Asset) -> Vec<String> {
        text(asset)
            .split('"')
            .filter_map(|quoted| match quoted.strip_prefix("./") {
                Some(module) if module.ends_with(".js") => Some(format!("/dashboard/{module}")),
                _ => Some(quoted.to_owned()).filter(|path| path.starts_with("/dashboard/")),
            })
            .collect()
    }

    #[test]
    fn whatever_the_page_asks_for_is_there() {
        let asked: HashSet<_> = ASSETS
            .iter()
            .filter(|asset| !asset.path.contains("/vendor/"))
            .flat_map(asked)
            .collect();
        assert!(asked.len() >= 14, "{asked:?}");
        for path in asked {
            assert!(file(&path).is_some(), "{path}");
        }
    }

    #[test]
    fn the_page_keeps_to_its_policy() {
        let page = text(file("/dashboard").unwrap());
        assert!(!page.contains(" style=") && !page.contains("<style") && !page.contains(" on"));
        for script in page.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/dashboard/"), "{script:.60}");
        }
        for asset in ASSETS.iter().filter(|asset| asset.content_type == SCRIPT) {
            for forbidden in ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval("] {
                assert!(
                    !text(asset).contains(forbidden),
                    "{}: {forbidden}",
                    asset.path
                );
            }
        }
    }

    #[test]
    fn it_is_small_and_every_file_has_a_tag_of_its_own() {
        let weight: usize = ASSETS.iter().map(|asset| asset.bytes.len()).sum();
        assert!(weight < 350 * 1024, "{weight} bytes");
        let tags: HashSet<_> = ASSETS.iter().map(|asset| &asset.etag).collect();
        assert_eq!(tags.len(), ASSETS.len());
    }
}
