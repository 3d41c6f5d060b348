//! The path that routes are matched by: decoded once, without dot segments (RFC 3986 section 5.2.4).

use std::borrow::Cow;

/// A request's target cut in two: path and query (without its `?`).
pub fn split_target(target: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b'?', target) {
        Some(at) => {
            let (path, query) = target.split_at_checked(at).unwrap_or((target, &[]));
            (path, query.get(1..))
        }
        None => (target, None),
    }
}

/// Decodes a path and takes out `//`, `/./` and `/../`.
///
/// Most paths need none of that and are returned as they are. `None` for what no path may be:
/// a broken percent sequence, an encoded NUL, or a way out above the root.
///
/// `*`, which asks about the server as a whole (RFC 9110 section 9.3.7), is routed as `/`.
pub fn normalise(raw: &[u8]) -> Option<Cow<'_, [u8]>> {
    if raw == b"*" {
        return Some(Cow::Borrowed(b"/"));
    }
    let plain = !raw.contains(&b'%')
        && memchr::memmem::find(raw, b"/.").is_none()
        && memchr::memmem::find(raw, b"//").is_none();
    if plain {
        return Some(Cow::Borrowed(raw));
    }
    let decoded = decode(raw)?;
    let mut out: Vec<u8> = Vec::with_capacity(decoded.len());
    let mut segments = decoded.split(|b| *b == b'/').peekable();
    // A path starts with a slash: what stands before it is empty.
    segments.next();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" | b"." => {
                if last {
                    out.push(b'/');
                }
            }
            b".." => {
                let parent = memchr::memrchr(b'/', &out)?;
                out.truncate(parent);
                if last {
                    out.push(b'/');
                }
            }
            name => {
                out.push(b'/');
                out.extend_from_slice(name);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    Some(Cow::Owned(out))
}

fn decode(raw: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(&byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(*bytes.next()?).to_digit(16)?;
        let low = char::from(*bytes.next()?).to_digit(16)?;
        let byte = u8::try_from(high.checked_mul(16)?.checked_add(low)?).ok()?;
        if byte == 0 {
            return None;
        }
        out.push(byte);
    }
    Some(out)
}

/// Decodes percent signs where they can be decoded and leaves the rest as it is: for queries, which
/// are looked at but never passed on decoded.
pub fn decode_leniently(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high.wrapping_mul(16).wrapping_add(low)).unwrap_or(b'?'));
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                out.push(*first);
                rest = after;
            }
        }
    }
    Cow::Owned(out)
}

/// Encodes what must not stand in a `Location`, so that a decoded path can be sent back.
pub fn encode(path: &[u8]) -> String {
    let mut out = String::with_capacity(path.len());
    for byte in path {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(char::from(*byte)),
            b'-' | b'.' | b'_' | b'~' | b'/' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*'
            | b'+' | b',' | b';' | b'=' | b':' | b'@' => out.push(char::from(*byte)),
            _ => {
                use std::fmt::Write as _;
                // Writing to a string cannot fail.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn norm(raw: &str) -> Option<String> {
        normalise(raw.as_bytes()).map(|p| String::from_utf8_lossy(&p).into_owned())
    }

    #[test]
    fn paths_are_normalised() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/..", "/"),
            ("/a/.", "/a/"),
            ("//a///b//", "/a/b/"),
            ("/%61/%2e%2e/b", "/b"),
            ("/a%2Fb", "/a/b"),
            ("/a/..%2fb", "/b"),
            ("/caf%C3%A9", "/café"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a..b/...", "/a..b/..."),
            ("/static/%2e%2e/admin", "/admin"),
        ] {
            assert_eq!(norm(raw).as_deref(), Some(expected), "{raw}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for raw in [
            "/..",
            "/a/../../b",
            "/%",
            "/%4",
            "/%zz",
            "/a%00b",
            "/%2e%2e/",
        ] {
            assert_eq!(norm(raw), None, "{raw}");
        }
    }

    #[test]
    fn a_normalised_path_stays_as_it_is() {
        for raw in ["/a/./b/../c", "//x%20y", "/%C3%A9/.."] {
            let once = normalise(raw.as_bytes()).unwrap().into_owned();
            let encoded = encode(&once);
            assert_eq!(
                normalise(encoded.as_bytes()).unwrap().as_ref(),
                once,
                "{raw}"
            );
        }
    }
}
