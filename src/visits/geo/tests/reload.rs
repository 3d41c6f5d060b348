use super::*;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

fn countries(code: &'static str, more: usize) -> Vec<u8> {
    // Of another length each time: files that follow one another within a tick of the clock may
    // have the same times, and even the same inode.
    let kind = format!("Country {}", "x".repeat(more % 100));
    Written::new(&kind)
        .with("81.2.69.0/24", country(code))
        .bytes()
}

fn atlas(path: &Path) -> Atlas {
    Atlas::open(GeoPaths {
        database: Some(path.to_path_buf()),
        ..Default::default()
    })
    .unwrap()
}

fn now(atlas: &Atlas) -> String {
    code(atlas.current(), "81.2.69.160")
}

#[test]
fn a_file_put_in_the_place_of_another_is_read_when_it_rests() {
    let directory = Directory::new();
    let path = directory.put("x.mmdb", &countries("GB", 0));
    let mut atlas = atlas(&path);
    assert!(!atlas.look() && !atlas.look());
    let before = atlas.current().clone();

    directory.put("x.mmdb", &countries("FR", 1));
    assert!(!atlas.look(), "one look is no rest");
    assert_eq!(now(&atlas), "GB");
    assert!(atlas.look());
    assert_eq!(now(&atlas), "FR");
    assert!(!atlas.look(), "once is enough");
    // Who still holds the old one is not disturbed.
    assert_eq!(code(&before, "81.2.69.160"), "GB");
    assert_eq!(atlas.troubles().count(), 0);
}

#[test]
fn a_file_that_is_still_written_is_left_alone() {
    let directory = Directory::new();
    let path = directory.put("x.mmdb", &countries("GB", 0));
    let mut atlas = atlas(&path);
    let new = countries("FR", 1);
    for length in [0, 10, 200, 500, new.len() - 1] {
        std::fs::write(&path, &new[..length]).unwrap();
        assert!(!atlas.look());
        assert_eq!(atlas.troubles().count(), 0, "nothing was read");
        assert_eq!(
            now(&atlas),
            "GB",
            "the file was cut short, the copy was not"
        );
    }
    std::fs::write(&path, &new).unwrap();
    assert!(!atlas.look());
    assert!(atlas.look());
    assert_eq!(now(&atlas), "FR");
}

#[test]
fn a_broken_file_changes_nothing_and_is_told_until_it_is_mended() {
    let directory = Directory::new();
    let path = directory.put("x.mmdb", &countries("GB", 0));
    let mut atlas = atlas(&path);
    for (bytes, wrong) in [
        (b"rubbish".to_vec(), Wrong::NotADatabase(7)),
        (
            Written::new("N").with("81.2.69.0/24", network(7)).bytes(),
            Wrong::OtherKind {
                kind: "N".to_string(),
                fits: vec![Role::Network],
            },
        ),
    ] {
        directory.put("x.mmdb", &bytes);
        for _ in 0..4 {
            assert!(!atlas.look());
        }
        let troubles: Vec<&GeoTrouble> = atlas.troubles().collect();
        assert_eq!(troubles.len(), 1);
        assert_eq!(troubles[0].wrong, wrong);
        assert_eq!(now(&atlas), "GB");
    }
    directory.put("x.mmdb", &countries("FR", 1));
    assert!(!atlas.look());
    assert!(atlas.look());
    assert_eq!(now(&atlas), "FR");
    assert_eq!(atlas.troubles().count(), 0);
}

#[test]
fn a_file_that_is_gone_is_told_and_may_come_back() {
    let directory = Directory::new();
    let path = directory.put("x.mmdb", &countries("GB", 0));
    let mut atlas = atlas(&path);
    let away = directory.0.join("away");
    std::fs::rename(&path, &away).unwrap();
    assert!(!atlas.look());
    assert_eq!(atlas.troubles().count(), 0, "it may be on its way");
    assert!(!atlas.look());
    assert_eq!(atlas.troubles().next().unwrap().wrong, Wrong::Missing);
    assert_eq!(now(&atlas), "GB");
    std::fs::rename(&away, &path).unwrap();
    // Renaming sets the time of the last change: it is read anew.
    assert!(!atlas.look());
    atlas.look();
    assert_eq!(atlas.troubles().count(), 0);
    assert_eq!(now(&atlas), "GB");
}

#[test]
fn one_broken_file_does_not_hold_up_another() {
    let directory = Directory::new();
    let cities = |name| {
        Written::new("City")
            .with("81.2.69.0/24", city("GB", "R", name))
            .bytes()
    };
    let mut atlas = Atlas::open(GeoPaths {
        database: Some(directory.put("country.mmdb", &countries("GB", 0))),
        city: Some(directory.put("city.mmdb", &cities("Old"))),
        asn: None,
    })
    .unwrap();
    directory.put("country.mmdb", b"rubbish");
    directory.put("city.mmdb", &cities("Newer"));
    atlas.look();
    assert!(atlas.look());
    let place = atlas.current().look_up(at("81.2.69.160"));
    assert_eq!((place.country, place.city), (*b"GB", "Newer"));
    assert_eq!(atlas.troubles().count(), 1);
}

#[test]
fn files_replaced_and_cut_short_under_load_disturb_nobody() {
    const CODES: [&str; 4] = ["GB", "FR", "DE", "IT"];
    let directory = Directory::new();
    let path = directory.put("x.mmdb", &countries(CODES[0], 0));
    let mut atlas = atlas(&path);
    let shared = Mutex::new(atlas.current().clone());
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut asked = 0_u64;
            while !ended.load(Ordering::Relaxed) || asked == 0 {
                let geography = shared.lock().unwrap().clone();
                for _ in 0..100 {
                    let country = geography.look_up(at("81.2.69.160")).country;
                    let country = std::str::from_utf8(&country).unwrap();
                    assert!(CODES.contains(&country), "{country}");
                    asked += 1;
                }
            }
            asked
        });
        for turn in 1..200 {
            let expected = CODES[turn % CODES.len()];
            let new = countries(expected, turn);
            if turn % 2 == 0 {
                directory.put("x.mmdb", &new);
            } else {
                // What a careless `cp` does: cut to nothing, then written in pieces.
                std::fs::write(&path, b"").unwrap();
                atlas.look();
                std::fs::write(&path, &new[..new.len() / 2]).unwrap();
                atlas.look();
                std::fs::write(&path, &new).unwrap();
            }
            assert!(!atlas.look());
            assert!(atlas.look(), "{turn}");
            assert_eq!(now(&atlas), expected);
            *shared.lock().unwrap() = atlas.current().clone();
        }
        ended.store(true, Ordering::Relaxed);
        assert!(asking.join().unwrap() > 0);
    });
}
