//! From host and path to a route.
//!
//! In: patterns, and a request's host, path, method, fields and query. Out: the index of a site,
//! the index of a route. Values only: no socket, no configuration.

pub mod conditions;
pub mod hosts;

pub use conditions::{Conditions, Expected, Facts};
pub use hosts::{HostPattern, HostTable, without_port};

use crate::config::PathPattern;
use http::Method;
use regex::bytes::Regex;
use std::collections::HashMap;

/// What the routes of a site say to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Take this route.
    Route(usize),
    /// The path lacks its final slash: `/static` where there is `/static/*`.
    AddSlash(usize),
    /// The path has routes, but none for this method; those are the methods that it has.
    WrongMethod(Vec<Method>),
    /// No route.
    Nothing,
}

#[derive(Debug, Clone)]
struct Candidate {
    route: usize,
    conditions: Conditions,
}

/// The routes of a site, ready to be searched: exact paths, then the longest prefix, then regular
/// expressions in the order written.
#[derive(Debug, Clone, Default)]
pub struct RouteTable {
    exact: HashMap<Box<[u8]>, Vec<Candidate>>,
    /// By prefix, its final slash included.
    prefix: HashMap<Box<[u8]>, Vec<Candidate>>,
    regexes: Vec<(Regex, Candidate)>,
}

impl RouteTable {
    /// Adds the routes in the order written; each is known by its index.
    pub fn build(routes: impl IntoIterator<Item = (PathPattern, Conditions)>) -> Self {
        let mut table = RouteTable::default();
        for (route, (pattern, conditions)) in routes.into_iter().enumerate() {
            let candidate = Candidate { route, conditions };
            match pattern {
                PathPattern::Exact(path) => {
                    table
                        .exact
                        .entry(path.into_bytes().into())
                        .or_default()
                        .push(candidate);
                }
                PathPattern::Prefix(prefix) => {
                    table
                        .prefix
                        .entry(prefix.into_bytes().into())
                        .or_default()
                        .push(candidate);
                }
                PathPattern::Regex(regex) => table.regexes.push((regex, candidate)),
            }
        }
        for candidates in table.exact.values_mut().chain(table.prefix.values_mut()) {
            // Stable: of two with as many conditions, the one written first is tried first.
            candidates.sort_by_key(|c| std::cmp::Reverse(c.conditions.count()));
        }
        table
    }

    /// Finds the route for a normalised path.
    pub fn find(&self, path: &[u8], facts: &Facts<'_>) -> Found {
        let mut methods: Vec<Method> = Vec::new();
        if let Some(candidates) = self.exact.get(path)
            && let Some(route) = choose(candidates, facts, &mut methods)
        {
            return Found::Route(route);
        }
        if !path.ends_with(b"/")
            && !self.exact.contains_key(path)
            && let Some(candidates) = self.with_slash(path)
            && let Some(route) = choose(candidates, facts, &mut Vec::new())
        {
            return Found::AddSlash(route);
        }
        let mut end = path.len();
        while let Some(slash) = path.get(..end).and_then(|head| memchr::memrchr(b'/', head)) {
            let prefix = path.get(..slash.saturating_add(1)).unwrap_or_default();
            if let Some(candidates) = self.prefix.get(prefix)
                && let Some(route) = choose(candidates, facts, &mut methods)
            {
                return Found::Route(route);
            }
            end = slash;
        }
        for (regex, candidate) in &self.regexes {
            if regex.is_match(path)
                && let Some(route) = choose(std::slice::from_ref(candidate), facts, &mut methods)
            {
                return Found::Route(route);
            }
        }
        if methods.is_empty() {
            Found::Nothing
        } else {
            Found::WrongMethod(methods)
        }
    }

    /// The routes below `path` + `/`.
    fn with_slash(&self, path: &[u8]) -> Option<&[Candidate]> {
        let mut space = [0u8; 256];
        let length = path.len().checked_add(1)?;
        let found = match space.get_mut(..length) {
            Some(with_slash) => {
                let (head, tail) = with_slash.split_at_mut_checked(path.len())?;
                head.copy_from_slice(path);
                tail.copy_from_slice(b"/");
                self.prefix.get(&*with_slash)
            }
            None => self.prefix.get([path, b"/"].concat().as_slice()),
        };
        found.map(Vec::as_slice)
    }
}

/// The first candidate whose conditions hold; the methods of those that failed by the method alone
/// are noted.
fn choose(candidates: &[Candidate], facts: &Facts<'_>, methods: &mut Vec<Method>) -> Option<usize> {
    for candidate in candidates {
        let conditions = &candidate.conditions;
        if conditions.is_empty() {
            return Some(candidate.route);
        }
        if !conditions.takes_rest(facts) {
            continue;
        }
        if conditions.takes_method(facts.method) {
            return Some(candidate.route);
        }
        for method in &conditions.methods {
            if !methods.contains(method) {
                methods.push(method.clone());
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;

    fn table(patterns: &[&str]) -> RouteTable {
        RouteTable::build(
            patterns
                .iter()
                .map(|p| (PathPattern::parse(p).unwrap(), Conditions::default())),
        )
    }

    fn find(table: &RouteTable, path: &str, method: Method) -> Found {
        let headers = HeaderMap::new();
        table.find(
            path.as_bytes(),
            &Facts {
                method: &method,
                headers: &headers,
                query: None,
            },
        )
    }

    #[test]
    fn exact_then_longest_prefix_then_regex_in_order() {
        let table = table(&["/*", "~ ^/a/[0-9]+$", "/a/b/*", "/a/*", "/a/b/c", "~ ^/x"]);
        let get = |path| find(&table, path, Method::GET);
        assert_eq!(get("/a/b/c"), Found::Route(4));
        assert_eq!(get("/a/b/d"), Found::Route(2));
        assert_eq!(get("/a/7"), Found::Route(3));
        assert_eq!(get("/xyz"), Found::Route(0));
        assert_eq!(get("/a"), Found::AddSlash(3));
        assert_eq!(get("/"), Found::Route(0));
        let long = format!("/{}", "z".repeat(400));
        assert_eq!(get(&long), Found::Route(0));
    }

    #[test]
    fn regexes_come_last_and_in_the_order_written() {
        let table = table(&["~ ^/u/[0-9]+$", "~ ^/u/", "/v"]);
        let get = |path| find(&table, path, Method::GET);
        assert_eq!(get("/u/7"), Found::Route(0));
        assert_eq!(get("/u/x"), Found::Route(1));
        assert_eq!(get("/v"), Found::Route(2));
        assert_eq!(get("/w"), Found::Nothing);
    }

    #[test]
    fn conditions_make_a_route_more_specific() {
        let conditions = |methods: &[Method]| Conditions {
            methods: methods.to_vec(),
            ..Default::default()
        };
        let pattern = |text| PathPattern::parse(text).unwrap();
        let table = RouteTable::build([
            (pattern("/a"), conditions(&[])),
            (pattern("/a"), conditions(&[Method::POST])),
            (pattern("/b"), conditions(&[Method::PUT, Method::GET])),
        ]);
        assert_eq!(find(&table, "/a", Method::GET), Found::Route(0));
        assert_eq!(find(&table, "/a", Method::POST), Found::Route(1));
        assert_eq!(find(&table, "/b", Method::HEAD), Found::Route(2));
        let wrong = Found::WrongMethod(vec![Method::PUT, Method::GET]);
        assert_eq!(find(&table, "/b", Method::DELETE), wrong);
    }
}
