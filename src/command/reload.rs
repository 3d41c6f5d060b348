//! `parvis reload`.

use super::ask::ask;
use super::{ConfigFile, Failure, files};
use http::{Method, StatusCode};

/// Asks the running parvis, by its admin interface, to load its configuration again.
pub fn reload(file: &ConfigFile) -> Result<(), Failure> {
    let path = files::choose(file)?;
    // The same mistakes that the running process would find, without troubling it.
    let (edge, warnings) = files::load_with_warnings(&path)?;
    files::show_warnings(&warnings);
    let Some(admin) = edge.fixed.admin else {
        return Err(Failure::Work(
            "error: the admin interface is off\nhelp: send the process SIGHUP instead: kill -HUP PID".into(),
        ));
    };
    let (status, body) = ask(&edge, admin, Method::POST, "/reload")?;
    let value: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    match status {
        StatusCode::OK => {
            let number = |key: &str| value.get(key).cloned().unwrap_or_default();
            super::print(&format!(
                "reloaded: generation {} in {} ms",
                number("generation"),
                number("duration_ms")
            ));
            for difference in value
                .get("needs_restart")
                .and_then(|v| v.as_array())
                .into_iter()
                .flatten()
            {
                super::print(&format!(
                    "needs a restart: {}",
                    difference.as_str().unwrap_or_default()
                ));
            }
            let failed = value.get("failed").and_then(|v| v.as_array());
            let failed: Vec<&str> = failed
                .into_iter()
                .flatten()
                .filter_map(|v| v.as_str())
                .collect();
            match failed.is_empty() {
                true => Ok(()),
                false => Err(Failure::Work(format!(
                    "error: {}",
                    failed.join("\nerror: ")
                ))),
            }
        }
        StatusCode::UNPROCESSABLE_ENTITY => {
            let text = value.get("error").and_then(|v| v.as_str()).unwrap_or(&body);
            Err(Failure::Wrong(text.to_string()))
        }
        other => Err(Failure::Work(format!(
            "error: parvis answered {other}: {body}"
        ))),
    }
}
