//! Certificates for tests: an authority of a test's own, and what it signs.

use super::Folder;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize, SerialNumber,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use time::{Duration, OffsetDateTime};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    /// Its own certificate, in PEM.
    pub pem: String,
    pub der: CertificateDer<'static>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Pair {
    /// The certificate, in PEM.
    pub certificate: String,
    /// The private key, in PEM.
    pub key: String,
}

/// What to sign: an ECDSA P-256 certificate for a server, valid from yesterday for 90 days, unless
/// said otherwise.
pub struct Order<'a> {
    pub names: &'a [&'a str],
    pub common_name: &'a str,
    /// RSA 2048.
    pub rsa: bool,
    /// For a client.
    pub client: bool,
    /// From when to when, in days from now.
    pub days: (i64, i64),
    /// Until when, in seconds from now.
    pub seconds: Option<i64>,
    pub serial: Option<&'a [u8]>,
}

impl Default for Order<'_> {
    fn default() -> Self {
        Order {
            names: &[],
            common_name: "parvis test",
            rsa: false,
            client: false,
            days: (-1, 90),
            seconds: None,
            serial: None,
        }
    }
}

impl Authority {
    pub fn new() -> Self {
        Authority::named("Test authority")
    }

    pub fn named(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let certificate = params.self_signed(&key).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    /// A server's certificate.
    pub fn sign(&self, names: &[&str]) -> Pair {
        self.order(&Order {
            names,
            ..Order::default()
        })
    }

    /// A server's certificate with an RSA key.
    pub fn sign_rsa(&self, names: &[&str]) -> Pair {
        self.order(&Order {
            names,
            rsa: true,
            ..Order::default()
        })
    }

    /// A client's certificate.
    pub fn sign_client(&self, common_name: &str) -> Pair {
        self.order(&Order {
            common_name,
            client: true,
            ..Order::default()
        })
    }

    pub fn order(&self, order: &Order<'_>) -> Pair {
        let key = match order.rsa {
            true => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048),
            false => KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256),
        };
        let key = key.unwrap();
        let certificate = self.params(order).signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        }
    }

    /// An authority beneath this one, and its certificate.
    pub fn intermediate(&self, name: &str) -> Authority {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Authority {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            issuer: Issuer::new(params, key),
        }
    }

    fn params(&self, order: &Order<'_>) -> CertificateParams {
        let names: Vec<String> = order.names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = &mut params.distinguished_name;
        name.push(DnType::CommonName, order.common_name);
        name.push(DnType::OrganizationName, "Tests, Ltd");
        let now = OffsetDateTime::now_utc();
        params.not_before = now + Duration::days(order.days.0);
        params.not_after = match order.seconds {
            Some(seconds) => now + Duration::seconds(seconds),
            None => now + Duration::days(order.days.1),
        };
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match order.client {
            true => ExtendedKeyUsagePurpose::ClientAuth,
            false => ExtendedKeyUsagePurpose::ServerAuth,
        }];
        params.serial_number = order.serial.map(SerialNumber::from_slice);
        params
    }
}

impl Pair {
    /// Writes `NAME.pem` and `NAME.key`.
    pub fn write(&self, folder: &Folder, name: &str) {
        folder.write(&format!("{name}.pem"), &self.certificate);
        folder.write(&format!("{name}.key"), &self.key);
    }

    /// The first certificate.
    pub fn der(&self) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()
    }

    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.certificate.as_bytes())
            .collect::<Result<_, _>>()
            .unwrap()
    }

    pub fn private(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }
}
