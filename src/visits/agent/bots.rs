//! Which user agents are programs: isbot's list (`isbot.txt`, renewed by `./update`).
//!
//! isbot writes JavaScript's regular expressions. They mean the same here, without regard to case
//! and over ASCII, but for look-around, which `regex` has not: a pattern of the form
//! `(?<!BEFORE)CORE(?!AFTER)`, where either end may be missing, is taken apart, and every place
//! where `CORE` is found is looked at from both sides. That is the same as long as `CORE` can end in
//! one way only from where it begins, which is so for all of isbot's. Look-around anywhere else
//! does not compile; a test says so when the list is renewed.

use regex::bytes::{Regex, RegexBuilder};

/// The list, one pattern a line.
const LIST: &str = include_str!("isbot.txt");

/// Programs that say their name and are not found by the list.
const ALSO: &[&str] = &[r"\bgtmetrix\b"];

/// The list, compiled.
#[derive(Debug)]
pub struct Bots {
    /// Every pattern without look-around.
    plain: Option<Regex>,
    /// The cores of all patterns with look-around: one pass tells that none of them is there.
    cores: Option<Regex>,
    guarded: Vec<Guarded>,
}

#[derive(Debug)]
struct Guarded {
    before: Option<Regex>,
    core: Regex,
    after: Option<Regex>,
}

impl Bots {
    /// The list that came with parvis.
    pub fn new() -> Self {
        let patterns = LIST
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Bots::of(patterns.chain(ALSO.iter().copied())).0
    }

    /// Compiles patterns; gives those back that are not understood and were passed over.
    fn of<'a>(patterns: impl Iterator<Item = &'a str>) -> (Self, Vec<&'a str>) {
        let (mut plain, mut cores) = (Vec::new(), Vec::new());
        let (mut guarded, mut refused) = (Vec::new(), Vec::new());
        for pattern in patterns {
            let (before, core, after) = parts(pattern);
            if before.is_none() && after.is_none() {
                plain.push(pattern);
            } else if let Some(found) = Guarded::new(before, core, after) {
                cores.push(core);
                guarded.push(found);
            } else {
                refused.push(pattern);
            }
        }
        let mut whole = any(&plain);
        if whole.is_none() {
            // One bad pattern spoils them all: find it.
            let (good, bad): (Vec<_>, Vec<_>) = plain.iter().partition(|p| compile(p).is_some());
            refused.extend(bad);
            whole = any(&good);
        }
        let bots = Bots {
            plain: whole,
            cores: any(&cores),
            guarded,
        };
        (bots, refused)
    }

    /// Whether a user agent, in small letters, is a program's.
    pub fn has(&self, user_agent: &[u8]) -> bool {
        let found = |regex: &Option<Regex>| regex.as_ref().is_some_and(|r| r.is_match(user_agent));
        found(&self.plain)
            || (found(&self.cores) && self.guarded.iter().any(|guarded| guarded.has(user_agent)))
    }
}

impl Guarded {
    fn new(before: Option<&str>, core: &str, after: Option<&str>) -> Option<Self> {
        let compiled = |text: Option<String>| match text {
            None => Some(None),
            Some(text) => compile(&text).map(Some),
        };
        Some(Guarded {
            before: compiled(before.map(|text| format!("(?:{text})$")))?,
            core: compile(core)?,
            after: compiled(after.map(|text| format!("^(?:{text})")))?,
        })
    }

    fn has(&self, text: &[u8]) -> bool {
        let is = |side: &Option<Regex>, text: Option<&[u8]>| {
            side.as_ref()
                .is_some_and(|regex| regex.is_match(text.unwrap_or_default()))
        };
        self.core.find_iter(text).any(|place| {
            !is(&self.before, text.get(..place.start()))
                && !is(&self.after, text.get(place.end()..))
        })
    }
}

/// `(?<!BEFORE)CORE(?!AFTER)`.
fn parts(pattern: &str) -> (Option<&str>, &str, Option<&str>) {
    let (before, rest) = match pattern.strip_prefix("(?<!").and_then(group) {
        Some((before, rest)) => (Some(before), rest),
        None => (None, pattern),
    };
    let Some((core, tail)) = rest.split_once("(?!") else {
        return (before, rest, None);
    };
    match group(tail) {
        Some((after, "")) => (before, core, Some(after)),
        _ => (before, rest, None),
    }
}

/// What is before the bracket that closes an open group, and after it.
fn group(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth = depth.saturating_add(1),
            b')' if depth == 0 => {
                return Some((text.get(..at)?, text.get(at.saturating_add(1)..)?));
            }
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn any(patterns: &[&str]) -> Option<Regex> {
    // Nothing would be found everywhere.
    if patterns.is_empty() {
        return None;
    }
    compile(&format!("(?:{})", patterns.join("|")))
}

fn compile(pattern: &str) -> Option<Regex> {
    RegexBuilder::new(pattern)
        .case_insensitive(true)
        .unicode(false)
        .build()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_of_the_list_is_understood() {
        let patterns: Vec<&str> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(patterns.len() > 150, "{}", patterns.len());
        let (bots, refused) = Bots::of(patterns.iter().chain(ALSO).copied());
        assert!(refused.is_empty(), "{refused:?}");
        assert!(bots.plain.is_some() && bots.cores.is_some());
    }

    #[test]
    fn look_around_is_taken_apart() {
        assert_eq!(parts("(?<!cam)scan"), (Some("cam"), "scan", None));
        assert_eq!(parts("java(?!;)"), (None, "java", Some(";")));
        assert_eq!(
            parts(r"(?<! channel/|google/)google(?!(?:wv|app|\)))"),
            (Some(" channel/|google/"), "google", Some(r"(?:wv|app|\))"))
        );
        assert_eq!(parts("(?:a|b)c"), (None, "(?:a|b)c", None));
    }

    #[test]
    fn look_around_says_what_it_says_in_javascript() {
        let (bots, refused) = Bots::of(["(?<!cam)scan", "google(?!app|wv)"].into_iter());
        assert!(refused.is_empty());
        for (text, bot) in [
            ("a scanner", true),
            ("a camscanner", false),
            ("camscan and scan", true),
            ("google", true),
            ("googleapp", false),
            ("googleapp google", true),
            ("", false),
        ] {
            assert_eq!(bots.has(text.as_bytes()), bot, "{text}");
        }
    }

    #[test]
    fn a_bad_pattern_does_not_spoil_the_others() {
        let (bots, refused) = Bots::of(["good", "b(ad", "x(?=y)z", "(?<!(a)b(?!c)"].into_iter());
        assert_eq!(refused.len(), 3, "{refused:?}");
        assert!(bots.has(b"good"));
        assert!(!bots.has(b"bad"));
    }
}
