//! Authorities and certificates, as tests need them.

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SignatureAlgorithm,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use time::{Duration, OffsetDateTime};

/// Who issues certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub der: CertificateDer<'static>,
    pub pem: String,
    /// The authorities between it and its root, itself first; not the root.
    between: String,
}

/// A certificate.
pub struct Issued {
    /// With the authorities in between, in PEM.
    pub chain: String,
    /// Without them.
    pub leaf: String,
    /// In PEM (PKCS#8).
    pub key: String,
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    params
}

impl Authority {
    pub fn root(name: &str) -> Authority {
        let (params, key) = (authority_params(name), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            between: String::new(),
        }
    }

    /// One that this one vouches for.
    pub fn below(&self, name: &str) -> Authority {
        let mut params = authority_params(name);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
            between: certificate.pem() + &self.between,
        }
    }

    /// A server's certificate, valid from yesterday for 90 days.
    pub fn issue(&self, names: &[&str]) -> Issued {
        self.issue_with(names, &rcgen::PKCS_ECDSA_P256_SHA256, |_| {})
    }

    /// One with an RSA key.
    pub fn issue_rsa(&self, names: &[&str]) -> Issued {
        self.issue_with(names, &rcgen::PKCS_RSA_SHA256, |_| {})
    }

    /// One that is valid from and to so many days and a half from now.
    pub fn issue_dated(&self, names: &[&str], from: i64, to: i64) -> Issued {
        self.issue_with(names, &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            let day = |days| OffsetDateTime::now_utc() + Duration::hours(24 * days + 12);
            (params.not_before, params.not_after) = (day(from), day(to));
        })
    }

    /// A client's certificate.
    pub fn issue_client(&self, name: &str) -> Issued {
        self.issue_with(&[], &rcgen::PKCS_ECDSA_P256_SHA256, |params| {
            params.distinguished_name = rcgen::DistinguishedName::new();
            params
                .distinguished_name
                .push(DnType::OrganizationName, "Example, Inc.");
            params.distinguished_name.push(DnType::CommonName, name);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            params.serial_number = Some(vec![0x0a, 0xbc].into());
        })
    }

    pub fn issue_with(
        &self,
        names: &[&str],
        algorithm: &'static SignatureAlgorithm,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Issued {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        let day = |days| OffsetDateTime::now_utc() + Duration::days(days);
        (params.not_before, params.not_after) = (day(-1), day(89));
        params.use_authority_key_identifier_extension = true;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate_for(algorithm).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Issued {
            chain: certificate.pem() + &self.between,
            leaf: certificate.pem(),
            key: key.serialize_pem(),
        }
    }
}

impl Issued {
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.leaf.as_bytes()).unwrap()
    }

    pub fn key_der(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}
