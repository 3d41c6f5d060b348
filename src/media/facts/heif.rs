//! AVIF's boxes: ISO/IEC 14496-12 (the file), 23008-12 (HEIF: items and their properties), and
//! AOM's "AV1 Image File Format".

use super::bytes::{Order, array, slice};
use super::{Facts, Frames, Orientation, broken};
use crate::media::{Fault, Format};

/// Properties of a file that are looked at. A file with more than these, each of them looked for
/// from the first one on, would take its time.
const PROPERTIES: usize = 256;

/// Auxiliary items of the picture that are looked at.
const AUXILIARY: usize = 16;

/// What is needed of a file to decode its picture.
#[derive(Debug)]
pub(in crate::media) struct Avif<'a> {
    /// Pixels as stored.
    pub(in crate::media) width: u32,
    /// Pixels as stored.
    pub(in crate::media) height: u32,
    /// How to turn it.
    pub(in crate::media) orientation: Orientation,
    /// The profile of its colours, if it has one.
    pub(in crate::media) icc: Option<&'a [u8]>,
    /// Its colours as ITU-T H.273 counts them, if the file says so.
    pub(in crate::media) nclx: Option<Nclx>,
    /// Whether colours are multiplied with alpha.
    pub(in crate::media) premultiplied: bool,
    colour: Item<'a>,
    alpha: Option<Item<'a>>,
}

/// A `colr` box of type `nclx`: numbers of ITU-T H.273.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct Nclx {
    /// Colour primaries.
    pub(in crate::media) primaries: u16,
    /// Transfer characteristics.
    pub(in crate::media) transfer: u16,
    /// Matrix coefficients.
    pub(in crate::media) matrix: u16,
    /// Whether samples use the full range.
    pub(in crate::media) full: bool,
}

/// Where an item's bytes are: an entry of `iloc`.
#[derive(Debug, Clone, Copy)]
struct Item<'a> {
    /// What offsets are counted in: the file, or the `idat` box.
    within: &'a [u8],
    base: usize,
    /// Bytes of an index (method 1 and 2 of version 1 and 2), an offset and a length.
    sizes: (usize, usize, usize),
    extents: &'a [u8],
}

impl<'a> Avif<'a> {
    /// The picture, as an AV1 bitstream.
    pub(in crate::media) fn colour(&self) -> Result<Vec<u8>, Fault> {
        self.colour.bytes()
    }

    /// Its alpha, as an AV1 bitstream.
    pub(in crate::media) fn alpha(&self) -> Option<Result<Vec<u8>, Fault>> {
        self.alpha.map(|item| item.bytes())
    }

    /// Reads the boxes.
    pub(in crate::media) fn of(avif: &'a [u8]) -> Result<Self, Fault> {
        let meta = child(avif, b"meta").and_then(|meta| meta.get(4..));
        let meta = meta.ok_or_else(|| broken("no items in it"))?;
        let primary = primary(meta).ok_or_else(|| broken("no primary item"))?;
        match kind(meta, primary) {
            Some(kind) if kind == *b"av01" => {}
            Some(kind) if kind == *b"grid" => return Err(Fault::Unsupported("AVIF of tiles")),
            _ => return Err(Fault::Unsupported("AVIF of another codec")),
        }
        let missing = || broken("the place of its picture is missing");
        let colour = Item::find(avif, meta, primary).ok_or_else(missing)?;
        let alpha = alpha(meta, primary);
        let properties = Properties::of(meta, primary)?;
        let (width, height) = properties
            .size
            .ok_or_else(|| broken("no width and height"))?;
        Ok(Avif {
            width,
            height,
            orientation: Orientation::of_heif(properties.quarters, properties.mirror),
            icc: properties.icc,
            nclx: properties.nclx,
            premultiplied: alpha.is_some_and(|alpha| refers(meta, b"prem", primary, alpha)),
            colour,
            alpha: match alpha {
                Some(alpha) => Some(Item::find(avif, meta, alpha).ok_or_else(missing)?),
                None => None,
            },
        })
    }
}

pub(super) fn read(bytes: &[u8]) -> Result<Facts, Fault> {
    let is_sequence = slice(bytes, 8, 4) == Some(b"avis");
    let avif = Avif::of(bytes)?;
    Ok(Facts {
        format: Format::Avif,
        width: avif.width,
        height: avif.height,
        orientation: avif.orientation,
        frames: if is_sequence {
            Frames::Many
        } else {
            Frames::One
        },
        alpha: avif.alpha.is_some(),
    })
}

/// Boxes that lie behind each other. Ends where one is cut off.
struct Boxes<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Boxes<'a> {
    /// Its type and what is in it.
    type Item = ([u8; 4], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let kind = array(self.rest, 4)?;
        let (head, length) = match Order::Big.u32(self.rest, 0)? {
            0 => (8, self.rest.len()),
            1 => (16, number(self.rest, 8, 8)?),
            length => (8, usize::try_from(length).ok()?),
        };
        let content = self.rest.get(head..length)?;
        self.rest = self.rest.get(length..)?;
        Some((kind, content))
    }
}

