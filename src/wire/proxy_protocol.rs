//! The PROXY protocol: who the client is, as a balancer before us tells it in front of the
//! connection's first byte (haproxy.org's proxy-protocol.txt, versions 1 and 2).
//!
//! Only for listeners that expect it, behind balancers that are trusted: whoever may write this
//! header says which address he has. What is not exactly a header is refused, and the connection
//! with it, for the specification forbids guessing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// How far a header is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parsed {
    /// Not whole yet. At least so many more bytes belong to it: whoever reads no more than that
    /// never reads into what follows.
    Need(usize),
    /// Whole.
    Done {
        /// Bytes of the header. What follows is the client's.
        used: usize,
        /// The client that it names. `None` when the balancer speaks for itself (LOCAL, a health
        /// check), does not know (UNKNOWN, UNSPEC) or took the connection from a Unix socket: then
        /// the connection's own address holds.
        client: Option<SocketAddr>,
    },
}

/// Why a header is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Neither version's first bytes.
    NotProxy,
    /// A version that is not known.
    Version,
    /// A command other than LOCAL and PROXY.
    Command,
    /// A family or a transport that is not known, or a transport that is no stream.
    Family,
    /// A line of version 1 that does not end in time, or does not consist of its parts.
    Line,
    /// No address of that family.
    Address,
    /// No port.
    Port,
    /// The length is too short for the family's addresses, or longer than is accepted.
    Length,
    /// Additions (TLVs) that do not fit into the length.
    Additions,
    /// The checksum is wrong.
    Checksum,
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Refused::NotProxy => "neither version's first bytes",
            Refused::Version => "a version that is not known",
            Refused::Command => "a command that is not known",
            Refused::Family => "a family or transport that is not known",
            Refused::Line => "a broken line",
            Refused::Address => "a broken address",
            Refused::Port => "a broken port",
            Refused::Length => "a length that cannot be",
            Refused::Additions => "additions that do not fit",
            Refused::Checksum => "a wrong checksum",
        })
    }
}

impl std::error::Error for Refused {}

const SIGNATURE_1: &[u8] = b"PROXY ";
/// The longest line of version 1, its end included.
const LINE: usize = 107;
/// "PROXY UNKNOWN" and the line's end.
const SHORTEST_LINE: usize = 15;

const SIGNATURE_2: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
/// Signature, version and command, family and transport, length.
const FIXED: usize = 16;
/// Bytes after the fixed part that are accepted. Addresses take 216 at most; the longest additions
/// that balancers make are a TLS client's certificate and names.
const LONGEST: usize = 4_096;
const CRC32C: u8 = 0x03;

/// Parses the header at the front of `bytes`, which are all bytes of the connection so far.
///
/// # Errors
/// When they cannot become a header any more.
pub fn parse(bytes: &[u8]) -> Result<Parsed, Refused> {
    if bytes.first() == Some(&b'\r') {
        return version_2(bytes);
    }
    let begun = bytes.len().min(SIGNATURE_1.len());
    if bytes.get(..begun) != SIGNATURE_1.get(..begun) {
        return Err(Refused::NotProxy);
    }
    version_1(bytes)
}

fn version_1(bytes: &[u8]) -> Result<Parsed, Refused> {
    let visible = bytes.get(..LINE).unwrap_or(bytes);
    let Some(end) = visible.iter().position(|byte| !matches!(byte, b' '..=b'~')) else {
        if visible.len() == LINE {
            return Err(Refused::Line);
        }
        // At least the line's end.
        let missing = SHORTEST_LINE.saturating_sub(bytes.len());
        return Ok(Parsed::Need(missing.max(2)));
    };
    let (line, rest) = visible.split_at_checked(end).ok_or(Refused::Line)?;
    match rest {
        [b'\r', b'\n', ..] => {}
        [b'\r'] if visible.len() < LINE => return Ok(Parsed::Need(1)),
        _ => return Err(Refused::Line),
    }
    // Only visible ASCII stands before `end`.
    let line = std::str::from_utf8(line).map_err(|_| Refused::Line)?;
    Ok(Parsed::Done {
        used: end.saturating_add(2),
        client: line_1(line)?,
    })
}

/// The client that a line of version 1 names.
fn line_1(line: &str) -> Result<Option<SocketAddr>, Refused> {
    let mut parts = line.split(' ').skip(1);
    let v4 = match parts.next() {
        // Whatever stands behind it is to be ignored.
        Some("UNKNOWN") => return Ok(None),
        Some("TCP4") => true,
        Some("TCP6") => false,
        _ => return Err(Refused::Family),
    };
    let mut part = || parts.next().ok_or(Refused::Line);
    // The client's, and the address that it connected to.
    let (client, _) = (address(part()?, v4)?, address(part()?, v4)?);
    let (client_port, _) = (port(part()?)?, port(part()?)?);
    if parts.next().is_some() {
        return Err(Refused::Line);
    }
    Ok(Some(SocketAddr::new(client, client_port)))
}

