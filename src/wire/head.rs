//! The head of a request: found, checked, and its framing decided (RFC 9112).

use super::fault::Fault;
use memchr::{memchr, memchr_iter};
use std::ops::Range;

/// How large a head may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the whole head.
    pub header: usize,
    /// Fields.
    pub fields: usize,
    /// Bytes of the target.
    pub uri: usize,
}

/// How the body's end is known (RFC 9112 section 6.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// `Content-Length` bytes; 0 for no body.
    Length(u64),
    /// Chunks.
    Chunked,
}

/// A head that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Its body.
    pub framing: Framing,
    /// For an absolute-form target: the bytes before its path, which the app does not get to see.
    pub authority_form: Option<Range<usize>>,
}

/// Finds the end of a head in bytes that arrive piece by piece.
#[derive(Debug, Default)]
pub struct Finder {
    /// Bytes looked at so far.
    scanned: usize,
    /// Where the current line starts.
    line: usize,
    /// Whether a line that is not empty was seen.
    begun: bool,
    /// Empty lines skipped before the request line.
    skipped: usize,
}

/// Empty lines that are ignored before a request line (RFC 9112 section 2.2 asks for one).
const LEADING_EMPTY_LINES: usize = 4;

impl Finder {
    /// Looks at what is new in `buf`. `Ok(Some((start, end)))` when the head is complete: it lies
    /// at `start..end`, its empty line included.
    ///
    /// # Errors
    /// A line that ends in a bare LF, or a head over its limits: known before the end is there.
    pub fn find(&mut self, buf: &[u8], limits: &Limits) -> Result<Option<(usize, usize)>, Fault> {
        let fresh = buf.get(self.scanned..).unwrap_or_default();
        let base = self.scanned;
        for offset in memchr_iter(b'\n', fresh) {
            let at = base.saturating_add(offset);
            if at == 0 || buf.get(at.saturating_sub(1)) != Some(&b'\r') {
                return Err(Fault::LineEnd);
            }
            let empty = at.saturating_sub(1) == self.line;
            let next = at.saturating_add(1);
            if empty && self.begun {
                let start = self.skipped.saturating_mul(2);
                if next.saturating_sub(start) > limits.header {
                    return Err(Fault::HeaderTooLarge);
                }
                return Ok(Some((start, next)));
            }
            if empty {
                self.skipped = self.skipped.saturating_add(1);
                if self.skipped > LEADING_EMPTY_LINES {
                    return Err(Fault::RequestLine);
                }
            } else {
                self.begun = true;
            }
            self.line = next;
        }
        self.scanned = buf.len();
        // `method` and `version` around the target take no more than this.
        const AROUND_TARGET: usize = 64;
        let first_line = self.line == self.skipped.saturating_mul(2);
        if first_line && buf.len() > limits.uri.saturating_add(AROUND_TARGET) {
            return Err(Fault::UriTooLong);
        }
        if buf.len() > limits.header {
            return Err(Fault::HeaderTooLarge);
        }
        Ok(None)
    }
}

/// Checks a complete head, its empty line included.
///
/// # Errors
/// The first fault found.
pub fn check(head: &[u8], limits: &Limits) -> Result<Head, Fault> {
    let mut lines = Lines { rest: head };
    let first = lines.next().ok_or(Fault::RequestLine)?;
    let line = request_line(first, limits)?;
    let mut fields = Fields::default();
    let mut count = 0usize;
    for field in lines {
        if field.is_empty() {
            break;
        }
        count = count.saturating_add(1);
        if count > limits.fields {
            return Err(Fault::HeaderTooLarge);
        }
        let (name, value) = split_field(field)?;
        fields.note(name, value)?;
    }
    let framing = fields.framing(line.http11)?;
    fields.host(&line)?;
    Ok(Head {
        framing,
        authority_form: line.authority_form,
    })
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.rest)?;
        let (line, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.get(1..).unwrap_or_default();
        // `Finder` saw to it that every LF has its CR.
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }
}

