//! What a route asks of a request besides its path.

use crate::wire::target::decode_leniently;
use http::{HeaderMap, HeaderName, Method};
use regex::bytes::Regex;

/// What a value must be.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Present, whatever it is: `"*"`.
    Present,
    /// Exactly this.
    Exact(String),
    /// A match: `"~ ^v[0-9]+$"`.
    Regex(Regex),
}

impl Expected {
    /// Reads one.
    ///
    /// # Errors
    /// A broken regular expression, in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Expected::Present);
        }
        match text.strip_prefix('~') {
            Some(expression) => Regex::new(expression.trim())
                .map(Expected::Regex)
                .map_err(|_| "not a regular expression".to_string()),
            None => Ok(Expected::Exact(text.to_string())),
        }
    }

    fn takes(&self, value: &[u8]) -> bool {
        match self {
            Expected::Present => true,
            Expected::Exact(text) => text.as_bytes() == value,
            Expected::Regex(regex) => regex.is_match(value),
        }
    }
}

/// The conditions of a route; all must hold.
#[derive(Debug, Clone, Default)]
pub struct Conditions {
    /// One of these, when any is given. `GET` takes `HEAD` too.
    pub methods: Vec<Method>,
    /// Each field must be there and as expected.
    pub headers: Vec<(HeaderName, Expected)>,
    /// Each parameter must be there and as expected.
    pub query: Vec<(String, Expected)>,
}

/// What conditions look at.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The method.
    pub method: &'a Method,
    /// The fields.
    pub headers: &'a HeaderMap,
    /// The query without its `?`.
    pub query: Option<&'a [u8]>,
}

impl Conditions {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.methods.is_empty() && self.headers.is_empty() && self.query.is_empty()
    }

    /// How many there are: of two routes with one path, that with more is tried first.
    pub fn count(&self) -> usize {
        usize::from(!self.methods.is_empty())
            .saturating_add(self.headers.len())
            .saturating_add(self.query.len())
    }

    /// Whether the method is taken.
    pub fn takes_method(&self, method: &Method) -> bool {
        let head = method == Method::HEAD && self.methods.contains(&Method::GET);
        self.methods.is_empty() || head || self.methods.contains(method)
    }

    /// Whether everything but the method holds.
    pub fn takes_rest(&self, facts: &Facts<'_>) -> bool {
        let header = |(name, expected): &(HeaderName, Expected)| {
            facts
                .headers
                .get_all(name)
                .iter()
                .any(|value| expected.takes(value.as_bytes()))
        };
        let query = |(name, expected): &(String, Expected)| {
            parameters(facts.query.unwrap_or_default())
                .any(|(key, value)| key == name.as_bytes() && expected.takes(&value))
        };
        self.headers.iter().all(header) && self.query.iter().all(query)
    }
}

/// The parameters of a query, decoded as forms encode them (`+` is a space).
fn parameters(query: &[u8]) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    query
        .split(|b| *b == b'&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let mut parts = pair.splitn(2, |b| *b == b'=');
            let mut part = || form_decode(parts.next().unwrap_or_default());
            (part(), part())
        })
}

fn form_decode(text: &[u8]) -> Vec<u8> {
    let spaced: Vec<u8> = text
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    decode_leniently(&spaced).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_hold_or_do_not() {
        let mut headers = HeaderMap::new();
        headers.insert("x-beta", "v12".parse().unwrap());
        let conditions = Conditions {
            methods: vec![Method::GET],
            headers: vec![(
                "x-beta".parse().unwrap(),
                Expected::parse("~ ^v[0-9]+$").unwrap(),
            )],
            query: vec![
                ("q".into(), Expected::parse("a b").unwrap()),
                ("x".into(), Expected::Present),
            ],
        };
        let facts = |query: &'static str| Facts {
            method: &Method::HEAD,
            headers: &headers,
            query: Some(query.as_bytes()),
        };
        assert!(conditions.takes_method(&Method::HEAD) && !conditions.takes_method(&Method::POST));
        assert!(
            conditions.takes_rest(&facts("x&q=a+b"))
                && conditions.takes_rest(&facts("q=a%20b&x=1"))
        );
        assert!(!conditions.takes_rest(&facts("q=a")) && !conditions.takes_rest(&facts("")));
    }
}
