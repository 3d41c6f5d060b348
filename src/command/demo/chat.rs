//! The chat room over WebSocket (RFC 6455).
//!
//! Every frame is a JSON object in text. A client sends `{"text"}`. It receives, by `type`:
//! `message` (`id`, `name`, `text`, `unix_ms`), `join` and `leave` (`name`, `users`),
//! `missed` (`count`: what it was too slow for) and `error` (`error`: why its last frame was
//! refused; the connection stays open).

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{CONNECTION, RETRY_AFTER, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::error::{Error, ProtocolError};
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::answer::{self, Answer};
use super::room::{Joined, Room};
use super::site::stopped;
use super::{query, room};

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// The longest frame from a client, in bytes: 500 characters, each escaped as a pair of
/// surrogates (12 bytes), and the object around them.
const LONGEST_FRAME: usize = 8 * 1024;

/// The buffers of one connection, in bytes. tungstenite's own 128 KiB are for bulk data, and it
/// allocates them for each connection.
const BUFFER: usize = 4 * 1024;

/// The most that may wait to be written, in bytes: more than the longest frame, a list of all
/// users (200 names of 30 characters, 4 bytes each).
const LONGEST_WAITING: usize = 128 * 1024;

/// How often a client is pinged. It is gone when nothing came from it between two pings. Less
/// than the 60 s after which many proxies close a silent connection.
const PING: Duration = Duration::from_secs(20);

/// How long one frame may take to be sent before the client counts as gone: whoever reads
/// nothing must not keep a seat.
const SEND: Duration = Duration::from_secs(10);

/// How long the client may take to answer a close frame.
const CLOSE: Duration = Duration::from_secs(2);

/// A user who has been let in, but whose connection is not a WebSocket yet.
pub(super) struct Session {
    upgrade: OnUpgrade,
    room: Arc<Room>,
    permit: OwnedSemaphorePermit,
    name: String,
}

/// How a conversation ends.
enum End {
    /// The client closed, or is not there any more.
    Gone,
    /// The site closes.
    Close(CloseCode, &'static str),
}

/// Answers the request for a WebSocket, and hands the session to `upgrade`.
pub(super) fn open(
    request: &mut Request<Incoming>,
    room: &Arc<Room>,
    upgrade: &mpsc::Sender<Session>,
) -> Response<Answer> {
    let response = match create_response_with_body(request, || Answer::Whole(Full::default())) {
        Ok(response) => response,
        Err(error) => return not_a_websocket(&error),
    };
    let Some(permit) = room.reserve() else {
        return full();
    };
    let session = Session {
        name: query::value(request.uri().query(), "name").unwrap_or_default(),
        upgrade: hyper::upgrade::on(request),
        room: Arc::clone(room),
        permit,
    };
    match upgrade.try_send(session) {
        Ok(()) => response,
        // A connection is upgraded once, so there is room for it; if not, nobody would attend.
        Err(_) => full(),
    }
}

fn full() -> Response<Answer> {
    let reason = "the room is full; try again later";
    let mut response = answer::refusal(StatusCode::SERVICE_UNAVAILABLE, reason);
    answer::set(&mut response, RETRY_AFTER, "10");
    response
}

fn not_a_websocket(error: &Error) -> Response<Answer> {
    let missing = matches!(
        error,
        Error::Protocol(
            ProtocolError::MissingConnectionUpgradeHeader
                | ProtocolError::MissingUpgradeWebSocketHeader
                | ProtocolError::MissingSecWebSocketVersionHeader
        )
    );
    if !missing {
        return answer::refusal(StatusCode::BAD_REQUEST, "malformed WebSocket handshake");
    }
    let reason = "this is a WebSocket; the page for it is /chat";
    let mut response = answer::refusal(StatusCode::UPGRADE_REQUIRED, reason);
    // RFC 9110 sections 15.5.22 and 7.8, and RFC 6455 section 4.4.
    answer::set(&mut response, CONNECTION, "upgrade");
    answer::set(&mut response, UPGRADE, "websocket");
    answer::set(&mut response, SEC_WEBSOCKET_VERSION, "13");
    response
}

impl Session {
    /// Talks with the client until either leaves, or `stop` turns true.
    pub(super) async fn attend(self, stop: &mut watch::Receiver<bool>) {
        let Ok(upgraded) = self.upgrade.await else {
            return;
        };
        let config = WebSocketConfig::default()
            .read_buffer_size(BUFFER)
            .write_buffer_size(BUFFER)
            .max_write_buffer_size(LONGEST_WAITING)
            .max_message_size(Some(LONGEST_FRAME))
            .max_frame_size(Some(LONGEST_FRAME));
        let upgraded = TokioIo::new(upgraded);
        let mut socket =
            WebSocketStream::from_raw_socket(upgraded, Role::Server, Some(config)).await;
        let joined = self.room.join(self.permit, &self.name);
        let end = tokio::select! {
            end = talk(&mut socket, joined) => end,
            () = stopped(stop) => End::Close(CloseCode::Away, "The site is stopping"),
        };
        // The other side may be gone already, and that is what was wanted.
        let _ = timeout(CLOSE, close(&mut socket, end)).await;
    }
}

async fn talk(socket: &mut Socket, mut joined: Joined) -> End {
    for frame in std::mem::take(&mut joined.recent) {
        if let Err(end) = send(socket, Message::Text(frame)).await {
            return end;
        }
    }
    let mut ping = interval(PING);
    // The first ping is not due now.
    ping.reset();
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut heard = true;
    loop {
        let sent = tokio::select! {
            frame = joined.frames.recv() => match frame {
                Ok(frame) => send(socket, Message::Text(frame)).await,
                // The receiver skips what it missed; the client is told that there was something.
                Err(RecvError::Lagged(count)) => {
                    send(socket, object(&json!({ "type": "missed", "count": count }))).await
                }
                Err(RecvError::Closed) => Err(End::Gone),
            },
            message = socket.next() => {
                heard = true;
                match hear(message, &joined.seat) {
                    Ok(None) => Ok(()),
                    Ok(Some(reply)) => send(socket, reply).await,
                    Err(end) => Err(end),
                }
            }
            _ = ping.tick() => {
                if !std::mem::take(&mut heard) {
                    return End::Gone;
                }
                send(socket, Message::Ping(Bytes::new())).await
            }
        };
        if let Err(end) = sent {
            return end;
        }
    }
}

/// What a client's message leads to: an answer for that client alone, or the end.
fn hear(
    message: Option<Result<Message, Error>>,
    seat: &room::Seat,
) -> Result<Option<Message>, End> {
    match message {
        Some(Ok(Message::Text(frame))) => Ok(say(&frame, seat)
            .err()
            .map(|error| object(&json!({ "type": "error", "error": error })))),
        Some(Ok(Message::Binary(_))) => Err(End::Close(CloseCode::Unsupported, "Text only")),
        // tungstenite answers pings by itself.
        Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => Ok(None),
        Some(Ok(Message::Close(_))) | None => Err(End::Gone),
        Some(Err(Error::Capacity(_))) => Err(End::Close(CloseCode::Size, "Message too long")),
        Some(Err(Error::Utf8(_))) => Err(End::Close(CloseCode::Invalid, "Not UTF-8")),
        Some(Err(Error::Protocol(_))) => Err(End::Close(CloseCode::Protocol, "Protocol error")),
        Some(Err(_)) => Err(End::Gone),
    }
}

fn say(frame: &str, seat: &room::Seat) -> Result<(), String> {
    let value: Option<Value> = serde_json::from_str(frame).ok();
    let text = value
        .as_ref()
        .and_then(|value| value.get("text"))
        .and_then(Value::as_str);
    seat.say(text.ok_or("a frame is a JSON object with a text")?)
}

fn object(value: &Value) -> Message {
    Message::text(value.to_string())
}

async fn send(socket: &mut Socket, message: Message) -> Result<(), End> {
    match timeout(SEND, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        _ => Err(End::Gone),
    }
}

/// Sends the close frame, and reads on until the client has closed too: closing a socket with
/// unread bytes in it would reset the connection and could take the close frame with it.
async fn close(socket: &mut Socket, end: End) {
    let frame = match end {
        End::Gone => None,
        End::Close(code, reason) => Some(CloseFrame {
            code,
            reason: reason.into(),
        }),
    };
    // It fails when the client closed first; then reading on sends the answer to that.
    let _ = socket.close(frame).await;
    while let Some(Ok(_)) = socket.next().await {}
}
