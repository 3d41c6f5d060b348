//! One definition of a table gives its struct, its parser and its page in the reference.

use super::diagnostics::{Diagnostic, Diagnostics, nearest};
use super::node::Node;
use super::source::Place;

/// Declares a table of the configuration.
///
/// A field with `= default` may be left out; one without must be given. `later` names keys of
/// features that do not exist yet: they are mistakes that say so, never accepted and ignored.
macro_rules! table {
    (
        $(#[doc = $table_doc:literal])*
        pub struct $name:ident {
            $( $(#[doc = $doc:literal])* $field:ident : $type:ty $(= $default:expr)? , )*
        }
        $( later { $($key:literal => $what:literal),* $(,)? } )?
    ) => {
        $(#[doc = $table_doc])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $doc])* pub $field: $type, )*
            /// Where the table stands.
            pub place: $crate::config::Place,
            /// Whether all of it could be read. What could not is in the errors, and has its
            /// default here or something that stands in for it, so that the rest can be checked.
            pub sound: bool,
        }

        impl $crate::config::Value for $name {
            fn kind() -> String {
                "table".to_string()
            }

            #[allow(unused_mut, unused_assignments)]
            fn read(
                node: &$crate::config::Node<'_>,
                errors: &mut $crate::config::Diagnostics,
            ) -> Option<Self> {
                const KEYS: &[&str] = &[$($crate::config::bare(stringify!($field))),*];
                const LATER: &[(&str, &str)] = &[$($(($key, $what)),*)?];
                let Some(entries) = node.entries() else {
                    node.mismatch("a table", errors);
                    return None;
                };
                let before = errors.found();
                $( let mut $field: Option<Option<$type>> = None; )*
                let mut meant: Vec<&str> = Vec::new();
                for (key, place, value) in entries {
                    match key {
                        $( key if key == $crate::config::bare(stringify!($field)) => {
                            $field = Some($crate::config::take(&value, errors));
                        } )*
                        _ => {
                            meant.extend($crate::config::unknown_key(
                                key, place, KEYS, LATER, errors,
                            ));
                        }
                    }
                }
                $(
                    let mut default: Option<fn() -> $type> = None;
                    $( default = Some(|| $default); )?
                    // One that is misspelt is not missing too.
                    if $field.is_none() && meant.contains(&$crate::config::bare(stringify!($field))) {
                        $field = Some(None);
                    }
                    let name = $crate::config::bare(stringify!($field));
                    let $field = $crate::config::finish($field, default, name, node, errors);
                )*
                let sound = errors.found() == before;
                Some($name { $( $field: $field?, )* place: node.place, sound })
            }

            fn show(&self) -> String {
                String::new()
            }

            fn table() -> Option<fn() -> $crate::config::Table> {
                Some($name::describe)
            }
        }

        impl $name {
            /// The table when nothing of it is given; `None` when it has keys that must be.
            #[allow(dead_code, unused_mut, unused_assignments)]
            pub fn absent() -> Option<Self> {
                $(
                    let mut default: Option<fn() -> $type> = None;
                    $( default = Some(|| $default); )?
                    let $field = default?();
                )*
                Some($name { $( $field, )* place: Default::default(), sound: true })
            }

            /// The table as the reference tells it.
            #[allow(unused_mut, unused_assignments)]
            pub fn describe() -> $crate::config::Table {
                $crate::config::Table {
                    doc: &[$($table_doc),*],
                    fields: vec![$( {
                        let mut default: Option<fn() -> $type> = None;
                        $( default = Some(|| $default); )?
                        $crate::config::Field {
                            name: $crate::config::bare(stringify!($field)),
                            doc: &[$($doc),*],
                            kind: <$type as $crate::config::Value>::kind(),
                            default: default.map(|d| $crate::config::Value::show(&d())),
                            table: <$type as $crate::config::Value>::table(),
                        }
                    } ),*],
                }
            }
        }
    };
}

/// Declares a value that is one of a few words.
macro_rules! choice {
    (
        $(#[$meta:meta])*
        pub enum $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $word:literal ),* $(,)? }
        $( later { $($later:literal),* $(,)? } )?
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $( $(#[$variant_meta])* $variant ),* }

        impl $crate::config::Choice for $name {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $name::$variant)),*];
            const LATER: &'static [&'static str] = &[$($($later),*)?];
        }

        impl $crate::config::Value for $name {
            fn kind() -> String {
                $crate::config::choice_kind::<Self>()
            }
            fn read(
                node: &$crate::config::Node<'_>,
                errors: &mut $crate::config::Diagnostics,
            ) -> Option<Self> {
                $crate::config::read_choice(node, errors)
            }
            fn show(&self) -> String {
                $crate::config::show_choice(self)
            }
        }
    };
}

pub(crate) use {choice, table};

/// The key of a field: one that is a word of Rust's (`r#try`) is written without its mark.
pub const fn bare(field: &'static str) -> &'static str {
    match field.as_bytes() {
        [b'r', b'#', ..] => field.split_at(2).1,
        _ => field,
    }
}

/// Reads one value of a table.
pub fn take<T: super::Value>(node: &Node<'_>, errors: &mut Diagnostics) -> Option<T> {
    T::read(node, errors)
}

/// The value of a field after all keys were seen: as read, or its default. For one that is wrong
/// or missing, which is then in `errors`, its default or what stands in for it.
pub fn finish<T: super::Value>(
    read: Option<Option<T>>,
    default: Option<fn() -> T>,
    name: &str,
    node: &Node<'_>,
    errors: &mut Diagnostics,
) -> Option<T> {
    match (read, default) {
        (Some(Some(value)), _) => Some(value),
        (Some(None), None) => T::stand_in(),
        (Some(None) | None, Some(default)) => Some(default()),
        (None, None) => {
            // The whole table would be underlined; its first line is where the key belongs.
            let place = Place {
                end: node.place.start,
                ..node.place
            };
            errors.push(
                Diagnostic::new(place, format!("missing key `{name}`"))
                    .label(format!("`{name}` must be given here")),
            );
            T::stand_in()
        }
    }
}

/// Reports a key that the table does not have. Returns the one that was probably meant.
pub fn unknown_key<'a>(
    key: &str,
    place: Place,
    keys: &[&'a str],
    later: &[(&str, &str)],
    errors: &mut Diagnostics,
) -> Option<&'a str> {
    if let Some((_, what)) = later.iter().find(|(name, _)| *name == key) {
        errors.push(
            Diagnostic::new(
                place,
                format!("`{key}` does not exist in this version of parvis"),
            )
            .label(format!("{what} are not built yet"))
            .help("remove it: parvis accepts no key that would do nothing"),
        );
        return None;
    }
    let diagnostic = Diagnostic::new(place, format!("unknown key `{key}`"));
    let near = nearest(key, keys.iter().copied());
    errors.push(match near {
        Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
        None => {
            let mut sorted: Vec<&str> = keys.to_vec();
            sorted.sort_unstable();
            diagnostic.label(format!("expected one of `{}`", sorted.join("`, `")))
        }
    });
    near
}
