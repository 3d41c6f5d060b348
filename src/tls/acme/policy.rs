//! How certificates are ordered: checked settings.

use super::settings::{AcmeSettings, Challenge, EabSettings};
use crate::config::{At, Diagnostic, Diagnostics, FilePath, Text};
use crate::tls::pem::PemFile;
use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::URL_SAFE_NO_PAD};
use http::Uri;
use rustls::RootCertStore;
use std::path::PathBuf;
use std::sync::Arc;

/// Shorter keys would be guessed: RFC 7518 section 3.2 asks for 32 bytes, some CAs give 16.
const SHORTEST_KEY: usize = 16;

/// How certificates of a site are ordered.
#[derive(Clone)]
pub struct Policy {
    /// Whom the CA writes to, without `mailto:`; empty: nobody.
    pub email: String,
    /// The URL of the CA's directory: https.
    pub directory: String,
    /// How control of a name is shown.
    pub challenge: Challenge,
    /// Name and key of an external account.
    pub external: Option<(String, Vec<u8>)>,
    /// By which the CA's server is trusted; `None`: those of the system.
    pub roots: Option<Arc<RootCertStore>>,
    /// The file that `roots` are from.
    pub roots_file: Option<PathBuf>,
    /// Names that are not in the configuration.
    pub on_demand: Option<OnDemand>,
}

/// Who allows names that are not in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnDemand {
    /// Is asked with `?domain=NAME` behind it: http.
    pub ask: Uri,
}

impl Policy {
    /// Checks settings; `None` when something is wrong, which is then in `errors`.
    pub fn build(settings: &AcmeSettings, errors: &mut Diagnostics) -> Option<Policy> {
        let before = errors.found();
        let email = settings.email.as_ref().map(|email| contact(email, errors));
        directory(&settings.directory, errors);
        let external = settings.eab.as_ref().map(|eab| external(eab, errors));
        let file = settings.ca.as_ref();
        let roots = file.map(|ca| roots(ca, errors));
        let on_demand = settings.on_demand.as_ref().filter(|own| own.sound);
        let on_demand = on_demand.map(|own| ask(&own.ask, errors));
        if errors.found() != before || !settings.sound {
            return None;
        }
        Some(Policy {
            email: email.flatten().unwrap_or_default(),
            directory: settings.directory.value.text.clone(),
            challenge: settings.challenge,
            external: external.flatten(),
            roots: roots.flatten(),
            roots_file: file.map(|ca| ca.value.0.clone()),
            on_demand: on_demand.flatten(),
        })
    }

    /// What tells these settings from others, as far as a CA may refuse the ones and not the others.
    /// Nothing can be read from it.
    pub fn fingerprint(&self) -> String {
        let key = self.external.as_ref().map_or(&[][..], |(_, key)| key);
        let parts = format!("{:?} {key:?}", self);
        super::storage::short_hash(&parts)
    }

    /// The first key of these settings that the other ones have differently, of those that decide how
    /// a certificate for names of the configuration is ordered.
    pub fn difference(&self, other: &Policy) -> Option<&'static str> {
        let differs = [
            ("email", self.email != other.email),
            ("challenge", self.challenge != other.challenge),
            ("eab", self.external != other.external),
            ("ca", self.roots_file != other.roots_file),
        ];
        let found = differs.into_iter().find(|(_, differs)| *differs);
        found.map(|(key, _)| key)
    }

    /// The name of the external account; empty when there is none.
    pub fn kid(&self) -> &str {
        self.external.as_ref().map_or("", |(kid, _)| kid.as_str())
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The key of the external account is never printed.
        f.debug_struct("Policy")
            .field("email", &self.email)
            .field("directory", &self.directory)
            .field("challenge", &self.challenge)
            .field("kid", &self.kid())
            .field("roots_file", &self.roots_file)
            .field("on_demand", &self.on_demand)
            .finish()
    }
}

