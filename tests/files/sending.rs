//! Files on their way: in order, to the end, counted, and given up when nobody takes them.

use crate::support::{Client, Folder, Parvis, until};
use crate::{Random, at, decoded, folder, lives, noise, prose, serve, serve_with};
use serde_json::Value;
use std::time::{Duration, Instant};

const MIB: usize = 1024 * 1024;

/// One file that is kept in memory, one that is read while it is sent, and text of both kinds.
fn files() -> (Folder, [(&'static str, Vec<u8>); 4]) {
    let folder = folder(&[]);
    let files = [
        ("/small.bin", noise(1, 5000)),
        ("/large.bin", noise(2, 3 * MIB)),
        ("/small.txt", prose(3, 5000).into_bytes()),
        ("/large.txt", prose(4, 3 * MIB).into_bytes()),
    ];
    for (path, bytes) in &files {
        std::fs::write(at(&folder, &path[1..]), bytes).unwrap();
    }
    (folder, files)
}

#[test]
fn requests_sent_together_are_answered_in_order() {
    let (folder, files) = files();
    let parvis = serve(folder, "");
    let mut random = Random(0x5eed);
    for _ in 0..5 {
        let mut client = parvis.client();
        let mut sender = client.stream.try_clone().unwrap();
        let asked: Vec<_> = (0..40)
            .map(|_| {
                let file = random.below(4) as usize;
                let fields = random.one(&[
                    "",
                    "Accept-Encoding: gzip\r\n",
                    "Accept-Encoding: br\r\n",
                    "Range: bytes=1000-1999\r\n",
                    "If-None-Match: *\r\n",
                ]);
                (file, fields)
            })
            .collect();
        let mut requests = String::new();
        for (file, fields) in &asked {
            let path = files[*file].0;
            requests.push_str(&format!(
                "GET {path} HTTP/1.1\r\nHost: test\r\n{fields}\r\n"
            ));
        }
        std::thread::scope(|scope| {
            scope.spawn(move || std::io::Write::write_all(&mut sender, requests.as_bytes()));
            for (file, fields) in &asked {
                let reply = client.reply();
                let bytes = &files[*file].1;
                match fields {
                    f if f.starts_with("Range") => {
                        assert_eq!(reply.status, 206);
                        assert!(reply.body == bytes[1000..2000]);
                    }
                    f if f.starts_with("If-None") => assert_eq!(reply.status, 304),
                    _ => {
                        assert_eq!(reply.status, 200);
                        assert!(decoded(&reply) == *bytes);
                    }
                }
            }
        });
    }
}

/// Many downloads at once, some of which their clients leave in the middle: each gets its own.
#[test]
fn downloads_at_once_do_not_mix() {
    let folder = folder(&[]);
    let files: Vec<Vec<u8>> = (0..8)
        .map(|n| noise(n, 2 * MIB + n as usize * 9973))
        .collect();
    for (n, bytes) in files.iter().enumerate() {
        std::fs::write(at(&folder, &format!("{n}.bin")), bytes).unwrap();
    }
    let mut parvis = serve(folder, "");
    std::thread::scope(|scope| {
        for thread in 0..16 {
            let (parvis, files) = (&parvis, &files);
            scope.spawn(move || {
                let mut random = Random(0x5eed + thread);
                let mut client = parvis.client();
                for _ in 0..10 {
                    let n = random.below(files.len() as u64) as usize;
                    client.send(format!("GET /{n}.bin HTTP/1.1\r\nHost: test\r\n\r\n"));
                    if random.below(3) == 0 {
                        let reply = client.head_only();
                        let length = random.below(files[n].len() as u64) as usize;
                        assert_eq!(reply.status, 200);
                        assert!(client.exactly(length) == files[n][..length]);
                        client = parvis.client();
                    } else {
                        assert!(client.reply().body == files[n], "{n}");
                    }
                }
            });
        }
    });
    lives(&mut parvis);
}

#[test]
fn an_old_client_gets_a_large_file_encoded_until_the_connection_ends() {
    let (folder, files) = files();
    let parvis = serve(folder, "");
    for coding in ["identity", "gzip", "br", "zstd"] {
        for (path, bytes) in &files {
            let mut client = parvis.client();
            client.send(format!(
                "GET {path} HTTP/1.0\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\r\n"
            ));
            let reply = client.reply();
            assert_eq!(reply.status, 200);
            assert_eq!(reply.field("transfer-encoding"), None, "{}", reply.head);
            assert!(decoded(&reply) == *bytes, "{path} {coding}");
            assert!(client.is_closed());
        }
    }
}

#[test]
fn a_body_that_nobody_asked_for_is_passed_over() {
    let (folder, files) = files();
    let parvis = serve(folder, "");
    for (path, bytes) in &files {
        for body in [10, 100_000] {
            let mut client = parvis.client();
            let reply = client.request("GET", path, "X-A: 1\r\n", &vec![b'x'; body]);
            assert_eq!(reply.status, 200);
            assert!(reply.body == *bytes);
            let closed = reply.field("connection").is_some_and(|c| c == "close");
            if !closed {
                // The body is no request.
                assert!(client.get(path).body == *bytes);
            }
        }
    }
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let folder = folder(&[]);
    std::fs::write(at(&folder, "large.bin"), noise(1, MIB).repeat(30)).unwrap();
    std::fs::write(at(&folder, "large.txt"), prose(1, 1_000_000).repeat(60)).unwrap();
    let parvis = serve_with(folder, "[server]\nsend_timeout = \"500ms\"\n", "", "");
    for (path, coding) in [("/large.bin", "identity"), ("/large.txt", "gzip")] {
        let mut client = parvis.client();
        // So that not all of it fits.
        let socket = socket2::SockRef::from(&client.stream);
        socket.set_recv_buffer_size(8192).unwrap();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\r\n"
        ));
        client.exactly(10);
        let name = parvis.folder.join("root").join(&path[1..]);
        std::fs::remove_file(&name).unwrap();
        // What is deleted is kept open by nobody.
        let held = || {
            let fds = std::fs::read_dir(format!("/proc/{}/fd", parvis.pid())).unwrap();
            fds.filter_map(|fd| std::fs::read_link(fd.unwrap().path()).ok())
                .filter(|target| target.to_string_lossy().contains(&path[1..]))
                .count()
        };
        until("the download is given up", || {
            // It is looked at anew, and no longer kept for the next one either.
            parvis.client().request("HEAD", path, "", b"");
            (held() == 0).then_some(())
        });
    }
}

