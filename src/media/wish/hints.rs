//! What a browser says of itself without being asked in the address: Responsive Image Client Hints
//! (WICG), and the names that they had before.

use http::{HeaderMap, HeaderName};

const SEC_CH_WIDTH: HeaderName = HeaderName::from_static("sec-ch-width");
const WIDTH: HeaderName = HeaderName::from_static("width");
const SEC_CH_DPR: HeaderName = HeaderName::from_static("sec-ch-dpr");
const DPR: HeaderName = HeaderName::from_static("dpr");

/// What a ratio of pixels is rounded up to, in thousandths. Above 3 nobody sees a difference.
const RATIOS: [u32; 4] = [1000, 1500, 2000, 3000];

/// Which fields of a request an answer depends on (RFC 9110 section 12.5.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Varies {
    /// `Accept`.
    pub accept: bool,
    /// `Sec-CH-Width` and `Width`.
    pub width: bool,
    /// `Sec-CH-DPR` and `DPR`.
    pub dpr: bool,
}

impl Varies {
    /// As the value of `Vary`; `None`: the answer depends on the address alone.
    pub fn field(self) -> Option<&'static str> {
        Some(match (self.accept, self.width, self.dpr) {
            (false, false, false) => return None,
            (true, false, false) => "Accept",
            (false, true, false) => "Sec-CH-Width, Width",
            (false, false, true) => "Sec-CH-DPR, DPR",
            (true, true, false) => "Accept, Sec-CH-Width, Width",
            (true, false, true) => "Accept, Sec-CH-DPR, DPR",
            (false, true, true) => "Sec-CH-Width, Width, Sec-CH-DPR, DPR",
            (true, true, true) => "Accept, Sec-CH-Width, Width, Sec-CH-DPR, DPR",
        })
    }
}

/// How wide the picture is shown, physical pixels; `None`: nothing that could be understood is said.
pub(super) fn width(headers: &HeaderMap) -> Option<u32> {
    let said = |name: &HeaderName| {
        let width = whole(headers.get(name)?.as_bytes().trim_ascii())?;
        (width > 0).then_some(width)
    };
    said(&SEC_CH_WIDTH).or_else(|| said(&WIDTH))
}

/// Physical pixels of one of CSS, thousandths, rounded up to a few steps; 1000 when nothing is said.
pub(super) fn ratio(headers: &HeaderMap) -> u32 {
    let said = |name: &HeaderName| thousandths(headers.get(name)?.as_bytes().trim_ascii());
    let ratio = said(&SEC_CH_DPR).or_else(|| said(&DPR)).unwrap_or(1000);
    super::next(&RATIOS, ratio)
}

/// Digits as a number below a thousand millions.
pub(super) fn whole(text: &[u8]) -> Option<u32> {
    // No more digits than fit.
    if !(1..=9).contains(&text.len()) {
        return None;
    }
    text.iter().try_fold(0u32, |number, byte| match byte {
        b'0'..=b'9' => Some(number * 10 + u32::from(byte - b'0')),
        _ => None,
    })
}

/// `1`, `1.5`, `2.625` in thousandths. What scripts write has more decimals; they are cut off.
pub(super) fn thousandths(text: &[u8]) -> Option<u32> {
    let dot = text.iter().position(|byte| *byte == b'.');
    let (units, decimals) = match dot.and_then(|dot| text.split_at_checked(dot)) {
        Some((units, [_, decimals @ ..])) if !decimals.is_empty() => (units, decimals),
        Some(_) => return None,
        None => (text, &b"0"[..]),
    };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |at: usize| u32::from(decimals.get(at).unwrap_or(&b'0') - b'0');
    let part = digit(0) * 100 + digit(1) * 10 + digit(2);
    whole(units)?.checked_mul(1000)?.checked_add(part)
}
