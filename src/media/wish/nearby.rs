//! What may stand for a variant that cannot be made now.

use super::{Policy, Wish};
use crate::media::{Facts, Fit, Plan, Recipe};

impl Wish {
    /// The same picture in the other sizes that are often asked for, one of which may be there: the
    /// larger ones first, the nearest of them before the others; then the smaller ones likewise.
    /// Each in the formats of [`Wish::recipes`], the best liked first.
    ///
    /// Of what is cut, filled or blurred there is nothing alike, but for squares.
    pub fn smaller(&self, facts: &Facts, policy: &Policy) -> Vec<Recipe> {
        if self.blur > 0 {
            return Vec::new();
        }
        let own = self.recipes(facts);
        let upright = facts.upright();
        let Some(wanted) = own.first().map(|recipe| Plan::of(recipe, upright).size().0) else {
            return Vec::new();
        };
        let capped = (Some(policy.max_width), Some(policy.max_height));
        let square = self.width.is_some() && self.width == self.height;
        let listed = policy.widths.iter().copied();
        let sizes: Vec<(Option<u32>, Option<u32>)> = match self.fit {
            Fit::Inside => listed
                .map(|side| (Some(side), None))
                .chain([capped])
                .collect(),
            Fit::Contain | Fit::Cover if square => {
                listed.map(|side| (Some(side), Some(side))).collect()
            }
            Fit::Contain | Fit::Cover => return Vec::new(),
        };
        let mut ranked: Vec<((bool, u32), Recipe)> = sizes
            .into_iter()
            .flat_map(|(width, height)| {
                let other = Wish {
                    width,
                    height,
                    ..*self
                };
                other.recipes(facts)
            })
            .map(|recipe| {
                let size = Plan::of(&recipe, upright).size().0;
                ((size < wanted, size.abs_diff(wanted)), recipe)
            })
            .collect();
        // Stable: the formats of one size keep their order.
        ranked.sort_by_key(|(rank, _)| *rank);
        // What makes the same is one recipe.
        let mut others = Vec::with_capacity(ranked.len());
        for (_, recipe) in ranked {
            if !own.contains(&recipe) && !others.contains(&recipe) {
                others.push(recipe);
            }
        }
        others
    }
}
