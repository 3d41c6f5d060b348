//! Why a certificate could not be ordered, in words and as far as it matters for what comes next.

use super::plan::Why;
use super::status::Trouble;
use crate::tls::clock::now;
use instant_acme::{Error, Identifier, Problem};
use std::io;
use std::time::Instant;

/// What problem types begin with (RFC 8555 section 6.7).
const URN: &str = "urn:ietf:params:acme:error:";
/// A CA's words are shown up to here.
const LONGEST: usize = 500;

/// An attempt that did not work.
#[derive(Debug, Clone)]
pub struct Failure {
    /// When to try again depends on it.
    pub why: Why,
    /// In one line.
    pub message: String,
    /// The names that are to blame, each with the CA's words.
    pub names: Vec<(String, String)>,
    /// The CA's type of problem, without what all begin with.
    pub problem: Option<String>,
    /// Whether other orders would fail at this CA too.
    pub whole: bool,
}

impl Failure {
    /// Something of our own, or of the way to the CA.
    pub fn new(why: Why, message: impl Into<String>) -> Failure {
        Failure {
            why,
            message: message.into(),
            names: Vec::new(),
            problem: None,
            whole: false,
        }
    }

    /// The disk does not do what it should.
    pub fn storage(error: &io::Error, what: &str) -> Failure {
        Failure::new(Why::Refused, format!("{what}: {error}"))
    }

    /// What the library says. `doing`: what was tried. `later`: when the CA wants to be asked again,
    /// when it said so. `names`: those of the order.
    pub fn of(error: &Error, doing: &str, later: Option<u64>, names: &[String]) -> Failure {
        match error {
            Error::Api(problem) => Failure::of_problem(problem, doing, later, names),
            // Of the client's: the way to the CA, or a server before it.
            Error::Other(error) if error.is::<io::Error>() => {
                let failure = Failure::new(away(later), format!("{doing}: {error}"));
                Failure {
                    whole: true,
                    ..failure
                }
            }
            Error::Timeout(next) => {
                // It said when to look again, which was too late for this attempt.
                let rest = next.map(|at| at.saturating_duration_since(Instant::now()));
                let until = rest.map(|rest| now().saturating_add(rest.as_secs()).saturating_add(1));
                Failure::new(
                    away(until),
                    format!("{doing}: the CA does not come to an end"),
                )
            }
            error => Failure::new(Why::Refused, format!("{doing}: {error}")),
        }
    }

