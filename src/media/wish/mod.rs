//! What a request wants of a picture.
//!
//! In: a request's path, query and fields, and what a route allows. Out: a [`Wish`], and of that the
//! recipes for an original, the best liked first. Plain functions: nothing here waits for anything
//! or keeps anything.
//!
//! Parameters that are not ours may be the app's (`?v=3`) and are passed over. What is free to choose
//! is rounded to a short list, unless the address is signed.

mod accept;
mod hints;
mod nearby;
mod normal;
mod query;
mod recipes;
mod refusal;
mod sign;
#[cfg(test)]
mod tests;

pub use accept::Accepted;
pub use hints::Varies;
pub use refusal::Refusal;
pub use sign::SigningKey;

use super::{Fit, Format};
use http::HeaderMap;
use query::{Asked, Ratio};

/// The largest width and height that can be asked for, pixels.
pub const LARGEST: u32 = 8192;

/// The width of a placeholder, pixels: enough to tell what a picture will show, in some hundred
/// bytes.
const PLACEHOLDER: u32 = 20;

/// The height of a placeholder, of pictures that are much higher than wide.
const PLACEHOLDER_HEIGHT: u32 = 2 * PLACEHOLDER;

/// The blur of a placeholder, at most: more would leave one colour of so few pixels.
const PLACEHOLDER_BLUR: u8 = 2;

/// What `?blur` means without a number.
const USUAL_BLUR: u8 = 5;

/// What a blur is rounded up to.
const BLURS: [u8; 6] = [2, 5, 10, 20, 50, 100];

/// What a quality is rounded up to, beside the configured one. A placeholder has the second.
const QUALITIES: [u8; 4] = [30, 50, 70, 100];

/// What a route allows requests to ask for, and what they get when they ask for nothing.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Widths and heights that there are, pixels: the smallest first, each once, at least one.
    pub widths: Vec<u32>,
    /// AVIF and WebP, or one of them or none; the better liked first.
    pub formats: Vec<Format>,
    /// 1 to 100.
    pub quality: u8,
    /// Of pictures whose size is not asked for, pixels.
    pub max_width: u32,
    /// Of pictures whose size is not asked for, pixels.
    pub max_height: u32,
    /// Red, green and blue behind what is transparent.
    pub background: [u8; 3],
    /// Whether `Sec-CH-Width` and `Sec-CH-DPR` are heard.
    pub client_hints: bool,
    /// The key of signed addresses, if there are any.
    pub sign: Option<SigningKey>,
}

/// What a request wants, whatever the original is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wish {
    /// Of the box, pixels.
    pub width: Option<u32>,
    /// Of the box, pixels.
    pub height: Option<u32>,
    /// How the picture is brought into the box.
    pub fit: Fit,
    /// Standard deviation, pixels of the variant; 0: none.
    pub blur: u8,
    /// 1 to 100.
    pub quality: u8,
    /// What it may be written as.
    pub formats: Wanted,
    /// Whether the answer is the variant as a data URI (RFC 2397), in text: `?placeholder`.
    pub placeholder: bool,
    /// Which of the request's fields the answer depends on.
    pub varies: Varies,
    /// Red, green and blue behind what is transparent.
    pub background: [u8; 3],
}

/// What a variant may be written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// This, whatever the client takes: `?format=`.
    Named(Format),
    /// What the client takes.
    Negotiated(Accepted),
    /// What every browser shows, as it is part of a page; `webp`: whether that may be WebP, which all
    /// browsers since 2020 show.
    Anywhere {
        /// Whether the route makes WebP.
        webp: bool,
    },
}

impl Wish {
    /// The fields of the request that the answer depends on, as the value of `Vary`; `None`: it
    /// depends on the address alone.
    pub fn vary(&self) -> Option<&'static str> {
        self.varies.field()
    }
}

impl Policy {
    /// What a request wants. `path` and `query` (without its `?`) are as the client sent them: that
    /// is what is signed.
    ///
    /// # Errors
    /// A parameter of ours that makes no sense or is given twice; a signature that is wrong.
    pub fn wish(
        &self,
        path: &[u8],
        query: Option<&[u8]>,
        headers: &HeaderMap,
    ) -> Result<Wish, Refusal> {
        let asked = match query {
            Some(query) => Asked::read(query, self)?,
            None => Asked::default(),
        };
        let free = match (&self.sign, &asked.signature) {
            (Some(key), Some(signature)) if signature.is_of(key, path) => true,
            (Some(_), Some(_)) => return Err(Refusal::Signature),
            _ => false,
        };
        let placeholder = asked.placeholder.unwrap_or(false);
        let mut varies = Varies::default();
        let formats = match asked.format.flatten() {
            Some(format) => Wanted::Named(format),
            None if placeholder => Wanted::Anywhere {
                webp: self.formats.contains(&Format::WebP),
            },
            None => {
                varies.accept = true;
                Wanted::Negotiated(Accepted::of(headers, &self.formats))
            }
        };
        let sized = asked.width.is_some() || asked.height.is_some();
        // A size of its own is what a placeholder has, and a blurred picture of which none is said.
        let tiny = placeholder || (asked.blur.is_some() && !sized);
        let (width, height) = match (sized, tiny) {
            (true, tiny) => {
                let size = self.size(&asked, free, headers, &mut varies);
                if tiny { shrunk(size) } else { size }
            }
            (false, true) => (Some(PLACEHOLDER), Some(PLACEHOLDER_HEIGHT)),
            (false, false) => self.capped(headers, &mut varies),
        };
        let boxed = asked.width.is_some() && asked.height.is_some();
        let fit = asked.fit.filter(|_| boxed).unwrap_or(Fit::Inside);
        let blur = asked.blur.map(|blur| match free {
            true => blur,
            false => next(&BLURS, blur),
        });
        let blur = match tiny {
            true => blur.unwrap_or(USUAL_BLUR).min(PLACEHOLDER_BLUR),
            false => blur.unwrap_or(0),
        };
        let quality = match (asked.quality, tiny) {
            (Some(quality), _) if free => quality,
            (Some(quality), _) => self.next_quality(quality),
            (None, true) => self.quality.min(50),
            (None, false) => self.quality,
        };
        Ok(Wish {
            width,
            height,
            fit,
            blur,
            quality,
            formats,
            placeholder,
            varies,
            background: self.background,
        })
    }

