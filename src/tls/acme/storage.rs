//! Accounts and certificates on disk.
//!
//! ```text
//! STORAGE/acme/DIRECTORY/account-….json         an account and its key
//!                        certificates/ID.pem    a certificate with its key
//!                                     ID.pending   an order that is on its way, with its key
//!                                     ID.json   what is remembered: failures, when to renew
//!                                     ID.lock   held by who orders it
//!                        on-demand/…            the same for names that were asked for
//! ```
//!
//! Files are readable by their owner only, and are written beside and renamed: at every moment the
//! old one or the new one is there, whole.

use aws_lc_rs::digest::{SHA256, digest};
use nix::fcntl::{Flock, FlockArg};
use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// No file of ours is longer.
const LONGEST: u64 = 256 * 1024;

/// The longest part of a file name that is made of a name.
const LONGEST_STEM: usize = 200;

/// The files of one certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Storage {
    folder: PathBuf,
    /// Their name without what stands behind the dot.
    stem: String,
}

/// Held as long as this lives; released by the kernel when the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: Flock<File>,
}

impl Storage {
    /// Those of a certificate for these names.
    pub fn of_names(root: &Path, directory: &str, names: &[String]) -> Storage {
        let mut sorted = names.to_vec();
        sorted.sort_unstable();
        // The shortest is the one that is most likely to stay when others come and go.
        let first = sorted.iter().min_by_key(|name| name.len());
        let first = first.map_or("", String::as_str);
        Storage {
            folder: folder(root, directory).join("certificates"),
            stem: format!("{}-{}", file_name(first), short_hash(&sorted.join(","))),
        }
    }

    /// Those of a certificate that was asked for.
    pub fn of_asked(root: &Path, directory: &str, name: &str) -> Storage {
        Storage {
            folder: folder(root, directory).join("on-demand"),
            stem: file_name(name),
        }
    }

    /// Where the certificate with its key lies.
    pub fn certificate(&self) -> PathBuf {
        self.with("pem")
    }

    /// Where an order that is on its way lies.
    pub fn pending(&self) -> PathBuf {
        self.with("pending")
    }

    /// Where it lies what is remembered.
    pub fn memory(&self) -> PathBuf {
        self.with("json")
    }

    fn with(&self, extension: &str) -> PathBuf {
        self.folder.join(format!("{}.{extension}", self.stem))
    }

    /// Certificates for other sets of names, whose shortest is one of these: one of them may
    /// serve until the own one is there, when `hosts` changed.
    pub fn relatives(&self, names: &[String]) -> Vec<PathBuf> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else {
            return Vec::new();
        };
        let related = |stem: &str| {
            let first = stem.rsplit_once('-').map(|(first, _)| first);
            first.is_some_and(|first| names.iter().any(|name| file_name(name) == first))
        };
        let mut found: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| path.extension().is_some_and(|e| e == "pem"))
            .filter(|path| {
                path.file_stem()
                    .and_then(|s| s.to_str())
                    .is_some_and(related)
            })
            .collect();
        found.sort_unstable();
        found
    }

    /// Takes the lock of this certificate; `None` when another process has it.
    ///
    /// # Errors
    /// The storage cannot be written.
    pub fn lock(&self) -> io::Result<Option<Lock>> {
        lock(&self.with("lock"))
    }

    /// What tells it from others in a Redis: not where it lies, which may differ between edges.
    pub fn name(&self) -> String {
        let parent = |path: &Path| path.file_name().map(|n| n.to_string_lossy().into_owned());
        let directory = self.folder.parent().and_then(parent).unwrap_or_default();
        let kind = parent(&self.folder).unwrap_or_default();
        format!("{directory}/{kind}/{}", self.stem)
    }
}

/// Takes a lock; `None` when another process has it, or another task of this one.
///
/// # Errors
/// The storage cannot be written.
pub fn lock(path: &Path) -> io::Result<Option<Lock>> {
    make_folder(path.parent().unwrap_or(Path::new(".")))?;
    let file = private().create(true).open(path)?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(file) => Ok(Some(Lock { _file: file })),
        Err((_, nix::errno::Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error.into()),
    }
}

/// Where an account lies: one for each directory, contact and external account.
pub fn account(root: &Path, directory: &str, email: &str, kid: &str) -> PathBuf {
    let name = format!("account-{}.json", short_hash(&format!("{email}\n{kid}")));
    folder(root, directory).join(name)
}

/// The folder of a directory of a CA's: its host to read, its hash to tell apart.
fn folder(root: &Path, directory: &str) -> PathBuf {
    let host = directory.split("://").nth(1).unwrap_or(directory);
    let host = host.split('/').next().unwrap_or(host);
    let name = format!("{}-{}", file_name(host), short_hash(directory));
    root.join("acme").join(name)
}

/// A name as a file can have it. Names of hosts stay as they are.
fn file_name(name: &str) -> String {
    let safe = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let mut out: String = name
        .chars()
        .map(|c| if safe(c) { c } else { '_' })
        .collect();
    // A file name has at most 255 bytes, and something is put behind it.
    if out.len() > LONGEST_STEM {
        out.truncate(LONGEST_STEM - 17);
        out = format!("{out}-{}", short_hash(name));
    }
    match out.starts_with('.') || out.is_empty() {
        true => format!("_{out}"),
        false => out,
    }
}

