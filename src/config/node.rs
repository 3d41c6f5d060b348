//! A TOML value together with its place.

use super::diagnostics::{Diagnostic, Diagnostics};
use super::source::{FileId, Place, Sources};
use toml::Spanned;
use toml::de::DeValue;

/// A value in a file. Borrowed: a node lives as long as the parsed document.
#[derive(Debug, Clone, Copy)]
pub struct Node<'a> {
    /// The value.
    pub value: &'a DeValue<'a>,
    /// Where it stands.
    pub place: Place,
    /// The texts, for paths relative to the file.
    pub sources: &'a Sources,
}

impl<'a> Node<'a> {
    /// The node of a spanned value.
    pub fn new(sources: &'a Sources, file: FileId, value: &'a Spanned<DeValue<'a>>) -> Self {
        Node {
            value: value.get_ref(),
            place: Place::new(file, value.span()),
            sources,
        }
    }

    /// The entries of a table as (key, place of the key, value); `None` when it is no table.
    pub fn entries(&self) -> Option<impl Iterator<Item = (&'a str, Place, Node<'a>)> + use<'a>> {
        let (file, sources) = (self.place.file, self.sources);
        let table = self.value.as_table()?;
        Some(table.iter().map(move |(key, value)| {
            (
                key.get_ref().as_ref(),
                Place::new(file, key.span()),
                Node::new(sources, file, value),
            )
        }))
    }

    /// The elements of an array; `None` when it is no array.
    pub fn elements(&self) -> Option<impl Iterator<Item = Node<'a>> + use<'a>> {
        let (file, sources) = (self.place.file, self.sources);
        let array = self.value.as_array()?;
        Some(
            array
                .iter()
                .map(move |value| Node::new(sources, file, value)),
        )
    }

    /// The value of `key` in a table.
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        self.entries()?
            .find(|(name, ..)| *name == key)
            .map(|(.., node)| node)
    }

    /// Whether this is a table of its own, and none of `{ env = "NAME" }` and `{ file = "path" }`,
    /// which stand for strings.
    pub fn is_own_table(&self) -> bool {
        self.value.is_table() && self.get("env").is_none() && self.get("file").is_none()
    }

    /// What the value is, in words: "an integer", "a table".
    pub fn is(&self) -> &'static str {
        match self.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a float",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "an array",
            DeValue::Table(_) => "a table",
        }
    }

    /// Reports that another kind of value was expected here.
    pub fn mismatch(&self, expected: &str, errors: &mut Diagnostics) {
        errors.push(
            Diagnostic::new(
                self.place,
                format!("expected {expected}, found {}", self.is()),
            )
            .label(format!("expected {expected}")),
        );
    }
}
