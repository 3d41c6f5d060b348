//! A connection to the server, and what comes back over it.

use super::batch::{self, Batch};
use super::marker;
use super::policy::RedisPolicy;
use super::trouble::{Kind, Trouble};
use crate::visits::spool::Position;
use redis::Value;
use std::time::Duration;

/// For the connection and the login.
const CONNECT: Duration = Duration::from_secs(2);

/// A connection that watches the marker.
pub struct Connection {
    redis: redis::Connection,
    /// How often it was used.
    pub used: u64,
}

/// The answers of a transaction's commands; `None` when the marker had changed.
type Executed = Option<Vec<Value>>;

/// What became of a transaction.
#[derive(Debug)]
pub enum Outcome {
    /// Done. How long the list is now; 0 for a stream.
    Applied(u64),
    /// The marker had changed: nothing was done. Where it is now.
    Refused(Option<Position>),
}

/// A transaction that failed.
#[derive(Debug)]
pub struct Failure {
    pub trouble: Trouble,
    /// The marker was set although nothing was put in, and could not be set back.
    pub marker_is_wrong: bool,
}

impl Connection {
    /// Connects, and tells where the marker is.
    pub fn open(
        policy: &RedisPolicy,
        marker: &str,
        limit: Duration,
    ) -> Result<(Connection, Option<Position>), Trouble> {
        let client = redis::Client::open(policy.server.clone())?;
        let redis = client.get_connection_with_timeout(CONNECT.min(limit))?;
        let mut connection = Connection { redis, used: 0 };
        connection.limit(limit)?;
        let mut bytes = Vec::new();
        batch::look(&mut bytes, marker);
        connection.redis.send_packed_command(&bytes)?;
        let place = connection.place()?;
        Ok((connection, place))
    }

    /// How long it may take to read or write something.
    pub fn limit(&self, limit: Duration) -> Result<(), Trouble> {
        self.redis.set_read_timeout(Some(limit))?;
        Ok(self.redis.set_write_timeout(Some(limit))?)
    }

    /// The answers to `batch::look`.
    fn place(&mut self) -> Result<Option<Position>, Trouble> {
        let watched = self.redis.recv_response()?;
        let found = self.redis.recv_response()?;
        for answer in [&watched, &found] {
            if let Value::ServerError(error) = answer {
                return Err(error.into());
            }
        }
        Ok(match found {
            Value::BulkString(text) => marker::parse(&text),
            _ => None,
        })
    }

    /// How many visits are in the list. What is watched stays so.
    pub fn length(&mut self, list: &str) -> Result<u64, Trouble> {
        let mut bytes = Vec::new();
        batch::command(&mut bytes, &["LLEN", list]);
        self.redis.send_packed_command(&bytes)?;
        let answer = self.redis.recv_response()?;
        self.used = self.used.saturating_add(1);
        match answer {
            Value::Int(length) => Ok(u64::try_from(length).unwrap_or(0)),
            Value::ServerError(error) => match Trouble::from(&error) {
                // It is no list: who pushes is told the same.
                trouble if trouble.kind == Kind::Type => Ok(0),
                trouble => Err(trouble),
            },
            _ => Ok(0),
        }
    }

    /// Sends a transaction. `before`: where the marker belongs when it fails.
    pub fn exchange(
        &mut self,
        batch: &Batch,
        marker: &str,
        before: Position,
    ) -> Result<Outcome, Failure> {
        let (answers, place) = self.send(batch).map_err(Failure::from)?;
        self.used = self.used.saturating_add(1);
        let Some(answers) = answers else {
            return Ok(Outcome::Refused(place));
        };
        let pushed = answers.get(..batch.pushes).unwrap_or_default();
        let refused = pushed.iter().find_map(|answer| match answer {
            Value::ServerError(error) => Some(Trouble::from(error)),
            _ => None,
        });
        let Some(trouble) = refused else {
            return Ok(Outcome::Applied(match pushed.last() {
                Some(Value::Int(length)) => u64::try_from(*length).unwrap_or(0),
                _ => 0,
            }));
        };
        // Redis does not undo the rest of a transaction of which one command failed.
        Err(Failure {
            marker_is_wrong: self.set_back(marker, before).is_err(),
            trouble,
        })
    }

    /// Sends it, and gives what `EXEC` answered, and the marker after that.
    fn send(&mut self, batch: &Batch) -> Result<(Executed, Option<Position>), Trouble> {
        self.redis.send_packed_command(&batch.bytes)?;
        // `MULTI` and what is queued. The first error is the reason why `EXEC` fails.
        let mut reason = None;
        for _ in 0..=batch.commands {
            if let Value::ServerError(error) = self.redis.recv_response()? {
                reason = reason.or(Some(Trouble::from(&error)));
            }
        }
        let executed = self.redis.recv_response()?;
        if let Some(reason) = reason {
            return Err(reason);
        }
        let answers = match executed {
            Value::Array(answers) => Some(answers),
            Value::ServerError(error) => return Err(Trouble::from(&error)),
            _ => None,
        };
        Ok((answers, self.place()?))
    }

    fn set_back(&mut self, marker: &str, before: Position) -> Result<(), Trouble> {
        let mut bytes = Vec::new();
        let value = marker::value(before);
        batch::command(&mut bytes, &["SET", marker, &value, "EX", marker::EXPIRES]);
        self.redis.send_packed_command(&bytes)?;
        match self.redis.recv_response()? {
            Value::ServerError(error) => Err(Trouble::from(&error)),
            _ => Ok(()),
        }
    }
}

impl From<Trouble> for Failure {
    fn from(trouble: Trouble) -> Self {
        Failure {
            trouble,
            marker_is_wrong: false,
        }
    }
}
