//! The life of a connection that speaks HTTP/2: many requests at a time.

use super::head::{self, Spelled};
use super::stream::{Http2Stream, Shape};
use super::watched::{Sight, Watched};
use crate::listen::carrier::Carrier;
use crate::listen::client::ClientStream;
use crate::listen::connection::{exchange, over};
use crate::listen::open::Open;
use crate::proxy::{Connection, Engine, Facts, Prompt, Running, prompt};
use crate::wire::priority::Priority;
use crate::wire::turns::Turns;
use crate::wire::{self, Flood};
use bytes::{Bytes, BytesMut};
use h2::server::{Builder, SendResponse};
use h2::{Reason, RecvStream, SendStream};
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// The most of an answer that waits in a stream for the connection to send it, bytes. Each of a
/// hundred streams may hold so much, for a client that takes nothing.
const SEND_BUFFER: usize = 64 * 1024;
/// Frames of data hold so much: smaller ones let streams take turns, larger ones cost less.
const FRAME: u32 = 16 * 1024;
/// How many streams a client may make us reset by its mistakes in the life of a connection
/// (MadeYouReset, CVE-2025-8671). Honest clients of long connections make a few: what they sent
/// crossed the end of an answer. [`Watched`] sees to how many come at a time.
const PROVOKED_RESETS: usize = 1024;
/// So many requests are taken in before they are served: others wait for this worker too.
const TOGETHER: usize = 128;
/// How long a last frame may take to leave.
const LAST_FRAME: Duration = Duration::from_secs(2);
/// How long requests of a connection that broke may take to notice it and write their lines.
const LAST_WORDS: Duration = Duration::from_secs(10);
/// How long a client that was told to go may take.
const FAREWELL: Duration = Duration::from_secs(5);

/// Requests taken back before we have looked at them: as many as a client may have under way, and
/// as many again that it puts in their place, in one go.
fn unseen_resets(streams: u32) -> usize {
    usize::try_from(streams)
        .unwrap_or(usize::MAX)
        .saturating_mul(2)
        .max(200)
}

/// Who serves, and until when.
#[derive(Clone)]
pub struct Service {
    /// What serves requests.
    pub engine: Arc<Engine>,
    /// What all requests share.
    pub running: Arc<Running>,
    /// Turns true when the process is ending.
    pub stop: watch::Receiver<bool>,
}

/// How a connection ended.
enum End {
    /// By itself, or by the client.
    Over,
    /// It asked too much for nothing.
    Flood,
}

/// What came of a connection.
enum Came {
    /// Requests, which were taken in.
    Requests,
    /// Its end, behind requests that may have been.
    End(End),
    /// Too much for nothing.
    Flood,
}

/// Serves a connection, of which `ahead` was read already, until one side ends it.
pub async fn serve<S>(io: S, ahead: BytesMut, facts: Arc<Facts>, service: Service, open: Open)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (terms, times) = {
        let edge = service.running.edge.load();
        (edge.http2, edge.times)
    };
    let io = Watched::new(io, ahead, times.send);
    let sight = io.sight();
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(terms.streams)
        .max_header_list_size(terms.header_list)
        .initial_window_size(terms.stream_window)
        .initial_connection_window_size(terms.connection_window)
        .max_frame_size(FRAME)
        .max_send_buffer_size(SEND_BUFFER)
        .max_local_error_reset_streams(Some(PROVOKED_RESETS))
        .max_pending_accept_reset_streams(unseen_resets(terms.streams))
        .enable_connect_protocol();
    let handshake = builder.handshake::<_, Bytes>(io);
    let connection = match tokio::time::timeout(times.header, handshake).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(_)) | Err(_) => return service.running.metrics.refuse_connection("http2_preface"),
    };
    let mut streams = JoinSet::new();
    let mut life = Life {
        connection,
        sight,
        facts,
        turns: Turns::default(),
        idle: terms.idle,
        first: times.header,
        most: unseen_resets(terms.streams),
        send: times.send,
        requests: Vec::new(),
        service,
    };
    let sight = life.sight.clone();
    let running = life.service.running.clone();
    let end = match life.facts.full {
        false => life.run(&mut streams).await,
        // It is only told that there is no room, and may not keep what it has.
        true => {
            let told = tokio::time::timeout(FAREWELL, life.run(&mut streams)).await;
            told.unwrap_or(End::Over)
        }
    };
    drop(open);
    // Its streams have nothing to read and write any more, notice it, and write their lines.
    drop(life);
    if matches!(end, End::Flood) {
        let what = sight.most().map_or("frames", Flood::label);
        running.metrics.calmed(what);
    }
    let ended = async { while streams.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, ended).await;
}

