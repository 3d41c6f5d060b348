//! A disk that takes nothing, and a directory that goes away.

use super::*;
use nix::sys::resource::{Resource, getrlimit, setrlimit};

const TEST: &str = "disk::a_full_disk_loses_nothing_that_fits_into_memory";

/// A file-size limit stands in for a full disk: a write stops in the middle, or is refused.
fn limit(bytes: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_FSIZE).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, bytes.unwrap_or(hard), hard).unwrap();
}

#[test]
fn a_full_disk_loses_nothing_that_fits_into_memory() {
    let Some(directory) = my_role() else {
        let scratch = Scratch::new();
        // The limit is a process's, and its signal must be ignored, which a shell can tell.
        let child = role(TEST, &scratch.0);
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "trap '' XFSZ; exec \"$0\" \"$@\""]);
        shell.arg(child.get_program()).args(child.get_args());
        shell.env("PARVIS_TEST_ROLE", &scratch.0);
        let ended = shell.output().unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stdout)
        );
        return;
    };
    let spool = open(&directory);
    let mut reader = spool.reader("store");
    append(&spool, 0..100, 100);
    // In the middle of a record; then in the middle of a new segment's header.
    for (round, bytes) in [(1, 5_000), (2, 20)] {
        limit(Some(bytes));
        append(&spool, round * 100..round * 100 + 100, 100);
        assert!(spool.counts().held > 0);
    }
    assert_eq!(spool.counts().readers[0].waiting, 300);
    // More than memory may have: the oldest go.
    for start in (300..60_300).step_by(1_000) {
        append(&spool, start..start + 1_000, 1_000);
    }
    let counts = spool.counts();
    assert!(counts.held <= 32 << 20 && counts.held > 31 << 20);
    assert!(counts.dropped > 20_000);
    assert_eq!(counts.readers[0].waiting + counts.dropped, 60_300);
    // What is on the disk can be read meanwhile.
    let before = take(&mut reader, 1_000);
    assert!(before.starts_with(&sequence(0..100)));
    limit(None);
    assert!(reader.wait(Duration::from_secs(60)));
    append(&spool, 60_300..60_400, 1_000);
    while spool.counts().held > 0 {
        spool.tend();
        std::thread::yield_now();
    }
    let after = take(&mut reader, 1 << 20);
    assert_eq!(before.len() + after.len(), 60_400 - counts.dropped as usize);
    let gone = 60_400 - after.len() as u64;
    assert_eq!(after, sequence(gone..60_400));
    assert_eq!(spool.counts().dropped, counts.dropped);
    assert_eq!(spool.counts().lost(), counts.dropped);
}

#[test]
fn a_place_where_no_file_can_be_made_is_waited_for() {
    let scratch = Scratch::new();
    let (directory, away) = (scratch.0.join("spool"), scratch.0.join("away"));
    // Segments of 64 KiB, so that a new one is needed soon.
    let spool = Arc::new(Spool::open(&directory, 256 * 1024).unwrap());
    let mut reader = spool.reader("store");
    append(&spool, 0..10, 100);
    std::fs::rename(&directory, &away).unwrap();
    std::fs::write(&directory, "in the way").unwrap();
    append(&spool, 10..1_000, 100);
    assert!(spool.counts().held > 0);
    std::fs::remove_file(&directory).unwrap();
    std::fs::rename(&away, &directory).unwrap();
    let mut taken = Vec::new();
    while taken.len() < 1_000 {
        reader.wait(Duration::from_millis(20));
        taken.extend(take(&mut reader, 10_000));
    }
    assert_eq!(taken, sequence(0..1_000));
    assert_eq!((spool.counts().held, spool.counts().lost()), (0, 0));
}

#[test]
fn a_directory_that_is_removed_is_made_again() {
    let scratch = Scratch::new();
    let directory = scratch.0.join("spool");
    let spool = open(&directory);
    let mut reader = spool.reader("store");
    append(&spool, 0..10, 100);
    assert_eq!(take(&mut reader, 500), sequence(0..10));
    std::fs::remove_dir_all(&directory).unwrap();
    append(&spool, 10..20, 100);
    assert_eq!(take(&mut reader, 500), sequence(10..20));
    assert_eq!(spool.counts().lost(), 0);
    let (id, held) = (spool.id(), Spool::open(&directory, BOUND));
    assert_eq!(held.unwrap_err().kind(), io::ErrorKind::ResourceBusy);
    drop((spool, reader));
    let again = open(&directory);
    assert_eq!(again.id(), id);
    assert!(again.reader("store").read(1000).is_none());
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let scratch = Scratch::new();
    let file = scratch.0.join("file");
    std::fs::write(&file, "").unwrap();
    assert!(Spool::open(&file, BOUND).is_err());
    assert!(Spool::open(&file.join("spool"), BOUND).is_err());
    assert!(Spool::open(Path::new("/proc/spool"), BOUND).is_err());
}
