//! Typed values: how each is read from a node, and shown in the reference.

use super::diagnostics::{Diagnostic, Diagnostics, nearest};
use super::node::Node;
use super::reference::Table;
use super::source::Place;
use super::table::unknown_key;
use super::units::{
    EXPECTED_DURATION, EXPECTED_SIZE, Size, format_duration, parse_duration, parse_size,
};
use http::HeaderValue;
use http::uri::Authority;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use toml::de::DeValue;

/// Something that can stand to the right of a `=`.
pub trait Value: Sized {
    /// The kind, as the reference names it: "duration", "list of strings".
    fn kind() -> String;
    /// Reads it; `None` when it is wrong, which is then said in `errors`.
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self>;
    /// The value as TOML, for the reference's column of defaults.
    fn show(&self) -> String;
    /// What takes the place of a value that must be given but is wrong or missing, so that the
    /// rest of its table is checked all the same.
    fn stand_in() -> Option<Self> {
        None
    }
    /// The table behind the value, when it is one.
    fn table() -> Option<fn() -> Table> {
        None
    }
}

/// A value with its place, for mistakes that show only when values are put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct At<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub place: Place,
}

impl<T> At<T> {
    /// A default: it stands nowhere.
    pub fn unplaced(value: T) -> Self {
        At {
            value,
            place: Place::default(),
        }
    }
}

impl<T: Value> Value for At<T> {
    fn kind() -> String {
        T::kind()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        T::read(node, errors).map(|value| At {
            value,
            place: node.place,
        })
    }
    fn show(&self) -> String {
        self.value.show()
    }
    fn stand_in() -> Option<Self> {
        T::stand_in().map(|value| At {
            value,
            place: Place::default(),
        })
    }
    fn table() -> Option<fn() -> Table> {
        T::table()
    }
}

/// Where a string came from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    Literal,
    Environment(String),
    File(PathBuf),
}

/// A string; `{ env = "NAME" }` and `{ file = "path" }` stand for one that must not be in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The text.
    pub text: String,
    origin: Origin,
}

impl Text {
    /// A literal text.
    pub fn literal(text: impl Into<String>) -> Self {
        Text {
            text: text.into(),
            origin: Origin::Literal,
        }
    }

    /// Whether it comes from where secrets come from, and must not be printed.
    pub fn is_secret(&self) -> bool {
        self.origin != Origin::Literal
    }

    /// As the value of a header field, one that is not printed if this must not be.
    pub fn header_value(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.text).ok()?;
        value.set_sensitive(self.is_secret());
        Some(value)
    }

    /// As the value of `Host`: a name or an address, with or without a port.
    pub fn host_value(&self) -> Option<HeaderValue> {
        let authority: Authority = self.text.parse().ok()?;
        // What stands before an `@` is no part of a host.
        let whole = !authority.as_str().contains('@');
        self.header_value().filter(|_| whole)
    }

    /// What to call the value in a message: itself, or its source when it may be a secret.
    pub fn for_messages(&self, what: &str) -> String {
        match &self.origin {
            Origin::Literal => format!("invalid {what} {:?}", self.text),
            Origin::Environment(name) => {
                format!("invalid {what} in the environment variable `{name}`")
            }
            Origin::File(path) => format!("invalid {what} in the file {}", path.display()),
        }
    }
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.origin {
            Origin::Literal => write!(f, "{:?}", self.text),
            // A secret is never printed.
            Origin::Environment(name) => write!(f, "{{ env = {name:?} }}"),
            Origin::File(path) => write!(f, "{{ file = {path:?} }}"),
        }
    }
}

impl Value for Text {
    fn kind() -> String {
        "string".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        match node.value {
            DeValue::String(text) => Some(Text::literal(text.as_ref())),
            DeValue::Table(_) => indirect(node, errors),
            _ => {
                node.mismatch(
                    "a string, { env = \"NAME\" } or { file = \"path\" }",
                    errors,
                );
                None
            }
        }
    }

    fn show(&self) -> String {
        format!("{self:?}")
    }

    fn stand_in() -> Option<Self> {
        Some(Text::literal(""))
    }
}

/// The string that stands here, be it by `{ env }` or `{ file }`, for values that are one of a few
/// words or something else. `None` also when it is wrong, which reading it as that else will say.
pub fn text_of(node: &Node<'_>) -> Option<String> {
    let mut said_later = Diagnostics::default();
    Text::read(node, &mut said_later).map(|text| text.text)
}

