//! A chunk of the spool as Redis commands, all in one transaction.
//!
//! The marker is watched since the answer to the transaction before. A transaction whose answer
//! never came may still lie in the server's buffers when the sink has connected again and asked
//! for the marker; whichever of the two comes first changes the marker, and Redis refuses the
//! other.

use super::marker;
use super::policy::{ListMode, RedisPolicy};
use crate::visits::json;
use crate::visits::spool::Chunk;
use crate::visits::visit::Visit;

/// How many visits one `LPUSH` has at most: a command blocks the server while it runs.
const PIECE: usize = 1_000;

/// Commands, ready to be sent. Used again and again: it keeps its memory.
#[derive(Debug, Default)]
pub struct Batch {
    pub bytes: Vec<u8>,
    /// How many commands put visits in.
    pub pushes: usize,
    /// How many commands are between `MULTI` and `EXEC`.
    pub commands: usize,
    pub visits: u64,
    /// Records that cannot be read: of another version, say.
    pub broken: u64,
    values: Vec<u8>,
    json: Vec<u8>,
}

impl Batch {
    /// Writes the commands for a chunk. `trim`: what is then too much in a list goes.
    pub fn pack(&mut self, chunk: &Chunk, policy: &RedisPolicy, marker: &str, trim: bool) {
        self.bytes.clear();
        (self.pushes, self.visits, self.broken) = (0, 0, 0);
        command(&mut self.bytes, &["MULTI"]);
        match policy.mode {
            ListMode::List => self.lists(chunk, policy),
            ListMode::Stream => self.entries(chunk, policy),
        }
        self.commands = self.pushes;
        if trim && policy.mode == ListMode::List {
            let last = policy.keep.saturating_sub(1).to_string();
            command(&mut self.bytes, &["LTRIM", &policy.list, "0", &last]);
            self.commands = self.commands.saturating_add(1);
        }
        let end = marker::value(chunk.end);
        command(
            &mut self.bytes,
            &["SET", marker, &end, "EX", marker::EXPIRES],
        );
        self.commands = self.commands.saturating_add(1);
        command(&mut self.bytes, &["EXEC"]);
        look(&mut self.bytes, marker);
    }

    fn lists(&mut self, chunk: &Chunk, policy: &RedisPolicy) {
        let mut count = 0_usize;
        for record in chunk.records() {
            if self.json(record, policy) {
                argument(&mut self.values, &self.json);
                count = count.saturating_add(1);
            }
            if count == PIECE {
                self.piece(count, policy);
                count = 0;
            }
        }
        if count > 0 {
            self.piece(count, policy);
        }
    }

    fn piece(&mut self, count: usize, policy: &RedisPolicy) {
        array(&mut self.bytes, count.saturating_add(2));
        argument(&mut self.bytes, b"LPUSH");
        argument(&mut self.bytes, policy.list.as_bytes());
        self.bytes.append(&mut self.values);
        self.pushes = self.pushes.saturating_add(1);
    }

    fn entries(&mut self, chunk: &Chunk, policy: &RedisPolicy) {
        let keep = policy.keep.to_string();
        let mut head = Vec::new();
        array(&mut head, 8);
        for word in ["XADD", &policy.list, "MAXLEN", "~", &keep, "*", "visit"] {
            argument(&mut head, word.as_bytes());
        }
        for record in chunk.records() {
            if self.json(record, policy) {
                self.bytes.extend_from_slice(&head);
                argument(&mut self.bytes, &self.json);
                self.pushes = self.pushes.saturating_add(1);
            }
        }
    }

    /// Writes the record as JSON; false when it cannot be read.
    fn json(&mut self, record: &[u8], policy: &RedisPolicy) -> bool {
        self.json.clear();
        match Visit::decode(record) {
            Some(visit) => {
                json::write(&mut self.json, &visit, policy.ip);
                self.visits = self.visits.saturating_add(1);
                true
            }
            None => {
                self.broken = self.broken.saturating_add(1);
                false
            }
        }
    }
}

/// Asks for the marker, and lets the next transaction fail when it changes from here on.
pub fn look(out: &mut Vec<u8>, marker: &str) {
    command(out, &["WATCH", marker]);
    command(out, &["GET", marker]);
}

/// A command as Redis reads it (RESP, "Arrays of bulk strings").
pub fn command(out: &mut Vec<u8>, words: &[&str]) {
    array(out, words.len());
    for word in words {
        argument(out, word.as_bytes());
    }
}

fn array(out: &mut Vec<u8>, length: usize) {
    out.push(b'*');
    number(out, length);
}

fn argument(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'$');
    number(out, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn number(out: &mut Vec<u8>, number: usize) {
    json::decimal(out, number as u64, 1);
    out.extend_from_slice(b"\r\n");
}
