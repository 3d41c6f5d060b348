//! Answers that come again and again: compressed once, served many times.
//!
//! An app may give the same page to many visitors. Whether it is the same is decided by its bytes,
//! all of them compared: nothing is known of the app, so nothing else could be trusted. A body is
//! kept when it comes for the second time, so that pages made for one visitor leave nothing behind
//! but a number.

use super::Workshop;
use crate::content::{Coding, Form, Forms};
use bytes::Bytes;
use foldhash::quality::RandomState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::hash::BuildHasher;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bodies that came once, told apart by a hash. A place is taken over by the next that falls on it.
const SEEN: usize = 4096;

#[derive(Debug, Clone)]
struct Kept {
    body: Bytes,
    forms: Arc<Forms>,
}

#[derive(Debug, Clone)]
struct Weigh;

impl Weighter<u64, Kept> for Weigh {
    fn weight(&self, _: &u64, kept: &Kept) -> u64 {
        // Its three forms come later, and are hardly ever larger than half of it each.
        (kept.body.len() as u64)
            .saturating_mul(5)
            .saturating_div(2)
            .saturating_add(256)
    }
}

/// Bodies of answers with their encoded forms.
#[derive(Debug)]
pub struct Memo {
    room: u64,
    kept: Option<Cache<u64, Kept, Weigh>>,
    seen: Box<[AtomicU64]>,
    hasher: RandomState,
    workshop: Arc<Workshop>,
}

impl Memo {
    /// Room for so many bytes, forms included; 0 keeps nothing.
    pub fn new(bytes: u64, workshop: Arc<Workshop>) -> Self {
        let items = usize::try_from(bytes / 16_384).unwrap_or(0).max(16);
        Memo {
            room: bytes,
            kept: (bytes > 0).then(|| Cache::with_weighter(items, bytes, Weigh)),
            seen: (0..SEEN).map(|_| AtomicU64::new(0)).collect(),
            hasher: RandomState::default(),
            workshop,
        }
    }

    /// The room for it, bytes.
    pub fn room(&self) -> u64 {
        self.room
    }

    /// Bytes kept, as they are counted against its room.
    pub fn weight(&self) -> u64 {
        self.kept.as_ref().map_or(0, Cache::weight)
    }

    /// The form of a body that is kept.
    fn known(&self, hash: u64, coding: Coding, body: &Bytes) -> Option<io::Result<Arc<Form>>> {
        let kept = self.kept.as_ref()?.get(&hash)?;
        if kept.body != *body {
            return None;
        }
        Some(self.workshop.form(coding, &kept.body, &kept.forms))
    }

    /// The whole body in this coding: a form that is known, or one made now.
    ///
    /// # Errors
    /// The encoder failed.
    pub fn encode(&self, coding: Coding, body: Bytes) -> io::Result<Bytes> {
        let make = |body: &Bytes| super::whole(coding, super::Effort::Fast, body).map(Bytes::from);
        let Some(kept) = &self.kept else {
            return make(&body);
        };
        let hash = self.hasher.hash_one(&body[..]);
        if let Some(form) = self.known(hash, coding, &body) {
            return match &form?.bytes {
                Some(bytes) => Ok(bytes.clone()),
                // Its head has said already that it is encoded, so it is.
                None => make(&body),
            };
        }
        let index = usize::try_from(hash).unwrap_or(0) % SEEN.max(1);
        let again = self
            .seen
            .get(index)
            .is_some_and(|place| place.swap(hash, Ordering::Relaxed) == hash);
        let encoded = make(&body)?;
        if again {
            let forms = Arc::new(Forms::default());
            let form = Form::of(body.len(), encoded.to_vec(), false);
            forms.put(coding, Arc::new(form));
            kept.insert(hash, Kept { body, forms });
        }
        Ok(encoded)
    }
}

#[cfg(test)]
mod tests {
    use super::super::encoder::tests::decode;
    use super::*;

    fn page(n: usize) -> Bytes {
        Bytes::from(format!("<p>page {n} of many, with words in it</p>\n").repeat(100))
    }

    #[test]
    fn a_body_is_kept_when_it_comes_again() {
        let memo = Memo::new(1 << 20, Arc::new(Workshop::default()));
        for round in 0..3 {
            let encoded = memo.encode(Coding::Gzip, page(1)).unwrap();
            assert_eq!(decode(Coding::Gzip, &encoded), page(1));
            assert_eq!(memo.weight() > 0, round > 0, "round {round}");
        }
        // The same body in another coding.
        let encoded = memo.encode(Coding::Brotli, page(1)).unwrap();
        assert_eq!(decode(Coding::Brotli, &encoded), page(1));
    }

    #[test]
    fn memory_is_bounded_and_every_body_its_own() {
        let memo = Memo::new(200_000, Arc::new(Workshop::default()));
        for n in 0..300 {
            for _ in 0..2 {
                let encoded = memo.encode(Coding::Zstd, page(n)).unwrap();
                assert_eq!(decode(Coding::Zstd, &encoded), page(n));
            }
        }
        assert!(memo.weight() <= 200_000, "{}", memo.weight());
        let none = Memo::new(0, Arc::new(Workshop::default()));
        for _ in 0..3 {
            none.encode(Coding::Zstd, page(1)).unwrap();
        }
        assert_eq!(none.weight(), 0);
    }
}
