//! `parvis check`.

use super::{ConfigFile, Failure, files};
use crate::edge::Edge;

/// Checks a configuration and says what it is.
pub fn check(file: &ConfigFile) -> Result<(), Failure> {
    let path = files::choose(file)?;
    let (edge, warnings) = files::load_with_warnings(&path)?;
    files::show_warnings(&warnings);
    super::print(&format!("{}: {}", path.display(), summary(&edge)));
    Ok(())
}

fn summary(edge: &Edge) -> String {
    let routes: usize = edge.sites.iter().map(|site| site.routes.len()).sum();
    let counted = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!(
        "right: {}, {}, {}, {}",
        counted(edge.sites.len(), "site"),
        counted(routes, "route"),
        counted(edge.upstreams.len(), "upstream"),
        counted(edge.listeners().len(), "listener"),
    )
}
