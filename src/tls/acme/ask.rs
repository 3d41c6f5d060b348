//! The application is asked whether a certificate for a name may be ordered.

use super::client;
use super::policy::OnDemand;
use http::{StatusCode, Uri};
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// For the question and its answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer holds, in seconds.
pub const YES_HOLDS: u64 = 5 * 60;
/// A customer's name that was just entered should not have to wait for long.
pub const NO_HOLDS: u64 = 2 * 60;
/// When there was no answer.
pub const SILENCE_HOLDS: u64 = 10;
/// So many names are asked about in a minute: who sends names by chance costs no more.
const MOST_A_MINUTE: u32 = 120;
/// And so many for one client: a few of them do not keep all others out.
const MOST_OF_ONE: u32 = 20;
/// So many answers are remembered.
const MOST: usize = 20_000;

/// What the application said of late.
#[derive(Debug, Default)]
pub struct Answers {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// By who was asked and the name: the answer, and until when it holds.
    known: HashMap<(Uri, String), (bool, u64)>,
    /// Whose answers were told to be strange.
    told: HashSet<Uri>,
    minute: u64,
    asked: u32,
    /// Of these, by client. Not more of them than were asked about.
    by_client: HashMap<IpAddr, u32>,
}

impl Answers {
    /// What is known of a name; `None`: it must be asked.
    pub fn known(&self, who: &OnDemand, name: &str, now: u64) -> Option<bool> {
        let key = (who.ask.clone(), name.to_string());
        let (allowed, until) = *self.state().known.get(&key)?;
        (now < until).then_some(allowed)
    }

