//! What a page's bytes are read as.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use lol_html::AsciiCompatibleEncoding;

/// An encoding, and whether a `<meta>` of the page may say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Charset {
    pub(super) encoding: AsciiCompatibleEncoding,
    pub(super) may_change: bool,
}

/// The byte order mark of UTF-8.
pub(super) const MARK: &[u8] = b"\xef\xbb\xbf";

impl Charset {
    /// By a `Content-Type`. `None`: it is no HTML, or in an encoding that is unknown or in which
    /// ASCII is not ASCII (UTF-16, ISO-2022-JP).
    pub(super) fn of(content_type: &[u8]) -> Option<Self> {
        let mut parts = content_type.split(|b| *b == b';').map(<[u8]>::trim_ascii);
        if !parts.next()?.eq_ignore_ascii_case(b"text/html") {
            return None;
        }
        let label = parts.find_map(|part| {
            let at = part.iter().position(|b| *b == b'=')?;
            let (name, value) = part.split_at_checked(at)?;
            let name = name.trim_ascii();
            name.eq_ignore_ascii_case(b"charset")
                .then(|| value.get(1..))
                .flatten()
        });
        let Some(label) = label else {
            // What browsers take when nothing is said (HTML, section 13.2.3.2).
            let encoding = AsciiCompatibleEncoding::new(WINDOWS_1252)?;
            return Some(Charset {
                encoding,
                may_change: true,
            });
        };
        let label = label.trim_ascii();
        let quoted = |label: &[u8]| Some(label.strip_prefix(b"\"")?.strip_suffix(b"\"")?.to_vec());
        let label = quoted(label).unwrap_or_else(|| label.to_vec());
        let encoding = AsciiCompatibleEncoding::new(Encoding::for_label_no_replacement(&label)?)?;
        Some(Charset {
            encoding,
            may_change: false,
        })
    }

    /// By the page's first bytes: a byte order mark outdoes all else (WHATWG Encoding, "decode").
    /// `None`: it says UTF-16.
    pub(super) fn with(self, beginning: &[u8]) -> Option<Self> {
        if beginning.starts_with(b"\xfe\xff") || beginning.starts_with(b"\xff\xfe") {
            return None;
        }
        if !beginning.starts_with(MARK) {
            return Some(self);
        }
        let encoding = AsciiCompatibleEncoding::new(UTF_8)?;
        Some(Charset {
            encoding,
            may_change: false,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, WINDOWS_1251};

    fn of(content_type: &str) -> Option<(&'static Encoding, bool)> {
        let found = Charset::of(content_type.as_bytes())?;
        Some((found.encoding.into(), found.may_change))
    }

    #[test]
    fn pages_are_told_by_their_type() {
        assert_eq!(of("text/html; charset=utf-8"), Some((UTF_8, false)));
        assert_eq!(of("Text/HTML;Charset=\"UTF-8\""), Some((UTF_8, false)));
        assert_eq!(
            of("text/html; x=y; charset=windows-1251"),
            Some((WINDOWS_1251, false))
        );
        assert_eq!(of("text/html;charset=Shift_JIS "), Some((SHIFT_JIS, false)));
        assert_eq!(of("text/html"), Some((WINDOWS_1252, true)));
        assert_eq!(of("text/html;"), Some((WINDOWS_1252, true)));
        for other in [
            "",
            "text/plain",
            "application/xhtml+xml; charset=utf-8",
            "text/html; charset=utf-16",
            "text/html; charset=UTF-16LE",
            "text/html; charset=iso-2022-jp",
            "text/html; charset=klingon",
            "text/html; charset=",
            "text/htmlx",
        ] {
            assert_eq!(of(other), None, "{other}");
        }
    }

    #[test]
    fn a_byte_order_mark_outdoes_the_type() {
        let charset = Charset::of(b"text/html; charset=windows-1251").unwrap();
        let with = charset.with(b"\xef\xbb\xbf<p>").unwrap();
        assert_eq!(with.encoding, AsciiCompatibleEncoding::utf_8());
        assert_eq!(charset.with(b"<p>"), Some(charset));
        assert_eq!(charset.with(b"\xff\xfe<\0"), None);
        assert_eq!(charset.with(b"\xfe\xff\0<"), None);
    }
}
