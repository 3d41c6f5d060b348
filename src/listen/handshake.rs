//! TLS on a connection that was just accepted.

use super::newcomer::tell;
use crate::edge::Edge;
use crate::proxy::{Running, Secured};
use crate::tls::{ClientIdentity, SiteTls};
use rustls::server::Acceptor;
use rustls::{HandshakeKind, ProtocolVersion, ServerConfig};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, StartHandshake};

/// A connection whose handshake is done.
pub struct Shaken {
    /// It.
    pub stream: TlsStream<TcpStream>,
    /// What the handshake was about.
    pub secured: Secured,
    /// Whether HTTP/2 was agreed on.
    pub http2: bool,
}

/// The protocol by which an ACME authority checks that a name is ours (RFC 8737 section 6.2).
const ACME: &[u8] = b"acme-tls/1";
/// HTTP/2 over TLS (RFC 9113 section 3.2).
const H2: &[u8] = b"h2";
/// A fatal alert `unrecognized_name` (RFC 8446 section 6, RFC 6066 section 3).
const UNRECOGNISED: [u8; 7] = [21, 3, 3, 0, 2, 2, 112];
/// The first byte of a record that holds a part of a handshake (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// Does a handshake. `None` when there is nothing to serve: it failed, which was counted, or it was
/// all that the client wanted. `peer`: the client's address, also when a load balancer told it;
/// `limit`: for how long the caller waits for it.
pub async fn shake(
    stream: TcpStream,
    listener: SocketAddr,
    peer: IpAddr,
    running: &Running,
    limit: Duration,
) -> Option<Shaken> {
    match attempt(stream, listener, peer, running, Instant::now() + limit).await {
        Ok(shaken) => shaken,
        Err(reason) => {
            running.metrics.handshake_failed(reason);
            None
        }
    }
}

async fn attempt(
    stream: TcpStream,
    listener: SocketAddr,
    peer: IpAddr,
    running: &Running,
    end: Instant,
) -> Result<Option<Shaken>, &'static str> {
    let mut first = [0u8];
    match stream.peek(&mut first).await {
        // Who connects and goes has not failed: load balancers look whether a port is open.
        Ok(0) | Err(_) => return Ok(None),
        Ok(_) => {}
    }
    if first.first() != Some(&HANDSHAKE_RECORD) {
        // Somebody typed http:// before an https port.
        if first.first().is_some_and(u8::is_ascii_uppercase) {
            tell(stream, PLAIN).await;
            return Err("plain_http");
        }
        return Err("no_tls");
    }
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let start = start.map_err(|error| reason(&error))?;
    let hello = start.client_hello();
    let challenge = hello.alpn().is_some_and(|mut all| all.any(|p| p == ACME));
    if challenge
        && let Some(name) = hello.server_name()
        && let Some(config) = running.issuer.tls_alpn(name).await
    {
        // The authority wants to see the certificate, and goes.
        let mut stream = start.into_stream(config).await.map_err(|e| reason(&e))?;
        let _ = stream.shutdown().await;
        return Ok(None);
    }
    let edge = running.edge.load_full();
    let Some(site) = site(&edge, listener, hello.server_name()) else {
        // Tells the client that its name is nobody's.
        tell(start.io, &UNRECOGNISED).await;
        return Err("unknown_name");
    };
    if let Some(name) = hello.server_name()
        && let Some(order) = site.on_demand(name)
    {
        // Without one, a stand-in is shown: the client must still have the time for that.
        let most = end.saturating_duration_since(Instant::now()) / 2;
        drop(tokio::time::timeout(most, running.issuer.wanted(order, name, peer)).await);
    }
    let heavy = site.is_heavy_for(&start.client_hello());
    let stream = finish(start, site.config(), heavy)
        .await
        .map_err(|e| reason(&e))?;
    let (_, session) = stream.get_ref();
    let version = match session.protocol_version() {
        Some(ProtocolVersion::TLSv1_2) => "1.2",
        _ => "1.3",
    };
    let resumed = session.handshake_kind() == Some(HandshakeKind::Resumed);
    running.metrics.handshake(version, resumed);
    let http2 = session.alpn_protocol() == Some(H2);
    let identity = ClientIdentity::of(session);
    Ok(Some(Shaken {
        stream,
        secured: Secured { site, identity },
        http2,
    }))
}

