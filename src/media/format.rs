//! Formats of pictures.

/// A format that pictures are read or written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// ITU-T T.81.
    Jpeg,
    /// W3C PNG, animated ones (APNG) included.
    Png,
    /// GIF87a and GIF89a.
    Gif,
    /// RFC 9649.
    WebP,
    /// AV1 in HEIF.
    Avif,
    /// Windows bitmap.
    Bmp,
    /// TIFF 6.0.
    Tiff,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 7] = [
        Format::Jpeg,
        Format::Png,
        Format::Gif,
        Format::WebP,
        Format::Avif,
        Format::Bmp,
        Format::Tiff,
    ];

    /// Its name, as `?format=` and metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Jpeg => "jpeg",
            Format::Png => "png",
            Format::Gif => "gif",
            Format::WebP => "webp",
            Format::Avif => "avif",
            Format::Bmp => "bmp",
            Format::Tiff => "tiff",
        }
    }

    /// Its media type (IANA's registry).
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Jpeg => "image/jpeg",
            Format::Png => "image/png",
            Format::Gif => "image/gif",
            Format::WebP => "image/webp",
            Format::Avif => "image/avif",
            Format::Bmp => "image/bmp",
            Format::Tiff => "image/tiff",
        }
    }

    /// The format of this media type (RFC 9110 section 8.3.1).
    pub fn of_type(content_type: &[u8]) -> Option<Self> {
        let bare = content_type.split(|b| *b == b';').next()?.trim_ascii();
        let is = |other: &str| bare.eq_ignore_ascii_case(other.as_bytes());
        let known = Format::ALL.into_iter().find(|f| is(f.content_type()));
        known.or_else(|| is("image/x-ms-bmp").then_some(Format::Bmp))
    }

    /// The format whose first bytes these are.
    pub fn sniff(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Format::Jpeg),
            [0x89, b'P', b'N', b'G', 0x0d, 0x0a, 0x1a, 0x0a, ..] => Some(Format::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Format::Gif),
            [
                b'R',
                b'I',
                b'F',
                b'F',
                _,
                _,
                _,
                _,
                b'W',
                b'E',
                b'B',
                b'P',
                ..,
            ] => Some(Format::WebP),
            [b'B', b'M', ..] => Some(Format::Bmp),
            [b'I', b'I', 42, 0, ..] | [b'M', b'M', 0, 42, ..] => Some(Format::Tiff),
            _ if is_avif(head) => Some(Format::Avif),
            _ => None,
        }
    }
}

/// Whether the first box (ISO/IEC 14496-12, section 4.3) names AVIF's brands: as the major one, or
/// among the first of those that the file is compatible with, as older writers have it.
fn is_avif(head: &[u8]) -> bool {
    const BRANDS: usize = 16;
    let is_brand = |brand: &[u8]| matches!(brand, b"avif" | b"avis");
    let (Some((length, b"ftyp")), Some(major)) =
        (head.first_chunk().zip(head.get(4..8)), head.get(8..12))
    else {
        return false;
    };
    let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(0);
    let compatible = head.get(16..length.min(head.len()).max(16));
    let brands = compatible.unwrap_or_default().chunks_exact(4).take(BRANDS);
    is_brand(major) || (major == b"mif1" && brands.into_iter().any(is_brand))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_known_by_their_first_bytes() {
        let cases: [(&[u8], Option<Format>); 11] = [
            (b"\xff\xd8\xff\xe0", Some(Format::Jpeg)),
            (b"\x89PNG\r\n\x1a\n....", Some(Format::Png)),
            (b"GIF89a", Some(Format::Gif)),
            (b"RIFF....WEBPVP8 ", Some(Format::WebP)),
            (b"....ftypavif", Some(Format::Avif)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Some(Format::Avif)),
            (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", None),
            (b"BM....", Some(Format::Bmp)),
            (b"II*\0", Some(Format::Tiff)),
            (b"<svg xmlns=", None),
            (b"", None),
        ];
        for (head, format) in cases {
            assert_eq!(Format::sniff(head), format, "{head:?}");
        }
    }
}
