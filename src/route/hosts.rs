//! Which site a host belongs to.

use std::collections::HashMap;

/// The hosts a site answers for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// That name, in lower case, without a port.
    Exact(String),
    /// `*.example.org`, kept as `.example.org`: one or more labels before it.
    Wildcard(String),
}

impl HostPattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        let lower = text.to_ascii_lowercase();
        let (name, wildcard) = match lower.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (lower.as_str(), false),
        };
        if name.contains('*') {
            return Err(
                "`*` stands only at the start, for one or more labels: \"*.example.org\"".into(),
            );
        }
        let address = name.starts_with('[') && name.ends_with(']');
        let label = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.contains("://") || name.contains('/') {
            return Err("a host is a name alone, without scheme and path".into());
        }
        if !address && name.contains(':') {
            return Err("a host is given without its port".into());
        }
        if name.is_empty() || (!address && !name.bytes().all(label)) {
            return Err("expected a name such as \"example.org\" or \"*.example.org\"".into());
        }
        let name = name.strip_suffix('.').unwrap_or(name);
        if !address && name.split('.').any(str::is_empty) {
            return Err("a dot stands between two labels of a name".into());
        }
        Ok(if wildcard {
            HostPattern::Wildcard(format!(".{name}"))
        } else {
            HostPattern::Exact(name.to_string())
        })
    }
}

impl std::fmt::Display for HostPattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            HostPattern::Exact(name) => f.write_str(name),
            HostPattern::Wildcard(suffix) => write!(f, "*{suffix}"),
        }
    }
}

/// From a host to a site (by its index): exact name, then the longest wildcard, then the site for
/// any host.
#[derive(Debug, Default, Clone)]
pub struct HostTable {
    exact: HashMap<String, usize>,
    wildcard: HashMap<String, usize>,
    any: Option<usize>,
}

/// Longer than any host (RFC 1035 section 2.3.4): such a name matches nothing.
const LONGEST: usize = 255;

impl HostTable {
    /// Gives a pattern to a site; the site that had it already, if one did.
    pub fn insert(&mut self, pattern: Option<&HostPattern>, site: usize) -> Option<usize> {
        match pattern {
            Some(HostPattern::Exact(name)) => self.exact.insert(name.clone(), site),
            Some(HostPattern::Wildcard(suffix)) => self.wildcard.insert(suffix.clone(), site),
            None => self.any.replace(site),
        }
    }

    /// Whether a pattern is this site's.
    pub fn has(&self, site: usize) -> bool {
        let mut named = self.exact.values().chain(self.wildcard.values());
        self.any == Some(site) || named.any(|other| *other == site)
    }

    /// The site that was inserted first, of those with names.
    pub fn first(&self) -> Option<usize> {
        self.exact
            .values()
            .chain(self.wildcard.values())
            .copied()
            .min()
    }

    /// The site for a `Host` as sent: in any case, with or without a port or a final dot.
    pub fn find(&self, host: &[u8]) -> Option<usize> {
        let mut space = [0u8; LONGEST];
        let name = without_port(host);
        let name = name.strip_suffix(b".").unwrap_or(name);
        let lower = space.get_mut(..name.len()).and_then(|lower| {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            std::str::from_utf8(lower).ok()
        });
        self.find_lower(lower.unwrap_or("")).or(self.any)
    }

    fn find_lower(&self, name: &str) -> Option<usize> {
        if let Some(site) = self.exact.get(name) {
            return Some(*site);
        }
        if self.wildcard.is_empty() {
            return None;
        }
        // From the left: the first dot gives the longest suffix.
        name.match_indices('.')
            .filter(|(at, _)| *at > 0)
            .find_map(|(at, _)| self.wildcard.get(name.get(at..)?).copied())
    }
}

/// `example.org:8080` -> `example.org`, `[::1]:80` -> `[::1]`.
pub fn without_port(host: &[u8]) -> &[u8] {
    if host.first() == Some(&b'[') {
        let end = memchr::memchr(b']', host).map_or(host.len(), |at| at.saturating_add(1));
        return host.get(..end).unwrap_or(host);
    }
    match memchr::memchr(b':', host) {
        Some(at) => host.get(..at).unwrap_or(host),
        None => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_specific_site_wins() {
        let mut table = HostTable::default();
        for (site, pattern) in ["example.org", "*.example.org", "*.shop.example.org"]
            .iter()
            .enumerate()
        {
            assert_eq!(
                table.insert(Some(&HostPattern::parse(pattern).unwrap()), site),
                None
            );
        }
        assert_eq!(table.find(b"example.org"), Some(0));
        assert_eq!(table.find(b"EXAMPLE.org.:8080"), Some(0));
        assert_eq!(table.find(b"a.example.org"), Some(1));
        assert_eq!(table.find(b"a.b.example.org"), Some(1));
        assert_eq!(table.find(b"a.shop.example.org"), Some(2));
        assert_eq!(table.find(b"shop.example.org"), Some(1));
        assert_eq!(table.find(b"other.org"), None);
        assert_eq!(table.find(b""), None);
        assert_eq!(table.find(&[b'a'; 300]), None);
        table.insert(None, 3);
        assert_eq!(table.find(b"other.org"), Some(3));
        assert_eq!(table.find(b"[::1]:80"), Some(3));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "", "*", "a*.org", "http://a", "a/b", "a:80", "a b", "*.*.org", ".", "*.", "..",
            "a..b", ".a",
        ] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
