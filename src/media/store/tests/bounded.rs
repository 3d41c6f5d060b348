//! Who goes when there is no room.

use super::*;

/// A file of so many bytes takes one block more than its bytes: of what is behind them.
const LENGTH: usize = 9 * 4096;
const ROOM: u64 = 10 * 4096;

fn bounds(files: u64) -> Bounds {
    Bounds {
        disk: files * ROOM,
        memory: 0,
    }
}

fn there(store: &Store, numbers: std::ops::Range<u64>) -> Vec<u64> {
    numbers.filter(|n| path(store, *n).exists()).collect()
}

#[test]
fn what_was_used_least_lately_goes_first() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, bounds(20));
    // Their ages are not the order in which they were made.
    for number in 0..21 {
        put(&store, number, LENGTH);
        age(&path(&store, number), 10_000 + (number * 8) % 21 * 100);
    }
    tidy(&store);
    // Down to 19: the two oldest are those with 20 and 19 times 100 seconds.
    let oldest = [13, 5];
    assert_eq!(oldest.map(|n| n * 8 % 21), [20, 19]);
    let rest: Vec<u64> = (0..21).filter(|n| !oldest.contains(n)).collect();
    assert_eq!(there(&store, 0..21), rest);
    let statistics = store.statistics();
    assert_eq!((statistics.evicted, statistics.variants), (2, 19));
    assert_eq!(statistics.bytes, 19 * ROOM);
    // Below the bound nothing is removed.
    tidy(&store);
    put(&store, 100, LENGTH);
    tidy(&store);
    assert_eq!(store.statistics().evicted, 2);
    assert_eq!(store.statistics().variants, 20);
}

#[test]
fn the_order_survives_a_restart() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, bounds(1000));
    for number in 0..20 {
        put(&store, number, LENGTH);
        age(&path(&store, number), 100_000 - number * 1000);
    }
    drop(store);
    let store = open(&scratch.0, bounds(1000));
    // The two that would go first are used.
    for number in [0, 1] {
        assert!(store.find(&key(number)).is_some());
    }
    tidy(&store);
    assert!(age_of(&path(&store, 0)) < Duration::from_secs(60));
    drop(store);
    let store = open(&scratch.0, bounds(10));
    tidy(&store);
    // 9.5 fit, by their last use.
    assert_eq!(there(&store, 0..20), [0, 1, 13, 14, 15, 16, 17, 18, 19]);
}

#[test]
fn a_use_is_told_to_the_file_once_in_an_hour() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    put(&store, 1, 1000);
    store.put_original_is_best(&key(2));
    let disk = store.shared.disk.as_ref().unwrap();
    let paths = [path(&store, 1), disk.path(&key(2), Kind::Marker)];
    let store = open(&scratch.0, ROOMY);
    for path in &paths {
        age(path, 3000);
    }
    for number in [1, 2] {
        assert!(store.find(&key(number)).is_some());
    }
    tidy(&store);
    for path in &paths {
        assert!(age_of(path) > Duration::from_secs(2900), "{path:?}");
    }
    let store = open(&scratch.0, ROOMY);
    for path in &paths {
        age(path, 4000);
    }
    for number in [1, 2] {
        assert!(store.find(&key(number)).is_some());
    }
    tidy(&store);
    for path in &paths {
        assert!(age_of(path) < Duration::from_secs(60), "{path:?}");
        age(path, 500);
    }
    for number in [1, 2] {
        assert!(store.hot(&key(number)).is_some());
    }
    tidy(&store);
    for path in &paths {
        assert!(age_of(path) > Duration::from_secs(400), "{path:?}");
    }
}

