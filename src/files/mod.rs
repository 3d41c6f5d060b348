//! Static files: from a path to a file, its validators, its ranges, its encoded forms.
//!
//! In: a decoded path below a root, conditions and ranges of a request. Out: a file in memory or
//! on disk, and what of it is to be sent. Nothing here writes to a connection.

pub mod conditional;
mod content_type;
mod entry;
mod immutable;
pub mod listing;
mod lookup;
mod memory;
pub mod multipart;
mod open;
pub mod range;
pub mod settings;

pub use content_type::ContentTypes;
pub use entry::{Content, Entry, OpenFile, Stamp};
pub use lookup::Found;
pub use memory::Memory;

use crate::config::{Diagnostic, Diagnostics, OrOff, PathPattern};
use http::header::HeaderValue;
use immutable::Immutable;
use settings::{FilesSettings, FollowLinks};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

/// How often a file in memory is compared with the one on disk, milliseconds. Changes are to be
/// seen within a second.
const LOOK_EVERY: u64 = 500;

/// From here on the kernel sends a file faster from its own cache than from our memory. Only what is
/// encoded is worth keeping then.
pub const LENT_FROM: u64 = 32 * 1024;

/// Tells a `Content-Type` whose bodies shrink.
type Test = dyn Fn(&[u8]) -> bool + Send + Sync;

/// Which files are encoded, by their content types: those are kept in memory also when they are not
/// small. What that is, the room that encodes knows.
pub struct Shrinks {
    /// What tells one such answer from another, for people.
    pub name: String,
    /// Whether bodies of this `Content-Type` shrink.
    pub test: Box<Test>,
}

impl std::fmt::Debug for Shrinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.name)
    }
}

/// A route's files, compiled.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    index: Vec<Vec<u8>>,
    tries: Vec<Try>,
    autoindex: bool,
    precompressed: bool,
    immutable: Immutable,
    follow: FollowLinks,
    types: ContentTypes,
    shrinks: Shrinks,
    memory: Arc<Memory>,
    /// What tells this route's files from those of others in memory.
    number: u64,
}

/// Where a file is looked for.
#[derive(Debug)]
enum Try {
    /// At the request's path.
    Path,
    /// Before and after it.
    Text(Vec<u8>, Vec<u8>),
    /// At a path of its own.
    Fixed(Vec<u8>),
}

impl Files {
    /// Compiles the settings.
    pub fn build(
        settings: &FilesSettings,
        shrinks: Shrinks,
        memory: &Arc<Memory>,
        errors: &mut Diagnostics,
    ) -> Option<Arc<Self>> {
        let before = errors.found();
        let root = settings.root.value.0.clone();
        if settings.sound {
            let problem = match std::fs::metadata(&root) {
                Ok(metadata) if metadata.is_dir() => None,
                Ok(_) => Some("is no directory".to_string()),
                Err(error) => Some(error.to_string()),
            };
            if let Some(problem) = problem {
                let place = std::path::absolute(&root).unwrap_or(root.clone());
                let what = format!("cannot serve files from {}", place.display());
                errors.push(
                    Diagnostic::new(settings.root.place, what)
                        .label(problem)
                        .help("relative paths begin at the folder of the file that names them"),
                );
            }
        }
        let mut index = Vec::new();
        for name in &settings.index {
            let text = &name.value.text;
            if text.is_empty() || text.contains('/') || text.starts_with('.') {
                errors.push(
                    Diagnostic::new(name.place, name.value.for_messages("name of an index file"))
                        .label("expected a file's name such as \"index.html\""),
                );
            }
            index.push(text.clone().into_bytes());
        }
        let tries = compile_tries(settings, errors);
        let mut types = Vec::new();
        for (extension, (place, value)) in &settings.types.0 {
            let bare = extension.trim_start_matches('.');
            if bare.is_empty() || bare.contains(['.', '/']) {
                errors.push(
                    Diagnostic::new(*place, format!("no extension of a file: {extension:?}"))
                        .label("expected what follows the last dot, such as `md`"),
                );
            }
            let shape = value.text.split(';').next().unwrap_or_default();
            let sound = shape
                .split_once('/')
                .is_some_and(|(a, b)| !a.is_empty() && !b.trim().is_empty() && shape.is_ascii());
            match value.header_value().filter(|_| sound) {
                Some(value) => types.push((extension.clone(), value)),
                None => errors.push(
                    Diagnostic::new(*place, value.for_messages("content type"))
                        .label("expected a type such as \"text/markdown; charset=utf-8\""),
                ),
            }
        }
        let immutable = match &settings.immutable {
            None => Immutable::Recognised,
            Some(OrOff::Off) => Immutable::Never,
            Some(OrOff::On(pattern)) => match &pattern.value {
                PathPattern::Regex(regex) => Immutable::Named(regex.clone()),
                _ => {
                    errors.push(
                        Diagnostic::new(pattern.place, "not a regular expression")
                            .label("expected \"~ \" and an expression on the path below the root"),
                    );
                    Immutable::Never
                }
            },
        };
        if errors.found() != before {
            return None;
        }
        let files = Files {
            number: memory.number(format!(
                "{root:?} {index:?} {tries:?} {} {immutable:?} {types:?} {shrinks:?} {:?}",
                settings.precompressed, settings.follow_links
            )),
            root,
            index,
            tries,
            autoindex: settings.autoindex,
            precompressed: settings.precompressed,
            immutable,
            follow: settings.follow_links,
            types: types.into_iter().collect(),
            shrinks,
            memory: memory.clone(),
        };
        Some(Arc::new(files))
    }

