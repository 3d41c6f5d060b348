//! What a certificate says of itself (RFC 5280).

use super::distinguished_name;
use rustls::pki_types::CertificateDer;
use std::fmt::Write as _;
use std::net::IpAddr;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::public_key::PublicKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The DNS names and addresses it is for, in lower case.
    pub names: Vec<String>,
    /// Whose it is (RFC 4514).
    pub subject: String,
    /// Who issued it (RFC 4514).
    pub issuer: String,
    /// From when it is valid, seconds since the Unix epoch.
    pub not_before: i64,
    /// Until when it is valid, that second included, seconds since the Unix epoch.
    pub not_after: i64,
    /// Its number, in upper-case hexadecimal.
    pub serial: String,
    /// What its key is.
    pub key: Key,
    /// What it was signed with, when nobody accepts that any more.
    pub weak_signature: Option<&'static str>,
    /// Whether its uses, if it has any, have that of a server among them.
    pub for_servers: bool,
    /// Whether it may issue others: its basic constraints say so (RFC 5280 section 4.2.1.9).
    pub is_authority: bool,
    subject_der: Vec<u8>,
    issuer_der: Vec<u8>,
    subject_key: Option<Vec<u8>>,
    issuer_key: Option<Vec<u8>>,
}

/// What a key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// RSA, of so many bits.
    Rsa(usize),
    /// ECDSA, on this curve.
    Ecdsa(String),
    /// Ed25519.
    Ed25519,
    /// Another, by its object identifier.
    Other(String),
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Key::Rsa(bits) => write!(f, "RSA {bits}"),
            Key::Ecdsa(curve) => write!(f, "ECDSA {curve}"),
            Key::Ed25519 => f.write_str("Ed25519"),
            Key::Other(oid) => f.write_str(oid),
        }
    }
}

impl Facts {
    /// Reads a certificate.
    ///
    /// # Errors
    /// It is none; why, in words.
    pub fn of(certificate: &CertificateDer<'_>) -> Result<Facts, String> {
        let (rest, parsed) =
            x509_parser::parse_x509_certificate(certificate).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err("there is something behind its end".to_string());
        }
        let oid = parsed.signature_algorithm.algorithm.to_id_string();
        let mut facts = Facts {
            names: Vec::new(),
            subject: distinguished_name::text(parsed.subject()),
            issuer: distinguished_name::text(parsed.issuer()),
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            serial: serial(parsed.raw_serial()),
            key: key(parsed.public_key()),
            weak_signature: weak(&oid),
            for_servers: true,
            is_authority: false,
            subject_der: parsed.subject().as_raw().to_vec(),
            issuer_der: parsed.issuer().as_raw().to_vec(),
            subject_key: None,
            issuer_key: None,
        };
        facts.read_extensions(&parsed);
        Ok(facts)
    }

    fn read_extensions(&mut self, certificate: &X509Certificate<'_>) {
        for extension in certificate.iter_extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(all) => {
                    self.names.extend(all.general_names.iter().filter_map(host));
                }
                ParsedExtension::SubjectKeyIdentifier(id) => self.subject_key = Some(id.0.to_vec()),
                ParsedExtension::AuthorityKeyIdentifier(id) => {
                    self.issuer_key = id.key_identifier.as_ref().map(|id| id.0.to_vec());
                }
                ParsedExtension::ExtendedKeyUsage(uses) => {
                    self.for_servers = uses.server_auth || uses.any;
                }
                ParsedExtension::BasicConstraints(basic) => self.is_authority = basic.ca,
                _ => {}
            }
        }
    }

    /// Whether it says that `issuer` issued it: by name, and by key where both tell theirs.
    pub fn is_issued_by(&self, issuer: &Facts) -> bool {
        let keys = self.issuer_key.as_ref().zip(issuer.subject_key.as_ref());
        self.issuer_der == issuer.subject_der && keys.is_none_or(|(named, has)| named == has)
    }

    /// Whether it was issued by nobody but itself.
    pub fn is_self_signed(&self) -> bool {
        self.is_issued_by(self)
    }

    /// Whether a client may accept it at this time, seconds since the Unix epoch.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// A day, as operators write it: `2026-11-21`.
pub fn day(seconds: i64) -> String {
    match jiff::Timestamp::from_second(seconds) {
        Ok(time) => time.strftime("%Y-%m-%d").to_string(),
        // It is only told; years over 9999 have no business in a certificate.
        Err(_) => format!("{seconds} seconds after 1970"),
    }
}

/// A number without the zero that says that it is not negative (DER).
fn serial(bytes: &[u8]) -> String {
    match bytes {
        [0, rest @ ..] if !rest.is_empty() => hex_upper(rest),
        _ => hex_upper(bytes),
    }
}

fn host(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => {
            let four = <[u8; 4]>::try_from(*bytes).map(IpAddr::from);
            let address = four.or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from));
            Some(address.ok()?.to_string())
        }
        _ => None,
    }
}

fn key(key: &SubjectPublicKeyInfo<'_>) -> Key {
    let oid = key.algorithm.algorithm.to_id_string();
    match oid.as_str() {
        "1.2.840.113549.1.1.1" => Key::Rsa(rsa_bits(key)),
        "1.2.840.10045.2.1" => {
            let curve = key.algorithm.parameters.as_ref();
            let curve = curve.and_then(|curve| curve.as_oid().ok());
            let curve = curve.map_or_else(String::new, |curve| curve.to_id_string());
            Key::Ecdsa(match curve.as_str() {
                "1.2.840.10045.3.1.7" => "P-256".to_string(),
                "1.3.132.0.34" => "P-384".to_string(),
                "1.3.132.0.35" => "P-521".to_string(),
                _ => curve,
            })
        }
        "1.3.101.112" => Key::Ed25519,
        _ => Key::Other(oid),
    }
}

fn rsa_bits(key: &SubjectPublicKeyInfo<'_>) -> usize {
    let Ok(PublicKey::RSA(rsa)) = key.parsed() else {
        return 0;
    };
    let mut digits = rsa.modulus.iter().skip_while(|byte| **byte == 0);
    let Some(first) = digits.next() else {
        return 0;
    };
    let first = 8usize.saturating_sub(first.leading_zeros() as usize);
    digits.count().saturating_mul(8).saturating_add(first)
}

/// Signatures with digests that can be forged.
fn weak(oid: &str) -> Option<&'static str> {
    match oid {
        "1.2.840.113549.1.1.2" => Some("MD2"),
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.3.14.3.2.29" | "1.2.840.10045.4.1" | "1.2.840.10040.4.3" => {
            Some("SHA-1")
        }
        _ => None,
    }
}

/// Bytes in upper-case hexadecimal.
pub fn hex_upper(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().saturating_mul(2));
    for byte in bytes {
        let _ = write!(out, "{byte:02X}");
    }
    out
}

/// SHA-256 in lower-case hexadecimal.
pub fn fingerprint(der: &[u8]) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
    hex_upper(digest.as_ref()).to_ascii_lowercase()
}
