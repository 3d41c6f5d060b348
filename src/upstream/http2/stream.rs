//! A stream of HTTP/2 to an app, as a connection of HTTP/1 for one request.

use super::head::{self, Framed};
use super::link::Place;
use crate::wire::Fault;
use crate::wire::dechunk::{Dechunk, Piece};
use crate::wire::http2::spelling::read_trailers;
use crate::wire::http2::{Gathered, Incoming, broken};
use bytes::{Buf, Bytes};
use h2::SendStream;
use h2::client::ResponseFuture;
use http::Method;
use pingora::protocols::UniqueIDType;
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::ReadBuf;

/// What is written next of the request.
#[derive(Debug)]
enum Asking {
    /// Its head, of which this was written so far.
    Head(Gathered),
    /// So many bytes.
    Length(u64),
    Chunks(Box<Dechunk>),
    /// All was said, or the app hears no more.
    Done,
}

/// What comes of the answer.
#[derive(Debug)]
enum Answer {
    /// Its head, once the request was sent; interim answers before it.
    Awaited(Option<ResponseFuture>, VecDeque<Bytes>),
    Body(Incoming),
    /// The connection went before there was one.
    Lost,
}

/// One request and its answer. Dropped before both are over, it takes the request back
/// (RST_STREAM with CANCEL).
#[derive(Debug)]
pub struct AppStream {
    asking: Asking,
    answer: Answer,
    send: Option<SendStream<Bytes>>,
    head_only: bool,
    place: Place,
}

impl AppStream {
    /// A stream of which nothing was sent.
    pub fn new(place: Place) -> Self {
        AppStream {
            asking: Asking::Head(Gathered::default()),
            answer: Answer::Awaited(None, VecDeque::new()),
            send: None,
            head_only: false,
            place,
        }
    }

    /// Its connection's number.
    pub fn fd(&self) -> UniqueIDType {
        self.place.fd()
    }

    /// Whether its connection had a request before this one.
    pub fn reused(&self) -> bool {
        self.place.reused()
    }

    /// No further request goes by its connection, which was silent for too long.
    pub fn retire(&self) {
        self.place.retire();
    }

    /// Whether both sides have said all, or are past it.
    pub fn is_over(&self) -> bool {
        match &self.answer {
            Answer::Awaited(..) => false,
            Answer::Body(incoming) => incoming.is_over(),
            Answer::Lost => true,
        }
    }

