//! A policy at work: the spool, the sinks, and what the worker knows.

use super::agent::Agents;
use super::enrich::Enricher;
use super::geo::Atlas;
use super::guest::Skip;
use super::policy::VisitsPolicy;
use super::recorder::Tallies;
use super::redis::{self, RedisPolicy, RedisSink};
use super::sighting::Sighting;
use super::sink::SinkCounters;
use super::spool::{Batch, Counts, Spool};
use super::statistics::Date;
use super::statistics::api::Desk;
use super::store::{self, Store, StorePolicy, StoreSink};
use super::visit::micros;
use super::visitor::{DayKeys, Sessions};
use super::watching::Watching;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The file of the days' keys, in the spool's directory.
const KEYS: &str = "visitor.keys";

/// Days are over this long after midnight: what was seen before it has been taken in by then.
const AFTER_MIDNIGHT: Duration = Duration::from_secs(60);

/// A policy at work.
#[derive(Debug)]
pub struct Pipeline {
    policy: Arc<VisitsPolicy>,
    spool: Arc<Spool>,
    sinks: Sinks,
    atlas: Atlas,
    /// What is wrong with the atlas, for those who look from outside.
    trouble: Arc<Mutex<Option<String>>>,
    enricher: Enricher,
    batch: Batch,
    /// Whether a warning about what waits is out.
    warned: bool,
}

impl Pipeline {
    /// Opens everything.
    ///
    /// # Errors
    /// What cannot be used, and what to do.
    pub fn begin(policy: &Arc<VisitsPolicy>) -> Result<Self, String> {
        let atlas = Atlas::open(policy.geo.clone()).map_err(|error| error.to_string())?;
        let spool = open_spool(policy)?;
        let mut sinks = Sinks::default();
        sinks.change(policy, &spool, true)?;
        let mut keys = DayKeys::open(policy.spool.join(KEYS));
        keys.forget_before(earliest(policy, recently()));
        Ok(Pipeline {
            enricher: Enricher {
                agents: Agents::new(),
                keys,
                sessions: Sessions::default(),
                address: policy.widest(),
            },
            policy: policy.clone(),
            spool,
            sinks,
            atlas,
            trouble: Arc::default(),
            batch: Batch::new(),
            warned: false,
        })
    }

    /// Goes on by another policy.
    ///
    /// # Errors
    /// What cannot be used, and what to do: visits then go on to where they went before.
    pub fn change(&mut self, policy: &Arc<VisitsPolicy>) -> Result<(), String> {
        if self.policy.geo != policy.geo {
            self.atlas = Atlas::open(policy.geo.clone()).map_err(|error| error.to_string())?;
        }
        if self.policy.spool == policy.spool {
            self.spool.bound(policy.spool_size);
            self.sinks.change(policy, &self.spool, false)?;
        } else {
            let spool = open_spool(policy)?;
            if let Err(error) = self.sinks.change(policy, &spool, true) {
                self.sinks.change(&self.policy, &self.spool, true)?;
                return Err(error);
            }
            let old = std::mem::replace(&mut self.spool, spool);
            tell_of_left(&old.counts(), &self.policy);
            old.close();
            self.enricher.keys.move_to(policy.spool.join(KEYS));
        }
        self.enricher.address = policy.widest();
        self.policy = policy.clone();
        Ok(())
    }

    /// Takes in packed views.
    pub fn take(&mut self, policy: &VisitsPolicy, mut bytes: &[u8], tallies: &Tallies) {
        let geography = self.atlas.current().clone();
        let earliest = earliest(policy, recently());
        self.batch.clear();
        let mut recorded: BTreeMap<(u16, bool), u64> = BTreeMap::new();
        while let Some(seen) = Sighting::unpack(&mut bytes) {
            let Some(site) = policy.sites.get(usize::from(seen.site)) else {
                continue;
            };
            let batch = &mut self.batch;
            match self
                .enricher
                .enrich(&seen, site, &geography, earliest, batch)
            {
                Ok(source) => {
                    let key = (seen.site, source == super::visit::Source::App);
                    let count = recorded.entry(key).or_default();
                    *count = count.saturating_add(1);
                }
                Err(Skip::NoPage) => {}
                Err(skip) => tallies.skipped.with_label_values(&[skip.name()]).inc(),
            }
        }
        self.spool.append(&self.batch);
        for ((site, app), count) in recorded {
            let name = policy.sites.get(usize::from(site));
            let name = name.map_or("", |site| site.name.as_str());
            let source = if app { "app" } else { "web" };
            let counter = tallies.recorded.with_label_values(&[name, source]);
            counter.inc_by(count);
        }
    }

