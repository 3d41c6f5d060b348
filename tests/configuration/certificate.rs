//! Certificates made for a test.

use rcgen::{CertificateParams, KeyPair};
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::SystemTime;
use time::{Duration, OffsetDateTime};

/// A certificate that signed itself, and its key, both in PEM.
pub struct Made {
    pub certificate: String,
    pub key: String,
}

/// One for these hosts that ends so many days from now; negative: ended before.
pub fn made(hosts: &[&str], days: i64) -> Made {
    let key = KeyPair::generate().unwrap();
    let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(hosts).unwrap();
    // Not a whole number of days: it is not to matter how long a test takes.
    let now = OffsetDateTime::from(SystemTime::now()) + Duration::hours(12);
    params.not_before = now - Duration::days(400);
    params.not_after = now + Duration::days(days);
    Made {
        certificate: params.self_signed(&key).unwrap().pem(),
        key: key.serialize_pem(),
    }
}

impl Made {
    /// Writes both files.
    pub fn write(&self, certificate: &Path, key: &Path) {
        std::fs::write(certificate, &self.certificate).unwrap();
        private(key, &self.key);
    }
}

/// Writes a file that nobody else may read.
pub fn private(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}
