//! `parvis check`, and what it said, taken apart.

use crate::support::Folder;
use std::process::{Command, Stdio};

/// What `parvis check` did.
pub struct Checked {
    pub code: i32,
    pub out: String,
    pub err: String,
    folder: String,
}

/// One of the mistakes it showed.
#[derive(Debug)]
pub struct Mistake {
    pub message: String,
    /// `file:line:column`; empty for a mistake in no file.
    place: String,
    /// The text above the carets.
    pub under: String,
    /// What stands beside the carets.
    pub label: String,
    /// Other places: `file:line:column`, the text above the dashes, and what stands beside them.
    pub related: Vec<(String, String, String)>,
    pub help: String,
}

impl Mistake {
    pub fn at(&self) -> String {
        self.place.clone()
    }
}

/// Checks `parvis.toml` of these files, from within their folder.
pub fn check(files: &[(&str, &str)]) -> Checked {
    check_with(files, &[])
}

/// The same with these environment variables.
pub fn check_with(files: &[(&str, &str)], environment: &[(&str, &str)]) -> Checked {
    let folder = Folder::new();
    for (name, text) in files {
        folder.write(name, text);
    }
    run(&folder, "parvis.toml", environment)
}

/// Checks a file, named like this from within the folder.
pub fn check_path(folder: &Folder, path: &str) -> Checked {
    run(folder, path, &[])
}

fn run(folder: &Folder, path: &str, environment: &[(&str, &str)]) -> Checked {
    let output = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["check", "-c", path])
        .current_dir(folder.path())
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let checked = Checked {
        code: output.status.code().expect("killed"),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        folder: folder.path().to_str().unwrap().to_string(),
    };
    // Read while the files are still there: the lines quoted are compared with theirs.
    checked.mistakes();
    checked
}

/// The only mistake of this configuration.
pub fn mistake(text: &str) -> Mistake {
    let checked = check(&[("parvis.toml", text)]);
    assert_eq!(checked.code, 2, "accepted:\n{text}\n{}", checked.out);
    assert_eq!(checked.out, "");
    let mut all = checked.mistakes();
    assert_eq!(all.len(), 1, "not one mistake:\n{text}\n{}", checked.err);
    all.remove(0)
}

/// A configuration that is right.
pub fn right(text: &str) {
    let checked = check(&[("parvis.toml", text)]);
    assert_eq!(checked.code, 0, "{text}\n{}", checked.err);
    assert_eq!(checked.err, "");
}

impl Checked {
    /// The mistakes, in the order shown. Every line shown must be of the form that a compiler's
    /// messages have, the carets must stand under text, and the count must be right.
    pub fn mistakes(&self) -> Vec<Mistake> {
        if self.code == 0 {
            assert_eq!(self.err, "");
            return Vec::new();
        }
        let mut lines = self.err.lines().peekable();
        let mut all = Vec::new();
        while let Some(line) = lines.next() {
            let Some(message) = line.strip_prefix("error: ") else {
                let count = all.len();
                let noun = if count == 1 { "error" } else { "errors" };
                assert_eq!(line, format!("{count} {noun} in the configuration"));
                assert_eq!(lines.next(), None, "{}", self.err);
                return all;
            };
            let mut mistake = Mistake {
                message: message.to_string(),
                place: String::new(),
                under: String::new(),
                label: String::new(),
                related: Vec::new(),
                help: String::new(),
            };
            loop {
                let line = lines.next().expect("no end");
                if line.is_empty() {
                    break;
                }
                let inner = line.trim_start();
                if let Some(help) = inner.strip_prefix("= help: ") {
                    mistake.help = help.to_string();
                    continue;
                }
                let (place, mark) = match inner.split_once(' ') {
                    Some(("-->", place)) => (place, '^'),
                    Some((":::", place)) => (place, '-'),
                    _ => panic!("what is this line? {line:?}\n{}", self.err),
                };
                let (quoted, marks) = (lines.nth(1).unwrap(), lines.next().unwrap());
                let (under, label) = self.excerpt(place, quoted, marks, mark);
                if mark == '^' {
                    mistake.place = place.to_string();
                    (mistake.under, mistake.label) = (under, label);
                } else {
                    mistake.related.push((place.to_string(), under, label));
                }
            }
            all.push(mistake);
        }
        panic!("no count at the end: {}", self.err);
    }

    /// What stands above the marks, and beside them.
    fn excerpt(&self, place: &str, quoted: &str, marks: &str, mark: char) -> (String, String) {
        let mut parts = place.rsplitn(3, ':');
        let column: usize = parts.next().unwrap().parse().unwrap();
        let number = parts.next().unwrap();
        let file = parts.next().unwrap();
        let gutter = format!("{number} | ");
        let text = quoted.strip_prefix(&gutter).expect("another line's number");
        // The file is gone when this is asked for a second time.
        if let Ok(whole) = std::fs::read_to_string(format!("{}/{file}", self.folder)) {
            let line = whole.lines().nth(number.parse::<usize>().unwrap() - 1);
            assert_eq!(line.unwrap_or_default(), text, "{place}");
        }
        let marks = marks.strip_prefix(&format!("{:1$}| ", "", number.len() + 1));
        let marks = marks.expect("the gutter is not aligned");
        let start = marks.find(mark).expect("no mark");
        let before = &marks[..start];
        assert!(before.chars().all(|c| matches!(c, ' ' | '\t')), "{marks:?}");
        assert_eq!(before.chars().count() + 1, column, "{place}: {marks:?}");
        let width = marks[start..].chars().take_while(|c| *c == mark).count();
        let under: String = text.chars().skip(column - 1).take(width).collect();
        let label = marks[start..].trim_start_matches(mark).trim();
        (under, label.to_string())
    }
}
