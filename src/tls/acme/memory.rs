//! What is remembered of a certificate beside itself, on disk: a process that is restarted again and
//! again does not ask its CA each time.

use super::certificate::Facts;
use super::plan::{self, Failures};
use super::status::Trouble;
use super::storage::{self, Storage};
use serde::{Deserialize, Serialize};
use std::io;

/// What is remembered.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Of attempts that did not work.
    pub failures: Failures,
    /// What was the matter.
    pub trouble: Option<Trouble>,
    /// How it was tried: what was refused to other settings is not refused to these.
    pub tried: String,
    /// When the CA wants it renewed.
    pub window: Option<Window>,
    /// When the certificate was ordered: seconds since the Unix epoch; 0: not known.
    pub issued: u64,
    /// When this was noted: seconds since the Unix epoch; 0: not known.
    pub noted: u64,
}

/// When a CA wants a certificate renewed (RFC 9773).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Which certificate.
    pub certificate: String,
    /// From when to when; `None`: the CA did not tell.
    pub suggested: Option<(u64, u64)>,
    /// The point in it that was chosen by chance.
    pub chosen: Option<u64>,
    /// When the CA is asked again.
    pub again: u64,
}

impl Memory {
    /// Reads what is remembered. What cannot be read is forgotten: it is only a memory.
    pub fn read(storage: &Storage) -> Memory {
        let text = storage::read(&storage.memory()).ok().flatten();
        let parsed = text.and_then(|text| serde_json::from_slice(&text).ok());
        parsed.unwrap_or_default()
    }

    /// What counts of it now. `settings`: by what the next attempt is made. What was noted by a clock
    /// that was ahead does not count.
    pub fn at(mut self, settings: &str, now: u64) -> Memory {
        let ahead = now.saturating_add(plan::SKEW);
        self.failures = self.failures.at(now);
        if self.tried != settings && !self.failures.limited {
            self.failures = Failures::default();
            self.trouble = None;
        }
        if self.issued > ahead {
            self.issued = 0;
        }
        if self.noted > ahead {
            self.noted = 0;
        }
        if let Some(window) = &mut self.window {
            window.again = window.again.min(plan::window_again(now, u64::MAX));
        }
        self
    }

