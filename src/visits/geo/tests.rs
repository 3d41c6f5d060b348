mod broken;
mod reload;
mod update;
mod writer;

use super::*;
use std::sync::atomic::{AtomicU32, Ordering};
use writer::Value::{List, Map, Number, Text};
use writer::{Written, city, country, flat_country, network};

/// A directory of a test's own, removed with it.
pub struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("parvis-geo-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Directory(path)
    }

    fn put(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        let beside = self.0.join(format!("{name}.new"));
        std::fs::write(&beside, bytes).unwrap();
        std::fs::rename(&beside, &path).unwrap();
        path
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(address: &str) -> IpAddr {
    address.parse().unwrap()
}

fn code(geography: &Geography, address: &str) -> String {
    String::from_utf8(geography.look_up(at(address)).country.to_vec()).unwrap()
}

fn one(role: Role, written: &Written) -> Geography {
    let directory = Directory::new();
    let path = Some(directory.put("x.mmdb", &written.bytes()));
    let paths = match role {
        Role::Country => GeoPaths {
            database: path,
            ..Default::default()
        },
        Role::City => GeoPaths {
            city: path,
            ..Default::default()
        },
        Role::Network => GeoPaths {
            asn: path,
            ..Default::default()
        },
    };
    Geography::open(&paths).unwrap()
}

#[test]
fn the_built_in_database_knows_the_world() {
    let geography = Geography::open(&GeoPaths::default()).unwrap();
    for (address, expected) in [
        ("8.8.8.8", "US"),
        ("2001:4860:4860::8888", "US"),
        ("::ffff:8.8.8.8", "US"),
        ("64:ff9b::808:808", "US"),
        // Universities, ministries and the like: their networks do not move.
        ("129.132.1.1", "CH"),  // ETH
        ("130.149.7.1", "DE"),  // TU Berlin
        ("131.111.8.42", "GB"), // Cambridge
        ("193.51.24.1", "FR"),  // Renater
        ("133.11.0.1", "JP"),   // Tokyo
        ("2001:638::1", "DE"),  // DFN
        ("2001:660::1", "FR"),  // Renater
        ("2001:620::1", "CH"),  // Switch
        ("10.1.2.3", "ZZ"),
        ("127.0.0.1", "ZZ"),
        ("::1", "ZZ"),
        ("fe80::1", "ZZ"),
        ("fd00::1", "ZZ"),
        ("192.0.2.1", "ZZ"),
        ("224.0.0.1", "ZZ"),
        ("2001:db8::1", "ZZ"),
    ] {
        assert_eq!(code(&geography, address), expected, "{address}");
    }
    let about: Vec<About> = geography.about().collect();
    assert_eq!(about.len(), 1);
    assert_eq!(about[0].path, None);
    assert!(about[0].built > 1_750_000_000, "{about:?}");
    assert!(about[0].bytes > 5_000_000, "{about:?}");
}

#[test]
fn the_built_in_database_is_sound() {
    let mut database = Database::bundled().unwrap();
    database.check().unwrap();
}

#[test]
fn both_layouts_are_read_in_trees_of_all_widths() {
    for width in [24, 28, 32] {
        let written = Written::of("Mixed", true, width)
            .with("81.2.69.0/24", country("GB"))
            .with("5.5.0.0/16", flat_country("fr"))
            .with("2a02:1::/32", flat_country("DE"));
        let geography = one(Role::Country, &written);
        assert_eq!(code(&geography, "81.2.69.160"), "GB");
        assert_eq!(code(&geography, "::ffff:81.2.69.160"), "GB");
        assert_eq!(code(&geography, "2002:5102:45a0::1"), "GB");
        assert_eq!(code(&geography, "81.2.70.1"), "ZZ");
        assert_eq!(code(&geography, "5.5.255.1"), "FR");
        assert_eq!(code(&geography, "2a02:1:2::3"), "DE");
        assert_eq!(code(&geography, "2a02:2:2::3"), "ZZ");
    }
}

#[test]
fn a_database_of_ipv4_knows_nothing_of_ipv6() {
    let written = Written::of("Country", false, 24).with("81.2.69.0/24", country("GB"));
    let geography = one(Role::Country, &written);
    assert_eq!(code(&geography, "81.2.69.160"), "GB");
    assert_eq!(code(&geography, "::ffff:81.2.69.160"), "GB");
    assert_eq!(code(&geography, "2a02:1:2::3"), "ZZ");
}

#[test]
fn private_addresses_are_nowhere_even_if_a_database_has_them() {
    let written = Written::new("Country")
        .with("10.0.0.0/8", country("GB"))
        .with("81.2.69.0/24", country("GB"));
    assert_eq!(code(&one(Role::Country, &written), "10.0.0.1"), "ZZ");
}

#[test]
fn the_country_is_where_the_address_is_else_where_it_is_registered() {
    let registered = Map(vec![(
        "registered_country",
        Map(vec![("iso_code", Text("AU"))]),
    )]);
    let written = Written::new("Country")
        .with("1.1.1.0/24", registered)
        .with("1.1.2.0/24", country("FR"))
        .with("1.1.3.0/24", country("F1"))
        .with("1.1.4.0/24", Map(vec![("country_code", Text("Europe"))]))
        .with("1.1.5.0/24", Map(vec![("country", Number(7))]))
        .with("1.1.6.0/24", Map(vec![]));
    let bytes = mapped::Bytes::Read(written.bytes());
    let mut database = Database::over(bytes, Role::Country, None).unwrap();
    let code = |address: &str| String::from_utf8(database.country(at(address)).to_vec()).unwrap();
    assert_eq!(code("1.1.1.1"), "AU");
    assert_eq!(code("1.1.2.1"), "FR");
    assert_eq!(code("1.1.3.1"), "US");
    assert_eq!(code("1.1.4.1"), "ZZ");
    assert_eq!(code("1.1.5.1"), "ZZ");
    assert_eq!(code("1.1.6.1"), "ZZ");
    // The last but one fits nothing that was read before it.
    assert!(matches!(database.check(), Err(Wrong::Damaged(_))));
}

#[test]
fn cities_and_regions_are_told_in_english() {
    let bare = Map(vec![
        (
            "city",
            Map(vec![("names", Map(vec![("pt", Text("Lisboa"))]))]),
        ),
        (
            "subdivisions",
            List(vec![Map(vec![("iso_code", Text("11"))])]),
        ),
    ]);
    let written = Written::new("City")
        .with("2.2.1.0/24", city("FR", "\u{ce}le-de-France", "Paris"))
        .with("2.2.2.0/24", bare)
        .with("2.2.4.0/24", Map(vec![("subdivisions", List(vec![]))]))
        // The built-in database says US.
        .with(
            "8.8.8.0/24",
            Map(vec![(
                "city",
                Map(vec![("names", Map(vec![("en", Text("X"))]))]),
            )]),
        );
    let geography = one(Role::City, &written);
    let place = |address| {
        let place = geography.look_up(at(address));
        (place.country, place.region, place.city, place.asn)
    };
    assert_eq!(place("2.2.1.1"), (*b"FR", "\u{ce}le-de-France", "Paris", 0));
    let (_, region, city, _) = place("2.2.2.1");
    assert_eq!((region, city), ("11", "Lisboa"));
    let (_, region, city, _) = place("2.2.4.1");
    assert_eq!((region, city), ("", ""));
    assert_eq!(place("8.8.8.8"), (*b"US", "", "X", 0));
    assert_eq!(place("10.0.0.1"), (*b"ZZ", "", "", 0));
}

#[test]
fn cities_are_read_in_the_flat_layout_too() {
    let flat = Map(vec![
        ("city", Text("Rome")),
        ("country_code", Text("IT")),
        ("state1", Text("Lazio")),
    ]);
    let written = Written::new("City").with("2.2.3.0/24", flat);
    let geography = one(Role::City, &written);
    let place = geography.look_up(at("2.2.3.1"));
    assert_eq!(place.country, *b"IT");
    assert_eq!((place.region, place.city), ("Lazio", "Rome"));
}

#[test]
fn the_operators_country_database_goes_before_the_city_database() {
    let directory = Directory::new();
    let countries = Written::new("Country").with("2.2.1.0/24", country("CH"));
    let cities = Written::new("City")
        .with("2.2.1.0/24", city("FR", "R", "C"))
        .with("2.2.2.0/24", city("FR", "R", "C"));
    let networks = Written::new("ASN").with("2.2.1.0/24", network(4_200_000_000));
    let geography = Geography::open(&GeoPaths {
        database: Some(directory.put("country.mmdb", &countries.bytes())),
        city: Some(directory.put("city.mmdb", &cities.bytes())),
        asn: Some(directory.put("asn.mmdb", &networks.bytes())),
    })
    .unwrap();
    let whole = geography.look_up(at("2.2.1.1"));
    assert_eq!(
        (whole.country, whole.city, whole.asn),
        (*b"CH", "C", 4_200_000_000)
    );
    let partly = geography.look_up(at("2.2.2.1"));
    assert_eq!((partly.country, partly.city, partly.asn), (*b"FR", "C", 0));
    // With a database of the operator's, the one that is built in has no say.
    assert_eq!(geography.look_up(at("8.8.8.8")), Place::UNKNOWN);
    let about: Vec<About> = geography.about().collect();
    let roles: Vec<Role> = about.iter().map(|about| about.role).collect();
    assert_eq!(roles, Role::ALL);
    assert_eq!(about[2].kind, "ASN");
    assert_eq!(about[2].built, 1_763_000_000);
}