fn contact(email: &At<Text>, errors: &mut Diagnostics) -> Option<String> {
    let text = &email.value.text;
    let bare = text.strip_prefix("mailto:").unwrap_or(text);
    let parts = bare.split_once('@');
    // RFC 8555 section 7.3: one address, and no header fields of RFC 6068.
    let plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>' | '"');
    let sound = bare.chars().all(plain)
        && parts.is_some_and(|(user, host)| {
            !user.is_empty() && host.contains('.') && !host.contains('@')
        });
    if !sound {
        let what = email.value.for_messages("address of a mailbox");
        errors.push(
            Diagnostic::new(email.place, what).label("expected one such as \"admin@example.org\""),
        );
        return None;
    }
    Some(bare.to_string())
}

fn directory(url: &At<Text>, errors: &mut Diagnostics) {
    let uri = url.value.text.parse::<Uri>();
    let sound = uri.is_ok_and(|uri| {
        let authority = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
        uri.scheme_str() == Some("https") && authority
    });
    if !sound {
        let what = url.value.for_messages("directory of a CA");
        errors.push(
            Diagnostic::new(url.place, what).label("expected a URL that begins with https://"),
        );
    }
}

fn external(eab: &EabSettings, errors: &mut Diagnostics) -> Option<(String, Vec<u8>)> {
    let kid = &eab.kid;
    if !eab.sound {
        return None;
    }
    if kid.value.text.is_empty() {
        errors
            .push(Diagnostic::new(kid.place, "empty name of an account").label("expected a name"));
    }
    // CAs give base64url, with and without padding.
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let lenient = GeneralPurpose::new(&base64::alphabet::URL_SAFE, config);
    let written = eab.hmac_key.value.text.trim();
    let key = URL_SAFE_NO_PAD
        .decode(written)
        .or_else(|_| lenient.decode(written));
    match key {
        Ok(key) if key.len() >= SHORTEST_KEY => Some((kid.value.text.clone(), key)),
        _ => {
            // Never with what is written there.
            let mut what = "`hmac_key` is no key in base64url".to_string();
            // Which one, as the line that it stands in is not shown.
            if !kid.value.is_secret() {
                what.push_str(&format!(": that of the account {:?}", kid.value.text));
            }
            errors.push(
                match eab.hmac_key.value.is_secret() {
                    true => Diagnostic::new(eab.hmac_key.place, what),
                    false => Diagnostic::nowhere(what),
                }
                .help("give it as the CA gave it; letters, digits, - and _, at least 22 of them"),
            );
            None
        }
    }
}

/// Whom to trust with the CA's directory.
fn roots(ca: &At<FilePath>, errors: &mut Diagnostics) -> Option<Arc<RootCertStore>> {
    let path = &ca.value.0;
    let chain = PemFile::read(path, "certificates of authorities, in PEM")
        .and_then(|file| file.chain(path))
        .map_err(|fault| errors.push(fault.at(ca.place)));
    let mut roots = RootCertStore::empty();
    for (index, der) in chain.ok()?.into_iter().enumerate() {
        if let Err(error) = roots.add(der) {
            let (number, shown) = (index.saturating_add(1), path.display());
            let what = format!("certificate {number} in {shown} cannot be used: {error}");
            errors.push(
                Diagnostic::new(ca.place, what)
                    .label("needed to trust the CA's directory")
                    .help("was it cut off, or changed by an editor? copy it again"),
            );
            return None;
        }
    }
    Some(Arc::new(roots))
}

fn ask(url: &At<Text>, errors: &mut Diagnostics) -> Option<OnDemand> {
    let uri = url.value.text.parse::<Uri>().ok().filter(|uri| {
        let authority = uri.authority().is_some_and(|a| !a.as_str().contains('@'));
        uri.scheme_str() == Some("http") && authority
    });
    if uri.is_none() {
        let what = url.value.for_messages("URL to ask");
        errors.push(
            Diagnostic::new(url.place, what)
                .label("expected one such as \"http://127.0.0.1:8000/tls-ask\""),
        );
    }
    uri.map(|ask| OnDemand { ask })
}
