//! What a thread of the workshop does for one variant: read, make, keep.

use super::original::{Original, Source};
use super::process::Media;
use super::strip::without_metadata;
use super::workshop::Outcome;
use super::{Deadline, Fault, Format, Kept, Limits, Made, Recipe, VariantKey, make};
use std::sync::Arc;
use std::time::Instant;

/// A variant that is to be made.
pub(super) struct Work {
    pub media: Arc<Media>,
    pub limits: Limits,
    pub original: Original,
    pub source: Arc<Source>,
    pub recipe: Recipe,
}

impl Work {
    /// Which variant it is.
    pub fn key(&self) -> VariantKey {
        VariantKey::of(&self.source.key, &self.recipe)
    }

    /// All of it.
    pub fn run(&self, deadline: Deadline) -> Outcome {
        // Another process on the same folder may have made it meanwhile.
        if let Some(kept) = self.media.store().find(&self.key()) {
            return Ok(kept);
        }
        self.keep(self.make(deadline)?)
    }

    /// Makes it. Nothing is written yet.
    ///
    /// # Errors
    /// The original cannot be read now, which says nothing of it that is to be kept.
    pub fn make(&self, deadline: Deadline) -> Result<Result<Made, Fault>, Fault> {
        let facts = self.source.facts.clone()?;
        let bytes = (self.original.read)().map_err(|error| Fault::Broken(error.to_string()))?;
        let began = Instant::now();
        let made = make(&bytes, &facts, &self.recipe, &self.limits, deadline);
        if made == Ok(Made::NotSmaller)
            && self.recipe.format == facts.format
            && let Some(bytes) = without_metadata(&bytes, &facts)
        {
            // The original is best, but for what it says of the place where it was made.
            let (width, height) = facts.upright();
            return Ok(Ok(Made::Variant {
                bytes,
                width,
                height,
            }));
        }
        if let Ok(Made::Variant { bytes, .. }) = &made {
            let tallies = &self.media.tallies;
            tallies.made(self.recipe.format, began.elapsed(), bytes.len());
        }
        Ok(made)
    }

    /// Whether an AVIF is no smaller than the WebP that is there already: of small pictures, some are.
    /// Then it takes the WebP's place no more than the original's.
    fn is_beaten(&self, length: usize) -> bool {
        if self.recipe.format != Format::Avif || self.recipe.always {
            return false;
        }
        let webp = Recipe {
            format: Format::WebP,
            ..self.recipe
        };
        let key = VariantKey::of(&self.source.key, &webp);
        match self.media.store().find(&key) {
            Some(Kept::Variant(variant)) => variant.body.len() <= length as u64,
            _ => false,
        }
    }

    /// Keeps what was made of it, or why nothing was.
    pub fn keep(&self, made: Result<Made, Fault>) -> Outcome {
        let (media, key) = (&self.media, self.key());
        let store = media.store();
        match made {
            Ok(Made::Variant { bytes, .. }) if self.is_beaten(bytes.len()) => {
                media.tallies.not_smaller();
                store.put_original_is_best(&key);
                Ok(Kept::OriginalIsBest)
            }
            Ok(Made::Variant {
                bytes,
                width,
                height,
            }) => Ok(store.put(&key, self.recipe.format, (width, height), bytes)),
            Ok(Made::NotSmaller) => {
                media.tallies.not_smaller();
                store.put_original_is_best(&key);
                Ok(Kept::OriginalIsBest)
            }
            // The picture is sound: it is this variant that cannot be.
            Err(fault) if is_of_the_variant(&fault, &self.recipe) => {
                media.tallies.fault(&fault);
                store.put_original_is_best(&key);
                Ok(Kept::OriginalIsBest)
            }
            Err(fault) => {
                media.tallies.fault(&fault);
                let (id, sources) = (self.original.id, &media.sources);
                sources.give_up(id, &self.limits, &self.source, fault.clone());
                Err(fault)
            }
        }
    }
}

/// Whether a request can wait for it to be made.
pub(super) fn is_quick(recipe: &Recipe) -> bool {
    recipe.format != Format::Avif
}

/// Whether a fault says nothing about other variants of the same original.
fn is_of_the_variant(fault: &Fault, recipe: &Recipe) -> bool {
    match fault {
        // A box may be larger than what it holds; a format may not take what it is given.
        Fault::TooManyPixels | Fault::Unsupported(_) => true,
        Fault::TooSlow | Fault::Encoder(_) => !is_quick(recipe),
        Fault::Unknown | Fault::TooLarge | Fault::Broken(_) => false,
    }
}
