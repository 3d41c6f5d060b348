//! The language of the configuration: TOML with positions, secrets, units and patterns.
//!
//! This room knows how a value is written and how a mistake in it is shown; what the tables mean
//! is known to the rooms that own them. A room declares its table with [`table!`], which makes
//! one definition serve as parser, defaults and reference documentation. serde's derived
//! deserialisers are not used here because they stop at the first mistake: an operator is shown
//! all of them in one go.
//!
//! Everything flows one way: [`Sources`] (texts of files) -> [`Node`] (a TOML value and its place)
//! -> a [`Value`] (typed, with defaults) -> the room's own `build`.

mod diagnostics;
mod load;
mod node;
mod path_pattern;
mod reference;
mod source;
#[macro_use]
mod table;
mod units;
mod value;

pub use diagnostics::{Diagnostic, Diagnostics, Severity, nearest};
pub use load::{Document, load};
pub use node::Node;
pub use path_pattern::PathPattern;
pub use reference::{Field, Table, markdown};
pub use source::{FileId, Place, Sources};
pub use table::{bare, finish, take, unknown_key};
pub use units::{Size, format_duration, parse_duration, parse_size};
pub use value::{
    At, Choice, FilePath, Named, OrOff, Text, Value, choice_kind, read_choice, show_choice, text_of,
};

pub(crate) use table::{choice, table};
