//! Tests of the spool as a whole.

mod bounds;
mod damage;
mod disk;
mod killed;

use super::*;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// A directory of a test's own, removed at its end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        let name = format!("parvis-spool-{:016x}", rand::random::<u64>());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BOUND: u64 = 1 << 30;

fn open(directory: &Path) -> Arc<Spool> {
    Arc::new(Spool::open(directory, BOUND).unwrap())
}

/// A record that tells its number and is `size` bytes long.
fn record(number: u64, size: usize) -> Vec<u8> {
    let mut bytes = number.to_le_bytes().to_vec();
    bytes.resize(size.max(8), number as u8);
    bytes
}

fn number(record: &[u8]) -> u64 {
    let number = u64::from_le_bytes(*record.first_chunk().unwrap());
    assert_eq!(record, self::record(number, record.len()));
    number
}

fn append(spool: &Spool, numbers: impl IntoIterator<Item = u64>, size: usize) {
    let mut batch = Batch::new();
    for number in numbers {
        batch.push_bytes(&record(number, size));
    }
    spool.append(&batch);
}

/// Takes everything that is there, in chunks of `most` bytes.
fn take(reader: &mut Reader, most: usize) -> Vec<u64> {
    let mut taken = Vec::new();
    while let Some(chunk) = reader.read(most) {
        assert_eq!(chunk.records().count(), chunk.count);
        assert_eq!(chunk.start, reader.position());
        taken.extend(chunk.records().map(number));
        reader.done(chunk.end);
        assert_eq!(chunk.end, reader.position());
    }
    taken
}

fn sequence(range: std::ops::Range<u64>) -> Vec<u64> {
    range.collect()
}

fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .collect();
    found.sort();
    found
}

/// A command that runs one test of this module in a process of its own, as `PARVIS_TEST_ROLE`.
fn role(test: &str, directory: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let path = format!("{}::{test}", module_path!());
    let path = path.split_once("::").unwrap().1.to_string();
    command.args([&path, "--exact", "--nocapture", "--test-threads=1"]);
    command.env("PARVIS_TEST_ROLE", directory);
    command
}

/// The directory that this process was given by [`role`].
fn my_role() -> Option<PathBuf> {
    std::env::var_os("PARVIS_TEST_ROLE").map(PathBuf::from)
}

#[test]
fn what_is_appended_is_read_in_order() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0.join("deep/spool"));
    let mut reader = spool.reader("store");
    assert!(reader.read(1000).is_none());
    append(&spool, 0..100, 50);
    append(&spool, 100..101, 100_000);
    append(&spool, 101..200, 50);
    assert_eq!(spool.counts().readers[0].waiting, 200);
    // Until it is taken, the same comes again.
    let first = reader.read(1000).unwrap();
    assert_eq!(first.count, 1000 / 58);
    assert_eq!(reader.read(1000).unwrap().end, first.end);
    assert_eq!(take(&mut reader, 1000), sequence(0..200));
    assert_eq!(spool.counts().readers[0].waiting, 0);
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn each_reader_has_its_own_place() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut fast = spool.reader("fast");
    append(&spool, 0..1_000, 500);
    let mut late = spool.reader("late");
    assert_eq!(take(&mut fast, 1 << 20), sequence(0..1_000));
    // 40 MB: several segments.
    for start in (1_000..80_000).step_by(1_000) {
        append(&spool, start..start + 1_000, 500);
    }
    assert_eq!(take(&mut fast, 1 << 20), sequence(1_000..80_000));
    assert!(spool.counts().bytes > 40_000_000);
    let some = late.read(100_000).unwrap();
    assert_eq!(some.records().map(number).next(), Some(1_000));
    late.done(some.end);
    let rest = take(&mut late, 3_000);
    assert_eq!(rest, sequence(1_000 + some.count as u64..80_000));
    // What all have taken is freed: only the last segment is left.
    assert_eq!(files(&scratch.0, "segment").len(), 1);
    assert!(spool.counts().bytes < 9_000_000);
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn a_place_is_kept_over_a_restart() {
    let scratch = Scratch::new();
    let (id, before);
    {
        let spool = open(&scratch.0);
        id = spool.id();
        let mut reader = spool.reader("store");
        append(&spool, 0..1_000, 100);
        let chunk = reader.read(10_000).unwrap();
        before = chunk.count as u64;
        reader.done(chunk.end);
        spool.close();
        append(&spool, 5_000..5_010, 100);
        assert_eq!(spool.counts().dropped, 10);
    }
    let spool = open(&scratch.0);
    assert_eq!(spool.id(), id);
    assert_eq!(spool.counts().readers[0].waiting, 1_000 - before);
    append(&spool, 1_000..2_000, 100);
    let mut reader = spool.reader("store");
    assert_eq!(take(&mut reader, 4_000), sequence(before..2_000));
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn many_restarts_leave_nothing_behind() {
    let scratch = Scratch::new();
    for round in 0..20 {
        let spool = open(&scratch.0);
        let mut reader = spool.reader("store");
        append(&spool, round * 10..round * 10 + 10, 100);
        if round % 3 == 2 {
            assert_eq!(
                take(&mut reader, 300),
                sequence((round - 2) * 10..round * 10 + 10)
            );
        }
    }
    let spool = open(&scratch.0);
    assert_eq!(take(&mut spool.reader("store"), 1000), sequence(180..200));
    drop(spool);
    drop(open(&scratch.0));
    assert_eq!(files(&scratch.0, "segment").len(), 0);
}

#[test]
fn a_sink_may_know_better_where_it_was() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut reader = spool.reader("store");
    append(&spool, 0..100, 100);
    let place = reader.read(540).unwrap().end;
    append(&spool, 100..200_000, 100);
    reader.set(place);
    assert_eq!(spool.counts().readers[0].waiting, 200_000 - 5);
    assert_eq!(
        reader.read(100).unwrap().records().map(number).next(),
        Some(5)
    );
    // Not between records.
    let between = Position {
        offset: place.offset + 50,
        ..place
    };
    reader.set(between);
    assert_eq!(reader.position(), place);
    reader.set(Position { offset: 0, ..place });
    assert_eq!(
        reader.read(100).unwrap().records().map(number).next(),
        Some(0)
    );
    // Behind the end, and before the beginning.
    for position in [
        Position {
            segment: u64::MAX,
            offset: 0,
        },
        Position {
            segment: u64::MAX,
            offset: u64::MAX,
        },
    ] {
        reader.set(position);
        assert!(reader.read(100).is_none());
        assert_eq!(spool.counts().readers[0].waiting, 0);
    }
    reader.set(Position {
        segment: 0,
        offset: 7,
    });
    let oldest = take(&mut reader, 1 << 20);
    assert_eq!(oldest.last(), Some(&199_999));
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn a_sink_that_is_forgotten_holds_nothing_up() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut store = spool.reader("store");
    let mut gone = spool.reader("redis");
    append(&spool, 0..100_000, 200);
    take(&mut store, 1 << 20);
    assert_eq!(files(&scratch.0, "segment").len(), 3);
    let chunk = gone.read(1000).unwrap();
    spool.forget("redis");
    gone.done(chunk.end);
    assert!(gone.read(1000).is_none() && !gone.wait(Duration::ZERO));
    assert_eq!(files(&scratch.0, "segment").len(), 1);
    assert_eq!(files(&scratch.0, "cursor").len(), 1);
    assert_eq!(spool.counts().readers.len(), 1);
}