fn site(edge: &Edge, listener: SocketAddr, name: Option<&str>) -> Option<Arc<SiteTls>> {
    edge.site_for_handshake(listener, name)?.tls.clone()
}

/// Signing with RSA takes a millisecond, in which nobody else of this worker would be served.
///
/// A client that offers no key share that is taken (HelloRetryRequest, RFC 8446 section 4.1.4) is
/// signed for when it speaks again, which is on the worker's own thread: rustls does not tell
/// beforehand. Browsers and libraries offer one that is taken; who does not on purpose pays with a
/// round trip for each.
async fn finish(
    start: StartHandshake<TcpStream>,
    config: Arc<ServerConfig>,
    heavy: bool,
) -> io::Result<TlsStream<TcpStream>> {
    if !heavy {
        return start.into_stream(config).await;
    }
    aside(move || start.into_stream(config)).await?.await
}

/// So many handshakes of a worker sign at the same time. There are about as many workers as cores,
/// so that all cores are busy with that; more of them would only take the threads by which files
/// are read.
const SIGNING: usize = 2;

/// Does something that takes its time on another thread; waits for its turn.
///
/// # Errors
/// It panicked, or the worker ends.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
    thread_local! {
        static TURNS: Arc<Semaphore> = Arc::new(Semaphore::new(SIGNING));
    }
    let turn = TURNS.with(Arc::clone).acquire_owned().await;
    let turn = turn.map_err(io::Error::other)?;
    let working = tokio::task::spawn_blocking(move || {
        let done = work();
        // Not before, also when nobody waits for it any more.
        drop(turn);
        done
    });
    working.await.map_err(io::Error::other)
}

/// Why a handshake failed, as the metric has it.
fn reason(error: &io::Error) -> &'static str {
    use rustls::Error;
    let Some(inner) = error.get_ref() else {
        return "closed";
    };
    match inner.downcast_ref::<Error>() {
        Some(Error::AlertReceived(_)) => "client_alert",
        Some(Error::NoCertificatesPresented) => "no_client_certificate",
        Some(Error::InvalidCertificate(_)) => "client_certificate",
        Some(Error::PeerIncompatible(_)) => "incompatible",
        Some(_) => "protocol",
        None => "closed",
    }
}

/// For who speaks plain HTTP where TLS is spoken.
const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\n\
Content-Length: 60\r\nConnection: close\r\n\r\n\
This port speaks HTTPS. Put https:// before the address.    ";

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::sync::mpsc::channel;

    #[tokio::test]
    async fn who_signs_leaves_threads_for_others() {
        let (started, starts) = channel();
        let mut ends = Vec::new();
        let mut all = Vec::new();
        for n in 0..20 {
            let (end, ended) = channel::<()>();
            let started = started.clone();
            all.push(Box::pin(aside(move || {
                started.send(n).unwrap();
                // The other end is dropped.
                let _ = ended.recv();
            })));
            ends.push(end);
        }
        assert!(all.iter_mut().all(|one| one.now_or_never().is_none()));
        let mut first: Vec<_> = starts.iter().take(SIGNING).collect();
        first.sort();
        assert_eq!(first, (0..SIGNING).collect::<Vec<_>>());
        // What else there is to do is done, by threads that no one waits for.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        assert!(all.iter_mut().all(|one| one.now_or_never().is_none()));
        assert!(starts.try_recv().is_err());
        // Who does not wait any more gives its turn away when it has ended.
        drop(all.remove(0));
        assert!(all[SIGNING - 1].as_mut().now_or_never().is_none());
        assert!(starts.try_recv().is_err());
        drop(ends);
        for one in all {
            one.await.unwrap();
        }
        assert_eq!(starts.try_iter().count(), 20 - SIGNING);
    }
}
