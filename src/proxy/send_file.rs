//! A file's bytes on their way to the client: from the kernel's cache to the socket where that is
//! possible, else read from that cache, and from disks beside the event loop.

use crate::compress::Encoder;
use crate::content::{Coding, Effort};
use crate::files::{LENT_FROM, OpenFile};
use crate::wire::Lent;
use bytes::Bytes;
use nix::sys::sendfile::sendfile64;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use rustix::io::{ReadWriteFlags, preadv2};
use std::io::{self, IoSliceMut};
use std::ops::Range;
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt;
use std::sync::{Arc, LazyLock};

/// What is read at once, and encoded at once.
const PIECE: usize = 64 * 1024;

/// What pingora is given to write in place of a file. It looks at the length alone; nobody reads
/// the bytes, so they never become memory.
static STAND_IN: LazyLock<Bytes> = LazyLock::new(|| Bytes::from(vec![0; 1024 * 1024]));

/// A part of a file that is being sent.
#[derive(Debug)]
struct SendFile {
    open: Arc<OpenFile>,
    range: Range<u64>,
    begun: bool,
}

fn changed() -> io::Error {
    io::Error::other("the file changed while it was sent")
}

impl Lent for SendFile {
    fn send(&mut self, socket: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
        // It was looked at just before it was begun.
        if self.begun && !self.open.still_holds() {
            return Err(changed());
        }
        let left = self.range.end.saturating_sub(self.range.start);
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(limit);
        let mut offset = i64::try_from(self.range.start).map_err(io::Error::other)?;
        let sent = sendfile64(socket, &self.open.file, Some(&mut offset), count)?;
        if sent == 0 {
            return Err(changed());
        }
        self.begun = true;
        self.range.start = self.range.start.saturating_add(sent as u64);
        Ok(sent)
    }
}

fn failed(error: io::Error) -> Box<Error> {
    Error::because(ErrorType::FileReadError, "cannot send a file", error).into_in()
}

/// Sends a part of a file. `exchange`: of a connection that carries bytes as they are. `first`: the
/// file was looked at just now, and nothing of it was sent yet.
///
/// # Errors
/// The client is gone, or the file is not what it was: the connection ends before its length.
pub async fn send(
    session: &mut Session,
    exchange: Option<&crate::wire::Exchange>,
    open: &Arc<OpenFile>,
    range: Range<u64>,
    first: bool,
) -> Result<()> {
    let length = range.end.saturating_sub(range.start);
    if let Some(exchange) = exchange.filter(|_| length >= LENT_FROM) {
        let open = open.clone();
        let begun = !first;
        exchange.lend(Box::new(SendFile { open, range, begun }));
        let result = write_stand_ins(session, length).await;
        exchange.take_back();
        return result;
    }
    let mut at = range.start;
    while at < range.end {
        let left = usize::try_from(range.end.saturating_sub(at)).unwrap_or(usize::MAX);
        let piece = read(open.clone(), at, left.min(PIECE)).await?;
        at = at.saturating_add(piece.len() as u64);
        session.write_response_body(Some(piece), false).await?;
    }
    Ok(())
}

async fn write_stand_ins(session: &mut Session, length: u64) -> Result<()> {
    let mut left = length;
    while left > 0 {
        let piece = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(STAND_IN.len());
        session
            .write_response_body(Some(STAND_IN.slice(..piece)), false)
            .await?;
        left = left.saturating_sub(piece as u64);
    }
    Ok(())
}

/// Work that may wait for a disk, or takes its time.
pub async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(io::Error::other)
        .and_then(|result| result)
        .map_err(failed)
}

async fn read(open: Arc<OpenFile>, at: u64, length: usize) -> Result<Bytes> {
    let mut piece = vec![0; length];
    // Two hops between threads cost more than a piece that is in memory.
    if !at_hand(&open, at, &mut piece) {
        let slow = open.clone();
        piece = aside(move || {
            slow.file.read_exact_at(&mut piece, at)?;
            Ok(piece)
        })
        .await?;
    }
    match open.still_holds() {
        true => Ok(Bytes::from(piece)),
        false => Err(failed(changed())),
    }
}

/// Reads what the kernel has in its cache, without waiting for a disk. False when that is not all of
/// it, or the file system does not tell.
fn at_hand(open: &OpenFile, at: u64, piece: &mut [u8]) -> bool {
    let length = piece.len();
    let read = preadv2(
        &open.file,
        &mut [IoSliceMut::new(piece)],
        at,
        ReadWriteFlags::NOWAIT,
    );
    read == Ok(length)
}

/// Sends a whole file, encoded on its way, in constant memory.
///
/// # Errors
/// As [`send`].
pub async fn send_encoded(
    session: &mut Session,
    open: &Arc<OpenFile>,
    coding: Coding,
) -> Result<()> {
    let length = open.stamp.length;
    let mut encoder = Encoder::new(coding, Effort::Large, Some(length)).map_err(failed)?;
    let mut at = 0u64;
    while at < length {
        let left = usize::try_from(length.saturating_sub(at)).unwrap_or(usize::MAX);
        // Read beside the event loop and encoded on it, a little at a time: an encoder that wanders
        // from thread to thread leaves memory behind in each.
        let piece = read(open.clone(), at, left.min(PIECE)).await?;
        at = at.saturating_add(piece.len() as u64);
        let mut out = Vec::new();
        encoder.put(&piece, &mut out).map_err(failed)?;
        if !out.is_empty() {
            session
                .write_response_body(Some(Bytes::from(out)), false)
                .await?;
        }
        tokio::task::yield_now().await;
    }
    let mut out = Vec::new();
    encoder.finish(&mut out).map_err(failed)?;
    session
        .write_response_body(Some(Bytes::from(out)), false)
        .await
}
