//! How a picture has to be turned to be upright.

/// Orientation as Exif 2.32 (section 4.6.4, tag 0x0112) counts it: 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Orientation(u8);

impl Orientation {
    /// As it is stored.
    pub const UPRIGHT: Orientation = Orientation(1);

    /// What the number says; what is not 1 to 8 says nothing.
    pub fn of(number: u16) -> Self {
        match u8::try_from(number) {
            Ok(number @ 1..=8) => Orientation(number),
            _ => Orientation::UPRIGHT,
        }
    }

    /// What HEIF's `irot` and `imir` say (ISO/IEC 23008-12, sections 6.5.10 and 6.5.12): first
    /// turned anticlockwise by `quarters` of 90 degrees, then mirrored: `Some(0)` exchanges top
    /// and bottom, `Some(1)` left and right.
    pub(super) fn of_heif(quarters: u8, mirror: Option<u8>) -> Self {
        Orientation(match (quarters & 3, mirror.map(|axis| axis & 1)) {
            (0, None) => 1,
            (1, None) => 8,
            (2, None) => 3,
            (_, None) => 6,
            (0, Some(0)) | (2, Some(1)) => 4,
            (0, Some(_)) | (2, Some(_)) => 2,
            (1, Some(0)) | (3, Some(1)) => 5,
            (_, Some(_)) => 7,
        })
    }

    /// 1 to 8.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Whether width and height change places.
    pub fn swaps(self) -> bool {
        self.0 >= 5
    }

    /// The size when it is upright, of this size as stored; and the other way round.
    pub fn turned(self, (width, height): (u32, u32)) -> (u32, u32) {
        match self.swaps() {
            true => (height, width),
            false => (width, height),
        }
    }
}