#[test]
fn a_reader_waits_until_there_is_something() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut reader = spool.reader("store");
    assert!(!reader.wait(Duration::from_millis(1)));
    let waiting = std::thread::spawn(move || {
        assert!(reader.wait(Duration::from_secs(60)));
        assert_eq!(take(&mut reader, 1000), [7]);
        assert!(
            !reader.wait(Duration::from_secs(60)),
            "the spool was closed"
        );
    });
    append(&spool, [7], 20);
    while spool.counts().readers[0].waiting > 0 {
        std::thread::yield_now();
    }
    spool.close();
    waiting.join().unwrap();
}

#[test]
fn two_readers_and_two_writers_at_once() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let readers = [("a", 700), ("b", 100_000)].map(|(name, most)| {
        let mut reader = spool.reader(name);
        std::thread::spawn(move || {
            let mut seen = Vec::new();
            while seen.len() < 40_000 {
                reader.wait(Duration::from_secs(1));
                seen.extend(take(&mut reader, most));
            }
            seen
        })
    });
    let writers = [0, 20_000].map(|start| {
        let spool = spool.clone();
        std::thread::spawn(move || {
            for number in start..start + 20_000 {
                append(&spool, [number], 300);
            }
        })
    });
    let [(), ()] = writers.map(|writer| writer.join().unwrap());
    let [a, b] = readers.map(|reader| reader.join().unwrap());
    assert_eq!(a, b);
    let (low, high): (Vec<_>, Vec<_>) = a.into_iter().partition(|n| *n < 20_000);
    assert_eq!((low, high), (sequence(0..20_000), sequence(20_000..40_000)));
}

#[test]
fn a_second_process_is_told_who_is_the_first() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let refused = Spool::open(&scratch.0, BOUND).unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::ResourceBusy);
    let text = refused.to_string();
    assert!(
        text.contains(&format!("process {}", std::process::id())),
        "{text}"
    );
    assert!(text.contains(scratch.0.to_str().unwrap()), "{text}");
    drop(spool);
    open(&scratch.0);
}

#[test]
fn a_closed_spool_leaves_its_directory_when_the_last_reader_is_gone() {
    let scratch = Scratch::new();
    let spool = open(&scratch.0);
    let mut reader = spool.reader("store");
    append(&spool, 0..10, 50);
    spool.close();
    let busy = Spool::open(&scratch.0, BOUND).unwrap_err();
    assert_eq!(busy.kind(), io::ErrorKind::ResourceBusy);
    let chunk = reader.read(200).unwrap();
    reader.done(chunk.end);
    drop(reader);
    let again = open(&scratch.0);
    assert_eq!(spool.counts().readers[0].waiting, 7);
    assert_eq!(take(&mut again.reader("store"), 1000), sequence(3..10));
}

#[test]
fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new();
    let directory = scratch.0.join("spool");
    let spool = open(&directory);
    let _reader = spool.reader("store");
    append(&spool, 0..1, 20);
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&directory), 0o700);
    let entries = std::fs::read_dir(&directory).unwrap();
    let modes: Vec<_> = entries.map(|e| mode(&e.unwrap().path())).collect();
    assert_eq!(modes, [0o600; 4]);
}
