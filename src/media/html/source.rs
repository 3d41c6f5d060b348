//! What an `<img>`'s `src` says, and the `srcset` that follows from it.

use std::fmt::Write;
use url::Url;

/// A longer `src` is left alone: a picture of its own (`data:`), or no name of a file.
const LONGEST: usize = 1024;
/// A longer `srcset` would weigh more than it saves.
const LONGEST_SET: usize = 8 * 1024;
/// Parameters that say how large the picture is, or that nothing may be added (a signature): a
/// `src` that has one keeps it, and gets no `srcset`.
const SHAPES: [&str; 6] = ["w", "h", "dpr", "blur", "placeholder", "s"];

/// A `src`, its character references decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source(String);

impl Source {
    /// Reads an attribute's value. `None`: nothing that a picture here could be asked for with, or
    /// something that browsers may read otherwise.
    pub(super) fn of(value: &str) -> Option<Self> {
        if value.len() > LONGEST || value.contains(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        let mut text = decoded(value)?;
        // As a URL is read (WHATWG URL, section 4.4).
        text.retain(|c| !matches!(c, '\t' | '\n' | '\r'));
        let text = text.trim_matches(|c: char| c <= ' ');
        // Letters of a query are sent in the page's encoding, those of a path are not.
        let query = text.split_once('?').map_or("", |(_, query)| query);
        (!text.is_empty() && query.is_ascii()).then(|| Source(text.to_string()))
    }

    /// The URL, when it is one of the page's own host. `base`: what it may be relative to.
    pub(super) fn resolve(&self, page: &Url, base: &Url) -> Option<Url> {
        let url = base.join(&self.0).ok()?;
        let ours = matches!(url.scheme(), "http" | "https")
            && url.host() == page.host()
            && url.port() == page.port()
            && url.username().is_empty()
            && url.password().is_none();
        ours.then_some(url)
    }

    /// The URL, as the `href` of a `<base>`.
    pub(super) fn under(&self, page: &Url) -> Option<Url> {
        page.join(&self.0).ok()
    }

    /// The value of a `srcset` with these widths and the picture as it is, which is `own` pixels
    /// wide. ASCII, and nothing that ends an attribute in double quotes. `None`: it needs none.
    pub(super) fn set(&self, widths: &[u32], own: u32) -> Option<String> {
        let (text, fragment) = match self.0.split_once('#') {
            Some((text, fragment)) => (text, Some(fragment)),
            None => (self.0.as_str(), None),
        };
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        let shaped = |query: &str| {
            let mut names = query.split('&').map(|pair| match pair.split_once('=') {
                Some((name, _)) => name,
                None => pair,
            });
            names.any(|name| SHAPES.contains(&name))
        };
        // Commas at the ends are read as what stands between two candidates.
        if query.is_some_and(shaped) || self.0.starts_with(',') || self.0.ends_with(',') {
            return None;
        }
        let path = escaped(path);
        let query = query.map(escaped);
        let fragment = fragment.map_or(String::new(), |text| format!("#{}", escaped(text)));
        let mut out = String::new();
        for width in widths.iter().filter(|width| **width < own) {
            let more = match query.as_deref() {
                None => format!("?w={width}"),
                Some("") => format!("?w={width}"),
                Some(query) => format!("?{query}&amp;w={width}"),
            };
            let _ = write!(out, "{path}{more}{fragment} {width}w, ");
            if out.len() > LONGEST_SET {
                return None;
            }
        }
        if out.is_empty() {
            return None;
        }
        let query = query.map_or(String::new(), |query| format!("?{query}"));
        let _ = write!(out, "{path}{query}{fragment} {own}w");
        Some(out)
    }
}

/// Decodes character references (HTML, section 13.2.5.72) as far as URLs have them. `None` for
/// others: 2,231 names are not worth a table here.
fn decoded(value: &str) -> Option<String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after
            .find(|c: char| !c.is_ascii_alphanumeric() && c != '#')
            .unwrap_or(after.len());
        let (name, behind) = after.split_at_checked(end)?;
        match behind.strip_prefix(';') {
            Some(behind) => {
                out.push(named(name)?);
                rest = behind;
                continue;
            }
            // A lone `&`, or the next parameter: no reference in an attribute.
            None if name.is_empty() || (behind.starts_with('=') && !name.contains('#')) => {
                out.push('&');
            }
            None => return None,
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

fn named(name: &str) -> Option<char> {
    let number = match name.strip_prefix('#') {
        Some(number) => number,
        None => {
            return Some(match name {
                "amp" => '&',
                "quot" => '"',
                "apos" => '\'',
                "lt" => '<',
                "gt" => '>',
                _ => return None,
            });
        }
    };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => number.parse().ok()?,
    };
    // Control characters stand for others (HTML, section 13.2.5.80).
    let plain = code >= 0x20 && !(0x7f..0xa0).contains(&code);
    char::from_u32(code).filter(|_| plain)
}

/// Percent-encoded where an attribute or a `srcset` needs it, as a URL would be on its way anyhow;
/// `&` as a reference.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '!'..='~' if !matches!(c, '"' | '<' | '>') => out.push(c),
            _ => {
                for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "%{byte:02X}");
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<String> {
        Source::of(value).map(|source| source.0)
    }

