//! The JSON API: a request as values in, an answer as values out. It knows no socket.
//!
//! The admin listener and a site's own path give what they are asked to one [`Desk`], which
//! remembers answers.

mod parameters;
mod question;
mod refusal;

use super::answers::{Nobody, Scope, chart, overview, top};
use super::{History, Trouble};
use foldhash::quality::RandomState;
use question::Question;
use refusal::Refusal;
use serde::Serialize;
use std::collections::HashMap;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};

/// A request.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path after `/api/analytics`: `/overview/`.
    pub path: &'a str,
    /// Its query without the question mark, as it was sent.
    pub query: &'a str,
    /// `If-None-Match`.
    pub if_none_match: Option<&'a str>,
    /// The only site that may be asked about: for a path of the site itself.
    pub only_site: Option<&'a str>,
    /// Microseconds since the Unix epoch.
    pub now: i64,
}

/// An answer, `application/json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// The content; empty with 304. To a HEAD request it is the same as to a GET, and who sends
    /// the answer leaves it out.
    pub body: Vec<u8>,
    /// `ETag`.
    pub etag: Option<String>,
    /// `Allow`, with 405.
    pub allow: Option<&'static str>,
}

impl Reply {
    fn new(status: u16, body: &impl Serialize) -> Reply {
        Reply {
            status,
            // Nothing here has keys that are no text, which is all that can fail.
            body: serde_json::to_vec(body).unwrap_or_default(),
            etag: None,
            allow: None,
        }
    }
}

/// Answers that are remembered at most; all go when there are more.
const MOST_ANSWERS: usize = 256;
/// Bytes of remembered answers at most.
const MOST_BYTES: usize = 8 << 20;

/// Answers of one version of the history, by what was asked and when.
#[derive(Debug, Default)]
struct Remembered {
    version: u64,
    answers: HashMap<u64, Vec<u8>, RandomState>,
    bytes: usize,
}

/// Where questions are answered. Threads share it.
pub struct Desk {
    history: Arc<dyn History + Send + Sync>,
    remembered: Mutex<Remembered>,
    /// Held while an answer is made: one at a time, so that a page full of questions takes one core
    /// from the requests and no more, and the same question is not answered twice.
    making: Mutex<()>,
    /// Makes numbers of questions. They are other ones in each process, and so are ETags.
    numbers: RandomState,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let desk = &mut f.debug_struct("Desk");
        desk.field("remembered", &self.remembered)
            .finish_non_exhaustive()
    }
}

impl Desk {
    /// A desk at which this history is told.
    pub fn new(history: Arc<dyn History + Send + Sync>) -> Desk {
        Desk {
            history,
            remembered: Mutex::default(),
            making: Mutex::default(),
            numbers: RandomState::default(),
        }
    }

    /// Answers a request. It may take as long as the store does to read its days: not for a
    /// thread that serves other requests meanwhile.
    pub fn answer(&self, asked: &Asked<'_>) -> Reply {
        self.find(asked).unwrap_or_else(|refusal| {
            let paths = question::paths(asked.only_site.is_some());
            refusal.reply(&paths, asked.only_site.is_some())
        })
    }

