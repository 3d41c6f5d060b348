//! Where an address is: country, region, city, network.
//!
//! A [`Geography`] is a set of databases in MaxMind DB format, immutable and shared. The [`Atlas`]
//! holds the one in force and looks whether its files changed. What reads an address is here; which
//! addresses are asked about at all is in `address`, what a record may look like in `record`.
//!
//! The country is the first that knows it of: the operator's country database, the city database,
//! and, where the operator gave no country database, the one that is built in.

mod address;
mod atlas;
mod database;
mod mapped;
mod record;
pub mod settings;
#[cfg(test)]
mod tests;
mod trouble;

pub use atlas::Atlas;
pub use database::{About, Role};
pub use trouble::{GeoTrouble, Wrong};

use super::visit::NOWHERE;
use database::Database;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The files of `[geoip]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GeoPaths {
    /// Countries; `None`: the database that is built in.
    pub database: Option<PathBuf>,
    /// Regions and cities; `None`: neither is told.
    pub city: Option<PathBuf>,
    /// Networks; `None`: they are not told.
    pub asn: Option<PathBuf>,
}

impl GeoPaths {
    /// The file for this role, if there is one.
    pub fn of(&self, role: Role) -> Option<&Path> {
        match role {
            Role::Country => self.database.as_deref(),
            Role::City => self.city.as_deref(),
            Role::Network => self.asn.as_deref(),
        }
    }
}

/// Where an address is, as far as the databases know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// ISO 3166-1 alpha-2, capital letters; [`NOWHERE`] when it is not known.
    pub country: [u8; 2],
    /// The largest part of the country that the database names, in English; its ISO 3166-2 code
    /// without the country when it has no name; else empty.
    pub region: &'a str,
    /// A city, in English; empty when it is not known.
    pub city: &'a str,
    /// The number of the network (RFC 6793); 0 when it is not known.
    pub asn: u32,
}

impl Place<'_> {
    /// Nothing is known.
    pub const UNKNOWN: Place<'static> = Place {
        country: NOWHERE,
        region: "",
        city: "",
        asn: 0,
    };
}

/// The databases in force together.
#[derive(Debug, Clone)]
pub struct Geography {
    /// The operator's, or the one that is built in.
    country: Arc<Database>,
    city: Option<Arc<Database>>,
    asn: Option<Arc<Database>>,
}

impl Geography {
    /// Opens and checks the databases.
    ///
    /// # Errors
    /// The first file that cannot be used, why, and what to do.
    pub fn open(paths: &GeoPaths) -> Result<Self, GeoTrouble> {
        let open = |role| {
            let opened = paths.of(role).map(|path| Database::open(path, role));
            Ok(opened.transpose()?.map(Arc::new))
        };
        Ok(Geography {
            country: match open(Role::Country)? {
                Some(database) => database,
                None => Arc::new(Database::bundled()?),
            },
            city: open(Role::City)?,
            asn: open(Role::Network)?,
        })
    }

    /// Where an address is. Nothing is known of private and reserved addresses, of those that no
    /// database has, and of those whose record is damaged. Allocates nothing unless a record is
    /// damaged.
    pub fn look_up(&self, address: IpAddr) -> Place<'_> {
        let mut place = Place::UNKNOWN;
        let Some(address) = address::public(address) else {
            return place;
        };
        if !self.country.is_bundled() {
            place.country = self.country.country(address);
        }
        if let Some(located) = self.city.as_deref().and_then(|city| city.city(address)) {
            place.region = located.region;
            place.city = located.city;
            if place.country == NOWHERE {
                place.country = located.country;
            }
        }
        if place.country == NOWHERE && self.country.is_bundled() {
            place.country = self.country.country(address);
        }
        place.asn = self.asn.as_deref().map_or(0, |asn| asn.network(address));
        place
    }

    /// What is in force, for the operator.
    pub fn about(&self) -> impl Iterator<Item = About> {
        let others = self.city.iter().chain(&self.asn);
        std::iter::once(&self.country)
            .chain(others)
            .map(|database| database.about())
    }

    fn get(&self, role: Role) -> Option<&Arc<Database>> {
        match role {
            Role::Country => Some(&self.country),
            Role::City => self.city.as_ref(),
            Role::Network => self.asn.as_ref(),
        }
    }

    /// The same with another database in the place of one.
    fn with(&self, role: Role, database: Arc<Database>) -> Self {
        let mut other = self.clone();
        match role {
            Role::Country => other.country = database,
            Role::City => other.city = Some(database),
            Role::Network => other.asn = Some(database),
        }
        other
    }
}
