//! A connection that was just accepted: who it is for, whether there is room, what it speaks.

use super::carrier::Carrier;
use super::client::{ClientStream, linger};
use super::connection::serve;
use super::handshake::{Shaken, shake};
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

/// Serves a connection to its end.
pub async fn receive(newcomer: Newcomer, service: Service) {
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
        let reading = proxied::read(&mut stream, trusted);
        match tokio::time::timeout(limits.handshake, reading).await {
            Ok(Ok(named)) => peer = named.unwrap_or(peer),
            Ok(Err(reason)) => return metrics.refuse_connection(reason),
            Err(_) => return metrics.refuse_connection("proxy_protocol_timeout"),
        }
    }
    // A proxy has the connections of many clients, and its own, by which it looks how we are.
    let counted = !edge.trusted.contains(peer.ip());
    let (http2, header) = (edge.http2.enabled, edge.times.header);
    // A connection may live longer than a configuration.
    drop(edge);
    let (seat, full) = match enter(&service, peer, counted, &limits) {
        Ok(entered) => entered,
        Err(reason) => {
            metrics.refuse_connection(reason);
            if reason == "per_address" && !terms.tls {
                tell_crowded(stream).await;
            }
            return;
        }
    };
    let mut facts = Facts {
        listener,
        peer: peer.ip(),
        secured: None,
        http2: false,
        full,
    };
    if terms.tls {
        let shaking = Box::pin(shake(stream, listener, peer.ip(), &service.running));
        let Ok(shaken) = tokio::time::timeout(limits.handshake, shaking).await else {
            return metrics.handshake_failed("timeout");
        };
        let Some(Shaken {
            stream,
            secured,
            http2,
        }) = shaken
        else {
            return;
        };
        facts.secured = Some(secured);
        if http2 {
            facts.http2 = true;
            let life = http2::serve(stream, BytesMut::new(), Arc::new(facts), service, open);
            Box::pin(life).await;
        } else {
            drop(open);
            let carrier = Carrier::Tls(Box::new(stream));
            speak(carrier, BytesMut::new(), facts, held, service).await;
            drop(seat);
            return;
        }
    } else {
        let mut ahead = BytesMut::new();
        if http2 && terms.h2c && begins_with_preface(&mut stream, &mut ahead, header).await {
            facts.http2 = true;
            let life = http2::serve(stream, ahead, Arc::new(facts), service, open);
            Box::pin(life).await;
        } else {
            drop(open);
            speak(Carrier::Plain(stream), ahead, facts, held, service).await;
            drop(seat);
            return;
        }
    }
    drop((held, seat));
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
        linger(Carrier::Plain(stream)).await;
    }
}

/// A connection of HTTP/1.
async fn speak(
    carrier: Carrier,
    ahead: BytesMut,
    facts: Facts,
    held: OpenConnection,
    service: Service,
) {
    let connection = Arc::new(Connection::new(Arc::new(facts)));
    let times = service.running.edge.load().times;
    let client = ClientStream::new(carrier, connection, times, ahead, Some(held));
    serve(client, service.engine, service.running, service.stop).await;
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

/// Reads until it is clear whether the client begins with HTTP/2. What was read is in `ahead`.
async fn begins_with_preface(
    stream: &mut TcpStream,
    ahead: &mut BytesMut,
    limit: Duration,
) -> bool {
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
    tokio::time::timeout(limit, reading).await.unwrap_or(false)
}
