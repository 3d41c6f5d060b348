//! Fields and trailers, from HTTP/2 to HTTP/1 and back.

use bytes::BytesMut;
use http::HeaderMap;
use http::header::{HeaderName, HeaderValue};
use std::io;

/// Writes a field's line.
pub fn field(out: &mut BytesMut, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// The lines of a head, without their ends.
pub fn lines(head: &[u8]) -> impl Iterator<Item = &[u8]> {
    head.split(|byte| *byte == b'\n')
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
}

/// A field's name, and its value without white space around it. `None`: the line is no field.
pub fn split(line: &[u8]) -> Option<(HeaderName, &[u8])> {
    let colon = memchr::memchr(b':', line)?;
    let (name, value) = line.split_at_checked(colon)?;
    let name = HeaderName::from_bytes(name).ok()?;
    Some((name, value.get(1..).unwrap_or_default().trim_ascii()))
}

/// Trailers as lines of HTTP/1. What may not stand in them is taken out where they are read.
pub fn spell_trailers(trailers: &HeaderMap) -> Vec<u8> {
    let mut out = BytesMut::new();
    for (name, value) in trailers {
        field(&mut out, name.as_str(), value.as_bytes());
    }
    out.to_vec()
}

/// Reads trailers that were written for HTTP/1.
///
/// # Errors
/// They are none.
pub fn read_trailers(section: &[u8]) -> io::Result<HeaderMap> {
    let broken = || io::Error::new(io::ErrorKind::InvalidData, "no trailers");
    let mut trailers = HeaderMap::new();
    for line in lines(section).filter(|line| !line.is_empty()) {
        let (name, value) = split(line).ok_or_else(broken)?;
        let value = HeaderValue::from_bytes(value).map_err(|_| broken())?;
        trailers.try_append(name, value).map_err(|_| broken())?;
    }
    Ok(trailers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_go_both_ways() {
        let trailers = read_trailers(b"grpc-status: 0\r\nx: y z\r\n\r\n").unwrap();
        assert_eq!(spell_trailers(&trailers), b"grpc-status: 0\r\nx: y z\r\n");
        assert!(read_trailers(b"no field\r\n").is_err());
        assert!(read_trailers(b": nameless\r\n").is_err());
    }

    #[test]
    fn a_field_is_split_at_its_colon() {
        assert_eq!(split(b"A:b").unwrap(), ("a".parse().unwrap(), &b"b"[..]));
        assert_eq!(split(b"a:  b: c ").unwrap().1, b"b: c");
        assert_eq!(split(b"a:").unwrap().1, b"");
        assert!(split(b"a b: c").is_none());
        assert!(split(b"a").is_none());
    }
}
