//! From what is wanted to what is made of an original.

use super::normal::normal;
use super::{Wanted, Wish};
use crate::media::{Facts, Format, Frames, Plan, Recipe};

impl Wish {
    /// What is to be made of this original, the best liked first; the last one is in a format that
    /// the client can show in any case. Empty: the original is to be left alone.
    ///
    /// An animation stays one, which WebP alone can do.
    pub fn recipes(&self, facts: &Facts) -> Vec<Recipe> {
        let (chain, last) = self.chain(facts);
        let formats = chain.into_iter().flatten();
        let mut recipes: Vec<Recipe> = formats.map(|format| self.recipe(format, facts)).collect();
        if let Some(recipe) = recipes.last_mut() {
            // Nor can the original stand for what shows something else.
            recipe.always = last || !Plan::of(recipe, facts.upright()).shows_the_original();
        }
        recipes
    }

    fn recipe(&self, format: Format, facts: &Facts) -> Recipe {
        let recipe = Recipe {
            width: self.width,
            height: self.height,
            fit: self.fit,
            blur: self.blur,
            quality: self.quality,
            format,
            background: self.background,
            always: false,
        };
        normal(recipe, facts)
    }

    /// The formats, and whether the last of them must be made even if it is larger than the original.
    fn chain(&self, facts: &Facts) -> ([Option<Format>; 3], bool) {
        let own = facts.format;
        let one = |format| [Some(format), None, None];
        match (self.formats, facts.frames == Frames::Many) {
            (Wanted::Named(Format::WebP), true) => (one(Format::WebP), own != Format::WebP),
            (Wanted::Named(_), true) => ([None; 3], false),
            (Wanted::Named(format), false) => (one(format), format != own),
            // A page's placeholder stands still.
            (Wanted::Anywhere { webp: true }, false) => {
                ([Some(Format::WebP), Some(plain(facts)), None], true)
            }
            (Wanted::Anywhere { .. }, _) => (one(plain(facts)), true),
            (Wanted::Negotiated(accepted), true) => {
                let kept = own == Format::WebP && accepted.names(own);
                match kept || accepted.made(own).any(|format| format == Format::WebP) {
                    true => (one(Format::WebP), false),
                    false => ([None; 3], false),
                }
            }
            (Wanted::Negotiated(accepted), false) => {
                let last = match own {
                    Format::WebP | Format::Avif if accepted.names(own) => own,
                    _ => plain(facts),
                };
                let others = accepted.made(last).filter(|format| *format != last);
                let mut chain = [None; 3];
                for (slot, format) in chain.iter_mut().zip(others.chain([last])) {
                    *slot = Some(format);
                }
                let hidden = match own {
                    Format::WebP | Format::Avif => last != own,
                    Format::Tiff => true,
                    Format::Jpeg | Format::Png | Format::Gif | Format::Bmp => false,
                };
                (chain, hidden)
            }
        }
    }
}

/// What every browser shows, and is nearest to the original.
fn plain(facts: &Facts) -> Format {
    match facts.format {
        Format::Jpeg => Format::Jpeg,
        Format::Png | Format::Gif => Format::Png,
        Format::WebP | Format::Avif | Format::Bmp | Format::Tiff => match facts.alpha {
            true => Format::Png,
            false => Format::Jpeg,
        },
    }
}
