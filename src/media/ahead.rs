//! Variants made before anybody asks for them.

use super::original::{Original, Source};
use super::{Fault, Images, Kept, Recipe, Urgency, VariantKey};
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue};
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::task::spawn_blocking;

/// What a browser says that takes all that is made.
const ALL: HeaderValue = HeaderValue::from_static("image/avif,image/webp");

/// Keeps what is made while it is open: whoever ends the process closes it first, so that nothing is
/// written by half.
#[derive(Debug, Default)]
pub struct Gate {
    closed: RwLock<bool>,
}

impl Gate {
    /// Waits until what is being written is in its place; nothing is written after that.
    pub fn close(&self) {
        *self.closed.write().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Held while something is written.
    fn pass(&self) -> Result<RwLockReadGuard<'_, bool>, Fault> {
        let closed = self.closed.read().unwrap_or_else(PoisonError::into_inner);
        match *closed {
            false => Ok(closed),
            true => Err(Fault::Encoder("it was stopped".to_string())),
        }
    }
}

/// What became of a variant. Lengths are in bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ahead {
    /// It was made.
    Made(u64),
    /// It was there.
    There(u64),
    /// It would be no smaller than the original, which is sent in its place.
    NotSmaller,
    /// It cannot be made.
    Failed(Fault),
}

/// An original in one size.
#[derive(Debug, Clone)]
pub struct Size {
    original: Original,
    source: Arc<Source>,
    /// The best liked first. Those that are not needed are sent only where none of the others is.
    recipes: Vec<(Recipe, bool)>,
}

impl Images {
    /// The sizes of an original that make a difference: one for each width that there is, and the
    /// one that is sent when none is asked for. `others`: also in the format that is for browsers
    /// that take neither AVIF nor WebP.
    ///
    /// # Errors
    /// It cannot be read, or (inside) there are no variants of it.
    pub async fn sizes(
        &self,
        original: &Original,
        others: bool,
    ) -> io::Result<Result<Vec<Size>, Fault>> {
        let reader = self.media.readers.clone().acquire_owned().await;
        let reader = reader.map_err(io::Error::other)?;
        let (media, limits) = (self.media.clone(), self.terms.limits);
        let wanted = original.clone();
        let reading = spawn_blocking(move || {
            let _reader = reader;
            match media.sources.get(wanted.id, &limits) {
                Some(source) => Ok(source),
                None => media.sources.read(&wanted, &limits),
            }
        });
        let source = reading.await.map_err(io::Error::other)??;
        let facts = match &source.facts {
            Ok(facts) => facts,
            Err(fault) => return Ok(Err(fault.clone())),
        };
        let policy = &self.terms.policy;
        let all = HeaderMap::from_iter([(ACCEPT, ALL)]);
        let none = HeaderMap::new();
        let queries = policy.widths.iter().map(|width| Some(format!("w={width}")));
        let mut sizes = Vec::new();
        let mut seen = HashSet::new();
        for query in std::iter::once(None).chain(queries) {
            let wish = |headers| policy.wish(b"/", query.as_ref().map(String::as_bytes), headers);
            // Its own widths are right.
            let Ok(wish_of_all) = wish(&all) else {
                continue;
            };
            let mut recipes: Vec<(Recipe, bool)> = wish_of_all
                .recipes(facts)
                .into_iter()
                .map(|recipe| (recipe, policy.formats.contains(&recipe.format)))
                .collect();
            if let (true, Ok(wish)) = (others, wish(&none)) {
                for recipe in wish.recipes(facts) {
                    recipes.retain(|(other, _)| *other != recipe);
                    recipes.push((recipe, true));
                }
            }
            recipes.retain(|(recipe, _)| seen.insert(VariantKey::of(&source.key, recipe)));
            if !recipes.is_empty() {
                sizes.push(Size {
                    original: original.clone(),
                    source: source.clone(),
                    recipes,
                });
            }
        }
        Ok(Ok(sizes))
    }

    /// Makes what is missing of a size, by the workshop's threads.
    pub async fn make_ahead(&self, size: &Size, gate: &Arc<Gate>) -> Vec<(Recipe, Ahead)> {
        let mut all = Vec::new();
        let mut any = false;
        for (recipe, needed) in &size.recipes {
            if any && !needed {
                continue;
            }
            let ahead = self.one_ahead(size, recipe, gate).await;
            any |= matches!(ahead, Ahead::Made(_) | Ahead::There(_));
            all.push((*recipe, ahead));
        }
        all
    }

    async fn one_ahead(&self, size: &Size, recipe: &Recipe, gate: &Arc<Gate>) -> Ahead {
        let work = self.work(&size.original, &size.source, *recipe);
        let (key, media) = (work.key(), self.media.clone());
        let there = spawn_blocking(move || media.store().find(&key)).await;
        match there {
            Ok(Some(Kept::Variant(variant))) => return Ahead::There(variant.body.len()),
            Ok(Some(Kept::OriginalIsBest)) => return Ahead::NotSmaller,
            Ok(None) => {}
            Err(error) => return Ahead::Failed(Fault::Encoder(error.to_string())),
        }
        let (time, gate) = (self.terms.limits.time, gate.clone());
        let make = move |deadline| {
            let made = work.make(deadline)?;
            // What the store does not tell of: also what says nothing of other variants is told here.
            let fault = made.as_ref().err().cloned();
            let _pass = gate.pass()?;
            let kept = work.keep(made);
            fault.map_or(kept, Err)
        };
        let ticket = self.media.workshop.order(key, Urgency::Now, time, make);
        let Ok(ticket) = ticket else {
            return Ahead::Failed(Fault::Encoder("no thread can be had".to_string()));
        };
        match ticket.await {
            Ok(Kept::Variant(variant)) => Ahead::Made(variant.body.len()),
            Ok(Kept::OriginalIsBest) => Ahead::NotSmaller,
            Err(fault) => Ahead::Failed(fault),
        }
    }
}
