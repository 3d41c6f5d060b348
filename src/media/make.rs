//! A variant made: read, brought to its size, written.

#[cfg(test)]
mod tests;

use super::{Deadline, Decoded, Facts, Fault, Format, Frames, Limits, Plan, Recipe};
use super::{decode, encode, reshape};

/// What became of an original and a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Made {
    /// A variant.
    Variant {
        /// The file.
        bytes: Vec<u8>,
        /// Pixels.
        width: u32,
        /// Pixels.
        height: u32,
    },
    /// The variant would be no smaller than the original, which shows the same: that is best.
    NotSmaller,
}

/// Makes a variant of an original that has these facts (those that `probe` told of the same bytes).
///
/// The original is best only where it shows what the recipe wants, in more pixels or as many: never
/// instead of a picture that is cut, filled up or blurred, and not where the recipe says `always`.
///
/// # Errors
/// [`Fault::Unsupported`]: among others an animation in another format than WebP, which is better
/// left alone than shown by its first picture. [`Fault::TooManyPixels`]: of the original or the
/// variant. All others but [`Fault::Unknown`].
pub fn make(
    original: &[u8],
    facts: &Facts,
    recipe: &Recipe,
    limits: &Limits,
    deadline: Deadline,
) -> Result<Made, Fault> {
    let moves = facts.frames == Frames::Many;
    if moves && recipe.format != Format::WebP {
        return Err(Fault::Unsupported("an animation in this format"));
    }
    let plan = Plan::of(recipe, facts.upright());
    let (width, height) = plan.size();
    // A box that is filled up may be larger than the original.
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Fault::TooManyPixels);
    }
    let decoded = decode(original, facts, Some(plan.at_least()), limits, deadline)?;
    if moves && matches!(decoded, Decoded::Still(_)) {
        return Err(Fault::Unsupported(
            "an animation of which one picture is left",
        ));
    }
    deadline.check()?;
    let shaped = reshape(decoded, &plan, recipe, deadline)?;
    deadline.check()?;
    let bytes = encode(&shaped, recipe, deadline)?;
    let original_is_best = !recipe.always && plan.shows_the_original();
    if original_is_best && bytes.len() >= original.len() {
        return Ok(Made::NotSmaller);
    }
    Ok(Made::Variant {
        bytes,
        width,
        height,
    })
}
