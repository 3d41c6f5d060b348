use super::*;
use crate::visits::geo::mapped::Bytes;

/// One that has all layouts in it, both families, pointers.
fn all() -> Written {
    Written::new("All")
        .with("81.2.69.0/24", country("GB"))
        .with("5.5.0.0/16", flat_country("FR"))
        .with("2a02:1::/32", city("FR", "Region", "Town"))
        .with("9.9.9.0/24", network(64_512))
        .with(
            "7.7.7.0/24",
            Map(vec![("city", Text("Rome")), ("state1", Text("Lazio"))]),
        )
}

fn wrong(role: Role, path: &Path) -> GeoTrouble {
    Database::open(path, role).unwrap_err()
}

#[test]
fn files_that_are_no_databases_are_told_apart() {
    let directory = Directory::new();
    let missing = wrong(Role::City, &directory.0.join("none.mmdb"));
    assert_eq!(missing.wrong, Wrong::Missing);
    let said = missing.to_string();
    assert!(said.starts_with("geoip.city: /"), "{said}");
    assert!(said.contains("none.mmdb: there is no such file"), "{said}");

    assert_eq!(wrong(Role::City, &directory.0).wrong, Wrong::NotAFile);
    let fifo = directory.0.join("fifo");
    let made = std::process::Command::new("mkfifo").arg(&fifo).status();
    assert!(made.unwrap().success());
    assert_eq!(wrong(Role::City, &fifo).wrong, Wrong::NotAFile);

    let cases: [(&[u8], Wrong); 4] = [
        (b"", Wrong::NotADatabase(0)),
        (b"<html>no</html>", Wrong::NotADatabase(15)),
        (b"\x1f\x8b\x08\0\0\0", Wrong::Packed),
        (b"PK\x03\x04....", Wrong::Packed),
    ];
    for (bytes, expected) in cases {
        let path = directory.put("x.mmdb", bytes);
        assert_eq!(wrong(Role::Country, &path).wrong, expected);
    }
    let large = directory.0.join("large");
    std::fs::File::create(&large)
        .unwrap()
        .set_len(3 << 30)
        .unwrap();
    assert_eq!(wrong(Role::Country, &large).wrong, Wrong::TooLarge(3 << 30));
}

#[test]
fn a_database_of_another_kind_says_where_it_belongs() {
    let directory = Directory::new();
    let countries = Written::new("GeoLite2-Country").with("81.2.69.0/24", country("GB"));
    let cities = Written::new("GeoLite2-City").with("81.2.69.0/24", city("GB", "R", "C"));
    let networks = Written::new("GeoLite2-ASN").with("81.2.69.0/24", network(5));
    let foreign = Map(vec![("country", Text("GB"))]);
    let foreign = Written::new("Somebody's").with("81.2.69.0/24", foreign);
    let empty = Written::new("GeoLite2-Empty").with("81.2.69.0/24", Map(vec![]));
    for (role, given, says) in [
        (
            Role::Country,
            &networks,
            "the type \"GeoLite2-ASN\", which tells no country. It belongs to geoip.asn",
        ),
        (
            Role::City,
            &countries,
            "tells no city or region. It belongs to geoip.database",
        ),
        (
            Role::City,
            &networks,
            "tells no city or region. It belongs to geoip.asn",
        ),
        (
            Role::Network,
            &cities,
            "tells no number of a network. It belongs to geoip.city",
        ),
        (
            Role::Network,
            &empty,
            "tells no number of a network. Give one that does",
        ),
        (
            Role::Country,
            &foreign,
            "the type \"Somebody's\", which tells no country. Give one that does",
        ),
    ] {
        let path = directory.put("x.mmdb", &given.bytes());
        let said = wrong(role, &path).to_string();
        assert!(said.contains(says), "{said}");
    }
    // Countries are in city databases too.
    let path = directory.put("x.mmdb", &cities.bytes());
    Database::open(&path, Role::Country).unwrap();
}

#[test]
fn the_first_part_of_a_database_is_refused_wherever_it_ends() {
    let directory = Directory::new();
    let bytes = all().bytes();
    for length in 0..bytes.len() {
        let part = bytes[..length].to_vec();
        let opened = Database::over(Bytes::Read(part), Role::Country, None)
            .and_then(|mut database| database.check());
        assert!(opened.is_err(), "{length} of {}", bytes.len());
    }
    for length in [1, bytes.len() / 2, bytes.len() - 1] {
        let path = directory.put("x.mmdb", &bytes[..length]);
        let said = wrong(Role::Country, &path).to_string();
        assert!(said.ends_with("Fetch it again"), "{said}");
    }
    // Its middle is missing: the metadata contradicts the length.
    let middle = [&bytes[..100], &bytes[bytes.len() - 300..]].concat();
    let path = directory.put("x.mmdb", &middle);
    assert!(matches!(
        wrong(Role::Country, &path).wrong,
        Wrong::Damaged(_)
    ));
}

/// Deterministic, so that what fails fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % most as u64) as usize
    }
}

/// Asks for all that there is; with `check`, whether the database is found sound.
fn ask_all(bytes: Vec<u8>, role: Role, check: bool) -> Option<bool> {
    let Ok(mut database) = Database::over(Bytes::Read(bytes), role, None) else {
        return check.then_some(false);
    };
    let sound = check.then(|| database.check().is_ok());
    for address in [
        "81.2.69.160",
        "5.5.1.1",
        "2a02:1:2::3",
        "9.9.9.9",
        "7.7.7.7",
        "1.1.1.1",
        "2600::1",
    ] {
        database.country(at(address));
        database.city(at(address));
        database.network(at(address));
    }
    sound
}

#[test]
fn no_damage_makes_it_panic() {
    let whole = all().bytes();
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut sound, mut refused) = (0, 0);
    for turn in 0..20_000 {
        let mut bytes = whole.clone();
        for _ in 0..=dice.below(4) {
            let place = match dice.below(2) {
                // Most of a small database is its tree; half of the damage goes behind it.
                0 => dice.below(bytes.len()),
                _ => bytes.len() - 1 - dice.below(900.min(bytes.len())),
            };
            match dice.below(4) {
                0 => bytes[place] = dice.below(256) as u8,
                1 => bytes[place] ^= 1 << dice.below(8),
                2 => bytes.truncate(bytes.len() - dice.below(3)),
                _ => bytes.insert(place, dice.below(256) as u8),
            }
        }
        // To check takes thousands of times as long as to ask.
        match ask_all(bytes, Role::ALL[turn % 3], turn % 8 == 0) {
            Some(true) => sound += 1,
            Some(false) => refused += 1,
            None => {}
        }
    }
    // Otherwise the damage was of a kind that tests nothing.
    assert!(sound > 100 && refused > 100, "{sound} {refused}");
}

#[test]
fn a_large_database_with_holes_in_it_does_not_panic() {
    let whole = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/geoip/country.mmdb")).unwrap();
    let mut dice = Dice(7);
    for _ in 0..5 {
        let mut bytes = whole.clone();
        for _ in 0..2000 {
            let place = dice.below(bytes.len() - 1000);
            bytes[place] = dice.below(256) as u8;
        }
        ask_all(bytes, Role::Country, true);
    }
}
