//! What stands behind a picture in its file: its facts, and checksums of both.
//!
//! It has the form of a `free` box (ISO/IEC 14496-12 section 8.1.2): in an AVIF file that is where
//! and what it may be. Decoders of the other formats do not look at what stands behind their end.
//! So a file is a picture to whoever opens it, and still none is served that was cut off or
//! changed: a power cut may leave a name without its content, however the file was written.

use crate::media::{Format, VariantKey};
use crc32fast::Hasher;

/// Bytes.
pub const LENGTH: usize = 48;
const BOX: &[u8; 4] = b"free";
const MAGIC: &[u8; 8] = b"parvis 1";

/// What is known of a picture's file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Of the picture, without this; bytes.
    pub length: u64,
    /// When it was made, seconds since the Unix epoch.
    pub made: u64,
    /// CRC-32 of the picture.
    pub sum: u32,
}

impl Trailer {
    /// As bytes, all numbers big-endian: length (u32) and type of the box, a word of our own, width,
    /// height (u32), length, time (u64), the picture's checksum, the checksum of all this (u32).
    pub fn encode(&self, key: &VariantKey, format: Format) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(&(LENGTH as u32).to_be_bytes());
        bytes.extend_from_slice(BOX);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.width.to_be_bytes());
        bytes.extend_from_slice(&self.height.to_be_bytes());
        bytes.extend_from_slice(&self.length.to_be_bytes());
        bytes.extend_from_slice(&self.made.to_be_bytes());
        bytes.extend_from_slice(&self.sum.to_be_bytes());
        let sum = own_sum(key, format, &bytes);
        bytes.extend_from_slice(&sum.to_be_bytes());
        bytes
    }

    /// The trailer that these bytes, a file's last ones, are, in the file of that variant.
    pub fn decode(key: &VariantKey, format: Format, bytes: &[u8]) -> Option<Self> {
        let (words, sum) = bytes.split_last_chunk::<4>()?;
        if bytes.len() != LENGTH || own_sum(key, format, words) != u32::from_be_bytes(*sum) {
            return None;
        }
        let (_, rest) = words.split_first_chunk::<16>()?;
        let (width, rest) = rest.split_first_chunk()?;
        let (height, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let (made, rest) = rest.split_first_chunk()?;
        let (sum, _) = rest.split_first_chunk()?;
        Some(Trailer {
            width: u32::from_be_bytes(*width),
            height: u32::from_be_bytes(*height),
            length: u64::from_be_bytes(*length),
            made: u64::from_be_bytes(*made),
            sum: u32::from_be_bytes(*sum),
        })
    }
}

/// The name is under it too: a file that was renamed or copied is not taken for another one.
fn own_sum(key: &VariantKey, format: Format, words: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&key.0);
    hasher.update(format.name().as_bytes());
    hasher.update(words);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_comes_back_and_every_changed_bit_is_seen() {
        let key = VariantKey([7; 16]);
        let trailer = Trailer {
            width: 640,
            height: 480,
            length: 1 << 33,
            made: 1_800_000_000,
            sum: 0xdead_beef,
        };
        let bytes = trailer.encode(&key, Format::WebP);
        assert_eq!(bytes.len(), LENGTH);
        let decode = |bytes: &[u8]| Trailer::decode(&key, Format::WebP, bytes);
        assert_eq!(decode(&bytes), Some(trailer));
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&changed), None, "bit {bit}");
        }
        assert_eq!(decode(&bytes[1..]), None);
        assert_eq!(decode(b""), None);
        assert_eq!(Trailer::decode(&key, Format::Avif, &bytes), None);
        let other = VariantKey([8; 16]);
        assert_eq!(Trailer::decode(&other, Format::WebP, &bytes), None);
    }
}
