//! Luma and chroma to red, green and blue (ITU-T H.273, section 8.3).

use super::Fault;
use re_rav1d::dav1d::{Picture, PixelLayout, PlanarImageComponent};

/// A plane of samples.
struct Plane {
    samples: re_rav1d::dav1d::Plane,
    /// Bytes from one row to the next.
    stride: usize,
    /// Whether a sample has two bytes.
    wide: bool,
}

impl Plane {
    fn of(picture: &Picture, component: PlanarImageComponent) -> Self {
        Plane {
            samples: picture.plane(component),
            stride: picture.stride(component) as usize,
            wide: picture.bit_depth() > 8,
        }
    }

    /// Puts a row's samples into `line`.
    fn row(&self, y: usize, line: &mut [u16]) {
        let row = self.samples.get(y * self.stride..).unwrap_or_default();
        match self.wide {
            true => {
                let samples = row.as_chunks::<2>().0;
                for (to, sample) in line.iter_mut().zip(samples) {
                    *to = u16::from_ne_bytes(*sample);
                }
            }
            false => {
                for (to, sample) in line.iter_mut().zip(row) {
                    *to = u16::from(*sample);
                }
            }
        }
    }
}

/// Luma alone, as 8 bits of the full range.
pub(super) struct Lumas {
    plane: Plane,
    line: Vec<u16>,
    table: Vec<u8>,
}

impl Lumas {
    /// `full`: whether samples use the full range.
    pub(super) fn of(picture: &Picture, full: bool) -> Self {
        let (black, white, _) = range(picture.bit_depth(), full);
        let table = (0..=largest(picture.bit_depth()))
            .map(|sample| {
                let above = (sample - black).clamp(0, white - black);
                clamp((above * 255 + (white - black) / 2) / (white - black))
            })
            .collect();
        Lumas {
            plane: Plane::of(picture, PlanarImageComponent::Y),
            line: vec![0; picture.width() as usize],
            table,
        }
    }

    /// The row's values, from the left.
    pub(super) fn row(&mut self, y: usize) -> impl Iterator<Item = u8> {
        self.plane.row(y, &mut self.line);
        let table = &self.table;
        self.line
            .iter()
            .map(|sample| table.get(usize::from(*sample)).copied().unwrap_or(255))
    }
}

/// Luma and chroma.
pub(super) struct Colours {
    planes: [Plane; 3],
    /// Samples of a row of each, as wide as the picture.
    lines: [Vec<u16>; 3],
    /// Two rows of chroma as they are stored.
    near: Vec<u16>,
    far: Vec<u16>,
    layout: PixelLayout,
    height: usize,
    matrix: Matrix,
}

/// What samples are multiplied with, in 65536ths.
#[derive(Debug, Clone, Copy)]
enum Matrix {
    /// They are green, blue and red.
    Identity { luma: i32, black: i32 },
    /// They are luma, and how far blue and red are from it.
    Differences {
        luma: i32,
        black: i32,
        middle: i32,
        red: i32,
        green_of_blue: i32,
        green_of_red: i32,
        blue: i32,
    },
}

impl Colours {
    /// `matrix`: coefficients as H.273's table 4 counts them. `full`: whether samples use the full
    /// range.
    pub(super) fn of(picture: &Picture, matrix: u16, full: bool) -> Result<Self, Fault> {
        let layout = picture.pixel_layout();
        let matrix = Matrix::of(matrix, picture.bit_depth(), full)?;
        if matches!(matrix, Matrix::Identity { .. }) && layout != PixelLayout::I444 {
            return Err(Fault::Unsupported("AVIF of colours that are not whole"));
        }
        let width = picture.width() as usize;
        let stored = match layout {
            PixelLayout::I420 | PixelLayout::I422 => width.div_ceil(2),
            PixelLayout::I444 | PixelLayout::I400 => width,
        };
        use PlanarImageComponent::{U, V, Y};
        Ok(Colours {
            planes: [Y, U, V].map(|component| Plane::of(picture, component)),
            lines: [vec![0; width], vec![0; width], vec![0; width]],
            near: vec![0; stored],
            far: vec![0; stored],
            layout,
            height: picture.height() as usize,
            matrix,
        })
    }

