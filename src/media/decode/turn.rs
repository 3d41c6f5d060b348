//! Pictures turned and mirrored.

use super::{Layout, Picture};
use crate::media::facts::Orientation;

/// Pixels of a side of the squares that are turned one after the other: what is read and what is
/// written of one lies in the processor's nearest cache.
const SQUARE: usize = 32;

/// The picture as its orientation wants it seen.
pub(super) fn upright(picture: Picture, orientation: Orientation) -> Picture {
    match picture.layout {
        Layout::Gray => turn::<1>(picture, orientation),
        Layout::Rgb => turn::<3>(picture, orientation),
        Layout::Rgba => turn::<4>(picture, orientation),
    }
}

/// `N`: bytes of a pixel.
fn turn<const N: usize>(mut picture: Picture, orientation: Orientation) -> Picture {
    let (pixels, _) = picture.pixels.as_chunks_mut::<N>();
    let width = (picture.width as usize).max(1);
    match orientation.number() {
        2 => pixels.chunks_exact_mut(width).for_each(<[_]>::reverse),
        3 => pixels.reverse(),
        4 => {
            pixels.reverse();
            pixels.chunks_exact_mut(width).for_each(<[_]>::reverse);
        }
        number @ 5..=8 => {
            // The columns become rows; the first of them is the last one, of 7 and 8; and begins
            // at the bottom, of 6 and 7.
            let turned = columns(
                pixels,
                width,
                matches!(number, 7 | 8),
                matches!(number, 6 | 7),
            );
            return Picture {
                width: picture.height,
                height: picture.width,
                layout: picture.layout,
                pixels: turned,
            };
        }
        _ => {}
    }
    picture
}

/// Columns of a picture as rows.
fn columns<const N: usize>(
    pixels: &[[u8; N]],
    width: usize,
    from_right: bool,
    from_bottom: bool,
) -> Vec<u8> {
    let height = pixels.len() / width;
    let mut turned = vec![0; pixels.len() * N];
    let (to, _) = turned.as_chunks_mut::<N>();
    for top in (0..height).step_by(SQUARE) {
        for left in (0..width).step_by(SQUARE) {
            for y in top..height.min(top + SQUARE) {
                let column = if from_bottom { height - 1 - y } else { y };
                for x in left..width.min(left + SQUARE) {
                    let row = if from_right { width - 1 - x } else { x };
                    let place = to.get_mut(row * height + column);
                    if let (Some(to), Some(pixel)) = (place, pixels.get(y * width + x)) {
                        *to = *pixel;
                    }
                }
            }
        }
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The letters are seen as `abc` over `def` when they are turned by what is asked for.
    #[test]
    fn eight_orientations() {
        let stored: [(u16, u32, &[u8]); 8] = [
            (1, 3, b"abcdef"),
            (2, 3, b"cbafed"),
            (3, 3, b"fedcba"),
            (4, 3, b"defabc"),
            (5, 2, b"adbecf"),
            (6, 2, b"cfbead"),
            (7, 2, b"fcebda"),
            (8, 2, b"daebfc"),
        ];
        for (number, width, letters) in stored {
            let picture = Picture {
                width,
                height: 6 / width,
                layout: Layout::Gray,
                pixels: letters.to_vec(),
            };
            let seen = upright(picture, Orientation::of(number));
            assert_eq!((seen.width, seen.height), (3, 2), "{number}");
            assert_eq!(seen.pixels, b"abcdef", "{number}");
        }
    }

    #[test]
    fn larger_than_a_square_and_of_several_bytes() {
        let (width, height) = (70, 41);
        let pixels: Vec<u8> = (0..height * width)
            .flat_map(|n: u32| [n as u8, (n >> 8) as u8, 7])
            .collect();
        let picture = Picture {
            width,
            height,
            layout: Layout::Rgb,
            pixels,
        };
        let there = upright(picture.clone(), Orientation::of(6));
        assert_eq!((there.width, there.height), (height, width));
        assert_ne!(there, picture);
        assert_eq!(upright(there, Orientation::of(8)), picture);
    }
}