struct RequestLine<'a> {
    http11: bool,
    authority: Option<&'a [u8]>,
    authority_form: Option<Range<usize>>,
}

fn request_line<'a>(line: &'a [u8], limits: &Limits) -> Result<RequestLine<'a>, Fault> {
    let space = memchr(b' ', line).ok_or(Fault::RequestLine)?;
    let (method, rest) = line.split_at_checked(space).ok_or(Fault::RequestLine)?;
    let rest = rest.get(1..).ok_or(Fault::RequestLine)?;
    if method.is_empty() || !method.iter().all(|b| is_token(*b)) {
        return Err(Fault::RequestLine);
    }
    let space = memchr(b' ', rest).ok_or(Fault::RequestLine)?;
    let (target, version) = rest.split_at_checked(space).ok_or(Fault::RequestLine)?;
    let http11 = match version {
        b" HTTP/1.1" => true,
        b" HTTP/1.0" => false,
        // A well-formed version that is not ours is told apart from rubbish (RFC 9110 15.6.6).
        [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            return Err(Fault::Version);
        }
        _ => return Err(Fault::RequestLine),
    };
    if target.len() > limits.uri {
        return Err(Fault::UriTooLong);
    }
    if !is_target(target) {
        return Err(Fault::Target);
    }
    if method == b"CONNECT" {
        return Err(Fault::Connect);
    }
    let plain = RequestLine {
        http11,
        authority: None,
        authority_form: None,
    };
    if target.first() == Some(&b'/') || (target == b"*" && method == b"OPTIONS") {
        return Ok(plain);
    }
    let authority = scheme_rest(target).ok_or(Fault::Target)?;
    let length = authority
        .iter()
        .position(|b| matches!(b, b'/' | b'?'))
        .unwrap_or(authority.len());
    let authority = authority.get(..length).unwrap_or_default();
    if !is_host(authority) {
        return Err(Fault::Target);
    }
    let start = space_after(method);
    let scheme = target
        .len()
        .saturating_sub(scheme_rest(target).unwrap_or_default().len());
    let end = start.saturating_add(scheme).saturating_add(length);
    Ok(RequestLine {
        authority: Some(authority),
        authority_form: Some(start..end),
        ..plain
    })
}

/// Whether these may be the bytes of a target. UTF-8 passes as it came, for clients send it. What
/// `http::Uri` does not take is refused here: pingora would refuse it in a way of its own, with
/// none of the site's fields and no line in the log.
fn is_target(target: &[u8]) -> bool {
    let query = memchr(b'?', target).unwrap_or(target.len());
    let sound = |(at, byte): (usize, &u8)| match byte {
        b'#' | b'<' | b'>' => false,
        b'`' => at > query,
        b'"' => at < query,
        byte => !byte.is_ascii_control(),
    };
    !target.is_empty()
        && target.iter().enumerate().all(sound)
        && std::str::from_utf8(target).is_ok()
}

fn space_after(method: &[u8]) -> usize {
    method.len().saturating_add(1)
}

/// What follows `http://` or `https://`.
fn scheme_rest(target: &[u8]) -> Option<&[u8]> {
    for scheme in [b"http://".as_slice(), b"https://".as_slice()] {
        if let Some((head, rest)) = target.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            return Some(rest);
        }
    }
    None
}

/// Splits `name: value`, trims the value and checks both (RFC 9112 section 5).
///
/// # Errors
/// A folded line, white space before the colon, or characters that must not be there.
pub fn split_field(line: &[u8]) -> Result<(&[u8], &[u8]), Fault> {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        return Err(Fault::Folded);
    }
    let colon = memchr(b':', line).ok_or(Fault::Field)?;
    let (name, value) = line.split_at_checked(colon).ok_or(Fault::Field)?;
    if name.is_empty() || !name.iter().all(|b| is_token(*b)) {
        return Err(Fault::Field);
    }
    let value = value.get(1..).unwrap_or_default();
    if value.contains(&b'\r') {
        return Err(Fault::LineEnd);
    }
    if value
        .iter()
        .any(|b| (*b < 0x20 && *b != b'\t') || *b == 0x7f)
    {
        return Err(Fault::Field);
    }
    Ok((name, value.trim_ascii()))
}

