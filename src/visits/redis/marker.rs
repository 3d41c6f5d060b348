//! How far the sink has come, as Redis itself remembers it.

use crate::visits::spool::Position;

/// Forgotten when nothing came for a week.
pub const EXPIRES: &str = "604800";

/// The key of the marker. It is in the list's slot of a Redis Cluster: in a transaction all keys
/// must be.
pub fn key(list: &str, spool: u64) -> String {
    if has_hash_tag(list) {
        format!("{list}:parvis:{spool:016x}")
    } else {
        format!("{{{list}}}:parvis:{spool:016x}")
    }
}

/// Redis Cluster specification, "Hash tags": what is between the first `{` and the first `}` after
/// it decides about the slot, unless it is empty.
fn has_hash_tag(key: &str) -> bool {
    let behind = key.split_once('{').map(|(_, behind)| behind);
    let tag = behind.and_then(|behind| behind.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty())
}

/// What is written there.
pub fn value(position: Position) -> String {
    format!("{}:{}", position.segment, position.offset)
}

/// What was written there; `None` when it is none of ours.
pub fn parse(value: &[u8]) -> Option<Position> {
    let (segment, offset) = std::str::from_utf8(value).ok()?.split_once(':')?;
    Some(Position {
        segment: segment.parse().ok()?,
        offset: offset.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_comes_back() {
        let position = Position {
            segment: u64::MAX,
            offset: 28,
        };
        assert_eq!(parse(value(position).as_bytes()), Some(position));
        for rubbish in [&b""[..], b"1", b"1:", b":1", b"1:2:3", b"-1:2", b"\xff:1"] {
            assert_eq!(parse(rubbish), None);
        }
    }

    #[test]
    fn the_marker_is_in_the_slot_of_the_list() {
        assert_eq!(key("a:b", 1), "{a:b}:parvis:0000000000000001");
        assert_eq!(key("x{y}z", 1), "x{y}z:parvis:0000000000000001");
        assert_eq!(key("x{}", 1), "{x{}}:parvis:0000000000000001");
    }
}
