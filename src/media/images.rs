//! A route's pictures: what a request wants of one is found, or made.

use super::original::{Original, OriginalId, Source};
use super::process::Media;
use super::settings::ImagesPolicy;
use super::sizes::Sizes;
use super::store::{Kept, Variant};
use super::wish::Wish;
use super::work::{Work, is_quick};
use super::workshop::Urgency;
use super::{Fault, Recipe, VariantKey, html};
use base64::Engine;
use http::HeaderMap;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// What a route does with pictures.
#[derive(Debug)]
pub struct Images {
    /// What the operator said.
    pub terms: ImagesPolicy,
    /// Where variants are kept and made.
    pub media: Arc<Media>,
    /// Sizes, for pages.
    pub sizes: Arc<Sizes>,
    widths: Arc<[u32]>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Served {
    /// A variant. `settled`: no better one is on its way.
    Variant {
        /// The variant.
        variant: Arc<Variant>,
        /// Whether it is what such a request will get from now on.
        settled: bool,
    },
    /// The original as it is.
    Original {
        /// Whether it is what such a request will get from now on.
        settled: bool,
    },
    /// There is no sound picture, and the route is strict.
    Refused(Fault),
    /// A picture as a `data:` URI (RFC 2397).
    Text(String),
}

const AS_IT_IS: Served = Served::Original { settled: true };
const FOR_NOW: Served = Served::Original { settled: false };

impl Images {
    /// Pictures on these terms.
    pub fn new(terms: ImagesPolicy, media: &Arc<Media>) -> Self {
        Images {
            widths: terms.policy.widths.as_slice().into(),
            terms,
            media: media.clone(),
            sizes: Arc::default(),
        }
    }

    /// What a page may be told of a picture at an address of this route: the widths that there are, and
    /// the size of what a browser gets, where the picture's own (pixels, upright) is known. `None`: the
    /// address makes no sense.
    pub fn told(
        &self,
        path: &[u8],
        query: Option<&[u8]>,
        own: Option<(u32, u32)>,
    ) -> Option<html::Known> {
        let wish = self
            .terms
            .policy
            .wish(path, query, &HeaderMap::new())
            .ok()?;
        Some(html::Known {
            widths: self.widths.clone(),
            size: own.map(|own| wish.size(own)),
        })
    }

    /// What nearly all requests come to: the best there can be, at hand. `length`: the original's,
    /// bytes.
    pub fn at_hand(&self, id: OriginalId, length: u64, wish: &Wish) -> Option<Served> {
        if wish.placeholder {
            return None;
        }
        let source = self.media.sources.get(id, &self.terms.limits)?;
        let recipes = wish.recipes(source.facts.as_ref().ok()?);
        let key = VariantKey::of(&source.key, recipes.first()?);
        let Kept::Variant(variant) = self.media.opened()?.hot(&key)? else {
            return None;
        };
        Some(self.hit(variant, true, length))
    }

    /// What this request gets of this original.
    pub async fn serve(&self, original: Original, wish: &Wish) -> Served {
        let source = match self.media.sources.get(original.id, &self.terms.limits) {
            Some(source) => source,
            None => match self.read(original.clone()).await {
                Some(source) => source,
                None => return FOR_NOW,
            },
        };
        let facts = match &source.facts {
            Ok(facts) => facts,
            Err(fault) => return self.faulty(fault),
        };
        let recipes = wish.recipes(facts);
        let orders: Vec<Order> = recipes
            .iter()
            .map(|recipe| Order {
                key: VariantKey::of(&source.key, recipe),
                recipe: *recipe,
            })
            .collect();
        let served = match self.ready(&orders).await {
            Looked::Best(variant) => self.hit(variant, true, original.length),
            Looked::Good(variant, better) => {
                self.order_later(&original, &source, better);
                self.hit(variant, false, original.length)
            }
            Looked::Settled => AS_IT_IS,
            Looked::Missing(order, better) => {
                self.media.tallies.missed();
                let settled = better.is_none();
                let served = self
                    .made_now(&original, &source, order, settled, wish)
                    .await;
                // After it: whether it is better shows beside what is there.
                if let Some(better) = better {
                    self.order_later(&original, &source, better);
                }
                served
            }
        };
        match served {
            Served::Variant { variant, .. } if wish.placeholder => text(&variant).await,
            served => served,
        }
    }

    fn hit(&self, variant: Arc<Variant>, settled: bool, original: u64) -> Served {
        self.media.tallies.hit();
        self.sent(variant, settled, original)
    }

    fn sent(&self, variant: Arc<Variant>, settled: bool, original: u64) -> Served {
        let tallies = &self.media.tallies;
        tallies.saved(original, variant.body.len());
        Served::Variant { variant, settled }
    }

    fn faulty(&self, fault: &Fault) -> Served {
        match self.terms.strict && !matches!(fault, Fault::Unsupported(_)) {
            true => Served::Refused(fault.clone()),
            false => AS_IT_IS,
        }
    }

    /// What a request gets of an original that is not read, for it is larger than the bound.
    pub fn too_large(&self) -> Served {
        self.media.tallies.fault(&Fault::TooLarge);
        self.faulty(&Fault::TooLarge)
    }

