//! Which configuration, and loading it for a command.

use super::{ConfigFile, Failure};
use crate::edge::{self, Edge};
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
    let loaded = edge::load(path, None);
    loaded
        .result
        .map_err(|errors| Failure::Wrong(errors.render(&loaded.sources)))
}