    /// Looks after what changes by itself; to be called every few seconds.
    pub fn look(&mut self) {
        self.atlas.look();
        let troubles: Vec<String> = self.atlas.troubles().map(ToString::to_string).collect();
        let trouble = (!troubles.is_empty()).then(|| troubles.join("; "));
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
        let earliest = earliest(&self.policy, recently());
        self.enricher.keys.forget_before(earliest);
        self.spool.tend();
        let counts = self.spool.counts();
        let sinks = self.sinks.counters();
        let bides = |name: &str| {
            let mut sinks = sinks.iter();
            sinks.any(|(sink, counters)| *sink == name && counters.is_biding())
        };
        let waiting = counts
            .readers
            .iter()
            .filter(|reader| !bides(&reader.name))
            .map(|reader| reader.waiting)
            .max()
            .unwrap_or(0);
        if waiting > self.policy.warn_at && !self.warned {
            self.warned = true;
            let spool_bytes = counts.bytes;
            tracing::warn!(
                waiting,
                spool_bytes,
                "visits wait to be delivered: is the database's disk or Redis away, or its list full?"
            );
        } else if waiting <= self.policy.warn_at / 2 && self.warned {
            self.warned = false;
            tracing::info!(waiting, "visits are delivered again");
        }
    }

    /// Who answers questions; `None` without a database.
    pub fn desk(&self) -> Option<Arc<Desk>> {
        self.sinks
            .store
            .as_ref()
            .map(|at_work| at_work.desk.clone())
    }

    /// What can be looked at from other threads.
    pub fn watching(&self) -> Arc<Watching> {
        Arc::new(Watching {
            spool: self.spool.clone(),
            sinks: self.sinks.counters(),
            geography: self.trouble.clone(),
        })
    }

    /// Removes what is not needed when nothing is recorded any more.
    pub fn forget(&self) {
        self.enricher.keys.remove();
    }

    /// Ends the sinks, which get `patience` for what waits.
    pub fn end(mut self, patience: Duration) {
        self.spool.close();
        self.sinks.end(patience);
    }
}

/// Opens the spool. Only its own directory is made: a path with a slip of the pen in it must not
/// make others.
fn open_spool(policy: &VisitsPolicy) -> Result<Arc<Spool>, String> {
    if let Some(above) = policy.spool.parent()
        && !above.as_os_str().is_empty()
        && !above.is_dir()
    {
        return Err(format!(
            "visits: there is no directory {}: make it, and let parvis's user write there, or name another \
             in [visits]",
            above.display()
        ));
    }
    let spool = Spool::open(&policy.spool, policy.spool_size).map_err(|error| {
        let folder = policy.spool.display();
        format!("visits: the directory {folder} cannot be used: {error}")
    })?;
    Ok(Arc::new(spool))
}

/// What lies in a spool that is left is delivered by nobody, until it is configured again.
fn tell_of_left(counts: &Counts, policy: &VisitsPolicy) {
    let waiting = counts.readers.iter().map(|reader| reader.waiting).max();
    if let Some(waiting) = waiting.filter(|waiting| *waiting > 0) {
        let spool = policy.spool.display();
        tracing::error!(
            waiting,
            %spool,
            "visits are left behind in this spool: to have them delivered, name it as `spool` in [visits]"
        );
    }
}

/// A moment ago, microseconds since the Unix epoch: what was seen by then has been taken in.
fn recently() -> i64 {
    let before = SystemTime::now().checked_sub(AFTER_MIDNIGHT);
    micros(before.unwrap_or(SystemTime::UNIX_EPOCH))
}

/// The first day that is not over anywhere, at this time.
fn earliest(policy: &VisitsPolicy, time: i64) -> Date {
    let dates = policy.sites.iter().map(|site| site.zone.place(time).0);
    dates.min().unwrap_or_default()
}

/// Where visits go.
#[derive(Debug, Default)]
struct Sinks {
    store: Option<StoreAtWork>,
    redis: Option<RedisAtWork>,
}