/// `{ env = "NAME", default = "..." }` or `{ file = "path" }`.
fn indirect(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Text> {
    let mut sound = true;
    for (key, place, value) in node.entries()? {
        if !matches!(key, "env" | "file" | "default") {
            unknown_key(key, place, &["env", "file", "default"], &[], errors);
            sound = false;
        } else if key == "default" && node.get("file").is_some() {
            errors.push(
                Diagnostic::new(place, "a file has no `default`")
                    .label("goes with `env` only")
                    .help("remove it: parvis accepts no key that would do nothing"),
            );
            sound = false;
        } else if !matches!(value.value, DeValue::String(_)) {
            value.mismatch("a string", errors);
            sound = false;
        }
    }
    if !sound {
        return None;
    }
    let string = |key: &str| node.get(key).and_then(|n| n.value.as_str());
    match (string("env"), string("file")) {
        (Some(name), None) => match (std::env::var(name), string("default")) {
            (Ok(text), _) => Some(Text {
                text,
                origin: Origin::Environment(name.to_string()),
            }),
            (Err(_), Some(default)) => Some(Text::literal(default)),
            (Err(_), None) => {
                errors.push(
                    Diagnostic::new(
                        node.place,
                        format!("the environment variable `{name}` is not set (or is not UTF-8)"),
                    )
                    .label("needed here")
                    .help("set it, or give a value for when it is absent: default = \"...\""),
                );
                None
            }
        },
        (None, Some(path)) => {
            let path = node.sources.folder(node.place.file).join(path);
            match std::fs::read_to_string(&path) {
                // Editors and `echo` end a secret with a line break that is no part of it.
                Ok(text) => Some(Text {
                    text: text.trim_end_matches(['\n', '\r']).to_string(),
                    origin: Origin::File(path),
                }),
                Err(error) => {
                    let what = format!("cannot read {}: {error}", path.display());
                    errors.push(Diagnostic::new(node.place, what).label("needed here"));
                    None
                }
            }
        }
        _ => {
            errors.push(
                Diagnostic::new(node.place, "expected one of `env` and `file`")
                    .label("a string, { env = \"NAME\" } or { file = \"path\" }"),
            );
            None
        }
    }
}

impl Value for String {
    fn kind() -> String {
        Text::kind()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        Text::read(node, errors).map(|text| text.text)
    }
    fn show(&self) -> String {
        format!("{self:?}")
    }
    fn stand_in() -> Option<Self> {
        Some(String::new())
    }
}

/// A path in the file system, relative to the file that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilePath(pub PathBuf);

impl Value for FilePath {
    fn kind() -> String {
        "path".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        if text.text.is_empty() {
            errors.push(Diagnostic::new(node.place, "empty path").label("expected a path"));
            return None;
        }
        Some(FilePath(
            node.sources.folder(node.place.file).join(text.text),
        ))
    }
    fn show(&self) -> String {
        format!("{:?}", self.0.display().to_string())
    }
}

impl Value for bool {
    fn kind() -> String {
        "boolean".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let value = node.value.as_bool();
        if value.is_none() {
            node.mismatch("`true` or `false`", errors);
        }
        value
    }
    fn show(&self) -> String {
        self.to_string()
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Value for $type {
            fn kind() -> String {
                "integer".to_string()
            }
            fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
                let Some(integer) = node.value.as_integer() else {
                    node.mismatch("an integer", errors);
                    return None;
                };
                let value = <$type>::from_str_radix(integer.as_str(), integer.radix()).ok();
                if value.is_none() {
                    let range = format!("expected {} to {}", <$type>::MIN, <$type>::MAX);
                    errors.push(Diagnostic::new(node.place, "integer out of range").label(range));
                }
                value
            }
            fn show(&self) -> String {
                self.to_string()
            }
        }
    )*};
}
integers!(u16, u32, u64, usize);

macro_rules! units {
    ($type:ty, $kind:literal, $parse:path, $show:expr, $expected:expr) => {
        impl Value for $type {
            fn kind() -> String {
                $kind.to_string()
            }
            fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
                if !matches!(node.value, DeValue::String(_) | DeValue::Table(_)) {
                    let what = format!("invalid {}: {}", $kind, node.is());
                    errors.push(Diagnostic::new(node.place, what).label($expected));
                    return None;
                }
                let text = Text::read(node, errors)?;
                match $parse(&text.text) {
                    Ok(value) => Some(value),
                    Err(why) => {
                        let what = text.for_messages($kind);
                        errors.push(Diagnostic::new(node.place, what).label(why));
                        None
                    }
                }
            }
            fn show(&self) -> String {
                format!("{:?}", $show(self))
            }
        }
    };
}
units!(
    Duration,
    "duration",
    parse_duration,
    |d: &Duration| format_duration(*d),
    EXPECTED_DURATION
);
units!(Size, "size", parse_size, Size::to_string, EXPECTED_SIZE);

impl<T: Value> Value for Option<T> {
    fn kind() -> String {
        T::kind()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        T::read(node, errors).map(Some)
    }
    fn show(&self) -> String {
        self.as_ref().map_or(String::new(), Value::show)
    }
    fn table() -> Option<fn() -> Table> {
        T::table()
    }
}

