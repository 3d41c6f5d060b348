//! A client of HTTP/2 that sends exactly the frames it is told to (RFC 9113).

use super::PATIENCE;
use super::hpack::{Decoder, Field, encode};
use socket2::{Domain, Socket, Type};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::{self, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;

/// What every connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
    pub const PRIORITY_UPDATE: u8 = 16;
}

/// Flags of frames.
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Codes of errors.
pub const NO_ERROR: u32 = 0;
pub const PROTOCOL_ERROR: u32 = 1;
pub const REFUSED_STREAM: u32 = 7;
pub const CANCEL: u32 = 8;
pub const CALM: u32 = 11;

/// The largest frame that anybody takes without being asked.
const FRAME: usize = 16_384;

/// What a connection's bytes go through.
pub trait Io: Read + Write {}
impl<T: Read + Write> Io for T {}

/// A frame as bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut out = vec![length[1], length[2], length[3], kind, flags];
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
    out
}

/// A setting as bytes.
pub fn setting(id: u16, value: u32) -> Vec<u8> {
    [id.to_be_bytes().as_slice(), &value.to_be_bytes()].concat()
}

/// An answer, as far as it came.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    /// Statuses and fields of interim answers.
    pub interim: Vec<(u16, Vec<Field>)>,
    /// 0 before it came.
    pub status: u16,
    pub fields: Vec<Field>,
    pub body: Vec<u8>,
    pub trailers: Vec<Field>,
    /// It came to its end.
    pub ended: bool,
    /// It was ended by RST_STREAM, with this code.
    pub reset: Option<u32>,
}

impl Answer {
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// # Panics
    /// When it did not come whole.
    pub fn whole(self) -> Self {
        assert!(self.ended && self.reset.is_none(), "not whole: {self:?}");
        self
    }
}

/// A connection.
pub struct Http2 {
    io: BufReader<Box<dyn Io>>,
    decoder: Decoder,
    next: u32,
    /// What the server announced.
    pub settings: BTreeMap<u16, u32>,
    /// How much may be sent: on the connection, and on each stream beside the first window.
    room: i64,
    rooms: BTreeMap<u32, i64>,
    /// Whether the server is given room for as much as came.
    pub open_windows: bool,
    streams: BTreeMap<u32, Answer>,
    /// Streams in the order in which their answers ended.
    pub ended: Vec<u32>,
    /// What the server said last: the last stream it serves, and why.
    pub goaway: Option<(u32, u32)>,
    /// Acknowledged pings.
    pub pings: Vec<Vec<u8>>,
    /// The server closed the connection.
    pub closed: bool,
    /// Of a header list that is not whole yet.
    partial: Option<(u32, u8, Vec<u8>)>,
}

impl Http2 {
    /// A connection with the server's settings read.
    pub fn connect(address: SocketAddr) -> Self {
        // A window of a MiB for each stream.
        Http2::connect_with(address, &[(4, 1 << 20)])
    }

    /// The same with settings of the client's.
    pub fn connect_with(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Http2::over(Box::new(stream), settings)
    }

