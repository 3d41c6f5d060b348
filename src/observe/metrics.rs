//! The one place that names the metrics.
//!
//! Label values come from the configuration only, never from a request: nobody outside can make
//! series.

use super::images::ImageMetrics;
use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    IntGaugeVec, Opts, Registry, TextEncoder,
};
use std::sync::OnceLock;

/// Seconds. From a cached answer to a report that takes its time; a bucket a doubling or so.
const SECONDS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0,
];

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    duration: HistogramVec,
    app_duration: HistogramVec,
    received: IntCounterVec,
    sent: IntCounterVec,
    /// Requests refused before they reached a site, by reason.
    pub refused: IntCounterVec,
    /// Requests being answered now.
    pub in_flight: IntGauge,
    /// Client connections open now.
    pub connections_open: IntGauge,
    /// Client connections accepted so far.
    pub connections_accepted: IntCounter,
    /// Connections that could not be accepted.
    pub connections_failed: IntCounter,
    /// Connections closed, or told so, because they were too many or said wrongly who they are for.
    connections_refused: IntCounterVec,
    tls_handshakes: IntCounterVec,
    tls_failures: IntCounterVec,
    tls_expiry: GaugeVec,
    http2_floods: IntCounterVec,
    /// Certificates that an ACME authority has issued.
    pub acme_issued: IntCounter,
    /// Certificates that it has not.
    pub acme_failed: IntCounter,
    /// Upgraded (WebSocket) connections open now.
    pub upgraded_open: IntGauge,
    compressed: IntCounterVec,
    /// Bytes of files kept in memory, as they count against their room.
    pub files_memory: IntGauge,
    /// Bytes of apps' answers kept in memory, as they count against their room.
    pub answers_memory: IntGauge,
    upstream_errors: IntCounterVec,
    upstream_up: IntGaugeVec,
    /// Which load of the configuration is running, from 1.
    pub config_generation: IntGauge,
    /// When the configuration was last loaded or tried to be, seconds since the Unix epoch.
    pub config_reload_time: Gauge,
    /// How long the last load took until it was in force.
    pub config_reload_seconds: Gauge,
    /// 1 when the last load was good, 0 when it was refused.
    pub config_reload_success: IntGauge,
    /// Lines of the access log that were dropped because its writer could not keep up.
    pub log_dropped: IntCounter,
    /// What becomes of page views, by site and source, and by why they are not recorded.
    pub visits_recorded: IntCounterVec,
    /// Page views that are not recorded, by reason.
    pub visits_skipped: IntCounterVec,
    /// Page views lost because they could not be taken in fast enough.
    pub visits_dropped: IntCounter,
    /// Visits lost because more waited than there is room for.
    pub visits_lost: IntCounter,
    /// Bytes of visits on disk.
    pub visits_spool: IntGauge,
    visits_waiting: IntGaugeVec,
    visits_delivered: IntCounterVec,
    visits_failures: IntCounterVec,
    visits_up: IntGaugeVec,
    visits_trimmed: IntCounterVec,
    visits_length: IntGaugeVec,
    /// Variants of pictures.
    pub images: ImageMetrics,
}

