//! An answer's body on its way through a coding, piece by piece.
//!
//! A body that is small and comes at once is gathered and encoded whole, which makes it smaller and
//! lets a form that is known be used. One that is large, or whose app takes its time, becomes a
//! stream; what is held back of it is released when the connection waits for more.

use super::{Encoder, Memo};
use crate::content::{Coding, Effort};
use crate::wire::HeldBack;
use bytes::{Bytes, BytesMut};
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bodies up to here are encoded at once, which takes a millisecond at most; larger ones in pieces
/// that are not larger.
const GATHER: usize = 64 * 1024;
/// A body said to be longer is encoded with the effort for large ones.
const LARGE: u64 = 1024 * 1024;
/// How long a piece may be held back while others come.
const HOLD: Duration = Duration::from_millis(20);
/// The work after which others on the thread get their turn.
const STINT: Duration = Duration::from_micros(250);

/// A body on its way.
#[derive(Debug)]
pub struct Body {
    coding: Coding,
    state: State,
    memo: Option<Arc<Memo>>,
    length: Option<u64>,
    /// Whether it is one of events, which may stay open for hours.
    events: bool,
    taken: u64,
    made: u64,
    /// Since when something is held back.
    since: Option<Instant>,
    /// Work since others had their turn.
    worked: Duration,
}

#[derive(Debug)]
enum State {
    Gathering(BytesMut),
    Streaming(Encoder),
    Over,
}

impl Body {
    /// A stream of events.
    pub fn of_events(coding: Coding) -> Self {
        let mut body = Body::new(coding, None, None);
        body.events = true;
        body
    }

    /// A body of so many bytes, if that is known. `memo`: where it may be kept.
    pub fn new(coding: Coding, length: Option<u64>, memo: Option<Arc<Memo>>) -> Self {
        Body {
            coding,
            state: State::Gathering(BytesMut::new()),
            memo,
            length,
            events: false,
            taken: 0,
            made: 0,
            since: None,
            worked: Duration::ZERO,
        }
    }

    /// Takes the next piece, the last one with `end`: what can be sent of the encoded body.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn put(&mut self, piece: Bytes, end: bool) -> io::Result<Bytes> {
        let began = Instant::now();
        self.taken = self.taken.saturating_add(piece.len() as u64);
        let out = self.advance(piece, end, began)?;
        self.made = self.made.saturating_add(out.len() as u64);
        self.worked = self.worked.saturating_add(began.elapsed());
        Ok(out)
    }

    fn advance(&mut self, piece: Bytes, end: bool, now: Instant) -> io::Result<Bytes> {
        if let State::Gathering(gathered) = &mut self.state {
            let fits = gathered.len().saturating_add(piece.len()) <= GATHER;
            if end && fits {
                let whole = match gathered.is_empty() {
                    true => piece,
                    false => {
                        gathered.extend_from_slice(&piece);
                        std::mem::take(gathered).freeze()
                    }
                };
                self.state = State::Over;
                self.since = None;
                return match &self.memo {
                    Some(memo) => memo.encode(self.coding, whole),
                    None => super::whole(self.coding, Effort::Fast, &whole).map(Bytes::from),
                };
            }
            let late = self.since.is_some_and(|since| now - since > HOLD);
            // One that is known not to fit needs no gathering.
            let hopeless = self.length.is_some_and(|length| length > GATHER as u64);
            if fits && !late && !hopeless {
                gathered.extend_from_slice(&piece);
                if !gathered.is_empty() {
                    self.since.get_or_insert(now);
                }
                return Ok(Bytes::new());
            }
        }
        let mut out = Vec::new();
        self.begin_stream(&mut out)?;
        self.stream(&piece, end, now, out)
    }

    /// From here on it is a stream, if it was none; what was gathered goes first.
    fn begin_stream(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        let State::Gathering(gathered) = &mut self.state else {
            return Ok(());
        };
        let gathered = std::mem::take(gathered);
        let effort = match self.length {
            _ if self.events => Effort::Stream,
            Some(length) if length > LARGE => Effort::Large,
            _ => Effort::Fast,
        };
        let mut encoder = Encoder::new(self.coding, effort, self.length)?;
        encoder.put(&gathered, out)?;
        self.state = State::Streaming(encoder);
        Ok(())
    }

    fn stream(
        &mut self,
        piece: &[u8],
        end: bool,
        now: Instant,
        mut out: Vec<u8>,
    ) -> io::Result<Bytes> {
        let State::Streaming(encoder) = &mut self.state else {
            return Ok(Bytes::new());
        };
        encoder.put(piece, &mut out)?;
        if end {
            if let State::Streaming(encoder) = std::mem::replace(&mut self.state, State::Over) {
                encoder.finish(&mut out)?;
            }
            self.since = None;
        } else if self.since.is_some_and(|since| now - since > HOLD) {
            encoder.flush(&mut out)?;
            self.since = None;
        } else if !piece.is_empty() {
            self.since.get_or_insert(now);
        }
        Ok(Bytes::from(out))
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        self.since.is_some()
    }

    /// Whether others on the thread should have their turn now.
    pub fn should_rest(&mut self) -> bool {
        let rest = self.worked > STINT && !matches!(self.state, State::Over);
        if rest {
            self.worked = Duration::ZERO;
        }
        rest
    }

    /// Bytes of the body and of its encoded form so far.
    pub fn counts(&self) -> (u64, u64) {
        (self.taken, self.made)
    }

    /// The coding.
    pub fn coding(&self) -> Coding {
        self.coding
    }
}

