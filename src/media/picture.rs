//! Pictures as pixels.

/// How a picture's pixels lie in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One byte each.
    Gray,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha; the colours are not multiplied with it.
    Rgba,
}

impl Layout {
    /// Bytes of a pixel.
    pub fn bytes(self) -> usize {
        match self {
            Layout::Gray => 1,
            Layout::Rgb => 3,
            Layout::Rgba => 4,
        }
    }
}

/// A picture as it is to be seen: upright, in sRGB (IEC 61966-2-1), 8 bits a channel, rows from the
/// top without gaps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Pixels, at least 1.
    pub width: u32,
    /// Pixels, at least 1.
    pub height: u32,
    /// How the pixels lie.
    pub layout: Layout,
    /// `width` x `height` x `layout.bytes()` bytes.
    pub pixels: Vec<u8>,
}

/// One picture of an animation, as large as the whole: nothing of the ones before is to be seen
/// through it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What is seen.
    pub picture: Picture,
    /// For how long, milliseconds.
    pub delay: u32,
}

/// What a file was decoded to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// One picture.
    Still(Picture),
    /// At least two, of one size and layout.
    Moving {
        /// In the order shown.
        frames: Vec<Frame>,
        /// How often all of them are shown; 0: for ever.
        loops: u32,
    },
}
