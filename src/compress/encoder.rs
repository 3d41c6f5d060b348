//! Encoders: streaming ones, reused where the library can, and whole bodies at once.

use crate::content::{Coding, Effort};
use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use flate2::{Compress, Compression, FlushCompress, Status};
use std::cell::RefCell;
use std::io::{self, Write};
use zstd::stream::raw::{CParameter, Encoder as ZstdEncoder, InBuffer, Operation, OutBuffer};

/// A body on its way through a coding.
pub struct Encoder {
    kind: Kind,
}

enum Kind {
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static>, Effort),
    Gzip(Compress, Effort),
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder")
            .field("coding", &self.coding())
            .finish()
    }
}

/// Levels were chosen by bytes and CPU on pages of 50 KiB (`cargo bench --bench compression`), not
/// by their numbers: zlib-ng's are not zlib's, and its 8 is often smaller than its 9.
fn brotli_quality(effort: Effort) -> i32 {
    match effort {
        // 1 forgets what it sent before each flush.
        Effort::Stream | Effort::Large => 2,
        Effort::Fast => 4,
        Effort::Best => 11,
    }
}

fn zstd_level(effort: Effort) -> i32 {
    match effort {
        Effort::Stream => 1,
        Effort::Large | Effort::Fast => 3,
        Effort::Best => 19,
    }
}

fn gzip_level(effort: Effort) -> u32 {
    match effort {
        Effort::Stream | Effort::Large => 3,
        Effort::Fast => 6,
        Effort::Best => 9,
    }
}

/// Windows of bodies in pieces, as powers of two: they decide what a response holds of memory.
fn brotli_window(effort: Effort) -> i32 {
    if effort == Effort::Stream { 14 } else { 18 }
}

fn zstd_window(effort: Effort) -> u32 {
    if effort == Effort::Stream { 14 } else { 19 }
}

/// zlib's largest is 32 KiB.
fn gzip_window(effort: Effort) -> u8 {
    if effort == Effort::Stream { 12 } else { 15 }
}

/// The largest window that browsers take (RFC 9659).
const ZSTD_WINDOW_LIMIT: u32 = 23;

/// Encoders of a kind that a thread keeps for the next body.
const POOLED: usize = 4;

/// Encoders that a thread keeps, with what they were made for.
type Pool<E> = RefCell<Vec<(E, Effort)>>;

thread_local! {
    static GZIP: Pool<Compress> = const { RefCell::new(Vec::new()) };
    static ZSTD: Pool<ZstdEncoder<'static>> = const { RefCell::new(Vec::new()) };
}

fn from_pool<E>(pool: &Pool<E>, effort: Effort) -> Option<E> {
    let mut pool = pool.borrow_mut();
    let at = pool.iter().position(|(_, of)| *of == effort)?;
    Some(pool.swap_remove(at).0)
}

fn to_pool<E>(pool: &Pool<E>, encoder: E, effort: Effort) {
    let mut pool = pool.borrow_mut();
    if pool.len() < POOLED {
        pool.push((encoder, effort));
    }
}

impl Encoder {
    /// An encoder for a body of about `hint` bytes, if that is known.
    ///
    /// # Errors
    /// zstd could not be set up: no memory.
    pub fn new(coding: Coding, effort: Effort, hint: Option<u64>) -> io::Result<Self> {
        let kind = match coding {
            Coding::Brotli => {
                let hint = hint.and_then(|n| usize::try_from(n).ok()).unwrap_or(0);
                let params = brotli_params(effort, brotli_window(effort), hint);
                // The buffer is for reading back what the encoder holds, in pieces of this size.
                let writer = CompressorWriter::with_params(Vec::new(), 4096, &params);
                Kind::Brotli(Box::new(writer))
            }
            Coding::Zstd => {
                let encoder = match ZSTD.with(|pool| from_pool(pool, effort)) {
                    Some(mut encoder) => {
                        encoder.reinit()?;
                        encoder
                    }
                    None => zstd_encoder(effort)?,
                };
                Kind::Zstd(encoder, effort)
            }
            Coding::Gzip => Kind::Gzip(gzip_encoder(effort), effort),
        };
        Ok(Encoder { kind })
    }

    /// The coding.
    pub fn coding(&self) -> Coding {
        match self.kind {
            Kind::Brotli(_) => Coding::Brotli,
            Kind::Zstd(..) => Coding::Zstd,
            Kind::Gzip(..) => Coding::Gzip,
        }
    }

    /// Takes a piece of the body; what is ready of the encoded body is appended to `out`.
    ///
    /// # Errors
    /// The library failed: no memory.
    pub fn put(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.kind {
            Kind::Brotli(writer) => {
                writer.write_all(bytes)?;
                out.append(writer.get_mut());
                Ok(())
            }
            Kind::Zstd(encoder, _) => {
                let mut input = InBuffer::around(bytes);
                while input.pos() < bytes.len() {
                    let at = room(out, bytes.len());
                    encoder.run(&mut input, &mut OutBuffer::around_pos(out, at))?;
                }
                Ok(())
            }
            Kind::Gzip(encoder, _) => deflate(encoder, bytes, out, FlushCompress::None),
        }
    }