impl<T: Value> Value for Vec<T> {
    fn kind() -> String {
        let kind = T::kind();
        let plural = if kind.ends_with('s') { "es" } else { "s" };
        format!("list of {kind}{plural}")
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let Some(elements) = node.elements() else {
            let what = format!("a {}", Self::kind());
            let diagnostic =
                Diagnostic::new(node.place, format!("expected {what}, found {}", node.is()));
            errors.push(if T::kind() == "table" {
                // `[site]` for `[[site]]`: double brackets are easily forgotten.
                diagnostic.label("expected double brackets: [[...]]")
            } else {
                diagnostic.label(format!("expected {what} in brackets: [...]"))
            });
            return None;
        };
        // What is wrong is left out; it is in the errors.
        Some(elements.filter_map(|node| T::read(&node, errors)).collect())
    }
    fn show(&self) -> String {
        let all: Vec<String> = self.iter().map(Value::show).collect();
        format!("[{}]", all.join(", "))
    }
    fn stand_in() -> Option<Self> {
        Some(Vec::new())
    }
    fn table() -> Option<fn() -> Table> {
        T::table()
    }
}

/// Entries under names of the operator's choice (`[upstream.NAME]`, `set = { "Name" = "..." }`).
#[derive(Debug, Clone)]
pub struct Named<T>(pub BTreeMap<String, (Place, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Named(BTreeMap::new())
    }
}

impl<T: Value> Value for Named<T> {
    fn kind() -> String {
        format!("table of {}s by name", T::kind())
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let Some(entries) = node.entries() else {
            node.mismatch("a table", errors);
            return None;
        };
        let mut map = BTreeMap::new();
        for (key, place, value) in entries {
            if let Some(value) = T::read(&value, errors) {
                map.insert(key.to_string(), (place, value));
            }
        }
        Some(Named(map))
    }
    fn show(&self) -> String {
        let all: Vec<String> = self
            .0
            .iter()
            .map(|(k, (_, v))| format!("{k:?} = {}", v.show()))
            .collect();
        if all.is_empty() {
            "{}".to_string()
        } else {
            format!("{{ {} }}", all.join(", "))
        }
    }
    fn table() -> Option<fn() -> Table> {
        T::table()
    }
}

/// A value, or `"off"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OrOff<T> {
    /// Switched off.
    Off,
    /// Switched on, with this value.
    On(T),
}

impl<T> OrOff<T> {
    /// The value when it is on.
    pub fn on(self) -> Option<T> {
        match self {
            OrOff::Off => None,
            OrOff::On(value) => Some(value),
        }
    }
}

impl<T: Value> Value for OrOff<T> {
    fn kind() -> String {
        format!("{} or \"off\"", T::kind())
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = text_of(node);
        if text.as_deref() == Some("off") {
            return Some(OrOff::Off);
        }
        if T::table().is_none() || node.entries().is_some() {
            return T::read(node, errors).map(OrOff::On);
        }
        // What reads a table does not know that a word would do.
        match text.filter(|text| nearest(text, ["off"].into_iter()).is_some()) {
            Some(text) => errors.push(
                Diagnostic::new(node.place, format!("invalid value {text:?}"))
                    .label("did you mean \"off\"?"),
            ),
            None => node.mismatch("a table or \"off\"", errors),
        }
        None
    }
    fn table() -> Option<fn() -> Table> {
        T::table()
    }
    fn show(&self) -> String {
        match self {
            OrOff::Off => "\"off\"".to_string(),
            OrOff::On(value) => value.show(),
        }
    }
}

/// One of a few words; implemented by `choice!`.
pub trait Choice: Sized + Copy + PartialEq + 'static {
    /// The words and what they mean to the program.
    const WORDS: &'static [(&'static str, Self)];
    /// Words of features that do not exist yet, with what to say of them.
    const LATER: &'static [&'static str];
}

/// Reads one of a few words.
pub fn read_choice<T: Choice>(node: &Node<'_>, errors: &mut Diagnostics) -> Option<T> {
    let text = Text::read(node, errors)?;
    if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == text.text) {
        return Some(*value);
    }
    let words: Vec<String> = T::WORDS
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    if T::LATER.contains(&text.text.as_str()) {
        errors.push(
            Diagnostic::new(
                node.place,
                format!("\"{}\" does not exist in this version", text.text),
            )
            .label(format!("available: {}", words.join(", "))),
        );
        return None;
    }
    let label = match nearest(&text.text, T::WORDS.iter().map(|(word, _)| *word)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("expected one of {}", words.join(", ")),
    };
    errors.push(Diagnostic::new(node.place, text.for_messages("value")).label(label));
    None
}

/// How a choice is shown.
pub fn show_choice<T: Choice>(value: &T) -> String {
    T::WORDS
        .iter()
        .find(|(_, candidate)| candidate == value)
        .map_or(String::new(), |(word, _)| format!("{word:?}"))
}

/// The kind of a choice, as the reference names it.
pub fn choice_kind<T: Choice>() -> String {
    let words: Vec<String> = T::WORDS
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect();
    words.join(" or ")
}
