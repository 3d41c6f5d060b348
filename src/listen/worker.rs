//! A worker: one thread, its own runtime, its own sockets, its own pool of server connections.

use super::client::ClientStream;
use super::connection::serve;
use crate::observe::{FLUSH_EVERY, Held};
use crate::proxy::{Connection, Engine, Running, engine};
use crate::upstream::pool;
use crate::wire::Exchange;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Serves `sockets` (by their configured addresses) until `stop` turns true, then lets open
/// requests end for at most the configured time.
///
/// # Errors
/// No runtime could be made, or a socket not be used.
pub fn run(
    sockets: Vec<(SocketAddr, TcpListener)>,
    running: Arc<Running>,
    stop: watch::Receiver<bool>,
) -> io::Result<()> {
    // A connection is served where it was accepted: work that hops between threads costs a
    // quarter of everything.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let engine = engine(running.clone()).ok_or(io::ErrorKind::Other)?;
        let mut accepting = JoinSet::new();
        for (listener, socket) in sockets {
            let socket = tokio::net::TcpListener::from_std(socket)?;
            let acceptor = Acceptor {
                listener,
                engine: engine.clone(),
                running: running.clone(),
                stop: stop.clone(),
            };
            accepting.spawn(acceptor.run(socket));
        }
        let mut ticks = tokio::time::interval(FLUSH_EVERY);
        let mut sweeps = tokio::time::interval(pool::SWEEP_EVERY);
        loop {
            tokio::select! {
                ended = accepting.join_next() => if ended.is_none() { break },
                _ = ticks.tick() => running.logbook.flush(),
                _ = sweeps.tick() => pool::sweep(),
            }
        }
        running.logbook.flush();
        pool::clear();
        Ok(())
    })
}

struct Acceptor {
    listener: SocketAddr,
    engine: Arc<Engine>,
    running: Arc<Running>,
    stop: watch::Receiver<bool>,
}

impl Acceptor {
    async fn run(self, socket: tokio::net::TcpListener) {
        let mut open = JoinSet::new();
        let mut stop = self.stop.clone();
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
        // Clients whose connections the kernel has completed already are served, not reset.
        while let Some(Ok((stream, peer))) = futures_util::FutureExt::now_or_never(socket.accept())
        {
            self.begin(&mut open, stream, peer);
        }
        drop(socket);
        let grace = self.running.edge.load().shutdown_grace;
        let ended = async { while open.join_next().await.is_some() {} };
        if tokio::time::timeout(grace, ended).await.is_err() {
            open.shutdown().await;
        }
    }

    fn begin(&self, open: &mut JoinSet<()>, stream: tokio::net::TcpStream, peer: SocketAddr) {
        // Answers are written whole or in large pieces; waiting to fill a segment only delays them.
        if stream.set_nodelay(true).is_err() {
            return;
        }
        self.running.metrics.connections_accepted.inc();
        let held = Held::new(&self.running.metrics.connections_open);
        let connection = Arc::new(Connection {
            listener: self.listener,
            peer: peer.ip(),
            tls: false,
            exchange: Arc::new(Exchange::default()),
        });
        let times = self.running.edge.load().times;
        let client = ClientStream::new(stream, connection, times, held);
        open.spawn(serve(
            client,
            self.engine.clone(),
            self.running.clone(),
            self.stop.clone(),
        ));
    }

    /// A connection that broke before it was accepted is no news; a process out of file
    /// descriptors is, and waits a little instead of spinning.
    async fn failed(&self, error: &io::Error) {
        use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
        self.running.metrics.connections_failed.inc();
        if !matches!(
            error.kind(),
            ConnectionAborted | ConnectionReset | Interrupted
        ) {
            tracing::error!(%error, listener = %self.listener, "cannot accept connections");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
