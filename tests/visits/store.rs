//! A database that is away, locked, damaged, foreign or full: told, waited for, never made worse.

use crate::support::{Client, Folder, Parvis, until};
use crate::{
    DATABASE, ON, again, app, configuration, count, counted, database, end, query, rows, see, sink,
    stored, texts, trouble, view,
};
use std::process::{Command, Stdio};

/// Runs a parvis that cannot start; what it says.
fn refused(folder: &Folder, text: &str) -> String {
    Parvis::write_configuration(folder, text);
    let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["run", "-c"])
        .arg(folder.join("parvis.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(folder.join("refused.log")).unwrap())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let status = until("parvis ends", || {
        said = folder.read("refused.log");
        if said.contains("parvis is serving") {
            child.kill().unwrap();
        }
        child.try_wait().unwrap()
    });
    assert_eq!(status.code(), Some(1), "{said}");
    said
}

/// Each says which file it is about, and these words.
fn says(said: &str, words: &[&str]) {
    for word in words {
        assert!(said.contains(word), "no {word:?} in {said}");
    }
}

/// A folder with a database that has three visits in it, and parvis ended.
fn three() -> (crate::Backend, String, Parvis) {
    let app = app();
    let text = configuration(&app, "", "", ON);
    let mut parvis = Parvis::start(&text);
    for path in ["/1", "/2", "/3"] {
        see(&parvis, path, "");
    }
    stored(&parvis.folder, 3);
    end(&mut parvis);
    (app, text, parvis)
}

fn take(parvis: &mut Parvis) -> Folder {
    std::mem::replace(&mut parvis.folder, Folder::new())
}

#[test]
fn a_database_that_cannot_be_used_is_told_at_the_start_and_left_as_it_is() {
    let (app, text, mut parvis) = three();
    let folder = take(&mut parvis);
    let file = folder.join(DATABASE);
    let good = std::fs::read(&file).unwrap();

    std::fs::write(
        &file,
        "this is no database, it is a shopping list: milk, eggs",
    )
    .unwrap();
    says(
        &refused(&folder, &text),
        &[DATABASE, "not an SQLite database", "move this one away"],
    );
    assert!(
        std::fs::read_to_string(&file).unwrap().ends_with("eggs"),
        "it was changed"
    );

    std::fs::write(&file, &good).unwrap();
    let db = database(&file).unwrap();
    db.execute_batch("PRAGMA user_version = 99").unwrap();
    drop(db);
    says(&refused(&folder, &text), &[DATABASE, "later parvis", "99"]);

    std::fs::remove_file(&file).unwrap();
    let db = rusqlite::Connection::open(&file).unwrap();
    db.execute_batch("CREATE TABLE songs (name TEXT)").unwrap();
    drop(db);
    says(&refused(&folder, &text), &[DATABASE, "another program's"]);

    std::fs::remove_file(&file).unwrap();
    std::fs::create_dir(&file).unwrap();
    says(&refused(&folder, &text), &[DATABASE, "folder"]);
    std::fs::remove_dir(&file).unwrap();

    let nowhere = configuration(
        &app,
        "",
        "store = \"@DIR/none/visits.sqlite\"\nspool = \"@DIR/spool\"",
        ON,
    );
    says(
        &refused(&folder, &nowhere),
        &["none/visits.sqlite", "does not exist"],
    );

    // What was good is good again.
    std::fs::write(&file, good).unwrap();
    let parvis = Parvis::start_in(folder, &text, &[]);
    see(&parvis, "/4", "");
    counted(&parvis, 4);
    assert_eq!(
        texts(&stored(&parvis.folder, 4), "path"),
        ["/1", "/2", "/3", "/4"]
    );
}

#[test]
fn a_database_that_is_missing_at_the_start_is_made_anew() {
    let (_app, text, mut parvis) = three();
    let folder = take(&mut parvis);
    for name in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(&format!("{DATABASE}{name}")));
    }
    let parvis = Parvis::start_in(folder, &text, &[]);
    see(&parvis, "/4", "");
    until("the new one is stored", || {
        texts(&rows(&parvis.folder), "path")
            .contains(&"/4")
            .then_some(())
    });
    let rows = rows(&parvis.folder);
    assert_eq!(
        texts(&rows, "path")
            .iter()
            .filter(|path| **path == "/4")
            .count(),
        1
    );
}

