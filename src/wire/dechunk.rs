//! Taking chunked framing off a body that we, or pingora, wrote (RFC 9112 section 7.1).
//!
//! An answer on its way to an HTTP/2 stream comes as HTTP/1 bytes, and only its data may go into
//! DATA frames, as much of it as the client's window allows. So the pieces are told one by one, and
//! the caller says how much of each it used.

use super::chunked::Scanner;
use super::fault::Fault;

/// What stands at the front of the bytes that were given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// So many bytes are framing. They were followed: the caller drops them.
    Framing(usize),
    /// So many bytes are data. [`Dechunk::took`] says how many of them were used; until then the
    /// same data is told again.
    Data(usize),
    /// The body ended after the first `used` bytes, which are framing; what follows is not its.
    End {
        /// Bytes that still belong to the body.
        used: usize,
    },
    /// There are no bytes, and the body has not ended.
    More,
}

/// Where in a chunked body the bytes stand.
#[derive(Debug, Default)]
pub struct Dechunk {
    scanner: Scanner,
}

impl Dechunk {
    /// What stands at the front of `bytes`, which begin where the last piece ended.
    ///
    /// # Errors
    /// [`Fault::Chunk`] for broken framing, [`Fault::HeaderTooLarge`] and [`Fault::LineEnd`] for
    /// broken trailers; the bounds are those of [`Scanner`].
    pub fn next(&mut self, bytes: &[u8]) -> Result<Piece, Fault> {
        if self.scanner.ended() {
            return Ok(Piece::End { used: 0 });
        }
        if bytes.is_empty() {
            return Ok(Piece::More);
        }
        let data = self.scanner.data(bytes.len());
        if data > 0 {
            return Ok(Piece::Data(data));
        }
        let used = self.scanner.framing(bytes)?;
        if self.scanner.ended() {
            return Ok(Piece::End { used });
        }
        Ok(Piece::Framing(used))
    }

    /// Notes that `count` bytes of the data last told were used.
    pub fn took(&mut self, count: usize) {
        self.scanner.passed(count);
    }

    /// The trailers that may be passed on, as [`Scanner::trailers`] gives them; of use once the
    /// body ended.
    ///
    /// # Errors
    /// A line that is no field.
    pub fn trailers(&self) -> Result<Vec<u8>, Fault> {
        self.scanner.trailers()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    /// A body of random chunks, and what it carries.
    fn chunked(random: &mut StdRng) -> (Vec<u8>, Vec<u8>) {
        let (mut wire, mut data) = (Vec::new(), Vec::new());
        for _ in 0..random.gen_range(0..6) {
            let chunk: Vec<u8> = (0..random.gen_range(1..40))
                .map(|_| *b"\r\n0;a".get(random.gen_range(0..5usize)).unwrap())
                .collect();
            let extension = if random.gen_bool(0.2) { ";a=b" } else { "" };
            wire.extend_from_slice(format!("{:x}{extension}\r\n", chunk.len()).as_bytes());
            wire.extend_from_slice(&chunk);
            wire.extend_from_slice(b"\r\n");
            data.extend_from_slice(&chunk);
        }
        wire.extend_from_slice(b"0\r\n");
        (wire, data)
    }

    /// Feeds `wire` in pieces of random length, takes random parts of the data, and gives the data
    /// and how many bytes belonged to the body.
    fn taken(wire: &[u8], random: &mut StdRng) -> (Vec<u8>, usize, Dechunk) {
        let (mut dechunk, mut data) = (Dechunk::default(), Vec::new());
        let (mut at, mut seen) = (0, 0);
        loop {
            match dechunk.next(&wire[at..seen]).unwrap() {
                Piece::More => {
                    assert_eq!(at, seen);
                    assert!(seen < wire.len(), "it does not end");
                    seen = (seen + random.gen_range(1..30)).min(wire.len());
                }
                Piece::Framing(used) => {
                    assert!(used > 0);
                    at += used;
                }
                Piece::Data(there) => {
                    assert!(there > 0);
                    assert_eq!(dechunk.next(&wire[at..seen]), Ok(Piece::Data(there)));
                    let used = random.gen_range(0..=there);
                    data.extend_from_slice(&wire[at..at + used]);
                    dechunk.took(used);
                    at += used;
                }
                Piece::End { used } => return (data, at + used, dechunk),
            }
            assert!(at <= seen);
        }
    }

    #[test]
    fn any_split_gives_the_same_data_trailers_and_end() {
        let mut random = StdRng::seed_from_u64(7);
        for round in 0..3_000 {
            let (mut wire, data) = chunked(&mut random);
            let trailers: &[u8] = if round % 3 == 0 { b"X-Sum: 7\r\n" } else { b"" };
            wire.extend_from_slice(trailers);
            wire.extend_from_slice(b"\r\n");
            let end = wire.len();
            wire.extend_from_slice(b"HTTP/1.1 200 OK\r\n");
            let (got, used, mut dechunk) = taken(&wire, &mut random);
            assert_eq!(got, data);
            assert_eq!(used, end);
            assert_eq!(dechunk.trailers(), Ok(trailers.to_vec()));
            assert_eq!(dechunk.next(&wire[end..]), Ok(Piece::End { used: 0 }));
            // The scanner, which only follows, ends at the same byte.
            assert_eq!(Scanner::default().scan(&wire), Ok(Some(end)));
        }
    }

    #[test]
    fn data_is_told_until_it_was_taken() {
        let mut dechunk = Dechunk::default();
        assert_eq!(dechunk.next(b""), Ok(Piece::More));
        assert_eq!(dechunk.next(b"5\r\nab"), Ok(Piece::Framing(3)));
        assert_eq!(dechunk.next(b"ab"), Ok(Piece::Data(2)));
        dechunk.took(1);
        assert_eq!(dechunk.next(b"bcde\r\n0\r\n\r\n"), Ok(Piece::Data(4)));
        // More than there is cannot be taken.
        dechunk.took(400);
        assert_eq!(dechunk.next(b"\r\n"), Ok(Piece::Framing(2)));
        assert_eq!(dechunk.next(b"0\r\n\r\n.."), Ok(Piece::End { used: 5 }));
        assert_eq!(dechunk.trailers(), Ok(Vec::new()));
    }

    #[test]
    fn rubbish_is_a_fault_and_never_more() {
        let mut dechunk = Dechunk::default();
        assert_eq!(dechunk.next(b"1\r\na"), Ok(Piece::Framing(3)));
        dechunk.took(1);
        assert_eq!(dechunk.next(b"b"), Err(Fault::Chunk));
        assert_eq!(Dechunk::default().next(b"\r\n"), Err(Fault::Chunk));
        let long = format!("1;{}\r\n", "x".repeat(300));
        assert_eq!(Dechunk::default().next(long.as_bytes()), Err(Fault::Chunk));
        let trailers = format!("0\r\na: {}\r\n\r\n", "x".repeat(20_000));
        assert_eq!(
            Dechunk::default().next(trailers.as_bytes()),
            Err(Fault::HeaderTooLarge)
        );
    }
}
