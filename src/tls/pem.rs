//! PEM files (RFC 7468): what is in them, and what may be wrong with them, in words for operators.

use crate::config::{At, Diagnostic, Diagnostics, FilePath, Place};
use rustls::pki_types::pem::{Error, PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// More than any bundle of authorities has (a system's has a quarter of a mebibyte).
const LARGEST: u64 = 4 << 20;

/// What is wrong with a file.
#[derive(Debug, PartialEq, Eq)]
pub struct Fault {
    message: String,
    label: String,
    help: Option<String>,
}

impl Fault {
    /// Something that is wrong.
    pub fn new(message: impl Into<String>, label: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            label: label.into(),
            help: None,
        }
    }

    /// How to mend it.
    pub fn help(mut self, help: impl Into<String>) -> Fault {
        self.help = Some(help.into());
        self
    }

    /// The mistake, at the place that names the file.
    pub fn at(self, place: Place) -> Diagnostic {
        let diagnostic = Diagnostic::new(place, self.message).label(self.label);
        match self.help {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// What a PEM file has in it.
pub struct PemFile {
    /// In the order of the file.
    pub certificates: Vec<CertificateDer<'static>>,
    /// The first private key that is not encrypted.
    key: Option<PrivateKeyDer<'static>>,
    /// The names of all its sections.
    labels: Vec<String>,
}

/// A file's bytes. `what` is what it should have, in words.
///
/// # Errors
/// It cannot be read, or is empty.
pub fn read_file(path: &Path, what: &str) -> Result<Vec<u8>, Fault> {
    let shown = path.display();
    let unreadable = |error| unreadable(path, what, &error);
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    // To open a pipe would wait for who writes to it.
    if !metadata.is_file() {
        let is = if metadata.is_dir() {
            "a folder"
        } else {
            "no plain file"
        };
        return Err(Fault::new(
            format!("{shown} is {is}"),
            format!("expected a file with {what}"),
        ));
    }
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    let most = LARGEST.saturating_add(1);
    file.take(most)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() as u64 > LARGEST {
        return Err(Fault::new(
            format!("{shown} is larger than 4 MiB"),
            format!("expected {what}"),
        ));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(Fault::new(
            format!("{shown} is empty"),
            format!("expected {what}"),
        ));
    }
    Ok(bytes)
}

/// Why a file cannot be read, and what to do.
fn unreadable(path: &Path, what: &str, error: &std::io::Error) -> Fault {
    let what_is = format!("cannot read {}: {error}", path.display());
    let fault = Fault::new(what_is, "named here");
    match error.kind() {
        ErrorKind::NotFound => fault.help(format!("put {what} there, or mend the path")),
        ErrorKind::PermissionDenied => fault.help(
            "let the user that parvis runs as read the file and enter its folders: a group of its own and `chmod 640`",
        ),
        _ => fault,
    }
}

impl PemFile {
    /// Reads a file. `what` is what it should have, in words.
    ///
    /// # Errors
    /// It cannot be read, or is no PEM.
    pub fn read(path: &Path, what: &str) -> Result<PemFile, Fault> {
        let bytes = read_file(path, what)?;
        PemFile::parse(&bytes, path, what)
    }

    fn parse(bytes: &[u8], path: &Path, what: &str) -> Result<PemFile, Fault> {
        let shown = path.display();
        let labels = labels(bytes);
        let mut file = PemFile {
            certificates: Vec::new(),
            key: None,
            labels,
        };
        let encrypted = file.has("ENCRYPTED");
        for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
            let (kind, der) = match section {
                Ok(section) => section,
                // RFC 1421 has lines in a section that tell how it is encrypted.
                Err(_) if encrypted => continue,
                Err(error) => return Err(broken(&shown, &error)),
            };
            if kind == SectionKind::Certificate {
                file.certificates.push(CertificateDer::from(der));
            } else if let Some(key) = PrivateKeyDer::from_pem(kind, der)
                && file.key.is_none()
            {
                file.key = Some(key);
            }
        }
        if file.labels.is_empty() {
            let fault = Fault::new(
                format!("{shown} is no PEM"),
                format!("expected {what}, between -----BEGIN ...----- and -----END ...-----"),
            );
            // Both DER and PKCS#12 begin with a SEQUENCE.
            return Err(match bytes.first() {
                Some(0x30) => fault.help(
                    "it looks like DER or PKCS#12: `openssl x509 -inform der -in FILE -out FILE.pem` converts a certificate, `openssl pkey -inform der ...` a key, `openssl pkcs12 -nodes -in FILE -out FILE.pem` both",
                ),
                _ => fault,
            });
        }
        Ok(file)
    }

    fn has(&self, word: &str) -> bool {
        self.labels.iter().any(|label| label.contains(word))
    }

    /// The certificates.
    ///
    /// # Errors
    /// There is none.
    pub fn chain(self, path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
        if !self.certificates.is_empty() {
            return Ok(self.certificates);
        }
        let shown = path.display();
        let fault = |what: &str| {
            Fault::new(
                format!("{shown} has {what} and no certificate"),
                "expected a certificate",
            )
        };
        Err(if self.has("PRIVATE KEY") {
            fault("a private key").help("are `certificate` and `key` swapped?")
        } else if self.has("CERTIFICATE REQUEST") {
            fault("a request for a certificate (CSR)")
                .help("name the certificate that the authority made of it")
        } else if self.has("TRUSTED CERTIFICATE") {
            fault("a \"trusted certificate\" of OpenSSL's own kind")
                .help("`openssl x509 -in FILE -out FILE.pem` makes it a plain one")
        } else if self.has("PUBLIC KEY") {
            fault("a public key")
        } else {
            Fault::new(
                format!("{shown} has no certificate"),
                "expected a certificate",
            )
        })
    }

    /// The private key.
    ///
    /// # Errors
    /// There is none that is not encrypted.
    pub fn key(self, path: &Path) -> Result<PrivateKeyDer<'static>, Fault> {
        let shown = path.display();
        let expected = "expected a private key";
        let fault = if self.has("ENCRYPTED") {
            let what = format!("the private key in {shown} is encrypted");
            Fault::new(what, "parvis has no passphrase for it").help(
                "take the encryption off, and let nobody else read the file: `openssl pkey -in FILE -out FILE.plain && chmod 600 FILE.plain`",
            )
        } else if let Some(key) = self.key {
            return Ok(key);
        } else if !self.certificates.is_empty() {
            let what = format!("{shown} has a certificate and no private key");
            Fault::new(what, expected).help("are `certificate` and `key` swapped?")
        } else if self.has("PUBLIC KEY") {
            let what = format!("{shown} has a public key and no private key");
            Fault::new(what, expected)
        } else {
            Fault::new(format!("{shown} has no private key"), expected)
        };
        Err(fault)
    }
}

/// The names of a file's sections; `Proc-Type: 4,ENCRYPTED` (RFC 1421) counts as one.
fn labels(bytes: &[u8]) -> Vec<String> {
    let mut labels = Vec::new();
    for line in bytes.split(|byte| matches!(byte, b'\n' | b'\r')) {
        let line = String::from_utf8_lossy(line);
        if let Some(label) = line.strip_prefix("-----BEGIN ") {
            labels.push(label.trim_end().trim_end_matches('-').to_string());
        } else if line.starts_with("Proc-Type:") {
            labels.push(line.into_owned());
        }
    }
    labels
}

fn broken(shown: &dyn std::fmt::Display, error: &Error) -> Fault {
    let what = match error {
        Error::MissingSectionEnd { end_marker } => format!(
            "the section {} has no end",
            String::from_utf8_lossy(end_marker)
        ),
        Error::IllegalSectionStart { line } => {
            format!("{:?} begins no section", String::from_utf8_lossy(line))
        }
        Error::Base64Decode(_) => "what stands in a section is no base64".to_string(),
        other => other.to_string(),
    };
    Fault::new(format!("{shown} is broken PEM: {what}"), "named here")
        .help("was it cut off, or changed by an editor? copy it again")
}

/// Warns of a secret that every user of the machine can read.
pub fn warn_if_public(file: &At<FilePath>, what: &str, errors: &mut Diagnostics) {
    let path = &file.value.0;
    let public = std::fs::metadata(path).is_ok_and(|is| is.permissions().mode() & 0o004 != 0);
    if public {
        let shown = path.display();
        errors.push(
            Diagnostic::new(
                file.place,
                format!("every user of this machine can read {what} in {shown}"),
            )
            .label("readable by all")
            .help(format!("chmod o-rwx {shown}"))
            .warning(),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_read_a_file_is_told_what_to_do() {
        // Not with a file: tests may run as root, who reads everything.
        let denied = std::io::Error::from_raw_os_error(libc::EACCES);
        let fault = unreadable(Path::new("/etc/a.key"), "a private key, in PEM", &denied);
        assert!(
            fault
                .message
                .starts_with("cannot read /etc/a.key: Permission denied")
        );
        assert!(fault.help.unwrap().contains("chmod 640"));
    }
}