impl HeldBack for Body {
    fn release(&mut self, out: &mut Vec<u8>) -> io::Result<()> {
        self.since = None;
        let before = out.len();
        self.begin_stream(out)?;
        if let State::Streaming(encoder) = &mut self.state {
            encoder.flush(out)?;
        }
        let more = out.len().saturating_sub(before);
        self.made = self.made.saturating_add(more as u64);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Workshop;
    use super::super::encoder::tests::decode;
    use super::*;
    use rand::{Rng, SeedableRng};

    fn memo() -> Option<Arc<Memo>> {
        Some(Arc::new(Memo::new(1 << 20, Arc::new(Workshop::default()))))
    }

    #[test]
    fn a_body_survives_whatever_its_pieces_and_pauses() {
        let memo = memo();
        let mut rng = rand::rngs::StdRng::seed_from_u64(3);
        for round in 0..80 {
            let length = [0, 1, 799, 800, 65_535, 65_536, 65_537, 300_000][round % 8];
            let body: Vec<u8> = (0..length)
                .map(|i| (i % 251) as u8 ^ rng.gen_range(0..3))
                .collect();
            for coding in Coding::ALL {
                let known = rng.gen_bool(0.5).then_some(length as u64);
                let mut under_way = Body::new(coding, known, memo.clone());
                let mut out = Vec::new();
                let mut rest = body.as_slice();
                while !rest.is_empty() {
                    let (piece, after) = rest.split_at(rng.gen_range(1..=rest.len()));
                    let end = after.is_empty() && rng.gen_bool(0.5);
                    out.extend(under_way.put(Bytes::copy_from_slice(piece), end).unwrap());
                    if rng.gen_bool(0.2) && under_way.holds() {
                        under_way.release(&mut out).unwrap();
                        assert!(!under_way.holds());
                    }
                    rest = after;
                    if end {
                        break;
                    }
                }
                if !matches!(under_way.state, State::Over) {
                    out.extend(under_way.put(Bytes::new(), true).unwrap());
                }
                assert!(!under_way.holds());
                assert_eq!(decode(coding, &out), body, "{coding:?} {length}");
                assert_eq!(under_way.counts(), (length as u64, out.len() as u64));
            }
        }
    }

    #[test]
    fn a_small_body_is_held_until_it_is_whole() {
        let mut body = Body::new(Coding::Gzip, None, memo());
        assert!(!body.holds());
        assert!(
            body.put(Bytes::from_static(b"one"), false)
                .unwrap()
                .is_empty()
        );
        assert!(body.holds());
        let all = body.put(Bytes::from_static(b" two"), true).unwrap();
        assert!(!body.holds());
        assert_eq!(decode(Coding::Gzip, &all), b"one two");
    }

    #[test]
    fn what_is_released_can_be_decoded_and_goes_on() {
        let mut body = Body::new(Coding::Gzip, None, memo());
        body.put(Bytes::from_static(b"one"), false).unwrap();
        let mut out = Vec::new();
        body.release(&mut out).unwrap();
        assert!(!out.is_empty());
        out.extend(body.put(Bytes::from_static(b" two"), true).unwrap());
        assert_eq!(decode(Coding::Gzip, &out), b"one two");
    }
}
