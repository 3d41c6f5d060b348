//! What could not be done with which file.

use super::shown;
use std::io;
use std::path::{Path, PathBuf};

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// With which file or folder.
    pub path: PathBuf,
    /// Why.
    pub reason: String,
}

impl Problem {
    /// An error of the system's with this path.
    pub fn new(path: &Path, error: &io::Error) -> Self {
        Problem::because(path, error.to_string())
    }

    /// A reason of ours.
    pub fn because(path: &Path, reason: String) -> Self {
        Problem {
            path: path.to_path_buf(),
            reason,
        }
    }
}

/// What could not be done, sorted, each path and reason once (a file that cannot be read fails for
/// everything that is made of it), no more than `most` of them. `None`: all was done.
pub fn tell(mut problems: Vec<Problem>, most: usize) -> Option<String> {
    problems.sort();
    problems.dedup();
    let mut text = match problems.len() {
        0 => return None,
        1 => "error: one problem; all else is done".to_string(),
        n => format!("error: {n} problems; all else is done"),
    };
    for problem in problems.iter().take(most) {
        text.push_str(&format!(
            "\n  {}: {}",
            shown::path(&problem.path),
            problem.reason
        ));
    }
    if problems.len() > most {
        text.push_str(&format!("\n  and {} more", problems.len() - most));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_problem_is_told_once_and_not_too_many() {
        let problem = |name: &str| Problem::because(Path::new(name), "broken".to_string());
        assert_eq!(tell(Vec::new(), 2), None);
        let two = vec![problem("b"), problem("a"), problem("b")];
        let text = "error: 2 problems; all else is done\n  a: broken\n  b: broken";
        assert_eq!(tell(two, 2).unwrap(), text);
        let three = ["a", "b", "c"].map(problem).to_vec();
        let text = "error: 3 problems; all else is done\n  a: broken\n  and 2 more";
        assert_eq!(tell(three, 1).unwrap(), text);
    }
}
