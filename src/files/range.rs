//! Range requests (RFC 9110 section 14): which parts of a file a client asks for, and the fields
//! that name a part. Several parts in one body: `multipart`.

use http::HeaderValue;
use std::fmt::Display;
use std::ops::Range;

/// The most specs that are looked at. Nobody who means well lists more, and a head has room for
/// thousands of them.
const MOST_LISTED: usize = 256;

/// The most parts that one answer has.
const MOST_PARTS: usize = 16;

/// What a `Range` field asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ranges {
    /// The whole: the field is ignored. It is malformed, has another unit than bytes, or lists
    /// more parts than are given.
    Whole,
    /// Nothing that the file has: 416.
    Unsatisfiable,
    /// These bytes, in 1 to 16 parts: none empty, all below the length, in the order in which they
    /// were first mentioned. Those that overlap or touch have become one.
    Parts(Vec<Range<u64>>),
}

/// Reads the value of `Range` for a file of `length` bytes (RFC 9110 section 14.1.2).
///
/// The last bytes of an empty file are the whole of it, which no part can express: [`Ranges::Whole`].
pub fn parse(header: &[u8], length: u64) -> Ranges {
    parts(header, length).unwrap_or(Ranges::Whole)
}

/// None: the field is to be ignored.
fn parts(header: &[u8], length: u64) -> Option<Ranges> {
    let (unit, set) = header.trim_ascii().split_at_checked(6)?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut listed = 0;
    let mut found = Vec::new();
    for spec in set.split(|b| *b == b',').map(<[u8]>::trim_ascii) {
        if spec.is_empty() {
            continue;
        }
        if listed == MOST_LISTED {
            return None;
        }
        listed += 1;
        let part = resolve(spec, length)?;
        if !part.is_empty() {
            found.push(part);
        }
    }
    if listed == 0 {
        return None;
    }
    if found.is_empty() {
        return Some(Ranges::Unsatisfiable);
    }
    let parts = merge(found);
    (parts.len() <= MOST_PARTS).then_some(Ranges::Parts(parts))
}

/// The bytes that `0-9`, `5-` or `-5` stands for; an empty range when the file has none of them.
/// None: it is malformed, or the last bytes of an empty file are meant.
fn resolve(spec: &[u8], length: u64) -> Option<Range<u64>> {
    let (first, last) = spec.split_at_checked(memchr::memchr(b'-', spec)?)?;
    let last = last.strip_prefix(b"-")?;
    if first.is_empty() {
        let suffix = number(last)?;
        if length == 0 && suffix > 0 {
            return None;
        }
        return Some(length.saturating_sub(suffix)..length);
    }
    let start = number(first)?;
    let end = if last.is_empty() {
        length
    } else {
        let end = number(last)?;
        if exceeds(first, last) {
            return None;
        }
        end.saturating_add(1).min(length)
    };
    Some(start.min(end)..end)
}

/// A number of any length. One that is too large for any file is the largest there is.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let append = |number: u64, digit: &u8| {
        let digit = u64::from(digit.wrapping_sub(b'0'));
        number.saturating_mul(10).saturating_add(digit)
    };
    Some(digits.iter().fold(0, append))
}

/// Whether one number is larger than another, however large both are.
fn exceeds(one: &[u8], other: &[u8]) -> bool {
    let (one, other) = (significant(one), significant(other));
    (one.len(), one) > (other.len(), other)
}

/// A number's digits from the first that is not 0.
fn significant(digits: &[u8]) -> &[u8] {
    let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
    digits.get(zeros..).unwrap_or_default()
}

/// Makes one of those that overlap or touch. It stands where the first of them was mentioned.
fn merge(found: Vec<Range<u64>>) -> Vec<Range<u64>> {
    if found.len() == 1 {
        return found;
    }
    let mut mentioned: Vec<(usize, Range<u64>)> = found.into_iter().enumerate().collect();
    mentioned.sort_unstable_by_key(|(_, part)| part.start);
    let mut merged: Vec<(usize, Range<u64>)> = Vec::with_capacity(mentioned.len());
    for (place, part) in mentioned {
        match merged.last_mut() {
            Some((first, before)) if part.start <= before.end => {
                before.end = before.end.max(part.end);
                *first = place.min(*first);
            }
            _ => merged.push((place, part)),
        }
    }
    merged.sort_unstable_by_key(|(place, _)| *place);
    merged.into_iter().map(|(_, part)| part).collect()
}

