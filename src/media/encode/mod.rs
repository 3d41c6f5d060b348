//! Pictures written as files: JPEG, PNG, WebP and AVIF.
//!
//! No metadata is written, neither time nor place, and no profile: pixels are sRGB, which is what a
//! picture without one is taken to be.

mod avif;
mod jpeg;
mod libwebp;
mod pixels;
mod png;
#[cfg(test)]
mod tests;
mod webp;

pub use avif::MOST_PIXELS as MOST_AVIF_PIXELS;

use super::{Deadline, Decoded, Fault, Format, Picture, Recipe};

/// Writes a picture in the recipe's format and quality.
///
/// Transparency is kept where the format has it, and elsewhere laid on the recipe's background. An
/// animation is written as WebP.
///
/// # Errors
/// [`Fault::Unsupported`]: the format is none that is written, has no animation, or does not hold a
/// picture of this size. [`Fault::TooSlow`]. [`Fault::Encoder`].
pub fn encode(picture: &Decoded, recipe: &Recipe, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    deadline.check()?;
    let written = match picture {
        Decoded::Still(picture) => still(picture, recipe, deadline),
        Decoded::Moving { frames, loops } => match recipe.format {
            Format::WebP => webp::moving(frames, *loops, recipe.quality, deadline),
            _ => Err(Fault::Unsupported("an animation in this format")),
        },
    }?;
    deadline.check()?;
    Ok(written)
}

fn still(picture: &Picture, recipe: &Recipe, deadline: Deadline) -> Result<Vec<u8>, Fault> {
    if !pixels::are_complete(picture) {
        return Err(Fault::Encoder(
            "a picture without all its pixels".to_string(),
        ));
    }
    let quality = recipe.quality.clamp(1, 100);
    match recipe.format {
        Format::Jpeg => jpeg::write(&pixels::flat(picture, recipe.background), quality),
        Format::Png => png::write(picture, deadline),
        Format::WebP => webp::still(picture, quality, deadline),
        Format::Avif => avif::write(picture, quality, deadline),
        Format::Gif | Format::Bmp | Format::Tiff => Err(Fault::Unsupported("writing this format")),
    }
}
