//! Frame headers out of bytes that may be cut anywhere (RFC 9113 section 4.1).

/// Kinds of frames (RFC 9113 section 6, RFC 9218 section 7.1).
pub(super) mod kind {
    pub(in super::super) const DATA: u8 = 0x0;
    pub(in super::super) const HEADERS: u8 = 0x1;
    pub(in super::super) const PRIORITY: u8 = 0x2;
    pub(in super::super) const RST_STREAM: u8 = 0x3;
    pub(in super::super) const SETTINGS: u8 = 0x4;
    pub(in super::super) const PING: u8 = 0x6;
    pub(in super::super) const WINDOW_UPDATE: u8 = 0x8;
    pub(in super::super) const CONTINUATION: u8 = 0x9;
    pub(in super::super) const PRIORITY_UPDATE: u8 = 0x10;
}

const HEADER: usize = 9;
/// The header and the longest piece of payload that is looked at: one 32-bit number.
const MOST: usize = HEADER + 4;
/// "PRI * HTTP/2.0", an empty line, "SM", an empty line (RFC 9113 section 3.4).
const PREFACE: u32 = 24;

const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

/// A frame's header, and the first bytes of its payload where they are of interest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame {
    /// Bytes of payload.
    pub(super) length: u32,
    pub(super) kind: u8,
    flags: u8,
    pub(super) stream: u32,
    payload: [u8; 4],
}

impl Frame {
    /// The payload's first 32 bits: an error's code, a window's increment.
    pub(super) fn word(&self) -> u32 {
        u32::from_be_bytes(self.payload)
    }

    pub(super) fn ends_stream(&self) -> bool {
        self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Whether a DATA frame has no data, only padding or not even that.
    pub(super) fn carries_nothing(&self) -> bool {
        let [padding, ..] = self.payload;
        let padded = self.flags & PADDED != 0;
        self.length == 0 || (padded && self.length <= u32::from(padding).saturating_add(1))
    }
}

/// One direction of a connection.
#[derive(Debug, Default)]
pub(super) struct Frames {
    begun: bool,
    /// Payload that is still to come and is of no interest.
    skip: u32,
    head: [u8; MOST],
    have: usize,
}

impl Frames {
    /// Skips the preface if the first byte of all is that of one. No frame begins like it: it would
    /// be one of five MiB.
    pub(super) fn preface(&mut self, first: Option<u8>) {
        if let Some(first) = first
            && !self.begun
        {
            self.begun = true;
            if first == b'P' {
                self.skip = PREFACE;
            }
        }
    }

    /// The next frame whose header ends in `bytes`, which are moved on behind what was read of
    /// it. `None` when all were used.
    pub(super) fn next(&mut self, bytes: &mut &[u8]) -> Option<Frame> {
        let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
        if skip > 0 {
            let skipped = skip.min(bytes.len());
            *bytes = bytes.get(skipped..).unwrap_or_default();
            // No more than `skip`, which was a u32.
            self.skip = u32::try_from(skip.saturating_sub(skipped)).unwrap_or(0);
        }
        self.fill(HEADER, bytes)?;
        let [a, b, c, kind, flags, s, t, u, v, payload @ ..] = self.head;
        let length = u32::from_be_bytes([0, a, b, c]);
        let wanted = match kind {
            kind::RST_STREAM | kind::WINDOW_UPDATE => 4,
            kind::DATA if flags & PADDED != 0 => 1,
            _ => 0,
        };
        let wanted = length.min(wanted);
        let mut payload = payload;
        if wanted > 0 {
            self.fill(
                HEADER.saturating_add(usize::try_from(wanted).unwrap_or(0)),
                bytes,
            )?;
            let [.., w, x, y, z] = self.head;
            payload = [w, x, y, z];
        }
        self.skip = length.saturating_sub(wanted);
        self.head = [0; MOST];
        self.have = 0;
        Some(Frame {
            length,
            kind,
            flags,
            stream: u32::from_be_bytes([s, t, u, v]) & 0x7fff_ffff,
            payload,
        })
    }

    /// Whether the bytes so far ended with a frame.
    #[cfg(test)]
    pub(super) fn between(&self) -> bool {
        self.have == 0 && self.skip == 0
    }

    /// Takes bytes until there are `count` of the head.
    fn fill(&mut self, count: usize, bytes: &mut &[u8]) -> Option<()> {
        let missing = count.saturating_sub(self.have);
        let (taken, rest) = bytes.split_at_checked(missing).unwrap_or((*bytes, &[]));
        let until = self.have.saturating_add(taken.len());
        self.head.get_mut(self.have..until)?.copy_from_slice(taken);
        self.have = until;
        *bytes = rest;
        (taken.len() == missing).then_some(())
    }
}
