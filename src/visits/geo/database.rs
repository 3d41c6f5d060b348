//! One database: opened, checked, asked.

use super::mapped::{self, Bytes, Stamp};
use super::record::{CityRecord, CountryRecord, FlatCityRecord, Located, NetworkRecord};
use super::trouble::{GeoTrouble, Wrong};
use crate::visits::visit::NOWHERE;
use maxminddb::{LookupResult, MaxMindDbError, Reader, WithinOptions};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};

static BUILT_IN: &[u8] = include_bytes!("../../../geoip/country.mmdb");
/// Where the metadata begins (MaxMind DB format 2.0, "Database Metadata").
const METADATA: &[u8] = b"\xab\xcd\xefMaxMind.com";
/// Networks from the beginning of a database, and as many addresses all over it, that are looked at
/// before it is used: a few milliseconds. To look at all takes seconds, and what is damaged further in
/// is met when it is asked for.
const SAMPLE: u32 = 4096;

/// What a database is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The country.
    Country,
    /// Region and city.
    City,
    /// The number of the network.
    Network,
}

impl Role {
    /// All of them.
    pub const ALL: [Role; 3] = [Role::Country, Role::City, Role::Network];

    /// Its key in `[geoip]`.
    pub fn key(self) -> &'static str {
        match self {
            Role::Country => "database",
            Role::City => "city",
            Role::Network => "asn",
        }
    }

    /// What it tells, in words.
    pub fn tells(self) -> &'static str {
        match self {
            Role::Country => "country",
            Role::City => "city or region",
            Role::Network => "number of a network",
        }
    }
}

/// A database in force, for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// What it is used for.
    pub role: Role,
    /// Its file; `None` when it is built in.
    pub path: Option<PathBuf>,
    /// `database_type` of its metadata: `GeoLite2-City`.
    pub kind: String,
    /// When it was made, seconds since the Unix epoch.
    pub built: u64,
    /// Its length.
    pub bytes: usize,
}

/// A database that was checked.
pub struct Database {
    reader: Reader<Bytes>,
    role: Role,
    /// Whether it knows IPv6 addresses.
    six: bool,
    /// Whether cities are in the flat layout.
    flat: bool,
    file: Option<(PathBuf, Stamp)>,
    bytes: usize,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.about().fmt(f)
    }
}

impl Database {
    /// Opens and checks a file.
    ///
    /// # Errors
    /// It cannot be read, or is no sound database that tells what it is to tell.
    pub fn open(path: &Path, role: Role) -> Result<Self, GeoTrouble> {
        let open = || {
            let (bytes, stamp) = mapped::take(path)?;
            let mut database = Self::over(bytes, role, Some((path.to_path_buf(), stamp)))?;
            database.check()?;
            Ok(database)
        };
        open().map_err(|wrong| GeoTrouble {
            role,
            path: Some(path.to_path_buf()),
            wrong,
        })
    }

    /// The one that is in the binary.
    ///
    /// # Errors
    /// It was broken when parvis was built.
    pub fn bundled() -> Result<Self, GeoTrouble> {
        let role = Role::Country;
        Self::over(Bytes::BuiltIn(BUILT_IN), role, None).map_err(|wrong| GeoTrouble {
            role,
            path: None,
            wrong,
        })
    }

    /// Over bytes that were not checked yet.
    pub(super) fn over(
        bytes: Bytes,
        role: Role,
        file: Option<(PathBuf, Stamp)>,
    ) -> Result<Self, Wrong> {
        let held = bytes.as_ref();
        let length = held.len();
        if memchr::memmem::rfind(held, METADATA).is_none() {
            const PACKED: [&[u8]; 3] = [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"];
            return Err(match PACKED.iter().any(|magic| held.starts_with(magic)) {
                true => Wrong::Packed,
                false => Wrong::NotADatabase(length),
            });
        }
        // Tells whether metadata, length of the file and length of the tree contradict each other.
        let reader = Reader::from_source(bytes).map_err(|error| damaged(&error))?;
        Ok(Database {
            six: reader.metadata().ip_version == 6,
            flat: false,
            reader,
            role,
            file,
            bytes: length,
        })
    }

    /// Looks at some of its records, and whether they tell what they are to tell.
    pub(super) fn check(&mut self) -> Result<(), Wrong> {
        let nested = self.sample();
        if self.role == Role::City && nested.is_err() {
            self.flat = true;
            if self.sample().is_ok() {
                return Ok(());
            }
            self.flat = false;
        }
        nested
    }

    fn sample(&self) -> Result<(), Wrong> {
        let mut tells = [false; Role::ALL.len()];
        let mut look = |found: Found<LookupResult<'_, Bytes>>| {
            let found = found.map_err(|error| damaged(&error))?;
            for (role, tells) in Role::ALL.into_iter().zip(&mut tells) {
                match self.told(&found, role) {
                    Ok(told) => *tells |= told,
                    // Another layout: its records are sound, and of no use here.
                    Err(MaxMindDbError::Decoding { .. }) if !*tells => {}
                    Err(error) if role == self.role => return Err(damaged(&error)),
                    Err(_) => {}
                }
            }
            Ok(())
        };
        // All of a small database. With these options every step of the walk yields something: a
        // damaged tree cannot make it go on for ever.
        let every = WithinOptions::default()
            .include_aliased_networks()
            .include_networks_without_data();
        let networks = self
            .reader
            .networks(every)
            .map_err(|error| damaged(&error))?;
        for found in networks.take(SAMPLE as usize) {
            look(found)?;
        }
        for address in scattered(self.six) {
            look(self.reader.lookup(address))?;
        }
        let mut fits = Role::ALL
            .into_iter()
            .zip(tells)
            .filter_map(|(role, tells)| tells.then_some(role));
        match fits.clone().any(|role| role == self.role) {
            true => Ok(()),
            false => Err(Wrong::OtherKind {
                kind: self.reader.metadata().database_type.clone(),
                // A city database tells countries too; what it is for is the finer.
                fits: match fits.clone().any(|role| role == Role::City) {
                    true => vec![Role::City],
                    false => fits.by_ref().collect(),
                },
            }),
        }
    }

