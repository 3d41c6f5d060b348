//! A log whose destination takes nothing holds up nobody.

use crate::support::{Backend, Client, Folder, Parvis, until};
use crate::{TO_FILE, configuration, logging};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Sends more requests than the log's queue holds and its destination takes, and checks that each
/// is answered. Returns how many.
fn flood(parvis: &Parvis) -> u64 {
    const CONNECTIONS: u64 = 4;
    const REQUESTS: u64 = 60;
    let address = parvis.address();
    // One line fills a buffer: 240 of them are more than 128 in the queue, one in the writer's
    // hand and two in a pipe.
    let agent = "a".repeat(40_000);
    let clients: Vec<_> = (0..CONNECTIONS)
        .map(|_| {
            let agent = agent.clone();
            std::thread::spawn(move || {
                let mut client = Client::connect(address);
                for _ in 0..REQUESTS {
                    let fields = format!("User-Agent: {agent}\r\n");
                    assert_eq!(client.request("GET", "/own", &fields, b"").status, 200);
                }
            })
        })
        .collect();
    for client in clients {
        client.join().expect("a request was not answered");
    }
    // A request is noted after its answer.
    until("all are noted", || {
        (parvis.metric("parvis_requests_in_flight") == 0.0).then_some(())
    });
    CONNECTIONS * REQUESTS
}

/// Lines that can be read from a log that was stuck, each of them whole.
fn drained(from: impl Read) -> u64 {
    let mut count = 0;
    for line in BufReader::new(from).lines() {
        let line = line.unwrap();
        serde_json::from_str::<Value>(&line).unwrap_or_else(|e| panic!("{e}: {line:.100}"));
        count += 1;
    }
    count
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_request() {
    let backend = Backend::text("app");
    let (reader, writer) = std::io::pipe().unwrap();
    let mut parvis = Parvis::start_as(
        Folder::new(),
        &configuration("access = \"stdout\"", &backend),
        |command| {
            command.stdout(writer);
        },
    );
    let sent = flood(&parvis);
    let dropped = parvis.metric("parvis_log_dropped_total");
    assert!(dropped > 0.0, "nothing was dropped: the log was not stuck");
    assert_eq!(parvis.status()["log_dropped"], dropped as u64);
    // What was not dropped is still there, and whole, once somebody reads.
    let reading = std::thread::spawn(move || drained(reader));
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
    assert_eq!(reading.join().unwrap() + dropped as u64, sent);
}

fn fifo(path: &Path) {
    let made = Command::new("mkfifo").arg(path).status().unwrap();
    assert!(made.success());
}

#[test]
fn a_fifo_without_a_reader_holds_up_neither_the_start_nor_requests_nor_the_operator() {
    let backend = Backend::text("app");
    let folder = Folder::new();
    let path: PathBuf = folder.join("access.log");
    fifo(&path);
    let mut parvis = Parvis::start_in(folder, &configuration(TO_FILE, &backend), &[]);
    flood(&parvis);
    assert!(parvis.metric("parvis_log_dropped_total") > 0.0);
    // While it is stuck: reopening, reloading, the admin interface.
    parvis.signal("USR1");
    assert_eq!(parvis.admin_request("GET", "/health", "").status, 200);
    parvis.signal("USR1");
    let reload = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reload.status, 200, "{}", reload.text());
    assert_eq!(parvis.admin_request("GET", "/health", "").status, 200);
    assert_eq!(parvis.get("/own").status, 200);
    assert!(std::fs::metadata(&path).unwrap().file_type().is_fifo());
    // And the end.
    parvis.signal("TERM");
    assert_eq!(parvis.wait().code(), Some(0));
}

#[test]
fn a_fifo_with_a_reader_gets_the_lines() {
    let backend = Backend::text("app");
    let folder = Folder::new();
    let path = folder.join("access.log");
    fifo(&path);
    let parvis = Parvis::start_in(folder, &configuration(TO_FILE, &backend), &[]);
    let reading = std::thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(std::fs::File::open(path).unwrap())
            .read_line(&mut line)
            .unwrap();
        line
    });
    parvis.get("/piped");
    let line: Value = serde_json::from_str(&reading.join().unwrap()).unwrap();
    assert_eq!(line["path"], "/piped");
}

#[test]
fn a_full_disk_holds_up_no_request_and_is_said_once() {
    let backend = Backend::text("app");
    let parvis = logging("access = \"/dev/full\"", &backend);
    for _ in 0..5 {
        assert_eq!(parvis.get("/").status, 200);
    }
    until("the lines are counted as dropped", || {
        (parvis.metric("parvis_log_dropped_total") == 5.0).then_some(())
    });
    let said = parvis
        .log()
        .matches("the access log cannot be written")
        .count();
    assert_eq!(said, 1, "{}", parvis.log());
}