#[derive(Debug)]
struct StoreAtWork {
    policy: StorePolicy,
    store: Arc<Store>,
    sink: StoreSink,
    desk: Arc<Desk>,
    counters: SinkCounters,
}

#[derive(Debug)]
struct RedisAtWork {
    policy: RedisPolicy,
    sink: RedisSink,
    counters: SinkCounters,
}

impl Sinks {
    /// Exchanges the sinks that are to be others; `all`: every one, because the spool is another.
    fn change(
        &mut self,
        policy: &VisitsPolicy,
        spool: &Arc<Spool>,
        all: bool,
    ) -> Result<(), String> {
        let wanted = store_policy(policy);
        let path = |policy: &StorePolicy| policy.path.clone();
        let same =
            self.store.as_ref().map(|at_work| path(&at_work.policy)) == wanted.as_ref().map(path);
        match (&mut self.store, &wanted) {
            (Some(at_work), Some(wanted)) if same && !all => {
                at_work.store.set(wanted);
                at_work.policy = wanted.clone();
            }
            _ => self.exchange_store(wanted, spool)?,
        }
        let same = self.redis.as_ref().map(|at_work| &at_work.policy) == policy.redis.as_ref();
        if same && !all {
            return Ok(());
        }
        if let Some(at_work) = self.redis.take() {
            at_work.sink.end(Duration::ZERO);
        }
        match &policy.redis {
            None => spool.forget(redis::NAME),
            Some(policy) => self.redis = Some(RedisAtWork::start(policy, spool)?),
        }
        Ok(())
    }

    /// Ends the store, and starts the one that is wanted. When that cannot be, the one before
    /// goes on.
    fn exchange_store(
        &mut self,
        wanted: Option<StorePolicy>,
        spool: &Arc<Spool>,
    ) -> Result<(), String> {
        let before = self.store.take().map(|at_work| {
            at_work.sink.end(Duration::ZERO);
            at_work.policy
        });
        let Some(wanted) = wanted else {
            spool.forget(store::NAME);
            return Ok(());
        };
        match StoreAtWork::start(wanted, spool) {
            Ok(at_work) => self.store = Some(at_work),
            Err(error) => {
                let again = before.map(|before| StoreAtWork::start(before, spool));
                self.store = again
                    .transpose()
                    .map_err(|again| format!("{error}; {again}"))?;
                return Err(error);
            }
        }
        Ok(())
    }

    fn counters(&self) -> Vec<(&'static str, SinkCounters)> {
        let store = self
            .store
            .iter()
            .map(|at_work| (store::NAME, &at_work.counters));
        let redis = self
            .redis
            .iter()
            .map(|at_work| (redis::NAME, &at_work.counters));
        store
            .chain(redis)
            .map(|(name, counters)| (name, counters.clone()))
            .collect()
    }

    fn end(&mut self, patience: Duration) {
        let began = Instant::now();
        if let Some(at_work) = self.store.take() {
            at_work.sink.end(patience);
        }
        if let Some(at_work) = self.redis.take() {
            at_work.sink.end(patience.saturating_sub(began.elapsed()));
        }
    }
}

impl StoreAtWork {
    fn start(policy: StorePolicy, spool: &Arc<Spool>) -> Result<Self, String> {
        let store = Store::open(&policy).map_err(|trouble| format!("visits: {trouble}"))?;
        let store = Arc::new(store);
        let counters = SinkCounters::default();
        let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone());
        Ok(StoreAtWork {
            policy,
            desk: Arc::new(Desk::new(store.clone())),
            store,
            sink: sink.map_err(no_thread)?,
            counters,
        })
    }
}

impl RedisAtWork {
    fn start(policy: &RedisPolicy, spool: &Arc<Spool>) -> Result<Self, String> {
        let counters = SinkCounters::default();
        let sink = RedisSink::start(spool.clone(), policy.clone(), counters.clone());
        Ok(RedisAtWork {
            policy: policy.clone(),
            sink: sink.map_err(no_thread)?,
            counters,
        })
    }
}

fn no_thread(error: std::io::Error) -> String {
    format!("visits: no thread could be started: {error}")
}

fn store_policy(policy: &VisitsPolicy) -> Option<StorePolicy> {
    Some(StorePolicy {
        path: policy.store.clone()?,
        keep_raw: policy.keep_raw,
        ip: policy.ip,
        zones: policy.zones(),
    })
}