    /// Whether it is to be told that an answer is none of those that are expected: once for each
    /// who is asked.
    pub fn is_news(&self, who: &OnDemand, status: StatusCode) -> bool {
        let expected = [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
        !expected.contains(&status) && self.state().told.insert(who.ask.clone())
    }

    /// Whether the last word on a name was a no, though it may not hold any more.
    pub fn was_refused(&self, who: &OnDemand, name: &str) -> bool {
        let key = (who.ask.clone(), name.to_string());
        self.state()
            .known
            .get(&key)
            .is_some_and(|(allowed, _)| !allowed)
    }

    /// Whether one more name may be asked about in this minute for this client.
    pub fn admit(&self, client: IpAddr, now: u64) -> bool {
        let mut state = self.state();
        if state.minute != now / 60 {
            state.minute = now / 60;
            state.asked = 0;
            state.by_client.clear();
        }
        let client = household(client);
        let own = state.by_client.get(&client).copied().unwrap_or(0);
        if state.asked >= MOST_A_MINUTE || own >= MOST_OF_ONE {
            return false;
        }
        state.asked = state.asked.saturating_add(1);
        state.by_client.insert(client, own.saturating_add(1));
        true
    }

    /// Remembers an answer for so many seconds.
    pub fn keep(&self, who: &OnDemand, name: &str, allowed: bool, now: u64, seconds: u64) {
        let mut state = self.state();
        if state.known.len() >= MOST {
            state.known.retain(|_, (_, until)| now < *until);
        }
        if state.known.len() >= MOST {
            // It is asked again then.
            state.known.clear();
        }
        let key = (who.ask.clone(), name.to_string());
        state
            .known
            .insert(key, (allowed, now.saturating_add(seconds)));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom an address belongs to: one household or machine has a whole /64 of IPv6.
fn household(client: IpAddr) -> IpAddr {
    match client.to_canonical() {
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 64);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        address => address,
    }
}

/// Asks. Gives what was answered, of which [`meaning`] tells more.
///
/// # Errors
/// There was no answer.
pub async fn ask(who: &OnDemand, name: &str) -> io::Result<StatusCode> {
    let uri = question(&who.ask, name)?;
    let status = tokio::time::timeout(PATIENCE, client::status_of(&uri)).await;
    status.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
}

/// Whether an answer is a yes.
///
/// # Errors
/// It is neither yes nor no: the application is broken, or something else answers in its place.
pub fn meaning(status: StatusCode) -> io::Result<bool> {
    match status.is_server_error() || status.is_redirection() {
        true => Err(io::Error::other(format!("it answered {status}"))),
        false => Ok(status == StatusCode::OK),
    }
}

/// The URL with `domain=NAME`. A name has no character that would have to be encoded.
fn question(ask: &Uri, name: &str) -> io::Result<Uri> {
    let path = ask.path_and_query().map_or("/", |path| path.as_str());
    let sign = if path.contains('?') { '&' } else { '?' };
    let mut parts = ask.clone().into_parts();
    let asked = format!("{path}{sign}domain={name}");
    parts.path_and_query = Some(asked.parse().map_err(io::Error::other)?);
    Uri::from_parts(parts).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn who() -> OnDemand {
        OnDemand {
            ask: "http://127.0.0.1:8000/ask".parse().unwrap(),
        }
    }

    #[test]
    fn answers_hold_for_their_time() {
        let answers = Answers::default();
        assert_eq!(answers.known(&who(), "a.example", 0), None);
        answers.keep(&who(), "a.example", true, 100, YES_HOLDS);
        answers.keep(&who(), "b.example", false, 100, NO_HOLDS);
        assert_eq!(answers.known(&who(), "a.example", 399), Some(true));
        assert_eq!(answers.known(&who(), "a.example", 400), None);
        assert_eq!(answers.known(&who(), "b.example", 219), Some(false));
        assert_eq!(answers.known(&who(), "b.example", 220), None);
        let other = OnDemand {
            ask: "http://127.0.0.1:8000/other".parse().unwrap(),
        };
        assert_eq!(answers.known(&other, "a.example", 101), None);
    }

    #[test]
    fn what_is_asked_and_remembered_has_bounds() {
        let answers = Answers::default();
        let client = |n: u32| IpAddr::from(n.to_be_bytes());
        for n in 0..MOST_A_MINUTE {
            assert!(answers.admit(client(n), 60));
        }
        assert!(!answers.admit(client(999), 119));
        assert!(answers.admit(client(999), 120));
        for n in 0..MOST + 5 {
            answers.keep(&who(), &format!("{n}.example"), false, 0, 60);
            assert!(answers.state().known.len() <= MOST);
        }
        assert_eq!(
            answers.known(&who(), &format!("{}.example", MOST + 4), 1),
            Some(false)
        );
    }

    #[test]
    fn one_client_does_not_keep_others_out() {
        let answers = Answers::default();
        let one = |n: u16| IpAddr::from([0x2001, 0xdb8, 0, 0, n, 0, 0, n]);
        for n in 0..1000 {
            assert_eq!(answers.admit(one(n), 60), u32::from(n) < MOST_OF_ONE);
        }
        assert!(answers.admit([0x2001, 0xdb8, 0, 1, 0, 0, 0, 1].into(), 60));
        assert!(answers.admit([192, 0, 2, 1].into(), 60));
        assert!(answers.admit(one(1), 120));
    }

    #[test]
    fn an_application_that_is_broken_says_neither_yes_nor_no() {
        for (status, meant) in [
            (200, Some(true)),
            (204, Some(false)),
            (403, Some(false)),
            (404, Some(false)),
            (302, None),
            (500, None),
            (503, None),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(meaning(status).ok(), meant, "{status}");
        }
        let answers = Answers::default();
        let news = |status| answers.is_news(&who(), status);
        assert!(!news(StatusCode::OK) && !news(StatusCode::NOT_FOUND));
        assert!(news(StatusCode::UNAUTHORIZED));
        assert!(!news(StatusCode::BAD_GATEWAY));
    }

    #[test]
    fn the_name_is_put_behind_the_url() {
        for (ask, asked) in [
            ("http://a:1/ask", "http://a:1/ask?domain=x.example"),
            ("http://a:1/ask?k=v", "http://a:1/ask?k=v&domain=x.example"),
            ("http://a:1", "http://a:1/?domain=x.example"),
        ] {
            let uri = question(&ask.parse().unwrap(), "x.example").unwrap();
            assert_eq!(uri.to_string(), asked);
        }
    }
}
