//! `parvis run`: the process from its start to its end.

use super::{ConfigFile, Failure, files};
use crate::admin::{Interface, Listener, Reloader, remind, serve, watch};
use crate::edge::Edge;
use crate::listen::{self, Bound};
use crate::observe::settings::{Destination, Level};
use crate::observe::{Logbook, Metrics, Verbosity, open_file};
use crate::proxy::Running;
use crate::visits::{Recorder, Tallies};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// How long the last lines of the access log may take to be written.
const LAST_LINES: Duration = Duration::from_secs(5);
/// How long the last visits may take to be delivered; what is not waits on disk for the next start.
const LAST_VISITS: Duration = Duration::from_secs(5);
/// The same when the process is told twice to end.
const LAST_LINES_AT_ONCE: Duration = Duration::from_millis(200);

/// Serves the sites of a configuration until it is told to stop.
pub fn run(file: &ConfigFile) -> Result<(), Failure> {
    let path = files::choose(file)?;
    raise_descriptors();
    let began = Instant::now();
    let (edge, warnings) = files::load_with_warnings(&path)?;
    let verbosity = crate::observe::start(edge.log.level);
    crate::admin::warn(&warnings);
    let process = Process::prepare(edge, verbosity)?;
    process.serve(Some(path), began.elapsed(), std::future::pending(), |_| {})
}

/// Lets the process have as many descriptors as it may: the lower limit is for programs that cannot
/// handle large numbers.
fn raise_descriptors() {
    if let Ok((now, most)) = getrlimit(Resource::RLIMIT_NOFILE)
        && now < most
    {
        // With fewer it works too, for fewer clients.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}

/// A process that has its sockets, and serves nobody yet.
pub struct Process {
    running: Arc<Running>,
    bound: Vec<Bound>,
    admin: Option<std::net::TcpListener>,
    verbosity: Verbosity,
    workers: usize,
}

impl Process {
    /// Binds every socket: what cannot be bound ends the process before it serves anybody.
    pub fn prepare(edge: Edge, verbosity: Verbosity) -> Result<Self, Failure> {
        let workers = match edge.fixed.threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            n => n,
        };
        let mut bound = Vec::new();
        for address in edge.listeners() {
            bound.push(
                listen::bind(*address, workers).map_err(|error| cannot_listen(*address, &error))?,
            );
        }
        let admin = match edge.fixed.admin {
            Some(address) => {
                Some(bind_admin(address).map_err(|error| cannot_listen(address, &error))?)
            }
            None => None,
        };
        if let Destination::File(path) = &edge.log.access {
            open_file(path).map_err(|error| {
                Failure::Work(format!(
                    "error: the access log {} cannot be written: {error}",
                    path.display()
                ))
            })?;
        }
        let failed = |error: &dyn std::fmt::Display| Failure::Work(format!("error: {error}"));
        let metrics = Arc::new(Metrics::new().map_err(|error| failed(&error))?);
        let logbook =
            Logbook::start(metrics.log_dropped.clone()).map_err(|error| failed(&error))?;
        let recorder = Recorder::start(Tallies {
            recorded: metrics.visits_recorded.clone(),
            skipped: metrics.visits_skipped.clone(),
            dropped: metrics.visits_dropped.clone(),
        })
        .map_err(|error| failed(&error))?;
        recorder
            .apply(edge.visits.clone())
            .map_err(|error| Failure::Work(format!("error: {error}")))?;
        let running = Arc::new(Running::new(edge, metrics, logbook, recorder));
        running.look_after_certificates();
        Ok(Process {
            running,
            bound,
            admin,
            verbosity,
            workers,
        })
    }

    /// Where clients are listened for.
    pub fn listeners(&self) -> Vec<Listener> {
        let listener = |b: &Bound| Listener {
            configured: b.configured,
            address: b.actual,
        };
        self.bound.iter().map(listener).collect()
    }

    /// Where the operator is.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref()?.local_addr().ok()
    }

    /// Serves until a signal, or until `over` is ready. `ready` is called once clients are served.
    pub fn serve(
        self,
        path: Option<PathBuf>,
        took: Duration,
        over: impl Future<Output = ()>,
        ready: impl FnOnce(&[Listener]),
    ) -> Result<(), Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::Work(format!("error: {error}")))?;
        let running = self.running.clone();
        let result = runtime.block_on(self.control(path, took, over, ready));
        // A look-up that hangs is not waited for.
        runtime.shutdown_background();
        running.recorder.end(LAST_VISITS);
        running.logbook.end(LAST_LINES);
        result.map_err(|error| Failure::Work(format!("error: {error}")))
    }

    async fn control(
        self,
        path: Option<PathBuf>,
        took: Duration,
        over: impl Future<Output = ()>,
        ready: impl FnOnce(&[Listener]),
    ) -> std::io::Result<()> {
        let mut signals = Signals::listen()?;
        let listeners = self.listeners();
        let running = self.running;
        let reloader = Arc::new(Reloader::begin(path, running.clone(), self.verbosity, took).await);
        let mut own = JoinSet::new();
        let issuing = running.clone();
        own.spawn(async move { issuing.issuer.run().await });
        own.spawn(remind(running.clone()));
        if reloader.path().is_some() {
            own.spawn(watch(reloader.clone(), running.clone()));
        }
        if let Some(admin) = self.admin {
            let address = admin.local_addr()?;
            let interface = Interface {
                running: running.clone(),
                reloader: reloader.clone(),
                listeners: listeners.clone(),
                started: Instant::now(),
            };
            own.spawn(serve(
                Arc::new(interface),
                tokio::net::TcpListener::from_std(admin)?,
            ));
            tracing::info!(%address, "admin interface");
        }
        let (stop, stopping) = watch::channel(false);
        let workers = listen::start(self.bound, self.workers, &running, &stopping)?;
        for listener in &listeners {
            tracing::info!(address = %listener.address, "listening");
        }
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            workers = workers.len(),
            "parvis is serving"
        );
        ready(&listeners);
        let mut ended = JoinSet::new();
        for worker in workers {
            ended.spawn_blocking(move || worker.join());
        }
        let failed = tokio::select! {
            () = signals.until_end(&reloader, &running) => false,
            () = over => false,
            _ = ended.join_next() => true,
        };
        running.stop();
        let _ = stop.send(true);
        if failed {
            return Err(std::io::Error::other(
                "a worker ended by itself; see the log",
            ));
        }
        tracing::info!(grace = ?running.edge.load().shutdown_grace, "stopping: open requests may end");
        tokio::select! {
            () = async { while ended.join_next().await.is_some() {} } => tracing::info!("stopped"),
            () = signals.end_again() => {
                tracing::warn!("told again: stopping at once");
                running.recorder.end(LAST_LINES_AT_ONCE);
                running.logbook.end(LAST_LINES_AT_ONCE);
                std::process::exit(0);
            }
        }
        Ok(())
    }
}