#[test]
fn a_database_that_is_moved_away_in_the_middle_is_made_anew() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    see(&parvis, "/old", "");
    stored(&parvis.folder, 1);
    for end in ["", "-wal", "-shm"] {
        let name = format!("{DATABASE}{end}");
        let _ = std::fs::rename(
            parvis.folder.join(&name),
            parvis.folder.join(&format!("away{end}")),
        );
    }
    let mut client = parvis.client();
    let mut sent = 0;
    until("a new database has visits", || {
        view(&mut client, &format!("/new/{sent}"), "");
        sent += 1;
        (count(&parvis.folder) > 0).then_some(())
    });
    until("all are in one of both", || {
        let old = database(&parvis.folder.join("away"))?;
        let old: i64 = old
            .query_row("SELECT count(*) FROM visits", [], |row| row.get(0))
            .ok()?;
        (old.cast_unsigned() + count(&parvis.folder) == sent + 1).then_some(())
    });
}

#[test]
fn a_folder_in_the_databases_place_is_waited_for() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "", ON));
    see(&parvis, "/1", "");
    stored(&parvis.folder, 1);
    let file = parvis.folder.join(DATABASE);
    for end in ["", "-wal", "-shm"] {
        let name = format!("{DATABASE}{end}");
        let _ = std::fs::rename(
            parvis.folder.join(&name),
            parvis.folder.join(&format!("away{end}")),
        );
    }
    std::fs::create_dir(&file).unwrap();
    let mut client = parvis.client();
    let mut sent = 1;
    until("it is told", || {
        sent += 1;
        view(&mut client, &format!("/{sent}"), "");
        let error = sink(&parvis, "store")["error"].as_str()?.to_string();
        error.contains("folder").then_some(())
    });
    assert!(parvis.log().contains(DATABASE), "{}", parvis.log());
    std::fs::remove_dir(&file).unwrap();
    for end in ["-shm", "-wal", ""] {
        let name = format!("{DATABASE}{end}");
        let _ = std::fs::rename(
            parvis.folder.join(&format!("away{end}")),
            parvis.folder.join(&name),
        );
    }
    let expected: Vec<String> = (1..=sent).map(|n| format!("/{n}")).collect();
    assert_eq!(texts(&stored(&parvis.folder, sent), "path"), expected);
    counted(&parvis, sent);
    assert_eq!(sink(&parvis, "store")["up"], true);
}

#[test]
fn a_database_that_is_locked_is_waited_for() {
    let app = app();
    let parvis = Parvis::start(&configuration(&app, "", "warn_at = 50", ON));
    see(&parvis, "/0", "");
    stored(&parvis.folder, 1);
    let db = database(&parvis.folder.join(DATABASE)).unwrap();
    db.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut client = parvis.client();
    for page in 1..=100 {
        view(&mut client, &format!("/{page}"), "");
    }
    trouble(&parvis, "store", "locked");
    assert_eq!(parvis.metric("parvis_visits_sink_up{sink=\"store\"}"), 0.0);
    until("it is warned", || {
        parvis
            .log()
            .contains("visits wait to be delivered")
            .then_some(())
    });
    assert!(sink(&parvis, "store")["waiting"].as_u64() >= Some(100));
    // Questions are answered meanwhile.
    assert_eq!(crate::ask(&parvis, "overview/")["all_time"]["views"], 1);
    db.execute_batch("ROLLBACK").unwrap();
    let rows = stored(&parvis.folder, 101);
    let expected: Vec<String> = (0..=100).map(|n| format!("/{n}")).collect();
    assert_eq!(texts(&rows, "path"), expected);
    until("it is over", || {
        parvis
            .log()
            .contains("visits are delivered again")
            .then_some(())
    });
    assert!(sink(&parvis, "store")["error"].is_null());
}

#[test]
fn a_database_that_is_damaged_inside_is_told_and_mended() {
    let (_app, text, mut parvis) = three();
    let folder = take(&mut parvis);
    let file = folder.join(DATABASE);
    let good = std::fs::read(&file).unwrap();
    // The first page says which tables there are; all behind it is rubbish.
    let mut bad = good.clone();
    bad[8192..].fill(0x5a);
    std::fs::write(&file, &bad).unwrap();
    let parvis = Parvis::start_in(folder, &text, &[]);
    see(&parvis, "/4", "");
    let told = trouble(&parvis, "store", "damaged");
    says(&told, &[DATABASE, ".recover", "spool"]);
    says(&parvis.log(), &["damaged", ".recover"]);
    let left = std::fs::read(&file).unwrap();
    assert!(left[8192..] == bad[8192..], "it was made worse");
    // What was saved of it is put in its place.
    std::fs::write(parvis.folder.join("saved"), &good).unwrap();
    for name in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(parvis.folder.join(&format!("{DATABASE}{name}")));
    }
    std::fs::rename(parvis.folder.join("saved"), &file).unwrap();
    let rows = stored(&parvis.folder, 4);
    assert_eq!(texts(&rows, "path"), ["/1", "/2", "/3", "/4"]);
    counted(&parvis, 4);
}

