//! Who is the same visitor, without a cookie and without knowing who: a keyed hash that is another
//! one each day.
//!
//! The key of a day is random. It lies in memory and in one file, so that a restart does not make
//! strangers of everybody, and is gone from both when the day is over in every zone that counts, or
//! recording is switched off: from then on nobody, parvis included, can say which address a number
//! stood for. A parvis that is stopped leaves the file where it is until it is started again.

use super::statistics::Date;
use rand::RngCore;
use siphasher::sip::SipHasher24;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher;
use std::io;
use std::path::{Path, PathBuf};

/// The keys of the days that are not over.
#[derive(Debug)]
pub struct DayKeys {
    file: PathBuf,
    keys: BTreeMap<Date, [u8; 16]>,
}

impl DayKeys {
    /// The keys in this file; none when it is missing or damaged: visitors of today are then counted
    /// anew.
    pub fn open(file: PathBuf) -> Self {
        let text = fs::read_to_string(&file).unwrap_or_default();
        let keys = text.lines().filter_map(read_line).collect();
        DayKeys { file, keys }
    }

    /// Keeps the keys in another file, and removes the one before.
    pub fn move_to(&mut self, file: PathBuf) {
        self.remove();
        self.file = file;
        if let Err(error) = self.save() {
            tracing::warn!(%error, file = %self.file.display(), "the day's key cannot be kept: after a restart, today's visitors are counted anew");
        }
    }

    /// Removes the file: nothing is recorded any more.
    pub fn remove(&self) {
        if let Err(error) = fs::remove_file(&self.file)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, file = %self.file.display(), "the day's key cannot be removed");
        }
    }

    /// The visitor's number on this day. `earliest`: the first day that is not over anywhere.
    pub fn visitor(&mut self, date: Date, earliest: Date, parts: &[&[u8]]) -> u64 {
        let key = self.key(date, earliest);
        let mut hasher = SipHasher24::new_with_key(&key);
        for part in parts {
            // Lengths keep what stands in two parts from standing for another two.
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        hasher.finish()
    }

    fn key(&mut self, date: Date, earliest: Date) -> [u8; 16] {
        if let Some(key) = self.keys.get(&date) {
            return *key;
        }
        let mut key = [0; 16];
        rand::thread_rng().fill_bytes(&mut key);
        self.keys.insert(date, key);
        self.keys = self.keys.split_off(&earliest.min(date));
        if let Err(error) = self.save() {
            tracing::warn!(%error, file = %self.file.display(), "the day's key cannot be kept: after a restart, today's visitors are counted anew");
        }
        key
    }

    /// Forgets keys of days before this one.
    pub fn forget_before(&mut self, earliest: Date) {
        if self
            .keys
            .first_key_value()
            .is_none_or(|(date, _)| *date >= earliest)
        {
            return;
        }
        self.keys = self.keys.split_off(&earliest);
        if let Err(error) = self.save() {
            tracing::warn!(%error, file = %self.file.display(), "yesterday's key cannot be removed");
        }
    }

    fn save(&self) -> io::Result<()> {
        let mut text = String::new();
        for (date, key) in &self.keys {
            let _ = write!(text, "{} ", date.0);
            for byte in key {
                let _ = write!(text, "{byte:02x}");
            }
            text.push('\n');
        }
        write_private(&self.file, text.as_bytes())
    }
}

fn read_line(line: &str) -> Option<(Date, [u8; 16])> {
    let (date, hex) = line.split_once(' ')?;
    let mut key = [0; 16];
    let digits: Vec<u8> = hex
        .chars()
        .map(|c| c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    if digits.len() != 32 {
        return None;
    }
    for (byte, pair) in key.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = high << 4 | low;
    }
    Some((Date(date.parse().ok()?), key))
}

/// Written beside and renamed, readable by its owner alone.
fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt;
    let beside = file.with_extension("new");
    let mut out = fs::OpenOptions::new()
        .create(true)
        .truncate(true)
        .write(true)
        .mode(0o600)
        .open(&beside)?;
    out.write_all(bytes)?;
    fs::rename(&beside, file)
}

/// A visitor who rests for longer begins a new session.
const REST: i64 = 30 * 60 * 1_000_000;

/// Visitors whose sessions are remembered; beyond, those who rest for longest are forgotten.
const SESSIONS: usize = 262_144;

/// Which session a visitor is in.
pub struct Sessions {
    known: quick_cache::unsync::Cache<u64, (u64, i64)>,
}

impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sessions({})", self.known.len())
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions {
            known: quick_cache::unsync::Cache::new(SESSIONS),
        }
    }
}

impl Sessions {
    /// The session of a visitor who is seen at this time, microseconds since the Unix epoch.
    pub fn session(&mut self, visitor: u64, time: i64) -> u64 {
        if let Some(mut found) = self.known.get_mut(&visitor) {
            let (session, last) = *found;
            if time.saturating_sub(last) <= REST {
                *found = (session, last.max(time));
                return session;
            }
        }
        let session = rand::thread_rng().next_u64();
        self.known.insert(visitor, (session, time));
        session
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visitor_is_the_same_all_day_and_after_a_restart_and_another_the_next_day() {
        let folder = std::env::temp_dir().join(format!("parvis-keys-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("key");
        let parts: [&[u8]; 2] = [b"192.0.2.1", b"Firefox"];
        let mut keys = DayKeys::open(file.clone());
        let today = keys.visitor(Date(20_000), Date(20_000), &parts);
        assert_eq!(keys.visitor(Date(20_000), Date(20_000), &parts), today);
        assert_ne!(
            keys.visitor(Date(20_000), Date(20_000), &[b"192.0.2.1Firefox", b""]),
            today
        );
        let mut again = DayKeys::open(file.clone());
        assert_eq!(again.visitor(Date(20_000), Date(20_000), &parts), today);
        // Yesterday is not over in another zone, then it is.
        assert_ne!(again.visitor(Date(20_001), Date(20_000), &parts), today);
        assert_eq!(again.visitor(Date(20_000), Date(20_000), &parts), today);
        again.forget_before(Date(20_001));
        let text = fs::read_to_string(&file).unwrap();
        assert!(
            text.starts_with("20001 ") && text.lines().count() == 1,
            "{text}"
        );
        assert_ne!(again.visitor(Date(20_000), Date(20_001), &parts), today);
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            fs::metadata(&file).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::write(&file, "rubbish\n1 zz\n2 00\n").unwrap();
        assert!(DayKeys::open(file).keys.is_empty());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_session_ends_after_half_an_hour_of_rest() {
        let mut sessions = Sessions::default();
        let first = sessions.session(1, 0);
        assert_eq!(sessions.session(1, REST), first);
        assert_eq!(sessions.session(1, 2 * REST), first);
        assert_ne!(sessions.session(2, 2 * REST), first);
        // Visits may come out of order.
        assert_eq!(sessions.session(1, REST), first);
        assert_ne!(sessions.session(1, 3 * REST + 1), first);
    }
}