    /// Appends what lets the client decode all of the body so far.
    ///
    /// # Errors
    /// The library failed: no memory.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        match &mut self.kind {
            Kind::Brotli(writer) => {
                writer.flush()?;
                out.append(writer.get_mut());
                Ok(())
            }
            Kind::Zstd(encoder, _) => loop {
                let at = room(out, 0);
                if encoder.flush(&mut OutBuffer::around_pos(out, at))? == 0 {
                    return Ok(());
                }
            },
            Kind::Gzip(encoder, _) => deflate(encoder, &[], out, FlushCompress::Sync),
        }
    }

    /// Appends the end of the encoded body.
    ///
    /// # Errors
    /// The library failed: no memory.
    pub fn finish(self, out: &mut Vec<u8>) -> io::Result<()> {
        match self.kind {
            Kind::Brotli(writer) => {
                // `into_inner` ends the stream.
                out.append(&mut writer.into_inner());
            }
            Kind::Zstd(mut encoder, effort) => {
                loop {
                    let at = room(out, 0);
                    if encoder.finish(&mut OutBuffer::around_pos(out, at), true)? == 0 {
                        break;
                    }
                }
                ZSTD.with(|pool| to_pool(pool, encoder, effort));
            }
            Kind::Gzip(mut encoder, effort) => {
                deflate(&mut encoder, &[], out, FlushCompress::Finish)?;
                GZIP.with(|pool| to_pool(pool, encoder, effort));
            }
        }
        Ok(())
    }
}

/// `window`: as a power of two; `hint`: the body's bytes, 0 when they are not known.
fn brotli_params(effort: Effort, window: i32, hint: usize) -> BrotliEncoderParams {
    BrotliEncoderParams {
        quality: brotli_quality(effort),
        lgwin: window,
        size_hint: hint,
        ..Default::default()
    }
}

fn zstd_encoder(effort: Effort) -> io::Result<ZstdEncoder<'static>> {
    let mut encoder = ZstdEncoder::new(zstd_level(effort))?;
    encoder.set_parameter(CParameter::WindowLog(zstd_window(effort)))?;
    if effort == Effort::Stream {
        // Tables for a window of this size; those of the level are for larger ones.
        encoder.set_parameter(CParameter::HashLog(12))?;
        encoder.set_parameter(CParameter::ChainLog(12))?;
    }
    Ok(encoder)
}

fn gzip_encoder(effort: Effort) -> Compress {
    match GZIP.with(|pool| from_pool(pool, effort)) {
        Some(mut encoder) => {
            encoder.reset();
            encoder
        }
        None => {
            let level = Compression::new(gzip_level(effort));
            Compress::new_gzip(level, gzip_window(effort))
        }
    }
}

/// Makes room at the end of `out` for what comes of so many bytes; where that is.
fn room(out: &mut Vec<u8>, input: usize) -> usize {
    out.reserve((input / 4).clamp(512, 64 * 1024));
    out.len()
}

fn deflate(
    encoder: &mut Compress,
    mut input: &[u8],
    out: &mut Vec<u8>,
    flush: FlushCompress,
) -> io::Result<()> {
    let finish = matches!(flush, FlushCompress::Finish);
    loop {
        room(out, input.len());
        let before = encoder.total_in();
        let status = encoder
            .compress_vec(input, out, flush)
            .map_err(io::Error::other)?;
        let taken = encoder.total_in().saturating_sub(before);
        let taken = usize::try_from(taken).unwrap_or(usize::MAX);
        input = input.get(taken..).unwrap_or_default();
        let spare = out.capacity() > out.len();
        let done = match finish {
            true => matches!(status, Status::StreamEnd),
            // Room that was left says that there was nothing more to write.
            false => input.is_empty() && spare,
        };
        if done {
            return Ok(());
        }
    }
}

/// Encodes a whole body. The best effort is never larger than the fast one: which level makes less
/// of a body depends on the body.
///
/// # Errors
/// The library failed: no memory.
pub fn whole(coding: Coding, effort: Effort, body: &[u8]) -> io::Result<Vec<u8>> {
    let mut out = at_level(coding, effort, body)?;
    if effort == Effort::Best {
        let fast = at_level(coding, Effort::Fast, body)?;
        if fast.len() < out.len() {
            out = fast;
        }
        if coding == Coding::Gzip {
            let other = Compress::new_gzip(Compression::new(8), gzip_window(effort));
            let other = gzip_of(other, body)?.0;
            if other.len() < out.len() {
                out = other;
            }
        }
    }
    Ok(out)
}