    /// Writes it; what there is nothing of has no file.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self, storage: &Storage) -> io::Result<()> {
        let nothing = Memory {
            noted: self.noted,
            ..Memory::default()
        };
        if *self == nothing {
            return storage::remove(&storage.memory());
        }
        storage::write(&storage.memory(), &serde_json::to_vec(self)?)
    }

    /// When this certificate is to be renewed. `chance`: in 0.0 to 1.0.
    pub fn renewal(&self, facts: &Facts, chance: f64) -> u64 {
        let chosen = self.window_of(facts).and_then(|window| window.chosen);
        let due =
            chosen.unwrap_or_else(|| plan::renewal(facts.not_before, facts.not_after, chance));
        due.max(plan::soonest(
            self.issued,
            facts.not_before,
            facts.not_after,
        ))
    }

    /// When the CA is to be asked when it wants this certificate renewed; `None`: never, it could
    /// not be told which one is meant.
    pub fn window_due(&self, facts: &Facts) -> Option<u64> {
        facts.renewal_id.as_ref()?;
        Some(self.window_of(facts).map_or(0, |window| window.again))
    }

    /// Keeps what the CA said: a window, and in how many seconds to ask again.
    pub fn keep_window(
        &mut self,
        facts: &Facts,
        suggested: (u64, u64),
        seconds: u64,
        now: u64,
        chance: f64,
    ) {
        let Some(id) = &facts.renewal_id else { return };
        // As long as the window is the same, so is the point in it.
        let before = self
            .window_of(facts)
            .filter(|window| window.suggested == Some(suggested));
        let chosen = match before {
            Some(window) => window.chosen,
            None => plan::in_window(suggested, facts.not_before, facts.not_after, chance),
        };
        self.window = Some(Window {
            certificate: id.to_string(),
            suggested: Some(suggested),
            chosen,
            again: plan::window_again(now, seconds),
        });
    }

    /// Keeps that the CA did not say. What it said before holds.
    pub fn keep_no_window(&mut self, facts: &Facts, now: u64) {
        let Some(id) = &facts.renewal_id else { return };
        let before = self.window_of(facts).cloned().unwrap_or_default();
        self.window = Some(Window {
            certificate: id.to_string(),
            again: now.saturating_add(plan::WINDOW_AFTER_ERROR),
            ..before
        });
    }

    fn window_of(&self, facts: &Facts) -> Option<&Window> {
        let id = facts.renewal_id.as_ref()?.to_string();
        self.window
            .as_ref()
            .filter(|window| window.certificate == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use instant_acme::CertificateIdentifier;

    fn facts(serial: &'static str) -> Facts {
        Facts {
            names: vec!["a.example".into()],
            not_before: 0,
            not_after: 9_000,
            renewal_id: Some(CertificateIdentifier {
                authority_key_identifier: "key".into(),
                serial: serial.into(),
            }),
        }
    }

    #[test]
    fn a_window_holds_for_its_certificate_and_keeps_its_point() {
        let (one, next) = (facts("1"), facts("2"));
        let mut memory = Memory::default();
        assert_eq!(memory.window_due(&one), Some(0));
        assert_eq!(memory.renewal(&one, 0.0), 6_000);
        memory.keep_window(&one, (4_000, 5_000), 600, 100, 0.5);
        assert_eq!(memory.renewal(&one, 0.0), 4_500);
        assert_eq!(memory.window_due(&one), Some(700));
        // The same window again: the same point, whatever the chance.
        memory.keep_window(&one, (4_000, 5_000), 600, 700, 0.9);
        assert_eq!(memory.renewal(&one, 0.0), 4_500);
        assert_eq!(memory.window_due(&one), Some(1_300));
        // A CA that always says "at once" gets a new order only now and then.
        memory.issued = 5_000;
        assert_eq!(memory.renewal(&one, 0.0), 5_000 + 9_000 / 8);
        memory.issued = 0;
        // Another window: another point. This one says "at once".
        memory.keep_window(&one, (10, 20), 600, 1_300, 0.9);
        assert_eq!(memory.renewal(&one, 0.0), 19);
        // It is not the next certificate's.
        assert_eq!(memory.renewal(&next, 0.0), 6_000);
        assert_eq!(memory.window_due(&next), Some(0));
        // No answer: what was said holds, and it is asked later.
        memory.keep_no_window(&one, 2_000);
        assert_eq!(memory.renewal(&one, 0.0), 19);
        assert_eq!(memory.window_due(&one), Some(2_000 + 21_600));
        // A window that is none: as if nothing had been said.
        memory.keep_window(&one, (20, 10), 600, 1_300, 0.9);
        assert_eq!(memory.renewal(&one, 0.0), 6_000);
    }

    #[test]
    fn a_clock_that_was_ahead_is_forgotten() {
        let (now, ahead) = (1_000_000, 90_000_000);
        let facts = facts("1");
        let mut memory = Memory {
            issued: ahead,
            noted: ahead,
            tried: "so".to_string(),
            ..Memory::default()
        };
        memory.failures.add(plan::Why::Refused, ahead, 0.0);
        memory.keep_no_window(&facts, ahead);
        let seen = memory.at("so", now);
        assert_eq!((seen.issued, seen.noted), (0, 0));
        assert_eq!(seen.failures, Failures::default());
        assert_eq!(seen.window_due(&facts), Some(now + 24 * 60 * 60));
    }

    #[test]
    fn a_certificate_that_cannot_be_named_is_not_asked_for() {
        let facts = Facts {
            renewal_id: None,
            ..facts("1")
        };
        let mut memory = Memory::default();
        memory.keep_window(&facts, (1, 2), 3, 4, 0.5);
        memory.keep_no_window(&facts, 4);
        assert_eq!(memory, Memory::default());
        assert_eq!(memory.window_due(&facts), None);
    }
}
