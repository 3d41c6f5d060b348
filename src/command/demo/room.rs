//! The chat room: who is in it and what was said last.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::api::unix_ms;

/// How many users the room holds.
const SEATS: usize = 200;

/// How many messages a newcomer is shown.
const RECENT: usize = 3;

/// How many frames wait for a slow reader. See [`Joined::frames`] for what happens beyond.
const BACKLOG: usize = 64;

/// The longest message and the longest name, in characters.
const LONGEST_TEXT: usize = 500;
const LONGEST_NAME: usize = 30;

/// A room in which everyone hears everything.
pub(super) struct Room {
    seats: Arc<Semaphore>,
    frames: broadcast::Sender<Utf8Bytes>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    // By number, so that the list is in the order of arrival.
    users: BTreeMap<u64, String>,
    last_user: u64,
    last_message: u64,
    recent: VecDeque<Utf8Bytes>,
}

/// What a user gets on joining.
pub(super) struct Joined {
    /// Leaves the room when it is dropped.
    pub seat: Seat,
    /// The last messages before this user came, oldest first.
    pub recent: Vec<Utf8Bytes>,
    /// Everything from this user's own `join` on.
    ///
    /// A reader that falls more than `BACKLOG` frames behind misses the oldest ones
    /// (`RecvError::Lagged`) and goes on with the rest: one slow reader must neither hold up the
    /// room nor make it keep everything. The list of users is whole in each `join` and `leave`,
    /// so a reader that missed one has it right again after the next.
    pub frames: broadcast::Receiver<Utf8Bytes>,
}

/// A user's place in the room.
pub(super) struct Seat {
    room: Arc<Room>,
    user: u64,
    name: String,
    _permit: OwnedSemaphorePermit,
}

impl Room {
    /// An empty room.
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            seats: Arc::new(Semaphore::new(SEATS)),
            frames: broadcast::Sender::new(BACKLOG),
            state: Mutex::default(),
        })
    }

    /// Keeps a place free for one user, or `None` when the room is full.
    pub(super) fn reserve(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.seats).try_acquire_owned().ok()
    }

    /// Seats a user and tells everyone. A name too long is cut, one that is empty is replaced.
    pub(super) fn join(self: &Arc<Self>, permit: OwnedSemaphorePermit, name: &str) -> Joined {
        let mut state = self.lock();
        state.last_user = state.last_user.saturating_add(1);
        let user = state.last_user;
        let name = match clean_name(name) {
            name if name.is_empty() => format!("Guest {user}"),
            name => name,
        };
        state.users.insert(user, name.clone());
        // All under one lock: a message is either in `recent` or among the frames, never in both.
        let recent = state.recent.iter().cloned().collect();
        let frames = self.frames.subscribe();
        self.tell(user_frame("join", &name, &state));
        drop(state);
        let seat = Seat {
            room: Arc::clone(self),
            user,
            name,
            _permit: permit,
        };
        Joined {
            seat,
            recent,
            frames,
        }
    }

    // Returns the frame, for those who want to keep it.
    fn tell(&self, frame: Value) -> Utf8Bytes {
        let frame = Utf8Bytes::from(frame.to_string());
        // An error means that the room is empty.
        let _ = self.frames.send(frame.clone());
        frame
    }

    // Poison is harmless: each change of the state is one call of a collection.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Says something to everyone, or tells why it cannot be said.
    pub(super) fn say(&self, text: &str) -> Result<(), String> {
        let text = clean_text(text)?;
        let mut state = self.room.lock();
        state.last_message = state.last_message.saturating_add(1);
        let frame = self.room.tell(json!({
            "type": "message",
            "id": state.last_message,
            "name": self.name,
            "text": text,
            "unix_ms": unix_ms(),
        }));
        if state.recent.len() >= RECENT {
            state.recent.pop_front();
        }
        state.recent.push_back(frame);
        Ok(())
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        state.users.remove(&self.user);
        self.room.tell(user_frame("leave", &self.name, &state));
    }
}

fn user_frame(kind: &str, name: &str, state: &State) -> Value {
    let users: Vec<&String> = state.users.values().collect();
    json!({ "type": kind, "name": name, "users": users })
}

// Control characters have no place in a line that a terminal may show.
fn clean_name(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let name: String = name.trim().chars().take(LONGEST_NAME).collect();
    name.trim_end().to_owned()
}

fn clean_text(text: &str) -> Result<String, String> {
    let text: String = text
        .chars()
        .filter(|c| *c == '\n' || !c.is_control())
        .collect();
    let text = text.trim();
    if text.is_empty() {
        return Err("a message needs a text".to_owned());
    }
    if text.chars().count() > LONGEST_TEXT {
        return Err(format!("a message has at most {LONGEST_TEXT} characters"));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join(room: &Arc<Room>, name: &str) -> Option<Joined> {
        Some(room.join(room.reserve()?, name))
    }

    #[track_caller]
    fn assert_next(joined: &mut Joined, part: &str) {
        let frame = joined.frames.try_recv();
        assert!(
            frame.as_ref().is_ok_and(|frame| frame.contains(part)),
            "{frame:?}"
        );
    }

    #[test]
    fn everyone_hears_a_message_and_a_newcomer_the_last_three() -> Result<(), &'static str> {
        let room = Room::new();
        let mut ada = join(&room, "Ada").ok_or("full")?;
        assert_next(&mut ada, r#""name":"Ada","type":"join","users":["Ada"]"#);
        for text in ["one", "two", "three", "four"] {
            assert_eq!(ada.seat.say(text), Ok(()));
            assert_next(&mut ada, text);
        }

        let mut bob = join(&room, "Bob").ok_or("full")?;
        assert_eq!(bob.recent.len(), 3);
        for (frame, text) in bob.recent.iter().zip(["two", "three", "four"]) {
            assert!(frame.contains(text), "{frame}");
        }
        assert_next(&mut bob, r#""type":"join","users":["Ada","Bob"]"#);
        assert!(bob.frames.try_recv().is_err());
        assert_next(&mut ada, r#""type":"join","users":["Ada","Bob"]"#);
        drop(bob);
        assert_next(&mut ada, r#""name":"Bob","type":"leave","users":["Ada"]"#);
        Ok(())
    }

    #[test]
    fn a_full_room_takes_no_one_until_someone_leaves() {
        let room = Room::new();
        let mut seated: Vec<_> = (0..SEATS).filter_map(|_| join(&room, "")).collect();
        assert_eq!(seated.len(), SEATS);
        assert!(join(&room, "").is_none());
        seated.pop();
        assert!(join(&room, "").is_some());
    }

    #[test]
    fn names_and_texts_are_bounded() {
        assert_eq!(clean_name(" \tAda\u{7} "), "Ada");
        assert_eq!(
            clean_name(&"\u{e9}".repeat(99)),
            "\u{e9}".repeat(LONGEST_NAME)
        );
        assert_eq!(clean_text(" a\nb\u{0} "), Ok("a\nb".to_owned()));
        assert!(clean_text(" \n ").is_err());
        assert!(clean_text(&"\u{e9}".repeat(LONGEST_TEXT)).is_ok());
        assert!(clean_text(&"a".repeat(LONGEST_TEXT + 1)).is_err());
    }
}
