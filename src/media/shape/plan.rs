//! Sizes: what is cut out of the original, to what size it is brought, how large the variant is.
//!
//! All of it is arithmetic of whole numbers: a side is the exact quotient, rounded half up, at least
//! one pixel.

use crate::media::{Fit, Recipe};

/// How many pixels a side must be decoded to for each that it is brought to. A decoder's reduced
/// scale is a hard filter, which a resize mends only if there is something left to resize: without
/// this, photographs of 12 megapixels brought to 640 pixels lose 0.005 of their structural
/// similarity.
const DECODED: f64 = 1.6;

/// How an original becomes a variant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Of the original, upright.
    upright: (u32, u32),
    /// What the part of the original that is seen is brought to.
    scaled: (u32, u32),
    /// Cut off on both sides alike, so that the shape of `scaled` is left?
    cut: bool,
    /// Of the variant; larger than `scaled` where the rest is filled.
    size: (u32, u32),
    /// Does the variant show something else than the original in another size?
    changed: bool,
}

/// A part of a picture, in its pixels, not always whole ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub left: f64,
    pub top: f64,
    pub width: f64,
    pub height: f64,
}

impl Plan {
    /// The plan of this recipe for an original of this size, upright, in pixels.
    ///
    /// Nothing is enlarged. With [`Fit::Inside`] a box that is larger changes nothing; with
    /// [`Fit::Contain`] the picture stands in it as it is; with [`Fit::Cover`] the box is made
    /// smaller until the picture fills it, and keeps its shape. Contain and cover want both sides of
    /// a box: with one of them alone they are as inside.
    pub fn of(recipe: &Recipe, upright: (u32, u32)) -> Self {
        let upright = (upright.0.max(1), upright.1.max(1));
        let inside = shrunk(upright, (recipe.width, recipe.height));
        let (scaled, size, cut) = match (recipe.fit, recipe.width, recipe.height) {
            (Fit::Contain, Some(width), Some(height)) => {
                (inside, (width.max(1), height.max(1)), false)
            }
            (Fit::Cover, Some(width), Some(height)) => {
                let shape = (width.max(1), height.max(1));
                let size = shrunk(shape, (Some(upright.0), Some(upright.1)));
                // A box of the original's shape cuts nothing off.
                let same = product(size.0, upright.1) == product(size.1, upright.0);
                (size, size, !same)
            }
            _ => (inside, inside, false),
        };
        Plan {
            upright,
            scaled,
            cut,
            size,
            changed: cut || scaled != size || recipe.blur > 0,
        }
    }

    /// Of the variant: width and height, pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// How many pixels, upright, the whole original must be decoded to at the least.
    pub fn at_least(&self) -> (u32, u32) {
        let (width, height) = self.upright;
        let part = self.area(self.upright);
        // The part that is seen needs as many pixels as it is brought to, the whole more of them.
        let needed = |whole: u32, part: f64, scaled: u32| {
            let needed = DECODED * f64::from(whole) * f64::from(scaled) / part;
            ((needed - 1e-6).ceil() as u32).clamp(1, whole)
        };
        (
            needed(width, part.width, self.scaled.0),
            needed(height, part.height, self.scaled.1),
        )
    }

    /// Does the variant show the original, only smaller or as large? Then the original may be shown
    /// in its place.
    pub fn shows_the_original(&self) -> bool {
        !self.changed
    }

    /// What the part that is seen is brought to, pixels.
    pub(super) fn scaled(&self) -> (u32, u32) {
        self.scaled
    }

    /// The part that is seen of the original when it was decoded to this size.
    pub(super) fn area(&self, decoded: (u32, u32)) -> Area {
        let (width, height) = (f64::from(decoded.0), f64::from(decoded.1));
        let whole = Area {
            left: 0.0,
            top: 0.0,
            width,
            height,
        };
        if !self.cut {
            return whole;
        }
        let (to_width, to_height) = self.scaled;
        let wider = product(self.upright.0, to_height) > product(to_width, self.upright.1);
        // The length that is kept of a side when the other one is kept whole, and where it begins.
        // By the upright original's shape: the decoder's rounding of sizes must not bend it. Where
        // nothing is scaled pixels stay whole, or they would only be blurred; else parts of 1/1024,
        // which a float holds exactly, so that no sum is beyond the edge.
        let kept = |whole: f64, long: u32, short: u32, to: u32, short_to: u32, scales: bool| {
            let ratio = f64::from(short) * f64::from(to) / f64::from(short_to) / f64::from(long);
            let length = match scales {
                true => (whole * ratio * 1024.0).floor() / 1024.0,
                false => f64::from(to),
            }
            .min(whole);
            let start = (whole - length) / 2.0;
            (if scales { start } else { start.floor() }, length)
        };
        let (long, high) = self.upright;
        if wider {
            let scales = decoded.1 != to_height;
            let (left, width) = kept(width, long, high, to_width, to_height, scales);
            Area {
                left,
                width,
                ..whole
            }
        } else {
            let scales = decoded.0 != to_width;
            let (top, height) = kept(height, high, long, to_height, to_width, scales);
            Area {
                top,
                height,
                ..whole
            }
        }
    }
}

fn product(a: u32, b: u32) -> u64 {
    u64::from(a) * u64::from(b)
}

/// The size made smaller until it fits the bounds, its shape kept.
fn shrunk(size: (u32, u32), bounds: (Option<u32>, Option<u32>)) -> (u32, u32) {
    let (width, height) = size;
    let bound_width = bounds.0.unwrap_or(width).clamp(1, width);
    let bound_height = bounds.1.unwrap_or(height).clamp(1, height);
    // Which side meets its bound first?
    match product(bound_width, height) <= product(bound_height, width) {
        true => (bound_width, part(height, bound_width, width)),
        false => (part(width, bound_height, height), bound_height),
    }
}

/// `length` x `of` / `whole`, rounded half up, at least 1. `of` is at most `whole`, so the result
/// is at most `length`.
fn part(length: u32, of: u32, whole: u32) -> u32 {
    let whole = u64::from(whole.max(1));
    let rounded = (2 * product(length, of) + whole) / (2 * whole);
    u32::try_from(rounded).unwrap_or(u32::MAX).max(1)
}
