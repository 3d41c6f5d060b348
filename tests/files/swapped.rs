//! A large file that changes while it is being sent.

use crate::support::{Client, Parvis};
use crate::{at, folder, lives, noise, serve_with};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::LazyLock;

const MIB: usize = 1024 * 1024;

/// Far more than the sockets of both sides take.
const SIZE: usize = 50 * MIB;

static OLD: LazyLock<Vec<u8>> = LazyLock::new(|| noise(1, SIZE));
static NEW: LazyLock<Vec<u8>> = LazyLock::new(|| noise(2, SIZE));

struct Download {
    parvis: Parvis,
    client: Client,
    path: PathBuf,
    /// What came so far.
    body: Vec<u8>,
}

/// A download of a large file of which the first MiB was taken.
fn begun() -> Download {
    let folder = folder(&[("small.txt", "small")]);
    let path = at(&folder, "large.bin");
    std::fs::write(&path, &*OLD).unwrap();
    let parvis = serve_with(folder, "", "", "");
    let mut client = parvis.client();
    client.send("GET /large.bin HTTP/1.1\r\nHost: test\r\n\r\n");
    let reply = client.head_only();
    assert_eq!(reply.status, 200);
    assert_eq!(reply.field("content-length"), Some(SIZE.to_string()));
    let body = client.exactly(MIB);
    Download {
        parvis,
        client,
        path,
        body,
    }
}

impl Download {
    /// Takes the rest: until all came, or the connection ended.
    fn take(&mut self) {
        let mut space = vec![0; 256 * 1024];
        while self.body.len() < SIZE {
            let most = space.len().min(SIZE - self.body.len());
            match self.client.read_or_end(&mut space[..most]) {
                0 => return,
                n => self.body.extend_from_slice(&space[..n]),
            }
        }
    }

    fn is_old(&self, length: usize) -> bool {
        self.body[..length] == OLD[..length]
    }

    /// After a download that ended early, everything else goes on.
    fn ended_early(mut self) {
        assert!(
            self.body.len() < SIZE,
            "complete, although the file changed"
        );
        assert_eq!(self.parvis.get("/small.txt").text(), "small");
        lives(&mut self.parvis);
    }
}

#[test]
fn one_that_is_replaced_is_sent_to_its_old_end() {
    let mut download = begun();
    let next = download.path.with_extension("next");
    std::fs::write(&next, &*NEW).unwrap();
    std::fs::rename(&next, &download.path).unwrap();
    download.take();
    assert_eq!(download.body.len(), SIZE);
    assert!(download.is_old(SIZE), "mixed");
    // The connection is still of use, and the new one is there.
    let fields = "Range: bytes=1048576-1048675\r\n";
    crate::changes::seen("the new file", || {
        let reply = download.client.request("GET", "/large.bin", fields, b"");
        assert_eq!(reply.status, 206);
        reply.body == NEW[MIB..MIB + 100]
    });
}

#[test]
fn one_that_is_deleted_is_sent_to_its_end() {
    let mut download = begun();
    std::fs::remove_file(&download.path).unwrap();
    download.take();
    assert_eq!(download.body.len(), SIZE);
    assert!(download.is_old(SIZE), "mixed");
    crate::changes::seen("that it is gone", || {
        download.client.get("/large.bin").status == 404
    });
}

#[test]
fn one_that_is_truncated_ends_the_connection_early() {
    for length in [0, 40 * MIB, SIZE - 1] {
        let mut download = begun();
        let file = File::options().write(true).open(&download.path).unwrap();
        file.set_len(length as u64).unwrap();
        download.take();
        // What lies before the new end was never anything else.
        assert!(download.is_old(download.body.len().min(length.max(MIB))));
        download.ended_early();
    }
}

#[test]
fn one_that_is_overwritten_is_never_sent_whole_and_mixed() {
    // All of it, the part that is sent already, and a little near the end.
    for (from, to) in [(0, SIZE), (0, MIB / 2), (SIZE - 4096, SIZE)] {
        let mut download = begun();
        let file = File::options().write(true).open(&download.path).unwrap();
        file.write_all_at(&NEW[from..to], from as u64).unwrap();
        download.take();
        let whole = download.body.len() == SIZE;
        assert!(
            !whole || download.is_old(SIZE),
            "whole and mixed: {from} to {to}"
        );
        assert_eq!(download.parvis.get("/small.txt").text(), "small");
        lives(&mut download.parvis);
    }
}

/// The same again and again while it goes on.
#[test]
fn one_that_is_overwritten_while_it_is_taken_is_never_sent_whole_and_mixed() {
    let mut download = begun();
    let file = File::options().write(true).open(&download.path).unwrap();
    let mut space = vec![0; 256 * 1024];
    let mut at = 0;
    while download.body.len() < SIZE {
        file.write_all_at(&NEW[at..at + 65536], at as u64).unwrap();
        at = (at + MIB) % (SIZE - 65536);
        let most = space.len().min(SIZE - download.body.len());
        match download.client.read_or_end(&mut space[..most]) {
            0 => break,
            n => download.body.extend_from_slice(&space[..n]),
        }
    }
    download.ended_early();
}

