//! `headers` of a route: conditions on the request's fields, and changes to the answer's.

use crate::config::{Diagnostic, Diagnostics, Node, Place, Table, Text, Value, unknown_key};
use crate::headers::settings::HeadersSettings;

/// What stands in a route's `headers`.
#[derive(Debug, Clone)]
pub struct RouteHeaders {
    /// Fields that a request must have: name, place, what the value must be.
    pub conditions: Vec<(String, Place, Text)>,
    /// What happens to the answer's fields.
    pub change: Option<HeadersSettings>,
}

/// The keys that change the answer; every other key names a field of the request.
const CHANGES: [&str; 4] = ["security", "set", "default", "remove"];

impl Value for RouteHeaders {
    fn kind() -> String {
        "table".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let Some(entries) = node.entries() else {
            node.mismatch("a table", errors);
            return None;
        };
        let mut change = HeadersSettings::absent()?;
        change.place = node.place;
        let mut changed = false;
        let mut conditions = Vec::new();
        let before = errors.found();
        for (key, place, value) in entries {
            changed |= CHANGES.contains(&key);
            match key {
                "security" => change.security = Value::read(&value, errors).unwrap_or_default(),
                "set" => change.set = Value::read(&value, errors).unwrap_or_default(),
                "default" => change.default = Value::read(&value, errors).unwrap_or_default(),
                "remove" => change.remove = Value::read(&value, errors).unwrap_or_default(),
                // A mistyped key must not become a condition that no request ever meets.
                _ if misspelt(key) => {
                    unknown_key(key, place, &CHANGES, &[], errors);
                }
                _ => {
                    if value.is_own_table() {
                        errors.push(
                            Diagnostic::new(place, format!("unknown key `{key}`")).label(
                                "expected `security`, `set`, `default`, `remove`, or a field's name with a value",
                            ),
                        );
                        continue;
                    }
                    if let Some(text) = Text::read(&value, errors) {
                        conditions.push((key.to_string(), place, text));
                    }
                }
            }
        }
        change.sound = errors.found() == before;
        Some(RouteHeaders {
            conditions,
            change: changed.then_some(change),
        })
    }

    fn show(&self) -> String {
        String::new()
    }

    fn table() -> Option<fn() -> Table> {
        Some(HeadersSettings::describe)
    }
}

fn misspelt(key: &str) -> bool {
    let near = |change: &str| strsim::damerau_levenshtein(key, change) == 1;
    key.bytes().all(|b| b.is_ascii_lowercase()) && key != "te" && CHANGES.iter().any(|c| near(c))
}