    /// Reads an original for the first time. `None`: it cannot be read now.
    async fn read(&self, original: Original) -> Option<Arc<Source>> {
        let reader = self.media.readers.clone().acquire_owned().await.ok()?;
        let (media, limits) = (self.media.clone(), self.terms.limits);
        let reading = spawn_blocking(move || {
            let _reader = reader;
            // Whoever waited for the same one finds it read.
            if let Some(source) = media.sources.get(original.id, &limits) {
                return Some(source);
            }
            let source = media.sources.read(&original, &limits);
            let source = source
                .inspect_err(|error| tracing::debug!(%error, "an original cannot be read"))
                .ok()?;
            if let Err(fault) = &source.facts {
                media.tallies.fault(fault);
            }
            Some(source)
        });
        reading.await.ok().flatten()
    }

    /// What there is of these, the best first.
    async fn ready(&self, orders: &[Order]) -> Looked {
        if let Some(store) = self.media.opened() {
            let found = weigh(orders, |key| store.hot(key));
            if matches!(found, Looked::Best(_) | Looked::Settled) {
                return found;
            }
        }
        let (media, wanted) = (self.media.clone(), orders.to_vec());
        let look = move || {
            let store = media.store();
            weigh(&wanted, |key| store.find(key))
        };
        spawn_blocking(look).await.unwrap_or(Looked::Settled)
    }

    /// Has a variant made while the request waits; when that cannot be, something else is sent.
    async fn made_now(
        &self,
        original: &Original,
        source: &Arc<Source>,
        order: Order,
        settled: bool,
        wish: &Wish,
    ) -> Served {
        let work = self.work(original, source, order.recipe);
        let time = self.terms.limits.time;
        let ticket = self
            .media
            .workshop
            .order(order.key, Urgency::Now, time, move |by| work.run(by));
        let Ok(ticket) = ticket else {
            self.media.tallies.refused();
            return self.instead(original, source, wish).await;
        };
        match tokio::time::timeout(self.terms.wait, ticket).await {
            Ok(Ok(Kept::Variant(variant))) => self.sent(variant, settled, original.length),
            Ok(Ok(Kept::OriginalIsBest)) => Served::Original { settled },
            Ok(Err(fault)) => self.faulty(&fault),
            Err(_) => {
                self.media.tallies.late();
                self.instead(original, source, wish).await
            }
        }
    }

    /// The next ready size, or the original.
    async fn instead(&self, original: &Original, source: &Arc<Source>, wish: &Wish) -> Served {
        let Ok(facts) = &source.facts else {
            return FOR_NOW;
        };
        let others: Vec<VariantKey> = wish
            .smaller(facts, &self.terms.policy)
            .iter()
            .map(|recipe| VariantKey::of(&source.key, recipe))
            .collect();
        let media = self.media.clone();
        let look = move || {
            let store = media.store();
            others.iter().find_map(|key| match store.find(key)? {
                Kept::Variant(variant) => Some(variant),
                Kept::OriginalIsBest => None,
            })
        };
        match spawn_blocking(look).await.ok().flatten() {
            Some(variant) => self.sent(variant, false, original.length),
            None => FOR_NOW,
        }
    }

    fn order_later(&self, original: &Original, source: &Arc<Source>, order: Order) {
        let work = self.work(original, source, order.recipe);
        let time = self.terms.limits.time;
        // One that is refused is ordered again with the next request.
        drop(
            self.media
                .workshop
                .order(order.key, Urgency::Later, time, move |by| work.run(by)),
        );
    }

    /// What a thread of the workshop does.
    pub(super) fn work(&self, original: &Original, source: &Arc<Source>, recipe: Recipe) -> Work {
        Work {
            media: self.media.clone(),
            limits: self.terms.limits,
            original: original.clone(),
            source: source.clone(),
            recipe,
        }
    }
}

/// A variant that may be made.
#[derive(Debug, Clone, Copy)]
struct Order {
    key: VariantKey,
    recipe: Recipe,
}

/// What there is of what is wanted.
enum Looked {
    /// The best that can be.
    Best(Arc<Variant>),
    /// Something; a better one can be made.
    Good(Arc<Variant>, Order),
    /// The original is as good as any variant.
    Settled,
    /// Nothing. What to make first, and what after it.
    Missing(Order, Option<Order>),
}

/// Looks through what is wanted, the best first.
fn weigh(orders: &[Order], look: impl Fn(&VariantKey) -> Option<Kept>) -> Looked {
    // What is better than anything found so far, and was not tried yet.
    let mut missing: Vec<Order> = Vec::new();
    for order in orders {
        match look(&order.key) {
            Some(Kept::Variant(variant)) => {
                return match missing.first() {
                    None => Looked::Best(variant),
                    Some(better) => Looked::Good(variant, *better),
                };
            }
            // The next format may be smaller.
            Some(Kept::OriginalIsBest) => {}
            None => missing.push(*order),
        }
    }
    let Some(first) = missing.first() else {
        return Looked::Settled;
    };
    match missing.iter().find(|order| is_quick(&order.recipe)) {
        Some(quick) if quick.key != first.key => Looked::Missing(*quick, Some(*first)),
        _ => Looked::Missing(*first, None),
    }
}

/// A small picture as a `data:` URI.
async fn text(variant: &Arc<Variant>) -> Served {
    let variant = variant.clone();
    let read = spawn_blocking(move || {
        let bytes = variant.body.read()?;
        let body = base64::engine::general_purpose::STANDARD.encode(bytes);
        let kind = variant.format.content_type();
        Ok::<_, std::io::Error>(format!("data:{kind};base64,{body}"))
    });
    match read.await {
        Ok(Ok(text)) => Served::Text(text),
        _ => FOR_NOW,
    }
}
