//! A certificate and its key from files, with everything checked that could keep clients away.

use super::certificate::Certificate;
use super::facts::{Facts, Key, day};
use super::handshake::provider;
use super::pem::{Fault, PemFile, warn_if_public};
use super::status::{CertificateSource, WARN_BEFORE};
use crate::config::{At, Diagnostic, Diagnostics, FilePath};
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys};
use std::path::Path;
use std::sync::Arc;

/// RFC 9325 section 4.2; rustls takes no smaller one.
const LEAST_RSA: usize = 2048;
const CHAIN: &str = "a certificate and its chain, in PEM";
const KEY: &str = "a private key, in PEM";

/// Reads and checks a certificate and its key. `now`: seconds since the Unix epoch. `None` when it
/// cannot be used, which is then in `errors`.
pub fn load(
    certificate: &At<FilePath>,
    key: &At<FilePath>,
    now: i64,
    errors: &mut Diagnostics,
) -> Option<Certificate> {
    let (certificate_path, key_path) = (&certificate.value.0, &key.value.0);
    let chain =
        PemFile::read(certificate_path, CHAIN).and_then(|file| file.chain(certificate_path));
    let chain = chain.and_then(|chain| {
        let all = facts(&chain, certificate_path)?;
        strong(&all, certificate_path)?;
        Ok((all, chain))
    });
    let private = PemFile::read(key_path, KEY).and_then(|file| file.key(key_path));
    let private = private.and_then(|der| {
        let shown = key_path.display();
        provider().key_provider.load_private_key(der).map_err(|_| {
            Fault::new(
                format!("the private key in {shown} is none that can be used"),
                "expected ECDSA (P-256, P-384, P-521), Ed25519 or RSA of 2048 to 8192 bits",
            )
            .help("make a new one and have a certificate made for it: `openssl ecparam -name prime256v1 -genkey -noout`")
        })
    });
    // Both files' mistakes are told in one go.
    let chain = chain.map_err(|fault| errors.push(fault.at(certificate.place)));
    let private = private.map_err(|fault| errors.push(fault.at(key.place)));
    let ((all, chain), private) = (chain.ok()?, private.ok()?);
    warn_if_public(key, "the private key", errors);
    let leaf = all.first()?;
    if let Err(fault) = matching(&chain, &private, certificate_path) {
        let diagnostic = fault.at(certificate.place);
        errors.push(diagnostic.related(key.place, "the key"));
        return None;
    }
    if let Err(fault) = in_order(&all, certificate_path) {
        errors.push(fault.at(certificate.place));
        return None;
    }
    let dated = warnings(leaf, certificate_path, now);
    for (message, label, help) in dated {
        errors.push(
            Diagnostic::new(certificate.place, message)
                .label(label)
                .help(help)
                .warning(),
        );
    }
    let leaf = leaf.clone();
    let source = CertificateSource::File {
        certificate: certificate_path.clone(),
        key: key_path.clone(),
    };
    Some(Certificate::new(
        CertifiedKey::new(chain, private),
        leaf,
        source,
    ))
}

fn facts(chain: &[CertificateDer<'_>], path: &Path) -> Result<Vec<Facts>, Fault> {
    let mut all = Vec::with_capacity(chain.len());
    for (index, der) in chain.iter().enumerate() {
        all.push(Facts::of(der).map_err(|why| {
            let which = which(index, chain.len());
            let what = format!("{which} in {} cannot be read: {why}", path.display());
            Fault::new(what, "no certificate (X.509)")
                .help("was it cut off, or changed by an editor? copy it again")
        })?);
    }
    Ok(all)
}

/// What to call a certificate of a file.
fn which(index: usize, of: usize) -> String {
    match of {
        1 => "the certificate".to_string(),
        _ => format!("certificate {} of {of}", index.saturating_add(1)),
    }
}

/// Whether the key is the first certificate's.
fn matching(
    chain: &[CertificateDer<'static>],
    key: &Arc<dyn SigningKey>,
    path: &Path,
) -> Result<(), Fault> {
    let belongs = |der: &CertificateDer<'static>| {
        CertifiedKey::new(vec![der.clone()], key.clone()).keys_match()
    };
    let shown = path.display();
    match chain.first().map(belongs) {
        Some(Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown))) => Ok(()),
        Some(Err(Error::InconsistentKeys(_))) => {
            let other = chain.iter().position(|der| belongs(der) == Ok(()));
            Err(match other {
                Some(index) => Fault::new(
                    format!("the chain in {shown} is out of order"),
                    format!("the key belongs to {}, not to the first", which(index, chain.len())),
                )
                .help("the site's own certificate comes first, then its issuer's, then that one's issuer's"),
                None => Fault::new(
                    format!("the key does not belong to the certificate in {shown}"),
                    "made for another key",
                )
                .help("name the key that the certificate was ordered with, or order a new certificate"),
            })
        }
        Some(Err(error)) => Err(Fault::new(
            format!("clients would refuse the certificate in {shown}: {error}"),
            "no certificate for TLS",
        )),
        None => Ok(()),
    }
}

