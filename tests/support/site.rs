//! The Django site of `tests/site`, under Daphne.

use super::folder::Folder;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A running site.
pub struct Site {
    child: Child,
    address: SocketAddr,
    folder: Folder,
}

impl Site {
    /// # Panics
    /// When Django is not installed: `tests/run` installs it.
    pub fn start() -> Self {
        Site::start_with(&[])
    }

    /// The same with these environment variables.
    ///
    /// # Panics
    /// When Django is not installed: `tests/run` installs it.
    pub fn start_with(environment: &[(&str, &str)]) -> Self {
        let python = std::env::var("PARVIS_TEST_PYTHON")
            .unwrap_or_else(|_| format!("{}/target/venv/bin/python", env!("CARGO_MANIFEST_DIR")));
        assert!(
            std::path::Path::new(&python).exists(),
            "{python} is missing: run `tests/run --install`, which installs Django for the tests"
        );
        let folder = Folder::new();
        let mut child = Command::new(python)
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/site/serve"))
            .env("SITE_DIR", folder.path())
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim()
            .strip_prefix("LISTENING ")
            .and_then(|a| a.parse().ok());
        let address = address.unwrap_or_else(|| panic!("the site did not start: {line:?}"));
        Site {
            child,
            address,
            folder,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where `collectstatic` put the site's static files.
    pub fn static_root(&self) -> PathBuf {
        self.folder.join("static")
    }

    /// Where the site keeps what people upload.
    pub fn media_root(&self) -> PathBuf {
        self.folder.join("media")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- site.log\n{}", self.folder.read("site.log"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
