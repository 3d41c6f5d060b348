//! The encoded forms of one body, filled in as they are asked for.

use super::Coding;
use arc_swap::ArcSwapOption;
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

/// One encoded form.
#[derive(Debug, Clone)]
pub struct Form {
    /// The encoded body; `None` when encoding does not make it smaller by enough.
    pub bytes: Option<Bytes>,
    /// Whether this is as small as it gets, and not made in haste.
    pub best: bool,
}

/// A body's forms: one per coding.
#[derive(Debug, Default)]
pub struct Forms {
    slots: [ArcSwapOption<Form>; 3],
    uses: [AtomicU32; 3],
    /// A bit per coding whose best form is being made.
    ordered: AtomicU8,
}

/// A form is worth its place when it saves at least a twentieth.
pub fn saves_enough(body: u64, encoded: u64) -> bool {
    encoded.saturating_mul(20) <= body.saturating_mul(19)
}

impl Form {
    /// A form, dropped when it saves too little against a body of this length.
    pub fn of(body: usize, encoded: Vec<u8>, best: bool) -> Self {
        let bytes = saves_enough(body as u64, encoded.len() as u64).then(|| Bytes::from(encoded));
        Form { bytes, best }
    }
}

impl Forms {
    /// The form in this coding, if it was made; counts the use.
    pub fn used(&self, coding: Coding) -> Option<Arc<Form>> {
        if let Some(uses) = self.uses.get(coding.index()) {
            uses.fetch_add(1, Ordering::Relaxed);
        }
        self.slots.get(coding.index())?.load_full()
    }

    /// Puts a form in its place. One made in haste never replaces the best.
    pub fn put(&self, coding: Coding, form: Arc<Form>) {
        let Some(slot) = self.slots.get(coding.index()) else {
            return;
        };
        if form.best {
            slot.store(Some(form));
        } else {
            slot.compare_and_swap(&None::<Arc<Form>>, Some(form));
        }
    }

    /// Whether the best form in this coding is worth making now: it was used so many times, and
    /// nobody was told yet. Says so once; [`Forms::ask_again`] takes it back.
    pub fn wants_best(&self, coding: Coding, after: u32) -> bool {
        let used = self
            .uses
            .get(coding.index())
            .map_or(0, |uses| uses.load(Ordering::Relaxed));
        if used < after {
            return false;
        }
        let bit = 1u8 << coding.index();
        self.ordered.load(Ordering::Relaxed) & bit == 0
            && self.ordered.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }

    /// The order could not be taken.
    pub fn ask_again(&self, coding: Coding) {
        self.ordered
            .fetch_and(!(1u8 << coding.index()), Ordering::Relaxed);
    }

    /// Bytes of all forms.
    pub fn len(&self) -> usize {
        let one = |slot: &ArcSwapOption<Form>| {
            let form = slot.load();
            form.as_ref()
                .and_then(|form| form.bytes.as_ref().map(Bytes::len))
                .unwrap_or(0)
        };
        self.slots.iter().map(one).sum()
    }

    /// Whether no form was made.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_form_stays() {
        let forms = Forms::default();
        assert!(forms.used(Coding::Gzip).is_none());
        let form = |n: usize, best| Arc::new(Form::of(1000, vec![0; n], best));
        forms.put(Coding::Gzip, form(500, false));
        forms.put(Coding::Gzip, form(400, true));
        forms.put(Coding::Gzip, form(500, false));
        let used = forms.used(Coding::Gzip).unwrap();
        assert_eq!((used.best, used.bytes.as_ref().unwrap().len()), (true, 400));
        assert_eq!(forms.len(), 400);
    }

    #[test]
    fn the_best_is_asked_for_once_after_so_many_uses() {
        let forms = Forms::default();
        for _ in 0..3 {
            assert!(!forms.wants_best(Coding::Brotli, 3));
            forms.used(Coding::Brotli);
        }
        assert!(!forms.wants_best(Coding::Gzip, 3));
        assert!(forms.wants_best(Coding::Brotli, 3));
        assert!(!forms.wants_best(Coding::Brotli, 3));
        forms.ask_again(Coding::Brotli);
        assert!(forms.wants_best(Coding::Brotli, 3));
    }

    #[test]
    fn what_saves_nothing_is_not_kept() {
        assert!(Form::of(1000, vec![0; 951], true).bytes.is_none());
        assert!(Form::of(1000, vec![0; 950], true).bytes.is_some());
    }
}
