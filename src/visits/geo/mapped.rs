//! A database file's bytes in memory, which nobody can change.
//!
//! Mapping the operator's file itself would put the process into the hands of whoever writes to it: a
//! file that is cut short while it is mapped kills its reader (SIGBUS), and one that is overwritten
//! changes under references that Rust holds to be constant. So the file is copied, by the kernel, into
//! a nameless file in memory (memfd), which is sealed against every change, our own included, and that
//! is mapped. A temporary file on a disk would be as nameless, and could be dropped from memory when
//! that is short, but a read error of its disk would kill the process all the same. The price is the
//! file's size in memory: 8 MB for countries, 60 to 130 MB for cities.

use super::trouble::Wrong;
use memmap2::{Mmap, MmapOptions};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use std::fs::{File, Metadata, OpenOptions};
use std::io::{ErrorKind, Read, Seek};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

/// Larger files are not taken: the largest databases sold have about a third of this. Bytes.
const MOST: u64 = 1 << 30;

/// A database's bytes.
pub enum Bytes {
    /// In the binary.
    BuiltIn(&'static [u8]),
    /// Of a sealed copy.
    Mapped(Mmap),
    /// Where the system lets us seal none.
    Read(Vec<u8>),
}

impl AsRef<[u8]> for Bytes {
    fn as_ref(&self) -> &[u8] {
        match self {
            Bytes::BuiltIn(bytes) => bytes,
            Bytes::Mapped(map) => map,
            Bytes::Read(bytes) => bytes,
        }
    }
}

/// What tells a file from another one, and from itself before it was written to. Times in
/// nanoseconds; the one of the last change (ctime) cannot be set back by who writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Stamp {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Of the file that is at this path now; `None` when there is none to be seen.
    pub fn at(path: &Path) -> Option<Self> {
        Some(Self::of(&std::fs::metadata(path).ok()?))
    }
}

/// Takes a copy of a file.
///
/// # Errors
/// [`Wrong::Busy`] when it changed meanwhile, so that the copy may be half of this and half of that.
pub fn take(path: &Path) -> Result<(Bytes, Stamp), Wrong> {
    // A FIFO would wait for somebody to write to it.
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(path)
        .map_err(|error| unreadable(&error))?;
    let metadata = file.metadata().map_err(|error| unreadable(&error))?;
    if !metadata.is_file() {
        return Err(Wrong::NotAFile);
    }
    if metadata.len() > MOST {
        return Err(Wrong::TooLarge(metadata.len()));
    }
    let before = Stamp::of(&metadata);
    let bytes = match sealed_copy(&file, metadata.len()) {
        Some(map) => Bytes::Mapped(map),
        None => read(file.try_clone(), metadata.len())?,
    };
    let after = file.metadata().map_err(|error| unreadable(&error))?;
    if Stamp::of(&after) != before || bytes.as_ref().len() as u64 != before.size {
        return Err(Wrong::Busy);
    }
    Ok((bytes, before))
}

fn unreadable(error: &std::io::Error) -> Wrong {
    match error.kind() {
        ErrorKind::NotFound => Wrong::Missing,
        ErrorKind::PermissionDenied => Wrong::Denied,
        _ => Wrong::Unreadable(error.to_string()),
    }
}

fn read(file: std::io::Result<File>, length: u64) -> Result<Bytes, Wrong> {
    let mut bytes = Vec::new();
    file.and_then(|mut file| {
        file.rewind()?;
        file.take(length).read_to_end(&mut bytes)
    })
    .map_err(|error| unreadable(&error))?;
    Ok(Bytes::Read(bytes))
}

/// `None` when the system allows no such file, and when there is nothing to map.
fn sealed_copy(file: &File, length: u64) -> Option<Mmap> {
    // Not to be run as a program either; kernels before 6.3 know no such flag.
    let noexec = MFdFlags::from_bits_retain(nix::libc::MFD_NOEXEC_SEAL);
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    let copy = match memfd_create(c"parvis-geoip", flags | noexec) {
        Err(Errno::EINVAL) => memfd_create(c"parvis-geoip", flags),
        made => made,
    };
    let mut copy = File::from(copy.ok()?);
    let copied = std::io::copy(&mut file.take(length), &mut copy).ok()?;
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(&copy, FcntlArg::F_ADD_SEALS(seals)).ok()?;
    if copied == 0 {
        return None;
    }
    // SAFETY: the file has no name, and its seals let nobody write to it, shorten it or take the seals
    // away, not even through /proc: its bytes stay as they are for as long as they are mapped.
    // Private, since older kernels allow no shared mapping of what is sealed.
    unsafe { MmapOptions::new().map_copy_read_only(&copy) }.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_is_mapped_cannot_be_changed() {
        let mut file = tempfile();
        file.write_all(&[7; 10_000]).unwrap();
        file.rewind().unwrap();
        let map = sealed_copy(&file, 10_000).unwrap();
        file.set_len(0).unwrap();
        assert_eq!(&*map, &[7; 10_000][..]);
    }

    #[test]
    fn a_copy_is_read_where_none_can_be_sealed() {
        let mut file = tempfile();
        file.write_all(&[7; 100]).unwrap();
        let bytes = read(file.try_clone(), 100).unwrap();
        assert_eq!(bytes.as_ref(), &[7; 100][..]);
    }

    fn tempfile() -> File {
        let copy = memfd_create(c"test", MFdFlags::MFD_CLOEXEC).unwrap();
        File::from(copy)
    }
}
