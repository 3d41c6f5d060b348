//! Windows bitmaps: BITMAPFILEHEADER and the headers that may follow it.

use super::bytes::Order;
use super::{Facts, Frames, Orientation, broken};
use crate::media::{Fault, Format};

pub(super) fn read(bmp: &[u8]) -> Result<Facts, Fault> {
    let (width, height, bits) = size(bmp).ok_or_else(|| broken("the header is too short"))?;
    Ok(Facts {
        format: Format::Bmp,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: Frames::One,
        // Only these have room for it; whether they use it is told by masks.
        alpha: matches!(bits, 16 | 32),
    })
}

/// Width, height, bits of a pixel.
fn size(bmp: &[u8]) -> Option<(u32, u32, u16)> {
    let order = Order::Little;
    match order.u32(bmp, 14)? {
        // BITMAPCOREHEADER: 16 bits each.
        12 => Some((
            order.u16(bmp, 18)?.into(),
            order.u16(bmp, 20)?.into(),
            order.u16(bmp, 24)?,
        )),
        // BITMAPINFOHEADER and what grew out of it: 32 bits each, a negative height means that the
        // rows begin at the top.
        _ => {
            let width = order.u32(bmp, 18)?.cast_signed();
            let height = order.u32(bmp, 22)?.cast_signed().unsigned_abs();
            Some((width.try_into().ok()?, height, order.u16(bmp, 28)?))
        }
    }
}
