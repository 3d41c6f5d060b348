//! Which paths a route takes: `/health`, `/static/*`, `~ ^/u/[0-9]+$`.

use super::diagnostics::{Diagnostic, Diagnostics};
use super::node::Node;
use super::value::{Text, Value};
use regex::bytes::Regex;

/// A pattern over decoded, dot-segment-free paths.
#[derive(Debug, Clone)]
pub enum PathPattern {
    /// That path alone.
    Exact(String),
    /// Everything below; ends in `/` (`/static/*` is kept as `/static/`).
    Prefix(String),
    /// A regular expression over the path's bytes.
    Regex(Regex),
}

impl PathPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if let Some(expression) = text.strip_prefix('~') {
            return Regex::new(expression.trim())
                .map(PathPattern::Regex)
                .map_err(|error| format!("not a regular expression: {}", last_line(&error)));
        }
        if !text.starts_with('/') {
            return Err("a path starts with `/`, a regular expression with `~ `".to_string());
        }
        let (head, prefix) = match text.strip_suffix("/*") {
            Some(head) => (head, true),
            None => (text, false),
        };
        if head.contains('*') {
            return Err("`*` stands only at the end, after a `/`".to_string());
        }
        if head.contains(['?', '#']) {
            return Err("a path has no query: use the route's `query` condition".to_string());
        }
        // The path that a request is matched by has none of these left, so such a pattern
        // could never match.
        let dotted = head
            .split('/')
            .any(|segment| segment == "." || segment == "..");
        if head.contains("//") || dotted {
            return Err("no path contains `//`, `/./` or `/../` once it is normalised".to_string());
        }
        Ok(if prefix {
            PathPattern::Prefix(format!("{head}/"))
        } else {
            PathPattern::Exact(head.to_string())
        })
    }

    /// Whether this only stands in for a pattern that could not be read.
    pub fn is_stand_in(&self) -> bool {
        matches!(self, PathPattern::Exact(path) if path.is_empty())
    }

    /// What `*` stands for in a path that the pattern takes; of the other kinds, all of it without
    /// its first slash.
    pub fn below<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        let prefix = match self {
            PathPattern::Prefix(prefix) => prefix.as_bytes(),
            PathPattern::Exact(_) | PathPattern::Regex(_) => b"/",
        };
        path.strip_prefix(prefix).unwrap_or_default()
    }

    /// Whether the pattern takes this decoded, dot-segment-free path.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            PathPattern::Exact(exact) => exact.as_bytes() == path,
            PathPattern::Prefix(prefix) => path.starts_with(prefix.as_bytes()),
            PathPattern::Regex(regex) => regex.is_match(path),
        }
    }
}

fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines()
        .last()
        .unwrap_or("")
        .trim()
        .trim_start_matches("error: ")
        .to_string()
}

impl std::fmt::Display for PathPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            PathPattern::Exact(path) => f.write_str(path),
            PathPattern::Prefix(prefix) => write!(f, "{prefix}*"),
            PathPattern::Regex(regex) => write!(f, "~ {}", regex.as_str()),
        }
    }
}

impl Value for PathPattern {
    fn kind() -> String {
        "path pattern".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        match PathPattern::parse(&text.text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                let what = text.for_messages("path pattern");
                errors.push(Diagnostic::new(node.place, what).label(why));
                None
            }
        }
    }

    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }

    fn stand_in() -> Option<Self> {
        Some(PathPattern::Exact(String::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_kinds() {
        let matches = |pattern: &str, path: &str| {
            PathPattern::parse(pattern)
                .unwrap()
                .matches(path.as_bytes())
        };
        assert!(matches("/health", "/health") && !matches("/health", "/health/"));
        assert!(matches("/static/*", "/static/") && matches("/static/*", "/static/a/b"));
        assert!(!matches("/static/*", "/static") && !matches("/static/*", "/staticx"));
        assert!(matches("/*", "/") && matches("/*", "/any"));
        assert!(matches("~ ^/u/[0-9]+$", "/u/7") && !matches("~ ^/u/[0-9]+$", "/u/x"));
    }

    #[test]
    fn what_can_never_match_is_refused() {
        for bad in [
            "static", "/a*", "/a/*/b", "/a//b", "/a/../b", "/a?x=1", "~ (", "",
        ] {
            assert!(PathPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