impl Metrics {
    /// Registers all metrics.
    ///
    /// # Errors
    /// Two metrics of one name: a mistake in this file.
    pub fn new() -> prometheus::Result<Self> {
        let registry = Registry::new();
        let keep = Keep {
            registry: &registry,
        };
        let route = &["site", "route"];
        let metrics = Metrics {
            requests: keep.counters(
                "parvis_requests_total",
                "Requests answered.",
                &["site", "route", "method", "status"],
            )?,
            duration: keep.histograms(
                "parvis_request_duration_seconds",
                "From a request's head to the end of its answer.",
                route,
            )?,
            app_duration: keep.histograms(
                "parvis_upstream_duration_seconds",
                "From passing a request on to the head of the app's answer.",
                route,
            )?,
            received: keep.counters(
                "parvis_received_bytes_total",
                "Bytes of requests, heads and framing included.",
                route,
            )?,
            sent: keep.counters(
                "parvis_sent_bytes_total",
                "Bytes of answers, heads and framing included.",
                route,
            )?,
            refused: keep.counters(
                "parvis_refused_requests_total",
                "Requests refused before they reached a site.",
                &["reason"],
            )?,
            in_flight: keep.gauge("parvis_requests_in_flight", "Requests being answered.")?,
            connections_open: keep.gauge("parvis_connections_open", "Client connections open.")?,
            connections_accepted: keep.counter(
                "parvis_connections_accepted_total",
                "Client connections accepted.",
            )?,
            connections_failed: keep.counter(
                "parvis_connections_failed_total",
                "Client connections that could not be accepted.",
            )?,
            connections_refused: keep.counters(
                "parvis_connections_refused_total",
                "Connections closed or answered 503 because there were too many, or because their \
                 PROXY protocol was wrong.",
                &["reason"],
            )?,
            tls_handshakes: keep.counters(
                "parvis_tls_handshakes_total",
                "TLS handshakes, by version and by whether the client came back with a ticket.",
                &["version", "resumed"],
            )?,
            tls_failures: keep.counters(
                "parvis_tls_handshake_failures_total",
                "TLS handshakes that failed.",
                &["reason"],
            )?,
            tls_expiry: keep.numbers(
                "parvis_certificate_not_after_seconds",
                "When a certificate ends, seconds since the Unix epoch.",
                &["site", "source"],
            )?,
            http2_floods: keep.counters(
                "parvis_http2_floods_total",
                "HTTP/2 connections closed with ENHANCE_YOUR_CALM.",
                &["reason"],
            )?,
            acme_issued: keep.counter(
                "parvis_acme_issued_total",
                "Certificates that an ACME authority has issued.",
            )?,
            acme_failed: keep.counter(
                "parvis_acme_failed_total",
                "Attempts to get a certificate from an ACME authority that failed.",
            )?,
            upgraded_open: keep.gauge(
                "parvis_upgraded_connections_open",
                "Upgraded (WebSocket) connections open.",
            )?,
            compressed: keep.counters(
                "parvis_compressed_bytes_total",
                "Bytes of apps' answers that were compressed on their way, before (in) and after (out).",
                &["coding", "side"],
            )?,
            files_memory: keep.gauge(
                "parvis_files_memory_bytes",
                "Files kept in memory, with room for their compressed forms.",
            )?,
            answers_memory: keep.gauge(
                "parvis_compress_memory_bytes",
                "Answers of apps kept in memory because they come again and again.",
            )?,
            upstream_errors: keep.counters(
                "parvis_upstream_errors_total",
                "Failures to get an answer from an app, by kind.",
                &["upstream", "kind"],
            )?,
            upstream_up: keep.gauges(
                "parvis_upstream_server_up",
                "1 when a server may get requests, 0 when its health checks failed.",
                &["upstream", "server"],
            )?,
            config_generation: keep.gauge(
                "parvis_config_generation",
                "Which load of the configuration is running.",
            )?,
            config_reload_time: keep.number(
                "parvis_config_last_reload_timestamp_seconds",
                "When the configuration was last loaded, or tried to be.",
            )?,
            config_reload_seconds: keep.number(
                "parvis_config_last_reload_duration_seconds",
                "How long the last load took.",
            )?,
            config_reload_success: keep.gauge(
                "parvis_config_last_reload_success",
                "1 when the last load was good, 0 when it was refused.",
            )?,
            log_dropped: keep.counter(
                "parvis_log_dropped_total",
                "Lines of the access log dropped because its writer could not keep up.",
            )?,
            visits_recorded: keep.counters(
                "parvis_visits_total",
                "Guests' page views recorded.",
                &["site", "source"],
            )?,
            visits_skipped: keep.counters(
                "parvis_visits_skipped_total",
                "Page views that are not recorded: of visitors who are signed in or asked not to be, bots, prefetches, excluded paths.",
                &["reason"],
            )?,
            visits_dropped: keep.counter(
                "parvis_visits_dropped_total",
                "Page views lost because they came faster than they could be taken in.",
            )?,
            visits_lost: keep.counter(
                "parvis_visits_lost_total",
                "Visits lost because more waited than there is room for.",
            )?,
            visits_spool: keep.gauge(
                "parvis_visits_spool_bytes",
                "Visits on disk on their way to the database and to Redis.",
            )?,
            visits_waiting: keep.gauges(
                "parvis_visits_waiting",
                "Visits that wait for the database (store) or for Redis.",
                &["sink"],
            )?,
            visits_delivered: keep.counters(
                "parvis_visits_delivered_total",
                "Visits that the database (store) or Redis has taken.",
                &["sink"],
            )?,
            visits_failures: keep.counters(
                "parvis_visits_delivery_failures_total",
                "Deliveries that failed and were tried again.",
                &["sink"],
            )?,
            visits_trimmed: keep.counters(
                "parvis_visits_trimmed_total",
                "Visits that went out of Redis's list because it was full and nobody took them.",
                &["sink"],
            )?,
            visits_length: keep.gauges(
                "parvis_visits_list_length",
                "How long Redis's list was when it was last seen.",
                &["sink"],
            )?,
            visits_up: keep.gauges(
                "parvis_visits_sink_up",
                "1 when the database (store) or Redis took what it was given last, 0 when not.",
                &["sink"],
            )?,
            images: ImageMetrics::new(&keep)?,
            registry: registry.clone(),
        };
        let build = IntGauge::with_opts(
            Opts::new("parvis_build_info", "The version that runs.")
                .const_label("version", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(build))?;
        let process = prometheus::process_collector::ProcessCollector::for_self();
        registry.register(Box::new(process))?;
        Ok(metrics)
    }

    /// All metrics in Prometheus's text format, version 0.0.4.
    ///
    /// # Errors
    /// A metric without its values: a mistake of ours.
    pub fn render(&self) -> prometheus::Result<String> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// All metrics as JSON.
    pub fn snapshot(&self) -> serde_json::Value {
        super::snapshot::snapshot(&self.registry.gather())
    }

    /// Counts a failure of an upstream.
    pub fn upstream_error(&self, upstream: &str, kind: &str) {
        if let Ok(counter) = self
            .upstream_errors
            .get_metric_with_label_values(&[upstream, kind])
        {
            counter.inc();
        }
    }

    /// Counts an answer that was compressed on its way, with its bytes before and after.
    pub fn compressed(&self, coding: &str, before: u64, after: u64) {
        for (side, bytes) in [("in", before), ("out", after)] {
            let counter = self
                .compressed
                .get_metric_with_label_values(&[coding, side]);
            if let Ok(counter) = counter {
                counter.inc_by(bytes);
            }
        }
    }

    /// Counts a connection that was refused.
    pub fn refuse_connection(&self, reason: &str) {
        self.connections_refused.with_label_values(&[reason]).inc();
    }

    /// Counts a handshake.
    pub fn handshake(&self, version: &str, resumed: bool) {
        let resumed = if resumed { "yes" } else { "no" };
        let counter = self.tls_handshakes.with_label_values(&[version, resumed]);
        counter.inc();
    }

    /// Counts a handshake that failed.
    pub fn handshake_failed(&self, reason: &str) {
        self.tls_failures.with_label_values(&[reason]).inc();
    }

    /// Counts a connection that was told to calm down.
    pub fn calmed(&self, reason: &str) {
        self.http2_floods.with_label_values(&[reason]).inc();
    }

    /// Notes when certificates end (site, source, seconds since the Unix epoch), in place of those
    /// noted before.
    pub fn certificates(&self, all: impl Iterator<Item = (String, String, f64)>) {
        self.tls_expiry.reset();
        for (site, source, end) in all {
            self.tls_expiry
                .with_label_values(&[&site, &source])
                .set(end);
        }
    }

    /// Notes whether a server is up.
    pub fn server_up(&self, upstream: &str, server: &str, up: bool) {
        if let Ok(gauge) = self
            .upstream_up
            .get_metric_with_label_values(&[upstream, server])
        {
            gauge.set(i64::from(up));
        }
    }

    /// Notes how a sink of visits fares.
    pub fn visits_sink(&self, sink: &str, figures: &SinkFigures) {
        let label = &[sink];
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let up = i64::from(figures.up);
        self.visits_up.with_label_values(label).set(up);
        let waiting = self.visits_waiting.with_label_values(label);
        waiting.set(whole(figures.waiting));
        if let Some(length) = figures.length {
            self.visits_length
                .with_label_values(label)
                .set(whole(length));
        }
        for (counter, number) in [
            (&self.visits_delivered, figures.delivered),
            (&self.visits_failures, figures.failures),
            (&self.visits_trimmed, figures.trimmed),
        ] {
            raise(&counter.with_label_values(label), number);
        }
    }

    /// Forgets the sinks that there were; their counts stay.
    pub fn forget_sinks(&self) {
        self.visits_up.reset();
        self.visits_waiting.reset();
        self.visits_length.reset();
    }

    /// Notes how many visits were lost so far.
    pub fn visits_lost(&self, lost: u64) {
        raise(&self.visits_lost, lost);
    }

    /// Forgets the servers of the configuration before.
    pub fn forget_servers(&self) {
        self.upstream_up.reset();
    }

    /// Counts a request that was refused before it reached a site.
    pub fn refuse(&self, reason: &str) {
        if let Ok(counter) = self.refused.get_metric_with_label_values(&[reason]) {
            counter.inc();
        }
    }
}

/// How a sink of visits fares.
#[derive(Debug, Clone, Copy)]
pub struct SinkFigures {
    /// Whether it takes visits.
    pub up: bool,
    /// Visits that wait for it.
    pub waiting: u64,
    /// Visits that it has taken.
    pub delivered: u64,
    /// Deliveries that failed.
    pub failures: u64,
    /// Visits that went out of its list.
    pub trimmed: u64,
    /// How long its list is.
    pub length: Option<u64>,
}

/// Raises a counter to what was counted elsewhere. What is counted anew begins at the start again,
/// as a counter may.
pub(super) fn raise(counter: &IntCounter, to: u64) {
    let now = counter.get();
    if to < now {
        counter.reset();
    }
    counter.inc_by(to.saturating_sub(counter.get()));
}

pub(super) struct Keep<'a> {
    registry: &'a Registry,
}

