//! The life of one connection: request after request.

use super::client::{ClientStream, NoHead};
use crate::proxy::{Engine, Running, refuse};
use bytes::Bytes;
use pingora::apps::HttpServerApp;
use pingora::protocols::Shutdown;
use pingora::protocols::http::ServerSession;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::sync::watch;

/// Serves a connection until one side ends it. `stop` turns true when the process is ending: then
/// it is closed as soon as no request is open.
pub async fn serve(
    client: ClientStream,
    engine: Arc<Engine>,
    running: Arc<Running>,
    mut stop: watch::Receiver<bool>,
) {
    let mut client = Box::new(client);
    let mut first = true;
    loop {
        let times = running.edge.load().times;
        // A connection that never says anything is kept no longer than a slow head would be.
        let (wait, moment) = match first {
            true => (times.header, NEWCOMER),
            false => (times.keepalive, KNOWN),
        };
        first = false;
        let came = tokio::select! {
            biased;
            came = client.wait_for_request(wait) => came,
            () = over(&mut stop, moment) => false,
        };
        if !came {
            // Over TLS, a client can tell an end from a cut (RFC 8446 section 6.1).
            Shutdown::shutdown(&mut *client).await;
            return;
        }
        client = match exchange(client, &engine, &running, &stop, Instant::now()).await {
            Some(client) => client,
            None => return,
        };
        if *stop.borrow() {
            return;
        }
    }
}

/// Serves one request, whose first bytes are there. The connection, when another may follow.
pub async fn exchange(
    mut client: Box<ClientStream>,
    engine: &Arc<Engine>,
    running: &Running,
    stop: &watch::Receiver<bool>,
    began: Instant,
) -> Option<Box<ClientStream>> {
    // Those in force now: the connection may have waited over a reload.
    let (limits, times) = {
        let edge = running.edge.load();
        (edge.limits, edge.times)
    };
    let head = match client.read_head(&limits, times).await {
        Ok(head) => head,
        Err(NoHead::Closed) => return None,
        Err(NoHead::Fault(fault)) => {
            let answer = refuse(running, client.connection(), fault, began.elapsed());
            close_with(&mut client, answer).await;
            return None;
        }
    };
    let mut session = ServerSession::new_http1(client);
    session.set_pipelined_prefix(head);
    let reused = engine.process_new_http(session, stop).await?;
    let (stream, _) = reused.consume();
    stream.into_any().downcast::<ClientStream>().ok()
}

/// How long a request is still waited for when the process is ending. Clients have seen their
/// connections come about: a first request may be on its way, and few clients send it again when
/// it is lost.
pub const NEWCOMER: Duration = Duration::from_secs(1);
/// The same for later requests. Those that have arrived are in the socket, which is looked at in
/// this time; those on their way clients send again, for any server may close a kept connection.
const KNOWN: Duration = Duration::from_millis(50);

/// Returns a moment after the process was told to end.
pub async fn over(stop: &mut watch::Receiver<bool>, moment: Duration) {
    super::stopped(stop).await;
    tokio::time::sleep(moment).await;
}

/// Sends the last answer of a connection. The client may still be sending: the stream is closed
/// slowly when it is dropped.
async fn close_with(client: &mut ClientStream, answer: Bytes) {
    client.abandon_request();
    // A client that does not take it has gone.
    let _ = client.write_all(&answer).await;
    let _ = client.flush().await;
}