/// The fields that decide framing and host.
#[derive(Default)]
struct Fields<'a> {
    lengths: usize,
    length: Option<u64>,
    encodings: usize,
    chunked: bool,
    hosts: usize,
    host: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn note(&mut self, name: &[u8], value: &'a [u8]) -> Result<(), Fault> {
        match name.len() {
            4 if name.eq_ignore_ascii_case(b"host") => {
                self.hosts = self.hosts.saturating_add(1);
                self.host = Some(value);
            }
            14 if name.eq_ignore_ascii_case(b"content-length") => {
                self.lengths = self.lengths.saturating_add(1);
                self.length = Some(decimal(value).ok_or(Fault::Length)?);
            }
            17 if name.eq_ignore_ascii_case(b"transfer-encoding") => {
                self.encodings = self.encodings.saturating_add(1);
                self.chunked = value.eq_ignore_ascii_case(b"chunked");
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(&self, http11: bool) -> Result<Framing, Fault> {
        if self.encodings > 0 {
            if self.lengths > 0 {
                return Err(Fault::LengthAndEncoding);
            }
            if !http11 || self.encodings > 1 || !self.chunked {
                return Err(Fault::Encoding);
            }
            return Ok(Framing::Chunked);
        }
        if self.lengths > 1 {
            return Err(Fault::Length);
        }
        Ok(Framing::Length(self.length.unwrap_or(0)))
    }

    fn host(&self, line: &RequestLine<'_>) -> Result<(), Fault> {
        if self.hosts > 1 || (line.http11 && self.hosts == 0) {
            return Err(Fault::Host);
        }
        let Some(host) = self.host else { return Ok(()) };
        if !is_host(host) {
            return Err(Fault::Host);
        }
        match line.authority {
            Some(authority) if !same_host(authority, host) => Err(Fault::HostMismatch),
            _ => Ok(()),
        }
    }
}

/// Digits only, as RFC 9110 section 8.6 has it: no sign, no white space, no list.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

fn same_host(a: &[u8], b: &[u8]) -> bool {
    fn bare(host: &[u8]) -> &[u8] {
        host.strip_suffix(b":80")
            .or_else(|| host.strip_suffix(b":443"))
            .unwrap_or(host)
    }
    bare(a).eq_ignore_ascii_case(bare(b))
}

/// `host [":" port]` (RFC 3986 section 3.2.2), without user information.
fn is_host(authority: &[u8]) -> bool {
    let (host, port) = match authority {
        [b'[', ..] => {
            let Some(end) = memchr(b']', authority) else {
                return false;
            };
            let (inside, rest) = authority.split_at_checked(end).unwrap_or_default();
            let address = inside.get(1..).unwrap_or_default();
            let address = std::str::from_utf8(address).ok();
            if address.is_none_or(|text| text.parse::<std::net::Ipv6Addr>().is_err()) {
                return false;
            }
            (authority, rest.get(1..).unwrap_or_default())
        }
        _ => match memchr(b':', authority) {
            Some(colon) => authority.split_at_checked(colon).unwrap_or_default(),
            None => (authority, [].as_slice()),
        },
    };
    let name = host.first() != Some(&b'[');
    let sound = !name
        || host
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~'));
    let port_sound = match port {
        [] => true,
        [b':', digits @ ..] => digits.len() <= 5 && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    !host.is_empty() && sound && port_sound
}

/// tchar of RFC 9110 section 5.6.2.
fn is_token(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        header: 4096,
        fields: 8,
        uri: 256,
    };

    fn judge(text: &str) -> Result<Head, Fault> {
        let bytes = text.as_bytes();
        let (start, end) = Finder::default()
            .find(bytes, &LIMITS)?
            .expect("a whole head");
        check(&bytes[start..end], &LIMITS)
    }

    #[test]
    fn sound_heads_pass() {
        let ok = |text: &str| judge(text).unwrap().framing;
        assert_eq!(ok("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), Framing::Length(0));
        assert_eq!(ok("\r\nGET / HTTP/1.0\r\n\r\n"), Framing::Length(0));
        assert_eq!(
            ok("POST /x HTTP/1.1\r\nHost: a:8080\r\nContent-Length: 12\r\n\r\n"),
            Framing::Length(12)
        );
        assert_eq!(
            ok("POST / HTTP/1.1\r\nhost: [::1]:80\r\ntransfer-encoding: Chunked\r\n\r\n"),
            Framing::Chunked
        );
        assert_eq!(
            ok("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
            Framing::Length(0)
        );
        assert_eq!(
            ok("GET /\u{e9}\"?q=`{}| HTTP/1.1\r\nHost: a\r\nX: \u{e9}\t.\r\n\r\n"),
            Framing::Length(0)
        );
    }

    #[test]
    fn an_absolute_target_is_measured() {
        let text = "GET http://a.example:80/x?y HTTP/1.1\r\nHost: A.example\r\n\r\n";
        let range = judge(text).unwrap().authority_form.unwrap();
        assert_eq!(&text[range], "http://a.example:80");
    }

    #[test]
    fn each_fault_is_told() {
        for (text, fault) in [
            ("GET /\r\nHost: a\r\n\r\n", Fault::RequestLine),
            ("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::RequestLine),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", Fault::RequestLine),
            ("G(T / HTTP/1.1\r\nHost: a\r\n\r\n", Fault::RequestLine),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", Fault::Version),
            ("GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET x HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET /#x HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET /<x HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET /`x HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET /?\"x HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Target),
            (
                "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
                Fault::HostMismatch,
            ),
            ("CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", Fault::Connect),
            ("GET / HTTP/1.1\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost: a:b\r\n\r\n", Fault::Host),
            ("GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n", Fault::Field),
            ("GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", Fault::Field),
            ("GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", Fault::Field),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r2\r\n\r\n",
                Fault::LineEnd,
            ),
            (
                "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
                Fault::Folded,
            ),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", Fault::LineEnd),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::LengthAndEncoding,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
                Fault::Length,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n",
                Fault::Length,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
                Fault::Length,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                Fault::Length,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
                Fault::Length,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
                Fault::Encoding,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
                Fault::Encoding,
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::Encoding,
            ),
            (
                "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                Fault::Encoding,
            ),
        ] {
            assert_eq!(judge(text), Err(fault), "{text:?}");
        }
    }

    #[test]
    fn limits_hold_before_the_head_is_whole() {
        let find = |text: &str| Finder::default().find(text.as_bytes(), &LIMITS);
        assert_eq!(
            find(&format!("GET /{}", "a".repeat(400))),
            Err(Fault::UriTooLong)
        );
        let long = format!("GET / HTTP/1.1\r\nX: {}", "a".repeat(4096));
        assert_eq!(find(&long), Err(Fault::HeaderTooLarge));
        assert_eq!(find("GET / HTTP/1.1\r\nHost"), Ok(None));
        let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: 1\r\n".repeat(8));
        assert_eq!(judge(&many), Err(Fault::HeaderTooLarge));
        assert_eq!(
            judge(&format!(
                "GET /{} HTTP/1.1\r\nHost: a\r\n\r\n",
                "a".repeat(256)
            )),
            Err(Fault::UriTooLong)
        );
    }

    #[test]
    fn a_head_is_found_however_it_is_cut() {
        let text = b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nrest";
        for cut in 0..text.len() {
            let mut finder = Finder::default();
            let early = finder.find(&text[..cut], &LIMITS).unwrap();
            let found = early.or(finder.find(text, &LIMITS).unwrap());
            assert_eq!(found, Some((2, text.len() - 4)), "cut at {cut}");
        }
    }
}
