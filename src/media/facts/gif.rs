//! GIF's blocks (GIF89a, sections 17 to 27).

use super::bytes::{Order, array};
use super::{Facts, Frames, Orientation, broken};
use crate::media::{Fault, Format};

/// One image of a GIF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct Image {
    /// Pixels from the canvas's left.
    pub(in crate::media) left: u32,
    /// Pixels from its top.
    pub(in crate::media) top: u32,
    /// Pixels.
    pub(in crate::media) width: u32,
    /// Pixels.
    pub(in crate::media) height: u32,
    /// Whether some colour of it may be transparent.
    pub(in crate::media) transparent: bool,
}

/// The images of a GIF, in its order. Ends where the file does, or where it is none any more.
pub(in crate::media) struct Images<'a> {
    gif: &'a [u8],
    at: usize,
    transparent: bool,
    repeats: Option<u16>,
}

impl<'a> Images<'a> {
    pub(in crate::media) fn of(gif: &'a [u8]) -> Self {
        let table = gif.get(10).map_or(0, |flags| colours(*flags));
        Images {
            gif,
            at: 13 + table,
            transparent: false,
            repeats: None,
        }
    }

    /// Whether the file goes on to its trailer.
    pub(in crate::media) fn reaches_end(mut self) -> bool {
        while self.next().is_some() {}
        self.gif.get(self.at) == Some(&0x3b)
    }

    /// How often all images are shown, as far as was read; 0: for ever. A file that says nothing
    /// is shown once, one that says `n` is shown once and then n times more (as browsers do it,
    /// and as Netscape did, who invented it).
    pub(in crate::media) fn loops(&self) -> u32 {
        match self.repeats {
            None => 1,
            Some(0) => 0,
            Some(times) => u32::from(times) + 1,
        }
    }

    /// The extension of an application that tells of repeats, if it begins here.
    fn repeats(&self) -> Option<u16> {
        let names: [&[u8]; 2] = [b"NETSCAPE2.0", b"ANIMEXTS1.0"];
        let [0xff, 11, name @ .., 3, 1, low, high] = array::<17>(self.gif, self.at + 1)? else {
            return None;
        };
        names
            .contains(&name.as_slice())
            .then(|| u16::from_le_bytes([low, high]))
    }

    /// Passes over sub-blocks, up to the empty one.
    fn skip(&mut self) -> Option<()> {
        loop {
            let length = usize::from(*self.gif.get(self.at)?);
            self.at += 1 + length;
            if length == 0 {
                return Some(());
            }
        }
    }
}

/// Bytes of a colour table that such flags announce.
fn colours(flags: u8) -> usize {
    match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    }
}

impl Iterator for Images<'_> {
    type Item = Image;

    fn next(&mut self) -> Option<Image> {
        loop {
            let kind = *self.gif.get(self.at)?;
            match kind {
                // An extension; the one of graphics says what is transparent in the next image.
                0x21 => {
                    let is_control = *self.gif.get(self.at + 1)? == 0xf9;
                    if is_control {
                        self.transparent = *self.gif.get(self.at + 3)? & 1 != 0;
                    }
                    self.repeats = self.repeats().or(self.repeats);
                    self.at += 2;
                    self.skip()?;
                }
                0x2c => {
                    let number = |offset| Order::Little.u16(self.gif, self.at + offset);
                    let image = Image {
                        left: number(1)?.into(),
                        top: number(3)?.into(),
                        width: number(5)?.into(),
                        height: number(7)?.into(),
                        transparent: std::mem::take(&mut self.transparent),
                    };
                    let flags = *self.gif.get(self.at + 9)?;
                    // The colours, and the size of a code, one byte.
                    self.at += 11 + colours(flags);
                    self.skip();
                    return Some(image);
                }
                // The end, or nothing that is known.
                _ => return None,
            }
        }
    }
}

pub(super) fn read(gif: &[u8]) -> Result<Facts, Fault> {
    let size = (Order::Little.u16(gif, 6), Order::Little.u16(gif, 8));
    let (Some(width), Some(height)) = size else {
        return Err(broken("the header is too short"));
    };
    let (width, height) = (u32::from(width), u32::from(height));
    let mut images = Images::of(gif);
    let first = images.next();
    let many = images.next().is_some();
    let covers = first.is_some_and(|image| {
        let all =
            (image.left, image.top) == (0, 0) && image.width >= width && image.height >= height;
        all && !image.transparent
    });
    Ok(Facts {
        format: Format::Gif,
        width,
        height,
        orientation: Orientation::UPRIGHT,
        frames: if many { Frames::Many } else { Frames::One },
        alpha: !covers || many,
    })
}
