//! Where the log goes, how it is opened, and who may read it.

use crate::combined::combined;
use crate::support::{Backend, Client, Folder, Parvis, until};
use crate::{TO_FILE, configuration, json, lines, logging};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

#[test]
fn the_log_goes_where_it_is_told_to() {
    let backend = Backend::text("app");
    for (access, file) in [("stdout", "parvis.out"), ("stderr", "parvis.log")] {
        let parvis = logging(&format!("access = \"{access}\""), &backend);
        parvis.get("/here");
        until("the line is there", || {
            let text = parvis.folder.read(file);
            let line = text.lines().find(|line| line.starts_with('{'))?;
            let value: Value = serde_json::from_str(line).ok()?;
            (value["path"] == "/here").then_some(())
        });
        let other = if access == "stdout" {
            "parvis.log"
        } else {
            "parvis.out"
        };
        assert!(!parvis.folder.read(other).contains("/here"));
    }
    let parvis = logging("access = \"off\"", &backend);
    parvis.get("/here");
    let mut parvis = parvis;
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(parvis.output(), "");
    assert!(!parvis.log().contains("/here"));
}

#[test]
fn what_was_logged_before_the_end_is_written_before_the_end() {
    let backend = Backend::text("app");
    let mut parvis = logging(TO_FILE, &backend);
    for _ in 0..50 {
        parvis.get("/");
    }
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(parvis.folder.read("access.log").lines().count(), 50);
}

#[test]
fn a_reload_changes_destination_and_format() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    parvis.get("/first");
    lines(&parvis, "access.log", 1);
    let other = "format = \"combined\"\naccess = \"@DIR/other.log\"";
    let text = configuration(other, &backend);
    Parvis::write_configuration(&parvis.folder, &text);
    assert_eq!(parvis.admin_request("POST", "/reload", "").status, 200);
    parvis.get("/second");
    let line = combined(&lines(&parvis, "other.log", 1)[0]);
    assert_eq!(line.request, "GET /second HTTP/1.1");
    assert_eq!(json(&parvis, 1)[0]["path"], "/first");
}

#[test]
fn a_log_that_was_moved_away_is_opened_again_and_no_line_is_lost() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let address = parvis.address();
    let (old, new) = (
        parvis.folder.join("old.log"),
        parvis.folder.join("access.log"),
    );
    let paths = |name: &str| -> Vec<String> {
        let text = parvis.folder.read(name);
        let path = |line: &str| {
            let value: Value = serde_json::from_str(line).unwrap();
            value["path"].as_str().unwrap().to_string()
        };
        text.lines().map(path).collect()
    };
    let clients: Vec<_> = (0..4)
        .map(|client| {
            std::thread::spawn(move || {
                let mut connection = Client::connect(address);
                for n in 0..250 {
                    assert_eq!(connection.get(&format!("/{client}/{n}")).status, 200);
                }
            })
        })
        .collect();
    lines(&parvis, "access.log", 100);
    std::fs::rename(&new, &old).unwrap();
    parvis.signal("USR1");
    until("the log is opened again", || new.exists().then_some(()));
    let moved = std::fs::metadata(&old).unwrap().len();
    for client in clients {
        client.join().unwrap();
    }
    assert_eq!(parvis.get("/last").status, 200);
    until("the last line is written", || {
        paths("access.log")
            .contains(&"/last".to_string())
            .then_some(())
    });
    assert_eq!(
        std::fs::metadata(&old).unwrap().len(),
        moved,
        "the old file grew"
    );
    let mut all = [paths("old.log"), paths("access.log")].concat();
    until("all lines are written", || {
        all = [paths("old.log"), paths("access.log")].concat();
        (all.len() >= 1001).then_some(())
    });
    assert_eq!(all.len(), 1001);
    assert_eq!(
        BTreeSet::from_iter(&all).len(),
        1001,
        "a line was written twice"
    );
    assert_eq!(parvis.metric("parvis_log_dropped_total"), 0.0);
}

#[test]
fn a_log_may_be_read_by_its_owner_and_group_only() {
    let backend = Backend::text("app");
    let change = |command: &mut Command| {
        // SAFETY: `umask` is async-signal-safe and cannot fail.
        unsafe {
            command.pre_exec(|| {
                libc::umask(0);
                Ok(())
            })
        };
    };
    let parvis = Parvis::start_as(Folder::new(), &configuration(TO_FILE, &backend), change);
    parvis.get("/");
    lines(&parvis, "access.log", 1);
    let mode = |name: &str| {
        let metadata = std::fs::metadata(parvis.folder.join(name)).unwrap();
        metadata.permissions().mode() & 0o7777
    };
    assert_eq!(mode("access.log"), 0o640);
    std::fs::rename(
        parvis.folder.join("access.log"),
        parvis.folder.join("old.log"),
    )
    .unwrap();
    parvis.signal("USR1");
    until("it is opened again", || {
        parvis.folder.join("access.log").exists().then_some(())
    });
    assert_eq!(mode("access.log"), 0o640);
}

fn fails_to_start(log: &str, prepare: impl FnOnce(&Folder)) -> (Option<i32>, String) {
    let folder = Folder::new();
    prepare(&folder);
    Parvis::write_configuration(&folder, &configuration(log, &Backend::text("app")));
    let file = folder.join("parvis.toml");
    let mut child = Command::new(env!("CARGO_BIN_EXE_parvis"))
        .args(["run", "-c"])
        .arg(file)
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let status = until("parvis ends", || child.try_wait().unwrap());
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    (status.code(), said)
}

#[test]
fn a_log_that_cannot_be_written_ends_the_start_with_1_and_says_why() {
    // Not even root can open these.
    let (code, said) = fails_to_start(TO_FILE, |folder| {
        std::os::unix::fs::symlink("access.log", folder.join("access.log")).unwrap();
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("error: the access log /"), "{said}");
    assert!(said.contains("/access.log cannot be written: "), "{said}");
    assert!(!said.contains("serving"), "{said}");
    let (code, said) = fails_to_start(TO_FILE, |folder| {
        // A socket is no file.
        drop(std::os::unix::net::UnixListener::bind(folder.join("access.log")).unwrap());
    });
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("/access.log cannot be written: "), "{said}");
}

#[test]
fn a_log_in_a_folder_that_is_missing_is_a_wrong_configuration() {
    let (code, said) = fails_to_start("access = \"@DIR/no/access.log\"", |_| {});
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("parvis.toml:"), "{said}");
    let (code, said) = fails_to_start("access = \"@DIR\"", |_| {});
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_log_that_cannot_be_opened_again_goes_on_where_it_was() {
    let backend = Backend::text("app");
    let parvis = logging(TO_FILE, &backend);
    let path = parvis.folder.join("access.log");
    parvis.get("/first");
    lines(&parvis, "access.log", 1);
    std::fs::rename(&path, parvis.folder.join("old.log")).unwrap();
    // Nothing can be opened under that name.
    std::os::unix::fs::symlink("access.log", &path).unwrap();
    parvis.signal("USR1");
    until("the mistake is said", || {
        parvis
            .log()
            .contains("the access log cannot be opened")
            .then_some(())
    });
    parvis.get("/kept");
    assert!(lines(&parvis, "old.log", 2)[1].contains("/kept"));
    std::fs::remove_file(&path).unwrap();
    parvis.signal("USR1");
    until("it is opened", || path.exists().then_some(()));
    parvis.get("/again");
    assert!(lines(&parvis, "access.log", 1)[0].contains("/again"));
}