    /// The same with little room on the way, so that it is the server that chooses what comes first.
    pub fn connect_narrow(address: SocketAddr, settings: &[(u16, u32)]) -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        socket.set_recv_buffer_size(32_768).unwrap();
        socket.connect(&address.into()).unwrap();
        let stream = TcpStream::from(socket);
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Http2::over(Box::new(stream), settings)
    }

    /// The same over anything.
    pub fn over(io: Box<dyn Io>, settings: &[(u16, u32)]) -> Self {
        let mut client = Http2 {
            io: BufReader::with_capacity(65_536, io),
            decoder: Decoder::default(),
            next: 1,
            settings: BTreeMap::new(),
            room: 65_535,
            rooms: BTreeMap::new(),
            open_windows: true,
            streams: BTreeMap::new(),
            ended: Vec::new(),
            goaway: None,
            pings: Vec::new(),
            closed: false,
            partial: None,
        };
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| setting(*id, *value))
            .collect();
        client.raw([PREFACE, &frame(kind::SETTINGS, 0, 0, &settings)].concat());
        client.wait("the server's settings", |c| !c.settings.is_empty());
        client
    }

    /// Sends bytes as they are.
    pub fn raw(&mut self, bytes: impl AsRef<[u8]>) {
        self.io.get_mut().write_all(bytes.as_ref()).unwrap();
    }

    /// The same where the server may have closed already. Whether it took them.
    pub fn try_raw(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.io.get_mut().write_all(bytes.as_ref()).is_ok()
    }

    /// Sends a frame.
    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.raw(frame(kind, flags, stream, payload));
    }

    /// The number of the next stream.
    pub fn number(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Opens a stream with exactly these fields.
    pub fn open<N: AsRef<[u8]>, V: AsRef<[u8]>>(&mut self, fields: &[(N, V)], end: bool) -> u32 {
        let stream = self.number();
        self.headers(stream, fields, end);
        stream
    }

    /// Sends a header list on a stream, in as many frames as it takes.
    pub fn headers<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        &mut self,
        stream: u32,
        fields: &[(N, V)],
        end: bool,
    ) {
        self.raw(header_frames(stream, fields, end));
    }

    /// Asks for something at the host `test`. `end`: there is no body.
    pub fn ask(&mut self, method: &str, path: &str, more: &[(&str, &str)], end: bool) -> u32 {
        self.open(&request(method, path, more), end)
    }

    /// `GET path`, and its answer.
    pub fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[])
    }

    /// The same with more fields.
    pub fn get_with(&mut self, path: &str, more: &[(&str, &str)]) -> Answer {
        let stream = self.ask("GET", path, more, true);
        let answer = self.answer(stream);
        assert!(!self.closed, "closed: {:?}", self.goaway);
        answer.whole()
    }

    /// Sends a body's piece as the windows allow.
    pub fn data(&mut self, stream: u32, mut bytes: &[u8], end: bool) {
        loop {
            let room = self.room(stream).min(bytes.len()).min(FRAME);
            if room > 0 || bytes.is_empty() {
                let (piece, rest) = bytes.split_at(room);
                let flags = if end && rest.is_empty() {
                    END_STREAM
                } else {
                    0
                };
                self.send(kind::DATA, flags, stream, piece);
                self.used(stream, room);
                bytes = rest;
                if bytes.is_empty() {
                    return;
                }
            } else if self.streams.get(&stream).is_some_and(|a| a.reset.is_some()) || !self.step() {
                return;
            }
        }
    }

    /// How many bytes may be sent on a stream now.
    pub fn room(&self, stream: u32) -> usize {
        let first = self.settings.get(&4).copied().unwrap_or(65_535);
        let own = i64::from(first) + self.rooms.get(&stream).copied().unwrap_or(0);
        usize::try_from(own.min(self.room)).unwrap_or(0)
    }

    fn used(&mut self, stream: u32, bytes: usize) {
        self.room -= bytes as i64;
        *self.rooms.entry(stream).or_default() -= bytes as i64;
    }

    /// Takes a request back.
    pub fn reset(&mut self, stream: u32, code: u32) {
        self.send(kind::RST_STREAM, 0, stream, &code.to_be_bytes());
    }

    /// What came of a stream's answer so far.
    pub fn so_far(&mut self, stream: u32) -> &mut Answer {
        self.streams.entry(stream).or_default()
    }

    /// Waits for the end of an answer, be it by a reset or by that of the connection.
    pub fn answer(&mut self, stream: u32) -> Answer {
        while !self.is_over(stream) && self.step() {}
        self.streams.remove(&stream).unwrap_or_default()
    }

    /// Waits for the head of an answer.
    pub fn head(&mut self, stream: u32) -> Answer {
        while self.so_far(stream).status == 0 && !self.is_over(stream) && self.step() {}
        self.so_far(stream).clone()
    }

    /// Whether nothing more will come of a stream.
    pub fn is_over(&self, stream: u32) -> bool {
        let over = |answer: &Answer| answer.ended || answer.reset.is_some();
        self.streams.get(&stream).is_some_and(over)
    }

    /// Reads until `condition` is true.
    ///
    /// # Panics
    /// When the connection ends before.
    pub fn wait(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        while !condition(self) {
            assert!(self.step(), "closed before {what}; {:?}", self.goaway);
        }
    }

    /// Reads to the end of the connection: what GOAWAY said, if one came.
    pub fn end(&mut self) -> Option<(u32, u32)> {
        while self.step() {}
        self.goaway
    }

    /// Whether the connection still serves: a PING comes back.
    pub fn lives(&mut self) -> bool {
        let before = self.pings.len();
        if !self.try_raw(frame(kind::PING, 0, 0, b"alive?!.")) {
            // What it said before it closed is still to be read.
            while self.step() {}
            return false;
        }
        while self.pings.len() == before {
            if !self.step() {
                return false;
            }
        }
        true
    }

    /// Reads one frame. False at the end of the connection.
    ///
    /// # Panics
    /// When none comes, or what comes is none.
    pub fn step(&mut self) -> bool {
        let mut head = [0; 9];
        if !self.read(&mut head) {
            self.closed = true;
            return false;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= FRAME, "a frame of {length} bytes");
        let stream = u32::from_be_bytes(head[5..].try_into().unwrap()) & 0x7fff_ffff;
        let mut payload = vec![0; length];
        if !self.read(&mut payload) {
            self.closed = true;
            return false;
        }
        self.came(head[3], head[4], stream, payload);
        true
    }

    fn read(&mut self, space: &mut [u8]) -> bool {
        match self.io.read_exact(space) {
            Ok(()) => true,
            Err(error) => match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                    false
                }
                _ => panic!("no frame came: {error}; so far: {:?}", self.streams),
            },
        }
    }

    fn came(&mut self, kind: u8, flags: u8, stream: u32, payload: Vec<u8>) {
        let word = || u32::from_be_bytes(payload[..4].try_into().unwrap());
        match kind {
            kind::DATA => {
                let answer = self.streams.entry(stream).or_default();
                assert!(answer.status != 0 && !answer.ended, "DATA without HEADERS");
                answer.body.extend_from_slice(&payload);
                if self.open_windows && !payload.is_empty() {
                    self.give(0, payload.len());
                    if flags & END_STREAM == 0 {
                        self.give(stream, payload.len());
                    }
                }
                self.ends(stream, flags);
            }
            kind::HEADERS | kind::CONTINUATION => {
                let (stream, first, block) = match self.partial.take() {
                    Some((stream, first, block)) => (stream, first, [block, payload].concat()),
                    None => (stream, flags, payload),
                };
                if flags & END_HEADERS == 0 {
                    self.partial = Some((stream, first, block));
                } else {
                    self.fields(stream, first, &block);
                }
            }
            kind::RST_STREAM => {
                let code = word();
                self.streams.entry(stream).or_default().reset = Some(code);
            }
            kind::SETTINGS if flags & ACK == 0 => {
                for setting in payload.chunks(6) {
                    let id = u16::from_be_bytes(setting[..2].try_into().unwrap());
                    let value = u32::from_be_bytes(setting[2..].try_into().unwrap());
                    self.settings.insert(id, value);
                }
                self.try_raw(frame(kind::SETTINGS, ACK, 0, &[]));
            }
            kind::PING if flags & ACK == 0 => {
                self.try_raw(frame(kind::PING, ACK, 0, &payload));
            }
            kind::PING => self.pings.push(payload),
            kind::GOAWAY => {
                let code = u32::from_be_bytes(payload[4..8].try_into().unwrap());
                self.goaway = Some((word() & 0x7fff_ffff, code));
            }
            kind::WINDOW_UPDATE if stream == 0 => self.room += i64::from(word()),
            kind::WINDOW_UPDATE => *self.rooms.entry(stream).or_default() += i64::from(word()),
            _ => {}
        }
    }

    fn fields(&mut self, stream: u32, flags: u8, block: &[u8]) {
        let mut fields = self.decoder.decode(block);
        let answer = self.streams.entry(stream).or_default();
        if answer.status != 0 {
            answer.trailers = fields;
            assert!(flags & END_STREAM != 0, "trailers that do not end");
        } else {
            let (name, status) = fields.remove(0);
            assert_eq!(name, ":status");
            let status: u16 = status.parse().unwrap();
            if status < 200 {
                answer.interim.push((status, fields));
            } else {
                (answer.status, answer.fields) = (status, fields);
            }
        }
        self.ends(stream, flags);
    }

    fn ends(&mut self, stream: u32, flags: u8) {
        if flags & END_STREAM != 0 {
            self.streams.entry(stream).or_default().ended = true;
            self.ended.push(stream);
        }
    }

    /// Gives the server room for so many bytes.
    pub fn give(&mut self, stream: u32, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap().to_be_bytes();
        self.try_raw(frame(kind::WINDOW_UPDATE, 0, stream, &bytes));
    }
}