    /// The size that is asked for, in physical pixels.
    fn size(
        &self,
        asked: &Asked<'_>,
        free: bool,
        headers: &HeaderMap,
        varies: &mut Varies,
    ) -> (Option<u32>, Option<u32>) {
        let thousandths = match asked.dpr {
            None => 1000,
            Some(Ratio::Given(thousandths)) => thousandths,
            Some(Ratio::Auto) if self.client_hints => {
                varies.dpr = true;
                hints::ratio(headers)
            }
            Some(Ratio::Auto) => 1000,
        };
        let side = |side: u32| {
            let physical = side.saturating_mul(thousandths).saturating_add(500) / 1000;
            match free {
                true => physical.clamp(1, LARGEST),
                false => next(&self.widths, physical),
            }
        };
        let shaped = matches!(asked.fit, Some(Fit::Cover | Fit::Contain)) && !free;
        match (asked.width, asked.height) {
            (Some(width), Some(height)) if shaped => {
                let listed = side(width);
                let height = kept_shape(width, height, listed).unwrap_or_else(|| side(height));
                (Some(listed), Some(height))
            }
            (width, height) => (width.map(side), height.map(side)),
        }
    }

    /// The size of what is asked for without one.
    fn capped(&self, headers: &HeaderMap, varies: &mut Varies) -> (Option<u32>, Option<u32>) {
        let mut width = self.max_width;
        if self.client_hints {
            varies.width = true;
            if let Some(shown) = hints::width(headers) {
                width = width.min(next(&self.widths, shown));
            }
        }
        (Some(width), Some(self.max_height))
    }

    fn next_quality(&self, asked: u8) -> u8 {
        let listed = next(&QUALITIES, asked);
        match asked <= self.quality {
            true => listed.min(self.quality),
            false => listed,
        }
    }
}

/// The usual shapes of pictures, width to height; each also upright.
const SHAPES: [(u32, u32); 8] = [
    (1, 1),
    (5, 4),
    (4, 3),
    (3, 2),
    (16, 9),
    (2, 1),
    (21, 9),
    (3, 1),
];

/// The height of a box that is brought to a listed width, when its shape is a usual one: a page
/// that asks for 300 x 200 to be filled has no use for a square. `None`: any other shape, of which
/// there are too many to make pictures for.
fn kept_shape(width: u32, height: u32, listed: u32) -> Option<u32> {
    let upright = SHAPES.map(|(a, b)| (b, a));
    let shapes = SHAPES.into_iter().chain(upright);
    // All of them are at most `LARGEST`: the products fit.
    let near = |(a, b): &(u32, u32)| {
        let (one, other) = (height.saturating_mul(*a), width.saturating_mul(*b));
        // Pages round: 300 x 169 is 16 to 9.
        one.abs_diff(other) < *a
    };
    let (a, b) = shapes.into_iter().find(near)?;
    let height = listed.saturating_mul(b).saturating_add(a / 2) / a.max(1);
    Some(height.clamp(1, LARGEST))
}

/// The first of a sorted list that is not smaller, or else the largest.
fn next<T: Copy + Ord>(list: &[T], asked: T) -> T {
    let found = list.iter().find(|listed| **listed >= asked);
    found.or(list.last()).copied().unwrap_or(asked)
}

/// A box made as small as a placeholder, its shape kept.
fn shrunk(size: (Option<u32>, Option<u32>)) -> (Option<u32>, Option<u32>) {
    let (Some(width), Some(height)) = size else {
        return (Some(PLACEHOLDER), Some(PLACEHOLDER_HEIGHT));
    };
    // Both sides are at most `LARGEST`: the products fit.
    let part = |length: u32, of: u32, whole: u32| {
        let whole = whole.max(1);
        (length.saturating_mul(of).saturating_add(whole / 2) / whole).max(1)
    };
    let size = match height.saturating_mul(PLACEHOLDER) <= width.saturating_mul(PLACEHOLDER_HEIGHT)
    {
        true => (PLACEHOLDER, part(height, PLACEHOLDER, width)),
        false => (part(width, PLACEHOLDER_HEIGHT, height), PLACEHOLDER_HEIGHT),
    };
    (Some(size.0), Some(size.1))
}
