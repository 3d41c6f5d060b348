//! How variants of pictures fare: what `/status` and the metrics tell of them.

use crate::media::Media;
use crate::observe::ImageFigures;
use serde::Serialize;

/// Variants of pictures, for `/status`.
#[derive(Debug, Serialize)]
pub struct ImagesStatus {
    /// The folder that they are kept in.
    pub folder: String,
    /// How many are there.
    pub stored: u64,
    /// Bytes of those on disk.
    pub disk_bytes: u64,
    /// Bytes of those in memory.
    pub memory_bytes: u64,
    /// Being made.
    pub working: u64,
    /// Requests' variants that wait to be made.
    pub waiting: u64,
    /// Others that will be made.
    pub later: u64,
    /// Requests answered with a variant that was there, since the process began.
    pub hits: u64,
    /// Requests for which none was there.
    pub misses: u64,
    /// Bytes saved, likewise.
    pub saved_bytes: u64,
}

/// How things stand, for `/status`.
pub fn status(media: &Media) -> ImagesStatus {
    let (queue, kept) = (media.queue(), media.statistics());
    let counts = media.tallies.figures();
    ImagesStatus {
        folder: media.folder().display().to_string(),
        stored: kept.variants,
        disk_bytes: kept.bytes,
        memory_bytes: kept.memory,
        working: queue.working as u64,
        waiting: queue.waiting as u64,
        later: queue.later as u64,
        hits: counts.hits,
        misses: counts.misses,
        saved_bytes: counts.saved,
    }
}

/// How things stand, for the metrics.
pub fn figures(media: &Media) -> ImageFigures {
    let (queue, kept) = (media.queue(), media.statistics());
    let counts = media.tallies.figures();
    let made = counts
        .made
        .into_iter()
        .filter(|(_, made)| made.variants > 0);
    ImageFigures {
        made: made
            .map(|(format, made)| (format.name(), [made.variants, made.micros, made.bytes]))
            .collect(),
        not_smaller: counts.not_smaller,
        hits: counts.hits,
        misses: counts.misses,
        saved: counts.saved,
        refused: vec![("queue", counts.refused), ("late", counts.late)],
        faults: counts.faults,
        orders: vec![
            ("working", queue.working as u64),
            ("waiting", queue.waiting as u64),
            ("later", queue.later as u64),
        ],
        bytes: vec![("disk", kept.bytes), ("memory", kept.memory)],
        stored: kept.variants,
        evicted: kept.evicted,
        unwritten: kept.failed_writes,
    }
}