    /// The row's red, green and blue, from the left.
    pub(super) fn row(&mut self, y: usize) -> impl Iterator<Item = [u8; 3]> {
        let [luma, blue, red] = &self.planes;
        let [lumas, blues, reds] = &mut self.lines;
        luma.row(y, lumas);
        for (plane, line) in [(blue, &mut *blues), (red, &mut *reds)] {
            match self.layout {
                PixelLayout::I420 => {
                    // Between four samples of chroma: three parts of the nearer row, one of the
                    // one behind it.
                    let last = self.height.div_ceil(2).saturating_sub(1);
                    let far = match y % 2 {
                        0 => (y / 2).saturating_sub(1),
                        _ => (y / 2 + 1).min(last),
                    };
                    plane.row(y / 2, &mut self.near);
                    plane.row(far, &mut self.far);
                    for (near, far) in self.near.iter_mut().zip(&self.far) {
                        *near = 3 * *near + *far;
                    }
                    spread(&self.near, line, 4);
                }
                PixelLayout::I422 => {
                    plane.row(y, &mut self.near);
                    spread(&self.near, line, 1);
                }
                PixelLayout::I444 | PixelLayout::I400 => plane.row(y, line),
            }
        }
        let matrix = self.matrix;
        lumas
            .iter()
            .zip(blues.iter().zip(reds.iter()))
            .map(move |(luma, (blue, red))| matrix.apply(*luma, *blue, *red))
    }
}

/// Twice as many samples as there are, three parts of the nearer one and one of its neighbour.
/// What comes in has been multiplied with `times` (1 or 4); what comes out is not.
fn spread(stored: &[u16], line: &mut [u16], times: u32) {
    let half = times * 2;
    let blend = |near: u16, far: u16| {
        let sum = 3 * u32::from(near) + u32::from(far);
        // At most what the larger of them was.
        u16::try_from((sum + half) / (times * 4)).unwrap_or(u16::MAX)
    };
    let before = stored.first().into_iter().chain(stored);
    let behind = stored.iter().skip(1).chain(stored.last());
    let samples = stored.iter().zip(before.zip(behind));
    for (pair, (near, (before, behind))) in line.chunks_mut(2).zip(samples) {
        if let Some(left) = pair.first_mut() {
            *left = blend(*near, *before);
        }
        if let Some(right) = pair.get_mut(1) {
            *right = blend(*near, *behind);
        }
    }
}

/// The largest sample.
fn largest(depth: usize) -> i32 {
    (1 << depth) - 1
}

/// Black, white, and what of chroma is one.
fn range(depth: usize, full: bool) -> (i32, i32, i32) {
    let step = 1 << (depth - 8);
    match full {
        true => (0, largest(depth), largest(depth)),
        false => (16 * step, 235 * step, 224 * step),
    }
}

fn clamp(value: i32) -> u8 {
    u8::try_from(value.clamp(0, 255)).unwrap_or(255)
}

impl Matrix {
    fn of(number: u16, depth: usize, full: bool) -> Result<Self, Fault> {
        const ONE: f64 = 65_536.0;
        let (black, white, chroma) = range(depth, full);
        let luma = 255.0 / f64::from(white - black) * ONE;
        // How much red and blue weigh in luma.
        let (red, blue) = match number {
            0 => {
                return Ok(Matrix::Identity {
                    luma: luma.round() as i32,
                    black,
                });
            }
            1 => (0.2126, 0.0722),
            4 => (0.30, 0.11),
            // Unspecified is BT.601, as libavif has it.
            2 | 5 | 6 => (0.299, 0.114),
            7 => (0.212, 0.087),
            9 => (0.2627, 0.0593),
            _ => return Err(Fault::Unsupported("AVIF of rare matrix coefficients")),
        };
        let green = 1.0 - red - blue;
        let scale = 255.0 / f64::from(chroma) * ONE;
        let part = |of_one: f64| (of_one * scale).round() as i32;
        Ok(Matrix::Differences {
            luma: luma.round() as i32,
            black,
            middle: 1 << (depth - 1),
            red: part(2.0 * (1.0 - red)),
            green_of_blue: part(2.0 * (1.0 - blue) * blue / green),
            green_of_red: part(2.0 * (1.0 - red) * red / green),
            blue: part(2.0 * (1.0 - blue)),
        })
    }

    /// Samples have 12 bits at most, the largest coefficient is less than three: no sum leaves 32
    /// bits.
    fn apply(self, luma: u16, blue: u16, red: u16) -> [u8; 3] {
        const HALF: i32 = 1 << 15;
        let of = |sum: i32| clamp((sum + HALF) >> 16);
        let [y, u, v] = [luma, blue, red].map(i32::from);
        match self {
            Matrix::Identity { luma, black } => [v, y, u].map(|sample| of((sample - black) * luma)),
            Matrix::Differences {
                luma,
                black,
                middle,
                red,
                green_of_blue,
                green_of_red,
                blue,
            } => {
                let y = (y - black) * luma;
                let (u, v) = (u - middle, v - middle);
                [
                    of(y + v * red),
                    of(y - u * green_of_blue - v * green_of_red),
                    of(y + u * blue),
                ]
            }
        }
    }
}
