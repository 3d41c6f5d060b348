//! Which addresses are anybody's, and which of them a database is asked about.
//!
//! After the IANA registries of special-purpose addresses (RFC 6890), by what a visitor can have: an
//! address that is not routed on the internet is nowhere. One that carries an IPv4 address inside is
//! asked about as that: databases disagree on whether they know the wrapping.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The address to look for; `None` for one that is in no country.
pub fn public(address: IpAddr) -> Option<IpAddr> {
    match address {
        IpAddr::V4(address) => routed_v4(address).map(IpAddr::V4),
        IpAddr::V6(address) => match inner(address) {
            Some(inner) => routed_v4(inner).map(IpAddr::V4),
            None => routed_v6(address).map(IpAddr::V6),
        },
    }
}

fn routed_v4(address: Ipv4Addr) -> Option<Ipv4Addr> {
    let reserved = match address.octets() {
        // This network, private (RFC 1918), loopback.
        [0 | 10 | 127, ..] => true,
        [172, second, ..] => second & 0xf0 == 16,
        [192, 168, ..] => true,
        // Shared by a provider's customers (RFC 6598).
        [100, second, ..] => second & 0xc0 == 64,
        // Link-local (RFC 3927).
        [169, 254, ..] => true,
        // Protocol assignments, documentation (RFC 5737), 6to4 relays (RFC 7526).
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 51, 100, _] | [203, 0, 113, _] => true,
        // Benchmarks (RFC 2544).
        [198, 18 | 19, ..] => true,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => true,
        _ => false,
    };
    (!reserved).then_some(address)
}

fn routed_v6(address: Ipv6Addr) -> Option<Ipv6Addr> {
    let routed = match address.segments() {
        // Protocol assignments (RFC 2928): ORCHID, benchmarks, anycast services. Nobody browses from
        // there. Teredo is met before.
        [0x2001, 0..=0x01ff, ..] => false,
        // Documentation (RFC 3849, RFC 9637).
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => false,
        // All that is handed out lies in 2000::/3 (RFC 4291). Outside are loopback, unique local,
        // link-local, multicast, discard, SRv6.
        [first, ..] => first & 0xe000 == 0x2000,
    };
    routed.then_some(address)
}

/// The IPv4 address that an IPv6 address stands for.
fn inner(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        // Mapped (RFC 4291 section 2.5.5.2), and behind NAT64 (RFC 6052).
        [0, 0, 0, 0, 0, 0xffff, high, low] => Some(from(high, low)),
        [0x0064, 0xff9b, 0, 0, 0, 0, high, low] => Some(from(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => Some(from(high, low)),
        // Teredo: the client's own, every bit turned over (RFC 4380 section 4).
        [0x2001, 0, .., high, low] => Some(from(!high, !low)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked_for(address: &str) -> Option<String> {
        public(address.parse().unwrap()).map(|address| address.to_string())
    }

    #[test]
    fn addresses_of_no_country_are_not_looked_for() {
        for address in [
            "0.0.0.0",
            "0.255.255.255",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.0",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.255",
            "169.254.0.1",
            "172.16.0.0",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.0.170",
            "192.0.2.7",
            "192.88.99.1",
            "192.168.0.1",
            "192.168.255.255",
            "198.18.0.0",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.200",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::808:808",
            "64:ff9b:1::1",
            "100::1",
            "2001:2::1",
            "2001:10::1",
            "2001:1f:ffff::1",
            "2001:20::1",
            "2001:30::1",
            "2001:1ff::1",
            "2001:db8::1",
            "2001:db8:ffff::1",
            "3fff::1",
            "3fff:fff::1",
            "4000::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "ff02::1",
            "ffff::1",
            // Wrapped ones of no country.
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::192.168.1.1",
            "2002:c0a8:0101::1",
            "2002:7f00:1::",
            "2001:0:4136:e378:8000:63bf:3f57:fefe",
        ] {
            assert_eq!(looked_for(address), None, "{address}");
        }
    }

    #[test]
    fn neighbours_of_reserved_ranges_are_looked_for() {
        for address in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.1",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::1",
            "2001:200::1",
            "2001:db7:ffff::1",
            "2001:db9::1",
            "2001:4860::8888",
            "2003::1",
            "3ffe::1",
            "3fff:1000::1",
        ] {
            assert_eq!(looked_for(address).as_deref(), Some(address));
        }
    }

    #[test]
    fn an_address_inside_of_another_is_what_is_looked_for() {
        for (address, inside) in [
            ("::ffff:8.8.8.8", "8.8.8.8"),
            ("64:ff9b::808:808", "8.8.8.8"),
            ("2002:0808:0808::1", "8.8.8.8"),
            // The example of RFC 4380's widely printed kind: 65.54.227.120 is the server, the
            // client is 192.0.2.45 there; here one that is routed.
            ("2001:0:4136:e378:8000:63bf:f7f7:f7f7", "8.8.8.8"),
        ] {
            assert_eq!(looked_for(address).as_deref(), Some(inside), "{address}");
        }
    }
}
