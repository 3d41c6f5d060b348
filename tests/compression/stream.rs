//! An encoded answer as it comes.

use crate::decode::Decoder;
use crate::support::Client;
use crate::{Edge, coding};

/// An encoded answer, decoded as it comes.
pub struct Stream {
    pub client: Client,
    pub decoder: Decoder,
    /// What could be decoded so far.
    pub decoded: Vec<u8>,
}

impl Stream {
    /// Asks for `/` in this coding, and reads the head.
    pub fn open(edge: &Edge, accepted: &str) -> Self {
        Stream::open_at(edge, "/", accepted)
    }

    pub fn open_at(edge: &Edge, path: &str, accepted: &str) -> Self {
        let mut client = edge.parvis.client();
        // The kernel would take megabytes off a client that does not read.
        let socket = socket2::SockRef::from(&client.stream);
        socket.set_recv_buffer_size(128 * 1024).unwrap();
        client.send(format!(
            "GET {path} HTTP/1.1\r\nHost: test\r\nAccept-Encoding: {accepted}\r\n\r\n"
        ));
        let head = client.head_only();
        assert_eq!(head.status, 200);
        assert_eq!(coding(&head), accepted, "{}", head.head);
        assert_eq!(head.field("content-length"), None);
        Stream {
            client,
            decoder: Decoder::new(accepted),
            decoded: Vec::new(),
        }
    }

    /// Reads a chunk; false after the last one.
    pub fn more(&mut self) -> bool {
        let Some(chunk) = self.client.chunk(&mut Vec::new()) else {
            return false;
        };
        self.decoded.extend(self.decoder.push(&chunk));
        true
    }

    /// Reads until so many bytes are decoded.
    pub fn until(&mut self, length: usize) {
        while self.decoded.len() < length {
            let whole = self.more();
            assert!(whole, "ended after {} bytes", self.decoded.len());
        }
    }

    /// Reads the rest, which must be a proper end.
    pub fn finish(mut self) -> Vec<u8> {
        while self.more() {}
        assert!(self.decoder.ended(), "the coding has no end");
        self.decoded
    }
}