/// Enough of SHA-256 to tell names apart, in hexadecimal digits.
pub fn short_hash(text: &str) -> String {
    let hash = digest(&SHA256, text.as_bytes());
    hash.as_ref()
        .iter()
        .take(8)
        .fold(String::new(), |mut out, byte| {
            let _ = write!(out, "{byte:02x}");
            out
        })
}

/// Reads a file; `None` when there is none.
///
/// # Errors
/// It cannot be read, or is longer than any of ours.
pub fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = Vec::new();
    file.take(LONGEST + 1).read_to_end(&mut text)?;
    match text.len() as u64 > LONGEST {
        true => Err(io::Error::new(ErrorKind::InvalidData, "too long a file")),
        false => Ok(Some(text)),
    }
}

/// Writes a file that only its owner can read: beside, synchronised, then renamed. After a crash the
/// old one or the new one is there.
///
/// # Errors
/// It cannot be written; the old one is as it was.
pub fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    // The lock of what is written is held, but what is left of a crash may lie there.
    let beside = beside(path);
    match std::fs::remove_file(&beside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = (|| {
        let mut file = private().create_new(true).open(&beside)?;
        file.write_all(text)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        // The name lies in the folder: it too must be on disk.
        File::open(folder)?.sync_all()
    })();
    if written.is_err() {
        let _ = std::fs::remove_file(&beside);
    }
    written
}

/// Removes a file that may not be there.
///
/// # Errors
/// It is there still.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Puts a broken file out of the way, where an operator can look at it. Gives its new place.
///
/// # Errors
/// It could not be moved.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut name = path.as_os_str().to_owned();
    // One that was put there before stays: there is a key in it.
    let _ = write!(name, ".broken-{}", crate::tls::clock::now());
    let aside = PathBuf::from(name);
    std::fs::rename(path, &aside)?;
    Ok(aside)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    // Two processes may write the same account at the same time.
    let _ = write!(name, ".{}.new", std::process::id());
    PathBuf::from(name)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

fn make_folder(folder: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!("parvis-storage-{:016x}", rand::random::<u64>());
            Folder(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn entries(folder: &Path) -> usize {
        std::fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn files_are_whole_and_only_the_owners() {
        let folder = Folder::new();
        let path = folder.0.join("deep/below/file");
        assert_eq!(read(&path).unwrap(), None);
        // What is left of a crash is in nobody's way.
        make_folder(path.parent().unwrap()).unwrap();
        std::fs::write(beside(&path), "half").unwrap();
        for text in ["one", "another"] {
            write(&path, text.as_bytes()).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), text.as_bytes());
        }
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(&folder.0.join("deep")), 0o700);
        assert_eq!(entries(path.parent().unwrap()), 1);
        let aside = set_aside(&path).unwrap();
        assert_eq!(read(&aside).unwrap().unwrap(), b"another");
        assert_eq!(read(&path).unwrap(), None);
        remove(&aside).unwrap();
        remove(&aside).unwrap();
        std::fs::write(&path, vec![b'x'; LONGEST as usize + 1]).unwrap();
        assert_eq!(read(&path).unwrap_err().kind(), ErrorKind::InvalidData);
        // A folder in the place of the file: it stays, and nothing is left over.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        assert!(write(&path, b"x").is_err());
        assert_eq!(entries(path.parent().unwrap()), 1);
    }

    #[test]
    fn a_lock_is_one_processes_and_ends_with_it() {
        let folder = Folder::new();
        let storage = Storage::of_asked(&folder.0, "https://ca/", "a.example");
        let lock = storage.lock().unwrap().unwrap();
        assert!(storage.lock().unwrap().is_none());
        let other = Storage::of_asked(&folder.0, "https://ca/", "b.example");
        assert!(other.lock().unwrap().is_some());
        drop(lock);
        assert!(storage.lock().unwrap().is_some());
    }

    #[test]
    fn names_become_files() {
        for (name, file) in [
            ("shop.example", "shop.example"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("../../etc/passwd", "_.._.._etc_passwd"),
            ("", "_"),
            ("..", "_.."),
            ("ca.example:14000", "ca.example_14000"),
        ] {
            assert_eq!(file_name(name), file);
        }
        // What is cut off tells names apart all the same.
        let long = |end: &str| file_name(&format!("{}{end}", "x".repeat(201)));
        assert_eq!((long("").len(), long("y").len()), (200, 200));
        assert_ne!(long("y"), long("z"));
    }

    #[test]
    fn what_differs_lies_elsewhere() {
        let root = Path::new("/r");
        let of = |directory: &str, names: &[&str]| {
            let names: Vec<String> = names.iter().map(ToString::to_string).collect();
            Storage::of_names(root, directory, &names)
        };
        let one = of("https://ca.example/a", &["a", "b"]);
        assert_ne!(one, of("https://ca.example/b", &["a", "b"]));
        assert_ne!(one, of("https://ca.example/a", &["a"]));
        assert_ne!(one, of("https://ca.example/a", &["a", "c"]));
        assert_eq!(one, of("https://ca.example/a", &["b", "a"]));
        // Edges that keep it at different places mean the same.
        let names = ["a".to_string(), "b".to_string()];
        let other = Storage::of_names(Path::new("/other"), "https://ca.example/a", &names);
        assert_eq!(one.name(), other.name());
        let accounts = [("", ""), ("a@b", ""), ("", "kid"), ("a@b", "kid")];
        let paths = accounts.map(|(email, kid)| account(root, "https://ca.example/a", email, kid));
        let different: std::collections::HashSet<_> = paths.iter().collect();
        assert_eq!(different.len(), 4);
    }
}
