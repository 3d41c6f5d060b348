//! A visit as it is kept: the record that the spool holds and the sinks take.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::SystemTime;

/// Which kind of client it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Source {
    /// A browser.
    Web,
    /// The site's own app.
    App,
}

/// What the visitor holds in hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Device {
    /// A telephone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A computer on or under a desk.
    Desktop,
    /// A program that reads pages by itself.
    Bot,
    /// Anything else: televisions, consoles, unknown programs.
    Other,
}

impl Source {
    /// Its name in records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Source::Web => "web",
            Source::App => "app",
        }
    }
}

impl Device {
    /// All of them.
    pub const ALL: [Device; 5] = [
        Device::Mobile,
        Device::Tablet,
        Device::Desktop,
        Device::Bot,
        Device::Other,
    ];

    /// Its place in [`Device::ALL`], which stands for it on disk.
    pub fn number(self) -> u8 {
        match self {
            Device::Mobile => 0,
            Device::Tablet => 1,
            Device::Desktop => 2,
            Device::Bot => 3,
            Device::Other => 4,
        }
    }

    /// Its name in records and answers.
    pub fn name(self) -> &'static str {
        match self {
            Device::Mobile => "mobile",
            Device::Tablet => "tablet",
            Device::Desktop => "desktop",
            Device::Bot => "bot",
            Device::Other => "other",
        }
    }
}

/// A country that is not known, or an address that is in none (ISO 3166-1 leaves `ZZ` to its users).
pub const NOWHERE: [u8; 2] = *b"ZZ";

/// A page view. Texts are whole UTF-8 and of bounded length; empty where nothing is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Visit<'a> {
    /// A UUID of version 7 (RFC 9562 section 5.7): no two visits have the same.
    pub id: u128,
    /// When its answer ended, microseconds since the Unix epoch.
    pub time: i64,
    /// The site's name.
    pub site: &'a str,
    /// Which kind of client.
    pub source: Source,
    /// A piece of a page (htmx), not a page.
    pub partial: bool,
    /// The answer's status.
    pub status: u16,
    /// From the request's head to the answer's end, microseconds.
    pub took: u32,
    /// The client, as whole as any sink may have it.
    pub address: Option<IpAddr>,
    /// The same within a day; says nothing about other days.
    pub visitor: u64,
    /// The same until the visitor rests for half an hour.
    pub session: u64,
    /// ISO 3166-1 alpha-2.
    pub country: [u8; 2],
    /// A part of the country.
    pub region: &'a str,
    /// A city.
    pub city: &'a str,
    /// The number of the network (RFC 6793); 0 where it is not known.
    pub asn: u32,
    /// The device.
    pub device: Device,
    /// The browser's family: `Firefox`.
    pub browser: &'a str,
    /// The system's family: `Android`.
    pub os: &'a str,
    /// The language that the client likes best (RFC 5646).
    pub language: &'a str,
    /// The path without its query, decoded.
    pub path: &'a str,
    /// The page that led here, without its query; empty for none.
    pub referrer: &'a str,
    /// The other site that led here: its host without `www.`. Empty for none, and for pages of the
    /// same host.
    pub referrer_host: &'a str,
    /// `User-Agent`.
    pub user_agent: &'a str,
    /// `utm_source` of the query.
    pub utm_source: &'a str,
    /// `utm_medium` of the query.
    pub utm_medium: &'a str,
    /// `utm_campaign` of the query.
    pub utm_campaign: &'a str,
}

/// The layout of records in the spool. A record of another one is passed over.
const LAYOUT: u8 = 1;

