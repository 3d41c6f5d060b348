//! What is kept in memory, and how much of it.

use crate::support::{Client, Parvis};
use crate::{Random, at, decoded, folder, lives, noise, prose, serve_with};
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

const MIB: u64 = 1024 * 1024;

/// More files than the memory holds, asked for in any order and changed meanwhile: whether each
/// answer is right.
fn right_in(top: &str) {
    const FILES: u64 = 100;
    let folder = folder(&[]);
    let name = |n: u64| format!("{n}.{}", if n.is_multiple_of(2) { "txt" } else { "bin" });
    let content = |n: u64, version: u64| match n % 2 {
        0 => prose(n + version * FILES, 10_000).into_bytes(),
        _ => noise(n + version * FILES, 10_000 + n as usize),
    };
    for n in 0..FILES {
        std::fs::write(at(&folder, &name(n)), content(n, 0)).unwrap();
    }
    let mut parvis = serve_with(folder, top, "", "");
    let mut random = Random(0x5eed);
    let mut client = parvis.client();
    let mut versions = [0; FILES as usize];
    for round in 0..4 {
        for _ in 0..500 {
            // Some much more often than others.
            let n = match random.below(3) {
                0 => random.below(FILES),
                _ => random.below(10),
            };
            let coding = random.one(&["identity", "gzip", "br", "zstd"]);
            let range = random.below(8) == 0;
            let mut fields = format!("Accept-Encoding: {coding}\r\n");
            if range {
                fields.push_str("Range: bytes=100-199\r\n");
            }
            let path = format!("/{}", name(n));
            let reply = client.request("GET", &path, &fields, b"");
            let expected = content(n, versions[n as usize]);
            if range {
                assert_eq!((reply.status, &reply.body[..]), (206, &expected[100..200]));
            } else {
                assert_eq!(reply.status, 200);
                assert!(
                    decoded(&reply) == expected,
                    "{path}, {coding}, round {round}"
                );
            }
        }
        for n in 0..10 {
            versions[n as usize] += 1;
            let version = versions[n as usize];
            std::fs::write(at(&parvis.folder, &name(n)), content(n, version)).unwrap();
        }
        for n in 0..10 {
            let expected = content(n, versions[n as usize]);
            let path = format!("/{}", name(n));
            crate::changes::seen("the change", || client.get(&path).body == expected);
        }
    }
    lives(&mut parvis);
}

#[test]
fn more_files_than_fit_into_memory_are_right() {
    right_in("[files]\nmemory = \"256KiB\"\n");
}

#[test]
fn files_without_any_memory_are_right() {
    right_in("[files]\nmemory = \"0\"\n");
}

#[test]
fn files_larger_than_what_is_kept_are_right() {
    right_in("[files]\nlargest = \"8KiB\"\n");
    right_in("[files]\nmemory = \"1\"\nlargest = \"1\"\n");
}

#[test]
fn files_that_all_fit_into_memory_are_right() {
    right_in("");
}

#[test]
fn two_thousand_different_files_are_right() {
    const FILES: u64 = 2000;
    let folder = folder(&[]);
    for n in 0..FILES {
        let directory = at(&folder, &format!("d{}", n % 20));
        std::fs::create_dir_all(&directory).unwrap();
        let text = format!("{n}: {}", prose(n, 500 + (n as usize * 7) % 3000));
        std::fs::write(directory.join(format!("{n}.txt")), text).unwrap();
    }
    let mut parvis = serve_with(folder, "", "", "");
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let parvis = &parvis;
            scope.spawn(move || {
                let mut random = Random(0x5eed + thread);
                let mut client = parvis.client();
                for i in 0..2 * FILES {
                    // Each once in order, then any.
                    let n = if i < FILES { i } else { random.below(FILES) };
                    let coding = random.one(&["identity", "gzip", "zstd"]);
                    let fields = format!("Accept-Encoding: {coding}\r\n");
                    let path = format!("/d{}/{n}.txt", n % 20);
                    let reply = client.request("GET", &path, &fields, b"");
                    let text = format!("{n}: {}", prose(n, 500 + (n as usize * 7) % 3000));
                    assert!(decoded(&reply) == text.as_bytes(), "{path}, {coding}");
                }
            });
        }
    });
    lives(&mut parvis);
}

