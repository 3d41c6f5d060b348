//! Servers that answer, but do not take visits.

use super::*;

/// A sink in trouble: nothing is lost while it lasts, and all arrives when it is over.
fn mended(server: &Server, url: &str, advice: &str, begin: &[&str], mend: &[&str]) {
    let spool = spool(server);
    let run = |commands: &[&str]| {
        for command in commands {
            let _: redis::Value = server.run(command);
        }
    };
    run(begin);
    let policy = RedisPolicy::new(url, LIST, 100_000, ListMode::List, AddressKind::None).unwrap();
    let (sink, counters) = start(&spool, policy);
    for start in (0..3_000).step_by(100) {
        append(&spool, start..start + 100);
    }
    until("it was tried again", || counters.failures() > 2);
    let error = counters.error().unwrap();
    assert!(error.contains(advice), "{error}");
    assert!(!error.contains("sesame"), "{error}");
    assert!(!counters.is_up() && waiting(&spool) > 0);
    let position = spool.reader(NAME).position();
    run(mend);
    until("all is delivered", || waiting(&spool) == 0);
    assert!(counters.is_up() && counters.error().is_none());
    assert!(spool.reader(NAME).position() > position);
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(0..3_000));
    assert_eq!(spool.counts().lost(), 0);
}

#[test]
fn a_key_that_holds_something_else() {
    let server = Server::start(&[]);
    let (begin, mend) = (format!("SET {LIST} x"), format!("DEL {LIST}"));
    mended(
        &server,
        &server.url,
        "choose another `list`",
        &[&begin],
        &[&mend],
    );
}

#[test]
fn a_marker_is_set_back_when_the_list_took_nothing() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    let policy = policy(&server, 100_000, ListMode::List);
    append(&spool, 0..10);
    let _: String = server.run(&format!("SET {LIST} x"));
    let (sink, counters) = start(&spool, policy.clone());
    until("it was tried", || counters.failures() > 0);
    sink.end(Duration::ZERO);
    let marker: String = server.run(&format!(
        "GET {}",
        marker::key(LIST, spool.id(), &marker::machine())
    ));
    let place = marker::parse(marker.as_bytes()).unwrap();
    assert_eq!(place, spool.reader(NAME).position());
    let _: i64 = server.run(&format!("DEL {LIST}"));
    let (sink, _) = start(&spool, policy);
    sink.end(LONG);
    assert_eq!(numbers(&server.list(LIST)), sequence(0..10));
}

#[test]
fn a_wrong_password_and_none() {
    for login in ["", "?pass=wrongsesame", "?user=ann&pass=wrongsesame"] {
        let server = Server::start(&[]);
        let url = format!("{}{login}", server.url);
        let begin = ["CONFIG SET requirepass sesame"];
        let spool = spool(&server);
        let _: redis::Value = server.run(begin[0]);
        append(&spool, 0..10);
        let policy = RedisPolicy::new(&url, LIST, 100, ListMode::List, AddressKind::Full).unwrap();
        let (sink, counters) = start(&spool, policy);
        until("it was tried", || counters.failures() > 1);
        let error = counters.error().unwrap();
        assert!(
            error.contains("the right password") && !error.contains("sesame"),
            "{error}"
        );
        sink.end(Duration::ZERO);
        assert_eq!(waiting(&spool), 10);
        let right = format!("{}?pass=sesame&db=3", server.url);
        let policy = RedisPolicy::new(&right, LIST, 100, ListMode::List, AddressKind::Full);
        let (sink, _) = start(&spool, policy.unwrap());
        sink.end(LONG);
        assert_eq!(waiting(&spool), 0);
    }
}

#[test]
fn a_user_who_may_not() {
    let server = Server::start(&[]);
    let url = format!("{}?user=ann&pass=sesame", server.url);
    let begin = "ACL SETUSER ann on >sesame allkeys +@all -lpush";
    mended(
        &server,
        &url,
        "its user needs",
        &[begin],
        &["ACL SETUSER ann +lpush"],
    );
}

#[test]
fn a_server_without_memory() {
    let server = Server::start(&["--maxmemory", "1mb", "--maxmemory-policy", "noeviction"]);
    let mend = ["CONFIG SET maxmemory 0"];
    mended(&server, &server.url, "no memory left", &[], &mend);
}

#[test]
fn a_replica() {
    let server = Server::start(&[]);
    let begin = ["REPLICAOF 127.0.0.1 1"];
    mended(
        &server,
        &server.url,
        "it is a replica",
        &begin,
        &["REPLICAOF NO ONE"],
    );
}

#[test]
fn a_server_that_cannot_save() {
    let server = Server::start(&["--dbfilename", "dump", "--save", "3600 1000000000"]);
    // The place for the dump is taken, so that saving fails.
    std::fs::create_dir(server.directory().join("dump")).unwrap();
    let _: redis::Value = server.run("BGSAVE");
    until("saving failed", || {
        let info: String = server.run("INFO persistence");
        info.contains("rdb_last_bgsave_status:err")
    });
    let mend = ["CONFIG SET stop-writes-on-bgsave-error no"];
    mended(&server, &server.url, "cannot save", &[], &mend);
}

#[test]
fn a_server_that_is_none() {
    let server = Server::start(&[]);
    let spool = spool(&server);
    append(&spool, 0..10);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let answers = std::thread::spawn(move || {
        for answer in [
            &b""[..],
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            b"*-7\r\n$9999999999\r\n",
            b"+OK\r\n:3\r\n",
        ] {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 100]);
            let _ = stream.write_all(answer);
        }
    });
    let policy = RedisPolicy::new(&url, LIST, 100, ListMode::List, AddressKind::Full).unwrap();
    let (sink, counters) = start(&spool, policy);
    answers.join().unwrap();
    until("it was given up", || counters.failures() >= 4);
    sink.end(Duration::ZERO);
    assert_eq!(waiting(&spool), 10);
}
