//! The reference of all keys, generated from the tables' definitions.

use std::fmt::Write as _;

/// A table of the configuration, as the reference tells it.
#[derive(Debug)]
pub struct Table {
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
    /// Its keys, in the order of their definition.
    pub fields: Vec<Field>,
}

/// One key.
#[derive(Debug)]
pub struct Field {
    /// The key.
    pub name: &'static str,
    /// Its documentation, a line each.
    pub doc: &'static [&'static str],
    /// The kind of its value.
    pub kind: String,
    /// Its default as TOML, empty for "absent"; `None` when it must be given.
    pub default: Option<String>,
    /// The table behind it.
    pub table: Option<fn() -> Table>,
}

/// A section of Markdown for a table and, after it, the tables in it.
pub fn markdown(out: &mut String, heading: &str, table: &Table) {
    let _ = writeln!(out, "\n## `{heading}`\n\n{}\n", paragraph(table.doc));
    let _ = writeln!(
        out,
        "| key | value | default | meaning |\n|---|---|---|---|"
    );
    for field in &table.fields {
        let default = match &field.default {
            None => "must be given".to_string(),
            Some(text) if text.is_empty() => "absent".to_string(),
            Some(text) => format!("`{}`", text.replace('|', "\\|")),
        };
        let doc = paragraph(field.doc).replace('|', "\\|");
        let kind = field.kind.replace('|', "\\|");
        let _ = writeln!(out, "| `{}` | {kind} | {default} | {doc} |", field.name);
    }
    for field in &table.fields {
        if let Some(inner) = field.table {
            let inside = heading.trim_matches(['[', ']']);
            let heading = match field.kind.as_str() {
                kind if kind.starts_with("list of table") => format!("[[{inside}.{}]]", field.name),
                _ => format!("[{inside}.{}]", field.name),
            };
            markdown(out, &heading, &inner());
        }
    }
}

fn paragraph(doc: &[&str]) -> String {
    doc.iter()
        .map(|line| line.trim())
        .collect::<Vec<_>>()
        .join(" ")
        .trim()
        .to_string()
}
