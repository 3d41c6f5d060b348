//! Values of the configuration that belong to no single room: addresses, networks, hosts.

use crate::config::{At, Diagnostic, Diagnostics, Node, Place, Text, Value};
use crate::route::HostPattern;
use ipnet::IpNet;
use std::net::{Ipv4Addr, SocketAddr};

/// An address that is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ListenAddress(pub SocketAddr);

impl ListenAddress {
    /// Port 80 of all IPv4 addresses.
    pub fn everywhere() -> At<Self> {
        let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 80));
        At {
            value: ListenAddress(address),
            place: Place::default(),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse() {
            return Ok(ListenAddress(address));
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
        for (key, place, value) in node.entries()? {
            match (key, value.value.as_bool()) {
                ("address", _) | ("tls", Some(false)) => {}
                ("tls", Some(true)) => {
                    errors.push(
                        Diagnostic::new(place, "`tls` does not exist in this version of parvis")
                            .label("TLS and its certificates are not built yet")
                            .help("remove it: parvis accepts no key that would do nothing"),
                    );
                    sound = false;
                }
                ("tls", None) => {
                    value.mismatch("`true` or `false`", errors);
                    sound = false;
                }
                _ => {
                    crate::config::unknown_key(key, place, &["address", "tls"], &[], errors);
                    sound = false;
                }
            }
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
        sound.then_some(address)
    }

    fn show(&self) -> String {
        format!("{:?}", self.0.to_string())
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
