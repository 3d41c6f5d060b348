//! What is printed at the end.

use std::fmt;

/// Lines of what was measured, some of which have a bar.
#[derive(Debug, Default)]
pub struct Table {
    lines: Vec<Line>,
}

#[derive(Debug)]
struct Line {
    what: String,
    measured: String,
    bar: String,
    held: bool,
}

impl Table {
    /// A line without a bar.
    pub fn note(&mut self, what: impl Into<String>, measured: impl Into<String>) {
        self.bar(what, measured, "", true);
    }

    /// A line with a bar, and whether it held.
    pub fn bar(
        &mut self,
        what: impl Into<String>,
        measured: impl Into<String>,
        bar: impl Into<String>,
        held: bool,
    ) {
        let line = Line {
            what: what.into(),
            measured: measured.into(),
            bar: bar.into(),
            held,
        };
        eprintln!("{}: {}", line.what, line.measured);
        self.lines.push(line);
    }

    /// Whether all bars held.
    pub fn held(&self) -> bool {
        self.lines.iter().all(|line| line.held)
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Line) -> &String| {
            self.lines
                .iter()
                .map(|line| text(line).chars().count())
                .max()
                .unwrap_or(0)
        };
        let (what, measured) = (width(|line| &line.what), width(|line| &line.measured));
        for line in &self.lines {
            let verdict = match (line.bar.is_empty(), line.held) {
                (true, _) => "",
                (false, true) => "ok",
                (false, false) => "MISSED",
            };
            let text = format!(
                "{:what$}  {:>measured$}  {} {verdict}",
                line.what, line.measured, line.bar
            );
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}
