//! Spools that were copied with the disk that they are on.

use super::*;
use std::path::Path;
use std::time::SystemTime;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// Segments have the time as their name.
fn next_millisecond() {
    let now = || {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        now.unwrap().as_millis()
    };
    let began = now();
    until("the clock goes on", || now() > began);
}

#[test]
fn the_marker_of_another_machine_is_not_believed() {
    let server = Server::start(&[]);
    let policy = policy(&server, 100_000, ListMode::List);
    let image = server.directory().join("spool");
    drop({
        let spool = spool(&server);
        append(&spool, 0..10);
        spool.close();
        spool
    });
    let machines: Vec<_> = [1_000, 2_000, 3_000]
        .map(|first| {
            let directory = server.directory().join(format!("spool-{first}"));
            copy(&image, &directory);
            let spool = Arc::new(Spool::open(&directory, BOUND).unwrap());
            next_millisecond();
            append(&spool, first..first + 20);
            (first, spool)
        })
        .into();
    // The last one's marker is behind all that the others have.
    for (_, spool) in machines.iter().rev() {
        let (sink, _) = start(spool, policy.clone());
        sink.end(LONG);
        assert_eq!(waiting(spool), 0);
    }
    let mut found = numbers(&server.list(LIST));
    found.retain(|number| *number >= 1_000);
    let expected = [3_000, 2_000, 1_000].map(|first| sequence(first..first + 20));
    assert_eq!(found, expected.concat());
}

#[test]
fn machines_with_one_marker_do_not_stop_each_other() {
    let server = Server::start(&[]);
    let policy = policy(&server, 100_000, ListMode::List);
    let image = server.directory().join("spool");
    drop(spool(&server));
    let machines = [10_000, 20_000].map(|first| {
        let directory = server.directory().join(format!("spool-{first}"));
        copy(&image, &directory);
        let spool = Arc::new(Spool::open(&directory, BOUND).unwrap());
        next_millisecond();
        append(&spool, first..first + 1);
        let sink = start(&spool, policy.clone()).0;
        (first, spool, sink)
    });
    for step in (1..1_000).step_by(37) {
        for (first, spool, _) in &machines {
            append(spool, first + step..first + step + 37);
        }
        until("some are delivered", || {
            machines.iter().any(|(_, spool, _)| waiting(spool) == 0)
        });
    }
    for (_, spool, sink) in machines {
        sink.end(LONG);
        assert_eq!(waiting(&spool), 0);
    }
    let found = numbers(&server.list(LIST));
    for first in [10_000, 20_000] {
        let mine = found.iter().copied();
        let mine: Vec<u64> = mine.filter(|n| n / 10_000 == first / 10_000).collect();
        assert_eq!(mine, sequence(first..first + 1_000));
    }
}
