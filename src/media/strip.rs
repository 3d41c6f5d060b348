//! An original without what it says about where, when and by whom it was made, its pixels untouched.
//!
//! For originals that are as small as any variant, and so are sent themselves.

use super::{Facts, Format};

/// The same picture without its metadata. What it takes to show it stays: colour profiles, and how it
/// is to be turned. `None`: there is nothing to take out, or its format is not known here (JPEG, PNG
/// and WebP are).
pub fn without_metadata(original: &[u8], facts: &Facts) -> Option<Vec<u8>> {
    let turned = facts.orientation.number();
    let turned = (turned != 1).then(|| orientation_alone(turned));
    let stripped = match facts.format {
        Format::Jpeg => jpeg(original, turned.as_deref())?,
        Format::Png => png(original, turned.as_deref())?,
        Format::WebP => webp(original, turned.as_deref())?,
        Format::Gif | Format::Avif | Format::Bmp | Format::Tiff => return None,
    };
    // What is only turned has its orientation written anew, in at most as many bytes.
    (stripped.len() < original.len()).then_some(stripped)
}

/// Exif that says nothing but an orientation: a TIFF header and one entry (Exif 2.32, section 4.6.4).
fn orientation_alone(number: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    tiff.extend([number, 0, 0, 0, 0, 0, 0]);
    tiff
}

/// A big-endian number of two bytes.
fn two(bytes: &[u8], at: usize) -> Option<usize> {
    let pair: [u8; 2] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(usize::from(u16::from_be_bytes(pair)))
}

/// A part of some bytes: so many from there.
fn part(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// ITU-T T.81, annex B. What follows the end of the picture (previews and gain maps of cameras, which
/// have metadata of their own) is left out.
fn jpeg(original: &[u8], turned: Option<&[u8]>) -> Option<Vec<u8>> {
    let mut out = original.get(..2)?.to_vec();
    let (mut at, mut told) = (2usize, turned.is_none());
    loop {
        let (Some(0xff), Some(marker)) = (original.get(at), original.get(at.checked_add(1)?))
        else {
            return None;
        };
        let marker = *marker;
        if marker == 0xd9 {
            out.extend([0xff, 0xd9]);
            return Some(out);
        }
        if marker == 0xff {
            // Filled up.
            at = at.checked_add(1)?;
            continue;
        }
        let length = two(original, at.checked_add(2)?)?.checked_add(2)?;
        let segment = part(original, at, length)?;
        let body = segment.get(4..).unwrap_or_default();
        // JFIF's has to be the first, and says how dense the pixels are.
        if !told && marker != 0xe0 {
            exif_segment(turned?, &mut out)?;
            told = true;
        }
        let kept = match marker {
            // JFIF; Adobe's, which tells how colours are coded.
            0xe0 | 0xee => true,
            0xe2 => body.starts_with(b"ICC_PROFILE\0"),
            0xe1..=0xef | 0xfe => false,
            _ => true,
        };
        if kept {
            out.extend_from_slice(segment);
        }
        at = at.checked_add(length)?;
        if marker == 0xda {
            let end = after_scan(original, at)?;
            out.extend_from_slice(original.get(at..end)?);
            at = end;
        }
    }
}

/// Where the marker after entropy-coded data begins: bytes of 255 in it are followed by 0, or by the
/// number of a restart.
fn after_scan(original: &[u8], mut at: usize) -> Option<usize> {
    loop {
        at = at.checked_add(memchr::memchr(0xff, original.get(at..)?)?)?;
        match original.get(at.checked_add(1)?)? {
            0 | 0xd0..=0xd7 => at = at.checked_add(2)?,
            0xff => at = at.checked_add(1)?,
            _ => return Some(at),
        }
    }
}

fn exif_segment(tiff: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let length = u16::try_from(tiff.len().checked_add(8)?).ok()?;
    out.extend([0xff, 0xe1]);
    out.extend(length.to_be_bytes());
    out.extend(b"Exif\0\0");
    out.extend(tiff);
    Some(())
}

/// PNG (third edition), section 5. What follows IEND is left out.
fn png(original: &[u8], turned: Option<&[u8]>) -> Option<Vec<u8>> {
    const SIGNATURE: usize = 8;
    let mut out = original.get(..SIGNATURE)?.to_vec();
    let mut at = SIGNATURE;
    loop {
        let length: [u8; 4] = part(original, at, 4)?.try_into().ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let whole = part(original, at, length.checked_add(12)?)?;
        let kind = whole.get(4..8)?;
        if kind == b"IDAT"
            && let Some(tiff) = turned.filter(|_| !out.windows(4).any(|four| four == b"eXIf"))
        {
            let mut chunk = b"eXIf".to_vec();
            chunk.extend(tiff);
            out.extend(u32::try_from(tiff.len()).ok()?.to_be_bytes());
            let sum = crc32fast::hash(&chunk);
            out.extend(chunk);
            out.extend(sum.to_be_bytes());
        }
        if !matches!(kind, b"eXIf" | b"tEXt" | b"zTXt" | b"iTXt" | b"tIME") {
            out.extend_from_slice(whole);
        }
        if kind == b"IEND" {
            return Some(out);
        }
        at = at.checked_add(whole.len())?;
    }
}

/// RFC 9649, section 2.7: chunks of an extended file.
fn webp(original: &[u8], turned: Option<&[u8]>) -> Option<Vec<u8>> {
    /// Bits of VP8X that say that there are Exif and XMP.
    const EXIF: u8 = 0x08;
    const XMP: u8 = 0x04;
    let size: [u8; 4] = part(original, 4, 4)?.try_into().ok()?;
    let end = usize::try_from(u32::from_le_bytes(size))
        .ok()?
        .checked_add(8)?;
    let mut out = original.get(..12)?.to_vec();
    let mut at = 12usize;
    while at < end {
        let length: [u8; 4] = part(original, at.checked_add(4)?, 4)?.try_into().ok()?;
        let length = usize::try_from(u32::from_le_bytes(length)).ok()?;
        let padded = length.checked_add(length & 1)?.checked_add(8)?;
        let whole = part(original, at, padded)?;
        match whole.get(..4)? {
            b"EXIF" | b"XMP " => {}
            b"VP8X" => {
                let from = out.len();
                out.extend_from_slice(whole);
                let flags = out.get_mut(from.checked_add(8)?)?;
                *flags &= !(EXIF | XMP);
                if turned.is_some() {
                    *flags |= EXIF;
                }
            }
            _ => out.extend_from_slice(whole),
        }
        at = at.checked_add(padded)?;
    }
    if let Some(tiff) = turned {
        out.extend(b"EXIF");
        out.extend(u32::try_from(tiff.len()).ok()?.to_le_bytes());
        out.extend(tiff);
        if tiff.len() & 1 == 1 {
            out.push(0);
        }
    }
    let size = u32::try_from(out.len().checked_sub(8)?).ok()?;
    out.get_mut(4..8)?.copy_from_slice(&size.to_le_bytes());
    Some(out)
}

#[cfg(test)]
mod tests;
