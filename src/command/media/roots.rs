//! The folders whose pictures have variants.

use crate::command::{Failure, shown};
use crate::edge::{Action, Edge};
use crate::files::Files;
use crate::media::{Format, Images};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A folder, and what is made of the pictures in it.
#[derive(Debug)]
pub struct Root {
    /// Without symbolic links.
    folder: PathBuf,
    /// Of the routes that serve it.
    files: Vec<Arc<Files>>,
    /// What they do with pictures; all of them make the same.
    pub images: Arc<Images>,
    /// The line of the first route.
    line: String,
}

impl Root {
    /// Whether this, which has no symbolic links in it, lies in the folder.
    pub fn holds(&self, path: &Path) -> bool {
        path.starts_with(&self.folder)
    }

    /// Whether files of this name are sent as pictures.
    pub fn takes(&self, name: &OsStr) -> bool {
        let mut types = self.files.iter().map(|f| f.content_type(name.as_bytes()));
        types.any(|kind| Format::of_type(kind.as_bytes()).is_some())
    }
}

/// The roots of all routes with `files` and `images`; those that make the same of the same files are
/// one. A root that is not there holds nothing.
pub fn roots(edge: &Edge) -> Vec<Root> {
    let mut roots: Vec<Root> = Vec::new();
    for route in edge.sites.iter().flat_map(|site| &site.routes) {
        let (Action::Files(files, _), Some(images)) = (&route.action, &route.images) else {
            continue;
        };
        let Ok(folder) = fs::canonicalize(files.folder()) else {
            continue;
        };
        let mut known = roots.iter_mut();
        match known.find(|root| root.folder == folder && same(&root.images, images)) {
            Some(root) => root.files.push(files.clone()),
            None => roots.push(Root {
                folder,
                files: vec![files.clone()],
                images: images.clone(),
                line: edge.sources.line(route.place),
            }),
        }
    }
    roots
}

/// Whether two routes make the same variants ahead.
fn same(one: &Images, other: &Images) -> bool {
    let made = |images: &Images| {
        let (terms, policy) = (&images.terms, &images.terms.policy);
        let sizes = (policy.widths.clone(), policy.max_width, policy.max_height);
        let look = (policy.formats.clone(), policy.quality, policy.background);
        (sizes, look, terms.limits)
    };
    made(one) == made(other)
}

/// Where to look for pictures: what was given, where a root holds it, and the roots that lie in it.
///
/// # Errors
/// Something is not there, or holds no root and lies in none.
pub fn starts(given: &[PathBuf], roots: &[Root]) -> Result<Vec<PathBuf>, Failure> {
    let (mut starts, mut wrong) = (Vec::new(), Vec::new());
    for path in given {
        let real = match fs::canonicalize(path) {
            Ok(real) => real,
            Err(error) => {
                wrong.push(format!("error: {}: {error}", shown::path(path)));
                continue;
            }
        };
        if roots.iter().any(|root| root.holds(&real)) {
            starts.push(real);
            continue;
        }
        let before = starts.len();
        let folders = roots.iter().map(|root| &root.folder);
        starts.extend(folders.filter(|folder| folder.starts_with(&real)).cloned());
        if starts.len() == before {
            wrong.push(format!(
                "error: {} lies under no route with `files` and `images`",
                shown::path(path)
            ));
        }
    }
    if wrong.is_empty() {
        return Ok(starts);
    }
    let known: Vec<String> = roots
        .iter()
        .map(|root| format!("\n  {}   {}", shown::path(&root.folder), root.line))
        .collect();
    let help = match known.is_empty() {
        true => "\nhelp: no route has both".to_string(),
        false => format!("\nhelp: these folders do:{}", known.concat()),
    };
    Err(Failure::Wrong(wrong.join("\n") + &help))
}
