//! Files that cannot be used, and what an operator is told.

use super::sinking::{append, spool, wait_for};
use super::*;
use crate::visits::sink::SinkCounters;
use crate::visits::spool::Spool;
use crate::visits::statistics::api::{Asked, Desk};
use crate::visits::store::trouble::Kind;
use crate::visits::store::{StoreSink, schema};
use std::os::unix::fs::PermissionsExt;

fn refused(path: &Path) -> String {
    let mut policy = policy(Path::new("/nowhere"), "UTC");
    policy.path = path.to_path_buf();
    Store::open(&policy).map(|_| ()).unwrap_err().0
}

#[test]
fn only_its_owner_may_read_it() {
    let bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1)]);
    for end in ["", "-wal", "-shm", "-lock"] {
        let file = schema::beside(&bench.policy.path, end);
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn a_place_that_cannot_be_used_is_told() {
    let folder = Folder::new();
    let text = refused(&folder.0);
    assert!(text.contains("is a folder: name a file, such as"), "{text}");
    let text = refused(&folder.0.join("missing/visits.sqlite"));
    let expected = format!("the folder {}/missing does not exist", folder.0.display());
    assert!(text.contains(&expected), "{text}");
    let text = refused(Path::new("/proc/visits.sqlite"));
    assert!(
        text.contains("/proc/visits.sqlite cannot be made ("),
        "{text}"
    );
    let missing = Store::read_only(&folder.0.join("none.sqlite"), &BTreeMap::new());
    let text = missing.unwrap_err().0;
    assert!(text.contains("no visit has been stored yet"), "{text}");
}

#[test]
fn two_do_not_write_to_one_file() {
    let mut bench = Bench::new("UTC");
    let text = refused(&bench.policy.path);
    assert!(text.contains("is written by another parvis"), "{text}");
    bench.restart();
}

#[test]
fn what_is_no_database_of_ours_is_left_as_it_is() {
    let folder = Folder::new();
    let garbage = folder.0.join("garbage");
    std::fs::write(&garbage, "This is not a database. ".repeat(1000)).unwrap();
    let text = refused(&garbage);
    assert!(
        text.contains("is not an SQLite database: name another"),
        "{text}"
    );
    assert_eq!(std::fs::metadata(&garbage).unwrap().len(), 24_000);

    let other = folder.0.join("other");
    let db = Connection::open(&other).unwrap();
    db.execute_batch("CREATE TABLE theirs (a)").unwrap();
    let text = refused(&other);
    assert!(text.contains("is another program's database"), "{text}");

    let mut bench = Bench::new("UTC");
    bench.take(&[visit(NOON, 1)]);
    let path = bench.policy.path.clone();
    drop(bench.shared());
    let db = Connection::open(&path).unwrap();
    db.execute_batch("PRAGMA user_version = 9").unwrap();
    for text in [
        refused(&path),
        Store::read_only(&path, &BTreeMap::new()).unwrap_err().0,
    ] {
        assert!(
            text.contains("written by a later parvis (schema 9;"),
            "{text}"
        );
    }
    db.execute_batch("PRAGMA user_version = 1; DROP TABLE days")
        .unwrap();
    drop(db);
    // No reason not to start, but nothing is told.
    let store = Store::open_with(&bench.policy, bench.clock()).unwrap();
    let text = store.totals("shop", TODAY, TODAY).unwrap_err().0;
    assert!(text.contains("is damaged (tables are missing)"), "{text}");
}

#[test]
fn a_file_that_may_only_be_read_is_told() {
    let folder = Folder::new();
    let path = folder.0.join("visits.sqlite");
    drop(Store::open(&policy(&folder.0, "UTC")).unwrap());
    // Root may write to any file: SQLite is asked to open it to read.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
    let db = Connection::open_with_flags(&path, flags).unwrap();
    let error = db.execute("DELETE FROM visits", []).unwrap_err();
    let failure = super::super::trouble::failure(&path, &error);
    assert_eq!(failure.kind, Kind::ReadOnly);
    let text = failure.trouble.0;
    assert!(
        text.contains("the right to write to the file and its folder"),
        "{text}"
    );
}

/// A store with some days, of which all but one are closed.
fn filled() -> Bench {
    let bench = Bench::new("UTC");
    for day in 0..4 {
        let visits: Vec<_> = (0..3000)
            .map(|n| visit(NOON - day * DAY + n as i64 * SECOND, n))
            .collect();
        bench.take(&visits);
    }
    bench.set_clock(NOON + HOUR);
    bench.keep();
    bench
}

/// A sink on a damaged file fails and waits; with a good file in its place all visits come.
fn mended(mut bench: Bench) {
    let spool = spool(&bench);
    bench.restart();
    let store = bench.shared();
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    append(&spool, (0..1000).map(|n| (NOON + HOUR + n, n as u64)));
    wait_for("trouble", || counters.failures() > 1);
    assert_eq!((counters.delivered(), counters.is_up()), (0, false));
    let error = counters.error().unwrap();
    assert!(error.contains("is damaged ("), "{error}");
    assert!(error.contains(".recover"), "{error}");
    // What the message says to do.
    for end in ["", "-wal", "-shm"] {
        let file = schema::beside(store.path(), end);
        let _ = std::fs::rename(&file, schema::beside(&file, ".broken"));
    }
    wait_for("stored", || counters.delivered() == 1000);
    assert!(counters.is_up());
    assert_eq!(told(&store, "shop"), [(TODAY, 1000, 1000)]);
    check(&store);
    sink.end(Duration::from_secs(10));
}

fn broken(bench: &mut Bench, harm: impl FnOnce(&mut Vec<u8>)) {
    let path = bench.policy.path.clone();
    drop(bench.shared());
    assert!(!schema::beside(&path, "-wal").exists());
    let mut bytes = std::fs::read(&path).unwrap();
    harm(&mut bytes);
    std::fs::write(&path, bytes).unwrap();
}

#[test]
fn a_file_that_was_cut_in_the_middle_is_told_and_replaced() {
    let mut bench = filled();
    broken(&mut bench, |bytes| {
        bytes.truncate(bytes.len() / 16384 * 8192)
    });
    mended(bench);
}

#[test]
fn a_page_of_zeros_is_told_and_the_file_replaced() {
    let mut bench = filled();
    // The last page of the raw rows: where the next ones go.
    let query = "SELECT pageno FROM dbstat WHERE name = 'visits' AND pagetype = 'leaf'
        ORDER BY path DESC LIMIT 1";
    let page = usize::try_from(bench.number(query)).unwrap();
    broken(&mut bench, |bytes| {
        bytes[(page - 1) * 8192..page * 8192].fill(0);
    });
    mended(bench);
}

#[test]
fn who_asks_for_the_numbers_of_a_damaged_file_is_not_told_that_there_are_none() {
    let mut bench = filled();
    let path = bench.policy.path.clone();
    broken(&mut bench, |bytes| bytes[8192..].fill(0x5a));
    bench.restart();
    let store = bench.shared();
    let damaged = |text: &str| assert!(text.contains("is damaged ("), "{text}");
    damaged(&store.sites().unwrap_err().0);
    let desk = Desk::new(store);
    let reply = desk.answer(&Asked {
        method: "GET",
        path: "/overview/",
        query: "",
        if_none_match: None,
        only_site: None,
        now: NOON,
    });
    assert_eq!(reply.status, 503);
    damaged(&String::from_utf8(reply.body).unwrap());
    let other = Store::read_only(&path, &BTreeMap::new());
    damaged(&other.map(|_| ()).unwrap_err().0);
}

#[test]
fn a_damaged_day_is_told_to_those_who_ask_for_it() {
    let bench = filled();
    let db = bench.sql();
    db.execute("UPDATE days SET summary = x'00' WHERE open = 0", [])
        .unwrap();
    let each = &mut |_: Date, _: &dyn crate::visits::statistics::Tallied| {};
    let day = TODAY.plus(-1);
    let asked = bench.store().days("shop", day, day, Detail::Summary, each);
    let text = asked.unwrap_err().0;
    assert!(
        text.contains("is damaged (the counts of 2025-11-20: "),
        "{text}"
    );
    assert!(bench.store().totals("shop", day, day).is_ok());
}

#[test]
fn a_full_disk_loses_nothing() {
    let mut bench = filled();
    let spool = spool(&bench);
    let store = bench.shared();
    let limit = |pages: i64| {
        let main = locked(&store.db);
        let db = main.db.as_ref().unwrap();
        let query = format!("PRAGMA max_page_count = {pages}");
        db.query_row(&query, [], |row| row.get::<_, i64>(0))
            .unwrap();
    };
    limit(1);
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    let total = 30_000;
    append(&spool, (0..total).map(|n| (NOON + HOUR + n, n as u64)));
    wait_for("trouble", || counters.failures() > 2);
    let error = counters.error().unwrap();
    assert!(error.contains("cannot grow ("), "{error}");
    // Readers are told what there is.
    let before = told(&store, "shop").last().unwrap().1;
    assert_eq!(before, 3000 + counters.delivered());
    limit(1_000_000);
    wait_for("stored", || counters.delivered() == total.unsigned_abs());
    assert!(counters.is_up());
    sink.end(Duration::from_secs(10));
    assert_eq!(
        told(&store, "shop").last().unwrap().1,
        3000 + total.unsigned_abs()
    );
    check(&store);
}

const LIMITED: &str = "PARVIS_TEST_STORE_LIMITED";

/// Not a test of its own: a process whose files may not grow beyond 1 MiB.
#[test]
fn limited_child() {
    let Ok(folder) = std::env::var(LIMITED) else {
        return;
    };
    let policy = policy(Path::new(&folder), "UTC");
    let store = Store::open_with(&policy, Arc::new(|| NOON)).unwrap();
    let mut stored = 0;
    let failure = loop {
        let records: Vec<_> = (0..100)
            .map(|n| record(&visit(NOON + stored + n, 1)))
            .collect();
        match store.take(records.iter().map(Vec::as_slice), None) {
            Ok(_) => stored += 100,
            Err(failure) => break failure,
        }
    };
    assert_eq!(failure.kind, Kind::Full, "{failure:?}");
    assert_eq!(told(&store, "shop"), [(TODAY, stored.unsigned_abs(), 1)]);
    println!("stored {stored}; {}", failure.trouble);
}

#[test]
fn a_limit_on_the_size_of_files_loses_nothing() {
    let folder = Folder::new();
    let child = std::process::Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2048; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args([
            "visits::store::tests::troubled::limited_child",
            "--exact",
            "--nocapture",
        ])
        .env(LIMITED, &folder.0)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(
        child.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&child.stderr)
    );
    let (_, rest) = said.split_once("stored ").unwrap();
    let stored: u64 = rest.split_once(';').unwrap().0.parse().unwrap();
    assert!(stored > 0);
    assert!(rest.contains("visits.sqlite cannot "), "{rest}");
    let store = Store::open(&policy(&folder.0, "UTC")).unwrap();
    assert_eq!(told(&store, "shop"), [(TODAY, stored, 1)]);
    check(&store);
}

