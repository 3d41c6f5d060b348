//! The metrics as JSON, for `/status`.

use prometheus::proto::{Metric, MetricFamily, MetricType};
use serde_json::{Map, Value, json};

/// `{ NAME: [{ "labels": {...}, "value": N }, ...] }`. A histogram's series have `count` and `sum`;
/// its buckets are for machines, and those read `/metrics`.
pub fn snapshot(families: &[MetricFamily]) -> Value {
    let family = |family: &MetricFamily| {
        let kind = family.get_field_type();
        let series = family.get_metric().iter();
        let series = series.map(|metric| of_series(metric, kind)).collect();
        (family.name().to_string(), Value::Array(series))
    };
    Value::Object(families.iter().map(family).collect())
}

fn of_series(metric: &Metric, kind: MetricType) -> Value {
    let labels: Map<String, Value> = metric
        .get_label()
        .iter()
        .map(|pair| (pair.name().to_string(), pair.value().into()))
        .collect();
    match kind {
        MetricType::COUNTER => {
            json!({ "labels": labels, "value": metric.get_counter().get_value() })
        }
        MetricType::HISTOGRAM => {
            let histogram = metric.get_histogram();
            let (count, sum) = (histogram.get_sample_count(), histogram.get_sample_sum());
            json!({ "labels": labels, "count": count, "sum": sum })
        }
        _ => json!({ "labels": labels, "value": metric.get_gauge().get_value() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::Metrics;

    #[test]
    fn series_are_told_with_their_labels() {
        let metrics = Metrics::new().unwrap();
        metrics.upstream_error("app", "reset");
        let told = metrics.snapshot();
        assert_eq!(
            told["parvis_upstream_errors_total"],
            json!([{ "labels": { "upstream": "app", "kind": "reset" }, "value": 1.0 }])
        );
        assert_eq!(told["parvis_requests_in_flight"][0]["value"], 0.0);
    }
}