fn boxes(bytes: &[u8]) -> Boxes<'_> {
    Boxes { rest: bytes }
}

/// The first box of a type.
fn child<'a>(bytes: &'a [u8], wanted: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find_map(|(kind, content)| (kind == *wanted).then_some(content))
}

/// A number of 0 to 8 bytes.
fn number(bytes: &[u8], at: usize, length: usize) -> Option<usize> {
    let digits = slice(bytes, at, length)?;
    let number = digits
        .iter()
        .fold(0u64, |number, byte| number << 8 | u64::from(*byte));
    usize::try_from(number).ok()
}

/// A number of 16 bits, or of 32 if it is `wide`; moves on behind it.
fn identifier(bytes: &[u8], at: &mut usize, wide: bool) -> Option<u32> {
    let length = if wide { 4 } else { 2 };
    let found = u32::try_from(number(bytes, *at, length)?).ok()?;
    *at += length;
    Some(found)
}

/// The item that is the picture.
fn primary(meta: &[u8]) -> Option<u32> {
    let content = child(meta, b"pitm")?;
    identifier(content, &mut 4, *content.first()? > 0)
}

/// An item's type.
fn kind(meta: &[u8], item: u32) -> Option<[u8; 4]> {
    let content = child(meta, b"iinf")?;
    let head = if *content.first()? == 0 { 6 } else { 8 };
    boxes(content.get(head..)?).find_map(|(_, entry)| {
        // Version 2 has 16 bits, version 3 has 32; the older ones have no type.
        let mut at = 4;
        let wide = *entry.first()? > 2;
        let found = identifier(entry, &mut at, wide)?;
        // Behind it 16 bits about protection.
        (found == item).then(|| array(entry, at + 2))?
    })
}

/// Whether there is a reference of this type from one item to another.
fn refers(meta: &[u8], wanted: &[u8; 4], from: u32, to: u32) -> bool {
    references(meta, wanted).any(|(source, target)| (source, target) == (from, to))
}

/// All references of a type: from, to.
fn references<'a>(meta: &'a [u8], wanted: &'a [u8; 4]) -> impl Iterator<Item = (u32, u32)> + 'a {
    let content = child(meta, b"iref").unwrap_or_default();
    let wide = content.first().is_some_and(|version| *version > 0);
    boxes(content.get(4..).unwrap_or_default())
        .filter(move |(kind, _)| kind == wanted)
        .filter_map(move |(_, content)| {
            let mut at = 0;
            let from = identifier(content, &mut at, wide)?;
            let count = identifier(content, &mut at, false)?;
            Some((0..count).map_while(move |_| Some((from, identifier(content, &mut at, wide)?))))
        })
        .flatten()
}

/// The item that is the picture's alpha.
fn alpha(meta: &[u8], primary: u32) -> Option<u32> {
    const KINDS: [&[u8]; 2] = [
        b"urn:mpeg:mpegB:cicp:systems:auxiliary:alpha",
        b"urn:mpeg:hevc:2015:auxid:1",
    ];
    references(meta, b"auxl")
        .filter(|(_, to)| *to == primary)
        .take(AUXILIARY)
        .map(|(from, _)| from)
        .find(|from| {
            properties(meta, *from).any(|(kind, content, _)| {
                let name = content.get(4..).unwrap_or_default();
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                kind == *b"auxC" && KINDS.contains(&name)
            })
        })
}

/// An item's properties: type, content, and whether it cannot be shown without.
fn properties(meta: &[u8], item: u32) -> impl Iterator<Item = ([u8; 4], &[u8], bool)> {
    let all = child(meta, b"iprp").unwrap_or_default();
    let known = child(all, b"ipco").unwrap_or_default();
    let associations = boxes(all)
        .filter(|(kind, _)| kind == b"ipma")
        .find_map(move |(_, content)| associations(content, item));
    let (list, long) = associations.unwrap_or_default();
    list.chunks_exact(if long { 2 } else { 1 })
        .filter_map(move |entry| {
            let (essential, index) = match *entry {
                [one] => (one & 0x80 != 0, usize::from(one & 0x7f)),
                [high, low] => {
                    let index = u16::from_be_bytes([high & 0x7f, low]);
                    (high & 0x80 != 0, usize::from(index))
                }
                _ => return None,
            };
            let index = index.checked_sub(1).filter(|index| *index < PROPERTIES)?;
            let (kind, content) = boxes(known).nth(index)?;
            Some((kind, content, essential))
        })
}

