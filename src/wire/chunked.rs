//! Following chunked framing byte by byte (RFC 9112 section 7.1), without changing it.

use super::fault::Fault;
use super::head::split_field;

/// Bytes of extensions allowed on one chunk; nothing uses them, and long ones are an attack.
const EXTENSION_LIMIT: usize = 256;
/// Bytes of trailers allowed after the last chunk.
const TRAILER_LIMIT: usize = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Size { digits: u8, value: u64 },
    Extension { length: usize, value: u64 },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailer,
    End,
}

/// Where in a chunked body the bytes stand, and its trailers once they were seen.
#[derive(Debug)]
pub struct Scanner {
    state: State,
    section: Vec<u8>,
}

impl Default for Scanner {
    fn default() -> Self {
        Scanner {
            state: State::Size {
                digits: 0,
                value: 0,
            },
            section: Vec::new(),
        }
    }
}

impl Scanner {
    /// Follows `bytes`. `Ok(Some(n))` when the body ended after the first `n` of them.
    ///
    /// # Errors
    /// [`Fault::Chunk`] for broken framing, the fault of a field for broken trailers.
    pub fn scan(&mut self, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        let mut at = 0usize;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let data = self.data(rest.len());
            let passed = if data > 0 {
                self.passed(data);
                data
            } else {
                self.framing(rest)?
            };
            at = at.saturating_add(passed);
            if self.ended() {
                return Ok(Some(at));
            }
        }
        Ok(None)
    }

    /// Follows framing only: how many bytes at the front of `bytes` are framing. Stops before
    /// data, at the end of the body, and where the bytes end.
    ///
    /// # Errors
    /// As [`Scanner::scan`].
    pub(super) fn framing(&mut self, bytes: &[u8]) -> Result<usize, Fault> {
        let mut at = 0usize;
        for byte in bytes {
            if matches!(self.state, State::Data { .. } | State::End) {
                break;
            }
            self.step(*byte)?;
            at = at.saturating_add(1);
        }
        Ok(at)
    }

    /// How many of the next `here` bytes are data of the chunk that is being passed; 0 when
    /// framing comes next.
    pub(super) fn data(&self, here: usize) -> usize {
        match self.state {
            State::Data { left } => usize::try_from(left).unwrap_or(usize::MAX).min(here),
            _ => 0,
        }
    }

    /// Passes `count` bytes of data, never more than there are.
    pub(super) fn passed(&mut self, count: usize) {
        if let State::Data { left } = self.state {
            let left = left.saturating_sub(u64::try_from(count).unwrap_or(u64::MAX));
            self.state = if left == 0 {
                State::DataCr
            } else {
                State::Data { left }
            };
        }
    }

    fn step(&mut self, byte: u8) -> Result<(), Fault> {
        self.state = match (self.state, byte) {
            (State::Size { digits, value }, b) if b.is_ascii_hexdigit() => {
                // Fifteen digits are more than any body has, and cannot overflow.
                if digits >= 15 {
                    return Err(Fault::Chunk);
                }
                let digit = char::from(b).to_digit(16).ok_or(Fault::Chunk)?;
                let value = value.wrapping_shl(4) | u64::from(digit);
                State::Size {
                    digits: digits.saturating_add(1),
                    value,
                }
            }
            (State::Size { digits, value }, b'\r') if digits > 0 => State::SizeLf { value },
            (State::Size { digits, value }, b';') if digits > 0 => {
                State::Extension { length: 0, value }
            }
            (State::Extension { value, .. }, b'\r') => State::SizeLf { value },
            (State::Extension { length, value }, b)
                if length < EXTENSION_LIMIT && (b >= 0x20 || b == b'\t') && b != 0x7f =>
            {
                State::Extension {
                    length: length.saturating_add(1),
                    value,
                }
            }
            (State::SizeLf { value: 0 }, b'\n') => State::Trailer,
            (State::SizeLf { value }, b'\n') => State::Data { left: value },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size {
                digits: 0,
                value: 0,
            },
            (State::Trailer, b) => return self.trailer(b),
            _ => return Err(Fault::Chunk),
        };
        Ok(())
    }

    fn trailer(&mut self, byte: u8) -> Result<(), Fault> {
        if self.section.len() >= TRAILER_LIMIT {
            return Err(Fault::HeaderTooLarge);
        }
        self.section.push(byte);
        if byte == b'\n' {
            if !self.section.ends_with(b"\r\n") {
                return Err(Fault::LineEnd);
            }
            if self.section == b"\r\n" || self.section.ends_with(b"\r\n\r\n") {
                self.state = State::End;
            }
        }
        Ok(())
    }

    /// Whether the body ended.
    pub fn ended(&self) -> bool {
        self.state == State::End
    }

    /// The trailers that may be passed on, as lines `name: value CRLF`; empty when there are none.
    ///
    /// Fields that would change framing, routing or who the client is are left out
    /// (RFC 9110 section 6.5.1).
    ///
    /// # Errors
    /// A line that is no field.
    pub fn trailers(&self) -> Result<Vec<u8>, Fault> {
        let mut kept = Vec::new();
        for line in self.section.split(|b| *b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                continue;
            }
            let (name, value) = split_field(line)?;
            if !forbidden(name) {
                kept.extend_from_slice(name);
                kept.extend_from_slice(b": ");
                kept.extend_from_slice(value);
                kept.extend_from_slice(b"\r\n");
            }
        }
        Ok(kept)
    }
}

