//! Values of the configuration that belong to no single room: addresses, networks, hosts.

use crate::config::{At, Diagnostic, Diagnostics, Node, Text, Value};
use crate::route::HostPattern;
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};

/// An address that is listened on, and what is spoken there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenAddress {
    /// The address.
    pub address: SocketAddr,
    /// What is spoken there.
    pub terms: ListenerTerms,
}

/// What is spoken on a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListenerTerms {
    /// TLS.
    pub tls: bool,
    /// Each connection begins with a header of the PROXY protocol, from a trusted proxy.
    pub proxy_protocol: bool,
    /// Without TLS: HTTP/2 too, for clients that know it (RFC 9113 section 3.3).
    pub h2c: bool,
}

/// The keys of a listener that is a table.
const KEYS: [&str; 4] = ["address", "tls", "proxy_protocol", "h2c"];

impl ListenAddress {
    /// Port 80 of all IPv4 addresses.
    pub fn everywhere() -> At<Self> {
        At::unplaced(Self::plain(SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80))))
    }

    fn plain(address: SocketAddr) -> Self {
        ListenAddress {
            address,
            terms: ListenerTerms::default(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(Self::plain(address));
        }
        let expected = "expected \"address:port\", such as \"0.0.0.0:80\" or \"[::]:80\"";
        if let Some(port) = text.strip_prefix(':')
            && port.parse::<u16>().is_ok()
        {
            return Err(format!("no address before the port: {expected}"));
        }
        Err(expected.to_string())
    }
}

impl Value for ListenAddress {
    fn kind() -> String {
        "address".to_string()
    }

    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        if !node.is_own_table() {
            return read_address(node, errors);
        }
        let mut sound = true;
        let mut terms = ListenerTerms::default();
        for (key, place, value) in node.entries()? {
            let flag = match key {
                "address" => continue,
                "tls" => &mut terms.tls,
                "proxy_protocol" => &mut terms.proxy_protocol,
                "h2c" => &mut terms.h2c,
                _ => {
                    crate::config::unknown_key(key, place, &KEYS, &[], errors);
                    sound = false;
                    continue;
                }
            };
            match value.value.as_bool() {
                Some(on) => *flag = on,
                None => {
                    value.mismatch("`true` or `false`", errors);
                    sound = false;
                }
            }
        }
        if terms.tls && terms.h2c {
            errors.push(
                Diagnostic::new(node.place, "`h2c` is HTTP/2 without TLS")
                    .label("this listener has `tls = true`")
                    .help("leave `h2c` out: over TLS, HTTP/2 is agreed on in the handshake"),
            );
            sound = false;
        }
        let Some(inner) = node.get("address") else {
            // One that is misspelt is not missing too.
            if sound {
                errors.push(
                    Diagnostic::new(node.place, "missing key `address`")
                        .label("`address` must be given here"),
                );
            }
            return None;
        };
        let address = read_address(&inner, errors)?;
        sound.then_some(ListenAddress { terms, ..address })
    }

    fn show(&self) -> String {
        let address = format!("{:?}", self.address.to_string());
        let terms = &self.terms;
        let flags = [
            ("tls", terms.tls),
            ("proxy_protocol", terms.proxy_protocol),
            ("h2c", terms.h2c),
        ];
        let flags: String = flags
            .iter()
            .filter(|(_, on)| *on)
            .map(|(name, _)| format!(", {name} = true"))
            .collect();
        match flags.is_empty() {
            true => address,
            false => format!("{{ address = {address}{flags} }}"),
        }
    }
}

fn read_address(node: &Node<'_>, errors: &mut Diagnostics) -> Option<ListenAddress> {
    let text = Text::read(node, errors)?;
    match ListenAddress::parse(&text.text) {
        Ok(address) => Some(address),
        Err(why) => {
            errors.push(Diagnostic::new(node.place, text.for_messages("address")).label(why));
            None
        }
    }
}

impl Value for IpNet {
    fn kind() -> String {
        "network".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        let alone = |address: std::net::IpAddr| IpNet::from(address);
        let network = text.text.parse().or_else(|_| text.text.parse().map(alone));
        if network.is_err() {
            errors.push(
                Diagnostic::new(node.place, text.for_messages("network"))
                    .label("expected an address or a network such as \"10.0.0.0/8\" or \"::1\""),
            );
        }
        network.ok()
    }
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
}

impl Value for HostPattern {
    fn kind() -> String {
        "host".to_string()
    }
    fn read(node: &Node<'_>, errors: &mut Diagnostics) -> Option<Self> {
        let text = Text::read(node, errors)?;
        match HostPattern::parse(&text.text) {
            Ok(pattern) => Some(pattern),
            Err(why) => {
                errors.push(Diagnostic::new(node.place, text.for_messages("host")).label(why));
                None
            }
        }
    }
    fn show(&self) -> String {
        format!("{:?}", self.to_string())
    }
}
