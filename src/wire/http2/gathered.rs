//! A head of HTTP/1 that is written piece by piece.

use bytes::{Bytes, BytesMut};
use std::io;

/// No head is longer. Those of clients were bounded when they came, and pingora takes no longer ones
/// from apps.
const LONGEST: usize = 1024 * 1024;
const END: &[u8] = b"\r\n\r\n";

/// What was written of a head so far.
#[derive(Debug, Default)]
pub struct Gathered(BytesMut);

impl Gathered {
    /// Takes the next bytes: how many of them belonged to the head, and all of it when its end was
    /// among them. After that comes the next head.
    ///
    /// # Errors
    /// It is longer than 1 MiB.
    pub fn take(&mut self, bytes: &[u8]) -> io::Result<(usize, Option<Bytes>)> {
        let before = self.0.len();
        // The empty line may have begun in what came before.
        let from = before.saturating_sub(END.len() - 1);
        self.0.extend_from_slice(bytes);
        let tail = self.0.get(from..).unwrap_or_default();
        let Some(end) = memchr::memmem::find(tail, END) else {
            if self.0.len() > LONGEST {
                let what = "a head is too long";
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            return Ok((bytes.len(), None));
        };
        let length = from.saturating_add(end).saturating_add(END.len());
        let head = self.0.split_to(length).freeze();
        self.0.clear();
        Ok((length.saturating_sub(before), Some(head)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_its_empty_line_wherever_it_is_cut() {
        let text = b"GET / HTTP/1.1\r\nA: b\r\n\r\nbody";
        for cut in 0..text.len() {
            let (first, second) = text.split_at(cut);
            let mut head = Gathered::default();
            let (mut used, mut whole) = head.take(first).unwrap();
            if whole.is_none() {
                assert_eq!(used, cut);
                let (more, found) = head.take(second).unwrap();
                (used, whole) = (used + more, found);
            }
            assert_eq!(used, text.len() - 4, "{cut}");
            assert_eq!(whole.unwrap(), text[..used]);
            // The next one begins anew.
            assert_eq!(head.take(b"x\r\n\r\n").unwrap().0, 5);
        }
    }

    #[test]
    fn a_head_without_an_end_is_not_kept_for_ever() {
        let mut head = Gathered::default();
        let piece = [b'a'; 64 * 1024];
        let taken = (0..17).try_for_each(|_| head.take(&piece).map(|_| ()));
        assert_eq!(taken.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