/// Memory does not grow with the number of files that were ever asked for.
#[test]
fn memory_stays_within_what_it_may_be() {
    let folder = folder(&[]);
    for n in 0..200 {
        std::fs::write(at(&folder, &format!("{n}.bin")), noise(n, 500_000)).unwrap();
    }
    let parvis = serve_with(folder, "[files]\nmemory = \"8MiB\"\n", "", "");
    let mut client = parvis.client();
    for n in 0..4 {
        client.get(&format!("/{n}.bin"));
    }
    let before = parvis.memory();
    for _ in 0..3 {
        for n in 0..200 {
            assert_eq!(client.get(&format!("/{n}.bin")).body.len(), 500_000);
        }
    }
    // What it may keep, and buffers.
    let added = parvis.peak_memory().saturating_sub(before);
    assert!(added < 20 * MIB, "{added} bytes for 100 MB of files");
}

const LARGE: usize = 60 * 1024 * 1024;

/// parvis before a file of 60 MB that shrinks or not, and its memory after a small request of the
/// kind.
fn large(name: &str) -> (Parvis, u64, Vec<u8>) {
    let folder = folder(&[]);
    let bytes = match name.ends_with(".txt") {
        // Longer than any window.
        true => prose(1, 10_000_019)
            .repeat(LARGE / 10_000_019 + 1)
            .into_bytes()[..LARGE]
            .to_vec(),
        false => noise(1, LARGE),
    };
    std::fs::write(at(&folder, name), &bytes).unwrap();
    std::fs::write(at(&folder, "small.txt"), &bytes[..10_000]).unwrap();
    let parvis = serve_with(folder, "", "", "");
    let mut client = parvis.client();
    for coding in ["gzip", "br", "zstd", "identity"] {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        client.request("GET", "/small.txt", &fields, b"");
    }
    let before = parvis.memory();
    (parvis, before, bytes)
}

#[test]
fn a_large_file_is_sent_in_little_memory() {
    let (parvis, before, bytes) = large("large.bin");
    for fields in ["", "Accept-Encoding: br, gzip\r\n", "Range: bytes=1-\r\n"] {
        let reply = parvis.client().request("GET", "/large.bin", fields, b"");
        let from = usize::from(reply.status == 206);
        assert!(reply.body == bytes[from..], "{fields}");
    }
    let added = parvis.peak_memory().saturating_sub(before);
    assert!(added < 20 * MIB, "{added} bytes were added");
}

#[test]
fn a_large_file_is_encoded_in_little_memory() {
    for coding in ["gzip", "zstd", "br"] {
        let (parvis, before, bytes) = large("large.txt");
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let reply = parvis.client().request("GET", "/large.txt", &fields, b"");
        assert_eq!(reply.all("content-encoding"), [coding]);
        assert!(decoded(&reply) == bytes, "{coding}");
        let added = parvis.peak_memory().saturating_sub(before);
        assert!(added < 32 * MIB, "{coding}: {added} bytes were added");
    }
}

/// Clients that ask and do not read hold no more than a buffer each, or an encoder.
#[test]
fn clients_that_do_not_read_cost_little_memory() {
    const CLIENTS: u64 = 16;
    for (coding, each) in [
        ("identity", MIB),
        ("gzip", 10 * MIB),
        ("zstd", 10 * MIB),
        ("br", 10 * MIB),
    ] {
        let fields = format!("Accept-Encoding: {coding}\r\n");
        let (parvis, before, _) = large("large.txt");
        let mut clients: Vec<Client> = (0..CLIENTS).map(|_| parvis.client()).collect();
        for client in &mut clients {
            // Full the sooner.
            let socket = socket2::SockRef::from(&client.stream);
            socket.set_recv_buffer_size(8192).unwrap();
            client.send(format!(
                "GET /large.txt HTTP/1.1\r\nHost: test\r\n{fields}\r\n"
            ));
        }
        for client in &mut clients {
            assert_eq!(client.head_only().status, 200);
        }
        // Until the sockets are full: the process no longer works.
        let busy = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", parvis.pid())).unwrap();
            let fields = stat.rsplit_once(')').unwrap().1;
            let times: Vec<u64> = fields
                .split_whitespace()
                .skip(11)
                .take(2)
                .map(|n| n.parse().unwrap())
                .collect();
            times[0] + times[1]
        };
        let mut last = busy();
        let began = Instant::now();
        loop {
            std::thread::sleep(Duration::from_millis(200));
            let now = busy();
            if now - last <= 1 {
                break;
            }
            last = now;
            assert!(began.elapsed().as_secs() < 120, "parvis never waits");
        }
        let added = parvis.peak_memory().saturating_sub(before);
        assert!(
            added < CLIENTS * each,
            "{coding}: {added} bytes for {CLIENTS} clients"
        );
        assert_eq!(parvis.get("/small.txt").status, 200);
    }
}

