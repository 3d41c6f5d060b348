//! What a site wants of its CA.

use super::certificate::Issued;
use super::held::Held;
use super::policy::Policy;
use super::settings::{AcmeSettings, Challenge};
use super::shared::Shared;
use super::slot::Slot;
use super::storage::Storage;
use crate::config::{Diagnostic, Diagnostics, Place};
use crate::tls::clock::now;
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What Let's Encrypt has as its bound of names in one certificate; other CAs have lower ones.
const MOST_NAMES: usize = 100;
/// RFC 1035 section 2.3.4, without the dot at the end.
const LONGEST_NAME: usize = 253;
const LONGEST_LABEL: usize = 63;

/// Of what an order is made.
#[derive(Debug)]
pub struct OrderRequest<'a> {
    /// The site's name, for messages.
    pub site: &'a str,
    /// Its hosts as patterns: names and `*.NAME`; none: any host.
    pub names: &'a [(String, Place)],
    /// Where ACME is asked for.
    pub place: Place,
    /// The site's settings.
    pub settings: &'a AcmeSettings,
    /// Where accounts and certificates lie.
    pub storage: &'a Path,
    /// A Redis that several edges share.
    pub shared: Option<&'a Arc<Shared>>,
    /// The orders that the site had before: one that is the same goes on with its certificates.
    pub before: &'a [Arc<Order>],
}

/// A certificate that is wanted for a site, or certificates for names that are asked for, or both.
#[derive(Debug)]
pub struct Order {
    /// What tells it from others; the same after a reload when nothing was changed that matters.
    pub id: Storage,
    /// The site's name.
    pub site: String,
    /// The names in the certificate, in lower case and in the order they were given. None: only
    /// names that are asked for.
    pub names: Vec<String>,
    /// Of which suffixes (`.example.org`) other names may be asked for; `None`: any name.
    suffixes: Option<Vec<String>>,
    /// How it is ordered.
    pub policy: Policy,
    /// The root of the storage.
    pub storage: PathBuf,
    /// A Redis that several edges share.
    pub shared: Option<Arc<Shared>>,
    /// Where the certificate is.
    pub slot: Arc<Slot>,
    /// Where certificates are that were asked for.
    pub held: Arc<Held>,
}

impl Order {
    /// Checks what is wanted. A certificate that lies in the storage is there at once. `None` when
    /// something is wrong, which is then in `errors`.
    pub fn build(request: &OrderRequest<'_>, errors: &mut Diagnostics) -> Option<Arc<Order>> {
        let before = errors.found();
        let policy = Policy::build(request.settings, errors);
        let names = names(request, errors);
        let policy = policy.filter(|_| errors.found() == before)?;
        let directory = &policy.directory;
        let id = Storage::of_names(request.storage, directory, &names);
        let same = request.before.iter().find(|order| order.id == id);
        let slot = same.map_or_else(Arc::default, |order| order.slot.clone());
        // Names that were asked for are in files of their own: those stay when `hosts` change.
        let held = request.before.iter().find(|order| {
            order.policy.on_demand == policy.on_demand
                && order.policy.directory == policy.directory
                && order.storage == request.storage
        });
        let order = Order {
            held: held.map_or_else(Arc::default, |order| order.held.clone()),
            id,
            site: request.site.to_string(),
            suffixes: suffixes(request.names),
            names,
            policy,
            storage: request.storage.to_path_buf(),
            shared: request.shared.cloned(),
            slot,
        };
        order.take_stored(request.before, now());
        Some(Arc::new(order))
    }

