//! Several parts of a file in one body: `multipart/byteranges` (RFC 9110 section 14.6).

use super::range::Inclusive;
use bytes::Bytes;
use http::HeaderValue;
use std::ops::Range;

/// A `multipart/byteranges` body, but for the parts themselves: before each part goes its head,
/// behind the last one the tail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Multipart {
    /// `Content-Type` of the answer; it names the boundary.
    pub content_type: HeaderValue,
    /// Bytes of the whole body: heads, parts and tail.
    pub length: u64,
    /// What goes before each part, as many as there are parts.
    pub heads: Vec<Bytes>,
    /// What closes the body.
    pub tail: Bytes,
}

/// Frames parts of a file of `length` bytes. `content_type` is the file's own.
///
/// The boundary stands unquoted in a field: 1 to 70 letters, digits, `-` or `_` (RFC 2046 section
/// 5.1.1), which must not occur in the file. A long random one does not.
pub fn multipart(
    parts: &[Range<u64>],
    length: u64,
    content_type: Option<&HeaderValue>,
    boundary: &str,
) -> Multipart {
    let heads: Vec<Bytes> = (parts.iter().enumerate())
        .map(|(place, part)| {
            let mut head = Vec::with_capacity(160);
            // The line break before a boundary belongs to the boundary, and the first needs none.
            if place > 0 {
                head.extend_from_slice(b"\r\n");
            }
            head.extend_from_slice(format!("--{boundary}\r\n").as_bytes());
            if let Some(content_type) = content_type {
                head.extend_from_slice(b"Content-Type: ");
                head.extend_from_slice(content_type.as_bytes());
                head.extend_from_slice(b"\r\n");
            }
            let range = format!("Content-Range: bytes {}/{length}\r\n\r\n", Inclusive(part));
            head.extend_from_slice(range.as_bytes());
            head.into()
        })
        .collect();
    let tail = Bytes::from(format!("\r\n--{boundary}--\r\n"));
    let framing = heads.iter().chain([&tail]).map(|bytes| bytes.len() as u64);
    let content = parts.iter().map(|part| part.end.saturating_sub(part.start));
    Multipart {
        content_type: HeaderValue::try_from(format!("multipart/byteranges; boundary={boundary}"))
            .unwrap_or(HeaderValue::from_static("multipart/byteranges")),
        length: framing.chain(content).fold(0, u64::saturating_add),
        heads,
        tail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::range::{Ranges, parse};
    use rand::{Rng, SeedableRng, rngs::StdRng};

    /// The body as a client gets it.
    fn body(multipart: &Multipart, parts: &[Range<u64>], file: &[u8]) -> Vec<u8> {
        let mut body = Vec::new();
        assert_eq!(multipart.heads.len(), parts.len());
        for (head, part) in multipart.heads.iter().zip(parts) {
            body.extend_from_slice(head);
            body.extend_from_slice(&file[part.start as usize..part.end as usize]);
        }
        body.extend_from_slice(&multipart.tail);
        body
    }

    #[test]
    fn a_body_is_framed() {
        let file = b"abcdefghijklmnopqrstuvwxyz";
        let parts = [0..3, 24..26];
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        let got = multipart(&parts, 26, Some(&html), "B1");
        assert_eq!(got.content_type, "multipart/byteranges; boundary=B1");
        let expected = "--B1\r\n\
            Content-Type: text/html; charset=utf-8\r\n\
            Content-Range: bytes 0-2/26\r\n\r\n\
            abc\r\n\
            --B1\r\n\
            Content-Type: text/html; charset=utf-8\r\n\
            Content-Range: bytes 24-25/26\r\n\r\n\
            yz\r\n\
            --B1--\r\n";
        let body = body(&got, &parts, file);
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        assert_eq!(got.length, expected.len() as u64);
    }

    #[test]
    fn a_file_without_a_type_has_parts_without_one() {
        let parts = [0..1, 5..6];
        let got = multipart(&parts, 10, None, "B1");
        assert_eq!(
            got.heads,
            [
                "--B1\r\nContent-Range: bytes 0-0/10\r\n\r\n",
                "\r\n--B1\r\nContent-Range: bytes 5-5/10\r\n\r\n",
            ]
        );
        assert_eq!(got.tail, "\r\n--B1--\r\n");
    }

    #[test]
    fn lengths_add_up() {
        let mut random = StdRng::seed_from_u64(15);
        let file: Vec<u8> = (0..10_000).map(|_| random.r#gen()).collect();
        let css = HeaderValue::from_static("text/css");
        let mut compared = 0;
        for _ in 0..2_000 {
            let mut header = String::from("bytes=-1");
            for _ in 0..random.gen_range(0..16) {
                let first: u64 = random.gen_range(0..10_000);
                let last = first + random.gen_range(0..300);
                header.push_str(&format!(",{first}-{last}"));
            }
            let Ranges::Parts(parts) = parse(header.as_bytes(), 10_000) else {
                continue;
            };
            let content_type = random.gen_bool(0.5).then_some(&css);
            let got = multipart(&parts, 10_000, content_type, "0123456789abcdef");
            assert_eq!(got.length, body(&got, &parts, &file).len() as u64);
            compared += 1;
        }
        assert!(compared > 1_000, "{compared}");
    }

    #[test]
    fn the_largest_lengths_do_not_overflow() {
        let parts = [0..u64::MAX - 2, u64::MAX - 1..u64::MAX];
        assert_eq!(multipart(&parts, u64::MAX, None, "B1").length, u64::MAX);
    }
}
