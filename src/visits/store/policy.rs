//! What an operator decided about the store, checked.

use crate::visits::address::AddressKind;
use crate::visits::statistics::Zone;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// What an operator decided about the store. A reload compares two of them: everything but the
/// path can be changed in a store that is open ([`Store::set`](super::Store::set)).
#[derive(Debug, Clone, PartialEq)]
pub struct StorePolicy {
    /// The database's file. Its folder has to exist.
    pub path: PathBuf,
    /// Raw rows older than this are removed. Those of a day that is still being counted stay.
    pub keep_raw: Duration,
    /// How much of a client's address is kept in a raw row.
    pub ip: AddressKind,
    /// The sites that record visits, with the time zone of their days.
    pub zones: BTreeMap<String, Zone>,
}