    /// What the CA says.
    pub fn of_problem(
        problem: &Problem,
        doing: &str,
        later: Option<u64>,
        names: &[String],
    ) -> Failure {
        let kind = problem.r#type.as_deref().map(short);
        let server = problem.status.is_some_and(|status| status >= 500);
        let why = match (kind, later) {
            (Some("rateLimited"), Some(until)) => Why::Limited(until),
            (Some("rateLimited"), None) => Why::Refused,
            (Some("serverInternal"), later) => away(later),
            (_, later) if server => away(later),
            _ => Why::Refused,
        };
        let mut blamed: Vec<(String, String)> = Vec::new();
        for sub in &problem.subproblems {
            if let Some(Identifier::Dns(name)) = &sub.identifier {
                blamed.push((
                    name.clone(),
                    words(sub.r#type.as_deref(), sub.detail.as_deref()),
                ));
            }
        }
        let said = words(problem.r#type.as_deref(), problem.detail.as_deref());
        if blamed.is_empty() {
            // Some CAs only mention the name.
            let mentioned = names.iter().filter(|name| mentions(&said, name));
            blamed = mentioned.map(|name| (name.clone(), said.clone())).collect();
        }
        let mut message = format!("{doing}: {said}");
        for (name, said) in &blamed {
            if !message.contains(said.as_str()) && message.len() < 4 * LONGEST {
                message.push_str(&format!("; {name}: {said}"));
            }
        }
        Failure {
            why,
            message,
            names: blamed,
            problem: kind.map(str::to_string),
            whole: server || kind == Some("serverInternal"),
        }
    }

    /// The same of a request that was about no name: a limit of the CA's is one for all orders then.
    pub fn for_all(self) -> Failure {
        Failure {
            whole: self.whole || matches!(self.why, Why::Limited(_)),
            ..self
        }
    }

    /// Names that the CA looked at in vain.
    pub fn of_names(names: Vec<(String, String)>) -> Failure {
        let all: Vec<String> = names
            .iter()
            .map(|(name, said)| format!("{name}: {said}"))
            .collect();
        Failure {
            why: Why::Refused,
            message: format!(
                "the CA could not see that names are ours: {}",
                all.join("; ")
            ),
            names,
            problem: None,
            whole: false,
        }
    }

    /// As it is told.
    pub fn trouble(&self, now: u64) -> Trouble {
        Trouble {
            message: self.message.clone(),
            names: self.names.clone(),
            at: now,
        }
    }
}

/// Something that will pass.
fn away(later: Option<u64>) -> Why {
    later.map_or(Why::Away, Why::Limited)
}

/// A problem in words: what it is called, and what the CA says of it.
pub fn words(kind: Option<&str>, detail: Option<&str>) -> String {
    let text = match (kind.map(short), detail) {
        (Some(kind), Some(detail)) => format!("{detail} ({kind})"),
        (Some(kind), None) => kind.to_string(),
        (None, Some(detail)) => detail.to_string(),
        (None, None) => "no reason was given".to_string(),
    };
    // It goes into a log of one line each.
    let clean = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    clean.take(LONGEST).collect()
}

fn short(kind: &str) -> &str {
    kind.strip_prefix(URN).unwrap_or(kind)
}

/// Whether a name stands in a text by itself, and not as a part of another name.
fn mentions(text: &str, name: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    text.match_indices(name).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let mut after = text
            .get(at.saturating_add(name.len())..)
            .unwrap_or("")
            .chars();
        let free = match after.next() {
            // A dot may end a sentence.
            Some('.') => !after.next().is_some_and(part),
            Some(c) => !part(c),
            None => true,
        };
        free && !before.is_some_and(|c| part(c) || c == '.')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn problem(json: &str) -> Problem {
        serde_json::from_str(json).unwrap()
    }

    fn names() -> Vec<String> {
        ["example.org", "www.example.org", "bad.example.org"]
            .map(String::from)
            .to_vec()
    }

    #[test]
    fn a_name_that_is_only_mentioned_is_named() {
        let refused = problem(
            r#"{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":400,
                "detail":"Order included an identifier for which issuance is forbidden by policy: bad.example.org."}"#,
        );
        let failure = Failure::of_problem(&refused, "new order", None, &names());
        let blamed: Vec<&str> = failure
            .names
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(blamed, ["bad.example.org"]);
        assert_eq!(failure.why, Why::Refused);
        assert_eq!(failure.problem.as_deref(), Some("rejectedIdentifier"));
        assert!(
            failure
                .message
                .ends_with("bad.example.org. (rejectedIdentifier)")
        );
    }

    #[test]
    fn subproblems_name_theirs() {
        let refused = problem(
            r#"{"type":"urn:ietf:params:acme:error:malformed","detail":"Some were rejected","subproblems":[
                {"type":"urn:ietf:params:acme:error:caa","detail":"CAA forbids",
                 "identifier":{"type":"dns","value":"www.example.org"}},
                {"detail":"no identifier"}]}"#,
        );
        let failure = Failure::of_problem(&refused, "new order", None, &names());
        assert_eq!(
            failure.names,
            [(
                "www.example.org".to_string(),
                "CAA forbids (caa)".to_string()
            )]
        );
        assert_eq!(
            failure.message,
            "new order: Some were rejected (malformed); www.example.org: CAA forbids (caa)"
        );
    }

    #[test]
    fn when_to_try_again() {
        let limited = problem(r#"{"type":"urn:ietf:params:acme:error:rateLimited","status":429}"#);
        let internal = problem(r#"{"type":"urn:ietf:params:acme:error:serverInternal"}"#);
        let busy = problem(r#"{"status":503,"detail":"maintenance\r\nof all"}"#);
        let other = problem("{}");
        for (problem, later, why) in [
            (&limited, Some(99), Why::Limited(99)),
            (&limited, None, Why::Refused),
            (&internal, None, Why::Away),
            (&busy, Some(99), Why::Limited(99)),
            (&busy, None, Why::Away),
            (&other, Some(99), Why::Refused),
        ] {
            assert_eq!(Failure::of_problem(problem, "x", later, &[]).why, why);
        }
        let away = Error::Other(Box::new(io::Error::other("cannot reach it")));
        let away = Failure::of(&away, "x", None, &[]);
        assert_eq!((away.why, away.whole), (Why::Away, true));
        // An order that takes long is no sign of others; the CA's word on when is kept.
        let slow = Failure::of(&Error::Timeout(None), "x", Some(9), &[]);
        assert_eq!((slow.why, slow.whole), (Why::Away, false));
        let (before, later) = (now(), Instant::now() + Duration::from_secs(1_000));
        let slow = Failure::of(&Error::Timeout(Some(later)), "x", None, &[]);
        let Why::Limited(until) = slow.why else {
            panic!("{slow:?}");
        };
        assert!((before + 1_000..before + 1_100).contains(&until) && !slow.whole);
        let busy = Failure::of_problem(&busy, "x", Some(99), &[]);
        assert_eq!(busy.message, "x: maintenance  of all");
        assert!(busy.whole);
        let limited = Failure::of_problem(&limited, "x", Some(99), &[]);
        assert!(!limited.whole && limited.for_all().whole);
        assert_eq!(
            Failure::of(&Error::Str("x"), "x", None, &[]).why,
            Why::Refused
        );
    }

    #[test]
    fn a_name_is_not_a_part_of_another() {
        for (text, name, found) in [
            ("forbidden: \"a.example\"", "a.example", true),
            ("forbidden: a.example", "a.example", true),
            ("a.example. Sorry", "a.example", true),
            ("b.a.example", "a.example", false),
            ("a.example.org", "a.example", false),
            ("xa.example", "a.example", false),
            ("a.example-x", "a.example", false),
            ("b.a.example and a.example", "a.example", true),
            ("", "a.example", false),
        ] {
            assert_eq!(mentions(text, name), found, "{text}");
        }
    }
}
