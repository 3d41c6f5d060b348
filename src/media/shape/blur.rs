//! A Gaussian blur, near enough: three box blurs, one after the other.
//!
//! What it costs does not depend on how strong it is: a box is a running sum.

use crate::media::{Deadline, Fault, Layout, Picture};
use fast_image_resize::images::Image;
use fast_image_resize::{MulDiv, PixelType};

/// Blurs a picture by a standard deviation in pixels. Beyond its edges it goes on as at the edge.
pub(super) fn blur(picture: &mut Picture, sigma: u8, deadline: Deadline) -> Result<(), Fault> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let bytes = picture.layout.bytes();
    if width == 0 || height == 0 || picture.pixels.len() != width * height * bytes {
        return Err(Fault::Encoder("a picture with too few pixels".to_string()));
    }
    // Colours count as much as they are seen.
    alpha(picture, |image, alpha| alpha.multiply_alpha_inplace(image))?;
    let mut other = vec![0; picture.pixels.len()];
    for radius in radii(sigma) {
        deadline.check()?;
        match picture.layout {
            Layout::Gray => across::<1>(&picture.pixels, &mut other, width, radius),
            Layout::Rgb => across::<3>(&picture.pixels, &mut other, width, radius),
            Layout::Rgba => across::<4>(&picture.pixels, &mut other, width, radius),
        }
        deadline.check()?;
        down(&other, &mut picture.pixels, width * bytes, height, radius);
    }
    alpha(picture, |image, alpha| alpha.divide_alpha_inplace(image))
}

/// The radii of three boxes whose variances together are that of the Gaussian.
fn radii(sigma: u8) -> [usize; 3] {
    // A box of the odd width w has the variance (w^2 - 1) / 12. Two widths next to each other, as
    // many of each as come nearest.
    let variance = f64::from(sigma) * f64::from(sigma);
    let ideal = (12.0 * variance / 3.0 + 1.0).sqrt();
    let low = ((ideal.floor() as usize).max(1) - 1) / 2;
    let lower = (2 * low + 1) as f64;
    let low_boxes =
        (12.0 * variance - 3.0 * lower * lower - 12.0 * lower - 9.0) / (-4.0 * lower - 4.0);
    let low_boxes = low_boxes.round().max(0.0) as usize;
    [0, 1, 2].map(|turn| if turn < low_boxes { low } else { low + 1 })
}

/// Divides a sum of `2 * radius + 1` bytes, rounding: a multiplication and a shift.
fn mean(radius: usize) -> impl Fn(u32) -> u8 {
    let part = (1u32 << 23) / (2 * radius as u32 + 1);
    move |sum| (sum.wrapping_mul(part).wrapping_add(1 << 22) >> 23) as u8
}

/// Along the rows, pixels of N channels.
fn across<const N: usize>(from: &[u8], to: &mut [u8], width: usize, radius: usize) {
    let mean = mean(radius);
    let mut long: Vec<[u8; N]> = Vec::with_capacity(width + 2 * radius + 1);
    for (from, to) in from
        .chunks_exact(width * N)
        .zip(to.chunks_exact_mut(width * N))
    {
        let (pixels, _) = from.as_chunks::<N>();
        let (Some(first), Some(last)) = (pixels.first(), pixels.last()) else {
            return;
        };
        // The row, with its edges drawn out.
        long.clear();
        long.extend(std::iter::repeat_n(first, radius));
        long.extend(pixels);
        long.extend(std::iter::repeat_n(last, radius + 1));
        let window = 2 * radius + 1;
        let mut sums = [0u32; N];
        for pixel in long.iter().take(window) {
            add(&mut sums, pixel);
        }
        let coming = long.iter().skip(window);
        let (to, _) = to.as_chunks_mut::<N>();
        for ((to, coming), going) in to.iter_mut().zip(coming).zip(&long) {
            for (to, sum) in to.iter_mut().zip(&sums) {
                *to = mean(*sum);
            }
            add(&mut sums, coming);
            for (sum, going) in sums.iter_mut().zip(going) {
                *sum -= u32::from(*going);
            }
        }
    }
}

/// Along the columns, all at once, row after row.
fn down(from: &[u8], to: &mut [u8], stride: usize, height: usize, radius: usize) {
    let mean = mean(radius);
    let row = |y: usize| {
        let y = y.saturating_sub(radius).min(height - 1);
        from.get(y * stride..(y + 1) * stride).unwrap_or_default()
    };
    let mut sums = vec![0u32; stride];
    for y in 0..2 * radius + 1 {
        add(&mut sums, row(y));
    }
    for (y, to) in to.chunks_exact_mut(stride).enumerate() {
        let (coming, going) = (row(y + 2 * radius + 1), row(y));
        for (((to, sum), coming), going) in to.iter_mut().zip(&mut sums).zip(coming).zip(going) {
            *to = mean(*sum);
            *sum = *sum + u32::from(*coming) - u32::from(*going);
        }
    }
}

fn add(sums: &mut [u32], row: &[u8]) {
    for (sum, byte) in sums.iter_mut().zip(row) {
        *sum += u32::from(*byte);
    }
}

/// Does something with the pixels of a picture that has an alpha.
fn alpha<E: std::fmt::Display>(
    picture: &mut Picture,
    change: impl FnOnce(&mut Image, MulDiv) -> Result<(), E>,
) -> Result<(), Fault> {
    if picture.layout != Layout::Rgba {
        return Ok(());
    }
    let failed = |fault: String| Fault::Encoder(fault);
    let (width, height) = (picture.width, picture.height);
    let mut image = Image::from_slice_u8(width, height, &mut picture.pixels, PixelType::U8x4)
        .map_err(|fault| failed(fault.to_string()))?;
    change(&mut image, MulDiv::new()).map_err(|fault| failed(fault.to_string()))
}