impl Keep<'_> {
    pub(super) fn keep<C: Collector + Clone + 'static>(
        &self,
        collector: C,
    ) -> prometheus::Result<C> {
        self.registry.register(Box::new(collector.clone()))?;
        Ok(collector)
    }
    pub(super) fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.keep(IntCounter::new(name, help)?)
    }
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.keep(IntCounterVec::new(Opts::new(name, help), labels)?)
    }
    pub(super) fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.keep(IntGauge::new(name, help)?)
    }
    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntGaugeVec> {
        self.keep(IntGaugeVec::new(Opts::new(name, help), labels)?)
    }
    fn numbers(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<GaugeVec> {
        self.keep(GaugeVec::new(Opts::new(name, help), labels)?)
    }
    fn number(&self, name: &str, help: &str) -> prometheus::Result<Gauge> {
        self.keep(Gauge::new(name, help)?)
    }
    fn histograms(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.keep(HistogramVec::new(opts, labels)?)
    }
}

/// The methods that are counted by name.
const METHODS: [&str; 8] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "other",
];
const STATUSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The series of one route, looked up once: per request they are an addition.
#[derive(Debug, Default)]
pub struct RouteMetrics {
    // Boxed and late: ten thousand routes have ten thousand of these, most never asked for.
    series: OnceLock<Box<Series>>,
}

