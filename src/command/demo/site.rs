//! The site that `parvis demo` stands in front of: its listener, its connections, its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::chat::Session;
use super::room::Room;
use super::routes;

/// How long requests and WebSockets that are open at the end may take to finish.
const GRACE: Duration = Duration::from_secs(1);

/// The pause after a failed `accept`. It mostly fails because the process is out of file
/// descriptors, and fails again at once until one is given back.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves the demo site until `stop` turns true, or its sender is gone.
///
/// Then it accepts no more, lets open requests end, closes the WebSockets with status 1001
/// (going away), and returns after one second at the latest; what is still open by then is cut
/// off. Nothing it started outlives it: dropping the future ends every connection too.
pub async fn serve(listener: TcpListener, mut stop: watch::Receiver<bool>) {
    let room = Room::new();
    // One task per connection, a WebSocket's included.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            stream = accept(&listener) => {
                connections.spawn(connection(stream, Arc::clone(&room), stop.clone()));
            }
            // Only to forget those that ended.
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);

    let all_ended = async { while connections.join_next().await.is_some() {} };
    if timeout(GRACE, all_ended).await.is_err() {
        connections.shutdown().await;
    }
}

/// Returns once the site is to end.
pub(super) async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error means that the sender is gone: nobody is left who could want the site.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

async fn connection(stream: TcpStream, room: Arc<Room>, mut stop: watch::Receiver<bool>) {
    // The slow answers are written a line at a time; Nagle's algorithm would hold lines back.
    // Where it cannot be turned off they merely come late.
    let _ = stream.set_nodelay(true);
    if let Some(session) = requests(stream, room, &mut stop).await {
        session.attend(&mut stop).await;
    }
}

/// Answers the requests of one connection. When the last one opened a WebSocket, that is what is
/// left.
///
/// There is no time limit for an idle connection: parvis keeps some open to reuse them, and the
/// one side that should close them is the one that knows when it needs them no more.
async fn requests(
    stream: TcpStream,
    room: Arc<Room>,
    stop: &mut watch::Receiver<bool>,
) -> Option<Session> {
    // Room for one: there is no request on a connection after the one that upgrades it.
    let (upgrade, mut upgraded) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let room = Arc::clone(&room);
        let upgrade = upgrade.clone();
        async move { Ok::<_, Infallible>(routes::answer(request, &room, &upgrade).await) }
    });
    let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection.with_upgrades());
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    // A connection that breaks is the other side's affair.
    ended.ok()?;
    upgraded.try_recv().ok()
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::time::Instant;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Sends a request, stops the site once `sign` has come back, and returns all that came and
    /// how long the site took to end.
    async fn stop_at(sign: &str, request: &str) -> Result<(String, Duration), Box<dyn Error>> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (tell, stop) = watch::channel(false);
        let client = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(request.as_bytes()).await?;
            let mut answer = Vec::new();
            while !String::from_utf8_lossy(&answer).contains(sign) {
                if stream.read_buf(&mut answer).await? == 0 {
                    break;
                }
            }
            tell.send_replace(true);
            let stopped = Instant::now();
            stream.read_to_end(&mut answer).await?;
            let answer = String::from_utf8_lossy(&answer).into_owned();
            Ok::<_, std::io::Error>((answer, stopped))
        };
        let site = async {
            serve(listener, stop).await;
            Instant::now()
        };
        let (answer, ended) = tokio::join!(client, site);
        let (answer, stopped) = answer?;
        Ok((answer, ended.saturating_duration_since(stopped)))
    }

    #[tokio::test]
    async fn an_open_request_ends_before_the_site_does() -> Result<(), Box<dyn Error>> {
        let request = "GET /events HTTP/1.1\r\nHost: demo\r\nLast-Event-ID: 8\r\n\r\n";
        let (answer, _) = stop_at("id: 9", request).await?;
        assert!(answer.contains("id: 10"), "{answer}");
        assert!(answer.ends_with("\r\n0\r\n\r\n"), "{answer}");
        Ok(())
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_cut_off() -> Result<(), Box<dyn Error>> {
        let request = "GET /events HTTP/1.1\r\nHost: demo\r\n\r\n";
        let (answer, took) = stop_at("id: 1", request).await?;
        assert!(!answer.contains("id: 10"), "{answer}");
        assert!(took >= GRACE / 2, "{took:?}");
        Ok(())
    }

    #[tokio::test]
    async fn an_idle_connection_does_not_hold_up_the_end() -> Result<(), Box<dyn Error>> {
        let request = "GET /api/time HTTP/1.1\r\nHost: demo\r\n\r\n";
        let (answer, took) = stop_at("unix_ms", request).await?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert!(took < GRACE, "{took:?}");
        Ok(())
    }

    #[tokio::test]
    async fn a_websocket_is_closed_with_1001() -> Result<(), Box<dyn Error>> {
        let request = "GET /ws/chat?name=Ada HTTP/1.1\r\nHost: demo\r\nConnection: Upgrade\r\n\
            Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        let (answer, _) = stop_at(r#""users":["Ada"]}"#, request).await?;
        assert!(answer.starts_with("HTTP/1.1 101 "), "{answer}");
        // 1001 is 0x03e9, and 0xe9 there is no UTF-8.
        assert!(
            answer.ends_with("\u{3}\u{fffd}The site is stopping"),
            "{answer}"
        );
        Ok(())
    }
}
