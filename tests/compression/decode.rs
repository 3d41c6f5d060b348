//! Decoders that are strict: one stream, whole, and nothing after it.

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::Operation;

type Brotli = BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>;

enum Kind {
    Identity,
    Gzip(Box<Decompress>),
    Brotli(Box<Brotli>),
    Zstd(Box<zstd::stream::raw::Decoder<'static>>),
}

/// Takes the encoded bytes as they come, and gives all that can be decoded so far.
pub struct Decoder {
    kind: Kind,
    ended: bool,
}

impl Decoder {
    pub fn new(coding: &str) -> Self {
        let kind = match coding {
            "identity" => Kind::Identity,
            "gzip" => Kind::Gzip(Box::new(Decompress::new_gzip(15))),
            "br" => Kind::Brotli(Box::new(BrotliState::new(
                StandardAlloc::default(),
                StandardAlloc::default(),
                StandardAlloc::default(),
            ))),
            "zstd" => {
                let mut decoder = zstd::stream::raw::Decoder::new().unwrap();
                // RFC 9659: a browser's window is 8 MiB, and a frame that needs more is refused.
                let window = zstd::zstd_safe::DParameter::WindowLogMax(23);
                decoder.set_parameter(window).unwrap();
                Kind::Zstd(Box::new(decoder))
            }
            other => panic!("what coding is {other:?}?"),
        };
        Decoder { kind, ended: false }
    }

    /// # Panics
    /// When the bytes are not of this coding, or come after the end.
    pub fn push(&mut self, mut bytes: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut space = vec![0; 65_536];
        let mut full = false;
        // Full space: there may be more to come without any further input.
        while !bytes.is_empty() || (full && !self.ended) {
            assert!(!self.ended, "{} bytes after the end", bytes.len());
            let (read, written) = self.step(bytes, &mut space);
            bytes = &bytes[read..];
            decoded.extend(&space[..written]);
            full = written == space.len();
        }
        decoded
    }

    /// Whether the end of the stream has come. Identity has none.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// How many bytes were read, and how many written.
    fn step(&mut self, bytes: &[u8], space: &mut [u8]) -> (usize, usize) {
        match &mut self.kind {
            Kind::Identity => {
                let n = bytes.len().min(space.len());
                space[..n].copy_from_slice(&bytes[..n]);
                (n, n)
            }
            Kind::Gzip(decoder) => {
                let before = (decoder.total_in(), decoder.total_out());
                let status = decoder.decompress(bytes, space, FlushDecompress::Sync);
                self.ended = status.expect("not gzip") == Status::StreamEnd;
                let after = (decoder.total_in(), decoder.total_out());
                ((after.0 - before.0) as usize, (after.1 - before.1) as usize)
            }
            Kind::Brotli(state) => {
                let (mut left, mut read, mut room, mut written) = (bytes.len(), 0, space.len(), 0);
                let result = BrotliDecompressStream(
                    &mut left,
                    &mut read,
                    bytes,
                    &mut room,
                    &mut written,
                    space,
                    &mut 0,
                    state,
                );
                match result {
                    BrotliResult::ResultSuccess => self.ended = true,
                    BrotliResult::ResultFailure => panic!("not brotli"),
                    BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
                }
                (read, written)
            }
            Kind::Zstd(decoder) => {
                let status = decoder.run_on_buffers(bytes, space).expect("not zstd");
                self.ended = status.remaining == 0;
                (status.bytes_read, status.bytes_written)
            }
        }
    }
}

/// Decodes a whole body.
///
/// # Panics
/// When it is not exactly one stream of this coding.
pub fn decode(coding: &str, bytes: &[u8]) -> Vec<u8> {
    let mut decoder = Decoder::new(coding);
    let decoded = decoder.push(bytes);
    let whole = coding == "identity" || decoder.ended();
    assert!(whole, "{coding}: {} bytes without an end", bytes.len());
    decoded
}

mod tests {
    use super::{Decoder, decode};
    use crate::CODINGS;
    use crate::bodies::{noise, prose};
    use std::io::Write;
    use std::panic::catch_unwind;

    fn encode(coding: &str, bytes: &[u8]) -> Vec<u8> {
        match coding {
            "gzip" => {
                let level = flate2::Compression::fast();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(bytes).unwrap();
                encoder.finish().unwrap()
            }
            "br" => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 4, 22);
                encoder.write_all(bytes).unwrap();
                encoder.into_inner()
            }
            _ => zstd::stream::encode_all(bytes, 3).unwrap(),
        }
    }

    #[test]
    fn decoders_take_what_is_right_in_any_pieces() {
        for coding in CODINGS {
            for length in [0, 1, 800, 65_535, 65_536, 65_537, 200_000] {
                for sent in [prose(length, 1), noise(length, 1), vec![0; length]] {
                    let encoded = encode(coding, &sent);
                    assert!(decode(coding, &encoded) == sent, "{coding} {length}");
                    for size in [1, 7, 4_096] {
                        let mut decoder = Decoder::new(coding);
                        let pieces = encoded.chunks(size).map(|piece| decoder.push(piece));
                        let decoded: Vec<u8> = pieces.flatten().collect();
                        assert!(decoded == sent, "{coding} {length} by {size}");
                        assert!(decoder.ended(), "{coding} {length} by {size}");
                    }
                }
            }
        }
    }

    #[test]
    fn decoders_refuse_what_is_cut_off_and_what_comes_after_the_end() {
        for coding in CODINGS {
            let encoded = encode(coding, &prose(2_000, 1));
            for cut in [0, 1, encoded.len() / 2, encoded.len() - 1] {
                let cut = encoded[..cut].to_vec();
                assert!(catch_unwind(|| decode(coding, &cut)).is_err(), "{coding}");
            }
            let longer = [encoded.as_slice(), b"x"].concat();
            assert!(
                catch_unwind(|| decode(coding, &longer)).is_err(),
                "{coding}"
            );
            let twice = [encoded.as_slice(), &encoded].concat();
            assert!(catch_unwind(|| decode(coding, &twice)).is_err(), "{coding}");
        }
    }
}