    /// The country of an address; [`NOWHERE`] also where the database is damaged.
    pub fn country(&self, address: IpAddr) -> [u8; 2] {
        let record = self.find(address).and_then(|found| country(&found).ok());
        record.unwrap_or(NOWHERE)
    }

    /// The place of an address; `None` also where the database is damaged.
    pub fn city(&self, address: IpAddr) -> Option<Located<'_>> {
        self.located(&self.find(address)?).ok()?
    }

    /// The number of the network of an address; 0 also where the database is damaged.
    pub fn network(&self, address: IpAddr) -> u32 {
        let record = self.find(address).and_then(|found| network(&found).ok());
        record.unwrap_or(0)
    }

    #[inline]
    fn find(&self, address: IpAddr) -> Option<LookupResult<'_, Bytes>> {
        // The reader would make an error, which allocates.
        if address.is_ipv6() && !self.six {
            return None;
        }
        self.reader.lookup(address).ok()
    }

    fn located<'a>(&self, found: &LookupResult<'a, Bytes>) -> Found<Option<Located<'a>>> {
        Ok(match self.flat {
            false => found.decode::<CityRecord>()?.map(Located::from),
            true => found.decode::<FlatCityRecord>()?.map(Located::from),
        })
    }

    fn told(&self, found: &LookupResult<'_, Bytes>, role: Role) -> Found<bool> {
        Ok(match role {
            Role::Country => country(found)? != NOWHERE,
            Role::City => self
                .located(found)?
                .is_some_and(|place| !place.city.is_empty() || !place.region.is_empty()),
            Role::Network => network(found)? != 0,
        })
    }

    /// Whether it is the one that is in the binary.
    pub fn is_bundled(&self) -> bool {
        self.file.is_none()
    }

    /// Its file as it was when it was read.
    pub fn stamp(&self) -> Option<Stamp> {
        Some(self.file.as_ref()?.1)
    }

    /// For the operator.
    pub fn about(&self) -> About {
        let metadata = self.reader.metadata();
        About {
            role: self.role,
            path: self.file.as_ref().map(|(path, _)| path.clone()),
            kind: metadata.database_type.clone(),
            built: metadata.build_epoch,
            bytes: self.bytes,
        }
    }
}

type Found<T> = Result<T, MaxMindDbError>;

fn country(found: &LookupResult<'_, Bytes>) -> Found<[u8; 2]> {
    let record: Option<CountryRecord> = found.decode()?;
    Ok(record.map_or(NOWHERE, |record| record.code()))
}

fn network(found: &LookupResult<'_, Bytes>) -> Found<u32> {
    let record: Option<NetworkRecord> = found.decode()?;
    Ok(record.map_or(0, |record| record.number()))
}

fn damaged(error: &MaxMindDbError) -> Wrong {
    Wrong::Damaged(error.to_string())
}

/// Addresses all over the space, always the same ones, so that a database is good or not.
fn scattered(six: bool) -> impl Iterator<Item = IpAddr> {
    // Where registries hand IPv6 addresses out from.
    const BLOCKS: [u128; 6] = [0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00];
    let mut state: u64 = 1;
    let mut next = move || {
        // Knuth's MMIX generator; the high half is the better one.
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 32) as u32
    };
    (0..SAMPLE).map(move |turn| match six && turn % 2 == 1 {
        false => IpAddr::V4(Ipv4Addr::from(next())),
        true => {
            let block = BLOCKS.iter().cycle().nth(turn as usize / 2 % BLOCKS.len());
            let top = block.copied().unwrap_or(0x2001) << 112;
            IpAddr::V6(Ipv6Addr::from(top | u128::from(next()) << 80))
        }
    })
}