#[derive(Debug)]
struct Series {
    requests: [[OnceLock<IntCounter>; 5]; 8],
    duration: Histogram,
    app_duration: OnceLock<Histogram>,
    received: IntCounter,
    sent: IntCounter,
}

/// What is counted of a request.
#[derive(Debug, Clone, Copy)]
pub struct Counted<'a> {
    /// Its method.
    pub method: &'a str,
    /// The answer's status; 0 when none was sent.
    pub status: u16,
    /// Seconds in all.
    pub seconds: f64,
    /// Seconds that the app took to its head.
    pub app_seconds: Option<f64>,
    /// Bytes from the client.
    pub received: u64,
    /// Bytes to the client.
    pub sent: u64,
}

impl RouteMetrics {
    /// Counts a request of this site and route.
    pub fn count(&self, metrics: &Metrics, site: &str, route: &str, what: &Counted<'_>) {
        if self.series.get().is_none() {
            let Some(series) = Series::new(metrics, site, route) else {
                return;
            };
            // Another thread may have been first; its series are the same.
            let _ = self.series.set(Box::new(series));
        }
        let Some(series) = self.series.get() else {
            return;
        };
        let method = METHODS.iter().position(|m| *m == what.method).unwrap_or(7);
        // A request without an answer (the client went) counts as 4xx, as nginx's 499 does.
        let status = usize::from(what.status / 100)
            .checked_sub(1)
            .unwrap_or(3)
            .min(4);
        if let Some(cell) = series.requests.get(method).and_then(|row| row.get(status)) {
            let labels = || {
                let (method, status) = (METHODS.get(method)?, STATUSES.get(status)?);
                metrics
                    .requests
                    .get_metric_with_label_values(&[site, route, method, status])
                    .ok()
            };
            if let Some(counter) = cell
                .get()
                .or_else(|| cell.set(labels()?).ok().and(cell.get()))
            {
                counter.inc();
            }
        }
        series.duration.observe(what.seconds);
        if let Some(seconds) = what.app_seconds {
            if series.app_duration.get().is_none()
                && let Ok(histogram) = metrics
                    .app_duration
                    .get_metric_with_label_values(&[site, route])
            {
                let _ = series.app_duration.set(histogram);
            }
            if let Some(histogram) = series.app_duration.get() {
                histogram.observe(seconds);
            }
        }
        series.received.inc_by(what.received);
        series.sent.inc_by(what.sent);
    }
}