/// The standard library's parsers take no leading zeros in IPv4 and no zone in IPv6.
fn address(text: &str, v4: bool) -> Result<IpAddr, Refused> {
    let parsed = if v4 {
        Ipv4Addr::from_str(text).map(IpAddr::V4)
    } else {
        Ipv6Addr::from_str(text).map(IpAddr::V6)
    };
    parsed.map_err(|_| Refused::Address)
}

fn port(text: &str) -> Result<u16, Refused> {
    let odd = !text.bytes().all(|b| b.is_ascii_digit()) || (text.starts_with('0') && text != "0");
    if odd {
        return Err(Refused::Port);
    }
    text.parse().map_err(|_| Refused::Port)
}

fn version_2(bytes: &[u8]) -> Result<Parsed, Refused> {
    let begun = bytes.len().min(SIGNATURE_2.len());
    if bytes.get(..begun) != SIGNATURE_2.get(..begun) {
        return Err(Refused::NotProxy);
    }
    let family = bytes.get(13).copied();
    let local = match bytes.get(12) {
        Some(byte) if byte >> 4 != 2 => return Err(Refused::Version),
        Some(0x20) => true,
        Some(0x21) | None => false,
        Some(_) => return Err(Refused::Command),
    };
    // Bytes that the family's addresses take. With LOCAL the family is to be ignored.
    let addresses = match family {
        _ if local => 0,
        Some(0x00) | None => 0,
        Some(0x11) => 12,
        Some(0x21) => 36,
        Some(0x31) => 216,
        Some(_) => return Err(Refused::Family),
    };
    let Some([high, low]) = bytes.get(14..FIXED) else {
        return Ok(Parsed::Need(FIXED.saturating_sub(bytes.len())));
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if !(addresses..=LONGEST).contains(&length) {
        return Err(Refused::Length);
    }
    let used = FIXED.saturating_add(length);
    let Some(header) = bytes.get(..used) else {
        return Ok(Parsed::Need(used.saturating_sub(bytes.len())));
    };
    let block = header.get(FIXED..).unwrap_or_default();
    if !local && family != Some(0x00) {
        additions(header, FIXED.saturating_add(addresses))?;
    }
    // The client's address, the one that it connected to, and the two ports.
    let client = match block {
        _ if local => None,
        [a, b, c, d, _, _, _, _, i, j, _, _, ..] if addresses == 12 => {
            let client = Ipv4Addr::new(*a, *b, *c, *d);
            Some((client, u16::from_be_bytes([*i, *j])).into())
        }
        _ if addresses == 36 => {
            let (client, rest) = block.split_first_chunk::<16>().ok_or(Refused::Length)?;
            let (_, rest) = rest.split_first_chunk::<16>().ok_or(Refused::Length)?;
            let (port, _) = rest.split_first_chunk::<2>().ok_or(Refused::Length)?;
            Some((Ipv6Addr::from(*client), u16::from_be_bytes(*port)).into())
        }
        _ => None,
    };
    Ok(Parsed::Done { used, client })
}

/// Follows the additions that begin at `at` of the whole header, each a type, two bytes of length
/// and a value. Only the checksum is of interest, and it covers the header with itself as zeros.
fn additions(header: &[u8], mut at: usize) -> Result<(), Refused> {
    while at < header.len() {
        let start = at.saturating_add(3);
        let Some([kind, high, low]) = header.get(at..start) else {
            return Err(Refused::Additions);
        };
        let length = usize::from(u16::from_be_bytes([*high, *low]));
        at = start.saturating_add(length);
        let value = header.get(start..at).ok_or(Refused::Additions)?;
        if *kind == CRC32C {
            let told = <[u8; 4]>::try_from(value).map_err(|_| Refused::Additions)?;
            let before = header.get(..start).unwrap_or_default();
            let after = header.get(at..).unwrap_or_default();
            let mut sum = !0;
            for part in [before, &[0; 4], after] {
                sum = castagnoli(sum, part);
            }
            if !sum != u32::from_be_bytes(told) {
                return Err(Refused::Checksum);
            }
        }
    }
    Ok(())
}

/// CRC-32C goes on (RFC 3720 appendix B.4). Bit by bit: a header has a hundred bytes, and is read
/// once per connection. (crc32fast knows another polynomial.)
fn castagnoli(sum: u32, bytes: &[u8]) -> u32 {
    bytes.iter().fold(sum, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| {
            let carried = if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
            (sum >> 1) ^ carried
        })
    })
}

#[cfg(test)]
mod tests;
