//! Recipes that make the same of an original are one: what changes nothing is left out of them.

use crate::media::{Facts, Fit, Format, Plan, Recipe};

/// The recipe that stands for all that make the same of this original.
pub(super) fn normal(recipe: Recipe, facts: &Facts) -> Recipe {
    let mut recipe = shape(recipe, facts.upright());
    let flattened = recipe.format == Format::Jpeg && facts.alpha;
    if !flattened && recipe.fit != Fit::Contain {
        recipe.background = [255; 3];
    }
    // PNG loses nothing.
    if recipe.format == Format::Png {
        recipe.quality = 100;
    }
    recipe
}

fn shape(recipe: Recipe, upright: (u32, u32)) -> Recipe {
    let sharp = Recipe { blur: 0, ..recipe };
    let plan = Plan::of(&sharp, upright);
    let ((width, height), whole) = (plan.size(), upright);
    if !plan.shows_the_original() {
        return Recipe {
            width: Some(width),
            height: Some(height),
            ..recipe
        };
    }
    // Of a box, the side counts that the picture meets first; none does that is larger.
    let (width, height) = match (recipe.fit, recipe.width, recipe.height) {
        (Fit::Cover, Some(_), Some(_)) => (Some(width), Some(height)),
        (_, width, height) => (width, height),
    };
    let width = width.filter(|side| *side < whole.0);
    let height = height.filter(|side| *side < whole.1);
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let (width, height) = match (width, height) {
        (Some(w), Some(h)) if product(w, whole.1) <= product(h, whole.0) => (Some(w), None),
        (Some(_), Some(h)) => (None, Some(h)),
        other => other,
    };
    Recipe {
        width,
        height,
        fit: Fit::Inside,
        ..recipe
    }
}