#[test]
fn who_asks_for_the_numbers_of_a_damaged_database_is_not_told_that_there_are_none() {
    let (_app, text, mut parvis) = three();
    let folder = take(&mut parvis);
    let mut bytes = std::fs::read(folder.join(DATABASE)).unwrap();
    bytes[8192..].fill(0x5a);
    std::fs::write(folder.join(DATABASE), &bytes).unwrap();
    let parvis = Parvis::start_in(folder, &text, &[]);
    trouble(&parvis, "store", "damaged");
    let reply = parvis.admin_request("GET", "/api/analytics/overview/", "");
    assert_eq!(reply.status, 503, "{}", reply.text());
    says(&reply.text(), &["damaged"]);
}

#[test]
fn two_processes_do_not_write_to_one_database() {
    let app = app();
    let first = Parvis::start(&configuration(&app, "", "", ON));
    see(&first, "/1", "");
    let path = first.folder.join(DATABASE);
    let folder = Folder::new();
    let store = format!("store = {path:?}");
    let own = format!("{store}\nspool = \"@DIR/spool\"");
    says(
        &refused(&folder, &configuration(&app, "", &own, ON)),
        &["another parvis", DATABASE],
    );
    says(
        &refused(&folder, &configuration(&app, "", &store, ON)),
        &[DATABASE, "in use by process"],
    );
    let spool = format!(
        "store = \"@DIR/own.sqlite\"\nspool = \"{}.spool\"",
        path.display()
    );
    says(
        &refused(&folder, &configuration(&app, "", &spool, ON)),
        &["spool", "in use by process"],
    );
    see(&first, "/2", "");
    counted(&first, 2);
}

/// Files of the process may have so many bytes: what a full disk does, without one.
fn limit(parvis: &Parvis, bytes: &str) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &parvis.pid().to_string(),
            &format!("--fsize={bytes}:unlimited"),
        ])
        .status();
    assert!(status.unwrap().success());
}

#[test]
fn a_full_disk_loses_nothing_and_harms_nothing() {
    let app = app();
    let text = configuration(&app, "", "", ON);
    let folder = Folder::new();
    let log = folder.join("parvis.log");
    let parvis = Parvis::start_as(folder, &text, |command| {
        // A write beyond the limit fails, as it should, instead of ending the process.
        let mut ignoring = Command::new("env");
        ignoring
            .arg("--ignore-signal=XFSZ")
            .arg(command.get_program());
        ignoring
            .args(command.get_args())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        ignoring.stderr(std::fs::File::create(log).unwrap());
        *command = ignoring;
    });
    see(&parvis, "/0", "");
    stored(&parvis.folder, 1);
    // First the database cannot grow, then visits cannot even wait on disk.
    limit(&parvis, "200000");
    let filler = "x".repeat(900);
    let mut client = Client::connect(parvis.address());
    let mut come = |pages: std::ops::RangeInclusive<u32>| {
        for page in pages {
            view(&mut client, &format!("/{page}/{filler}"), "");
        }
    };
    come(1..=400);
    trouble(&parvis, "store", "cannot");
    limit(&parvis, "1000");
    come(401..=600);
    until("visits wait in memory", || {
        (parvis.status()["visits"]["held_bytes"].as_u64() > Some(100_000)).then_some(())
    });
    limit(&parvis, "unlimited");
    let rows = stored(&parvis.folder, 601);
    let numbers = texts(&rows, "path");
    let numbers = numbers
        .iter()
        .map(|path| path.split('/').nth(1).unwrap().parse::<u32>().unwrap());
    assert!(numbers.eq(0..=600));
    counted(&parvis, 601);
    assert_eq!(parvis.status()["visits"]["lost"], 0);
    assert_eq!(
        query(&parvis.folder, "PRAGMA integrity_check")[0]["integrity_check"],
        "ok"
    );
    drop(again(parvis, &text));
}