#[test]
fn a_file_that_was_moved_away_is_made_anew() {
    let mut bench = filled();
    let spool = spool(&bench);
    let store = bench.shared();
    let counters = SinkCounters::default();
    let sink = StoreSink::start(store.clone(), spool.clone(), counters.clone()).unwrap();
    let moved = bench.folder.0.join("moved");
    std::fs::rename(store.path(), &moved).unwrap();
    wait_for("noticed", || counters.failures() > 0);
    append(&spool, (0..10).map(|n| (NOON + n, 1)));
    wait_for("stored", || counters.delivered() == 10);
    assert_eq!(told(&store, "shop"), [(TODAY, 10, 1)]);
    assert!(store.path().exists());
    sink.end(Duration::from_secs(10));
}

#[test]
fn another_program_that_holds_the_lock_is_waited_for() {
    let mut bench = Bench::new("UTC");
    let spool: Arc<Spool> = spool(&bench);
    let other = bench.sql();
    let store = bench.shared();
    let counters = SinkCounters::default();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let sink = StoreSink::start(store, spool.clone(), counters.clone()).unwrap();
    append(&spool, (0..10).map(|n| (NOON + n, 1)));
    wait_for("trouble", || counters.failures() > 0);
    let error = counters.error().unwrap();
    assert!(error.contains("is locked by another program"), "{error}");
    other.execute_batch("COMMIT").unwrap();
    wait_for("stored", || counters.delivered() == 10);
    sink.end(Duration::from_secs(10));
}
