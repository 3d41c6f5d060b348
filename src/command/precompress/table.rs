//! The table of what was saved.

use super::work::Outcome;
use crate::command::shown;
use crate::content::Coding;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

/// The forms of one coding.
#[derive(Debug, Default, Clone, Copy)]
struct Forms {
    /// Bytes of the files that have one.
    original: u64,
    /// Bytes of the forms.
    bytes: u64,
}

/// One line.
#[derive(Debug, Clone)]
struct Row {
    files: u64,
    original: u64,
    /// In the order of the table's codings.
    forms: Vec<Forms>,
    up_to_date: u64,
    not_worth: u64,
}

impl Row {
    fn new(codings: usize) -> Self {
        Row {
            files: 0,
            original: 0,
            forms: vec![Forms::default(); codings],
            up_to_date: 0,
            not_worth: 0,
        }
    }

    fn add(&mut self, other: &Row) {
        self.files += other.files;
        self.original += other.original;
        self.up_to_date += other.up_to_date;
        self.not_worth += other.not_worth;
        for (form, other) in self.forms.iter_mut().zip(&other.forms) {
            form.original += other.original;
            form.bytes += other.bytes;
        }
    }

    fn cells(&self, kind: &str) -> Vec<String> {
        let mut cells = vec![
            kind.to_string(),
            self.files.to_string(),
            shown::size(self.original),
        ];
        for form in &self.forms {
            match form.original {
                0 => cells.extend(["-".to_string(), "-".to_string()]),
                _ => cells.extend([
                    shown::size(form.bytes),
                    shown::saved(form.original, form.bytes),
                ]),
            }
        }
        cells.extend([self.up_to_date.to_string(), self.not_worth.to_string()]);
        cells
    }
}

/// What became of all forms, by the kind of their files.
#[derive(Debug)]
pub struct Table {
    codings: Vec<Coding>,
    rows: HashMap<String, Row>,
    written: u64,
    removed: u64,
}

impl Table {
    /// An empty table with columns for these codings.
    pub fn new(codings: &[Coding]) -> Self {
        Table {
            codings: codings.to_vec(),
            rows: HashMap::new(),
            written: 0,
            removed: 0,
        }
    }

    /// Counts a file of this many bytes.
    pub fn file(&mut self, kind: &str, size: u64) {
        let row = self.row(kind);
        row.files += 1;
        row.original += size;
    }

    /// Counts what became of one form of a file.
    pub fn count(&mut self, kind: &str, coding: Coding, outcome: &Outcome) {
        let column = self.codings.iter().position(|other| *other == coding);
        match outcome {
            Outcome::Written { .. } => self.written += 1,
            Outcome::NotWorth { removed: true } => self.removed += 1,
            _ => {}
        }
        let row = self.row(kind);
        match outcome {
            Outcome::Written { original, bytes } | Outcome::UpToDate { original, bytes } => {
                if let Some(form) = column.and_then(|column| row.forms.get_mut(column)) {
                    form.original += original;
                    form.bytes += bytes;
                }
            }
            Outcome::NotWorth { .. } => row.not_worth += 1,
            Outcome::Failed(_) => {}
        }
        if matches!(outcome, Outcome::UpToDate { .. }) {
            row.up_to_date += 1;
        }
    }

    fn row(&mut self, kind: &str) -> &mut Row {
        let codings = self.codings.len();
        self.rows
            .entry(kind.to_string())
            .or_insert_with(|| Row::new(codings))
    }

    /// The whole of it as text, without a last line feed. `folders` is what was looked through.
    pub fn render(&self, folders: &str, took: Duration) -> String {
        let done = format!(
            "{} written, {} removed, in {}",
            self.written,
            self.removed,
            shown::took(took)
        );
        let mut rows: Vec<_> = self.rows.iter().filter(|(_, row)| row.files > 0).collect();
        if rows.is_empty() {
            return format!("no files that shrink in {folders}\n{done}");
        }
        rows.sort_by_key(|(kind, row)| (Reverse(row.original), kind.as_str()));
        let mut total = Row::new(self.codings.len());
        let mut lines = vec![self.heads()];
        for (kind, row) in rows {
            total.add(row);
            lines.push(row.cells(kind));
        }
        lines.push(total.cells("total"));
        format!("{}\n{done}", shown::align(&lines))
    }

    fn heads(&self) -> Vec<String> {
        let codings = self.codings.iter().flat_map(|c| [c.name(), "saved"]);
        ["kind", "files", "original"]
            .into_iter()
            .chain(codings)
            .chain(["up to date", "not worth it"])
            .map(str::to_string)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_adds_up_and_is_aligned() {
        let mut table = Table::new(&[Coding::Brotli, Coding::Gzip]);
        for (kind, original, bytes) in [
            ("css", 4096, 1024),
            ("css", 2048, 512),
            ("js", 90_000, 30_000),
        ] {
            table.file(kind, original);
            table.count(kind, Coding::Brotli, &Outcome::Written { original, bytes });
        }
        table.count("css", Coding::Gzip, &Outcome::NotWorth { removed: false });
        table.count("css", Coding::Gzip, &Outcome::NotWorth { removed: true });
        let (original, bytes) = (90_000, 45_000);
        table.count("js", Coding::Gzip, &Outcome::UpToDate { original, bytes });
        assert_eq!(
            table.render("static", Duration::from_millis(1234)),
            "kind   files  original        br  saved      gzip  saved  up to date  not worth it\n\
             js         1  87.9 KiB  29.3 KiB  66.7%  43.9 KiB  50.0%           1             0\n\
             css        2   6.0 KiB   1.5 KiB  75.0%         -      -           0             2\n\
             total      3  93.9 KiB  30.8 KiB  67.2%  43.9 KiB  50.0%           1             2\n\
             3 written, 1 removed, in 1.23 s"
        );
    }

    #[test]
    fn nothing_found_is_said() {
        let table = Table::new(&Coding::ALL);
        assert_eq!(
            table.render("a, b", Duration::ZERO),
            "no files that shrink in a, b\n0 written, 0 removed, in 0.00 s"
        );
    }
}
