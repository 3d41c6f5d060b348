//! A disk that does not do what it should.

use super::*;
use std::process::Command;

#[test]
fn what_is_damaged_is_never_given_and_made_anew() {
    let scratch = Scratch::new();
    for (number, length) in [(1, 1000), (2, 70_000)] {
        let store = open(&scratch.0, ROOMY);
        put(&store, number, length);
        let path = path(&store, number);
        let sound = fs::read(&path).unwrap();
        let end = sound.len();
        let mut damaged: Vec<Vec<u8>> = vec![vec![], vec![0; end], vec![0; 48]];
        // Cut off anywhere, the end missing, the beginning missing.
        for at in [1, 47, 48, 49, length / 2, length, length + 1, end - 1] {
            damaged.push(sound[..at].to_vec());
            damaged.push(sound[at..].to_vec());
            damaged.push([&sound[..at], &vec![0; end - at][..]].concat());
        }
        for bit in (0..end * 8).step_by(end / 2).chain(length * 8..end * 8) {
            let mut flipped = sound.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            damaged.push(flipped);
        }
        damaged.push([&sound[..], b"x"].concat());
        damaged.push([b"x", &sound[..]].concat());
        let count = damaged.len();
        for (case, bytes) in damaged.into_iter().enumerate() {
            // As after a restart: nothing is in memory.
            let store = open(&scratch.0, ROOMY);
            fs::write(&path, bytes).unwrap();
            assert!(store.find(&key(number)).is_none(), "case {case} of {count}");
            assert!(!path.exists(), "case {case}");
            assert_eq!(store.statistics().damaged, 1, "case {case}");
            put(&store, number, length);
            // But for the time when it was made.
            let again = fs::read(&path).unwrap();
            assert_eq!(again[..length], sound[..length], "case {case}");
            assert!(open(&scratch.0, ROOMY).find(&key(number)).is_some());
        }
    }
}

#[test]
fn a_file_under_another_name_is_not_that_one() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    for number in [1, 2] {
        put(&store, number, 1000);
    }
    fs::copy(path(&store, 1), path(&store, 2)).unwrap();
    let store = open(&scratch.0, ROOMY);
    assert!(store.find(&key(2)).is_none());
    assert!(store.find(&key(1)).is_some());
    // Nor under another format.
    let disk = store.shared.disk.as_ref().unwrap();
    let avif = disk.path(&key(2), Kind::Picture(Format::Avif));
    put(&store, 2, 1000);
    fs::rename(path(&store, 2), avif).unwrap();
    assert!(open(&scratch.0, ROOMY).find(&key(2)).is_none());
}

#[test]
fn a_folder_that_was_removed_is_made_again() {
    let scratch = Scratch::new();
    let folder = scratch.0.join("pictures");
    let store = open(&folder, ROOMY);
    put(&store, 1, 100_000);
    put(&store, 2, 1000);
    fs::remove_dir_all(&folder).unwrap();
    // What was removed is not held open for ever, and counted no more.
    tidy(&store);
    assert!(store.find(&key(1)).is_none());
    assert_eq!(store.statistics().variants, 0);
    put(&store, 1, 100_000);
    store.put_original_is_best(&key(3));
    let again = open(&folder, ROOMY);
    assert_eq!(bytes(&variant(again.find(&key(1)))), picture(1, 100_000));
    assert!(matches!(again.find(&key(3)), Some(Kept::OriginalIsBest)));
    assert_eq!(store.statistics().failed_writes, 0);
}

#[test]
fn where_nothing_can_be_written_there_is_the_memory() {
    let scratch = Scratch::new();
    // For the superuser no rights stand in the way of a write, but a file where a folder should be.
    let taken = scratch.0.join("taken");
    fs::write(&taken, "").unwrap();
    assert!(Store::open(&taken, ROOMY).is_err());
    let folder = scratch.0.join("pictures");
    let store = open(&folder, ROOMY);
    fs::remove_dir(folder.join("v1")).unwrap();
    fs::write(folder.join("v1"), "").unwrap();
    for (number, length) in [(1, 1000), (2, 100_000)] {
        put(&store, number, length);
        let found = variant(store.find(&key(number)));
        assert_eq!(bytes(&found), picture(number, length));
    }
    store.put_original_is_best(&key(3));
    assert!(matches!(store.find(&key(3)), Some(Kept::OriginalIsBest)));
    assert!(store.find(&key(4)).is_none());
    assert_eq!(store.statistics().failed_writes, 3);
    tidy(&store);
    assert_eq!(store.statistics().bytes, 0);
}

