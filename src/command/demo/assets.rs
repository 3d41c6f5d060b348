//! The files of the demo site. They are in the binary, so that the demo needs none.

/// A file of the demo site.
pub(super) struct Asset {
    path: &'static str,
    /// The value of `Content-Type`.
    pub content_type: &'static str,
    /// The content.
    pub body: &'static [u8],
    hash: u64,
}

/// The page of a path that does not exist.
pub(super) const NOT_FOUND: &str = include_str!("not_found.html");

/// The page of a server that failed.
pub(super) const ERROR: &str = include_str!("error.html");

static ASSETS: [Asset; 11] = [
    Asset::new("/", HTML, include_bytes!("home.html")),
    Asset::new("/about", HTML, include_bytes!("about.html")),
    Asset::new("/chat", HTML, include_bytes!("chat.html")),
    Asset::new("/pictures/", HTML, include_bytes!("pictures.html")),
    Asset::new("/site.css", CSS, include_bytes!("site.css")),
    Asset::new("/home.js", JAVASCRIPT, include_bytes!("home.js")),
    Asset::new("/chat.js", JAVASCRIPT, include_bytes!("chat.js")),
    Asset::new("/icon.svg", SVG, include_bytes!("icon.svg")),
    Asset::new("/pictures/square.svg", SVG, include_bytes!("square.svg")),
    Asset::new("/pictures/coast.svg", SVG, include_bytes!("coast.svg")),
    Asset::new("/pictures/paving.png", PNG, include_bytes!("paving.png")),
];

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const PNG: &str = "image/png";

/// The asset at `path`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}

impl Asset {
    /// A file that is answered at `path`.
    pub(super) const fn new(
        path: &'static str,
        content_type: &'static str,
        body: &'static [u8],
    ) -> Self {
        Self {
            path,
            content_type,
            body,
            hash: fnv1a(body),
        }
    }

    /// The strong entity tag of the content, quotes included.
    pub(super) fn etag(&self) -> String {
        format!("\"{:016x}\"", self.hash)
    }
}

// FNV-1a, 64 bits: it only has to differ between two versions of a file, and the compiler can do
// it.
const fn fnv1a(mut bytes: &[u8]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    while let Some((byte, rest)) = bytes.split_first() {
        hash = (hash ^ *byte as u64).wrapping_mul(0x0000_0100_0000_01b3);
        bytes = rest;
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn every_path_is_its_own() {
        for asset in &ASSETS {
            assert!(find(asset.path).is_some_and(|found| std::ptr::eq(found, asset)));
        }
    }

    // A strict Content-Security-Policy, which parvis may set, forbids both.
    #[test]
    fn no_page_has_inline_scripts_or_styles() {
        let pages = ASSETS
            .iter()
            .filter(|asset| asset.content_type.starts_with("text/html"))
            .map(|asset| String::from_utf8_lossy(asset.body))
            .chain([NOT_FOUND.into(), ERROR.into()]);
        for page in pages {
            for inline in [
                "<style",
                "<script>",
                " style=",
                " onclick=",
                "javascript:",
                "//",
            ] {
                assert!(!page.contains(inline), "{inline} in {page}");
            }
        }
    }
}
