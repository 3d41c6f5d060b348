//! A certificate with its key: read from a file's text, judged, and written as one.

use super::storage;
use crate::tls::handshake::provider;
use crate::tls::names::is_for;
use instant_acme::CertificateIdentifier;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, Der, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::Path;
use std::sync::Arc;
use x509_parser::extensions::{GeneralName, ParsedExtension};

/// Most certificates of a chain: real ones have two to four.
const LONGEST_CHAIN: usize = 10;

/// What a certificate says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The DNS names it is for, in lower case.
    pub names: Vec<String>,
    /// Seconds since the Unix epoch.
    pub not_before: u64,
    /// Seconds since the Unix epoch; the certificate is good up to and including this second.
    pub not_after: u64,
    /// What the CA's renewal information knows it by (RFC 9773 section 4.1). `None`: the certificate
    /// does not say who its issuer's key is.
    pub renewal_id: Option<CertificateIdentifier<'static>>,
}

impl Facts {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn of(certificate: &[u8]) -> Result<Facts, String> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate)
            .map_err(|error| format!("no certificate: {error}"))?;
        let mut names = Vec::new();
        let mut issuer_key = None;
        for extension in parsed.iter_extensions() {
            match extension.parsed_extension() {
                ParsedExtension::SubjectAlternativeName(all) => {
                    names.extend(all.general_names.iter().filter_map(|name| match name {
                        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                        _ => None,
                    }));
                }
                ParsedExtension::AuthorityKeyIdentifier(found) => {
                    issuer_key = found.key_identifier.as_ref().map(|key| key.0);
                }
                _ => {}
            }
        }
        let renewal_id = issuer_key.map(|key| {
            let serial = Der::from_slice(parsed.raw_serial());
            CertificateIdentifier::new(Der::from_slice(key), serial)
        });
        let seconds = |time: i64| u64::try_from(time).unwrap_or(0);
        Ok(Facts {
            names,
            not_before: seconds(parsed.validity().not_before.timestamp()),
            not_after: seconds(parsed.validity().not_after.timestamp()),
            renewal_id,
        })
    }

    /// Whether its time is over (`now`: seconds since the Unix epoch). That it has not begun is not
    /// asked for: it is this machine's clock that is wrong then.
    pub fn is_over(&self, now: u64) -> bool {
        now > self.not_after
    }

    /// Whether a client may accept it at this time, seconds since the Unix epoch.
    pub fn is_valid_at(&self, now: i64) -> bool {
        u64::try_from(now).is_ok_and(|now| (self.not_before..=self.not_after).contains(&now))
    }

    /// Whether it is for this name, by itself or by a wildcard (RFC 9525 section 6.3).
    pub fn covers(&self, name: &str) -> bool {
        self.names.iter().any(|own| is_for(own, name))
    }
}

/// A certificate with its key, and what it says of itself.
#[derive(Debug)]
pub struct Issued {
    /// What a handshake works with.
    pub key: Arc<CertifiedKey>,
    /// What it says of itself.
    pub facts: Facts,
}

impl Issued {
    /// What lies in this file, when it can be served (`now`: seconds since the Unix epoch).
    pub fn good(path: &Path, now: u64) -> Option<Issued> {
        let text = storage::read(path).ok().flatten()?;
        let issued = Issued::from_pem(&text).ok()?;
        (!issued.facts.is_over(now)).then_some(issued)
    }

    /// Reads a private key and a chain, in PEM, in one text. The key must be the first
    /// certificate's.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn from_pem(text: &[u8]) -> Result<Issued, String> {
        // A file that was cut off may have whole certificates in it, and lack one.
        if !text
            .trim_ascii_end()
            .ends_with(b"-----END CERTIFICATE-----")
        {
            return Err("no certificate at its end".to_string());
        }
        let key = PrivateKeyDer::from_pem_slice(text)
            .map_err(|error| format!("no private key in it: {error}"))?;
        let chain: Result<Vec<CertificateDer<'static>>, _> =
            CertificateDer::pem_slice_iter(text).collect();
        let chain = chain.map_err(|error| format!("a broken certificate is in it: {error}"))?;
        if chain.len() > LONGEST_CHAIN {
            return Err(format!("a chain of {} certificates", chain.len()));
        }
        let first = chain.first().ok_or("no certificate in it")?;
        let facts = Facts::of(first)?;
        let key = CertifiedKey::from_der(chain, key, provider())
            .map_err(|error| format!("certificate and key do not belong together: {error}"))?;
        Ok(Issued {
            key: Arc::new(key),
            facts,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair};
    use time::{Duration, OffsetDateTime};

    /// A certificate of its own making, as a file has it: for these names, from and to so many
    /// seconds since the Unix epoch.
    pub fn made(names: &[&str], from: u64, to: u64) -> String {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.use_authority_key_identifier_extension = true;
        let at = |seconds| OffsetDateTime::UNIX_EPOCH + Duration::seconds(seconds as i64);
        params.not_before = at(from);
        params.not_after = at(to);
        let certificate = params.self_signed(&key).unwrap();
        key.serialize_pem() + &certificate.pem()
    }

    #[test]
    fn a_file_is_read_and_judged() {
        let text = made(&["a.example", "*.b.example"], 1_000, 2_000);
        let issued = Issued::from_pem(text.as_bytes()).unwrap();
        let facts = &issued.facts;
        assert_eq!(facts.names, ["a.example", "*.b.example"]);
        assert_eq!((facts.not_before, facts.not_after), (1_000, 2_000));
        assert!(!facts.is_over(0) && !facts.is_over(2_000) && facts.is_over(2_001));
        for (now, valid) in [(-1, false), (999, false), (1_000, true), (2_000, true)] {
            assert_eq!(facts.is_valid_at(now), valid, "{now}");
        }
        assert!(!facts.is_valid_at(2_001));
        for (name, covered) in [
            ("a.example", true),
            ("x.a.example", false),
            ("x.b.example", true),
            ("b.example", false),
            ("x.y.b.example", false),
        ] {
            assert_eq!(facts.covers(name), covered, "{name}");
        }
    }

    #[test]
    fn what_is_broken_is_said() {
        let (one, other) = (made(&["a"], 0, 9), made(&["a"], 0, 9));
        let key = one.split_once("-----BEGIN CERT").unwrap().0;
        let certificate = &other[other.find("-----BEGIN CERT").unwrap()..];
        for (text, told) in [
            ("", "no certificate at its end"),
            (key, "no certificate at its end"),
            (certificate, "no private key"),
            (&format!("{key}{certificate}"), "do not belong together"),
            (&one[..one.len() - 60], "certificate"),
            (
                &format!("{key}{}", certificate.repeat(11)),
                "11 certificates",
            ),
        ] {
            let error = Issued::from_pem(text.as_bytes()).unwrap_err();
            assert!(error.contains(told), "{error}");
        }
    }
}