/// The fields of a request to the host `test`.
pub fn request<'a>(
    method: &'a str,
    path: &'a str,
    more: &[(&'a str, &'a str)],
) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        (":method", method),
        (":scheme", "http"),
        (":authority", "test"),
        (":path", path),
    ];
    fields.extend_from_slice(more);
    fields
}

/// HEADERS, and CONTINUATION as far as it takes them.
pub fn header_frames<N: AsRef<[u8]>, V: AsRef<[u8]>>(
    stream: u32,
    fields: &[(N, V)],
    end: bool,
) -> Vec<u8> {
    let block = encode(fields);
    let pieces: Vec<&[u8]> = block.chunks(FRAME).collect();
    let mut out = Vec::new();
    for (i, piece) in pieces.iter().enumerate() {
        let kind = if i == 0 {
            kind::HEADERS
        } else {
            kind::CONTINUATION
        };
        let mut flags = if i == 0 && end { END_STREAM } else { 0 };
        if i + 1 == pieces.len() {
            flags |= END_HEADERS;
        }
        out.extend(frame(kind, flags, stream, piece));
    }
    out
}

/// A stream as a line of bytes in both directions: what a WebSocket is on HTTP/2 (RFC 8441).
pub struct Line {
    pub client: Rc<RefCell<Http2>>,
    pub stream: u32,
}

impl Read for Line {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let mut client = self.client.borrow_mut();
        loop {
            let answer = client.so_far(self.stream);
            if !answer.body.is_empty() {
                let n = answer.body.len().min(space.len());
                space[..n].copy_from_slice(&answer.body[..n]);
                answer.body.drain(..n);
                return Ok(n);
            }
            if answer.reset.is_some() {
                return Err(ErrorKind::ConnectionReset.into());
            }
            if answer.ended || !client.step() {
                return Ok(0);
            }
        }
    }
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.client.borrow_mut().data(self.stream, bytes, false);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