/// Whether each certificate is issued by the next.
fn in_order(chain: &[Facts], path: &Path) -> Result<(), Fault> {
    for (index, pair) in chain.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if one.is_issued_by(next) {
            continue;
        }
        let (this, that) = (index.saturating_add(1), index.saturating_add(2));
        let fault = Fault::new(
            format!("the chain in {} is out of order", path.display()),
            format!(
                "certificate {that} ({:?}) did not issue certificate {this}, whose issuer is {:?}",
                next.subject, one.issuer
            ),
        );
        return Err(match chain.iter().position(|other| one.is_issued_by(other)) {
            Some(issuer) if issuer != index => fault.help(format!(
                "its issuer is certificate {} of the file: put that one behind it",
                issuer.saturating_add(1)
            )),
            _ => fault.help(
                "the site's own certificate comes first, then its issuer's, then that one's issuer's; take out what does not belong to the chain",
            ),
        });
    }
    Ok(())
}

/// Whether clients accept how it is signed, and its keys.
fn strong(chain: &[Facts], path: &Path) -> Result<(), Fault> {
    let shown = path.display();
    for (index, facts) in chain.iter().enumerate() {
        let which = which(index, chain.len());
        if let Key::Rsa(bits) = facts.key
            && bits < LEAST_RSA
        {
            let what = format!("{which} in {shown} has an RSA key of {bits} bits");
            return Err(Fault::new(what, "clients ask for 2048 or more")
                .help("order a new one, best with an ECDSA key: `openssl ecparam -name prime256v1 -genkey -noout`"));
        }
        // Nobody checks how an authority signed itself.
        if let Some(digest) = facts.weak_signature
            && !(facts.is_self_signed() && index > 0)
        {
            let what = format!("{which} in {shown} is signed with {digest}");
            return Err(Fault::new(what, "clients refuse such signatures")
                .help("order a new one: every authority signs with SHA-256 or better today"));
        }
    }
    Ok(())
}

/// What a client may not like although the certificate can be served: (message, label, help).
fn warnings(leaf: &Facts, path: &Path, now: i64) -> Vec<(String, String, &'static str)> {
    let shown = path.display();
    let mut all = Vec::new();
    let days = |seconds: i64| match seconds / 86_400 {
        1 => "1 day".to_string(),
        days => format!("{days} days"),
    };
    let left = leaf.not_after.saturating_sub(now);
    if left < 0 {
        all.push((
            format!(
                "the certificate in {shown} expired on {}",
                day(leaf.not_after)
            ),
            format!("{} ago: clients refuse it", days(left.saturating_neg())),
            "put a new one there: parvis takes it by itself",
        ));
    } else if left < WARN_BEFORE {
        all.push((
            format!(
                "the certificate in {shown} expires on {}",
                day(leaf.not_after)
            ),
            format!("in {}", days(left)),
            "put a new one there: parvis takes it by itself",
        ));
    }
    if leaf.not_before > now {
        all.push((
            format!(
                "the certificate in {shown} is not valid before {}",
                day(leaf.not_before)
            ),
            "clients refuse it until then".to_string(),
            "is this machine's clock right?",
        ));
    }
    if !leaf.for_servers {
        all.push((
            format!("the certificate in {shown} is not one for servers"),
            "its extended key usage is without serverAuth: most clients refuse it".to_string(),
            "order one for a TLS server",
        ));
    }
    all
}
