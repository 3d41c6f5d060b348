//! `/status` and `/reload`.

use crate::support::Parvis;
use crate::{OWN, busy, metrics, site};
use serde_json::Value;
use std::collections::BTreeSet;

#[test]
fn the_status_tells_the_state_of_the_process() {
    let busy = busy();
    let status = busy.parvis.status();
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["pid"], busy.parvis.pid());
    assert!(status["uptime_seconds"].as_u64().unwrap() < 60);
    assert_eq!(status["stopping"], false);
    assert_eq!(status["generation"], 1);
    let file = busy.parvis.configuration().display().to_string();
    assert_eq!(status["files"], serde_json::json!([file]));
    assert_eq!(status["last_load"]["success"], true);
    assert_eq!(status["last_load"]["error"], Value::Null);
    assert!(status["last_load"]["time"].as_f64().unwrap() > 1.7e9);
    assert!(status["last_load"]["duration_ms"].as_f64().unwrap() > 0.0);
    let listener = &status["listeners"][0];
    assert_eq!(listener["configured"], "127.0.0.1:0");
    assert_eq!(listener["address"], busy.parvis.address().to_string());
    assert_eq!(status["connections"]["accepted"], busy.requests);
    assert_eq!(status["connections"]["open"], 0);
    assert_eq!(status["connections"]["failed"], 0);
    assert_eq!(status["connections"]["upgraded"], 0);
    assert_eq!(status["requests_in_flight"], 0);
    assert_eq!(status["log_dropped"], 0);
    let site = &status["sites"][0];
    assert_eq!(site["name"], "s");
    assert!(
        site["defined"].as_str().unwrap().contains("parvis.toml:"),
        "{site}"
    );
    assert_eq!(
        site["routes"],
        serde_json::json!([
            { "path": "/own", "does": "respond 200" },
            { "path": "/app/*", "does": "proxy app" },
        ])
    );
    let upstream = &status["upstreams"][0];
    assert_eq!(upstream["name"], "app");
    assert_eq!(upstream["checked"], false);
    let server = &upstream["servers"][0];
    assert_eq!(server["address"], busy.backend.address().to_string());
    assert_eq!(server["up"], true);
}

#[test]
fn the_status_has_every_metric_with_its_value() {
    let busy = busy();
    let status = busy.parvis.status();
    let families = metrics(&busy.parvis);
    let told = status["metrics"].as_object().unwrap();
    let names: BTreeSet<&String> = told.keys().collect();
    assert_eq!(names, families.keys().collect::<BTreeSet<_>>());
    for (name, family) in &families {
        if name.starts_with("process_") {
            // They change from one look to the next.
            assert!(told[name][0]["value"].as_f64().is_some(), "{name}");
            continue;
        }
        for (sample, (labels, value)) in &family.samples {
            let key = match sample.strip_prefix(name.as_str()).unwrap() {
                "" => "value",
                "_count" => "count",
                "_sum" => "sum",
                _ => continue,
            };
            let fits = |series: &&Value| labels.iter().all(|(n, v)| series["labels"][n] == *v);
            let series = told[name].as_array().unwrap().iter().find(fits);
            let series = series.unwrap_or_else(|| panic!("no {name} {labels:?}"));
            let said = series[key].as_f64().unwrap();
            // A number read from decimal digits may be off by the last bit.
            let near = (said - value).abs() <= value.abs() * 1e-12;
            assert!(near, "{name} {labels:?}: {said} {value}");
        }
    }
}

#[test]
fn the_status_tells_of_a_reload_that_was_refused() {
    let parvis = Parvis::start(&format!("[server]\nwatch = false\n{}{OWN}", site("")));
    Parvis::write_configuration(&parvis.folder, "[[site]]\nnaem = \"s\"\n");
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 422);
    let error = reply.json()["error"].as_str().unwrap().to_string();
    assert!(
        error.contains("naem") && error.contains("parvis.toml:"),
        "{error}"
    );
    let status = parvis.status();
    assert_eq!(status["generation"], 1);
    assert_eq!(status["last_load"]["success"], false);
    assert_eq!(status["last_load"]["error"], error);
}

#[test]
fn a_reload_is_answered_with_what_it_did() {
    let parvis = Parvis::start(&format!("[server]\nwatch = false\n{}{OWN}", site("")));
    let changed = format!(
        "[server]\nwatch = false\nthreads = 7\n{}{}",
        site(""),
        OWN.replace("\"own\"", "\"new\"")
    );
    Parvis::write_configuration(&parvis.folder, &changed);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.field("content-type").as_deref(),
        Some("application/json")
    );
    let told = reply.json();
    assert_eq!(told["generation"], 2);
    assert!(told["duration_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(
        told["needs_restart"],
        serde_json::json!(["server.threads from 0 to 7"])
    );
    assert_eq!(parvis.get("/own").text(), "new");
    assert_eq!(parvis.status()["generation"], 2);
}
