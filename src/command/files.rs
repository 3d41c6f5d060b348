//! Which configuration, and loading it for a command.

use super::{ConfigFile, Failure};
use crate::edge::{self, Edge};
use std::io::Write as _;
use std::path::{Path, PathBuf};

const SYSTEM: &str = "/etc/parvis/parvis.toml";
const LOCAL: &str = "conf/parvis.toml";

/// The file that is meant.
///
/// # Errors
/// None is named and none lies where one is looked for.
pub fn choose(file: &ConfigFile) -> Result<PathBuf, Failure> {
    if let Some(path) = &file.config {
        return Ok(path.clone());
    }
    [SYSTEM, LOCAL]
        .map(PathBuf::from)
        .into_iter()
        .find(|path| path.exists())
        .ok_or_else(|| {
            Failure::Wrong(format!(
                "error: no configuration: neither {SYSTEM} nor {LOCAL} is there\n\
             help: name one with -c FILE, or try `parvis demo`, which needs none"
            ))
        })
}

/// Loads a configuration.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(path: &Path) -> Result<Edge, Failure> {
    load_with_warnings(path).map(|(edge, _)| edge)
}

/// Loads a configuration, with what is worth a look in it, as text.
///
/// # Errors
/// Everything that is wrong with it.
pub fn load_with_warnings(path: &Path) -> Result<(Edge, String), Failure> {
    let loaded = edge::load(path, None);
    match loaded.result {
        Ok(edge) => Ok((edge, loaded.warnings)),
        Err(errors) => Err(Failure::Wrong(errors.render(&loaded.sources))),
    }
}

/// Shows what is worth a look in a configuration that is right.
pub fn show_warnings(warnings: &str) {
    if !warnings.is_empty() {
        // Who does not take it has gone.
        let _ = writeln!(std::io::stderr(), "{}", warnings.trim_end());
    }
}
