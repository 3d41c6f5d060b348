//! JPEG's segments (ITU-T T.81, annex B).

use super::bytes::{Order, slice};
use super::{Facts, Frames, Orientation, broken, exif};
use crate::media::{Fault, Format};

/// A segment before the first scan, or the start of a frame.
pub(in crate::media) struct Segment<'a> {
    /// The second byte of its marker.
    pub(in crate::media) marker: u8,
    /// What follows its length.
    pub(in crate::media) data: &'a [u8],
}

/// The segments up to the first scan, in the file's order. Ends early where the file does.
pub(in crate::media) struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(in crate::media) fn of(jpeg: &'a [u8]) -> Self {
        let rest = jpeg.get(2..).unwrap_or_default();
        Segments { rest }
    }

    /// What lies behind the last segment before the first scan: from its marker on.
    pub(in crate::media) fn behind(mut self) -> &'a [u8] {
        while self.next().is_some() {}
        self.rest
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        // Any number of bytes FF may precede a marker. Other bytes do not belong there; decoders
        // pass over them, and so it is done here.
        let start = memchr::memchr(0xff, self.rest)?;
        let from = self.rest.get(start..)?;
        let fill = from.iter().position(|byte| *byte != 0xff)?;
        let (marker, rest) = from.get(fill..)?.split_first()?;
        match *marker {
            // Stuffing, TEM, RSTn and SOI have no length.
            0x00 | 0x01 | 0xd0..=0xd8 => {
                self.rest = rest;
                Some(Segment {
                    marker: *marker,
                    data: &[],
                })
            }
            // EOI, SOS.
            0xd9 | 0xda => {
                // They are found again, however often it is asked.
                self.rest = from;
                None
            }
            marker => {
                let length = usize::from(Order::Big.u16(rest, 0)?);
                let data = rest.get(2..length)?;
                self.rest = rest.get(length..)?;
                Some(Segment { marker, data })
            }
        }
    }
}

/// The start of a frame (SOFn).
fn frame(segment: &Segment<'_>) -> Option<(u32, u32)> {
    match segment.marker {
        0xc4 | 0xc8 | 0xcc => None,
        0xc0..=0xcf => {
            let height = Order::Big.u16(segment.data, 1)?;
            let width = Order::Big.u16(segment.data, 3)?;
            Some((u32::from(width), u32::from(height)))
        }
        _ => None,
    }
}

pub(super) fn read(jpeg: &[u8]) -> Result<Facts, Fault> {
    let mut size = None;
    let mut orientation = None;
    for segment in Segments::of(jpeg) {
        if let Some(frame) = frame(&segment) {
            size.get_or_insert(frame);
        }
        let is_exif = segment.marker == 0xe1 && slice(segment.data, 0, 6) == Some(b"Exif\0\0");
        if is_exif {
            orientation.get_or_insert_with(|| exif::orientation(segment.data));
        }
    }
    let (width, height) = size.ok_or_else(|| broken("no start of a frame"))?;
    Ok(Facts {
        format: Format::Jpeg,
        width,
        height,
        orientation: orientation.unwrap_or(Orientation::UPRIGHT),
        frames: Frames::One,
        alpha: false,
    })
}
