//! The connections of one worker to servers that speak HTTP/2.
//!
//! A worker is one thread, so they are its own, as the idle ones of HTTP/1 are. A connection takes
//! requests as long as the server allows more at a time; then another is opened, as many as it takes,
//! which for HTTP/1 would be one per request.

use super::link::{Link, Place, Unopened};
use super::stream::AppStream;
use crate::upstream::socket::Socket;
use pingora::protocols::l4::socket::SocketAddr;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::ReadBuf;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

#[derive(Default)]
struct Server {
    links: Vec<Arc<Link>>,
    /// Held while a connection is made: requests that come meanwhile wait for it, and share it.
    opening: Arc<Mutex<()>>,
}

#[derive(Default)]
struct Links {
    servers: HashMap<SocketAddr, Server>,
    /// What drives the connections. A connection ends when nobody needs it; all end with the worker.
    drivers: JoinSet<()>,
}

thread_local! {
    static LINKS: RefCell<Links> = RefCell::default();
}

/// A place on a connection to this server; on a new one, which `connect` makes, when there is none.
///
/// # Errors
/// No connection can be made, or it does not speak HTTP/2.
pub async fn acquire(
    server: &SocketAddr,
    keep: Duration,
    connect: impl Future<Output = io::Result<Socket>>,
) -> io::Result<Place> {
    let opening = match enter(server) {
        Ok(place) => return Ok(place),
        Err(opening) => opening,
    };
    let _turn = opening.lock().await;
    // Others may have opened one meanwhile.
    if let Ok(place) = enter(server) {
        return Ok(place);
    }
    let socket = connect.await?;
    let fd = socket.fd();
    let opened = Link::open(socket, fd, keep).await;
    let (link, driver) = opened
        .map_err(|error: Unopened| io::Error::new(io::ErrorKind::InvalidData, error.to_string()))?;
    let place = link.enter(Instant::now());
    LINKS.with_borrow_mut(|all| {
        all.drivers.spawn(driver);
        let known = all.servers.entry(server.clone()).or_default();
        known.links.push(link);
    });
    place.ok_or_else(|| io::ErrorKind::ConnectionAborted.into())
}

/// A place on a connection that is there, or the turn to open one.
fn enter(server: &SocketAddr) -> Result<Place, Arc<Mutex<()>>> {
    LINKS.with_borrow_mut(|all| {
        let now = Instant::now();
        if !all.servers.contains_key(server) {
            all.servers.insert(server.clone(), Server::default());
        }
        let Some(known) = all.servers.get_mut(server) else {
            return Err(Arc::default());
        };
        // The first that has room: so the last ones become idle, and go, when there is less to do.
        match known.links.iter().find_map(|link| link.enter(now)) {
            Some(place) => Ok(place),
            None => Err(known.opening.clone()),
        }
    })
}

/// An exchange is over. Many apps say that in a frame of its own, behind an answer of which all was
/// there: it is waited for, for a stream that is dropped before would be taken back, which they would
/// take for a client that broke off.
pub fn see_off(mut stream: Box<AppStream>) {
    if stream.is_over() {
        return;
    }
    let last = async move {
        let mut space = [0; 1024];
        loop {
            let mut buf = ReadBuf::new(&mut space);
            let read = poll_fn(|cx| stream.poll_read(cx, &mut buf)).await;
            if read.is_err() || buf.filled().is_empty() || stream.is_over() {
                return;
            }
        }
    };
    LINKS.with_borrow_mut(|all| {
        all.drivers.spawn(async {
            let _ = tokio::time::timeout(LAST_FRAME, last).await;
        });
    });
}

/// How long the last frame of an answer is waited for.
const LAST_FRAME: Duration = Duration::from_secs(2);

/// Lets go of connections that take no more requests. Those that have some end with the last.
pub fn sweep() {
    LINKS.with_borrow_mut(|all| {
        let now = Instant::now();
        all.servers.retain(|_, server| {
            server.links.retain(|link| link.is_open(now));
            !server.links.is_empty() || Arc::strong_count(&server.opening) > 1
        });
        while all.drivers.try_join_next().is_some() {}
    });
}

/// Ends all, before the worker's runtime ends.
pub fn clear() {
    LINKS.take();
}
