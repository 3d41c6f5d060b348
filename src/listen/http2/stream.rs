//! A stream of HTTP/2, as a connection of HTTP/1 with one request.

use super::head::{self, Framed};
use crate::wire::dechunk::{Dechunk, Piece};
use crate::wire::http2::spelling::read_trailers;
use crate::wire::http2::{Gathered, Incoming, broken};
use crate::wire::priority::Priority;
use crate::wire::turns::{Turn, Turns};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{Response, StatusCode};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most that one step gives to a stream's window: what is given is held until the client takes it.
const PIECE: usize = 64 * 1024;
/// A body of so many bytes goes at once: waiting for others would help nobody.
const SHORT: u64 = 16 * 1024;

/// What is written next of the answer.
#[derive(Debug)]
enum Answering {
    /// Its head, of which this was written so far.
    Head(Gathered),
    /// So many bytes.
    Length(u64),
    Chunks(Box<Dechunk>),
    /// What comes, to the end.
    Close,
    /// A WebSocket.
    Tunnel,
    /// All was said.
    Done,
}

/// One request and its answer.
#[derive(Debug)]
pub struct Http2Stream {
    incoming: Incoming,
    respond: SendResponse<Bytes>,
    send: Option<SendStream<Bytes>>,
    answering: Answering,
    head_only: bool,
    websocket: bool,
    /// What the client said of its urgency.
    priority: Priority,
    /// The answers of the connection.
    turns: Turns,
    /// A long answer's place among them.
    turn: Option<Turn>,
    /// Whether it waits for its turn, and not for the client.
    in_line: bool,
}

/// How a request's body is given on.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// In chunks, for its length is not known.
    pub chunked: bool,
    /// A HEAD has an answer without a body.
    pub head_only: bool,
    /// It becomes a WebSocket.
    pub websocket: bool,
    /// How urgent it is.
    pub priority: Priority,
}

impl Http2Stream {
    /// A stream whose head was read.
    pub fn new(body: RecvStream, respond: SendResponse<Bytes>, shape: Shape, turns: Turns) -> Self {
        Http2Stream {
            incoming: Incoming::new(body, shape.chunked),
            respond,
            send: None,
            answering: Answering::Head(Gathered::default()),
            head_only: shape.head_only,
            websocket: shape.websocket,
            priority: shape.priority,
            turns,
            turn: None,
            in_line: false,
        }
    }

    /// Whether what was to be written waits for more urgent answers.
    pub fn in_line(&self) -> bool {
        self.in_line
    }

    /// Ready when the client has taken its request back.
    pub fn poll_gone(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let reset = match &mut self.send {
            Some(send) => send.poll_reset(cx),
            None => self.respond.poll_reset(cx),
        };
        reset.map(|_| io::ErrorKind::ConnectionReset.into())
    }

    /// Takes the next bytes of a head; how many belonged to it.
    fn take_head(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Answering::Head(head) = &mut self.answering else {
            return Ok(0);
        };
        let (used, head) = head.take(bytes)?;
        if let Some(head) = head {
            self.answer(&head)?;
        }
        Ok(used)
    }

    /// Sends a head.
    fn answer(&mut self, head: &Bytes) -> io::Result<()> {
        let (mut response, mut framed) = head::read(head, self.head_only)?;
        let tunnel = self.websocket && response.status() == StatusCode::SWITCHING_PROTOCOLS;
        if tunnel {
            // There is nothing to switch from: the stream is the WebSocket (RFC 8441 section 5).
            *response.status_mut() = StatusCode::OK;
        } else if response.status().is_informational() {
            // The final answer is still to come. An interim one that cannot be sent is no loss.
            let _ = self.respond.send_informational(response);
            return Ok(());
        }
        if self.websocket && !tunnel && response.status().is_success() {
            // Any 2xx would say that the WebSocket is there (RFC 8441 section 5), and this is a page.
            response = Response::new(());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            framed = Framed::Empty;
        }
        let ended = framed == Framed::Empty && !tunnel;
        let long = match framed {
            Framed::Length(length) => length > SHORT,
            Framed::Chunked | Framed::Close => true,
            Framed::Empty => false,
        };
        if long && !tunnel {
            // The app knows best (RFC 9218 section 8).
            let said = response.headers().get("priority");
            let priority = said.map(|said| self.priority.updated(said.as_bytes()));
            self.turn = Some(self.turns.begin(priority.unwrap_or(self.priority)));
        }
        let send = self
            .respond
            .send_response(response, ended)
            .map_err(broken)?;
        self.send = Some(send);
        self.answering = match framed {
            _ if tunnel => Answering::Tunnel,
            Framed::Empty => Answering::Done,
            Framed::Length(length) => Answering::Length(length),
            Framed::Chunked => Answering::Chunks(Box::default()),
            Framed::Close => Answering::Close,
        };
        Ok(())
    }

