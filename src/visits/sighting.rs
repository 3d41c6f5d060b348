//! A page view as it leaves the request's thread: packed, with nothing looked into.
//!
//! Several lie one behind the other in a buffer. They never leave the process, so the layout may
//! change from one version to the next.

use super::guest::View;
use std::net::{IpAddr, Ipv6Addr};

/// The texts of a request are cut to these many bytes: nobody reads more, and a buffer has its room.
const TARGET: usize = 2048;
const USER_AGENT: usize = 512;
const REFERRER: usize = 1024;
const LANGUAGE: usize = 64;
const HOST: usize = 256;
const BRANDS: usize = 256;
const PLATFORM: usize = 32;

/// A page view, borrowed from the request or from a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sighting<'a> {
    /// The site, by its place among those that record visits.
    pub site: u16,
    /// When the answer ended, microseconds since the Unix epoch.
    pub time: i64,
    /// From the request's head to the answer's end, microseconds.
    pub took: u32,
    /// The answer's status.
    pub status: u16,
    /// What kind of view.
    pub view: View,
    /// The client, behind trusted proxies.
    pub client: Option<IpAddr>,
    /// Path and query as sent.
    pub target: &'a [u8],
    /// `User-Agent`.
    pub user_agent: &'a [u8],
    /// `Referer`.
    pub referrer: &'a [u8],
    /// `Accept-Language`.
    pub language: &'a [u8],
    /// `Host`.
    pub host: &'a [u8],
    /// `Sec-CH-UA`.
    pub brands: &'a [u8],
    /// `Sec-CH-UA-Platform`.
    pub platform: &'a [u8],
}

impl<'a> Sighting<'a> {
    /// Appends it to a buffer.
    pub fn pack(&self, out: &mut Vec<u8>) {
        let View {
            json,
            partial,
            app,
            mobile,
        } = self.view;
        let family: u8 = match self.client {
            None => 0,
            Some(IpAddr::V4(_)) => 4,
            Some(IpAddr::V6(_)) => 6,
        };
        let flags =
            u8::from(json) | u8::from(partial) << 1 | u8::from(app) << 2 | u8::from(mobile) << 3;
        out.extend_from_slice(&[flags, family]);
        out.extend_from_slice(&self.site.to_le_bytes());
        out.extend_from_slice(&self.time.to_le_bytes());
        out.extend_from_slice(&self.took.to_le_bytes());
        out.extend_from_slice(&self.status.to_le_bytes());
        match self.client {
            None => {}
            Some(IpAddr::V4(address)) => out.extend_from_slice(&address.octets()),
            Some(IpAddr::V6(address)) => out.extend_from_slice(&address.octets()),
        }
        for (text, most) in [
            (self.target, TARGET),
            (self.user_agent, USER_AGENT),
            (self.referrer, REFERRER),
            (self.language, LANGUAGE),
            (self.host, HOST),
            (self.brands, BRANDS),
            (self.platform, PLATFORM),
        ] {
            let text = text.get(..most).unwrap_or(text);
            let length = u16::try_from(text.len()).unwrap_or(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text);
        }
    }

    /// Takes the first one off a buffer; `None` at its end.
    pub fn unpack(buffer: &mut &'a [u8]) -> Option<Self> {
        let [flags, family] = bytes(buffer)?;
        let site = u16::from_le_bytes(bytes(buffer)?);
        let time = i64::from_le_bytes(bytes(buffer)?);
        let took = u32::from_le_bytes(bytes(buffer)?);
        let status = u16::from_le_bytes(bytes(buffer)?);
        let client = match family {
            4 => Some(IpAddr::from(bytes::<4>(buffer)?)),
            6 => Some(IpAddr::V6(Ipv6Addr::from(bytes::<16>(buffer)?))),
            _ => None,
        };
        Some(Sighting {
            site,
            time,
            took,
            status,
            view: View {
                json: flags & 1 != 0,
                partial: flags & 2 != 0,
                app: flags & 4 != 0,
                mobile: flags & 8 != 0,
            },
            client,
            target: text(buffer)?,
            user_agent: text(buffer)?,
            referrer: text(buffer)?,
            language: text(buffer)?,
            host: text(buffer)?,
            brands: text(buffer)?,
            platform: text(buffer)?,
        })
    }
}

fn bytes<const N: usize>(buffer: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, rest) = buffer.split_first_chunk::<N>()?;
    *buffer = rest;
    Some(*taken)
}

fn text<'a>(buffer: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(u16::from_le_bytes(bytes(buffer)?));
    let (taken, rest) = buffer.split_at_checked(length)?;
    *buffer = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_come_back_as_they_were() {
        let first = Sighting {
            site: 3,
            time: 1_763_740_000_000_001,
            took: 250,
            status: 200,
            view: View {
                json: true,
                partial: false,
                app: true,
                mobile: true,
            },
            client: Some("2001:db8::1".parse().unwrap()),
            target: b"/a?b=c",
            user_agent: b"x",
            referrer: b"",
            language: b"fr",
            host: b"example.org",
            brands: b"\"Brave\"",
            platform: b"",
        };
        let others = [
            Sighting {
                client: None,
                view: View {
                    json: false,
                    partial: true,
                    app: false,
                    mobile: false,
                },
                ..first
            },
            Sighting {
                client: Some("192.0.2.1".parse().unwrap()),
                ..first
            },
        ];
        let mut buffer = Vec::new();
        first.pack(&mut buffer);
        others.iter().for_each(|other| other.pack(&mut buffer));
        let mut rest = buffer.as_slice();
        assert_eq!(Sighting::unpack(&mut rest), Some(first));
        for other in others {
            assert_eq!(Sighting::unpack(&mut rest), Some(other));
        }
        assert_eq!(Sighting::unpack(&mut rest), None);
    }

    #[test]
    fn long_texts_are_cut() {
        let long = vec![b'a'; 20_000];
        let sighting = Sighting {
            site: 0,
            time: 0,
            took: 0,
            status: 200,
            view: View {
                json: false,
                partial: false,
                app: false,
                mobile: false,
            },
            client: None,
            target: &long,
            user_agent: &long,
            referrer: &long,
            language: &long,
            host: &long,
            brands: &long,
            platform: &long,
        };
        let mut buffer = Vec::new();
        sighting.pack(&mut buffer);
        assert!(buffer.len() < 5000, "{}", buffer.len());
        let found = Sighting::unpack(&mut buffer.as_slice()).unwrap();
        assert_eq!(
            (found.target.len(), found.user_agent.len()),
            (TARGET, USER_AGENT)
        );
    }
}
