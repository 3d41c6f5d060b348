//! What is counted.

use super::{Fault, Format};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts of one format.
#[derive(Debug, Default)]
struct PerFormat {
    made: AtomicU64,
    micros: AtomicU64,
    bytes: AtomicU64,
}

/// Counts since the process began.
#[derive(Debug, Default)]
pub struct Tallies {
    formats: [PerFormat; Format::ALL.len()],
    not_smaller: AtomicU64,
    hits: AtomicU64,
    misses: AtomicU64,
    saved: AtomicU64,
    refused: AtomicU64,
    late: AtomicU64,
    faults: [AtomicU64; FAULTS.len()],
}

const FAULTS: [&str; 7] = Fault::NAMES;

/// What was made in one format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// Variants.
    pub variants: u64,
    /// The time that it took, microseconds.
    pub micros: u64,
    /// Bytes of the variants.
    pub bytes: u64,
}

/// The counts at one time.
#[derive(Debug, Clone)]
pub struct Figures {
    /// By format.
    pub made: Vec<(Format, Made)>,
    /// Variants that were no smaller than the original.
    pub not_smaller: u64,
    /// Requests answered with a variant that was there.
    pub hits: u64,
    /// Requests for which none was there.
    pub misses: u64,
    /// Bytes that variants sent were smaller than their originals.
    pub saved: u64,
    /// Orders refused because too many waited.
    pub refused: u64,
    /// Requests that got something else because the variant was not made in time.
    pub late: u64,
    /// Pictures of which no variant can be made, by reason.
    pub faults: Vec<(&'static str, u64)>,
}

fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Ordering::Relaxed);
}

impl Tallies {
    /// A variant was made.
    pub(super) fn made(&self, format: Format, took: Duration, bytes: usize) {
        let index = Format::ALL.iter().position(|other| *other == format);
        if let Some(own) = index.and_then(|index| self.formats.get(index)) {
            add(&own.made, 1);
            add(
                &own.micros,
                u64::try_from(took.as_micros()).unwrap_or(u64::MAX),
            );
            add(&own.bytes, bytes as u64);
        }
    }

    pub(super) fn not_smaller(&self) {
        add(&self.not_smaller, 1);
    }

    /// A variant that was there is sent in place of an original.
    pub(super) fn hit(&self) {
        add(&self.hits, 1);
    }

    pub(super) fn missed(&self) {
        add(&self.misses, 1);
    }

    /// So many bytes fewer are sent.
    pub(super) fn saved(&self, original: u64, variant: u64) {
        add(&self.saved, original.saturating_sub(variant));
    }

    pub(super) fn refused(&self) {
        add(&self.refused, 1);
    }

    pub(super) fn late(&self) {
        add(&self.late, 1);
    }

    pub(super) fn fault(&self, fault: &Fault) {
        let index = FAULTS.iter().position(|name| *name == fault.name());
        if let Some(counter) = index.and_then(|index| self.faults.get(index)) {
            add(counter, 1);
        }
    }

    /// The counts now.
    pub fn figures(&self) -> Figures {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let formats = Format::ALL.iter().zip(&self.formats);
        Figures {
            made: formats
                .map(|(format, own)| {
                    let made = Made {
                        variants: read(&own.made),
                        micros: read(&own.micros),
                        bytes: read(&own.bytes),
                    };
                    (*format, made)
                })
                .collect(),
            not_smaller: read(&self.not_smaller),
            hits: read(&self.hits),
            misses: read(&self.misses),
            saved: read(&self.saved),
            refused: read(&self.refused),
            late: read(&self.late),
            faults: FAULTS
                .iter()
                .zip(&self.faults)
                .map(|(name, counter)| (*name, read(counter)))
                .collect(),
        }
    }
}
