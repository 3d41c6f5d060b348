//! A worker: one thread, its own runtime, its own sockets, its own pool of server connections.

use super::http2::Service;
use super::newcomer::{Newcomer, receive};
use crate::observe::{FLUSH_EVERY, Held};
use crate::proxy::{Running, engine};
use crate::upstream::pool;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves `sockets` (by their configured addresses) until `stop` turns true, then lets open
/// requests end for at most the configured time. Tells `ready` when it begins to serve.
///
/// # Errors
/// No runtime could be made, or a socket not be used.
pub fn run(
    sockets: Vec<(SocketAddr, TcpListener)>,
    running: Arc<Running>,
    stop: watch::Receiver<bool>,
    ready: Sender<()>,
) -> io::Result<()> {
    // A connection is served where it was accepted: work that hops between threads costs a
    // quarter of everything.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // They wait for disks; more of them would only queue there.
        .max_blocking_threads(BLOCKING_THREADS)
        .build()?;
    runtime.block_on(async {
        let engine = engine(running.clone()).ok_or(io::ErrorKind::Other)?;
        let mut accepting = JoinSet::new();
        for (listener, socket) in sockets {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let acceptor = Acceptor {
                listener,
                service: Service {
                    engine: engine.clone(),
                    running: running.clone(),
                    stop: stop.clone(),
                },
            };
            accepting.spawn(acceptor.run(socket));
        }
        // Whoever waited for it may have given up; that is no reason not to serve.
        let _ = ready.send(());
        drop(ready);
        let mut ticks = tokio::time::interval(FLUSH_EVERY);
        let mut sweeps = tokio::time::interval(pool::SWEEP_EVERY);
        loop {
            tokio::select! {
                ended = accepting.join_next() => if ended.is_none() { break },
                _ = ticks.tick() => {
                    running.logbook.flush();
                    running.recorder.flush();
                }
                _ = sweeps.tick() => pool::sweep(),
            }
        }
        running.logbook.flush();
        running.recorder.flush();
        pool::clear();
        Ok(())
    })
}

/// Threads for what may wait for a disk or takes its time, beside the worker's own.
const BLOCKING_THREADS: usize = 16;

/// How long connections that were cut off may take to write their lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Waits until all have ended, for at most `limit`: whether they have.
async fn all_end(open: &mut JoinSet<()>, limit: Duration) -> bool {
    let ended = async { while open.join_next().await.is_some() {} };
    tokio::time::timeout(limit, ended).await.is_ok()
}

/// Whether it was a connection that broke before it was accepted, not the socket.
fn broke(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

struct Acceptor {
    listener: SocketAddr,
    service: Service,
}

impl Acceptor {
    async fn run(self, socket: tokio::net::TcpListener) {
        let mut open = JoinSet::new();
        let mut stop = self.service.stop.clone();
        loop {
            tokio::select! {
                accepted = socket.accept() => match accepted {
                    Ok((stream, peer)) => self.begin(&mut open, stream, peer),
                    Err(error) => self.failed(&error).await,
                },
                Some(_) = open.join_next() => {}
                () = super::stopped(&mut stop) => break,
            }
        }
        self.empty(socket, &mut open);
        let grace = self.service.running.edge.load().shutdown_grace;
        if !all_end(&mut open, grace).await {
            super::open::end_all();
            all_end(&mut open, LAST_WORDS).await;
            open.shutdown().await;
        }
    }

    /// Clients whose connections the kernel has completed already are served, not reset. The
    /// runtime may not know of them yet, so the socket itself is asked.
    fn empty(&self, socket: tokio::net::TcpListener, open: &mut JoinSet<()>) {
        let Ok(socket) = socket.into_std() else {
            return;
        };
        loop {
            let (stream, peer) = match socket.accept() {
                Ok(accepted) => accepted,
                Err(error) if broke(&error) => continue,
                Err(_) => return,
            };
            let stream = stream.set_nonblocking(true).map(|()| stream);
            if let Ok(stream) = stream.and_then(tokio::net::TcpStream::from_std) {
                self.begin(open, stream, peer);
            }
        }
    }

    fn begin(&self, open: &mut JoinSet<()>, stream: tokio::net::TcpStream, peer: SocketAddr) {
        // Answers are written whole or in large pieces; waiting to fill a segment only delays them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        self.service.running.metrics.connections_accepted.inc();
        let newcomer = Newcomer {
            stream,
            peer,
            listener: self.listener,
            held: Held::new(&self.service.running.metrics.connections_open),
        };
        open.spawn(receive(newcomer, self.service.clone()));
    }

    /// A connection that broke before it was accepted is no news; a process out of file
    /// descriptors is, and waits a little instead of spinning.
    async fn failed(&self, error: &io::Error) {
        self.service.running.metrics.connections_failed.inc();
        if !broke(error) {
            tracing::error!(%error, listener = %self.listener, "cannot accept connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
