//! Opening beneath a root, so that no name, link or race can lead out of it.

use super::settings::FollowLinks;
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat, openat2};
use nix::sys::stat::Mode;
use std::ffi::OsStr;
use std::fs::{File, Metadata};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What there is at a place below the root.
#[derive(Debug)]
pub enum Opened {
    /// A regular file.
    File(File, Metadata),
    /// A directory; it may be one that can be entered but not read.
    Directory(OwnedFd),
    /// Nothing that is served: no such file, a device, a link that leads out.
    Missing,
    /// Something that may not be read.
    Forbidden,
}

/// A root at this moment: a deployment may put another directory in its place.
#[derive(Debug)]
pub struct Root<'a> {
    path: &'a Path,
    directory: OwnedFd,
    follow: FollowLinks,
}

impl<'a> Root<'a> {
    /// Opens the root; `None` when it is not there now.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn open(path: &'a Path, follow: FollowLinks) -> io::Result<Option<Self>> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        match nix::fcntl::open(path, flags, Mode::empty()) {
            Ok(directory) => Ok(Some(Root {
                path,
                directory,
                follow,
            })),
            Err(error) => absent(error).map(|_| None),
        }
    }

    /// Opens what is at `relative`, which has no dot segments and does not start with a slash.
    ///
    /// # Errors
    /// The process has no descriptor left.
    pub fn get(&self, relative: &[u8]) -> io::Result<Opened> {
        let relative = relative.strip_suffix(b"/").unwrap_or(relative);
        let name = match relative {
            b"" => Path::new("."),
            name => Path::new(OsStr::from_bytes(name)),
        };
        // A FIFO must not wait for its writer.
        let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
        match self.beneath(name, flags) {
            Ok(file) => classify(File::from(file)),
            Err(Errno::EACCES | Errno::EPERM) => {
                // A directory may be entered by those who may not list it.
                let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
                Ok(match self.beneath(name, flags) {
                    Ok(directory) => Opened::Directory(directory),
                    Err(_) => Opened::Forbidden,
                })
            }
            Err(error) => absent(error),
        }
    }

    fn beneath(&self, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let beneath = ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS;
        let never = beneath | ResolveFlag::RESOLVE_NO_SYMLINKS;
        match self.follow {
            FollowLinks::Anywhere => openat(&self.directory, name, flags, Mode::empty()),
            FollowLinks::Never => self.resolve(name, flags, never),
            FollowLinks::Inside => match self.resolve(name, flags, beneath) {
                Err(Errno::EXDEV) => {
                    // A link leads out, or is absolute and leads back in. Where it leads now is
                    // opened without following any.
                    let inside = self.inside(name).ok_or(Errno::EXDEV)?;
                    self.resolve(&inside, flags, never)
                }
                result => result,
            },
        }
    }

    fn resolve(&self, name: &Path, flags: OFlag, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
        // The kernel gives up when something is renamed meanwhile, and asks to be asked again.
        const TRIES: usize = 32;
        let how = || OpenHow::new().flags(flags).resolve(resolve);
        for _ in 0..TRIES {
            match openat2(&self.directory, name, how()) {
                Err(Errno::EAGAIN) => {}
                Err(Errno::ENOSYS) => return self.step_by_step(name, flags),
                // Some sandboxes refuse calls that they do not know in this way.
                Err(Errno::EPERM)
                    if openat2(&self.directory, ".", how()).err() == Some(Errno::EPERM) =>
                {
                    return self.step_by_step(name, flags);
                }
                result => return result,
            }
        }
        Err(Errno::ENOENT)
    }

    /// For kernels older than 5.6, which have no `openat2`: no link is followed.
    fn step_by_step(&self, name: &Path, flags: OFlag) -> nix::Result<OwnedFd> {
        let step = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let mut at = openat(&self.directory, ".", step, Mode::empty())?;
        let mut names = name.components().peekable();
        while let Some(name) = names.next() {
            let flags = match names.peek() {
                Some(_) => step,
                None => flags | OFlag::O_NOFOLLOW,
            };
            at = openat(&at, name.as_os_str(), flags, Mode::empty())?;
        }
        Ok(at)
    }

    fn inside(&self, name: &Path) -> Option<std::path::PathBuf> {
        let root = self.path.canonicalize().ok()?;
        let real = root.join(name).canonicalize().ok()?;
        let inside = real.strip_prefix(&root).ok()?;
        // The root itself.
        Some(match inside.as_os_str().is_empty() {
            true => std::path::PathBuf::from("."),
            false => inside.to_path_buf(),
        })
    }
}

