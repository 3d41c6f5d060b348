//! Metrics of pictures' variants.

use super::metrics::{Keep, raise};
use prometheus::{CounterVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts};

/// What is known of variants at one time; counts are those since the process began.
#[derive(Debug, Clone, Default)]
pub struct ImageFigures {
    /// By the name of the format: variants made, microseconds that it took, bytes of them.
    pub made: Vec<(&'static str, [u64; 3])>,
    /// Variants that were no smaller than the original.
    pub not_smaller: u64,
    /// Requests answered with a variant that was there.
    pub hits: u64,
    /// Requests for which none was there.
    pub misses: u64,
    /// Bytes that variants sent were smaller than their originals.
    pub saved: u64,
    /// Requests that got something else, by reason.
    pub refused: Vec<(&'static str, u64)>,
    /// Pictures of which no variant can be made, by reason.
    pub faults: Vec<(&'static str, u64)>,
    /// Orders, by where they are.
    pub orders: Vec<(&'static str, u64)>,
    /// Bytes of variants, by where they are.
    pub bytes: Vec<(&'static str, u64)>,
    /// Variants on disk.
    pub stored: u64,
    /// Variants given up for others.
    pub evicted: u64,
    /// Variants that could not be written.
    pub unwritten: u64,
}

/// The metrics.
#[derive(Debug)]
pub struct ImageMetrics {
    made: IntCounterVec,
    seconds: CounterVec,
    made_bytes: IntCounterVec,
    not_smaller: IntCounter,
    hits: IntCounter,
    misses: IntCounter,
    saved: IntCounter,
    refused: IntCounterVec,
    faults: IntCounterVec,
    orders: IntGaugeVec,
    bytes: IntGaugeVec,
    stored: IntGauge,
    evicted: IntCounter,
    unwritten: IntCounter,
}

impl ImageMetrics {
    pub(super) fn new(keep: &Keep<'_>) -> prometheus::Result<Self> {
        let seconds = Opts::new(
            "parvis_images_making_seconds_total",
            "Time that making variants took.",
        );
        Ok(ImageMetrics {
            made: keep.counters("parvis_images_made_total", "Variants made.", &["format"])?,
            seconds: keep.keep(CounterVec::new(seconds, &["format"])?)?,
            made_bytes: keep.counters(
                "parvis_images_made_bytes_total",
                "Bytes of the variants made.",
                &["format"],
            )?,
            not_smaller: keep.counter(
                "parvis_images_not_smaller_total",
                "Variants that were given up because they were no smaller than the original.",
            )?,
            hits: keep.counter(
                "parvis_images_hits_total",
                "Requests answered with a variant that was there.",
            )?,
            misses: keep.counter(
                "parvis_images_misses_total",
                "Requests for which no variant was there.",
            )?,
            saved: keep.counter(
                "parvis_images_saved_bytes_total",
                "Bytes that the variants sent were smaller than their originals.",
            )?,
            refused: keep.counters(
                "parvis_images_refused_total",
                "Requests that got the original or another size because too many variants were \
                 waiting to be made (queue), or because it took too long (late).",
                &["reason"],
            )?,
            faults: keep.counters(
                "parvis_images_faults_total",
                "Pictures of which no variant can be made.",
                &["reason"],
            )?,
            orders: keep.gauges(
                "parvis_images_orders",
                "Variants being made (working) and waiting for it, for a request (waiting) or in \
                 the background (later).",
                &["state"],
            )?,
            bytes: keep.gauges(
                "parvis_images_bytes",
                "Variants kept on disk and in memory.",
                &["where"],
            )?,
            stored: keep.gauge("parvis_images_stored", "Variants on disk.")?,
            evicted: keep.counter(
                "parvis_images_evicted_total",
                "Variants removed from the disk to make room for others.",
            )?,
            unwritten: keep.counter(
                "parvis_images_write_failures_total",
                "Variants that could not be written to the disk.",
            )?,
        })
    }

    /// Notes how things stand.
    pub fn note(&self, now: &ImageFigures) {
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (format, [made, micros, bytes]) in &now.made {
            let label = &[*format];
            raise(&self.made.with_label_values(label), *made);
            raise(&self.made_bytes.with_label_values(label), *bytes);
            let seconds = self.seconds.with_label_values(label);
            seconds.reset();
            seconds.inc_by(*micros as f64 / 1e6);
        }
        for (counter, number) in [
            (&self.not_smaller, now.not_smaller),
            (&self.hits, now.hits),
            (&self.misses, now.misses),
            (&self.saved, now.saved),
            (&self.evicted, now.evicted),
            (&self.unwritten, now.unwritten),
        ] {
            raise(counter, number);
        }
        for (counters, numbers) in [(&self.refused, &now.refused), (&self.faults, &now.faults)] {
            for (label, number) in numbers {
                raise(&counters.with_label_values(&[label]), *number);
            }
        }
        for (gauges, numbers) in [(&self.orders, &now.orders), (&self.bytes, &now.bytes)] {
            for (label, number) in numbers {
                gauges.with_label_values(&[label]).set(whole(*number));
            }
        }
        self.stored.set(whole(now.stored));
    }
}