#[test]
fn what_the_dead_left_behind_goes_and_what_is_not_ours_stays() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    put(&store, 1, 1000);
    let folder = path(&store, 1).parent().unwrap().to_path_buf();
    let file = |name: &str, seconds| {
        let path = folder.join(name);
        fs::write(&path, "half").unwrap();
        age(&path, seconds);
        path
    };
    let dead = file(".tmp-1-0123", 4000);
    let alive = file(".tmp-1-4567", 3000);
    let foreign = file("README.txt", 4000);
    let capitals = file(&format!("{}.webp", "A".repeat(32)), 4000);
    store.set_bounds(Bounds { disk: 0, ..ROOMY });
    tidy(&store);
    assert!(!dead.exists());
    assert!(alive.exists() && foreign.exists() && capitals.exists());
    assert_eq!(store.statistics().bytes, 0);
}

#[test]
fn a_full_disk_is_given_a_little_back() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    for number in 0..100 {
        put(&store, number, 1000);
        age(&path(&store, number), 10_000 - number);
    }
    // In memory nothing of it is in use.
    let store = open(&scratch.0, ROOMY);
    for _ in 0..3 {
        let error = io::Error::from(io::ErrorKind::StorageFull);
        let written = store.shared.written::<()>(Kind::Marker, 4096, Err(error));
        assert!(written.is_none());
        tidy(&store);
        // Once, not with each.
        assert_eq!(store.statistics().variants, 95);
    }
    assert!(!path(&store, 4).exists() && path(&store, 5).exists());
    assert_eq!(store.statistics().failed_writes, 3);
}

const LIMITED: &str = "PARVIS_TEST_PICTURES_LIMITED";

/// Not a test of its own: a process that may not write files of more than 64 KiB, or on a disk that
/// is as small.
#[test]
fn limited_child() {
    let Ok(folder) = std::env::var(LIMITED) else {
        return;
    };
    let store = Store::open(Path::new(&folder), ROOMY).unwrap();
    for number in 0..20 {
        put(&store, number, 20_000);
        put(&store, number + 100, 200_000);
    }
    let missing = (0..120).filter(|number| match store.find(&key(*number)) {
        Some(kept) => {
            let length = [20_000, 200_000][usize::from(*number >= 100)];
            assert_eq!(bytes(&variant(Some(kept))), picture(*number, length));
            false
        }
        None => true,
    });
    // On a disk that is full a few are removed again.
    let missing = missing.count() as u64 - 80;
    assert!(missing <= store.statistics().evicted, "{missing}");
    println!("failed {};", store.statistics().failed_writes);
}

#[test]
fn a_write_that_stops_in_the_middle_leaves_nothing() {
    let scratch = Scratch::new();
    let child = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 128; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "media::store::tests::troubled::limited_child",
            "--exact",
            "--nocapture",
        ])
        .env(LIMITED, &scratch.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    let errors = String::from_utf8_lossy(&child.stderr);
    assert!(child.status.success(), "{said}{errors}");
    assert!(said.contains("failed 20;"), "{said}");
    let store = open(&scratch.0, ROOMY);
    for number in 0..20 {
        let small = variant(store.find(&key(number)));
        assert_eq!(bytes(&small), picture(number, 20_000));
        assert!(store.find(&key(number + 100)).is_none());
    }
    assert_eq!(store.statistics().damaged, 0);
    let folders = fs::read_dir(scratch.0.join("v1")).unwrap();
    let files: usize = folders
        .map(|folder| fs::read_dir(folder.unwrap().path()).unwrap().count())
        .sum();
    assert_eq!(files, 20, "temporary files stayed");
}
