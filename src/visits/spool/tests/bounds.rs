//! The spool is over its bound.

use super::*;

/// Records of 1,000 bytes with their frames.
const SIZE: usize = 992;

#[test]
fn the_oldest_go_and_are_counted_exactly() {
    let scratch = Scratch::new();
    let most = 1 << 20;
    let spool = Arc::new(Spool::open(&scratch.0, most).unwrap());
    let mut behind = spool.reader("behind");
    let mut ahead = spool.reader("ahead");
    for number in 0..10_000 {
        append(&spool, [number], SIZE);
        assert!(spool.counts().bytes <= most);
        if number < 5_000 {
            take(&mut ahead, 5_000);
        }
    }
    let counts = spool.counts();
    for reader in &counts.readers {
        let taken = if reader.name == "ahead" { 5_000 } else { 0 };
        assert_eq!(reader.lost + reader.waiting, 10_000 - taken, "{reader:?}");
    }
    assert_eq!(counts.lost(), counts.readers[1].lost);
    assert!(counts.bytes > most / 2);
    // A reader that is behind jumps to the oldest.
    for reader in [&mut behind, &mut ahead] {
        let taken = take(reader, 5_000);
        let lost = 10_000 - taken.len() as u64;
        assert_eq!(taken, sequence(lost..10_000));
    }
    let after = spool.counts().readers;
    assert_eq!(after[1].lost, counts.readers[1].lost);
    assert_eq!(after[0].lost, counts.readers[0].lost);
    assert_eq!(after[0].lost + 5_000, after[1].lost);
}

#[test]
fn what_a_sink_has_in_hand_is_not_lost() {
    let scratch = Scratch::new();
    let spool = Arc::new(Spool::open(&scratch.0, 1 << 20).unwrap());
    let mut reader = spool.reader("store");
    append(&spool, 0..100, SIZE);
    let chunk = reader.read(1 << 20).unwrap();
    for number in 100..5_000 {
        append(&spool, [number], SIZE);
    }
    reader.done(chunk.end);
    let rest = take(&mut reader, 10_000);
    let lost = 5_000 - 100 - rest.len() as u64;
    assert_eq!(rest, sequence(100 + lost..5_000));
    assert_eq!(spool.counts().lost(), lost);
}

#[test]
fn a_batch_may_be_longer_than_the_spool() {
    let scratch = Scratch::new();
    let spool = Arc::new(Spool::open(&scratch.0, 1 << 20).unwrap());
    let mut reader = spool.reader("store");
    append(&spool, 0..3_000, SIZE);
    assert!(spool.counts().bytes <= 1 << 20);
    let taken = take(&mut reader, 10_000);
    assert_eq!(taken, sequence(3_000 - taken.len() as u64..3_000));
    assert_eq!(spool.counts().lost(), 3_000 - taken.len() as u64);
    // A record that is longer than a segment has one for itself.
    append(&spool, 3_000..3_003, 500_000);
    assert_eq!(take(&mut reader, 10), [3_001, 3_002]);
}

#[test]
fn a_spool_is_opened_with_less_and_with_more() {
    let scratch = Scratch::new();
    {
        let spool = open(&scratch.0);
        spool.reader("store");
        append(&spool, 0..30_000, SIZE);
    }
    let less = Arc::new(Spool::open(&scratch.0, 10 << 20).unwrap());
    let counts = less.counts();
    assert!(counts.bytes <= 10 << 20 && counts.bytes > 1 << 20);
    let [store] = counts.readers.as_slice() else {
        panic!()
    };
    assert_eq!(store.waiting + store.lost, 30_000);
    let lost = store.lost;
    less.bound(BOUND);
    append(&less, 30_000..60_000, SIZE);
    assert_eq!(less.counts().readers[0].lost, lost);
    drop(less);
    let more = open(&scratch.0);
    let taken = take(&mut more.reader("store"), 1 << 20);
    assert_eq!(taken, sequence(lost..60_000));
    append(&more, 60_000..90_000, SIZE);
    more.bound(1 << 20);
    append(&more, [90_000], SIZE);
    assert!(more.counts().bytes <= 1 << 20);
}

#[test]
fn without_a_sink_nothing_is_kept() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    append(&spool, 0..100_000, 500);
    assert!(spool.counts().bytes <= 8 << 20);
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn unknown_files_are_left_alone() {
    let scratch = Scratch::new();
    let names = [
        "notes.txt",
        "x.segment",
        "1.segment",
        "FFFFFFFFFFFFFFFF.segment",
        "0000000000000001.segment~",
    ];
    for name in names {
        std::fs::write(scratch.0.join(name), "mine").unwrap();
    }
    // A file of the right name that is none, and one that was only begun.
    std::fs::write(scratch.0.join("0000000000000001.segment"), [b'x'; 100]).unwrap();
    std::fs::write(scratch.0.join("0000000000000002.segment"), [b'x'; 3]).unwrap();
    {
        let spool = Arc::new(Spool::open(&scratch.0, 1 << 20).unwrap());
        let mut reader = spool.reader("store");
        append(&spool, 0..5_000, SIZE);
        assert!(take(&mut reader, 1000).len() > 500);
    }
    for name in names {
        assert_eq!(
            std::fs::read(scratch.0.join(name)).unwrap(),
            b"mine",
            "{name}"
        );
    }
    assert_eq!(
        std::fs::read(scratch.0.join("0000000000000001.damaged")).unwrap(),
        [b'x'; 100]
    );
    assert!(!scratch.0.join("0000000000000002.segment").exists());
}

#[test]
fn what_all_sinks_have_taken_does_not_stay_on_the_disk() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let (mut one, mut other) = (spool.reader("store"), spool.reader("redis"));
    append(&spool, 0..10, 100);
    take(&mut one, 1 << 20);
    let gone = || {
        locked(&spool.log).let_go(0);
        spool.counts().bytes == 0
    };
    assert!(!gone());
    take(&mut other, 1 << 20);
    assert!(gone());
    let files = std::fs::read_dir(&scratch.0).unwrap();
    let mut names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert!(names.all(|name| !name.ends_with(".segment")));
    append(&spool, 10..20, 100);
    assert_eq!(take(&mut one, 1 << 20), sequence(10..20));
    drop((one, other, spool));
    // A new start goes on there.
    let spool = open(&scratch.0);
    let mut other = spool.reader("redis");
    assert_eq!(take(&mut other, 1 << 20), sequence(10..20));
}
