//! What a site wants of its CA.

use super::certificate::Issued;
use super::held::Held;
use super::policy::Policy;
use super::settings::{AcmeSettings, Challenge};
use super::shared::Shared;
use super::slot::Slot;
use super::storage::{self, Storage};
use crate::config::{Diagnostic, Diagnostics, Place};
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

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
        let held = same.filter(|same| same.policy.on_demand == policy.on_demand);
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
        order.take_stored(now());
        Some(Arc::new(order))
    }

    /// What a handshake for this name is to use; `None` while there is no certificate for it.
    /// `name`: in lower case, without a dot at its end; `None`: the client named none.
    pub fn certificate(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        match name {
            Some(name) if !self.names.iter().any(|own| own == name) => self.held.certificate(name),
            _ => self.slot.certificate(),
        }
    }

    /// Whether certificates for names that are not in the configuration may be asked for.
    pub fn is_on_demand(&self) -> bool {
        self.policy.on_demand.is_some()
    }

    /// Whether the application may be asked about this name: it is the site's, none of those in the
    /// configuration, and a CA can be asked for it. `name`: in lower case, without a dot at its end.
    pub fn may_be_asked(&self, name: &str) -> bool {
        let is_sites = match &self.suffixes {
            None => true,
            Some(all) => all
                .iter()
                .any(|suffix| name.len() > suffix.len() && name.ends_with(suffix.as_str())),
        };
        self.is_on_demand()
            && is_sites
            && !self.names.iter().any(|own| own == name)
            && check_name(name).is_ok()
    }

    /// Files whose change means that the configuration is to be read anew.
    pub fn watched(&self) -> Vec<PathBuf> {
        self.policy.roots_file.iter().cloned().collect()
    }

    /// Puts what lies in the storage into the slot, unless what is there is as good. What cannot be
    /// read or is over is left alone here: the issuer deals with it, and says so.
    fn take_stored(&self, now: u64) {
        if self.names.is_empty() || self.slot.issued().is_some_and(|i| i.facts.is_valid_at(now)) {
            return;
        }
        let stored = |path: &Path| {
            let text = storage::read(path).ok().flatten()?;
            let issued = Issued::from_pem(&text).ok()?;
            issued.facts.is_valid_at(now).then_some(issued)
        };
        let own = stored(&self.id.certificate());
        // Of a certificate for other names, those that it has are served as before.
        let covered =
            |issued: &Issued| self.names.iter().filter(|n| issued.facts.covers(n)).count();
        let best = own.or_else(|| {
            let relatives = self.id.relatives(&self.names);
            let read = relatives.iter().filter_map(|path| stored(path));
            read.filter(|issued| covered(issued) > 0)
                .max_by_key(|issued| (covered(issued), issued.facts.not_after))
        });
        if let Some(issued) = best {
            self.slot.put(Arc::new(issued));
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

/// Seconds since the Unix epoch.
pub fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
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
mod tests {
    use super::super::certificate::tests::made;
    use super::*;
    use crate::config::{Document, Sources, Value};

    struct Folder(PathBuf);

    impl Folder {
        fn new() -> Folder {
            let name = format!("parvis-acme-{:016x}", rand::random::<u64>());
            Folder(std::env::temp_dir().join(name))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn built(storage: &Path, acme: &str, names: &[&str]) -> Result<Arc<Order>, String> {
        let mut sources = Sources::default();
        let file = sources.add("parvis.toml".into(), format!("acme = {{ {acme} }}\n"));
        let mut errors = Diagnostics::default();
        let document = Document::parse(&sources, &[file], &mut errors);
        let (_, place, node) = document.entries().next().unwrap();
        let names: Vec<_> = names.iter().map(|name| (name.to_string(), place)).collect();
        let settings = AcmeSettings::read(&node, &mut errors);
        let order = settings.and_then(|settings| {
            let request = OrderRequest {
                site: "shop",
                names: &names,
                place,
                settings: &settings,
                storage,
                shared: None,
                before: &[],
            };
            Order::build(&request, &mut errors)
        });
        assert_eq!(order.is_none(), !errors.is_empty());
        order.ok_or_else(|| errors.render(&sources))
    }

    const ASK: &str = "on_demand = { ask = \"http://127.0.0.1:8000/ask\" }";

    #[test]
    fn names_are_ordered_once_each_in_lower_case() {
        let folder = Folder::new();
        let order = built(
            &folder.0,
            "",
            &["Shop.example", "www.shop.example.", "shop.EXAMPLE"],
        );
        let order = order.unwrap();
        assert_eq!(order.names, ["shop.example", "www.shop.example"]);
        assert_eq!(
            order.policy.directory,
            "https://acme-v02.api.letsencrypt.org/directory"
        );
        assert!(order.policy.email.is_empty() && !order.is_on_demand());
        // The order in which they stand does not matter.
        let other = built(&folder.0, "", &["www.shop.example", "shop.example"]);
        assert_eq!(other.unwrap().id, order.id);
        // Looking at it makes nothing.
        assert!(!folder.0.exists());
    }

    #[test]
    fn what_cannot_be_ordered_is_told_where_it_stands() {
        let folder = Folder::new();
        let key = "eab = { kid = \"k\", hmac_key = \"sesame!\" }";
        for (acme, names, told) in [
            ("", &[][..], "there is no name to order a certificate for"),
            ("", &["*.shop.example"], "a wildcard needs the DNS"),
            ("challenge = \"tls-alpn-01\"", &["*.a"], "by tls-alpn-01"),
            ("", &["10.0.0.1"], "it is an address"),
            ("", &["[::1]"], "it is an address"),
            ("", &["b\u{fc}cher.example"], "xn--"),
            ("", &["-a.example"], "no name of a host"),
            (
                "directory = \"http://ca.example/\"",
                &["a"],
                "begins with https://",
            ),
            (
                "directory = \"https://u:p@ca.example/\"",
                &["a"],
                "begins with https://",
            ),
            ("email = \"nobody\"", &["a"], "admin@example.org"),
            (
                "email = \"a@b.example,c@d.example\"",
                &["a"],
                "admin@example.org",
            ),
            (
                "challenge = \"dns-01\"",
                &["a"],
                "expected one of \"http-01\", \"tls-alpn-01\"",
            ),
            ("eab = { kid = \"k\" }", &["a"], "missing key `hmac_key`"),
            (key, &["a"], "`hmac_key` is no key in base64url"),
            ("ca = \"nowhere.pem\"", &["a"], "no file ./nowhere.pem"),
            (
                "on_demand = { ask = \"https://a/\" }",
                &["a"],
                "http://127.0.0.1:8000/tls-ask",
            ),
            ("on_demand = {}", &["a"], "missing key `ask`"),
            ("dierctory = \"x\"", &["a"], "did you mean `directory`?"),
        ] {
            let error = built(&folder.0, acme, names).unwrap_err();
            assert!(error.contains(told), "{told}: {error}");
            assert!(!error.contains("sesame"), "{error}");
        }
        let many: Vec<String> = (0..101).map(|n| format!("{n}.example")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let error = built(&folder.0, "", &many).unwrap_err();
        assert!(error.contains("101 names in one certificate"), "{error}");
    }

    #[test]
    fn only_names_of_the_site_are_asked_about() {
        let folder = Folder::new();
        let asked =
            |names: &[&str], name: &str| built(&folder.0, ASK, names).unwrap().may_be_asked(name);
        let some = &["shop.example", "*.shop.example"];
        for (name, may) in [
            ("a.shop.example", true),
            ("b.a.shop.example", true),
            ("shop.example", false),
            (".shop.example", false),
            ("xshop.example", false),
            ("evil.example", false),
            ("A.shop.example", false),
            ("10.0.0.1", false),
        ] {
            assert_eq!(asked(some, name), may, "{name}");
        }
        assert!(asked(&[], "any.example") && !asked(&[], "10.0.0.1"));
        assert!(!asked(&["shop.example"], "other.example"));
        assert!(!built(&folder.0, "", &["a"]).unwrap().may_be_asked("b"));
    }

    #[test]
    fn what_lies_in_the_storage_is_served_at_once_when_it_is_good() {
        let folder = Folder::new();
        let now = now();
        let put = |names: &[&str], text: &str| {
            let order = built(&folder.0, "", names).unwrap();
            storage::write(&order.id.certificate(), text.as_bytes()).unwrap();
        };
        let served = |names: &[&str]| {
            let order = built(&folder.0, "", names).unwrap();
            order.slot.issued().map(|issued| issued.facts.names.clone())
        };
        put(&["over.example"], &made(&["over.example"], 1, now - 9));
        assert_eq!(served(&["over.example"]), None);
        put(&["broken.example"], "-----BEGIN");
        assert_eq!(served(&["broken.example"]), None);
        put(&["a.example"], &made(&["a.example"], 1, now + 900));
        assert_eq!(served(&["a.example"]).unwrap(), ["a.example"]);
        // A name more: the old ones are served meanwhile, by the certificate that has most of them.
        assert_eq!(served(&["a.example", "b.example"]).unwrap(), ["a.example"]);
        let both = &["a.example", "b.example"];
        put(both, &made(both, 1, now + 900));
        let three = &["a.example", "b.example", "c.example"];
        assert_eq!(served(three).unwrap(), *both);
        assert_eq!(served(&["c.example"]), None);
    }
}