    fn find(&self, asked: &Asked<'_>) -> Result<Reply, Refusal> {
        let history = &*self.history;
        let (question, site) = question::read(asked)?;
        match question {
            Question::Endpoints => {
                let list = question::list(asked.only_site.is_some());
                return Ok(Reply::new(200, &list));
            }
            Question::ClearCache => {
                history.forget_cache();
                self.forget();
                return Ok(Reply::new(200, &serde_json::json!({ "cleared": true })));
            }
            _ => {}
        }
        let scope = Scope::new(history, site.as_deref(), asked.now).map_err(|nobody| {
            let allowed = match nobody {
                Nobody::Trouble(trouble) => return Refusal::from(trouble),
                // Whoever may ask about one site only is not told of others.
                Nobody::Unknown(_) if asked.only_site.is_some() => {
                    "nothing: this site records no visits".to_string()
                }
                Nobody::Unknown(sites) if sites.is_empty() => {
                    "nothing: no site records visits".to_string()
                }
                Nobody::Unknown(sites) => format!("one of: {}", sites.join(", ")),
            };
            Refusal::value("site", site.as_deref().unwrap_or_default(), allowed)
        })?;
        if let Question::Delete(before) = question {
            let deleted = history.delete_before(scope.site.as_deref(), before)?;
            self.forget();
            let said = serde_json::json!({ "deleted": deleted, "before": before });
            return Ok(Reply::new(200, &said));
        }
        // Before anything is read: an answer may be newer than its tag, never older.
        let version = history.version();
        // What the overview says of the last minutes moves on by itself; all others change with the
        // date.
        let minute =
            matches!(question, Question::Overview(_)).then_some(asked.now.div_euclid(60_000_000));
        let zones: Vec<&str> = scope.zones().collect();
        let number = (
            &question,
            &scope.site,
            asked.only_site,
            zones,
            scope.today,
            minute,
        );
        let number = self.numbers.hash_one(number);
        let etag = format!("W/\"{version:x}-{number:x}\"");
        if asked
            .if_none_match
            .is_some_and(|tags| is_among(tags, &etag))
        {
            return Ok(Reply {
                status: 304,
                body: Vec::new(),
                etag: Some(etag),
                allow: None,
            });
        }
        let mut reply = match self.recall(version, number) {
            Some(reply) => reply,
            None => {
                let _made_alone = self.making.lock().unwrap_or_else(PoisonError::into_inner);
                match self.recall(version, number) {
                    Some(reply) => reply,
                    None => {
                        let reply = made(history, &scope, &question, asked.only_site)?;
                        self.remember(version, number, &reply.body);
                        reply
                    }
                }
            }
        };
        reply.etag = Some(etag);
        Ok(reply)
    }

    fn recall(&self, version: u64, number: u64) -> Option<Reply> {
        let remembered = self.remembered.lock();
        let remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        let is_same = remembered.version == version;
        let answers = is_same.then_some(&remembered.answers)?;
        let body = answers.get(&number)?.clone();
        Some(Reply {
            status: 200,
            body,
            etag: None,
            allow: None,
        })
    }

    fn remember(&self, version: u64, number: u64, body: &[u8]) {
        let remembered = self.remembered.lock();
        let mut remembered = remembered.unwrap_or_else(PoisonError::into_inner);
        let bytes = remembered.bytes.saturating_add(body.len());
        let is_full = bytes > MOST_BYTES || remembered.answers.len() >= MOST_ANSWERS;
        if remembered.version != version || is_full {
            *remembered = Remembered {
                version,
                ..Remembered::default()
            };
        }
        if body.len() <= MOST_BYTES {
            let before = remembered.answers.insert(number, body.to_vec());
            let before = before.map_or(0, |body| body.len());
            let bytes = remembered.bytes.saturating_sub(before);
            remembered.bytes = bytes.saturating_add(body.len());
        }
    }

    fn forget(&self) {
        let remembered = self.remembered.lock();
        *remembered.unwrap_or_else(PoisonError::into_inner) = Remembered::default();
    }
}

impl From<Trouble> for Refusal {
    fn from(trouble: Trouble) -> Refusal {
        Refusal::Trouble(trouble.0)
    }
}

/// `only_site`: who may ask about one site only is not told of others.
fn made(
    history: &dyn History,
    scope: &Scope,
    question: &Question,
    only_site: Option<&str>,
) -> Result<Reply, Trouble> {
    let days = |count: u32| i32::try_from(count).unwrap_or(i32::MAX);
    Ok(match question {
        Question::Overview(filter) => {
            let mut told = overview(history, scope, filter)?;
            told.sites
                .retain(|site| only_site.is_none_or(|only| site == only));
            Reply::new(200, &told)
        }
        Question::Chart(filter, period, count) => {
            let chart = chart(history, scope, filter, *period, days(*count))?;
            Reply::new(200, &chart)
        }
        Question::Top(filter, subject, count, offset, limit) => {
            let part = (*offset, *limit);
            let top = top(history, scope, filter, *subject, days(*count), part)?;
            Reply::new(200, &top)
        }
        Question::Endpoints | Question::ClearCache | Question::Delete(_) => {
            Reply::new(200, &question::list(only_site.is_some()))
        }
    })
}

/// The tag is one of those in an `If-None-Match` (RFC 9110 section 13.1.2: weak ones are the same
/// as strong ones).
fn is_among(tags: &str, etag: &str) -> bool {
    let strong = etag.strip_prefix("W/").unwrap_or(etag);
    tags.split(',').map(str::trim).any(|tag| {
        // Tags from here have no comma in them.
        tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == strong
    })
}

#[cfg(test)]
mod tests;