#[test]
fn what_is_used_from_memory_stays() {
    let scratch = Scratch::new();
    let limits = Bounds {
        disk: 20 * ROOM,
        memory: 64 << 20,
    };
    let store = open(&scratch.0, limits);
    for number in 0..21 {
        put(&store, number, LENGTH);
    }
    drop(store);
    let store = open(&scratch.0, limits);
    for number in 0..21 {
        // All of them half an hour: no use since is told to the files.
        age(&path(&store, number), 2000 - number);
    }
    for number in [0, 1, 2] {
        assert!(store.find(&key(number)).is_some());
    }
    tidy(&store);
    let rest: Vec<u64> = (0..21).filter(|n| ![3, 4].contains(n)).collect();
    assert_eq!(there(&store, 0..21), rest);
}

#[test]
fn what_is_removed_from_disk_is_not_held_open() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, ROOMY);
    let kept = put(&store, 1, 100_000);
    store.set_bounds(Bounds { disk: 0, ..ROOMY });
    // It was used in this second, which its file tells as well.
    age(&path(&store, 1), 0);
    tidy(&store);
    assert!(!path(&store, 1).exists());
    assert!(store.hot(&key(1)).is_none());
    // Whoever is sending it has it.
    assert_eq!(bytes(&variant(Some(kept))), picture(1, 100_000));
}

#[test]
fn a_time_to_come_keeps_nothing_for_ever() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, bounds(1));
    put(&store, 1, LENGTH);
    let then = SystemTime::now() + Duration::from_secs(1_000_000);
    let file = fs::File::open(path(&store, 1)).unwrap();
    file.set_modified(then).unwrap();
    store.set_bounds(bounds(0));
    tidy(&store);
    assert!(!path(&store, 1).exists());
}

#[test]
fn notes_are_bounded_as_well() {
    let scratch = Scratch::new();
    let store = open(&scratch.0, bounds(2));
    for number in 0..100 {
        store.put_original_is_best(&key(number));
    }
    tidy(&store);
    assert_eq!(store.statistics().originals_best, 19);
}

#[test]
fn what_is_larger_than_all_of_it_is_not_written() {
    let scratch = Scratch::new();
    let limits = Bounds {
        disk: ROOM - 1,
        memory: 8 << 20,
    };
    let store = open(&scratch.0, limits);
    put(&store, 1, LENGTH);
    assert!(!path(&store, 1).exists());
    assert_eq!(bytes(&variant(store.hot(&key(1)))), picture(1, LENGTH));
    assert_eq!(store.statistics().failed_writes, 0);
}

#[test]
fn the_keeper_keeps_the_bound_and_ends_with_the_store() {
    let scratch = Scratch::new();
    let store = Store::open(&scratch.0, bounds(20)).unwrap();
    wait_for("looked at", || store.statistics().complete);
    for number in 0..200 {
        put(&store, number, LENGTH);
    }
    let on_disk = || there(&store, 0..200).len();
    wait_for("bounded", || {
        on_disk() <= 20 && store.statistics().bytes <= 20 * ROOM
    });
    assert!(on_disk() > 0, "nothing stayed");
    assert!(store.statistics().evicted >= 180);
    let shared = Arc::downgrade(&store.shared);
    drop(store);
    wait_for("the end", || shared.strong_count() == 0);
}

#[test]
fn the_memory_is_bounded() {
    let scratch = Scratch::new();
    let limits = Bounds {
        disk: 1 << 30,
        memory: 1 << 20,
    };
    let store = open(&scratch.0, limits);
    for number in 0..300 {
        put(
            &store,
            number,
            [10_000, 40_000][usize::from(number % 2 == 0)],
        );
        store.put_original_is_best(&key(number + 1000));
        assert!(store.statistics().memory <= 1 << 20);
    }
    assert!(store.statistics().memory > 1 << 19);
    store.set_bounds(Bounds {
        memory: 0,
        ..limits
    });
    // All is found, and nothing stays.
    for number in 0..300 {
        assert!(store.find(&key(number)).is_some());
        assert!(store.hot(&key(number)).is_none());
    }
    assert_eq!(store.statistics().memory, 0);
}
