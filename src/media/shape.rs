//! A decoded picture brought to its variant's size: cut, made smaller, blurred, put on its canvas.

mod blur;
mod canvas;
mod plan;
#[cfg(test)]
mod tests;

pub use plan::Plan;

use super::{Deadline, Decoded, Fault, Format, Frame, Layout, Picture, Recipe};
use fast_image_resize as fir;
use fir::images::{Image, ImageRef};
use fir::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// Brings a picture, or all pictures of an animation, to the size of the plan.
///
/// What was decoded may be smaller than the original (the decoder's reduced scale), if not smaller
/// than [`Plan::at_least`]. Colours are mixed in proportion to their alpha: what is transparent
/// leaves no fringe.
///
/// # Errors
/// [`Fault::TooSlow`]; [`Fault::Encoder`] for a picture whose pixels are not as many as it says.
pub fn reshape(
    decoded: Decoded,
    plan: &Plan,
    recipe: &Recipe,
    deadline: Deadline,
) -> Result<Decoded, Fault> {
    let mut work = Work {
        plan,
        recipe,
        deadline,
        resizer: Resizer::new(),
    };
    Ok(match decoded {
        Decoded::Still(picture) => Decoded::Still(work.picture(picture)?),
        Decoded::Moving { frames, loops } => Decoded::Moving {
            frames: frames
                .into_iter()
                .map(|Frame { picture, delay }| {
                    let picture = work.picture(picture)?;
                    Ok(Frame { picture, delay })
                })
                .collect::<Result<_, Fault>>()?,
            loops,
        },
    })
}

/// What all frames share; the resizer keeps its buffers.
struct Work<'a> {
    plan: &'a Plan,
    recipe: &'a Recipe,
    deadline: Deadline,
    resizer: Resizer,
}

impl Work<'_> {
    fn picture(&mut self, picture: Picture) -> Result<Picture, Fault> {
        self.deadline.check()?;
        let mut picture = self.scaled(picture)?;
        self.deadline.check()?;
        if self.recipe.blur > 0 {
            blur::blur(&mut picture, self.recipe.blur, self.deadline)?;
        }
        let transparent = matches!(
            self.recipe.format,
            Format::Avif | Format::Png | Format::WebP
        );
        Ok(canvas::put(
            picture,
            self.plan.size(),
            self.recipe.background,
            transparent,
        ))
    }

    fn scaled(&mut self, picture: Picture) -> Result<Picture, Fault> {
        let (width, height) = self.plan.scaled();
        let area = self.plan.area((picture.width, picture.height));
        let whole = area.left == 0.0
            && area.top == 0.0
            && area.width == f64::from(picture.width)
            && area.height == f64::from(picture.height);
        if whole && (width, height) == (picture.width, picture.height) {
            return Ok(picture);
        }
        let kind = pixel_type(picture.layout);
        let from = ImageRef::new(picture.width, picture.height, &picture.pixels, kind)
            .map_err(|fault| Fault::Encoder(fault.to_string()))?;
        let mut to = Image::new(width, height, kind);
        let options = ResizeOptions::new()
            .resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3))
            .crop(area.left, area.top, area.width, area.height);
        self.resizer
            .resize(&from, &mut to, &options)
            .map_err(|fault| Fault::Encoder(fault.to_string()))?;
        Ok(Picture {
            width,
            height,
            layout: picture.layout,
            pixels: to.into_vec(),
        })
    }
}

fn pixel_type(layout: Layout) -> PixelType {
    match layout {
        Layout::Gray => PixelType::U8,
        Layout::Rgb => PixelType::U8x3,
        Layout::Rgba => PixelType::U8x4,
    }
}
