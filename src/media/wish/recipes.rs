//! From what is wanted to what is made of an original.

use super::normal::normal;
use super::{Wanted, Wish};
use crate::media::{Facts, Format, Frames, MOST_AVIF_PIXELS, Plan, Recipe};

impl Wish {
    /// What is to be made of this original, the best liked first; the last one is in a format that
    /// the client can show in any case. Empty: the original is to be left alone.
    ///
    /// An animation stays one, which WebP alone can do. Formats that do not hold a picture of this
    /// size are left out.
    pub fn recipes(&self, facts: &Facts) -> Vec<Recipe> {
        let (chain, always) = self.chain(facts);
        let last = chain.iter().flatten().next_back().copied();
        let formats = chain.into_iter().flatten();
        formats
            .map(|format| Recipe {
                always: always && Some(format) == last,
                ..self.recipe(format, facts)
            })
            .filter(|recipe| holds(recipe.format, Plan::of(recipe, facts.upright()).size()))
            .collect()
    }

    /// The size of what is sent in place of an original of this size, both in pixels and upright.
    pub fn size(&self, upright: (u32, u32)) -> (u32, u32) {
        Plan::of(&self.plain(Format::Jpeg), upright).size()
    }

    fn recipe(&self, format: Format, facts: &Facts) -> Recipe {
        normal(self.plain(format), facts)
    }

    fn plain(&self, format: Format) -> Recipe {
        Recipe {
            width: self.width,
            height: self.height,
            fit: self.fit,
            blur: self.blur,
            quality: self.quality,
            format,
            background: self.background,
            always: false,
        }
    }

    /// The formats, and whether the last of them must be made even if it is larger than the original.
    fn chain(&self, facts: &Facts) -> ([Option<Format>; 3], bool) {
        let own = facts.format;
        let one = |format| [Some(format), None, None];
        match (self.formats, facts.frames == Frames::Many) {
            (Wanted::Named(Format::WebP), true) => (one(Format::WebP), own != Format::WebP),
            (Wanted::Named(_), true) => ([None; 3], false),
            (Wanted::Named(format), false) => (one(format), format != own),
            (Wanted::Anywhere { webp: true }, false) => {
                ([Some(Format::WebP), Some(plain(facts)), None], true)
            }
            (Wanted::Anywhere { webp: false }, false) => (one(plain(facts)), true),
            (Wanted::Anywhere { .. }, true) => (one(Format::WebP), true),
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

/// Whether a format has pictures of this size: WebP counts 14 bits of a side (RFC 9649 section
/// 2.5), JPEG and AV1 count 16 (ITU-T T.81, B.2.2; AV1 section 5.5.1), of which libjpeg-turbo uses
/// a little less. AVIF that takes longer than anybody waits is not begun.
fn holds(format: Format, (width, height): (u32, u32)) -> bool {
    if format == Format::Avif && u64::from(width) * u64::from(height) > MOST_AVIF_PIXELS {
        return false;
    }
    let longest = match format {
        Format::WebP => 16_383,
        Format::Jpeg => 65_500,
        Format::Avif => 65_535,
        Format::Png | Format::Gif | Format::Bmp | Format::Tiff => u32::MAX,
    };
    width.max(height) <= longest
}
