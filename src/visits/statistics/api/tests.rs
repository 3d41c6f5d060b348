mod kept;
mod requests;
mod truth;

use super::{Asked, Desk, Reply};
use crate::visits::statistics::memory::Memory;
use crate::visits::statistics::reference::Random;
use serde_json::Value;
use std::sync::Arc;

/// An instant from text with an offset, microseconds.
pub fn at(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_microsecond()
}

/// When requests come.
pub const NOW: &str = "2026-11-21T14:35:12.345Z";

/// A history of two sites.
pub fn memory() -> Arc<Memory> {
    let mut random = Random(5);
    let memory = Memory::default()
        .with_random(&mut random, ("shop", "Europe/Paris"), (40, 400, at(NOW)))
        .with_random(&mut random, ("blog", "Europe/Paris"), (40, 400, at(NOW)));
    Arc::new(memory)
}

/// A desk at which this history is told.
pub fn desk_of(memory: &Arc<Memory>) -> Desk {
    Desk::new(memory.clone())
}

/// A GET request.
pub fn get<'a>(path: &'a str, query: &'a str, now: i64) -> Asked<'a> {
    Asked {
        method: "GET",
        path,
        query,
        if_none_match: None,
        only_site: None,
        now,
    }
}

pub fn json(reply: &Reply) -> Value {
    serde_json::from_slice(&reply.body).unwrap()
}

/// The answer to a question that has one.
pub fn told(desk: &Desk, asked: &Asked<'_>) -> Value {
    let reply = desk.answer(asked);
    let value = json(&reply);
    assert_eq!(reply.status, 200, "{asked:?} {value}");
    assert!(reply.etag.is_some_and(|tag| tag.starts_with("W/\"")));
    value
}
