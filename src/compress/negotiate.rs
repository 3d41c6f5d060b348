//! Which coding a client would rather have (RFC 9110 section 12.5.3).

use crate::content::Coding;
use http::HeaderMap;
use http::header::ACCEPT_ENCODING;

/// The codings that a client takes and that beat the plain body, best first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Accepted {
    codings: [Option<Coding>; 3],
}

impl Accepted {
    /// The best one.
    pub fn first(&self) -> Option<Coding> {
        self.iter().next()
    }

    /// Best first.
    pub fn iter(&self) -> impl Iterator<Item = Coding> + '_ {
        self.codings.iter().flatten().copied()
    }
}

/// What the request's `Accept-Encoding` says of the codings in `order`, which breaks ties.
///
/// Without the field, or with an empty one, the plain body is wanted. An entry that cannot be
/// understood is passed over. A coding that is as welcome as the plain body beats it.
pub fn accepted(headers: &HeaderMap, order: &[Coding]) -> Accepted {
    let mut said = Said::default();
    for field in headers.get_all(ACCEPT_ENCODING) {
        for entry in field.as_bytes().split(|b| *b == b',') {
            said.note(entry);
        }
    }
    let plain = said.identity.or(said.any.filter(|q| *q == 0));
    let mut ranked: [Option<(u16, Coding)>; 3] = [None; 3];
    let mut count = 0usize;
    for coding in order {
        let quality = said.of(*coding).or(said.any).unwrap_or(0);
        if quality == 0 || plain.is_some_and(|plain| plain > quality) {
            continue;
        }
        if let Some(slot) = ranked.get_mut(count) {
            *slot = Some((quality, *coding));
            count = count.saturating_add(1);
        }
    }
    // Stable: the operator's order stays among equals. `None` comes last.
    ranked.sort_by_key(|slot| std::cmp::Reverse(slot.map_or(0, |(quality, _)| quality)));
    Accepted {
        codings: ranked.map(|slot| slot.map(|(_, coding)| coding)),
    }
}

/// Qualities in thousandths.
#[derive(Default)]
struct Said {
    codings: [Option<u16>; 3],
    identity: Option<u16>,
    any: Option<u16>,
}

impl Said {
    fn of(&self, coding: Coding) -> Option<u16> {
        self.codings.get(coding.index()).copied().flatten()
    }

    fn note(&mut self, entry: &[u8]) {
        let mut parts = entry.split(|b| *b == b';');
        let name = parts.next().unwrap_or_default().trim_ascii();
        let mut quality = 1000;
        for parameter in parts {
            match parameter.trim_ascii() {
                [b'q' | b'Q', rest @ ..] => {
                    let value = rest.trim_ascii_start().strip_prefix(b"=");
                    let Some(value) = value.and_then(|v| thousandths(v.trim_ascii())) else {
                        return;
                    };
                    quality = value;
                }
                _ => return,
            }
        }
        let Ok(name) = std::str::from_utf8(name) else {
            return;
        };
        if name == "*" {
            self.any = Some(quality);
        } else if name.eq_ignore_ascii_case("identity") {
            self.identity = Some(quality);
        } else if let Some(coding) = Coding::parse(name)
            && let Some(slot) = self.codings.get_mut(coding.index())
        {
            *slot = Some(quality);
        }
    }
}

/// `qvalue` of RFC 9110 section 12.4.2: 0 to 1 with at most three decimals.
fn thousandths(value: &[u8]) -> Option<u16> {
    let (whole, fraction) = match value {
        [whole] => (whole, &[][..]),
        [whole, b'.', fraction @ ..] => (whole, fraction),
        _ => return None,
    };
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u16::from(fraction.get(at).unwrap_or(&b'0').saturating_sub(b'0'));
    let tail = digit(0)
        .saturating_mul(100)
        .saturating_add(digit(1).saturating_mul(10))
        .saturating_add(digit(2));
    match (whole, tail) {
        (b'0', tail) => Some(tail),
        (b'1', 0) => Some(1000),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn first(accept: &str) -> &'static str {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
        let first = accepted(&headers, &Coding::ALL).first();
        first.map_or("identity", Coding::name)
    }

    #[test]
    fn quality_decides_and_the_order_breaks_ties() {
        for (accept, expected) in [
            ("gzip, deflate, br, zstd", "br"),
            ("gzip", "gzip"),
            ("x-gzip", "gzip"),
            ("GZIP;Q=0.5", "gzip"),
            ("gzip, br;q=0.9", "gzip"),
            ("gzip;q=0.8, zstd;q=0.8, br;q=0.799", "zstd"),
            ("br;q=0, gzip", "gzip"),
            ("br;q=0.000, *;q=0.5", "zstd"),
            ("*", "br"),
            ("*;q=0", "identity"),
            ("*;q=0, gzip;q=0.1", "gzip"),
            ("identity", "identity"),
            ("identity;q=0", "identity"),
            ("identity;q=0.5, gzip;q=0.4", "identity"),
            ("identity;q=0.5, gzip;q=0.5", "gzip"),
            ("deflate", "identity"),
            ("", "identity"),
            ("br;q=2, gzip", "gzip"),
            ("br;q=0.1234, gzip", "gzip"),
            ("br;level=3, gzip", "gzip"),
            (" br ; q = 1.0 , gzip", "br"),
            (",,br,,", "br"),
            ("gzip;q=0.001", "gzip"),
        ] {
            assert_eq!(first(accept), expected, "{accept:?}");
        }
    }

    #[test]
    fn nothing_asked_is_nothing_coded() {
        let none = accepted(&HeaderMap::new(), &Coding::ALL);
        assert_eq!(none.first(), None);
    }

    #[test]
    fn several_lines_are_one_list() {
        let mut headers = HeaderMap::new();
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("gzip;q=0.5"));
        headers.append(ACCEPT_ENCODING, HeaderValue::from_static("br;q=0.4, *;q=0"));
        let all: Vec<_> = accepted(&headers, &Coding::ALL).iter().collect();
        assert_eq!(all, [Coding::Gzip, Coding::Brotli]);
    }
}
