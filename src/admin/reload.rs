//! A new configuration is put in force, or refused whole.

use crate::config::Sources;
use crate::edge::{self, AtStart, Edge};
use crate::observe::Verbosity;
use crate::proxy::Running;
use arc_swap::ArcSwap;
use serde::Serialize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// How long names of new servers may take to be looked up before the configuration is in force
/// without them.
const LOOKUPS: Duration = Duration::from_secs(2);

/// The result of a reload, as the operator is told it.
#[derive(Debug, Clone, Serialize)]
pub struct Reloaded {
    /// Which load is in force now.
    pub generation: u64,
    /// How long it took until it was.
    pub duration_ms: f64,
    /// What is different but takes a restart.
    pub needs_restart: Vec<String>,
    /// What could not be put in force, although the configuration is right.
    pub failed: Vec<String>,
}

/// What is remembered of the last load.
#[derive(Debug, Clone, Serialize)]
pub struct LastLoad {
    /// When, seconds since the Unix epoch.
    pub time: f64,
    /// Whether it was good.
    pub success: bool,
    /// How long it took.
    pub duration_ms: f64,
    /// What was wrong.
    pub error: Option<String>,
}

/// Puts configurations in force, one at a time, and owns the background work of the one that is.
#[derive(Debug)]
pub struct Reloader {
    /// The file; `None` for a configuration that lies in none.
    path: Option<PathBuf>,
    running: Arc<Running>,
    verbosity: Verbosity,
    at_start: AtStart,
    /// Health checks and look-ups of the generation in force; dropped, they end.
    tasks: Mutex<JoinSet<()>>,
    last: std::sync::Mutex<LastLoad>,
    /// The files that were read last, also when they were wrong.
    tried: ArcSwap<Sources>,
    /// Configurations that requests still work with. Freeing a large one takes milliseconds, which
    /// a request's thread must not spend: the last reference is always here.
    retired: std::sync::Mutex<Vec<Arc<Edge>>>,
}

impl Reloader {
    /// Begins with the configuration in force; to be called within a runtime, which then does its
    /// background work.
    pub async fn begin(
        path: Option<PathBuf>,
        running: Arc<Running>,
        verbosity: Verbosity,
        took: Duration,
    ) -> Self {
        let edge = running.edge.load_full();
        let last = LastLoad {
            time: now(),
            success: true,
            duration_ms: ms(took),
            error: None,
        };
        let reloader = Reloader {
            path,
            verbosity,
            at_start: edge.fixed.clone(),
            tasks: Mutex::new(JoinSet::new()),
            last: std::sync::Mutex::new(last.clone()),
            tried: ArcSwap::new(edge.sources.clone()),
            retired: std::sync::Mutex::default(),
            running,
        };
        look_up(edge.clone()).await;
        *reloader.tasks.lock().await = tasks(&edge);
        reloader.running.logbook.open(edge.log.access.clone());
        reloader.note(&edge, last);
        reloader
    }

    /// The file that is loaded.
    pub fn path(&self) -> Option<&PathBuf> {
        self.path.as_ref()
    }

