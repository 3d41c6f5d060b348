//! Mistakes in a configuration, shown like a compiler shows them.

use super::source::{Place, Sources};
use std::fmt::Write as _;

/// Whether a configuration can be put in force all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Severity {
    /// It cannot.
    #[default]
    Error,
    /// It can, but somebody should look at it: a certificate that ends soon.
    Warning,
}

/// One mistake: where, what, and how to mend it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it is a mistake, or only worth a look.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub message: String,
    /// Where; `None` for what no file is to blame for (a missing file on the command line).
    pub place: Option<Place>,
    /// What stands beside the caret: what was expected.
    pub label: String,
    /// Other places that matter ("first given here").
    pub related: Vec<(Place, String)>,
    /// How to mend it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A mistake at a place.
    pub fn new(place: Place, message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            place: Some(place),
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// A mistake that lies in no file.
    pub fn nowhere(message: impl Into<String>) -> Self {
        Diagnostic {
            severity: Severity::Error,
            message: message.into(),
            place: None,
            label: String::new(),
            related: Vec::new(),
            help: None,
        }
    }

    /// No mistake: the configuration is put in force all the same.
    pub fn warning(mut self) -> Self {
        self.severity = Severity::Warning;
        self
    }

    /// What was expected, shown beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Another place that matters.
    pub fn related(mut self, place: Place, label: impl Into<String>) -> Self {
        self.related.push((place, label.into()));
        self
    }

    /// How to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// The mistakes found so far, in one load. Warnings are kept apart: no count and no question but
/// [`Diagnostics::warnings`] is about them.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    list: Vec<Diagnostic>,
    warnings: Vec<Diagnostic>,
    /// Lines that are no TOML: what was read of them is a guess.
    broken: Vec<Place>,
    found: usize,
}

impl Diagnostics {
    /// Adds one, unless it is about a line that is no TOML: it would only follow from that.
    pub fn push(&mut self, diagnostic: Diagnostic) {
        if diagnostic.severity == Severity::Warning {
            self.warnings.push(diagnostic);
            return;
        }
        self.found = self.found.saturating_add(1);
        let follows = |line: &Place| {
            diagnostic.place.is_some_and(|at| {
                at.file == line.file && (line.start..=line.end).contains(&at.start)
            })
        };
        if !self.broken.iter().any(follows) {
            self.list.push(diagnostic);
        }
    }

    /// Adds one about the TOML of a line.
    pub fn push_broken(&mut self, line: Place, diagnostic: Diagnostic) {
        // The parser stumbles over the same line more than once: the first time tells most.
        self.push(diagnostic);
        self.broken.push(line);
    }

    /// How many were found, those that only follow from others included. What is read in between
    /// is sound when the number stays.
    pub fn found(&self) -> usize {
        self.found
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many mistakes.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// The mistakes, in the order they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.list.iter()
    }

    /// What is worth a look, in the order it was found.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// All mistakes and warnings as text, sorted by file and line, with a closing count.
    pub fn render(&self, sources: &Sources) -> String {
        let mut out = rendered(self.list.iter().chain(&self.warnings), sources);
        let counted = |count: usize, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        let mut counts = counted(self.list.len(), "error");
        if !self.warnings.is_empty() {
            counts.push_str(" and ");
            counts.push_str(&counted(self.warnings.len(), "warning"));
        }
        let _ = writeln!(out, "{counts} in the configuration");
        out
    }

    /// The warnings alone as text, of a configuration that is right; empty when there is none.
    pub fn render_warnings(&self, sources: &Sources) -> String {
        rendered(self.warnings.iter(), sources)
    }
}

fn rendered<'a>(all: impl Iterator<Item = &'a Diagnostic>, sources: &Sources) -> String {
    let mut sorted: Vec<&Diagnostic> = all.collect();
    sorted.sort_by_key(|d| d.place);
    let mut out = String::new();
    for diagnostic in sorted {
        render_one(&mut out, diagnostic, sources);
        out.push('\n');
    }
    out
}

fn render_one(out: &mut String, diagnostic: &Diagnostic, sources: &Sources) {
    let what = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let _ = writeln!(out, "{what}: {}", diagnostic.message);
    let mut margin = 0;
    if let Some(place) = diagnostic.place {
        margin = excerpt(out, place, &diagnostic.label, '^', "-->", sources);
    }
    for (place, label) in &diagnostic.related {
        margin = excerpt(out, *place, label, '-', ":::", sources).max(margin);
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(out, "{:margin$} = help: {help}", "");
    }
}

fn excerpt(
    out: &mut String,
    place: Place,
    label: &str,
    mark: char,
    arrow: &str,
    sources: &Sources,
) -> usize {
    let at = sources.locate(place);
    let margin = at.line.to_string().len();
    let _ = writeln!(
        out,
        "{:margin$}{arrow} {}:{}:{}",
        "",
        at.path.display(),
        at.line,
        at.column
    );
    let _ = writeln!(out, "{:margin$} |", "");
    let _ = writeln!(out, "{:margin$} | {}", at.line, at.text);
    // Tabs are kept so that the caret stands under its text in any terminal.
    let pad: String = at
        .text
        .chars()
        .take(at.column.saturating_sub(1))
        .map(|c| if c == '\t' { '\t' } else { ' ' })
        .collect();
    let marks = mark.to_string().repeat(at.width);
    let line = format!("{pad}{marks} {label}");
    let _ = writeln!(out, "{:margin$} | {}", "", line.trim_end());
    margin
}

/// The candidate nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_ascii_lowercase();
    candidates
        .map(|c| {
            (
                strsim::damerau_levenshtein(&written, &c.to_ascii_lowercase()),
                c,
            )
        })
        // A third of the length: "acess" means "access", "foo" means nothing near.
        .filter(|(distance, c)| *distance <= c.len().max(3).div_ceil(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_shown_with_its_line_and_a_caret() {
        let mut sources = Sources::default();
        let id = sources.add("p.toml".into(), "[log]\nacess = \"off\"\n".into());
        let mut all = Diagnostics::default();
        all.push(
            Diagnostic::new(Place::new(id, 6..11), "unknown key `acess`")
                .label("did you mean `access`?"),
        );
        assert_eq!(
            all.render(&sources),
            "error: unknown key `acess`\n --> p.toml:2:1\n  |\n2 | acess = \"off\"\n  | ^^^^^ did you mean `access`?\n\n1 error in the configuration\n"
        );
    }

    #[test]
    fn a_warning_is_shown_but_is_no_mistake() {
        let mut sources = Sources::default();
        let id = sources.add("p.toml".into(), "a = 1\nb = 2\n".into());
        let mut all = Diagnostics::default();
        all.push(Diagnostic::new(Place::new(id, 6..7), "ends soon").warning());
        assert!(all.is_empty() && all.found() == 0);
        let shown = "warning: ends soon\n --> p.toml:2:1\n  |\n2 | b = 2\n  | ^\n\n";
        assert_eq!(all.render_warnings(&sources), shown);
        all.push(Diagnostic::new(Place::new(id, 0..1), "wrong"));
        let text = all.render(&sources);
        assert!(text.starts_with("error: wrong\n"), "{text}");
        let end = format!("\n\n{shown}1 error and 1 warning in the configuration\n");
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(all.warnings().len(), 1);
    }

    #[test]
    fn only_a_near_name_is_suggested() {
        let names = ["access", "level", "slow"];
        assert_eq!(nearest("acess", names.into_iter()), Some("access"));
        assert_eq!(nearest("Access", names.into_iter()), Some("access"));
        assert_eq!(nearest("geoip", names.into_iter()), None);
    }
}