fn at_level(coding: Coding, effort: Effort, body: &[u8]) -> io::Result<Vec<u8>> {
    match coding {
        Coding::Brotli => {
            let params = brotli_params(effort, window_for(body.len()), body.len());
            let out = Vec::with_capacity(body.len() / 4);
            let mut writer = CompressorWriter::with_params(out, 16 * 1024, &params);
            writer.write_all(body)?;
            Ok(writer.into_inner())
        }
        Coding::Zstd => {
            let mut encoder = zstd::bulk::Compressor::new(zstd_level(effort))?;
            if body.len() >= 1usize << ZSTD_WINDOW_LIMIT {
                encoder.set_parameter(CParameter::WindowLog(ZSTD_WINDOW_LIMIT))?;
            }
            encoder.compress(body)
        }
        Coding::Gzip => {
            let (out, encoder) = gzip_of(gzip_encoder(effort), body)?;
            if effort != Effort::Best {
                GZIP.with(|pool| to_pool(pool, encoder, effort));
            }
            Ok(out)
        }
    }
}

fn gzip_of(mut encoder: Compress, body: &[u8]) -> io::Result<(Vec<u8>, Compress)> {
    let mut out = Vec::with_capacity(body.len() / 3);
    deflate(&mut encoder, body, &mut out, FlushCompress::Finish)?;
    Ok((out, encoder))
}

/// The smallest window that spans so many bytes, as a power of two.
fn window_for(length: usize) -> i32 {
    let bits = usize::BITS.saturating_sub(length.saturating_add(16).leading_zeros());
    i32::try_from(bits).unwrap_or(22).clamp(16, 24)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::{Rng, RngCore, SeedableRng};
    use std::io::Read;

    pub fn decode(coding: Coding, encoded: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        match coding {
            Coding::Brotli => brotli::Decompressor::new(encoded, 4096)
                .read_to_end(&mut out)
                .unwrap(),
            Coding::Zstd => {
                out = zstd::stream::decode_all(encoded).unwrap();
                0
            }
            Coding::Gzip => flate2::read::GzDecoder::new(encoded)
                .read_to_end(&mut out)
                .unwrap(),
        };
        out
    }

    fn body(rng: &mut impl RngCore, length: usize) -> Vec<u8> {
        let words = ["<p>", "parvis", " the ", "edge", "\n", "0123", "</p>", "é"];
        let mut body = Vec::with_capacity(length + 8);
        while body.len() < length {
            match rng.gen_range(0..9) {
                8 => body.push(rng.r#gen()),
                word => body.extend_from_slice(words[word].as_bytes()),
            }
        }
        body.truncate(length);
        body
    }

    #[test]
    fn whatever_goes_in_comes_out_again_in_whatever_pieces() {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        for round in 0..60 {
            let length = match round {
                0 => 0,
                1 => 1,
                2 => 65_536,
                3 => 1_000_000,
                _ => rng.gen_range(0..200_000),
            };
            let body = body(&mut rng, length);
            for coding in Coding::ALL {
                for effort in [Effort::Stream, Effort::Large, Effort::Fast] {
                    let mut encoder = Encoder::new(coding, effort, None).unwrap();
                    let mut out = Vec::new();
                    let mut rest = body.as_slice();
                    let mut so_far = 0;
                    while !rest.is_empty() {
                        let (piece, after) = rest.split_at(rng.gen_range(1..=rest.len()));
                        encoder.put(piece, &mut out).unwrap();
                        so_far += piece.len();
                        if rng.gen_bool(0.3) {
                            encoder.flush(&mut out).unwrap();
                            assert_eq!(decoded_so_far(coding, &out), body[..so_far], "{coding:?}");
                        }
                        rest = after;
                    }
                    encoder.finish(&mut out).unwrap();
                    assert_eq!(decode(coding, &out), body, "{coding:?} {effort:?} {length}");
                }
                if length < 50_000 {
                    let out = whole(coding, Effort::Best, &body).unwrap();
                    assert_eq!(decode(coding, &out), body, "{coding:?} at its best");
                }
            }
        }
    }

    /// What a client has decoded of a stream that goes on.
    fn decoded_so_far(coding: Coding, encoded: &[u8]) -> Vec<u8> {
        let mut reader: Box<dyn Read> = match coding {
            Coding::Brotli => Box::new(brotli::Decompressor::new(encoded, 4096)),
            Coding::Zstd => Box::new(zstd::stream::Decoder::new(encoded).unwrap()),
            Coding::Gzip => Box::new(flate2::read::GzDecoder::new(encoded)),
        };
        let mut all = Vec::new();
        let mut piece = [0; 4096];
        // The stream is cut off: its end is an error, and all before it must be there.
        while let Ok(n) = reader.read(&mut piece) {
            if n == 0 {
                break;
            }
            all.extend_from_slice(&piece[..n]);
        }
        all
    }

    #[test]
    fn an_encoder_that_was_used_begins_anew() {
        for coding in Coding::ALL {
            let mut first = Encoder::new(coding, Effort::Fast, None).unwrap();
            let mut out = Vec::new();
            first.put(b"of another client", &mut out).unwrap();
            first.finish(&mut out).unwrap();
            let mut out = Vec::new();
            let mut second = Encoder::new(coding, Effort::Fast, None).unwrap();
            second.put(b"of this one", &mut out).unwrap();
            second.finish(&mut out).unwrap();
            assert_eq!(decode(coding, &out), b"of this one");
        }
    }
}