/// A log that is written while it is fetched: what is sent is right, as far as it is sent.
#[test]
fn one_that_grows_is_never_sent_longer_than_was_said() {
    let mut download = begun();
    let file = File::options().append(true).open(&download.path).unwrap();
    for n in 0..20 {
        std::io::Write::write_all(&mut &file, &NEW[n * 65536..(n + 1) * 65536]).unwrap();
    }
    download.take();
    assert!(download.is_old(download.body.len()));
    // Nothing comes beyond the length that was said.
    if download.body.len() == SIZE {
        assert_eq!(download.client.get("/small.txt").text(), "small");
    }
    lives(&mut download.parvis);
}

/// Several ranges are read from one file, whatever happens to its name.
#[test]
fn ranges_of_one_that_is_replaced_are_all_of_the_old() {
    let folder = folder(&[]);
    let path = at(&folder, "large.bin");
    std::fs::write(&path, &*OLD).unwrap();
    let parvis = serve_with(folder, "", "", "");
    let mut client = parvis.client();
    let half = SIZE / 2;
    client.send(format!(
        "GET /large.bin HTTP/1.1\r\nHost: test\r\nRange: bytes=0-{},{}-\r\n\r\n",
        half - 2,
        half
    ));
    let reply = client.head_only();
    assert_eq!(reply.status, 206);
    let length: usize = reply.field("content-length").unwrap().parse().unwrap();
    let mut body = client.exactly(MIB);
    let next = path.with_extension("next");
    std::fs::write(&next, &*NEW).unwrap();
    std::fs::rename(&next, &path).unwrap();
    let mut space = vec![0; 256 * 1024];
    while body.len() < length {
        let most = space.len().min(length - body.len());
        let n = client.read(&mut space[..most]);
        assert!(n > 0, "ended after {} of {length} bytes", body.len());
        body.extend_from_slice(&space[..n]);
    }
    let kind = reply.field("content-type").unwrap();
    let parts = crate::ranges::parts(&kind, &body, SIZE as u64);
    assert_eq!(parts.len(), 2);
    assert!(parts[0].1 == OLD[..half - 1]);
    assert!(parts[1].1 == OLD[half..]);
}

/// What is encoded on its way ends without its last chunk: no client takes it for complete.
#[test]
fn one_that_changes_while_it_is_encoded_is_never_complete() {
    for coding in ["gzip", "zstd", "br"] {
        for truncated in [true, false] {
            let folder = folder(&[("small.txt", "small")]);
            let path = at(&folder, "large.txt");
            // Shrinks a little: the sockets are full soon.
            let hex = |bytes: &[u8]| -> Vec<u8> {
                let digits = b"0123456789abcdef";
                let both = |b: &u8| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]];
                bytes.iter().flat_map(both).collect()
            };
            std::fs::write(&path, hex(&OLD[..15 * MIB])).unwrap();
            let mut parvis = serve_with(folder, "", "", "");
            let mut client = parvis.client();
            let socket = socket2::SockRef::from(&client.stream);
            socket.set_recv_buffer_size(65536).unwrap();
            client.send(format!(
                "GET /large.txt HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {coding}\r\n\r\n"
            ));
            let reply = client.head_only();
            assert_eq!(reply.all("content-encoding"), [coding]);
            client.exactly(1000);
            let file = File::options().write(true).open(&path).unwrap();
            match truncated {
                true => file.set_len(20 * MIB as u64).unwrap(),
                false => file.write_all_at(b"other", 25 * MIB as u64).unwrap(),
            }
            let rest = client.rest();
            assert!(!rest.ends_with(b"0\r\n\r\n"), "{coding}: it looks complete");
            assert_eq!(parvis.get("/small.txt").text(), "small");
            lives(&mut parvis);
        }
    }
}

#[test]
fn ranges_of_one_that_is_truncated_end_early() {
    let folder = folder(&[]);
    let root = folder.join("root");
    let mut parvis = serve_with(folder, "", "", "");
    for (name, range) in [("a.bin", "5-"), ("b.bin", "0-30000000,30000002-")] {
        let path = root.join(name);
        std::fs::write(&path, &*OLD).unwrap();
        let mut client = parvis.client();
        client.send(format!(
            "GET /{name} HTTP/1.1\r\nHost: test\r\nRange: bytes={range}\r\n\r\n"
        ));
        let reply = client.head_only();
        assert_eq!(reply.status, 206);
        let length: usize = reply.field("content-length").unwrap().parse().unwrap();
        client.exactly(MIB);
        let file = File::options().write(true).open(&path).unwrap();
        file.set_len(40 * MIB as u64).unwrap();
        let rest = client.rest();
        assert!(MIB + rest.len() < length, "{range}");
    }
    lives(&mut parvis);
}

#[test]
fn one_that_grows_or_gets_other_rights_is_sent_as_long_as_it_was() {
    for grows in [true, false] {
        let mut download = begun();
        let file = File::options().append(true).open(&download.path).unwrap();
        match grows {
            true => std::io::Write::write_all(&mut &file, b"more").unwrap(),
            false => {
                let rights = std::os::unix::fs::PermissionsExt::from_mode(0o640);
                file.set_permissions(rights).unwrap();
            }
        }
        download.take();
        assert_eq!(download.body.len(), SIZE, "grows: {grows}");
        assert!(download.is_old(SIZE), "mixed");
        assert_eq!(download.client.get("/small.txt").text(), "small");
    }
}
