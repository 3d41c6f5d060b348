//! Reading a configuration's files: the one named, and those that it includes.

use super::diagnostics::{Diagnostic, Diagnostics};
use super::node::Node;
use super::source::{FileId, Place, Sources};
use super::value::{Text, Value};
use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The parsed files of a configuration.
#[derive(Debug)]
pub struct Document<'a> {
    sources: &'a Sources,
    tables: Vec<(FileId, Spanned<DeValue<'a>>)>,
}

impl<'a> Document<'a> {
    /// Parses all files of `sources`; what is no TOML is said in `errors`.
    pub fn parse(sources: &'a Sources, files: &[FileId], errors: &mut Diagnostics) -> Self {
        let mut tables = Vec::with_capacity(files.len());
        for file in files {
            let (table, mistakes) = DeTable::parse_recoverable(sources.text(*file));
            for mistake in mistakes {
                let place = mistake
                    .span()
                    .map_or_else(|| Place::file_start(*file), |span| Place::new(*file, span));
                let message = mistake.message().lines().collect::<Vec<_>>().join(", ");
                errors.push_broken(
                    sources.whole_line(place),
                    Diagnostic::new(place, message).label("not valid TOML"),
                );
            }
            let span = table.span();
            tables.push((
                *file,
                Spanned::new(span, DeValue::Table(table.into_inner())),
            ));
        }
        Document { sources, tables }
    }

    /// The entries at the top level of all files: (key, place of the key, value).
    pub fn entries(&self) -> impl Iterator<Item = (&str, Place, Node<'_>)> {
        self.tables
            .iter()
            .filter_map(|(file, table)| Node::new(self.sources, *file, table).entries())
            .flatten()
    }
}

/// Reads the file at `path` and all that it includes, depth first, each once.
///
/// Patterns of `include` are relative to the file that names them; what they match is sorted by
/// name. Files that cannot be read are said in `errors`.
pub fn load(path: &Path, sources: &mut Sources, errors: &mut Diagnostics) -> Vec<FileId> {
    let mut files = Vec::new();
    let mut seen = HashSet::new();
    visit(
        path.to_path_buf(),
        None,
        sources,
        &mut files,
        &mut seen,
        errors,
    );
    files
}

fn visit(
    path: PathBuf,
    named_at: Option<Place>,
    sources: &mut Sources,
    files: &mut Vec<FileId>,
    seen: &mut HashSet<PathBuf>,
    errors: &mut Diagnostics,
) {
    sources.watch(&path);
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) => {
            let what = format!("cannot read {}: {error}", path.display());
            errors.push(match named_at {
                Some(place) => Diagnostic::new(place, what).label("included here"),
                None => Diagnostic::nowhere(what),
            });
            return;
        }
    };
    // The same file by two patterns, or a circle of includes, is read once.
    if !seen.insert(std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone())) {
        return;
    }
    let file = sources.add(path, text);
    files.push(file);
    for (pattern, place) in includes(sources, file, errors) {
        for included in expand(&pattern, place, sources, errors) {
            visit(included, Some(place), sources, files, seen, errors);
        }
    }
}

/// The patterns of `include` in a file.
fn includes(sources: &Sources, file: FileId, errors: &mut Diagnostics) -> Vec<(String, Place)> {
    // Most files of a large configuration include nothing; those are not parsed twice.
    if !sources.text(file).contains("include") {
        return Vec::new();
    }
    // Mistakes in the TOML are reported once, by `Document::parse`.
    let (table, _) = DeTable::parse_recoverable(sources.text(file));
    let span = table.span();
    let root = Spanned::new(span, DeValue::Table(table.into_inner()));
    let Some(include) = Node::new(sources, file, &root).get("include") else {
        return Vec::new();
    };
    let Some(elements) = include.elements() else {
        include.mismatch("a list of patterns: [\"sites/*.toml\"]", errors);
        return Vec::new();
    };
    let mut patterns = Vec::new();
    for element in elements {
        if let Some(pattern) = Text::read(&element, errors) {
            patterns.push((pattern.text, element.place));
        }
    }
    patterns
}

const WILDCARDS: [char; 3] = ['*', '?', '['];

/// Watches the folders in which a new entry may match a pattern. Of `sites/*/site.toml` in
/// `/etc`, that is `/etc/sites` and every folder in it. `absolute` is the same pattern with its
/// folder before it.
fn watch_folders(folder: &Path, pattern: &str, absolute: &str, sources: &mut Sources) {
    let wild = |part: &Component<'_>| part.as_os_str().to_string_lossy().contains(WILDCARDS);
    let parts: Vec<Component<'_>> = Path::new(pattern).components().collect();
    let plain: PathBuf = parts.iter().take_while(|part| !wild(part)).collect();
    // It may not be there yet.
    sources.watch(&folder.join(plain));
    let deeper = parts.iter().skip_while(|part| !wild(part)).count();
    let mut above = Path::new(absolute);
    for _ in 1..deeper {
        above = above.parent().unwrap_or(above);
        // Mistakes in the pattern are reported where it is expanded.
        let found = glob::glob(&above.to_string_lossy()).into_iter().flatten();
        for path in found.flatten().filter(|path| path.is_dir()) {
            sources.watch(&path);
        }
    }
}

fn expand(
    pattern: &str,
    place: Place,
    sources: &mut Sources,
    errors: &mut Diagnostics,
) -> Vec<PathBuf> {
    let folder = glob::Pattern::escape(&sources.folder(place.file).to_string_lossy());
    let absolute = if Path::new(pattern).is_absolute() {
        pattern.to_string()
    } else {
        format!("{folder}/{pattern}")
    };
    let plain = !pattern.contains(WILDCARDS);
    if plain {
        // A file that is named must be there; a pattern may match nothing.
        return vec![sources.folder(place.file).join(pattern)];
    }
    let from = sources.folder(place.file).to_path_buf();
    watch_folders(&from, pattern, &absolute, sources);
    match glob::glob(&absolute) {
        Ok(paths) => {
            let mut found: Vec<PathBuf> = paths.flatten().filter(|path| path.is_file()).collect();
            found.sort();
            found
        }
        Err(error) => {
            errors.push(
                Diagnostic::new(place, format!("not a pattern of file names: {}", error.msg))
                    .label("expected a path or a glob such as \"sites/*.toml\""),
            );
            Vec::new()
        }
    }
}