/// `Content-Range` of a part that is not empty: `bytes 0-9/100` (RFC 9110 section 14.4).
pub fn content_range(part: &Range<u64>, length: u64) -> HeaderValue {
    field(format_args!("bytes {}/{length}", Inclusive(part)))
}

/// `Content-Range` of a 416: `bytes */100`.
pub fn unsatisfied(length: u64) -> HeaderValue {
    field(format_args!("bytes */{length}"))
}

/// A part as it is written: first and last byte.
pub(super) struct Inclusive<'a>(pub(super) &'a Range<u64>);

impl Display for Inclusive<'_> {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(to, "{}-{}", self.0.start, self.0.end.saturating_sub(1))
    }
}

/// A value made of text and numbers, which is always a good one.
fn field(text: std::fmt::Arguments<'_>) -> HeaderValue {
    HeaderValue::try_from(text.to_string()).unwrap_or(HeaderValue::from_static("bytes */*"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use Ranges::{Unsatisfiable, Whole};
    use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};
    use std::fmt::Write;

    fn some(parts: &[(u64, u64)]) -> Ranges {
        Ranges::Parts(parts.iter().map(|(start, end)| *start..*end).collect())
    }

    #[test]
    fn ranges_are_read() {
        let table: [(&str, u64, Ranges); 62] = [
            ("bytes=0-9", 100, some(&[(0, 10)])),
            ("bytes=0-0", 100, some(&[(0, 1)])),
            ("bytes=0-", 100, some(&[(0, 100)])),
            ("bytes=99-", 100, some(&[(99, 100)])),
            ("bytes=100-", 100, Unsatisfiable),
            ("bytes=99-200", 100, some(&[(99, 100)])),
            ("bytes=-1", 100, some(&[(99, 100)])),
            ("bytes=-100", 100, some(&[(0, 100)])),
            ("bytes=-101", 100, some(&[(0, 100)])),
            ("bytes=-0", 100, Unsatisfiable),
            ("bytes=-00", 100, Unsatisfiable),
            ("bytes=-0,0-0", 100, some(&[(0, 1)])),
            ("bytes=5-2", 100, Whole),
            ("bytes=0-1,5-2", 100, Whole),
            ("bytes=500-200", 100, Whole),
            ("bytes=007-0009", 100, some(&[(7, 10)])),
            ("bytes=10-9", 100, Whole),
            ("bytes=9-10", 100, some(&[(9, 11)])),
            // The unit.
            ("BYTES=0-9", 100, some(&[(0, 10)])),
            ("Bytes=0-9", 100, some(&[(0, 10)])),
            ("byte=0-9", 100, Whole),
            ("items=0-9", 100, Whole),
            ("bytes 0-9", 100, Whole),
            ("bytes =0-9", 100, Whole),
            ("0-9", 100, Whole),
            ("bytes", 100, Whole),
            ("bytes=", 100, Whole),
            ("", 100, Whole),
            // White space and empty elements.
            (" bytes=0-9 ", 100, some(&[(0, 10)])),
            ("bytes=0-1 ,\t20-21", 100, some(&[(0, 2), (20, 22)])),
            ("bytes=,,0-1, ,20-21,,", 100, some(&[(0, 2), (20, 22)])),
            ("bytes=,", 100, Whole),
            ("bytes= , ", 100, Whole),
            ("bytes=0 -9", 100, Whole),
            ("bytes=0- 9", 100, Whole),
            ("bytes=- 9", 100, Whole),
            // No ranges.
            ("bytes=-", 100, Whole),
            ("bytes=--1", 100, Whole),
            ("bytes=1--2", 100, Whole),
            ("bytes=1-2-3", 100, Whole),
            ("bytes=1", 100, Whole),
            ("bytes=a-b", 100, Whole),
            ("bytes=+1-2", 100, Whole),
            ("bytes=0x1-2", 100, Whole),
            ("bytes=0-1;2-3", 100, Whole),
            ("bytes=0-1,rubbish", 100, Whole),
            ("bytes=200-,rubbish", 100, Whole),
            // Order and merging.
            ("bytes=50-59,0-9", 100, some(&[(50, 60), (0, 10)])),
            ("bytes=0-9,10-19", 100, some(&[(0, 20)])),
            ("bytes=0-9,11-19", 100, some(&[(0, 10), (11, 20)])),
            ("bytes=0-50,10-19", 100, some(&[(0, 51)])),
            ("bytes=0-9,50-59,5-20", 100, some(&[(0, 21), (50, 60)])),
            (
                "bytes=20-29,0-9,50-59,10-19",
                100,
                some(&[(0, 30), (50, 60)]),
            ),
            ("bytes=-5,0-4,90-97", 100, some(&[(90, 100), (0, 5)])),
            ("bytes=200-300,0-0", 100, some(&[(0, 1)])),
            ("bytes=200-300,100-", 100, Unsatisfiable),
            // The empty file.
            ("bytes=0-", 0, Unsatisfiable),
            ("bytes=0-0", 0, Unsatisfiable),
            ("bytes=-0", 0, Unsatisfiable),
            ("bytes=-5", 0, Whole),
            ("bytes=0-0,-5", 0, Whole),
            ("bytes=5-2", 0, Whole),
        ];
        for (header, length, expected) in table {
            assert_eq!(parse(header.as_bytes(), length), expected, "{header}");
        }
        assert_eq!(parse(b"bytes=0-9\xff", 100), Whole);
    }

    #[test]
    fn huge_numbers_do_not_overflow() {
        let huge = "99999999999999999999999";
        let more = "100000000000000000000000";
        let max = u64::MAX;
        let table = [
            (format!("bytes=0-{huge}"), 100, some(&[(0, 100)])),
            (format!("bytes=-{huge}"), 100, some(&[(0, 100)])),
            (format!("bytes={huge}-"), 100, Unsatisfiable),
            (format!("bytes={huge}-"), max, Unsatisfiable),
            (format!("bytes={huge}-{more}"), 100, Unsatisfiable),
            (format!("bytes={huge}-{huge}"), 100, Unsatisfiable),
            (format!("bytes={huge}-00{huge}"), 100, Unsatisfiable),
            (format!("bytes={more}-{huge}"), 100, Whole),
            (format!("bytes={huge}-1"), 100, Whole),
            (format!("bytes=0-{max}"), max, some(&[(0, max)])),
            (format!("bytes=0-{}", max - 1), max, some(&[(0, max)])),
            (format!("bytes={}-", max - 1), max, some(&[(max - 1, max)])),
            (format!("bytes={max}-"), max, Unsatisfiable),
            ("bytes=-1,0-0".into(), max, some(&[(max - 1, max), (0, 1)])),
            (
                format!("bytes=0-{}", "9".repeat(60_000)),
                9,
                some(&[(0, 9)]),
            ),
        ];
        for (header, length, expected) in table {
            assert_eq!(parse(header.as_bytes(), length), expected, "{header:.80}");
        }
    }

    /// `count` ranges of one byte, `step` bytes apart.
    fn many(count: usize, step: usize) -> String {
        (0..count).fold("bytes=".into(), |mut header, i| {
            let _ = write!(header, "{0}-{0},", i * step);
            header
        })
    }

    #[test]
    fn parts_and_specs_are_bounded() {
        let parts = |count, step| match parse(many(count, step).as_bytes(), 1_000_000) {
            Ranges::Parts(parts) => Some(parts.len()),
            _ => None,
        };
        assert_eq!(parts(16, 2), Some(16));
        assert_eq!(parts(17, 2), None);
        assert_eq!(parts(256, 1), Some(1));
        assert_eq!(parts(257, 1), None);
        assert_eq!(parts(100_000, 1), None);
        // Those that the file does not have count as listed too, empty elements do not.
        assert_eq!(parse(many(257, 1).as_bytes(), 0), Whole);
        assert_eq!(parse(many(256, 1).as_bytes(), 0), Unsatisfiable);
        let commas = format!("bytes={}0-0", ",".repeat(10_000));
        assert_eq!(parse(commas.as_bytes(), 10), some(&[(0, 1)]));
    }

    /// The same by marking every byte that is asked for with the place of its first mention.
    fn naive(specs: &[(Option<u64>, Option<u64>)], length: u64) -> Ranges {
        let mut marks: Vec<Option<usize>> = vec![None; length as usize];
        for (place, spec) in specs.iter().enumerate() {
            for (byte, mark) in marks.iter_mut().enumerate() {
                let byte = byte as u64;
                let asked = match *spec {
                    (Some(first), Some(last)) if first > last => return Whole,
                    (Some(first), Some(last)) => first <= byte && byte <= last,
                    (Some(first), None) => first <= byte,
                    (None, Some(suffix)) => byte + suffix >= length,
                    (None, None) => return Whole,
                };
                if asked && mark.is_none() {
                    *mark = Some(place);
                }
            }
        }
        let mut runs: Vec<(usize, Range<u64>)> = Vec::new();
        for (byte, mark) in marks.iter().enumerate() {
            let byte = byte as u64;
            match (mark, runs.last_mut()) {
                (None, _) => {}
                (Some(place), Some((first, run))) if run.end == byte => {
                    run.end += 1;
                    *first = *place.min(first);
                }
                (Some(place), _) => runs.push((*place, byte..byte + 1)),
            }
        }
        runs.sort_by_key(|(place, _)| *place);
        match runs.len() {
            0 => Unsatisfiable,
            1..=16 => Ranges::Parts(runs.into_iter().map(|(_, run)| run).collect()),
            _ => Whole,
        }
    }

    #[test]
    fn parsing_agrees_with_marking_every_byte() {
        let mut random = StdRng::seed_from_u64(14);
        let mut seen = [0; 4];
        for _ in 0..20_000 {
            let length = random.gen_range(1..120);
            let most = *[1, 3, 10, 40].choose(&mut random).unwrap();
            let width = *[1, 2, 8, 130].choose(&mut random).unwrap();
            let specs: Vec<_> = (0..random.gen_range(1..=most))
                .map(|_| match random.gen_range(0..20) {
                    0 => (None, Some(random.gen_range(0..130))),
                    1 => (Some(random.gen_range(0..130)), None),
                    2 if random.gen_bool(0.1) => (Some(9), Some(random.gen_range(0..10))),
                    _ => {
                        let first = random.gen_range(0..130);
                        (Some(first), Some(first + random.gen_range(0..width)))
                    }
                })
                .collect();
            let text = |n: Option<u64>| n.map(|n| n.to_string()).unwrap_or_default();
            let mut header = String::from("bytes=");
            for (first, last) in &specs {
                let between = *[",", " , ", ",,", ",\t"].choose(&mut random).unwrap();
                let _ = write!(header, "{}-{}{between}", text(*first), text(*last));
            }
            let got = parse(header.as_bytes(), length);
            assert_eq!(got, naive(&specs, length), "{header} of {length}");
            seen[match got {
                Whole => 0,
                Unsatisfiable => 1,
                Ranges::Parts(parts) if parts.len() == 1 => 2,
                Ranges::Parts(_) => 3,
            }] += 1;
        }
        assert!(seen.iter().all(|times| *times > 100), "{seen:?}");
    }

    #[test]
    fn parts_are_named() {
        assert_eq!(content_range(&(0..10), 100), "bytes 0-9/100");
        assert_eq!(content_range(&(99..100), 100), "bytes 99-99/100");
        let max = u64::MAX;
        let expected = format!("bytes 0-{}/{max}", max - 1);
        assert_eq!(content_range(&(0..max), max), expected.as_str());
        assert_eq!(unsatisfied(100), "bytes */100");
        assert_eq!(unsatisfied(0), "bytes */0");
    }
}