impl Series {
    fn new(metrics: &Metrics, site: &str, route: &str) -> Option<Self> {
        let labels = &[site, route];
        Some(Series {
            requests: Default::default(),
            duration: metrics.duration.get_metric_with_label_values(labels).ok()?,
            app_duration: OnceLock::new(),
            received: metrics.received.get_metric_with_label_values(labels).ok()?,
            sent: metrics.sent.get_metric_with_label_values(labels).ok()?,
        })
    }
}

/// A gauge that is one higher for as long as this lives.
#[derive(Debug)]
pub struct Held(IntGauge);

impl Held {
    /// Raises the gauge.
    pub fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Held(gauge.clone())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A client connection that is open.
pub type OpenConnection = Held;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_registered_once_and_counts() {
        let metrics = Metrics::new().unwrap();
        let route = RouteMetrics::default();
        let what = Counted {
            method: "BREW",
            status: 418,
            seconds: 0.2,
            app_seconds: Some(0.1),
            received: 7,
            sent: 9,
        };
        route.count(&metrics, "s", "/*", &what);
        route.count(&metrics, "s", "/*", &Counted { status: 0, ..what });
        let text = metrics.render().unwrap();
        let line =
            "parvis_requests_total{method=\"other\",route=\"/*\",site=\"s\",status=\"4xx\"} 2";
        assert!(text.contains(line), "{text}");
        assert!(text.contains("parvis_upstream_duration_seconds_count{route=\"/*\",site=\"s\"} 2"));
        assert!(text.contains("parvis_build_info") && text.contains("process_cpu_seconds_total"));
    }

    #[test]
    fn a_held_gauge_falls_back() {
        let metrics = Metrics::new().unwrap();
        let held = Held::new(&metrics.in_flight);
        assert_eq!(metrics.in_flight.get(), 1);
        drop(held);
        assert_eq!(metrics.in_flight.get(), 0);
    }
}
