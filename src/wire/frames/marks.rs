//! Which of a connection's last streams were marked.

/// Streams that are remembered. Older ones count as marked: a client has a hundred open at once,
/// and has to open a thousand others before one of them is that old.
const REMEMBERED: u32 = 1_024;

/// A bit for each of the last [`REMEMBERED`] streams that clients open, whose numbers are odd and
/// rise (RFC 9113 section 5.1.1).
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// One more than the place of the newest stream that was marked.
    end: u32,
    bits: [u64; 16],
}

impl Marks {
    /// Marks a stream. Whether it was already.
    pub(super) fn mark(&mut self, stream: u32) -> bool {
        let place = stream / 2;
        if place >= self.end {
            if place.saturating_sub(self.end) >= REMEMBERED {
                self.bits = [0; 16];
            } else {
                for newer in self.end..=place {
                    self.put(newer, false);
                }
            }
            self.end = place.saturating_add(1);
        } else if self.end.saturating_sub(place) > REMEMBERED {
            return true;
        }
        self.put(place, true)
    }

    /// Sets or clears a bit. What it was.
    fn put(&mut self, place: u32, mark: bool) -> bool {
        let word = usize::try_from(place % REMEMBERED / 64).unwrap_or(0);
        let Some(word) = self.bits.get_mut(word) else {
            return true;
        };
        let bit = 1u64.wrapping_shl(place % 64);
        let marked = *word & bit != 0;
        *word = if mark { *word | bit } else { *word & !bit };
        marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};
    use std::collections::HashSet;

    #[test]
    fn the_last_thousand_streams_are_remembered() {
        let mut random = StdRng::seed_from_u64(3);
        let (mut marks, mut known) = (Marks::default(), HashSet::new());
        let (mut newest, mut most) = (1u32, 1u32);
        for _ in 0..100_000 {
            if random.gen_bool(0.3) {
                newest += 2 * random.gen_range(0..40);
            }
            let stream = newest.saturating_sub(2 * random.gen_range(0..1_500)) | 1;
            let old = most.saturating_sub(stream) / 2 >= REMEMBERED;
            let again = !known.insert(stream);
            most = most.max(stream);
            assert_eq!(marks.mark(stream), again || old, "{stream} of {newest}");
        }
        assert!(!marks.mark(0x7fff_ffff));
        assert!(marks.mark(0x7fff_ffff));
        assert!(!marks.mark(0x7fff_fffd));
        assert!(marks.mark(1));
    }
}
