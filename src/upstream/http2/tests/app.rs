//! An app that sends exactly the frames it is told to.

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const SETTINGS: u8 = 4;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
}
pub const HEADERS: u8 = kind::HEADERS;
pub const RST_STREAM: u8 = 3;
/// END_STREAM, and the ACK of SETTINGS.
pub const END: u8 = 1;
pub const END_HEADERS: u8 = 4;

pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub struct App {
    io: DuplexStream,
}

impl App {
    pub fn new(io: DuplexStream) -> Self {
        App { io }
    }

    /// Reads the preface, and sends settings.
    pub async fn begin(&mut self, settings: &[(u16, u32)]) {
        let mut preface = [0; 24];
        self.io.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.frames(&[(kind::SETTINGS, 0, 0, &settings)]).await;
    }

    /// Sends frames. An end that is closed already is no matter.
    pub async fn frames(&mut self, frames: &[(u8, u8, u32, &[u8])]) {
        for (kind, flags, stream, payload) in frames {
            let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
            let head = [&length[1..], &[*kind, *flags], &stream.to_be_bytes()].concat();
            self.raw(&[&head, *payload].concat()).await;
        }
    }

    pub async fn raw(&mut self, bytes: &[u8]) {
        let _ = self.io.write_all(bytes).await;
    }

    /// A head or trailers, in one frame.
    pub async fn headers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        let flags = END_HEADERS | if end { END } else { 0 };
        self.frames(&[(kind::HEADERS, flags, stream, &block(fields))])
            .await;
    }

    pub async fn data(&mut self, stream: u32, data: &[u8], end: bool) {
        let flags = if end { END } else { 0 };
        self.frames(&[(kind::DATA, flags, stream, data)]).await;
    }

    pub async fn give(&mut self, stream: u32, bytes: u32) {
        self.frames(&[(kind::WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())])
            .await;
    }

    /// The next frame of a kind; others are passed over. Settings are acknowledged.
    pub async fn frame(&mut self, wanted: u8) -> Frame {
        loop {
            let frame = self.next().await.expect("closed before the frame came");
            if frame.kind == kind::SETTINGS && frame.flags & END == 0 {
                self.frames(&[(kind::SETTINGS, END, 0, &[])]).await;
            }
            if frame.kind == wanted {
                return frame;
            }
        }
    }

    async fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.io.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; length];
        self.io.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }
}

/// Fields as HPACK's literals that nobody is to remember (RFC 7541 section 6.2.2).
pub fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, value) in fields {
        out.push(0);
        for text in [name, value] {
            let length = text.len();
            if length < 127 {
                out.push(length as u8);
            } else {
                out.push(127);
                let mut rest = length - 127;
                while rest >= 128 {
                    out.push((rest % 128) as u8 | 128);
                    rest /= 128;
                }
                out.push(rest as u8);
            }
            out.extend(text.as_bytes());
        }
    }
    out
}
