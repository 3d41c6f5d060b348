//! The parameters of a question: decoded, each at most once, each with a value that it may have.

use super::refusal::Refusal;
use crate::visits::statistics::fact::{LONGEST_FAMILY, LONGEST_HOST, LONGEST_PAGE};
use crate::visits::statistics::{Filter, OTHER};
use crate::visits::visit::{Device, Source, cut};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Parameters that all questions have.
pub const FILTERS: [&str; 8] = [
    "site", "source", "country", "path", "device", "browser", "os", "referrer",
];

/// The parameters of a query.
#[derive(Debug)]
pub struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Decodes a query.
    ///
    /// # Errors
    /// A name is not among those that are known here, or is given twice, or something is not
    /// percent-encoded UTF-8.
    pub fn read(query: &str, known: &[&str]) -> Result<Parameters, Refusal> {
        let mut parameters = BTreeMap::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let encoded = |text: &str| {
                decoded(text).ok_or_else(|| {
                    let name = decoded(name).unwrap_or_else(|| name.to_string());
                    Refusal::value(&name, text, "percent-encoded UTF-8")
                })
            };
            let (name, value) = (encoded(name)?, encoded(value)?);
            if !known.contains(&name.as_str()) {
                let allowed = match known {
                    [] => "none".to_string(),
                    known => format!("one of: {}", known.join(", ")),
                };
                let shown = cut(&name, 100);
                return Err(Refusal::Parameter {
                    error: format!("there is no parameter {shown:?} here"),
                    parameter: shown.to_string(),
                    allowed,
                });
            }
            if parameters.contains_key(&name) {
                return Err(Refusal::Parameter {
                    error: format!("{name} is given twice"),
                    parameter: name,
                    allowed: "one value".to_string(),
                });
            }
            parameters.insert(name, value);
        }
        Ok(Parameters(parameters))
    }

    /// The value of a parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A whole number.
    ///
    /// # Errors
    /// It is none, or outside of the range.
    pub fn number(
        &self,
        name: &str,
        range: RangeInclusive<u32>,
        default: u32,
    ) -> Result<u32, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(default);
        };
        let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = text
            .parse()
            .ok()
            .filter(|number| is_plain && range.contains(number));
        number.ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            Refusal::value(name, text, format!("a whole number from {first} to {last}"))
        })
    }

    /// One of these.
    ///
    /// # Errors
    /// It is none of them.
    pub fn one_of<T: Copy>(&self, name: &str, all: &[(&str, T)]) -> Result<Option<T>, Refusal> {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let found = all.iter().find(|(known, _)| *known == text);
        found.map(|(_, value)| Some(*value)).ok_or_else(|| {
            let all: Vec<&str> = all.iter().map(|(known, _)| *known).collect();
            Refusal::value(name, text, format!("one of: {}", all.join(", ")))
        })
    }

    fn text(&self, name: &str, longest: usize, what: &str) -> Result<Option<String>, Refusal> {
        match self.get(name) {
            Some("") => Err(Refusal::value(name, "", what)),
            // Names are counted only so far.
            Some(text) => Ok(Some(cut(text, longest).to_string())),
            None => Ok(None),
        }
    }

    /// The filters.
    ///
    /// # Errors
    /// One of them has a value that it may not have.
    pub fn filter(&self) -> Result<Filter, Refusal> {
        let sources = [Source::Web, Source::App].map(|source| (source.name(), source));
        let devices = Device::ALL.map(|device| (device.name(), device));
        let path = self.text("path", LONGEST_PAGE, PATH)?;
        if let Some(path) = path.as_deref()
            && !path.starts_with('/')
            && path != OTHER
        {
            return Err(Refusal::value("path", path, PATH));
        }
        Ok(Filter {
            source: self.one_of("source", &sources)?,
            country: self.get("country").map(country).transpose()?,
            path,
            device: self.one_of("device", &devices)?,
            browser: self.text("browser", LONGEST_FAMILY, "a browser's name, like Firefox")?,
            os: self.text("os", LONGEST_FAMILY, "a system's name, like Android")?,
            referrer: self.text("referrer", LONGEST_HOST, REFERRER)?,
            until_hour: None,
        })
    }
}

const PATH: &str = "a path without a query, like /about/";
const REFERRER: &str = "another site's host, like example.org, or (direct)";

/// Two letters, large or small.
fn country(text: &str) -> Result<[u8; 2], Refusal> {
    match text.as_bytes() {
        [a, b] if a.is_ascii_alphabetic() && b.is_ascii_alphabetic() => {
            Ok([a.to_ascii_uppercase(), b.to_ascii_uppercase()])
        }
        _ => Err(Refusal::value(
            "country",
            text,
            "two letters of ISO 3166-1, like FR; ZZ for unknown",
        )),
    }
}

/// `application/x-www-form-urlencoded` text as it was (WHATWG URL section 5.1), but nothing is
/// guessed.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [byte, after @ ..] = rest {
        rest = after;
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let ([high, low], after) = rest.split_first_chunk()?;
                rest = after;
                let digit = |d: u8| {
                    char::from(d)
                        .to_digit(16)
                        .and_then(|d| u8::try_from(d).ok())
                };
                digit(*high)? * 16 + digit(*low)?
            }
            byte => *byte,
        });
    }
    String::from_utf8(bytes).ok()
}
