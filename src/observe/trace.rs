//! parvis's own log, on standard error.

use super::settings::Level;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

/// Changes how much is said while the process runs.
#[derive(Debug, Clone)]
pub struct Verbosity {
    handle: reload::Handle<Targets, Registry>,
}

impl Verbosity {
    /// From here on, this much.
    pub fn set(&self, level: Level) {
        // It fails only when the log is gone, at the end of the process.
        let _ = self.handle.reload(targets(level));
    }
}

/// Starts the log. Time stamps are UTC.
pub fn start(level: Level) -> Verbosity {
    let (filter, handle) = reload::Layer::new(targets(level));
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(colours());
    // A second start in one process (tests) keeps the first.
    let _ = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .try_init();
    Verbosity { handle }
}

fn colours() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

fn targets(level: Level) -> Targets {
    let filter = match level {
        Level::Error => LevelFilter::ERROR,
        Level::Warn => LevelFilter::WARN,
        Level::Info => LevelFilter::INFO,
        Level::Debug => LevelFilter::DEBUG,
        Level::Trace => LevelFilter::TRACE,
    };
    // pingora speaks to another log, which is not connected: it reports every client that goes
    // away, quotes whole heads, cookies included, and at its most talkative it unwraps what came
    // from the network. What matters of it, `proxy` says itself.
    Targets::new().with_default(filter)
}
