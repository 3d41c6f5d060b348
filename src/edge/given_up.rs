//! Listeners that a reload gives up.
//!
//! The process listens on them until it is restarted, and clients come by them until then. They
//! get the sites that they got before, as these are now: a reload that only moves a site to
//! another port must not answer 404 to everybody.

use super::settings::Settings;
use super::{Edge, ListenerTerms};
use crate::route::HostTable;
use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;

/// Adds the hosts of listeners that were served `before` and are not in `hosts`.
pub fn keep(
    before: &Edge,
    settings: &Settings,
    hosts: &mut HashMap<SocketAddr, HostTable>,
    terms: &mut HashMap<SocketAddr, ListenerTerms>,
) {
    for (address, old) in &before.hosts {
        if hosts.contains_key(address) {
            continue;
        }
        let served = before.sites.iter().enumerate();
        let served: HashSet<&str> = served
            .filter(|(index, _)| old.has(*index))
            .map(|(_, site)| site.name.as_str())
            .collect();
        let mut table = HostTable::default();
        // Two sites that are on different listeners now may share a host: the first has it.
        for (index, site) in settings.sites.iter().enumerate().rev() {
            if !served.contains(site.name.value.as_str()) {
                continue;
            }
            for host in &site.hosts {
                table.insert(Some(&host.value), index);
            }
            if site.hosts.is_empty() {
                table.insert(None, index);
            }
        }
        hosts.insert(*address, table);
        terms.insert(*address, before.listener(*address));
    }
}