    /// What is remembered of the last load.
    pub fn last(&self) -> LastLoad {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// The files that were read last, also when they were wrong.
    pub fn tried(&self) -> Arc<Sources> {
        self.tried.load_full()
    }

    /// Loads the files again and puts them in force. `why` is for the log.
    ///
    /// # Errors
    /// All mistakes, as text; the configuration in force stays.
    pub async fn reload(&self, why: &str) -> Result<Reloaded, String> {
        let Some(path) = self.path.clone() else {
            return Err(
                "this configuration lies in no file: there is nothing to load again".into(),
            );
        };
        // One at a time: a second reload waits, and then loads what the files are by then.
        let mut current = self.tasks.lock().await;
        let began = Instant::now();
        let before = self.running.edge.load_full();
        let known = before.clone();
        let loading = tokio::task::spawn_blocking(move || edge::load(&path, Some(&known)));
        let loaded = loading
            .await
            .map_err(|error| format!("loading failed: {error}"))?;
        self.tried.store(loaded.sources.clone());
        let edge = match loaded.result {
            Ok(edge) => Arc::new(edge),
            Err(errors) => {
                let text = errors.render(&loaded.sources);
                tracing::error!(why, "the configuration was not reloaded:\n{text}");
                let error = Some(text.clone());
                let took = ms(began.elapsed());
                self.note(
                    &before,
                    LastLoad {
                        time: now(),
                        success: false,
                        duration_ms: took,
                        error,
                    },
                );
                return Err(text);
            }
        };
        warn(&loaded.warnings);
        look_up(edge.clone()).await;
        let fresh = tasks(&edge);
        self.running.edge.store(edge.clone());
        self.running.look_after_certificates();
        self.retire(before);
        *current = fresh;
        let took = began.elapsed();
        self.running.metrics.forget_servers();
        self.running.logbook.open(edge.log.access.clone());
        let failed: Vec<String> = self.record(&edge).await.into_iter().collect();
        self.verbosity.set(edge.log.level);
        let needs_restart = self.at_start.differences(&edge.fixed);
        for difference in &needs_restart {
            tracing::warn!(
                difference,
                "this takes a restart; the rest of the configuration applies"
            );
        }
        tracing::info!(
            why,
            generation = edge.generation,
            ms = ms(took),
            "configuration reloaded"
        );
        self.note(
            &edge,
            LastLoad {
                time: now(),
                success: failed.is_empty(),
                duration_ms: ms(took),
                error: failed.first().cloned(),
            },
        );
        Ok(Reloaded {
            generation: edge.generation,
            duration_ms: ms(took),
            needs_restart,
            failed,
        })
    }

    /// Records visits as this configuration says, or tells why they cannot be: a file that cannot be
    /// used. The rest of the configuration is in force all the same.
    async fn record(&self, edge: &Edge) -> Option<String> {
        let recorder = &self.running.recorder;
        if edge.visits.is_none() && recorder.is_idle() {
            return None;
        }
        let (running, visits) = (self.running.clone(), edge.visits.clone());
        let applied = tokio::task::spawn_blocking(move || running.recorder.apply(visits));
        let error = match applied.await {
            Ok(applied) => applied.err()?,
            Err(error) => error.to_string(),
        };
        let becomes = match self.running.recorder.watching() {
            Some(_) => "visits go on to where they went before",
            None => "no visit is recorded",
        };
        let error = format!("{error}; {becomes}");
        tracing::error!("{error}");
        Some(error)
    }

    /// Frees configurations that no request works with any more; to be called now and then.
    pub fn free_retired(&self) {
        let mut retired = self
            .retired
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        retired.retain(|edge| Arc::strong_count(edge) > 1);
    }

    fn retire(&self, edge: Arc<Edge>) {
        self.retired
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(edge);
    }

    fn note(&self, edge: &Edge, last: LastLoad) {
        let metrics = &self.running.metrics;
        metrics
            .config_generation
            .set(i64::try_from(edge.generation).unwrap_or(i64::MAX));
        metrics.config_reload_time.set(last.time);
        metrics.config_reload_seconds.set(last.duration_ms / 1000.0);
        metrics.config_reload_success.set(i64::from(last.success));
        *self
            .last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = last;
    }
}

/// Logs what is worth a look in a configuration that is right.
pub fn warn(warnings: &str) {
    if !warnings.is_empty() {
        let warnings = warnings.trim_end();
        tracing::warn!("the configuration is worth a look:\n{warnings}");
    }
}

fn tasks(edge: &Edge) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    for upstream in edge.upstreams.values() {
        for task in upstream.tasks() {
            tasks.spawn(task);
        }
    }
    if let Some(media) = edge.media.clone() {
        // What is wrong with its folder is told now, and not with the first picture.
        tasks.spawn_blocking(move || drop(media.store().clone()));
    }
    tasks
}

/// Looks up the names of servers, for a while.
async fn look_up(edge: Arc<Edge>) {
    if !edge.upstreams.values().any(|upstream| upstream.has_names()) {
        return;
    }
    let lookups = tokio::task::spawn_blocking(move || {
        for upstream in edge.upstreams.values() {
            upstream.resolve_now();
        }
    });
    // Names that take longer are found by the background look-ups.
    let _ = tokio::time::timeout(LOOKUPS, lookups).await;
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000_000.0).round() / 1000.0
}
