//! How much of a client's address is kept.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An IPv4 address is truncated to its first 24 bits.
const KEPT_V4: u32 = 24;
/// An IPv6 address is truncated to its first 48 bits: what one customer usually gets.
const KEPT_V6: u32 = 48;

/// How much of a client's address a sink keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddressKind {
    /// The whole address.
    Full,
    /// Its network: /24 of IPv4, /48 of IPv6, the rest zeros.
    Truncated,
    /// Nothing.
    None,
}

impl AddressKind {
    /// What is kept of this address. An IPv4 address inside an IPv6 one (`::ffff:192.0.2.1`) is
    /// taken as the IPv4 address that it is: /48 would leave nothing of it.
    pub fn apply(self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match self {
            AddressKind::Full => Some(address),
            AddressKind::Truncated => Some(truncated(address)),
            AddressKind::None => None,
        }
    }
}

fn truncated(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX << (u32::BITS - KEPT_V4);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX << (u128::BITS - KEPT_V6);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(kind: AddressKind, address: &str) -> Option<String> {
        let kept = kind.apply(address.parse().unwrap());
        kept.map(|address| address.to_string())
    }

    #[test]
    fn a_truncated_address_is_its_network() {
        let cases = [
            ("192.0.2.255", "192.0.2.0"),
            ("255.255.255.255", "255.255.255.0"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
            ("::ffff:192.0.2.77", "192.0.2.0"),
            ("::1", "::"),
        ];
        for (whole, network) in cases {
            assert_eq!(kept(AddressKind::Truncated, whole).unwrap(), network);
        }
    }

    #[test]
    fn a_whole_address_is_whole_and_none_is_none() {
        assert_eq!(kept(AddressKind::Full, "192.0.2.1").unwrap(), "192.0.2.1");
        assert_eq!(
            kept(AddressKind::Full, "2001:db8::1").unwrap(),
            "2001:db8::1"
        );
        assert_eq!(
            kept(AddressKind::Full, "::ffff:192.0.2.1").unwrap(),
            "192.0.2.1"
        );
        assert_eq!(kept(AddressKind::None, "192.0.2.1"), None);
    }
}
