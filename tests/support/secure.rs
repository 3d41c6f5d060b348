//! A client over TLS that sends exactly the bytes it is told to.

use super::certificates::{Authority, Pair};
use super::{PATIENCE, Reply};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use socket2::{Domain, Socket, Type};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

/// A connection.
pub struct Secure {
    pub stream: StreamOwned<ClientConnection, TcpStream>,
    /// Bytes that were read but belong to the next answer.
    ahead: Vec<u8>,
}

/// A client that trusts this authority, speaks TLS 1.3 and 1.2, and never comes back with a ticket.
pub fn trusting(authority: &Authority) -> ClientConfig {
    client(authority, &[&TLS13, &TLS12], None)
}

/// A client of these versions, with this certificate.
pub fn client(
    authority: &Authority,
    versions: &[&'static SupportedProtocolVersion],
    own: Option<&Pair>,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.der.clone()).unwrap();
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match own {
        Some(own) => builder
            .with_client_auth_cert(own.chain(), own.private())
            .unwrap(),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    config
}

impl Secure {
    /// Connects and does a handshake.
    ///
    /// # Errors
    /// The handshake failed. (In TLS 1.3 a refused client learns of it when it reads.)
    pub fn try_open(address: SocketAddr, name: &str, config: &ClientConfig) -> io::Result<Self> {
        Secure::over(plain(address)?, name, config)
    }

    /// # Panics
    /// When the handshake fails.
    pub fn open(address: SocketAddr, name: &str, config: &ClientConfig) -> Self {
        Secure::try_open(address, name, config).unwrap()
    }

    /// Does a handshake over this connection.
    ///
    /// # Errors
    /// The handshake failed.
    pub fn over(mut socket: TcpStream, name: &str, config: &ClientConfig) -> io::Result<Self> {
        let name = ServerName::try_from(name.to_string()).unwrap();
        let mut session = ClientConnection::new(Arc::new(config.clone()), name).unwrap();
        while session.is_handshaking() {
            session.complete_io(&mut socket)?;
        }
        Ok(Secure {
            stream: StreamOwned::new(session, socket),
            ahead: Vec::new(),
        })
    }

    pub fn session(&self) -> &ClientConnection {
        &self.stream.conn
    }

    /// The server's own certificate.
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.session().peer_certificates().unwrap()[0].clone()
    }

    pub fn is_version(&self, version: ProtocolVersion) -> bool {
        self.session().protocol_version() == Some(version)
    }

    /// Whether it came back with a ticket.
    pub fn is_resumed(&self) -> bool {
        self.session().handshake_kind() == Some(HandshakeKind::Resumed)
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends although the other side may have closed already.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())?;
        self.stream.flush()
    }

    /// `GET path` with this `Host`, and its answer. The connection stays open.
    pub fn get(&mut self, host: &str, path: &str) -> Reply {
        self.try_get(host, path).unwrap()
    }

    /// The same.
    ///
    /// # Errors
    /// The connection ended.
    pub fn try_get(&mut self, host: &str, path: &str) -> io::Result<Reply> {
        self.try_send(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))?;
        self.reply()
    }

    /// Reads the head of an answer; what follows it stays to be read.
    ///
    /// # Errors
    /// The connection ended.
    pub fn head(&mut self) -> io::Result<Reply> {
        let end = loop {
            if let Some(end) = find(&self.ahead, b"\r\n\r\n") {
                break end + 4;
            }
            self.more()?;
        };
        let head: Vec<u8> = self.ahead.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let status = status.parse().unwrap();
        let fields = lines.filter_map(|line| {
            let (name, value) = line.split_once(':')?;
            Some((name.to_string(), value.trim().to_string()))
        });
        Ok(Reply {
            status,
            fields: fields.collect(),
            head: head.clone(),
            ..Reply::default()
        })
    }

    /// Reads an answer.
    ///
    /// # Errors
    /// The connection ended before it did.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut reply = self.head()?;
        if matches!(reply.status, 101 | 204 | 304) {
            return Ok(reply);
        }
        if reply.field("transfer-encoding").is_some() {
            while let Some(chunk) = self.chunk()? {
                reply.body.extend(chunk);
            }
        } else if let Some(length) = reply.field("content-length") {
            reply.body = self.exactly(length.parse().unwrap())?;
        } else {
            reply.body = self.rest()?;
        }
        Ok(reply)
    }

    /// Reads one chunk; `None` after the last one, whose trailers are passed over.
    ///
    /// # Errors
    /// The connection ended.
    pub fn chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.line()?;
        let size = usize::from_str_radix(line.trim(), 16).unwrap();
        if size == 0 {
            while !self.line()?.is_empty() {}
            return Ok(None);
        }
        let data = self.exactly(size)?;
        assert_eq!(self.exactly(2)?, b"\r\n");
        Ok(Some(data))
    }

    fn line(&mut self) -> io::Result<String> {
        let end = loop {
            if let Some(end) = find(&self.ahead, b"\r\n") {
                break end;
            }
            self.more()?;
        };
        let line: Vec<u8> = self.ahead.drain(..end + 2).collect();
        Ok(String::from_utf8_lossy(&line[..end]).into_owned())
    }

    /// Reads so many bytes.
    ///
    /// # Errors
    /// The connection ended.
    pub fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.ahead.len() < n {
            self.more()?;
        }
        Ok(self.ahead.drain(..n).collect())
    }

    /// Reads until the other side says that it ends (close_notify).
    ///
    /// # Errors
    /// It ended without saying so.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = std::mem::take(&mut self.ahead);
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Reads some bytes.
    fn more(&mut self) -> io::Result<()> {
        let mut space = [0; 65536];
        match self.stream.read(&mut space)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            n => {
                self.ahead.extend_from_slice(&space[..n]);
                Ok(())
            }
        }
    }
}

/// A connection without TLS.
///
/// # Errors
/// Nobody takes it.
pub fn plain(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect(address)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}

/// A connection without TLS from an address of this machine's (127.0.0.2 is one).
pub fn plain_from(source: [u8; 4], address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((source, 0)).into()).unwrap();
    socket.connect(&address.into()).unwrap();
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket.set_write_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A client's first flight for this name.
pub fn hello(name: &str, config: &ClientConfig) -> Vec<u8> {
    let name = ServerName::try_from(name.to_string()).unwrap();
    let mut session = ClientConnection::new(Arc::new(config.clone()), name).unwrap();
    let mut bytes = Vec::new();
    while session.wants_write() {
        session.write_tls(&mut bytes).unwrap();
    }
    bytes
}

/// Reads until the other side ends the connection, in whatever way: what came.
///
/// # Panics
/// When it stays open.
pub fn until_closed(socket: &mut TcpStream) -> Vec<u8> {
    let mut all = Vec::new();
    match socket.read_to_end(&mut all) {
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
            panic!("it stays open: {e}")
        }
        _ => all,
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}