    /// Ready when all that was written is on its way, or as good as that. Until then, no more ought
    /// to be written; what is written nevertheless is kept.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(send) = self.send.as_mut() else {
            return Poll::Ready(());
        };
        if matches!(self.asking, Asking::Done) {
            return Poll::Ready(());
        }
        loop {
            // No more than that: what is reserved here is kept from other streams.
            send.reserve_capacity(1);
            if send.capacity() > 0 {
                return Poll::Ready(());
            }
            match ready!(send.poll_capacity(cx)) {
                Some(Ok(_)) => {}
                // Why the app hears no more is told where its answer is read.
                Some(Err(_)) | None => return Poll::Ready(()),
            }
        }
    }

    /// Takes bytes of a request, all of them.
    ///
    /// # Errors
    /// They are no request, or the connection takes none ([`Fault::Unprocessed`]).
    pub fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let used = self.step(bytes)?;
            bytes = bytes.get(used..).unwrap_or_default();
        }
        Ok(())
    }

    /// One step of writing: how many of `bytes`, of which there are some, were used.
    fn step(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.asking {
            Asking::Head(_) => self.take_head(bytes),
            Asking::Done => Ok(bytes.len()),
            Asking::Length(left) => {
                let here = usize::try_from(*left)
                    .unwrap_or(usize::MAX)
                    .min(bytes.len());
                *left = left.saturating_sub(here as u64);
                let ended = *left == 0;
                self.send(bytes.get(..here).unwrap_or_default(), ended);
                Ok(here)
            }
            Asking::Chunks(chunks) => match chunks.next(bytes).map_err(Fault::into_io)? {
                Piece::Framing(used) => Ok(used),
                Piece::Data(length) => {
                    chunks.took(length);
                    self.send(bytes.get(..length).unwrap_or_default(), false);
                    Ok(length)
                }
                Piece::End { used } => {
                    let trailers = chunks.trailers().map_err(Fault::into_io)?;
                    self.finish(&trailers)?;
                    Ok(used)
                }
                Piece::More => Ok(bytes.len()),
            },
        }
    }

    /// Takes the next bytes of a head; how many belonged to it.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Asking::Head(head) = &mut self.asking else {
            return Ok(0);
        };
        let (used, head) = head.take(bytes)?;
        if let Some(head) = head {
            self.ask(&head)?;
        }
        Ok(used)
    }

    /// Sends a head.
    fn ask(&mut self, head: &Bytes) -> io::Result<()> {
        let (request, framed) = head::read(head)?;
        self.head_only = request.method() == Method::HEAD;
        let ended = framed == Framed::Length(0);
        let (response, send) = self.place.ask(request, ended).map_err(|error| {
            tracing::debug!(%error, "a connection to an app takes no more requests");
            Fault::Unprocessed.into_io()
        })?;
        self.answer = Answer::Awaited(Some(response), VecDeque::new());
        self.send = Some(send);
        self.asking = match framed {
            Framed::Length(0) => Asking::Done,
            Framed::Length(length) => Asking::Length(length),
            Framed::Chunked => Asking::Chunks(Box::default()),
        };
        Ok(())
    }

    /// Sends a piece of the body. An app that hears no more may have answered before, or has said
    /// why: that is read, and no error of this side's.
    fn send(&mut self, piece: &[u8], ended: bool) {
        let sent = self
            .send
            .as_mut()
            .map(|send| send.send_data(Bytes::copy_from_slice(piece), ended));
        if ended || !matches!(sent, Some(Ok(()))) {
            self.asking = Asking::Done;
        }
    }

    /// Ends the request, with these trailers.
    fn finish(&mut self, trailers: &[u8]) -> io::Result<()> {
        if trailers.is_empty() {
            self.send(&[], true);
        } else if let Some(send) = &mut self.send {
            // As above.
            let _ = send.send_trailers(read_trailers(trailers)?);
        }
        self.asking = Asking::Done;
        Ok(())
    }

    /// Reads of the answer into `buf`, which has room. Nothing is read at its end, and when the
    /// connection went before there was an answer.
    ///
    /// # Errors
    /// What the app sends is no answer, it takes the answer back, or it did not look at the request
    /// ([`Fault::Unprocessed`]).
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            match &mut self.answer {
                Answer::Lost => return Poll::Ready(Ok(())),
                Answer::Body(incoming) => {
                    ready!(incoming.poll_read(cx, buf))?;
                    return Poll::Ready(Ok(()));
                }
                Answer::Awaited(_, interim) if !interim.is_empty() => {
                    if let Some(front) = interim.front_mut() {
                        let n = front.len().min(buf.remaining());
                        buf.put_slice(&front.split_to(n));
                        if !front.has_remaining() {
                            interim.pop_front();
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                // pingora reads only what it has asked for.
                Answer::Awaited(None, _) => return Poll::Pending,
                Answer::Awaited(Some(_), _) => ready!(self.poll_head(cx))?,
            }
        }
    }

    /// Waits for a head.
    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Answer::Awaited(Some(response), interim) = &mut self.answer else {
            return Poll::Ready(Ok(()));
        };
        if let Poll::Ready(Some(Ok(early))) = response.poll_informational(cx) {
            interim.push_back(head::spell(&early, false, self.head_only)?.bytes);
            return Poll::Ready(Ok(()));
        }
        match ready!(Pin::new(response).poll(cx)) {
            Ok(response) => {
                let ended = response.body().is_end_stream();
                let spelled = head::spell(&response, ended, self.head_only)?;
                let mut incoming = Incoming::new(response.into_body(), spelled.chunked);
                incoming.push(spelled.bytes);
                self.answer = Answer::Body(incoming);
                Poll::Ready(Ok(()))
            }
            Err(error) if Place::unprocessed(&error) => {
                if error.is_go_away() {
                    self.place.retire();
                }
                Poll::Ready(Err(Fault::Unprocessed.into_io()))
            }
            Err(error) if Place::lost(&error) => {
                self.answer = Answer::Lost;
                Poll::Ready(Ok(()))
            }
            Err(error) => Poll::Ready(Err(broken(error))),
        }
    }
}
