//! Which formats a client takes (RFC 9110 section 12.5.1).

use crate::media::Format;
use http::HeaderMap;
use http::header::ACCEPT;

/// What a request's `Accept` says of the formats that are made.
///
/// Browsers name AVIF and WebP when they can show them. `image/*` and `*/*` is what those say too that
/// cannot, so that it counts for nothing. A format that is named with `q=0` is not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    said: Said,
    /// Those that the route makes, the best liked first.
    made: [Option<Format>; 2],
}

impl Accepted {
    /// What is accepted of the formats in `order`, which breaks ties; no more than two of them.
    pub fn of(headers: &HeaderMap, order: &[Format]) -> Self {
        let mut said = Said::default();
        for field in headers.get_all(ACCEPT) {
            for entry in field.as_bytes().split(|byte| *byte == b',') {
                said.note(entry);
            }
        }
        let mut made = [None; 2];
        let taken = order.iter().filter(|format| said.of(**format) > Some(0));
        for (slot, format) in made.iter_mut().zip(taken) {
            *slot = Some(*format);
        }
        // Stable: the operator's order stays among equals. `None` comes last.
        made.sort_by_key(|slot| std::cmp::Reverse(slot.and_then(|format| said.of(format))));
        Accepted { said, made }
    }

    /// Those that the route makes and the client takes, the best liked first; without those that it
    /// likes less than `other`.
    pub fn made(&self, other: Format) -> impl Iterator<Item = Format> + '_ {
        let least = self.said.of(other).unwrap_or(0);
        let made = self.made.iter().flatten().copied();
        made.filter(move |format| self.said.of(*format) >= Some(least))
    }

    /// Whether the client says that it can show this format, whatever the route makes.
    pub fn names(&self, format: Format) -> bool {
        self.said.of(format) > Some(0)
    }
}

/// Qualities in thousandths, of what is named.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Said {
    avif: Option<u16>,
    webp: Option<u16>,
    jpeg: Option<u16>,
    png: Option<u16>,
}

impl Said {
    fn of(&self, format: Format) -> Option<u16> {
        match format {
            Format::Avif => self.avif,
            Format::WebP => self.webp,
            Format::Jpeg => self.jpeg,
            Format::Png => self.png,
            Format::Gif | Format::Bmp | Format::Tiff => None,
        }
    }

    /// Takes one entry; one that cannot be understood is passed over.
    fn note(&mut self, entry: &[u8]) {
        let mut parts = entry.split(|byte| *byte == b';');
        let range = parts.next().unwrap_or_default().trim_ascii();
        let Some((kind, name)) = range.split_at_checked(b"image/".len()) else {
            return;
        };
        if !kind.eq_ignore_ascii_case(b"image/") {
            return;
        }
        let slot = match () {
            () if name.eq_ignore_ascii_case(b"avif") => &mut self.avif,
            () if name.eq_ignore_ascii_case(b"webp") => &mut self.webp,
            () if name.eq_ignore_ascii_case(b"jpeg") => &mut self.jpeg,
            () if name.eq_ignore_ascii_case(b"png") => &mut self.png,
            () => return,
        };
        let mut quality = 1000;
        for parameter in parts {
            if let [b'q' | b'Q', rest @ ..] = parameter.trim_ascii()
                && let Some(value) = rest.trim_ascii_start().strip_prefix(b"=")
            {
                let Some(value) = weight(value.trim_ascii()) else {
                    return;
                };
                quality = value;
            }
        }
        *slot = Some(quality);
    }
}

/// `qvalue` of RFC 9110 section 12.4.2, in thousandths: 0 to 1 with at most three decimals.
fn weight(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if decimals.len() > 3 || !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u16::from(decimals.get(at).unwrap_or(&b'0') - b'0');
    match (whole, digit(0) * 100 + digit(1) * 10 + digit(2)) {
        (b'0', part) => Some(part),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}