fn forbidden(name: &[u8]) -> bool {
    const NAMES: [&str; 21] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "location",
        "max-forwards",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    // Apps that follow CGI take `_` and `-` for the same.
    let same = |a: &u8, b: &u8| match a {
        b'_' => *b == b'-',
        a => a.eq_ignore_ascii_case(b),
    };
    let starts = |prefix: &str| {
        name.get(..prefix.len())
            .is_some_and(|head| head.iter().zip(prefix.as_bytes()).all(|(a, b)| same(a, b)))
    };
    NAMES
        .iter()
        .any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
        || starts("proxy-")
        || starts("x-forwarded-")
        || starts("x-real-ip")
        || starts("x-request-id")
        || starts("if-")
        || starts("client-cert")
        || starts("x-client-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &[u8]) -> Result<Option<usize>, Fault> {
        let at_once = Scanner::default().scan(text);
        let mut scanner = Scanner::default();
        let mut by_byte = Ok(None);
        for (i, byte) in text.iter().enumerate() {
            match scanner.scan(&[*byte]) {
                Ok(None) => {}
                Ok(Some(_)) => {
                    by_byte = Ok(Some(i + 1));
                    break;
                }
                Err(fault) => {
                    by_byte = Err(fault);
                    break;
                }
            }
        }
        assert_eq!(at_once, by_byte, "{text:?}");
        at_once
    }

    #[test]
    fn sound_bodies_end_where_they_end() {
        assert_eq!(whole(b"0\r\n\r\nGET"), Ok(Some(5)));
        assert_eq!(whole(b"3\r\nabc\r\n0\r\n\r\n"), Ok(Some(13)));
        assert_eq!(whole(b"A;x=y\r\n0123456789\r\n0\r\n\r\n"), Ok(Some(24)));
        assert_eq!(whole(b"3\r\nab"), Ok(None));
    }

    #[test]
    fn broken_framing_is_a_fault() {
        for text in [
            b"\r\n".as_slice(),
            b"g\r\n",
            b"-1\r\n",
            b" 3\r\nabc",
            b"3 \r\nabc",
            b"3\nabc",
            b"3\r\nabcd\r\n",
            b"3\r\nabc\n",
            b"0x3\r\n",
            b"1234567890abcdef\r\n",
            b"3;\0\r\n",
            b";\r\n",
        ] {
            assert_eq!(whole(text), Err(Fault::Chunk), "{text:?}");
        }
        assert_eq!(whole(b"0\r\nA: b\n"), Err(Fault::LineEnd));
    }

    #[test]
    fn trailers_are_kept_but_for_those_that_would_deceive() {
        let mut scanner = Scanner::default();
        let text = b"0\r\nX-Sum: 7\r\nContent-Length: 1\r\nX-Forwarded-For: 1\r\n\r\n";
        assert_eq!(scanner.scan(text), Ok(Some(text.len())));
        assert_eq!(scanner.trailers(), Ok(b"X-Sum: 7\r\n".to_vec()));
        let mut scanner = Scanner::default();
        scanner.scan(b"0\r\nno field\r\n\r\n").unwrap();
        assert_eq!(scanner.trailers(), Err(Fault::Field));
    }
}