    /// Sends some of `data`, as much as the windows have room for. `last`: nothing follows it.
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        data: &[u8],
        last: bool,
    ) -> Poll<io::Result<usize>> {
        let Some(send) = &mut self.send else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        self.in_line = self
            .turn
            .as_mut()
            .is_some_and(|turn| turn.poll_turn(cx).is_pending());
        if self.in_line {
            // A client that takes its request back frees its stream for the next one: the answer must
            // not go on waiting for its turn.
            ready!(send.poll_reset(cx)).map_err(broken)?;
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let wanted = data.len().min(PIECE);
        send.reserve_capacity(wanted);
        loop {
            let room = send.capacity().min(wanted);
            if room > 0 || wanted == 0 {
                let piece = Bytes::copy_from_slice(data.get(..room).unwrap_or_default());
                let end = last && room == data.len();
                send.send_data(piece, end).map_err(broken)?;
                match &mut self.turn {
                    Some(_) if end => self.turn = None,
                    Some(turn) => turn.progress(room),
                    None => {}
                }
                return Poll::Ready(Ok(room));
            }
            match send.poll_capacity(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(broken(error))),
                Poll::Ready(None) => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
                // Its window is empty, or only the room that the connection has for it: which of
                // both is seen by whether it gets on.
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// One step of writing: how many of `bytes`, of which there are some, were taken.
    fn poll_step(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.answering {
            Answering::Head(_) => Poll::Ready(self.take_head(bytes)),
            // A body that the answer may not have.
            Answering::Done => Poll::Ready(Ok(bytes.len())),
            Answering::Close | Answering::Tunnel => self.poll_data(cx, bytes, false),
            Answering::Length(left) => {
                let left = *left;
                let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                let whole = here as u64 == left;
                let piece = bytes.get(..here).unwrap_or_default();
                let sent = ready!(self.poll_data(cx, piece, whole))?;
                let left = left.saturating_sub(sent as u64);
                self.answering = if left == 0 {
                    Answering::Done
                } else {
                    Answering::Length(left)
                };
                Poll::Ready(Ok(sent))
            }
            Answering::Chunks(chunks) => {
                match chunks.next(bytes).map_err(crate::wire::Fault::into_io)? {
                    Piece::Framing(used) => Poll::Ready(Ok(used)),
                    Piece::Data(length) => {
                        let piece = bytes.get(..length).unwrap_or_default();
                        let sent = ready!(self.poll_data(cx, piece, false))?;
                        if let Answering::Chunks(chunks) = &mut self.answering {
                            chunks.took(sent);
                        }
                        Poll::Ready(Ok(sent))
                    }
                    Piece::End { used } => {
                        let trailers = chunks.trailers().map_err(crate::wire::Fault::into_io)?;
                        self.finish(&trailers)?;
                        Poll::Ready(Ok(used))
                    }
                    Piece::More => Poll::Ready(Ok(bytes.len())),
                }
            }
        }
    }

    /// Ends the answer, with these trailers.
    fn finish(&mut self, trailers: &[u8]) -> io::Result<()> {
        self.answering = Answering::Done;
        self.turn = None;
        let Some(send) = &mut self.send else {
            return Ok(());
        };
        if trailers.is_empty() {
            send.send_data(Bytes::new(), true).map_err(broken)
        } else {
            send.send_trailers(read_trailers(trailers)?).map_err(broken)
        }
    }
}

impl AsyncRead for Http2Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if ready!(this.incoming.poll_read(cx, buf))? || this.websocket {
            // A WebSocket whose client has said all ends.
            return Poll::Ready(Ok(()));
        }
        // A request is waited for to be answered, or taken back.
        this.poll_gone(cx).map(Err)
    }
}

impl AsyncWrite for Http2Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut used = 0usize;
        while let Some(rest) = buf.get(used..).filter(|rest| !rest.is_empty()) {
            match self.poll_step(cx, rest) {
                Poll::Ready(Ok(n)) => used = used.saturating_add(n),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Pending if used > 0 => break,
                Poll::Pending => return Poll::Pending,
            }
        }
        Poll::Ready(Ok(used))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The connection sends what its streams have given it when they have nothing more to do.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.answering, Answering::Close | Answering::Tunnel) {
            self.finish(&[])?;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for Http2Stream {
    fn drop(&mut self) {
        match (&self.answering, &mut self.send) {
            (Answering::Done, _) => {}
            // One side has said all; that is passed on as it would be by closing a socket.
            (Answering::Tunnel, Some(send)) => {
                // A client that is gone already needs no end.
                let _ = send.send_data(Bytes::new(), true);
            }
            // An answer that is cut off must not look whole.
            (_, Some(send)) => send.send_reset(Reason::INTERNAL_ERROR),
            (_, None) => self.respond.send_reset(Reason::INTERNAL_ERROR),
        }
    }
}