fn classify(file: File) -> io::Result<Opened> {
    let metadata = file.metadata()?;
    Ok(if metadata.is_file() {
        Opened::File(file, metadata)
    } else if metadata.is_dir() {
        Opened::Directory(file.into())
    } else {
        Opened::Missing
    })
}

/// Not there, or not to be told of; what else can go wrong is our own trouble.
fn absent(error: Errno) -> io::Result<Opened> {
    match error {
        Errno::EACCES | Errno::EPERM => Ok(Opened::Forbidden),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EIO => Err(error.into()),
        _ => Ok(Opened::Missing),
    }
}

/// A directory's path by which its entries can be read, whatever happens to its name.
pub fn readable(directory: &OwnedFd) -> std::path::PathBuf {
    format!("/proc/self/fd/{}", directory.as_raw_fd()).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn kind(root: &Path, follow: FollowLinks, name: &str) -> &'static str {
        let root = Root::open(root, follow).unwrap().unwrap();
        match root.get(name.as_bytes()).unwrap() {
            Opened::File(..) => "file",
            Opened::Directory(_) => "directory",
            Opened::Missing => "missing",
            Opened::Forbidden => "forbidden",
        }
    }

    #[test]
    fn links_and_odd_things() {
        let base = std::env::temp_dir().join(format!("parvis-open-{}", std::process::id()));
        let root = base.join("root");
        std::fs::create_dir_all(root.join("dir")).unwrap();
        std::fs::write(root.join("dir/a"), "a").unwrap();
        std::fs::write(base.join("secret"), "s").unwrap();
        symlink("dir/a", root.join("inside")).unwrap();
        symlink("../secret", root.join("outside")).unwrap();
        symlink(base.join("secret"), root.join("absolute-out")).unwrap();
        symlink(root.join("dir"), root.join("absolute-in")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        nix::unistd::mkfifo(&root.join("fifo"), Mode::S_IRWXU).unwrap();
        use FollowLinks::{Anywhere, Inside, Never};
        for (follow, name, expected) in [
            (Inside, "dir/a", "file"),
            (Inside, "", "directory"),
            (Inside, "dir/", "directory"),
            (Inside, "dir/a/b", "missing"),
            (Inside, "none", "missing"),
            (Inside, "inside", "file"),
            (Inside, "outside", "missing"),
            (Inside, "absolute-out", "missing"),
            (Inside, "absolute-in/a", "file"),
            (Inside, "loop", "missing"),
            (Inside, "fifo", "missing"),
            (Inside, "../secret", "missing"),
            (Never, "inside", "missing"),
            (Never, "absolute-in/a", "missing"),
            (Never, "dir/a", "file"),
            (Anywhere, "outside", "file"),
            (Anywhere, "absolute-out", "file"),
        ] {
            assert_eq!(kind(&root, follow, name), expected, "{follow:?} {name}");
        }
        let handle = Root::open(&root, Never).unwrap().unwrap();
        let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC;
        assert!(handle.step_by_step(Path::new("dir/a"), flags).is_ok());
        for name in ["absolute-in/a", "inside", "dir/none"] {
            assert!(
                handle.step_by_step(Path::new(name), flags).is_err(),
                "{name}"
            );
        }
        assert!(Root::open(&base.join("gone"), Never).unwrap().is_none());
        std::fs::remove_dir_all(&base).unwrap();
    }
}
