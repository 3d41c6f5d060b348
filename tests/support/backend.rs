//! Backends built for a purpose: threads that answer as the test says.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A server on a port of the kernel's.
pub struct Backend {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    connections: AtomicUsize,
    requests: Mutex<Vec<Request>>,
    ended: AtomicBool,
}

/// A request as the backend received it.
#[derive(Debug, Clone, Default)]
pub struct Request {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Fields as they came.
    pub fields: Vec<(String, String)>,
    /// The body, chunks taken apart.
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// The request line.
    pub line: String,
}

impl Request {
    /// Every value of a field, joined with `, `.
    pub fn field(&self, name: &str) -> Option<String> {
        let same = |n: &&(String, String)| n.0.eq_ignore_ascii_case(name);
        let all: Vec<String> = self
            .fields
            .iter()
            .filter(same)
            .map(|(_, v)| v.clone())
            .collect();
        (!all.is_empty()).then(|| all.join(", "))
    }
}

/// A connection from parvis.
pub struct Incoming {
    pub stream: TcpStream,
    reader: BufReader<TcpStream>,
    shared: Arc<Shared>,
    /// Which connection this is, from 0.
    pub number: usize,
}

impl Backend {
    /// A server that gives each connection to `serve`, on a thread of its own. When `serve`
    /// returns, the connection is closed.
    pub fn raw(serve: impl Fn(&mut Incoming) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let own = shared.clone();
        let serve = Arc::new(serve);
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                if own.ended.load(Ordering::SeqCst) {
                    return;
                }
                let stream = stream.unwrap();
                stream.set_nodelay(true).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let number = own.connections.fetch_add(1, Ordering::SeqCst);
                let reader = BufReader::new(stream.try_clone().unwrap());
                let mut incoming = Incoming {
                    stream,
                    reader,
                    shared: own.clone(),
                    number,
                };
                let serve = serve.clone();
                // Ends with its connection, which parvis closes at the latest when it is killed.
                std::thread::spawn(move || serve(&mut incoming));
            }
        });
        Backend {
            address,
            shared,
            accepting: Some(accepting),
        }
    }

    /// A server that answers request after request with the bytes that `answer` gives.
    pub fn http(answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Backend::raw(move |incoming| {
            while let Some(request) = incoming.request() {
                if incoming.stream.write_all(&answer(&request)).is_err() {
                    return;
                }
            }
        })
    }

    /// A server that answers everything with 200 and this text.
    pub fn text(text: &str) -> Self {
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{text}",
            text.len()
        );
        Backend::http(move |_| answer.clone().into_bytes())
    }

    /// A server that answers nothing, rubbish, or not at all, by the path.
    pub fn breaking() -> Self {
        Backend::raw(|incoming| {
            let Some(request) = incoming.request() else {
                return;
            };
            match request.target.as_str() {
                "/broken/reset" => {}
                "/broken/rubbish" => drop(incoming.send("HTTP/1.1 200 OK\r\nno field\r\n\r\n")),
                _ => while incoming.read(&mut [0; 100]) > 0 {},
            }
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The requests so far, in the order in which they were read.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The last request.
    pub fn last(&self) -> Request {
        self.requests().pop().expect("no request came")
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        // Wakes the accepting thread.
        let _ = TcpStream::connect(self.address);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
    }
}

impl Incoming {
    /// Reads a head; its body stays to be read. `None` when the connection ended.
    pub fn head(&mut self) -> Option<Request> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim_end().to_string();
        let mut parts = line.split(' ');
        let method = parts.next().unwrap().to_string();
        let target = parts.next().unwrap_or_default().to_string();
        let fields = self.fields()?;
        Some(Request {
            method,
            target,
            fields,
            line,
            ..Request::default()
        })
    }

    fn fields(&mut self) -> Option<Vec<(String, String)>> {
        let mut fields = Vec::new();
        loop {
            let mut line = String::new();
            if self.reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Some(fields);
            }
            let (name, value) = line.split_once(':')?;
            fields.push((name.to_string(), value.trim().to_string()));
        }
    }

    /// Reads a request with its body, and notes it. `None` when the connection ended before that.
    pub fn request(&mut self) -> Option<Request> {
        let mut request = self.head()?;
        let chunked = request
            .field("transfer-encoding")
            .is_some_and(|te| te.eq_ignore_ascii_case("chunked"));
        if chunked {
            loop {
                let mut line = String::new();
                if self.reader.read_line(&mut line).ok()? == 0 {
                    return None;
                }
                let size = usize::from_str_radix(line.trim_end().split(';').next()?, 16).ok()?;
                if size == 0 {
                    request.trailers = self.fields()?;
                    break;
                }
                let start = request.body.len();
                request.body.resize(start + size + 2, 0);
                self.reader.read_exact(&mut request.body[start..]).ok()?;
                request.body.truncate(start + size);
            }
        } else if let Some(length) = request.field("content-length") {
            request.body.resize(length.parse().ok()?, 0);
            self.reader.read_exact(&mut request.body).ok()?;
        }
        self.shared.requests.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// Reads what comes next, at most `space.len()` bytes; 0 at the end.
    pub fn read(&mut self, space: &mut [u8]) -> usize {
        self.reader.read(space).unwrap_or(0)
    }

    /// Reads one chunk of a chunked body; empty for the last one, whose trailers (and the empty
    /// line) stay to be read. `None` when the connection ended before that.
    pub fn chunk(&mut self) -> Option<Vec<u8>> {
        let mut line = String::new();
        if self.reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let size = usize::from_str_radix(line.trim_end().split(';').next()?, 16).ok()?;
        if size == 0 {
            return Some(Vec::new());
        }
        let mut data = vec![0; size + 2];
        self.reader.read_exact(&mut data).ok()?;
        data.truncate(size);
        Some(data)
    }

    /// Reads so many bytes; `None` when the connection ended before.
    pub fn exactly(&mut self, n: usize) -> Option<Vec<u8>> {
        let mut data = vec![0; n];
        self.reader.read_exact(&mut data).ok()?;
        Some(data)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }
}

/// A server on a Unix socket that answers everything with 200 and this text.
pub fn unix(path: &std::path::Path, text: &'static str) {
    let listener = std::os::unix::net::UnixListener::bind(path).unwrap();
    // Ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            std::thread::spawn(move || {
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                loop {
                    let mut line = String::new();
                    while line != "\r\n" {
                        line.clear();
                        if reader.read_line(&mut line).unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    let length = text.len();
                    let _ = write!(
                        stream,
                        "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{text}"
                    );
                }
            });
        }
    });
}

/// An address on which nobody listens: bound by the kernel and given back.
pub fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
}