impl<'a> Visit<'a> {
    /// Appends the record, without a length or a checksum of its own.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.push(LAYOUT);
        out.extend_from_slice(&self.id.to_le_bytes());
        out.extend_from_slice(&self.time.to_le_bytes());
        out.push(u8::from(self.source == Source::App));
        out.push(u8::from(self.partial));
        out.push(self.device.number());
        out.extend_from_slice(&self.status.to_le_bytes());
        out.extend_from_slice(&self.took.to_le_bytes());
        out.extend_from_slice(&self.visitor.to_le_bytes());
        out.extend_from_slice(&self.session.to_le_bytes());
        out.extend_from_slice(&self.asn.to_le_bytes());
        out.extend_from_slice(&self.country);
        match self.address {
            None => out.push(0),
            Some(IpAddr::V4(address)) => {
                out.push(4);
                out.extend_from_slice(&address.octets());
            }
            Some(IpAddr::V6(address)) => {
                out.push(6);
                out.extend_from_slice(&address.octets());
            }
        }
        for text in [
            self.site,
            self.region,
            self.city,
            self.browser,
            self.os,
            self.language,
            self.path,
            self.referrer,
            self.referrer_host,
            self.user_agent,
            self.utm_source,
            self.utm_medium,
            self.utm_campaign,
        ] {
            let text = cut(text, usize::from(u16::MAX));
            let length = u16::try_from(text.len()).unwrap_or(0);
            out.extend_from_slice(&length.to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
    }

    /// Reads a record; `None` when it is broken or of another layout.
    pub fn decode(record: &'a [u8]) -> Option<Self> {
        let mut rest = Rest(record);
        if rest.bytes::<1>()? != [LAYOUT] {
            return None;
        }
        let id = u128::from_le_bytes(rest.bytes()?);
        let time = i64::from_le_bytes(rest.bytes()?);
        let [app, partial, device] = rest.bytes()?;
        let status = u16::from_le_bytes(rest.bytes()?);
        let took = u32::from_le_bytes(rest.bytes()?);
        let visitor = u64::from_le_bytes(rest.bytes()?);
        let session = u64::from_le_bytes(rest.bytes()?);
        let asn = u32::from_le_bytes(rest.bytes()?);
        let country = rest.bytes()?;
        let address = match rest.bytes()? {
            [0] => None,
            [4] => Some(IpAddr::V4(Ipv4Addr::from(rest.bytes::<4>()?))),
            [6] => Some(IpAddr::V6(Ipv6Addr::from(rest.bytes::<16>()?))),
            _ => return None,
        };
        let visit = Visit {
            id,
            time,
            source: if app == 1 { Source::App } else { Source::Web },
            partial: partial == 1,
            status,
            took,
            address,
            visitor,
            session,
            country,
            asn,
            device: *Device::ALL.get(usize::from(device))?,
            site: rest.text()?,
            region: rest.text()?,
            city: rest.text()?,
            browser: rest.text()?,
            os: rest.text()?,
            language: rest.text()?,
            path: rest.text()?,
            referrer: rest.text()?,
            referrer_host: rest.text()?,
            user_agent: rest.text()?,
            utm_source: rest.text()?,
            utm_medium: rest.text()?,
            utm_campaign: rest.text()?,
        };
        rest.0.is_empty().then_some(visit)
    }

    /// The country as text.
    pub fn country(&self) -> &str {
        std::str::from_utf8(&self.country).unwrap_or("ZZ")
    }
}

/// The start of a text that is no longer than `most` bytes and ends between characters.
pub fn cut(text: &str, most: usize) -> &str {
    if text.len() <= most {
        return text;
    }
    let mut end = most;
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or("")
}

/// Microseconds since the Unix epoch.
pub fn micros(time: SystemTime) -> i64 {
    let since = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

/// What is left of a record.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = usize::from(u16::from_le_bytes(self.bytes()?));
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        std::str::from_utf8(taken).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A visit with something in every field.
    pub fn full() -> Visit<'static> {
        Visit {
            id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
            time: 1_763_740_000_123_456,
            site: "shop",
            source: Source::App,
            partial: true,
            status: 304,
            took: 12_345,
            address: Some("2001:db8::1".parse().unwrap()),
            visitor: 7,
            session: 8,
            country: *b"FR",
            region: "Île-de-France",
            city: "Paris",
            asn: 64_500,
            device: Device::Tablet,
            browser: "Safari",
            os: "iPadOS",
            language: "fr-FR",
            path: "/où",
            referrer: "https://example.org/a",
            referrer_host: "example.org",
            user_agent: "Mozilla/5.0",
            utm_source: "news",
            utm_medium: "mail",
            utm_campaign: "autumn",
        }
    }

    #[test]
    fn a_record_comes_back_as_it_was() {
        let v4 = Visit {
            address: Some("192.0.2.1".parse().unwrap()),
            device: Device::Other,
            ..full()
        };
        let none = Visit {
            address: None,
            source: Source::Web,
            partial: false,
            ..full()
        };
        for visit in [full(), v4, none] {
            let mut record = Vec::new();
            visit.encode(&mut record);
            assert_eq!(Visit::decode(&record), Some(visit));
        }
    }

    #[test]
    fn no_broken_record_is_taken() {
        let mut record = Vec::new();
        full().encode(&mut record);
        for length in 0..record.len() {
            assert_eq!(Visit::decode(&record[..length]), None, "{length}");
        }
        record.push(0);
        assert_eq!(Visit::decode(&record), None);
    }

    #[test]
    fn a_devices_number_is_its_place() {
        for (place, device) in Device::ALL.iter().enumerate() {
            assert_eq!(usize::from(device.number()), place);
        }
    }

    #[test]
    fn texts_are_cut_between_characters() {
        assert_eq!(cut("aé", 2), "a");
        assert_eq!(cut("aé", 3), "aé");
    }
}
