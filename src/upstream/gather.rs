//! An app's answer that is gathered whole before pingora sees any of it, so that another one can be
//! given in its place.
//!
//! In: the bytes of an answer in HTTP/1, in whatever pieces they come. Out: interim answers at once;
//! the whole of a final answer that is wanted; of one that is not, all that came, as it came. Waits
//! for nothing, and knows no sockets.

use crate::wire::{Dechunk, Piece};
use bytes::{Bytes, BytesMut};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

#[cfg(test)]
mod tests;

/// What is made of an answer: the bytes of another one.
pub type Work = Pin<Box<dyn Future<Output = Vec<u8>> + Send>>;

/// Who makes other answers of an app's.
pub trait Rework: Send + Sync + fmt::Debug {
    /// Whether the answer with this head (of HTTP/1, its empty line included; a 200 with a body of
    /// known framing and without a coding) is to be gathered.
    fn takes(&self, head: &[u8]) -> bool;
    /// The longest body that is gathered, bytes.
    fn limit(&self) -> u64;
    /// Asked before so many bytes of one answer are in memory; again when there are more.
    fn has_room(&self, bytes: u64) -> bool;
    /// The body of an answer that was taken is longer than the limit. It is given on as it is.
    fn is_too_long(&self);
    /// Another answer, as HTTP/1, with `Content-Length` where it has a body. Nothing: the app's is
    /// given on as it came.
    fn rework(self: Arc<Self>, head: Vec<u8>, body: Bytes) -> Work;
}

/// Past this, a head is left to who reads it afterwards.
const HEAD_LIMIT: usize = 256 * 1024;
/// How every answer begins.
const PROTOCOL: &[u8] = b"HTTP/1.";

/// How far it is.
#[derive(Debug, PartialEq, Eq)]
pub enum Gathered {
    /// More is needed.
    More,
    /// All of it came.
    Whole {
        /// As it came.
        raw: Bytes,
        /// Its head, with the empty line.
        head: Vec<u8>,
        /// Its body, without framing.
        body: Bytes,
    },
    /// It is not for us. This is what came; what follows is to be given on as it comes.
    Not(Bytes),
}

/// An answer on its way.
#[derive(Debug)]
pub struct Gather {
    rework: Arc<dyn Rework>,
    /// Interim answers that nobody was given yet.
    interim: BytesMut,
    /// What came of the final one.
    came: BytesMut,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// `seen`: how far no end of the head was found.
    Head {
        seen: usize,
    },
    /// Ends at this offset.
    Length {
        head: usize,
        end: usize,
    },
    Chunked(Box<Chunks>),
}

#[derive(Debug)]
struct Chunks {
    head: usize,
    /// How far they are taken apart.
    at: usize,
    dechunk: Dechunk,
    body: Vec<u8>,
}

/// How the body of an answer is framed.
enum Framing {
    Length(u64),
    Chunked,
}

impl Gather {
    /// An answer of which nothing came yet.
    pub fn new(rework: Arc<dyn Rework>) -> Self {
        Gather {
            rework,
            interim: BytesMut::new(),
            came: BytesMut::new(),
            stage: Stage::Head { seen: 0 },
        }
    }

    /// Whether the final answer's head came, and its body is being gathered.
    pub fn has_head(&self) -> bool {
        !matches!(self.stage, Stage::Head { .. })
    }

    /// Interim answers (RFC 9110 section 15.2), which are for the client at once.
    pub fn take_interim(&mut self) -> Bytes {
        self.interim.split().freeze()
    }

    /// Has another answer made of one that came whole.
    pub fn rework(&self, raw: Bytes, head: Vec<u8>, body: Bytes) -> Reworking {
        Reworking {
            work: Mutex::new(self.rework.clone().rework(head, body)),
            raw,
        }
    }

    /// Ends it: all that came.
    pub fn give_up(&mut self) -> Bytes {
        let mut all = self.interim.split();
        all.unsplit(self.came.split());
        all.freeze()
    }

    /// Takes the next bytes of the answer.
    pub fn put(&mut self, fresh: &[u8]) -> Gathered {
        self.came.extend_from_slice(fresh);
        if let Stage::Head { seen } = self.stage
            && let Some(ended) = self.head(seen)
        {
            return ended;
        }
        self.body().unwrap_or_else(|| self.not())
    }

    fn not(&mut self) -> Gathered {
        Gathered::Not(self.give_up())
    }

    /// Looks for the end of the final answer's head. `None`: it was found, and the answer is taken.
    fn head(&mut self, mut seen: usize) -> Option<Gathered> {
        loop {
            let known = self.came.len().min(PROTOCOL.len());
            if self.came.get(..known) != PROTOCOL.get(..known) || self.came.len() > HEAD_LIMIT {
                return Some(self.not());
            }
            let Some((end, clean)) = end_of_head(&self.came, seen) else {
                // The end may stand across two pieces.
                let seen = self.came.len().saturating_sub(3);
                self.stage = Stage::Head { seen };
                return Some(Gathered::More);
            };
            let interim = clean && self.came.get(9) == Some(&b'1');
            if !interim || self.came.get(9..12) == Some(b"101") {
                let taken = clean && self.begin(end).is_some();
                return (!taken).then(|| self.not());
            }
            let head = self.came.split_to(end);
            self.interim.unsplit(head);
            seen = 0;
        }
    }