    /// The largest file of this type that is kept in memory, bytes.
    fn largest(&self, kind: &HeaderValue) -> u64 {
        let largest = self.memory.largest();
        match (self.shrinks.test)(kind.as_bytes()) {
            true => largest,
            false => largest.min(LENT_FROM),
        }
    }

    /// The directory, for people.
    pub fn root(&self) -> std::path::Display<'_> {
        self.root.display()
    }

    /// The directory.
    pub fn folder(&self) -> &Path {
        &self.root
    }

    /// The type that a file of this name is sent as.
    pub fn content_type(&self, name: &[u8]) -> HeaderValue {
        self.types.of(name)
    }

    /// What there is for `path`, looked up on disk now. Blocks.
    ///
    /// # Errors
    /// The process has no descriptors left, or the file cannot be read.
    pub fn look_up(&self, path: &[u8]) -> io::Result<Found> {
        match is_hidden(path) {
            true => Ok(Found::Missing),
            false => lookup::look_up(self, path, None),
        }
    }

    /// What there is for `path`: decoded, below the root, without its first slash. It may have no
    /// dot segments, and has none where a path was normalised.
    ///
    /// # Errors
    /// The process has no descriptors left, or the file cannot be read.
    pub async fn find(self: &Arc<Self>, path: &[u8], now: Instant) -> io::Result<Found> {
        if is_hidden(path) {
            return Ok(Found::Missing);
        }
        let known = self.memory.get(self.number, path);
        let clock = self.memory.clock(now);
        if let Some(entry) = &known
            && entry.is_current()
            && !entry.due(clock, LOOK_EVERY)
        {
            return Ok(Found::File(entry.clone()));
        }
        // A disk may be slow, or a network.
        let (files, wanted, before) = (self.clone(), path.to_vec(), known.clone());
        let look = move || lookup::look_up(&files, &wanted, before.as_ref());
        let found = tokio::task::spawn_blocking(look)
            .await
            .map_err(io::Error::other)??;
        match &found {
            Found::File(entry) => {
                entry.checked.store(clock, Ordering::Relaxed);
                let old = known.is_some_and(|known| Arc::ptr_eq(&known, entry));
                let kept = old && self.memory.get(self.number, &entry.path).is_some();
                if !kept {
                    self.memory.put(self.number, path, entry.clone());
                }
            }
            _ if known.is_some() => self.memory.remove(self.number, path),
            _ => {}
        }
        Ok(found)
    }
}

fn compile_tries(settings: &FilesSettings, errors: &mut Diagnostics) -> Vec<Try> {
    let mut tries = Vec::new();
    for place in &settings.r#try {
        let text = place.value.text.as_str();
        let below = text.strip_prefix('/').unwrap_or(text);
        let dotted = below.split('/').any(|name| matches!(name, "." | ".."));
        let around = below.replacen("{path}", "", 1);
        // What nginx would fill in, or take for a status.
        let foreign = around.contains(['{', '}', '$']) || below.starts_with('=');
        if text.is_empty() || dotted || below.contains("//") || foreign {
            errors.push(
                Diagnostic::new(place.place, place.value.for_messages("place for a file")).label(
                    "expected a path below the root, such as \"{path}.html\" or \"/index.html\"; \
                     {path} is the only thing that can be filled in, and once",
                ),
            );
        }
        tries.push(match below.split_once("{path}") {
            Some(("", "")) => Try::Path,
            Some((before, after)) => Try::Text(before.into(), after.into()),
            None => Try::Fixed(below.into()),
        });
    }
    if tries.is_empty() && settings.sound {
        let what = "`try` names no place for a file";
        errors.push(Diagnostic::new(settings.place, what).label("the default is [\"{path}\"]"));
    }
    tries
}

/// Whether a path has a name that starts with a dot: passwords and repositories lie there. What is
/// below `/.well-known/` is meant to be seen (RFC 8615).
fn is_hidden(path: &[u8]) -> bool {
    let mut names = path.split(|b| *b == b'/');
    let first = names.next().unwrap_or_default();
    (first.starts_with(b".") && first != b".well-known") || names.any(|n| n.starts_with(b"."))
}

/// Whether a raw path writes something in a way that only those use who look for a hole: a slash or
/// a backslash that is encoded, or a backslash as it is.
pub fn is_devious(raw_path: &[u8]) -> bool {
    raw_path.iter().enumerate().any(|(at, byte)| match byte {
        b'\\' => true,
        b'%' => {
            let code = raw_path.get(at.saturating_add(1)..at.saturating_add(3));
            code.is_some_and(|code| {
                code.eq_ignore_ascii_case(b"2f") || code.eq_ignore_ascii_case(b"5c")
            })
        }
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_dot_are_hidden_but_for_well_known() {
        for hidden in [
            ".env",
            "a/.git/config",
            ".well-known/.x",
            "a/.well-known/b",
            "..",
            ".x/y",
        ] {
            assert!(is_hidden(hidden.as_bytes()), "{hidden}");
        }
        for seen in ["", "a", "a/b.c", ".well-known/acme", "a..b/c."] {
            assert!(!is_hidden(seen.as_bytes()), "{seen}");
        }
    }

    #[test]
    fn devious_paths() {
        for path in ["/a%2fb", "/a%2F..", "/a\\b", "/%5Cx", "/%5c"] {
            assert!(is_devious(path.as_bytes()), "{path}");
        }
        for path in ["/a/b", "/%20", "/a%2", "/100%25", "/%2E"] {
            assert!(!is_devious(path.as_bytes()), "{path}");
        }
    }
}
