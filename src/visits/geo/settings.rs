//! `[geoip]`: databases that tell where visitors are.

use crate::config::{At, FilePath, table};

table! {
    /// Databases in MaxMind DB format that tell where visitors are: GeoLite2, GeoIP2, DB-IP,
    /// ip-location-db. `geoip/update` fetches them. A file that changes is read anew within seconds;
    /// one that is broken changes nothing.
    pub struct GeoSettings {
        /// Countries: `"/var/lib/GeoIP/GeoLite2-Country.mmdb"`. Absent: the database that is built in.
        database: Option<At<FilePath>> = None,
        /// Regions and cities, and countries where `database` does not know them:
        /// `"/var/lib/GeoIP/GeoLite2-City.mmdb"`. Absent: neither region nor city is recorded.
        city: Option<At<FilePath>> = None,
        /// Networks: `"/var/lib/GeoIP/GeoLite2-ASN.mmdb"`. Absent: they are not recorded.
        asn: Option<At<FilePath>> = None,
    }
}
