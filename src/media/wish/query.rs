//! The query of a request: what of it is ours, and whether that makes sense.

use super::hints::{thousandths, whole};
use super::sign::Signature;
use super::{LARGEST, Policy, Refusal, USUAL_BLUR};
use crate::media::{Fit, Format};

/// No value of ours is longer, but for a signature.
const LONGEST: usize = 32;

/// What a query asks for. `None`: it says nothing of that.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    /// Pixels.
    pub width: Option<u32>,
    /// Pixels.
    pub height: Option<u32>,
    /// How many physical pixels those are.
    pub dpr: Option<Ratio>,
    pub fit: Option<Fit>,
    /// 1 to 100.
    pub quality: Option<u8>,
    /// `Some(None)`: what the client takes.
    pub format: Option<Option<Format>>,
    /// 1 to 100.
    pub blur: Option<u8>,
    pub placeholder: Option<bool>,
    /// Only where there is a key.
    pub signature: Option<Signature<'a>>,
}

/// Physical pixels of one of CSS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ratio {
    /// Thousandths.
    Given(u32),
    /// As the browser says.
    Auto,
}

impl<'a> Asked<'a> {
    /// Reads a query, as it was sent.
    pub fn read(query: &'a [u8], policy: &Policy) -> Result<Self, Refusal> {
        let mut asked = Asked::default();
        let mut from = 0;
        for parameter in query.split(|byte| *byte == b'&') {
            let (start, end) = (from, from + parameter.len());
            from = end + 1;
            // Most parameters are not ours: they are told by their first byte.
            let Some(b'w' | b'h' | b'q' | b'd' | b'f' | b'b' | b'p' | b's') = parameter.first()
            else {
                continue;
            };
            let equals = memchr::memchr(b'=', parameter);
            let (name, value) = match equals.and_then(|at| parameter.split_at_checked(at)) {
                Some((name, [_, value @ ..])) => (name, Some(value)),
                _ => (parameter, None),
            };
            match name {
                b"s" if policy.sign.is_some() => {
                    let of = query.get(..start.saturating_sub(1)).unwrap_or_default();
                    let given = value.unwrap_or_default();
                    let last = end == query.len();
                    once("s", &mut asked.signature, Ok(Signature { of, given, last }))?;
                }
                _ => asked.take(name, value, policy)?,
            }
        }
        Ok(asked)
    }

    /// Takes one parameter, if it is ours.
    fn take(&mut self, name: &[u8], value: Option<&[u8]>, policy: &Policy) -> Result<(), Refusal> {
        let mut room = [0; LONGEST];
        let room = &mut room;
        match name {
            b"w" => once("w", &mut self.width, side("w", read(value, room))),
            b"h" => once("h", &mut self.height, side("h", read(value, room))),
            b"q" => once("q", &mut self.quality, hundred("q", read(value, room))),
            b"dpr" => once("dpr", &mut self.dpr, ratio(read(value, room))),
            b"fit" => once("fit", &mut self.fit, fit(read(value, room))),
            b"format" => once(
                "format",
                &mut self.format,
                format(read(value, room), policy),
            ),
            b"blur" => once("blur", &mut self.blur, blur(read(value, room))),
            b"placeholder" => once(
                "placeholder",
                &mut self.placeholder,
                switch(read(value, room)),
            ),
            _ => Ok(()),
        }
    }
}

fn once<T>(
    parameter: &'static str,
    slot: &mut Option<T>,
    value: Result<T, Refusal>,
) -> Result<(), Refusal> {
    match slot.replace(value?) {
        None => Ok(()),
        Some(_) => Err(Refusal::Twice { parameter }),
    }
}

/// A value as it is meant; `?`, which none of ours is, for what cannot be one of ours.
fn read<'b>(value: Option<&[u8]>, room: &'b mut [u8; LONGEST]) -> &'b [u8] {
    match value {
        Some(value) => decoded(value, room).unwrap_or(b"?"),
        None => b"",
    }
}

/// A value with its percent-encodings decoded (RFC 3986 section 2.1), and `+` as the blank that it is
/// in forms. `None` when it is longer than any of ours, or encoded wrongly.
fn decoded<'b>(value: &[u8], room: &'b mut [u8; LONGEST]) -> Option<&'b [u8]> {
    let mut bytes = value.iter();
    let mut length = 0;
    let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => u8::try_from(digit(bytes.next())? * 16 + digit(bytes.next())?).ok()?,
            b'+' => b' ',
            byte => *byte,
        };
        *room.get_mut(length)? = byte;
        length += 1;
    }
    room.get(..length)
}

fn wrong<T>(parameter: &'static str, expected: &'static str) -> Result<T, Refusal> {
    Err(Refusal::Value {
        parameter,
        expected,
    })
}

fn side(parameter: &'static str, value: &[u8]) -> Result<u32, Refusal> {
    match whole(value) {
        Some(side) if (1..=LARGEST).contains(&side) => Ok(side),
        _ => wrong(parameter, "a whole number of pixels, 1 to 8192"),
    }
}

fn hundred(parameter: &'static str, value: &[u8]) -> Result<u8, Refusal> {
    match whole(value).and_then(|number| u8::try_from(number).ok()) {
        Some(number) if (1..=100).contains(&number) => Ok(number),
        _ => wrong(parameter, "a whole number, 1 to 100"),
    }
}

fn ratio(value: &[u8]) -> Result<Ratio, Refusal> {
    match (value, thousandths(value)) {
        (b"auto", _) => Ok(Ratio::Auto),
        (_, Some(ratio)) if (1000..=4000).contains(&ratio) => Ok(Ratio::Given(ratio)),
        _ => wrong("dpr", "a number, 1 to 4, or auto"),
    }
}

fn fit(value: &[u8]) -> Result<Fit, Refusal> {
    match value {
        b"inside" => Ok(Fit::Inside),
        b"contain" => Ok(Fit::Contain),
        b"cover" => Ok(Fit::Cover),
        _ => wrong("fit", "inside, contain or cover"),
    }
}

/// What is slow to make, or not wanted, is not made by asking for it by name.
fn format(value: &[u8], policy: &Policy) -> Result<Option<Format>, Refusal> {
    let made = |format| policy.formats.contains(&format);
    match value {
        b"auto" => Ok(None),
        b"jpeg" | b"jpg" => Ok(Some(Format::Jpeg)),
        b"png" => Ok(Some(Format::Png)),
        b"avif" if made(Format::Avif) => Ok(Some(Format::Avif)),
        b"webp" if made(Format::WebP) => Ok(Some(Format::WebP)),
        _ => wrong(
            "format",
            match (made(Format::Avif), made(Format::WebP)) {
                (true, true) => "avif, webp, jpeg, png or auto",
                (true, false) => "avif, jpeg, png or auto",
                (false, true) => "webp, jpeg, png or auto",
                (false, false) => "jpeg, png or auto",
            },
        ),
    }
}

fn blur(value: &[u8]) -> Result<u8, Refusal> {
    match value {
        b"" => Ok(USUAL_BLUR),
        value => hundred("blur", value),
    }
}

fn switch(value: &[u8]) -> Result<bool, Refusal> {
    match value {
        b"" | b"1" => Ok(true),
        b"0" => Ok(false),
        _ => wrong("placeholder", "1, 0, or no value"),
    }
}