/// Slow, but not silent: such a client gets all of it.
#[test]
fn a_client_that_takes_little_at_a_time_gets_all() {
    let (folder, files) = files();
    let parvis = serve_with(folder, "[server]\nsend_timeout = \"1s\"\n", "", "");
    let (path, bytes) = &files[1];
    let mut client = parvis.client();
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_recv_buffer_size(65536).unwrap();
    let began = Instant::now();
    client.send(format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n"));
    assert_eq!(client.head_only().status, 200);
    let mut body = Vec::new();
    while body.len() < bytes.len() {
        let size = (bytes.len() - body.len()).min(65536);
        body.extend(client.exactly(size));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(body == *bytes);
    assert!(began.elapsed() > Duration::from_secs(2));
}

#[test]
fn a_download_goes_on_when_parvis_is_told_to_stop() {
    let folder = folder(&[]);
    let bytes = noise(1, 30 * MIB);
    std::fs::write(at(&folder, "large.bin"), &bytes).unwrap();
    let mut parvis = serve(folder, "");
    let mut client = parvis.client();
    client.send("GET /large.bin HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    let mut body = client.exactly(MIB);
    parvis.signal("TERM");
    until("it takes no more connections", || {
        std::net::TcpStream::connect(parvis.address())
            .is_err()
            .then_some(())
    });
    body.extend(client.exactly(bytes.len() - MIB));
    assert!(body == bytes);
    assert!(parvis.wait().success());
}

#[test]
fn a_download_goes_on_over_a_reload() {
    let folder = folder(&[]);
    let bytes = noise(1, 30 * MIB);
    std::fs::write(at(&folder, "large.bin"), &bytes).unwrap();
    let parvis = serve(folder, "");
    let mut client = parvis.client();
    client.send("GET /large.bin HTTP/1.1\r\nHost: test\r\n\r\n");
    assert_eq!(client.head_only().status, 200);
    let mut body = client.exactly(MIB);
    let text = crate::configuration("[files]\nmemory = \"0\"\n", "", "");
    Parvis::write_configuration(&parvis.folder, &text);
    let reply = parvis.admin_request("POST", "/reload", "");
    assert_eq!(reply.status, 200, "{}", reply.text());
    body.extend(client.exactly(bytes.len() - MIB));
    assert!(body == bytes);
    // The same connection is of use under the new one.
    assert_eq!(client.get("/nothing").status, 404);
}

#[test]
fn what_is_sent_is_counted_and_logged() {
    let (folder, files) = files();
    folder.write("root/dir/index.html", "index");
    let top = "[log]\naccess = \"@DIR/access.log\"\nformat = \"json\"\n";
    let parvis = serve_with(folder, top, "", "");
    let mut expected = Vec::new();
    let mut exchange = |method: &str, path: &str, fields: &str| {
        let mut client = parvis.client();
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n{fields}\r\n"
        ));
        let bytes = client.rest();
        let status: u64 = String::from_utf8_lossy(&bytes[9..12]).parse().unwrap();
        let what = format!("{method} {path}");
        expected.push((what, status, bytes.len() as u64));
    };
    for (path, _) in &files {
        for fields in [
            "",
            "Accept-Encoding: br\r\n",
            "Range: bytes=10-99999\r\n",
            "Range: bytes=10-19,30-39\r\n",
            "Range: bytes=99999999-\r\n",
            "If-None-Match: *\r\n",
            "If-Match: \"x\"\r\n",
        ] {
            exchange("GET", path, fields);
            exchange("HEAD", path, fields);
        }
        exchange("POST", path, "");
    }
    exchange("GET", "/nothing", "");
    exchange("GET", "/.env", "");
    exchange("GET", "/dir", "");
    exchange("GET", "/dir/", "");
    let logged: Vec<Value> = until("all is logged", || {
        let text = parvis.folder.read("access.log");
        let lines = text.lines().filter_map(|l| serde_json::from_str(l).ok());
        let lines: Vec<Value> = lines.collect();
        (lines.len() == expected.len()).then_some(lines)
    });
    let mut found: Vec<(String, u64, u64)> = logged
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap();
            let number = |key: &str| line[key].as_u64().unwrap();
            let what = format!("{} {}", text("method"), text("path"));
            (what, number("status"), number("bytes_out"))
        })
        .collect();
    // Lines are written after the answers, in no order.
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

/// A client that leaves is nothing to worry about: no warning, and the line says how much it got.
#[test]
fn a_download_that_is_left_is_logged_with_what_was_sent() {
    let folder = folder(&[]);
    std::fs::write(at(&folder, "large.bin"), noise(1, 30 * MIB)).unwrap();
    let top = "[log]\naccess = \"@DIR/access.log\"\nformat = \"json\"\n";
    let parvis = serve_with(folder, top, "", "");
    let mut client: Client = parvis.client();
    client.send("GET /large.bin HTTP/1.1\r\nHost: test\r\n\r\n");
    client.exactly(MIB);
    drop(client);
    let line: Value = until("it is logged", || {
        let text = parvis.folder.read("access.log");
        serde_json::from_str(text.lines().next()?).ok()
    });
    let sent = line["bytes_out"].as_u64().unwrap() as usize;
    assert!((MIB..30 * MIB).contains(&sent), "{line}");
    // Nothing of ours failed.
    let log = parvis.log();
    assert!(
        !log.contains("ERROR") && !log.contains("status=500"),
        "{log}"
    );
}
