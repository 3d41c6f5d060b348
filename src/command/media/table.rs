//! The table of what was made.

use crate::command::shown;
use crate::media::{Ahead, Format};
use std::time::Duration;

/// What became of the variants of one format.
#[derive(Debug, Default, Clone, Copy)]
struct Row {
    made: u64,
    there: u64,
    not_smaller: u64,
    failed: u64,
    /// Of those that are there now.
    bytes: u64,
}

impl Row {
    fn cells(&self, name: &str) -> Vec<String> {
        let numbers = [self.made, self.there, self.not_smaller, self.failed];
        let mut cells = vec![name.to_string()];
        cells.extend(numbers.map(|number| number.to_string()));
        cells.push(shown::size(self.bytes));
        cells
    }
}

/// What became of all variants.
#[derive(Debug, Default)]
pub struct Table {
    rows: Vec<(Format, Row)>,
}

impl Table {
    /// Counts what became of one.
    pub fn count(&mut self, format: Format, ahead: &Ahead) {
        let place = match self.rows.iter().position(|(other, _)| *other == format) {
            Some(place) => place,
            None => {
                self.rows.push((format, Row::default()));
                self.rows.len() - 1
            }
        };
        let Some((_, row)) = self.rows.get_mut(place) else {
            return;
        };
        match ahead {
            Ahead::Made(bytes) => {
                row.made += 1;
                row.bytes += bytes;
            }
            Ahead::There(bytes) => {
                row.there += 1;
                row.bytes += bytes;
            }
            Ahead::NotSmaller => row.not_smaller += 1,
            Ahead::Failed(_) => row.failed += 1,
        }
    }

    /// The whole of it as text, without a last line feed. `originals`: how many pictures there are,
    /// and their bytes.
    pub fn render(&self, originals: (usize, u64), took: Duration) -> String {
        let heads = ["format", "made", "there", "not smaller", "failed", "bytes"];
        let mut lines = vec![heads.map(str::to_string).to_vec()];
        let mut rows = self.rows.clone();
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.made + row.there));
        let mut total = Row::default();
        for (format, row) in &rows {
            lines.push(row.cells(format.name()));
            total.made += row.made;
            total.there += row.there;
            total.not_smaller += row.not_smaller;
            total.failed += row.failed;
            total.bytes += row.bytes;
        }
        lines.push(total.cells("total"));
        let (pictures, bytes) = originals;
        let done = format!(
            "{pictures} {} of {}, {} variants made in {}",
            if pictures == 1 { "picture" } else { "pictures" },
            shown::size(bytes),
            total.made,
            shown::took(took)
        );
        match rows.is_empty() {
            true => done,
            false => format!("{}\n{done}", shown::align(&lines)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Fault;

    #[test]
    fn the_table_adds_up() {
        let mut table = Table::default();
        table.count(Format::Avif, &Ahead::Made(2048));
        table.count(Format::Avif, &Ahead::NotSmaller);
        table.count(Format::WebP, &Ahead::Made(1024));
        table.count(Format::WebP, &Ahead::There(1024));
        table.count(Format::WebP, &Ahead::Failed(Fault::TooSlow));
        assert_eq!(
            table.render((2, 10_240), Duration::from_millis(1500)),
            "format  made  there  not smaller  failed    bytes\n\
             webp       1      1            0       1  2.0 KiB\n\
             avif       1      0            1       0  2.0 KiB\n\
             total      2      1            1       1  4.0 KiB\n\
             2 pictures of 10.0 KiB, 2 variants made in 1.50 s"
        );
        assert_eq!(
            Table::default().render((1, 0), Duration::ZERO),
            "1 picture of 0 B, 0 variants made in 0.00 s"
        );
    }
}