    /// Decides on the answer whose head ends there. `None`: it is not for us.
    fn begin(&mut self, end: usize) -> Option<()> {
        let head = self.came.get(..end)?;
        let framing = framing(head)?;
        if !self.rework.takes(head) {
            return None;
        }
        self.stage = match framing {
            Framing::Length(length) if length > self.rework.limit() => {
                self.rework.is_too_long();
                return None;
            }
            Framing::Length(0) => return None,
            Framing::Length(length) if !self.rework.has_room(length) => return None,
            Framing::Length(length) => Stage::Length {
                head: end,
                end: end.checked_add(usize::try_from(length).ok()?)?,
            },
            Framing::Chunked => Stage::Chunked(Box::new(Chunks {
                head: end,
                at: end,
                dechunk: Dechunk::default(),
                body: Vec::new(),
            })),
        };
        Some(())
    }

    /// Looks at what came of the body. `None`: it is not for us after all.
    fn body(&mut self) -> Option<Gathered> {
        match &mut self.stage {
            Stage::Head { .. } => Some(Gathered::More),
            Stage::Length { head, end } => match self.came.len().cmp(end) {
                std::cmp::Ordering::Less => Some(Gathered::More),
                std::cmp::Ordering::Equal => {
                    let (head, raw) = (*head, self.came.split().freeze());
                    let body = raw.slice(head.min(raw.len())..);
                    Some(whole(raw, head, body))
                }
                // Nobody asked for what follows: let others make sense of it.
                std::cmp::Ordering::Greater => None,
            },
            Stage::Chunked(chunks) => {
                if !self.rework.has_room(self.came.len() as u64) {
                    return None;
                }
                let ended = chunks.take_apart(&self.came)?;
                if chunks.body.len() as u64 > self.rework.limit() {
                    self.rework.is_too_long();
                    return None;
                }
                if !ended {
                    return Some(Gathered::More);
                }
                if chunks.at != self.came.len() || chunks.body.is_empty() {
                    return None;
                }
                let body = Bytes::from(std::mem::take(&mut chunks.body));
                let head = chunks.head;
                Some(whole(self.came.split().freeze(), head, body))
            }
        }
    }
}

fn whole(raw: Bytes, head: usize, body: Bytes) -> Gathered {
    let head = raw.get(..head).unwrap_or_default().to_vec();
    Gathered::Whole { raw, head, body }
}

impl Chunks {
    /// Whether the body ended; `None` when its framing is broken.
    fn take_apart(&mut self, came: &[u8]) -> Option<bool> {
        loop {
            let rest = came.get(self.at..)?;
            match self.dechunk.next(rest).ok()? {
                Piece::More => return Some(false),
                Piece::Framing(count) => self.at = self.at.checked_add(count)?,
                Piece::Data(count) => {
                    self.body.extend_from_slice(rest.get(..count)?);
                    self.dechunk.took(count);
                    self.at = self.at.checked_add(count)?;
                }
                Piece::End { used } => {
                    self.at = self.at.checked_add(used)?;
                    return Some(true);
                }
            }
        }
    }
}

/// Where the first head ends, and whether its last lines end as they must. Others are more lenient
/// (RFC 9112 section 2.2): what they would take for an end must not be waited beyond.
fn end_of_head(bytes: &[u8], from: usize) -> Option<(usize, bool)> {
    let rest = bytes.get(from..)?;
    memchr::memchr_iter(b'\n', rest).find_map(|at| {
        let at = from.checked_add(at)?;
        let next = at.checked_add(1)?;
        match bytes.get(next..)? {
            [b'\n', ..] => Some((next.checked_add(1)?, false)),
            [b'\r', b'\n', ..] => {
                let clean = at.checked_sub(1).and_then(|at| bytes.get(at)) == Some(&b'\r');
                Some((next.checked_add(2)?, clean))
            }
            _ => None,
        }
    })
}

/// The fields of a head, which ends with its empty line. `None` for a line that is no field, or goes
/// on with the field before it.
pub fn fields(head: &[u8]) -> impl Iterator<Item = Option<(&[u8], &[u8])>> {
    let lines = head.split(|byte| *byte == b'\n').skip(1);
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter(|line| !line.is_empty()).map(|line| {
        let colon = memchr::memchr(b':', line)?;
        let (name, value) = (line.get(..colon)?, line.get(colon.checked_add(1)?..)?);
        let token = !name.is_empty() && !name.iter().any(u8::is_ascii_whitespace);
        token.then_some((name, value.trim_ascii()))
    })
}

/// How the body of a 200 is framed. `None`: it is no 200, has a coding, is a part, ends with the
/// connection, or is framed in a way that two readers may understand differently.
fn framing(head: &[u8]) -> Option<Framing> {
    if head.get(9..12) != Some(b"200") {
        return None;
    }
    let (mut length, mut chunked) = (None, false);
    for field in fields(head) {
        let (name, value) = field?;
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("content-length") {
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            if !digits || length.is_some() {
                return None;
            }
            length = Some(std::str::from_utf8(value).ok()?.parse::<u64>().ok()?);
        } else if is("transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return None;
            }
            chunked = true;
        } else if is("content-encoding") || is("content-range") {
            return None;
        }
    }
    match (length, chunked) {
        (Some(length), false) => Some(Framing::Length(length)),
        (None, true) if head.get(7) == Some(&b'1') => Some(Framing::Chunked),
        _ => None,
    }
}

/// Another answer while it is made.
pub struct Reworking {
    /// Streams may be looked at by several threads, though none ever is.
    work: Mutex<Work>,
    /// The app's, as it came.
    raw: Bytes,
}

impl fmt::Debug for Reworking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reworking({} bytes)", self.raw.len())
    }
}

impl Reworking {
    /// The bytes that are given on.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Bytes> {
        let work = self.work.get_mut().unwrap_or_else(PoisonError::into_inner);
        work.as_mut().poll(cx).map(|other| match other.is_empty() {
            true => std::mem::take(&mut self.raw),
            false => Bytes::from(other),
        })
    }
}
