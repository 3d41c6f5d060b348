//! `[log]`.

use crate::config::{
    Diagnostic, Diagnostics, FilePath, Node, OrOff, Value, choice, table, text_of,
};
use std::path::PathBuf;
use std::time::Duration;

table! {
    /// Logs.
    pub struct LogSettings {
        /// What is said on stderr about parvis itself.
        level: Level = Level::Info,
        /// The access log's format.
        format: Format = Format::Json,
        /// Where the access log goes: a path, `"stdout"`, `"stderr"` or `"off"`. A file is opened
        /// again on SIGUSR1.
        access: Destination = Destination::Stdout,
        /// Requests slower than this are warned about, with their phases.
        slow: OrOff<Duration> = OrOff::Off,
    }
}

choice! {
    /// From the quietest to the most talkative.
    pub enum Level {
        /// What failed.
        Error = "error",
        /// What an operator should look at.
        Warn = "warn",
        /// What happens now and then: start, reload, a server that goes down.
        Info = "info",
        /// What happens per request when something is odd.
        Debug = "debug",
        /// Everything.
        Trace = "trace",
    }
}

choice! {
    /// The format of the access log.
    pub enum Format {
        /// One JSON object a line.
        Json = "json",
        /// The combined log format of Apache and nginx.
        Combined = "combined",
    }
}

/// Where the access log goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Nowhere.
    Off,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, appended to.
    File(PathBuf),
}

impl Value for Destination {
    fn kind() -> String {
        "path, \"stdout\", \"stderr\" or \"off\"".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        match text_of(node).as_deref() {
            Some("off") => return Some(Destination::Off),
            Some("stdout") => return Some(Destination::Stdout),
            Some("stderr") => return Some(Destination::Stderr),
            _ => {}
        }
        let FilePath(path) = FilePath::read(node, errors)?;
        // Found now, not when the first line is to be written.
        if path.is_dir() || !path.parent().is_some_and(|folder| folder.is_dir()) {
            // A path from where secrets come from is not printed.
            let what = if node.value.is_table() {
                "the access log cannot be written to this path".to_string()
            } else {
                format!("the access log cannot be written to {}", path.display())
            };
            errors.push(
                Diagnostic::new(node.place, what).label("expected a file in a folder that exists"),
            );
            return None;
        }
        Some(Destination::File(path))
    }
    fn show(&self) -> String {
        match self {
            Destination::Off => "\"off\"".to_string(),
            Destination::Stdout => "\"stdout\"".to_string(),
            Destination::Stderr => "\"stderr\"".to_string(),
            Destination::File(path) => format!("{:?}", path.display().to_string()),
        }
    }
}