/// What is read from disk may stay open to be sent again, but not what was cut off, deleted or left
/// in the middle again and again.
#[test]
fn downloads_that_are_left_in_the_middle_leave_nothing_open() {
    let folder = folder(&[("dir/index.html", "index")]);
    for n in 0..100 {
        std::fs::write(at(&folder, &format!("{n}.txt")), prose(n, 2000)).unwrap();
    }
    let large = at(&folder, "large.bin");
    std::fs::write(&large, noise(1, 8_000_000)).unwrap();
    let parvis = serve_with(folder, "", "", "autoindex = true");
    let open = || {
        let directory = format!("/proc/{}/fd", parvis.pid());
        std::fs::read_dir(directory)
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| target.starts_with(parvis.folder.join("root")))
            .count()
    };
    for n in 0..100 {
        for path in [
            format!("/{n}.txt"),
            "/dir/".into(),
            "/".into(),
            "/none".into(),
        ] {
            parvis.get(&path);
        }
        let mut client = parvis.client();
        client.send("GET /large.bin HTTP/1.1\r\nHost: test\r\n\r\n");
        client.exactly(1000);
        drop(client);
        // Another one each time.
        let next = large.with_extension("next");
        std::fs::write(&next, noise(n, 8_000_000)).unwrap();
        std::fs::rename(next, &large).unwrap();
    }
    parvis.get("/large.bin");
    crate::support::until("files are closed", || {
        parvis.client().request("HEAD", "/large.bin", "", b"");
        (open() <= 2).then_some(())
    });
}

/// However much memory the operator allows, files that are kept open leave descriptors for
/// connections.
#[test]
fn descriptors_do_not_run_out() {
    const FILES: u64 = 1500;
    const LIMIT: u64 = 1024;
    let folder = folder(&[]);
    for n in 0..FILES {
        std::fs::write(at(&folder, &format!("{n}.bin")), noise(n, 2000)).unwrap();
    }
    let configuration = crate::configuration(
        "[files]\nmemory = \"1GiB\"\nlargest = \"1KiB\"\n",
        "",
        "autoindex = true",
    );
    let mut parvis = Parvis::start_as(folder, &configuration, |command| {
        // SAFETY: setrlimit may be called between fork and exec.
        unsafe {
            command.pre_exec(|| {
                let limit = libc::rlimit {
                    rlim_cur: LIMIT,
                    rlim_max: LIMIT,
                };
                match libc::setrlimit(libc::RLIMIT_NOFILE, &limit) {
                    0 => Ok(()),
                    _ => Err(std::io::Error::last_os_error()),
                }
            });
        }
    });
    let mut client = parvis.client();
    for n in 0..FILES {
        let reply = client.get(&format!("/{n}.bin"));
        assert_eq!(reply.status, 200, "file {n}");
        assert!(reply.body == noise(n, 2000));
    }
    // And there is room for many clients at once.
    let mut clients: Vec<Client> = (0..200).map(|_| parvis.client()).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        let reply = client.get(&format!("/{n}.bin"));
        assert_eq!(reply.status, 200, "client {n}");
    }
    lives(&mut parvis);
}

#[test]
fn a_page_at_many_addresses_is_kept_and_encoded_once() {
    let folder = folder(&[]);
    std::fs::write(at(&folder, "index.html"), prose(1, 200_000)).unwrap();
    let parvis = serve_with(folder, "", "", "try = [\"{path}\", \"/index.html\"]");
    let mut client = parvis.client();
    let mut get = |path: &str| {
        let reply = client.request("GET", path, "Accept-Encoding: gzip\r\n", b"");
        assert_eq!(decoded(&reply), prose(1, 200_000).into_bytes());
        reply.field("etag").unwrap()
    };
    // The best form, made for one address, is there for all.
    let best = crate::support::until("the best form", || {
        let tag = get("/");
        tag.ends_with("-gzip\"").then_some(tag)
    });
    for n in 0..100 {
        assert_eq!(get(&format!("/address/{n}")), best);
    }
    let metrics = parvis.admin_request("GET", "/metrics", "").text();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("parvis_files_memory_bytes "));
    let bytes: u64 = line.unwrap().parse().unwrap();
    assert!((200_000..600_000).contains(&bytes), "{bytes}");
}