/// An item's entry of `ipma`: indices, and whether they have two bytes.
fn associations(ipma: &[u8], item: u32) -> Option<(&[u8], bool)> {
    let wide = *ipma.first()? > 0;
    let long = *ipma.get(3)? & 1 != 0;
    let count = Order::Big.u32(ipma, 4)?;
    let mut at = 8;
    for _ in 0..count {
        let found = identifier(ipma, &mut at, wide)?;
        let length = usize::from(*ipma.get(at)?) * if long { 2 } else { 1 };
        let list = slice(ipma, at + 1, length)?;
        if found == item {
            return Some((list, long));
        }
        at += 1 + length;
    }
    None
}

/// What the primary item's properties say.
#[derive(Default)]
struct Properties<'a> {
    size: Option<(u32, u32)>,
    quarters: u8,
    mirror: Option<u8>,
    icc: Option<&'a [u8]>,
    nclx: Option<Nclx>,
}

impl<'a> Properties<'a> {
    fn of(meta: &'a [u8], item: u32) -> Result<Self, Fault> {
        let mut found = Properties::default();
        for (kind, content, essential) in properties(meta, item) {
            match &kind {
                b"ispe" => {
                    let side = |at| Order::Big.u32(content, at);
                    found.size = side(4).zip(side(8));
                }
                b"irot" => found.quarters = content.first().map_or(0, |byte| byte & 3),
                b"imir" => found.mirror = content.first().map(|byte| byte & 1),
                b"colr" => match slice(content, 0, 4) {
                    Some(b"nclx") => found.nclx = Nclx::of(content),
                    Some(b"prof" | b"rICC") => found.icc = content.get(4..),
                    _ => {}
                },
                b"av1C" | b"pixi" | b"pasp" => {}
                b"clap" => return Err(Fault::Unsupported("AVIF that is cropped")),
                _ if essential => return Err(Fault::Unsupported("AVIF with unknown properties")),
                _ => {}
            }
        }
        Ok(found)
    }
}

impl Nclx {
    fn of(colr: &[u8]) -> Option<Self> {
        Some(Nclx {
            primaries: Order::Big.u16(colr, 4)?,
            transfer: Order::Big.u16(colr, 6)?,
            matrix: Order::Big.u16(colr, 8)?,
            full: *colr.get(10)? & 0x80 != 0,
        })
    }
}

impl<'a> Item<'a> {
    /// An item's entry of `iloc`.
    fn find(file: &'a [u8], meta: &'a [u8], item: u32) -> Option<Self> {
        let iloc = child(meta, b"iloc")?;
        let version = *iloc.first()?;
        let [high, low] = array(iloc, 4)?;
        let nibbles = [high >> 4, high & 15, low >> 4, low & 15].map(usize::from);
        if nibbles.iter().any(|nibble| ![0, 4, 8].contains(nibble)) {
            return None;
        }
        let [offset, length, base_length, index] = nibbles;
        let index = if version == 0 { 0 } else { index };
        let mut at = 6;
        let count = identifier(iloc, &mut at, version > 1)?;
        for _ in 0..count {
            let found = identifier(iloc, &mut at, version > 1)?;
            let method = match version {
                0 => 0,
                _ => identifier(iloc, &mut at, false)? & 15,
            };
            // Which file: only this one is read.
            let elsewhere = identifier(iloc, &mut at, false)?;
            let base = number(iloc, at, base_length)?;
            at += base_length;
            let extents = usize::try_from(identifier(iloc, &mut at, false)?).ok()?;
            let extents = slice(iloc, at, extents * (index + offset + length))?;
            at += extents.len();
            if found == item {
                let within = match (method, elsewhere) {
                    (0, 0) => file,
                    (1, 0) => child(meta, b"idat")?,
                    _ => return None,
                };
                return Some(Item {
                    within,
                    base,
                    sizes: (index, offset, length),
                    extents,
                });
            }
        }
        None
    }

    /// The item's bytes, all extents together.
    fn bytes(&self) -> Result<Vec<u8>, Fault> {
        let cut = || broken("cut off");
        let (index, offset, length) = self.sizes;
        let mut bytes = Vec::new();
        // Without sizes there is nothing to tell extents by: it is one, and all.
        let each = (index + offset + length).max(1);
        if index + offset + length == 0 {
            bytes.extend_from_slice(self.within.get(self.base..).ok_or_else(cut)?);
        }
        for extent in self.extents.chunks_exact(each) {
            let at = number(extent, index, offset).and_then(|at| at.checked_add(self.base));
            let at = at.ok_or_else(cut)?;
            let found = match number(extent, index + offset, length).ok_or_else(cut)? {
                0 => self.within.get(at..),
                length => slice(self.within, at, length),
            };
            bytes.extend_from_slice(found.ok_or_else(cut)?);
            // No file has a reason to name the same bytes twice.
            if bytes.len() > self.within.len() {
                return Err(broken("its parts overlap"));
            }
        }
        Ok(bytes)
    }
}
