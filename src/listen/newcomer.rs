//! A connection that was just accepted: who it is for, whether there is room, what it speaks.

use super::carrier::Carrier;
use super::client::{ClientStream, Place, linger};
use super::connection::{NEWCOMER, over, serve};
use super::handshake::shake;
use super::http2::{self, Service};
use super::open::Open;
use super::proxied;
use crate::edge::ConnectionLimits;
use crate::observe::OpenConnection;
use crate::proxy::{Connection, Facts};
use crate::wire::headcount::{Entered, Seat};
use bytes::BytesMut;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// A connection that was just accepted.
pub struct Newcomer {
    /// It.
    pub stream: TcpStream,
    /// Its other end.
    pub peer: SocketAddr,
    /// The listener, as the configuration names it.
    pub listener: SocketAddr,
    /// Counts it.
    pub held: OpenConnection,
}

/// What a client of HTTP/2 without TLS begins with (RFC 9113 section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// For clients that have too many connections.
const CROWDED: &[u8] =
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: text/plain; charset=utf-8\r\n\
Content-Length: 48\r\nRetry-After: 10\r\nConnection: close\r\n\r\n\
This address has too many connections open now.\n";

/// So many clients at a time are told that they have too many connections.
const MOST_TOLD: usize = 64;

/// A connection that is to be served: who it is for is known, and there is room.
struct Greeted {
    carrier: Carrier,
    /// Read of it already.
    ahead: BytesMut,
    facts: Facts,
    place: Place,
    open: Open,
}

/// Serves a connection to its end.
pub async fn receive(newcomer: Newcomer, service: Service) {
    let mut stop = service.stop.clone();
    let greeted = tokio::select! {
        biased;
        greeted = greet(newcomer, &service) => greeted,
        // Who has said nothing yet does not hold up the end.
        () = over(&mut stop, NEWCOMER) => None,
    };
    let Some(greeted) = greeted else { return };
    let Greeted {
        carrier,
        ahead,
        facts,
        place,
        open,
    } = greeted;
    if facts.http2 {
        Box::pin(http2::serve(carrier, ahead, Arc::new(facts), service, open)).await;
        drop(place);
    } else {
        // The stream notes its socket itself.
        drop(open);
        let connection = Arc::new(Connection::new(Arc::new(facts)));
        let times = service.running.edge.load().times;
        let client = ClientStream::new(carrier, connection, times, ahead, Some(place));
        serve(client, service.engine, service.running, service.stop).await;
    }
}

/// Finds out who a connection is for and what it speaks. `None`: there is nothing to serve, which
/// was counted.
async fn greet(newcomer: Newcomer, service: &Service) -> Option<Greeted> {
    let edge = service.running.edge.load_full();
    let (terms, limits) = (edge.listener(newcomer.listener), edge.connections);
    let Newcomer {
        mut stream,
        mut peer,
        listener,
        held,
    } = newcomer;
    // From here on it can be ended when the process ends.
    let open = Open::new(&stream);
    let metrics = &service.running.metrics;
    if terms.proxy_protocol {
        let trusted = edge.trusted.contains(peer.ip());
        let reading = proxied::read(&mut stream, peer, trusted);
        let read = tokio::time::timeout(limits.handshake, reading).await;
        match read.unwrap_or(Err("proxy_protocol_timeout")) {
            Ok(named) => peer = named.unwrap_or(peer),
            Err(reason) => {
                metrics.refuse_connection(reason);
                return None;
            }
        }
    }
    // A proxy has the connections of many clients, and its own, by which it looks how we are.
    let counted = !edge.trusted.contains(peer.ip());
    let (seat, full) = match enter(service, peer, counted, &limits) {
        Ok(entered) => entered,
        Err(reason) => {
            metrics.refuse_connection(reason);
            if reason == "per_address" && !terms.tls {
                tell_crowded(stream).await;
            }
            return None;
        }
    };
    let mut facts = Facts {
        listener,
        peer: peer.ip(),
        secured: None,
        http2: false,
        full,
    };
    let mut ahead = BytesMut::new();
    let carrier = if terms.tls {
        let limit = limits.handshake;
        let shaking = Box::pin(shake(stream, listener, peer.ip(), &service.running, limit));
        let Ok(shaken) = tokio::time::timeout(limits.handshake, shaking).await else {
            metrics.handshake_failed("timeout");
            return None;
        };
        let shaken = shaken?;
        facts.secured = Some(shaken.secured);
        facts.http2 = shaken.http2;
        Carrier::Tls(Box::new(shaken.stream))
    } else {
        let (may, limit) = (terms.h2c && edge.http2.enabled, edge.times.header);
        facts.http2 = may && begins_with_preface(&mut stream, &mut ahead, limit).await?;
        Carrier::Plain(stream)
    };
    Some(Greeted {
        carrier,
        ahead,
        facts,
        place: Place::new(held, seat),
        open,
    })
}

/// Tells a client that it has too many connections, unless too many are being told so: these have
/// no seat, and are nobody's count.
async fn tell_crowded(stream: TcpStream) {
    static TELLING: AtomicUsize = AtomicUsize::new(0);
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            TELLING.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let before = TELLING.fetch_add(1, Ordering::Relaxed);
    let _told = Told;
    if before < MOST_TOLD {
        tell(stream, CROWDED).await;
    }
}

/// Sends an answer to who will not be served, and closes the connection. What the client sent, and
/// may still be sending, is not looked at.
pub(super) async fn tell(mut stream: TcpStream, answer: &[u8]) {
    // Who does not take it has gone.
    if stream.write_all(answer).await.is_ok() {
        linger(Carrier::Plain(stream), None).await;
    }
}

/// Whether there is room for a connection; if only for being told that there is none.
fn enter(
    service: &Service,
    peer: SocketAddr,
    counted: bool,
    limits: &ConnectionLimits,
) -> Result<(Seat, bool), &'static str> {
    let per_address = if counted { limits.per_address } else { 0 };
    let headcount = &service.running.headcount;
    match headcount.enter(peer.ip(), limits.max, per_address) {
        Entered::Welcome(seat) => Ok((seat, false)),
        Entered::Full(seat) => {
            service.running.metrics.refuse_connection("full");
            Ok((seat, true))
        }
        Entered::TurnedAway => Err("turned_away"),
        Entered::Crowded => Err("per_address"),
    }
}

/// Reads until it is clear whether the client begins with HTTP/2. What was read is in `ahead`. `None`:
/// it says nothing.
async fn begins_with_preface(
    stream: &mut TcpStream,
    ahead: &mut BytesMut,
    limit: Duration,
) -> Option<bool> {
    let reading = async {
        loop {
            let n = ahead.len().min(PREFACE.len());
            if ahead.get(..n) != PREFACE.get(..n) {
                return false;
            }
            if n == PREFACE.len() {
                return true;
            }
            if !matches!(stream.read_buf(ahead).await, Ok(n) if n > 0) {
                return false;
            }
        }
    };
    let read = tokio::time::timeout(limit, reading).await;
    match read {
        Ok(preface) => Some(preface),
        // What began otherwise is judged as HTTP/1.
        Err(_) => (!ahead.is_empty()).then_some(false),
    }
}
