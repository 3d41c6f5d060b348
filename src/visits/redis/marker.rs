//! How far the sink has come, as Redis itself remembers it.
//!
//! Machines that were made from one image of a disk have spools of the same name. Their markers
//! have different keys when the machines have different names (machine-id(5)); when these were
//! copied too, the sink still does not believe what is not of its own spool, see
//! `Worker::believe`.

use crate::visits::spool::Position;

/// Forgotten when nothing came for a week.
pub const EXPIRES: &str = "604800";

/// machine-id(5): a random name, made when the system was installed. Containers often have none.
const MACHINE: &str = "/etc/machine-id";

/// The name of this machine; empty when it has none.
pub fn machine() -> Vec<u8> {
    std::fs::read(MACHINE).unwrap_or_default()
}

/// The key of the marker of a spool on a machine. It is in the list's slot of a Redis Cluster: in
/// a transaction all keys must be.
pub fn key(list: &str, spool: u64, machine: &[u8]) -> String {
    let spool = mixed(spool, machine);
    if has_hash_tag(list) {
        format!("{list}:parvis:{spool:016x}")
    } else {
        format!("{{{list}}}:parvis:{spool:016x}")
    }
}

/// FNV-1a, begun with the spool's name: the machine's own is not to be shown.
fn mixed(spool: u64, machine: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
    machine.trim_ascii().iter().fold(spool, step)
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
        assert_eq!(key("a:b", 1, b""), "{a:b}:parvis:0000000000000001");
        assert_eq!(key("x{y}z", 1, b""), "x{y}z:parvis:0000000000000001");
        assert_eq!(key("x{}", 1, b"\n"), "{x{}}:parvis:0000000000000001");
    }

    #[test]
    fn machines_with_the_same_spool_have_markers_of_their_own() {
        let keys = [&b""[..], b"0af3", b"0af4"].map(|machine| key("a", 7, machine));
        assert!(keys[0] != keys[1] && keys[0] != keys[2] && keys[1] != keys[2]);
        assert_eq!(key("a", 7, b"0af3\n"), keys[1]);
        assert!(!keys[1].contains("0af3"));
    }
}