    #[test]
    fn a_src_is_read_as_browsers_read_it() {
        for (value, text) in [
            ("/a.jpg", "/a.jpg"),
            (" \n/a\n.jpg\t", "/a.jpg"),
            ("/a b.jpg", "/a b.jpg"),
            ("/a.jpg?v=1&amp;q=50", "/a.jpg?v=1&q=50"),
            ("/a.jpg?v=1&q=50", "/a.jpg?v=1&q=50"),
            ("/a.jpg?v=1&copy=2", "/a.jpg?v=1&copy=2"),
            ("/a.jpg?v=1&#38;q=2&#x26;r=3", "/a.jpg?v=1&q=2&r=3"),
            ("/a&.jpg", "/a&.jpg"),
            ("/&quot;&apos;&#39;&lt;&gt;", "/\"''<>"),
            ("/фото.jpg", "/фото.jpg"),
            ("/&#1092;.jpg", "/ф.jpg"),
        ] {
            assert_eq!(read(value).as_deref(), Some(text), "{value}");
        }
        let long = "a".repeat(LONGEST + 1);
        for value in [
            "",
            "  ",
            "/a.jpg?a&copy",
            "/caf&eacute;.jpg",
            "/a&#0;",
            "/a&#x80;",
            "/a&#xd800;",
            "/a&#38",
            "/a&#=",
            "/a&#;",
            "/a\u{fffd}",
            "/a?q=ф",
            &long,
        ] {
            assert_eq!(read(value), None, "{value}");
        }
    }

    #[test]
    fn only_pictures_of_the_same_host_are_looked_up() {
        let page = Url::parse("https://example.com/blog/post?x=1").unwrap();
        let at = |src: &str, base: &str| {
            let base = page.join(base).unwrap();
            let url = Source::of(src)?.resolve(&page, &base)?;
            Some(url.as_str().replace("https://example.com", ""))
        };
        for (src, base, found) in [
            ("/m/a.jpg", "", "/m/a.jpg"),
            ("a.jpg?v=2", "", "/blog/a.jpg?v=2"),
            ("../a.jpg", "", "/a.jpg"),
            ("./x/../a.jpg", "/m/", "/m/a.jpg"),
            ("https://EXAMPLE.com/a.jpg", "", "/a.jpg"),
            ("https://example.com:443/a.jpg", "", "/a.jpg"),
            ("//example.com/a.jpg", "", "/a.jpg"),
            ("\\m\\a.jpg", "", "/m/a.jpg"),
            ("/a b.jpg", "", "/a%20b.jpg"),
            ("/ф.jpg", "", "/%D1%84.jpg"),
            // The page is where a base of another host does not matter.
            (
                "https://example.com/a.jpg",
                "https://cdn.example/",
                "/a.jpg",
            ),
        ] {
            assert_eq!(at(src, base).as_deref(), Some(found), "{src}");
        }
        for (src, base) in [
            ("data:image/png;base64,AAAA", ""),
            ("blob:https://example.com/1", ""),
            ("https://example.org/a.jpg", ""),
            ("https://example.com:8443/a.jpg", ""),
            ("https://me@example.com/a.jpg", ""),
            ("//example.org/a.jpg", ""),
            ("a.jpg", "https://cdn.example/"),
            ("https://", ""),
        ] {
            assert_eq!(at(src, base), None, "{src}");
        }
        let http = Source::of("http://example.com/a.jpg").unwrap();
        assert!(http.resolve(&page, &page).is_some(), "browsers upgrade it");
    }

    #[test]
    fn a_set_has_the_widths_below_the_picture_and_the_picture() {
        let set = |src: &str| Source::of(src).unwrap().set(&[150, 300, 640], 640);
        for (src, expected) in [
            (
                "/a.jpg",
                "/a.jpg?w=150 150w, /a.jpg?w=300 300w, /a.jpg 640w",
            ),
            (
                "/a.jpg?v=1&q=2",
                "/a.jpg?v=1&amp;q=2&amp;w=150 150w, /a.jpg?v=1&amp;q=2&amp;w=300 300w, /a.jpg?v=1&amp;q=2 640w",
            ),
            ("/a?", "/a?w=150 150w, /a?w=300 300w, /a? 640w"),
            ("a#x", "a?w=150#x 150w, a?w=300#x 300w, a#x 640w"),
            (
                "a \"<,é.jpg",
                "a%20%22%3C,%C3%A9.jpg?w=150 150w, a%20%22%3C,%C3%A9.jpg?w=300 300w, a%20%22%3C,%C3%A9.jpg 640w",
            ),
        ] {
            assert_eq!(set(src).as_deref(), Some(expected), "{src}");
        }
        for src in [
            "/a?w=640",
            "/a?h=3",
            "/a?x=1&w=",
            "/a?blur",
            "/a?placeholder",
            "/a?dpr=2",
            "/a?s=abc",
            "/a,",
            ",a",
        ] {
            assert_eq!(set(src), None, "{src}");
        }
        let source = Source::of("/a").unwrap();
        assert_eq!(source.set(&[150], 150), None);
        assert_eq!(source.set(&[], 150), None);
        let many: Vec<u32> = (1..2000).collect();
        assert_eq!(source.set(&many, 3000), None);
    }
}