    /// What a handshake for this name is to use; `None` while there is no certificate for it.
    /// `name`: in lower case, without a dot at its end; `None`: the client named none.
    pub fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        self.issued(name).map(|issued| issued.key.clone())
    }

    /// The same, with what the certificate says of itself.
    pub fn issued(&self, name: Option<&str>) -> Option<Arc<Issued>> {
        match name {
            Some(name) if !self.names.iter().any(|own| own == name) => {
                let held = self.is_sites(name).then(|| self.held.issued(name));
                held.flatten()
            }
            _ => self.slot.issued(),
        }
    }

    /// Whether certificates for names that are not in the configuration may be asked for.
    pub fn is_on_demand(&self) -> bool {
        self.policy.on_demand.is_some()
    }

    /// Whether the application may be asked about this name: it is the site's, none of those in the
    /// configuration, and a CA can be asked for it. `name`: in lower case, without a dot at its end.
    pub fn may_be_asked(&self, name: &str) -> bool {
        self.is_on_demand()
            && self.is_sites(name)
            && !self.names.iter().any(|own| own == name)
            && check_name(name).is_ok()
    }

    /// Whether its patterns are for this name.
    fn is_sites(&self, name: &str) -> bool {
        let ends = |suffix: &String| name.len() > suffix.len() && name.ends_with(suffix.as_str());
        self.suffixes
            .as_ref()
            .is_none_or(|all| all.iter().any(ends))
    }

    /// Puts what lies in the storage into the slot, unless what is there is as good. What cannot be
    /// read or is over is left alone here: the issuer deals with it, and says so.
    fn take_stored(&self, before: &[Arc<Order>], now: u64) {
        if self.names.is_empty() || self.slot.issued().is_some_and(|i| !i.facts.is_over(now)) {
            return;
        }
        if let Some(own) = Issued::good(&self.id.certificate(), now) {
            self.slot.put(Arc::new(own));
            return;
        }
        // Of a certificate for other names, those that it has are served as before.
        let covered =
            |issued: &Issued| self.names.iter().filter(|n| issued.facts.covers(n)).count();
        let best = |found: &mut dyn Iterator<Item = Arc<Issued>>| {
            found
                .filter(|issued| covered(issued) > 0)
                .max_by_key(|issued| (covered(issued), issued.facts.not_after))
        };
        let relatives = self.id.relatives(&self.names);
        let stored = relatives.iter().filter_map(|path| Issued::good(path, now));
        // The site may have had another directory or storage, or its shortest name may be gone.
        let served = before.iter().filter_map(|order| order.slot.issued());
        let mut served = served.filter(|issued| !issued.facts.is_over(now));
        let other = best(&mut stored.map(Arc::new)).or_else(|| best(&mut served));
        if let Some(issued) = other {
            self.slot.lend(issued);
        }
    }
}

/// What stands behind the `*` of patterns; `None`: any name will do.
fn suffixes(names: &[(String, Place)]) -> Option<Vec<String>> {
    let wild = names
        .iter()
        .filter_map(|(pattern, _)| pattern.strip_prefix('*'));
    let lower = |suffix: &str| {
        suffix
            .strip_suffix('.')
            .unwrap_or(suffix)
            .to_ascii_lowercase()
    };
    (!names.is_empty()).then(|| wild.map(lower).collect())
}

/// The names that go into the certificate.
fn names(request: &OrderRequest<'_>, errors: &mut Diagnostics) -> Vec<String> {
    let on_demand = request.settings.on_demand.is_some();
    let challenge = match request.settings.challenge {
        Challenge::Http01 => "http-01",
        Challenge::TlsAlpn01 => "tls-alpn-01",
    };
    if request.names.is_empty() && !on_demand {
        errors.push(
            Diagnostic::new(request.place, format!("site \"{}\" has no `hosts`: there is no name to order a certificate for", request.site))
                .label("ACME needs names")
                .help("give the site `hosts`, or allow names as they are asked for: on_demand = { ask = \"http://...\" }"),
        );
    }
    let mut patterns = request.names.iter().map(|(pattern, _)| pattern);
    if on_demand && !request.names.is_empty() && !patterns.any(|own| own.starts_with("*.")) {
        errors.push(
            Diagnostic::new(request.place, format!("site \"{}\" has `on_demand`, but no wildcard in `hosts`", request.site))
                .label("there is no name that clients could ask for")
                .help("add one such as \"*.example.org\" to `hosts`, or leave `hosts` out, or `on_demand`"),
        );
    }
    let mut names: Vec<String> = Vec::new();
    for (pattern, place) in request.names {
        let name = pattern.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        if name.starts_with("*.") {
            if !on_demand {
                errors.push(
                    Diagnostic::new(*place, format!("no certificate for \"{pattern}\" can be ordered by {challenge}"))
                        .label("a wildcard needs the DNS, which parvis does not change")
                        .help("give the names, or allow them as they are asked for: on_demand = { ask = \"http://...\" }"),
                );
            }
        } else if let Err(why) = check_name(name) {
            errors.push(
                Diagnostic::new(
                    *place,
                    format!("no certificate for \"{pattern}\" can be ordered"),
                )
                .label(why),
            );
        } else if !names.iter().any(|other| other == name) {
            names.push(name.to_string());
        }
    }
    if names.len() > MOST_NAMES {
        errors.push(
            Diagnostic::new(
                request.place,
                format!("{} names in one certificate", names.len()),
            )
            .label(format!("CAs take at most {MOST_NAMES}"))
            .help("make two sites of it"),
        );
    }
    names
}

/// Whether a CA can be asked for this name: one in lower case, without a dot at its end.
///
/// # Errors
/// Why not, in words.
pub fn check_name(name: &str) -> Result<(), &'static str> {
    let bare = name.trim_start_matches('[').trim_end_matches(']');
    if bare.parse::<IpAddr>().is_ok() {
        return Err("it is an address, and ACME is for names here");
    }
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(letter)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if !name.is_ascii() {
        return Err("a name with other letters is written as DNS has it: xn--...");
    }
    match name.len() <= LONGEST_NAME && name.split('.').all(label) {
        true => Ok(()),
        false => Err("it is no name of a host in DNS"),
    }
}

#[cfg(test)]
pub(super) mod tests;
