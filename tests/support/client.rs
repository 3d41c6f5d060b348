//! A client that sends exactly the bytes it is told to.

use super::PATIENCE;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// A connection.
pub struct Client {
    pub stream: TcpStream,
    /// Bytes that were read but belong to the next answer.
    ahead: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Reply {
    pub status: u16,
    /// Fields as they came: names in the case sent.
    pub fields: Vec<(String, String)>,
    /// The body, chunks taken apart.
    pub body: Vec<u8>,
    /// Trailers after the last chunk.
    pub trailers: Vec<(String, String)>,
    /// The head as it came.
    pub head: String,
}

impl Reply {
    /// The value of a field; several are joined with `, `.
    pub fn field(&self, name: &str) -> Option<String> {
        let all = self.all(name);
        (!all.is_empty()).then(|| all.join(", "))
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let same = |n: &&(String, String)| n.0.eq_ignore_ascii_case(name);
        self.fields
            .iter()
            .filter(same)
            .map(|(_, value)| value.clone())
            .collect()
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.text()))
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends although the other side may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    pub fn close_write(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// `GET path` with `Host: test`, and its answer. The connection stays open.
    pub fn get(&mut self, path: &str) -> Reply {
        self.get_from("test", path)
    }

    /// The same with another `Host`.
    pub fn get_from(&mut self, host: &str, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        self.reply()
    }

    /// The same of a server that may close the connection without a word.
    pub fn try_get_from(&mut self, host: &str, path: &str) -> Option<Reply> {
        let asked = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        self.try_send(asked).ok()?;
        (!self.is_closed()).then(|| self.reply())
    }

    /// A request with these fields (each ending in CRLF) and body; `Host: test` and the length are
    /// added. Returns the answer.
    pub fn request(&mut self, method: &str, path: &str, fields: &str, body: &[u8]) -> Reply {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: test\r\n{fields}");
        if !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH") {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        self.send(head);
        self.send(body);
        if method == "HEAD" {
            self.head_only()
        } else {
            self.reply()
        }
    }

    /// Reads the head of an answer; what follows it stays to be read.
    pub fn head_only(&mut self) -> Reply {
        let end = loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                break end + 4;
            }
            assert!(
                self.more() > 0,
                "closed within a head: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        };
        let head =
            String::from_utf8_lossy(&self.ahead.drain(..end).collect::<Vec<_>>()).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let fields = lines.filter_map(field).collect();
        Reply {
            status,
            fields,
            head,
            ..Reply::default()
        }
    }

    /// Reads a final answer; interim ones (1xx) are passed over.
    pub fn reply(&mut self) -> Reply {
        loop {
            let mut reply = self.head_only();
            if (100..200).contains(&reply.status) && reply.status != 101 {
                continue;
            }
            if matches!(reply.status, 101 | 204 | 304) {
                return reply;
            }
            let chunked = reply
                .field("transfer-encoding")
                .is_some_and(|te| te.eq_ignore_ascii_case("chunked"));
            if chunked {
                while let Some(chunk) = self.chunk(&mut reply.trailers) {
                    reply.body.extend(chunk);
                }
            } else if let Some(length) = reply.field("content-length") {
                reply.body = self.exactly(length.parse().unwrap());
            } else {
                reply.body = self.rest();
            }
            return reply;
        }
    }

    /// Reads one chunk; after the last one its trailers are read, and `None` is returned.
    pub fn chunk(&mut self, trailers: &mut Vec<(String, String)>) -> Option<Vec<u8>> {
        let line = self.line();
        let size = usize::from_str_radix(line.split(';').next().unwrap().trim(), 16)
            .unwrap_or_else(|_| panic!("no chunk size: {line:?}"));
        if size == 0 {
            loop {
                let line = self.line();
                if line.is_empty() {
                    return None;
                }
                trailers.extend(field(&line));
            }
        }
        let data = self.exactly(size);
        assert_eq!(self.exactly(2), b"\r\n");
        Some(data)
    }

    pub fn line(&mut self) -> String {
        let end = loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                break end;
            }
            assert!(
                self.more() > 0,
                "closed within a line: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
        String::from_utf8_lossy(&line[..end]).into_owned()
    }

    /// Reads so many bytes.
    pub fn exactly(&mut self, n: usize) -> Vec<u8> {
        while self.ahead.len() < n {
            assert!(
                self.more() > 0,
                "closed after {} of {n} bytes",
                self.ahead.len()
            );
        }
        self.ahead.drain(..n).collect()
    }

    /// Reads what comes next, at most `space.len()` bytes; 0 at the end. Nothing is kept, so it
    /// is the way to read a gigabyte.
    pub fn read(&mut self, space: &mut [u8]) -> usize {
        if self.ahead.is_empty() {
            return self.stream.read(space).unwrap();
        }
        let n = self.ahead.len().min(space.len());
        space[..n].copy_from_slice(&self.ahead[..n]);
        self.ahead.drain(..n);
        n
    }

    /// The same where the other side may end the connection in the middle: a reset is an end.
    pub fn read_or_end(&mut self, space: &mut [u8]) -> usize {
        if self.ahead.is_empty() {
            return match self.stream.read(space) {
                Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
                read => read.unwrap(),
            };
        }
        self.read(space)
    }

    /// Reads until the other side closes. A reset counts as closed.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() > 0 {}
        std::mem::take(&mut self.ahead)
    }

    /// Whether the other side closes without sending another byte.
    pub fn is_closed(&mut self) -> bool {
        self.ahead.is_empty() && self.more() == 0
    }

    fn more(&mut self) -> usize {
        let mut space = [0u8; 65536];
        match self.stream.read(&mut space) {
            Ok(n) => {
                self.ahead.extend_from_slice(&space[..n]);
                n
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => 0,
            Err(error) => panic!(
                "nothing came: {error}; so far: {:?}",
                String::from_utf8_lossy(&self.ahead)
            ),
        }
    }
}

fn field(line: &str) -> Option<(String, String)> {
    let (name, value) = line.split_once(':')?;
    Some((name.to_string(), value.trim().to_string()))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
