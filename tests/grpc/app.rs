//! An app that sends exactly the frames of HTTP/2 it is told to.

use crate::support::backend::Incoming;
use crate::support::hpack::{Decoder, Field};
use crate::support::http2::{ACK, END_STREAM, PREFACE, frame, header_frames, kind};

/// The app's side of a connection.
pub struct App<'a> {
    io: &'a mut Incoming,
    decoder: Decoder,
}

/// A frame.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl<'a> App<'a> {
    /// Begins with these settings.
    pub fn begin(io: &'a mut Incoming, settings: &[(u16, u32)]) -> Self {
        io.exactly(PREFACE.len());
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        io.send(frame(kind::SETTINGS, 0, 0, &settings));
        let decoder = Decoder::default();
        App { io, decoder }
    }

    /// The next frame; `None` at the end of the connection.
    pub fn frame(&mut self) -> Option<Frame> {
        let head = self.io.exactly(9)?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let payload = self.io.exactly(length)?;
        if head[3] == kind::SETTINGS && head[4] & ACK == 0 {
            self.send(kind::SETTINGS, ACK, 0, &[]);
        }
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of a kind.
    pub fn wait(&mut self, wanted: u8) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            if frame.kind == wanted {
                return Some(frame);
            }
        }
    }

    /// The head of the next request: its stream and its fields.
    pub fn request(&mut self) -> Option<(u32, Vec<Field>)> {
        let head = self.wait(kind::HEADERS)?;
        Some((head.stream, self.decoder.decode(&head.payload)))
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.io.send(frame(kind, flags, stream, payload));
    }

    pub fn headers(&mut self, stream: u32, fields: &[(&str, &str)], end: bool) {
        self.io.send(header_frames(stream, fields, end));
    }

    /// Answers 200 with this text.
    pub fn answer(&mut self, stream: u32, text: &str) {
        let length = text.len().to_string();
        let head = [(":status", "200"), ("content-length", length.as_str())];
        self.headers(stream, &head, false);
        self.send(kind::DATA, END_STREAM, stream, text.as_bytes());
    }

    pub fn reset(&mut self, stream: u32, code: u32) {
        self.send(kind::RST_STREAM, 0, stream, &code.to_be_bytes());
    }
}
