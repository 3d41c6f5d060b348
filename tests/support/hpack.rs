//! Header lists of HTTP/2 as bytes (RFC 7541): written in the plainest form, read in every form.

use std::collections::{HashMap, VecDeque};

/// A field's name and value.
pub type Field = (String, String);

/// Literals without indexing, not compressed: what is written is what a test meant.
pub fn encode<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut out, text.len());
            out.extend_from_slice(text);
        }
    }
    out
}

/// With a prefix of seven bits, the first bit of the byte zero.
fn integer(out: &mut Vec<u8>, number: usize) {
    if number < 127 {
        out.push(number as u8);
        return;
    }
    out.push(127);
    let mut rest = number - 127;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    out.push(rest as u8);
}

/// The other side's header lists, in their order.
pub struct Decoder {
    dynamic: VecDeque<Field>,
    /// By length and code.
    huffman: HashMap<(u8, u32), u8>,
}

impl Default for Decoder {
    fn default() -> Self {
        // The code is canonical: the lengths give it.
        let mut order: Vec<usize> = (0..256).collect();
        order.sort_by_key(|symbol| (LENGTHS[*symbol], *symbol));
        let (mut code, mut length) = (0u32, LENGTHS[order[0]]);
        let mut huffman = HashMap::new();
        for symbol in order {
            code <<= LENGTHS[symbol] - length;
            length = LENGTHS[symbol];
            huffman.insert((length, code), symbol as u8);
            code += 1;
        }
        Decoder {
            dynamic: VecDeque::new(),
            huffman,
        }
    }
}

impl Decoder {
    /// # Panics
    /// When it is no header list.
    pub fn decode(&mut self, mut bytes: &[u8]) -> Vec<Field> {
        let mut fields = Vec::new();
        while let Some(first) = bytes.first().copied() {
            if first & 0x80 != 0 {
                let index = read_integer(&mut bytes, 7);
                fields.push(self.entry(index));
            } else if first & 0xe0 == 0x20 {
                // A new size of the table: this one never drops what it could still be asked for.
                read_integer(&mut bytes, 5);
            } else {
                let kept = first & 0xc0 == 0x40;
                let name = match read_integer(&mut bytes, if kept { 6 } else { 4 }) {
                    0 => self.text(&mut bytes),
                    index => self.entry(index).0,
                };
                let field = (name, self.text(&mut bytes));
                if kept {
                    self.dynamic.push_front(field.clone());
                }
                fields.push(field);
            }
        }
        fields
    }

    fn entry(&self, index: usize) -> Field {
        if let Some((name, value)) = STATIC.get(index - 1) {
            return (name.to_string(), value.to_string());
        }
        self.dynamic[index - 1 - STATIC.len()].clone()
    }

    fn text(&self, bytes: &mut &[u8]) -> String {
        let packed = bytes[0] & 0x80 != 0;
        let length = read_integer(bytes, 7);
        let (text, rest) = bytes.split_at(length);
        *bytes = rest;
        let text = if packed {
            self.unpack(text)
        } else {
            text.to_vec()
        };
        String::from_utf8_lossy(&text).into_owned()
    }

    fn unpack(&self, bytes: &[u8]) -> Vec<u8> {
        let (mut out, mut code, mut length) = (Vec::new(), 0u32, 0u8);
        for bit in bytes
            .iter()
            .flat_map(|byte| (0..8).rev().map(move |n| byte >> n & 1))
        {
            code = code << 1 | u32::from(bit);
            length += 1;
            if let Some(symbol) = self.huffman.get(&(length, code)) {
                out.push(*symbol);
                (code, length) = (0, 0);
            }
        }
        // The rest is padding of ones.
        assert!(
            length < 8 && code + 1 == 1 << length,
            "not padded with ones"
        );
        out
    }
}

fn read_integer(bytes: &mut &[u8], prefix: u8) -> usize {
    let mask = (1usize << prefix) - 1;
    let mut number = usize::from(bytes[0]) & mask;
    *bytes = &bytes[1..];
    if number < mask {
        return number;
    }
    let mut shift = 0;
    loop {
        let byte = bytes[0];
        *bytes = &bytes[1..];
        number += usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return number;
        }
    }
}

/// RFC 7541 appendix A.
#[rustfmt::skip]
const STATIC: [(&str, &str); 61] = [
    (":authority", ""), (":method", "GET"), (":method", "POST"), (":path", "/"),
    (":path", "/index.html"), (":scheme", "http"), (":scheme", "https"), (":status", "200"),
    (":status", "204"), (":status", "206"), (":status", "304"), (":status", "400"),
    (":status", "404"), (":status", "500"), ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"), ("accept-language", ""), ("accept-ranges", ""),
    ("accept", ""), ("access-control-allow-origin", ""), ("age", ""), ("allow", ""),
    ("authorization", ""), ("cache-control", ""), ("content-disposition", ""),
    ("content-encoding", ""), ("content-language", ""), ("content-length", ""),
    ("content-location", ""), ("content-range", ""), ("content-type", ""), ("cookie", ""),
    ("date", ""), ("etag", ""), ("expect", ""), ("expires", ""), ("from", ""), ("host", ""),
    ("if-match", ""), ("if-modified-since", ""), ("if-none-match", ""), ("if-range", ""),
    ("if-unmodified-since", ""), ("last-modified", ""), ("link", ""), ("location", ""),
    ("max-forwards", ""), ("proxy-authenticate", ""), ("proxy-authorization", ""), ("range", ""),
    ("referer", ""), ("refresh", ""), ("retry-after", ""), ("server", ""), ("set-cookie", ""),
    ("strict-transport-security", ""), ("transfer-encoding", ""), ("user-agent", ""),
    ("vary", ""), ("via", ""), ("www-authenticate", ""),
];

/// Lengths of the codes, RFC 7541 appendix B.
#[rustfmt::skip]
const LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5,
    5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6,
    6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22,
    23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22,
    21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20,
    22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19,
    21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22,
    22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
];