/// The signals that mean something to the process.
struct Signals {
    hang_up: Signal,
    reopen: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Self> {
        Ok(Signals {
            hang_up: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Acts on signals until one says to end.
    async fn until_end(&mut self, reloader: &Reloader, running: &Running) {
        loop {
            tokio::select! {
                _ = self.hang_up.recv() => {
                    tokio::select! {
                        // Its mistakes are in the log.
                        _ = reloader.reload("SIGHUP") => {}
                        // A disk or a server that hangs holds up the reload, not the end.
                        _ = self.terminate.recv() => return,
                        _ = self.interrupt.recv() => return,
                    }
                }
                _ = self.reopen.recv() => {
                    running.logbook.reopen();
                    tracing::info!("access log opened again");
                }
                _ = self.terminate.recv() => return,
                _ = self.interrupt.recv() => return,
            }
        }
    }

    async fn end_again(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

fn bind_admin(address: SocketAddr) -> std::io::Result<std::net::TcpListener> {
    let bound = listen::bind(address, 1)?;
    bound
        .sockets
        .into_iter()
        .next()
        .ok_or_else(|| std::io::ErrorKind::AddrNotAvailable.into())
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> Failure {
    let help = match error.kind() {
        std::io::ErrorKind::AddrInUse => {
            format!(
                "another program listens there: `ss -ltnp 'sport = :{}'` tells which",
                address.port()
            )
        }
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the right to bind them: setcap cap_net_bind_service=+ep on the \
             binary, or AmbientCapabilities=CAP_NET_BIND_SERVICE in a systemd unit"
                .to_string()
        }
        std::io::ErrorKind::AddrNotAvailable => {
            "no interface of this machine has that address".to_string()
        }
        _ => "check the address in the configuration".to_string(),
    };
    Failure::Work(format!(
        "error: cannot listen on {address}: {error}\nhelp: {help}"
    ))
}

/// The log of a process without a configuration of its own.
pub fn quiet() -> Verbosity {
    crate::observe::start(Level::Warn)
}
