//! A recorder at work, made from a configuration as a running parvis makes it.

use crate::traffic::Request;
use http::Method;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use parvis::edge::load_text;
use parvis::visits::{Ended, Facts, Recorder, SitePolicy, Tallies, VisitsPolicy};
use prometheus::{IntCounter, IntCounterVec, Opts};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// A recorder, and what it was told.
pub struct Recording {
    /// The recorder.
    pub recorder: Recorder,
    tallies: Tallies,
    policy: Arc<VisitsPolicy>,
    site: Arc<SitePolicy>,
    answer: HeaderMap,
}

impl Recording {
    /// Starts one with this `[visits]`, whose spool lies in `directory`.
    pub fn start(visits: &str, directory: &Path) -> Result<Self, String> {
        let spool = directory.join("spool");
        let text = format!(
            "[visits]\nspool = \"{}\"\n{visits}\n\
             [[site]]\nname = \"shop\"\nlisten = [\"127.0.0.1:8080\"]\nvisits = true\n\
             [[site.route]]\npath = \"/*\"\nrespond = {{ status = 200 }}\n",
            spool.display()
        );
        let loaded = load_text("bench", text);
        let edge = loaded
            .result
            .map_err(|errors| errors.render(&loaded.sources))?;
        let policy = edge.visits.clone().ok_or("no visits are recorded")?;
        let site = edge.sites.iter().find_map(|site| site.visits.clone());
        let counters = |name: &str, labels: &[&str]| {
            IntCounterVec::new(Opts::new(name, name), labels).map_err(|error| error.to_string())
        };
        let tallies = Tallies {
            recorded: counters("recorded", &["site", "source"])?,
            skipped: counters("skipped", &["reason"])?,
            dropped: IntCounter::new("dropped", "dropped").map_err(|error| error.to_string())?,
        };
        let recorder = Recorder::start(tallies.clone()).map_err(|error| error.to_string())?;
        recorder.apply(Some(policy.clone()))?;
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        Ok(Recording {
            recorder,
            tallies,
            policy,
            site: site.ok_or("no site is recorded")?,
            answer: HeaderMap::from_iter([(CONTENT_TYPE, html)]),
        })
    }

    /// Notes a request that was answered.
    pub fn note(&self, request: &Request<'_>) {
        let ended = Ended {
            method: &Method::GET,
            request: request.headers,
            status: 200,
            answer: &self.answer,
            known: false,
        };
        let facts = Facts {
            took: Duration::from_micros(250),
            client: Some(request.client),
            target: request.target,
        };
        self.recorder.note(&self.policy, &self.site, &ended, &facts);
    }

    /// How many were recorded so far.
    pub fn recorded(&self) -> u64 {
        self.tallies
            .recorded
            .with_label_values(&["shop", "web"])
            .get()
    }

    /// How many were lost so far: between the threads, and in the spool.
    pub fn lost(&self) -> u64 {
        let watching = self.recorder.watching();
        self.tallies.dropped.get() + watching.map_or(0, |watching| watching.now().lost)
    }

    /// How many a sink has taken so far.
    pub fn delivered(&self, sink: &str) -> u64 {
        let status = self.recorder.watching().map(|watching| watching.now());
        let sinks = status.map(|status| status.sinks).unwrap_or_default();
        let found = sinks.iter().find(|found| found.name == sink);
        found.map_or(0, |found| found.delivered)
    }
}
