//! What the databases' records look like.
//!
//! Two layouts are read. MaxMind's, which DB-IP shares: `country.iso_code`, `city.names.en`,
//! `subdivisions[0].names.en`, `autonomous_system_number`. And ip-location-db's, which is flat:
//! `country_code`, `city`, `state1`, `autonomous_system_number`. All is borrowed.
//!
//! What is not needed is passed over unread, and every visitor asks for the type that it expects:
//! to let the decoder tell the type costs twice as much.

use crate::visits::visit::NOWHERE;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// Where an address is, to the country. In both layouts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CountryRecord<'a> {
    #[serde(borrow)]
    country: Coded<'a>,
    #[serde(borrow)]
    registered_country: Coded<'a>,
    country_code: &'a str,
}

impl CountryRecord<'_> {
    /// The country's code; [`NOWHERE`] when the record has none. Where the country of an address is
    /// not known, as of an anycast service or a satellite, that of its network's registration is
    /// taken: it is what databases made from registrations would say.
    pub fn code(&self) -> [u8; 2] {
        [
            self.country.iso_code,
            self.country_code,
            self.registered_country.iso_code,
        ]
        .into_iter()
        .find_map(code)
        .unwrap_or(NOWHERE)
    }
}

/// Two letters of ASCII, capital; `ZZ` and all else is no country.
fn code(text: &str) -> Option<[u8; 2]> {
    let code: [u8; 2] = text.as_bytes().try_into().ok()?;
    let letters = code.iter().all(u8::is_ascii_alphabetic);
    (letters && !code.eq_ignore_ascii_case(&NOWHERE)).then(|| code.map(|c| c.to_ascii_uppercase()))
}

/// A country without its names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Coded<'a> {
    iso_code: &'a str,
}

/// Where an address is, to the city.
#[derive(Debug, Default)]
pub struct Located<'a> {
    /// [`NOWHERE`] when the record has none.
    pub country: [u8; 2],
    /// The largest part of the country; empty when the record has none.
    pub region: &'a str,
    /// Empty when the record has none.
    pub city: &'a str,
}

/// A city's record in MaxMind's layout.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct CityRecord<'a> {
    #[serde(borrow)]
    country: Coded<'a>,
    #[serde(borrow)]
    registered_country: Coded<'a>,
    #[serde(borrow)]
    city: Named<'a>,
    #[serde(borrow)]
    subdivisions: First<'a>,
}

impl<'a> From<CityRecord<'a>> for Located<'a> {
    fn from(record: CityRecord<'a>) -> Self {
        let Named { iso_code, names } = record.subdivisions.0;
        let country = CountryRecord {
            country: record.country,
            registered_country: record.registered_country,
            country_code: "",
        };
        Located {
            country: country.code(),
            region: if names.0.is_empty() {
                iso_code
            } else {
                names.0
            },
            city: record.city.names.0,
        }
    }
}

/// A city's record in the flat layout.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FlatCityRecord<'a> {
    country_code: &'a str,
    state1: &'a str,
    city: &'a str,
}

impl<'a> From<FlatCityRecord<'a>> for Located<'a> {
    fn from(record: FlatCityRecord<'a>) -> Self {
        Located {
            country: code(record.country_code).unwrap_or(NOWHERE),
            region: record.state1,
            city: record.city,
        }
    }
}

/// Whose network an address is in. In both layouts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NetworkRecord {
    autonomous_system_number: u32,
}

impl NetworkRecord {
    /// Its number; 0 when the record has none.
    pub fn number(&self) -> u32 {
        self.autonomous_system_number
    }
}

/// A place with a code and names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Named<'a> {
    iso_code: &'a str,
    #[serde(borrow)]
    names: English<'a>,
}

/// The English one of names by language, else the first.
#[derive(Debug, Default)]
struct English<'a>(&'a str);

impl<'de: 'a, 'a> Deserialize<'de> for English<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Names).map(English)
    }
}

struct Names;

impl<'de> Visitor<'de> for Names {
    type Value = &'de str;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names by language")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<&'de str, A::Error> {
        let mut best = "";
        while let Some(language) = map.next_key::<&str>()? {
            if language == "en" || best.is_empty() {
                best = map.next_value()?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(best)
    }
}

/// The first of a list of places; the rest is passed over unread.
#[derive(Debug, Default)]
struct First<'a>(Named<'a>);

impl<'de: 'a, 'a> Deserialize<'de> for First<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Places).map(First)
    }
}

struct Places;

impl<'de> Visitor<'de> for Places {
    type Value = Named<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("places")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Named<'de>, A::Error> {
        let first = list.next_element()?.unwrap_or_default();
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(first)
    }
}