struct Life<S> {
    connection: h2::server::Connection<Watched<S>, Bytes>,
    sight: Sight,
    facts: Arc<Facts>,
    turns: Turns,
    idle: Duration,
    /// How long the first request may take to come.
    first: Duration,
    /// Requests that may be at work. A client that takes some back may send as many others, and the
    /// first take a moment to notice.
    most: usize,
    /// How long a client may take nothing of an answer.
    send: Duration,
    /// Requests that were taken in together.
    requests: Vec<(Request<RecvStream>, SendResponse<Bytes>)>,
    service: Service,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Life<S> {
    async fn run(&mut self, streams: &mut JoinSet<()>) -> End {
        let mut stop = self.service.stop.clone();
        let mut leaving = false;
        let mut had_one = false;
        loop {
            if !leaving && *stop.borrow() {
                // A busy client keeps what is below from being looked at.
                leaving = true;
                self.connection.graceful_shutdown();
            }
            let patience = match (leaving, had_one) {
                // Ends of answers may wait for a slow client.
                (true, _) if self.connection.has_streams() => FAREWELL.max(self.send),
                (true, _) => FAREWELL,
                (false, true) => self.idle,
                (false, false) => self.first,
            };
            let idle = streams.is_empty();
            let crowded = streams.len() >= self.most;
            tokio::select! {
                biased;
                came = poll_fn(|cx| self.poll_requests(cx, crowded)) => {
                    had_one |= !self.requests.is_empty();
                    self.serve(streams);
                    match came {
                        Came::Requests if self.facts.full && !leaving => {
                            leaving = true;
                            self.connection.graceful_shutdown();
                        }
                        Came::Requests => {}
                        Came::End(end) => return end,
                        Came::Flood => return self.calm_down().await,
                    }
                }
                Some(_) = streams.join_next() => {}
                () = over(&mut stop, Duration::ZERO), if !leaving => {
                    leaving = true;
                    self.connection.graceful_shutdown();
                }
                () = tokio::time::sleep(patience), if idle => {
                    if leaving {
                        return End::Over;
                    }
                    leaving = true;
                    self.connection.graceful_shutdown();
                }
            }
        }
    }

    /// Takes in all requests that are there. Each look at the connection also writes what there is to
    /// be written: requests that came together are answered together. `crowded`: so many are at work
    /// that none more is taken in now.
    fn poll_requests(&mut self, cx: &mut Context<'_>, crowded: bool) -> Poll<Came> {
        if self.sight.poll_flood(cx).is_ready() {
            return Poll::Ready(Came::Flood);
        }
        if crowded {
            let ended = self.connection.poll_closed(cx);
            return ended
                .map(|ended| Came::End(ended.map_or_else(|error| end(&error), |()| End::Over)));
        }
        while self.requests.len() < TOGETHER {
            let came = pin!(self.connection.accept()).poll(cx);
            match came {
                Poll::Ready(Some(Ok(request))) => self.requests.push(request),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Came::End(end(&error))),
                Poll::Ready(None) => return Poll::Ready(Came::End(End::Over)),
                Poll::Pending if self.requests.is_empty() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Came::Requests)
    }

    /// Tells a client that it asks too much for nothing.
    async fn calm_down(&mut self) -> End {
        self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        let last = poll_fn(|cx| self.connection.poll_closed(cx));
        let _ = tokio::time::timeout(LAST_FRAME, last).await;
        End::Flood
    }

    /// Serves the requests that were taken in.
    fn serve(&mut self, streams: &mut JoinSet<()>) {
        for (request, respond) in self.requests.drain(..) {
            match at_once(request, respond, &self.facts, &self.service) {
                AtOnce::Done => {}
                AtOnce::Unsent(send, body) => {
                    streams.spawn(finish(send, body, self.send));
                }
                AtOnce::Not(waiting) => {
                    let (turns, service) = (self.turns.clone(), self.service.clone());
                    // A task's future is moved about: a large one is better moved once.
                    streams.spawn(Box::pin(answer(*waiting, turns, service)));
                }
            }
        }
    }
}

/// A request that was not answered yet.
struct Waiting {
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    spelled: Spelled,
    connection: Arc<Connection>,
}

/// What became of a request that may need nobody else.
enum AtOnce {
    /// It was answered.
    Done,
    /// It was, but the client has no room for the body yet.
    Unsent(SendStream<Bytes>, Bytes),
    /// It is for others to answer.
    Not(Box<Waiting>),
}

/// Sends a body for which the client had no room, when it has.
async fn finish(mut send: SendStream<Bytes>, body: Bytes, limit: Duration) {
    let room = async {
        while send.capacity() < body.len() {
            match poll_fn(|cx| send.poll_capacity(cx)).await {
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return false,
            }
        }
        true
    };
    if tokio::time::timeout(limit, room).await.unwrap_or(false) {
        // A client that has taken the request back needs no answer.
        let _ = send.send_data(body, true);
    } else {
        send.send_reset(Reason::CANCEL);
    }
}

/// Answers a request that needs nobody else for it.
fn at_once(
    request: Request<RecvStream>,
    respond: SendResponse<Bytes>,
    facts: &Arc<Facts>,
    service: &Service,
) -> AtOnce {
    let ended = request.body().is_end_stream();
    let mut waiting = Waiting {
        spelled: head::spell(&request, ended),
        request,
        respond,
        connection: Arc::new(Connection::new(facts.clone())),
    };
    if !ended || waiting.spelled.websocket {
        return AtOnce::Not(Box::new(waiting));
    }
    let limits = service.running.edge.load().limits;
    let bytes = &waiting.spelled.bytes;
    if bytes.len() > limits.header || wire::head::check(bytes, &limits).is_err() {
        return AtOnce::Not(Box::new(waiting));
    }
    let mut context = Context::from_waker(Waker::noop());
    if waiting.respond.poll_reset(&mut context).is_ready() {
        // Taken back meanwhile: it is written down as such.
        return AtOnce::Not(Box::new(waiting));
    }
    let header = head::header(&waiting.request);
    let Some(prompt) = prompt(&service.running, &waiting.connection, header) else {
        return AtOnce::Not(Box::new(waiting));
    };
    prompt.record(&service.running, waiting.spelled.bytes.len());
    let Prompt { head, body, .. } = prompt;
    let mut head = Response::from_parts(head.into(), ());
    if let Some(id) = head.headers_mut().get_mut(head::X_REQUEST_ID) {
        id.set_sensitive(true);
    }
    // A client that has taken the request back needs no answer.
    let Ok(mut send) = waiting.respond.send_response(head, body.is_empty()) else {
        return AtOnce::Done;
    };
    if body.is_empty() {
        return AtOnce::Done;
    }
    send.reserve_capacity(body.len());
    if send.capacity() < body.len() {
        return AtOnce::Unsent(send, body);
    }
    let _ = send.send_data(body, true);
    AtOnce::Done
}

/// Serves one request.
fn answer(
    waiting: Waiting,
    turns: Turns,
    service: Service,
) -> impl Future<Output = ()> + Send + 'static {
    let began = Instant::now();
    let Waiting {
        request,
        respond,
        spelled,
        connection,
    } = waiting;
    let shape = Shape {
        chunked: spelled.chunked,
        head_only: request.method() == Method::HEAD,
        websocket: spelled.websocket,
        priority: priority(request.headers()),
    };
    let stream = Http2Stream::new(request.into_body(), respond, shape, turns);
    let times = service.running.edge.load().times;
    let carrier = Carrier::Http2(Box::new(stream));
    let client = ClientStream::new(carrier, connection, times, spelled.bytes, None);
    async move {
        let Service {
            engine,
            running,
            stop,
        } = service;
        // The stream is over with its answer.
        let _ = exchange(Box::new(client), &engine, &running, &stop, began).await;
    }
}

/// How urgent a request is (RFC 9218 section 5).
fn priority(headers: &HeaderMap) -> Priority {
    let mut fields = headers.get_all("priority").iter();
    match (fields.next(), fields.next()) {
        (None, _) => Priority::UNSAID,
        (Some(only), None) => Priority::of(only.as_bytes()),
        (Some(first), Some(second)) => {
            let all = [first, second].into_iter().chain(fields);
            let all: Vec<&[u8]> = all.map(HeaderValue::as_bytes).collect();
            Priority::of(&all.join(&b','))
        }
    }
}

/// What an error says of the client.
fn end(error: &h2::Error) -> End {
    let calmed = error.is_library() && error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
    let timed_out = error
        .get_io()
        .is_some_and(|e| e.kind() == io::ErrorKind::TimedOut);
    match calmed && !timed_out {
        true => End::Flood,
        false => End::Over,
    }
}
