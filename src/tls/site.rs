//! A site's TLS.

use super::acme::{Order, OrderRequest};
use super::certificate::{self, Certificate};
use super::choice::{Choice, is_rsa};
use super::client_ca::ClientCa;
use super::clock::signed_now;
use super::common::Common;
use super::facts::Facts;
use super::handshake::{self, Parts};
use super::names::covers;
use super::settings::{ClientAuth, MinVersion, SiteTlsSettings};
use super::status::{CertificateSource, CertificateStatus};
use super::tickets::{Secret, SiteTickets};
use super::{pair, stand_in};
use crate::config::{At, Diagnostic, Diagnostics, FilePath, Place};
use aws_lc_rs::digest::{Context, SHA256};
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use rustls::server::{ClientHello, ProducesTickets};
use std::sync::Arc;

/// What a site's TLS is built from.
#[derive(Debug)]
pub struct SiteOrder<'a> {
    /// The site's name.
    pub site: &'a str,
    /// Its hosts as they are written (`example.org`, `*.example.org`), with their places; none: any
    /// host.
    pub names: &'a [(String, Place)],
    /// Where the site is named.
    pub place: Place,
    /// Its `tls`.
    pub settings: &'a SiteTlsSettings,
    /// What all sites share.
    pub common: &'a Arc<Common>,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// The one in force, whose orders and stand-in certificate are kept.
    pub before: Option<&'a SiteTls>,
}

/// A site's TLS: certificates, versions, whom it asks for a certificate.
#[derive(Debug)]
pub struct SiteTls {
    site: String,
    choice: Arc<Choice>,
    config: Arc<ServerConfig>,
    min_version: MinVersion,
    /// Whether clients are asked for certificates, and whether they must have one.
    client_ca: Option<bool>,
    /// A digest of on what it depends which clients get in; `None`: all do.
    admission: Option<[u8; 32]>,
    redirect: bool,
    orders: Vec<Arc<Order>>,
}

impl SiteTls {
    /// Reads and checks the site's files; `None` when something is wrong, which is then in `errors`,
    /// as are warnings (a certificate that ends soon). Blocks: reads files.
    pub fn build(order: &SiteOrder<'_>, errors: &mut Diagnostics) -> Option<SiteTls> {
        let before = errors.found();
        let (settings, now) = (order.settings, signed_now());
        let files = files(settings, now, errors);
        let acme = settings.acme.as_ref().and_then(|acme| {
            let request = OrderRequest {
                site: order.site,
                names: order.names,
                place: acme.place,
                settings: acme,
                storage: order.common.storage(),
                shared: order.common.shared(),
                before: order.before.map_or(&[], SiteTls::orders),
            };
            Order::build(&request, errors)
        });
        let client_ca = client_ca(settings, now, errors);
        if settings.acme.is_none() && settings.sound && errors.found() == before {
            match files.is_empty() {
                true => errors.push(without_certificate(order)),
                false => warn_of_uncovered(order, &files, errors),
            }
        }
        // What could not be read is in the errors: a site with what is left is not what was meant.
        if errors.found() != before || !settings.sound {
            return None;
        }
        let stand_in = match &acme {
            Some(_) => Some(stand_in(order, now, errors)?),
            None => None,
        };
        let choice = Arc::new(Choice {
            files,
            order: acme.clone(),
            stand_in,
        });
        let binding = binding(order.site, client_ca.as_ref());
        let vault = order.common.vault().cloned();
        let tickets = vault.map(|vault| Arc::new(SiteTickets::new(vault, binding)));
        let parts = Parts {
            choice: choice.clone(),
            client_ca: client_ca.as_ref().map(|ca| ca.verifier.clone()),
            min_version: settings.min_version,
            tickets: tickets.map(|tickets| tickets as Arc<dyn ProducesTickets>),
            http2: order.http2,
        };
        let config = handshake::config(parts).map_err(|error| {
            let what = format!("TLS of the site `{}` cannot be set up: {error}", order.site);
            errors.push(Diagnostic::new(settings.place, what));
        });
        Some(SiteTls {
            site: order.site.to_string(),
            config: Arc::new(config.ok()?),
            min_version: settings.min_version,
            admission: client_ca.as_ref().map(|ca| ca.digest),
            client_ca: client_ca.map(|ca| ca.required),
            redirect: settings.redirect,
            orders: acme.into_iter().collect(),
            choice,
        })
    }

    /// For handshakes.
    pub fn config(&self) -> Arc<ServerConfig> {
        self.config.clone()
    }

    /// Whether the handshake that begins so would sign with RSA, which takes a millisecond: away
    /// from the event loop. (If it does not resume: then nothing is signed.)
    pub fn is_heavy_for(&self, hello: &ClientHello<'_>) -> bool {
        let name = hello.server_name();
        let chosen = self
            .choice
            .choose(name, hello.signature_schemes(), signed_now());
        chosen.is_some_and(|key| is_rsa(&key))
    }

    /// Whether plain HTTP listeners of the site send clients to `https`.
    pub fn redirect(&self) -> bool {
        self.redirect
    }

    /// Whether clients are asked for certificates.
    pub fn asks_for_certificate(&self) -> bool {
        self.client_ca.is_some()
    }

    /// Whether a client without a certificate is refused.
    pub fn requires_certificate(&self) -> bool {
        self.client_ca == Some(true)
    }

    /// What ACME looks after for the site: one order or none.
    pub fn orders(&self) -> &[Arc<Order>] {
        &self.orders
    }

    /// The order by which a certificate may be had for a name that has none yet, neither by ACME nor
    /// in a file; `None`: there is nothing to wait for. `name`: the client's server name, in lower
    /// case.
    pub fn on_demand(&self, name: &str) -> Option<&Arc<Order>> {
        let order = self.orders.first().filter(|order| order.is_on_demand())?;
        if order.certificate(Some(name)).is_some() {
            return None;
        }
        let (mut files, now) = (self.choice.files.iter(), signed_now());
        let is_there = files.any(|own| own.is_for(name) && own.facts.is_valid_at(now));
        (!is_there).then_some(order)
    }

    /// The certificates that clients may see now. Of those that were asked for on demand, only the
    /// issuer tells.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        let mut all: Vec<_> = self.choice.files.iter().map(Certificate::status).collect();
        let ordered = self.ordered();
        if let Some(key) = &ordered
            && let Some(Ok(facts)) = key.cert.first().map(|der| Facts::of(der))
        {
            all.push(certificate::status(key, &facts, CertificateSource::Acme));
        }
        let waits = ordered.is_none().then_some(self.choice.stand_in.as_ref());
        all.extend(waits.flatten().map(|own| own.status()));
        all
    }

    /// Whether a connection whose handshake was with `other` may carry requests for this site
    /// (RFC 9110 section 7.4; if not, the answer is 421): it is the same site, as it was or is now,
    /// or the client saw a certificate that is this site's too, and proved nothing of itself. Who was
    /// let in by other authorities than those of now must shake hands anew.
    pub fn covers(&self, other: &SiteTls) -> bool {
        if self.site == other.site {
            return self.admission == other.admission;
        }
        // Which of its certificates the other site showed is not known: all must be this site's.
        // Those that were asked for on demand are its own, and not among them here.
        let asks = other.orders.iter().any(|order| order.is_on_demand());
        let own = self.leaves();
        let theirs = other.leaves();
        self.client_ca.is_none()
            && other.client_ca.is_none()
            && self.min_version <= other.min_version
            && !asks
            && !theirs.is_empty()
            && theirs.iter().all(|leaf| own.contains(leaf))
    }

    #[cfg(test)]
    pub(super) fn choice(&self) -> &Choice {
        &self.choice
    }

    fn ordered(&self) -> Option<Arc<rustls::sign::CertifiedKey>> {
        let order = self.choice.order.as_ref()?;
        order.slot.certificate()
    }

    /// The certificates, without their chains. A stand-in is nobody else's.
    fn leaves(&self) -> Vec<CertificateDer<'static>> {
        let ordered = self.ordered();
        let files = self.choice.files.iter().map(|own| &own.key);
        let keys = files.chain(&ordered);
        let leaves = keys.filter_map(|key| key.cert.first().cloned());
        leaves.collect()
    }
}

/// The certificates that the configuration names.
fn files(settings: &SiteTlsSettings, now: i64, errors: &mut Diagnostics) -> Vec<Certificate> {
    let missing = |at: &At<FilePath>, what: &str, other: &str| {
        Diagnostic::new(at.place, format!("`{what}` is given without `{other}`"))
            .label("one needs the other")
            .help(format!("add {other} = \"FILE\"; one file may hold both"))
    };
    let own = match (&settings.certificate, &settings.key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        // The other may be what could not be read.
        _ if !settings.sound => None,
        (Some(certificate), None) => {
            errors.push(missing(certificate, "certificate", "key"));
            None
        }
        (None, Some(key)) => {
            errors.push(missing(key, "key", "certificate"));
            None
        }
        (None, None) => None,
    };
    let more = settings.certificates.iter();
    let more = more.map(|pair| (&pair.certificate, &pair.key));
    let all = own.into_iter().chain(more);
    all.filter_map(|(certificate, key)| pair::load(certificate, key, now, errors))
        .collect()
}

fn client_ca(settings: &SiteTlsSettings, now: i64, errors: &mut Diagnostics) -> Option<ClientCa> {
    let auth = settings.client_auth.as_ref();
    match (&settings.client_ca, auth) {
        (Some(file), auth) => {
            let auth = auth.map_or(ClientAuth::Required, |auth| auth.value);
            ClientCa::load(file, auth, now, errors)
        }
        (None, Some(auth)) if settings.sound => {
            errors.push(
                Diagnostic::new(auth.place, "`client_auth` is given without `client_ca`")
                    .label("whose certificates?")
                    .help("add client_ca = \"FILE\", with the authorities that clients have their certificates of"),
            );
            None
        }
        _ => None,
    }
}

fn without_certificate(order: &SiteOrder<'_>) -> Diagnostic {
    let what = format!("the site `{}` has no certificate", order.site);
    // The whole table would be underlined.
    let place = Place {
        end: order.settings.place.start,
        ..order.settings.place
    };
    Diagnostic::new(place, what)
        .label("expected `certificate` and `key`, or `acme`")
        .help("name files, or have one ordered: acme = { email = \"you@example.org\" }")
}

fn warn_of_uncovered(order: &SiteOrder<'_>, files: &[Certificate], errors: &mut Diagnostics) {
    let names = || files.iter().flat_map(|own| &own.facts.names);
    let is_covered = |host: &str| names().any(|own| covers(own, host));
    let mut uncovered = order.names.iter().filter(|(host, _)| !is_covered(host));
    let Some((first, place)) = uncovered.next() else {
        return;
    };
    let mut hosts = format!("`{first}`");
    for (host, _) in uncovered {
        hosts.push_str(&format!(", `{host}`"));
    }
    let site = order.site;
    let mut diagnostic = Diagnostic::new(
        *place,
        format!("no certificate of the site `{site}` is for {hosts}"),
    )
    .label("clients would be warned of an attack")
    .help("have a certificate made for all of the site's hosts, or add one in `certificates`")
    .warning();
    let own = order.settings.certificate.iter();
    let places = own.chain(
        order
            .settings
            .certificates
            .iter()
            .map(|pair| &pair.certificate),
    );
    for (file, own) in places.zip(files) {
        let all = own.facts.names.join(", ");
        let label = if all.is_empty() {
            "for no host: it has no subject alternative names".to_string()
        } else {
            format!("for {all}")
        };
        diagnostic = diagnostic.related(file.place, label);
    }
    errors.push(diagnostic);
}

/// What stands in for what ACME has not ordered yet.
fn stand_in(order: &SiteOrder<'_>, now: i64, errors: &mut Diagnostics) -> Option<Arc<Certificate>> {
    let hosts: Vec<String> = order.names.iter().map(|(host, _)| host.clone()).collect();
    let before = order
        .before
        .and_then(|before| before.choice.stand_in.as_ref());
    if let Some(same) = before.filter(|own| stand_in::is_good(own, &hosts, now)) {
        return Some(same.clone());
    }
    let made = stand_in::make(&hosts, now).map_err(|why| {
        let site = order.site;
        let what = format!("no certificate could be made for the site `{site}`: {why}");
        errors.push(Diagnostic::new(order.place, what).label("until ACME has one"));
    });
    made.ok().map(Arc::new)
}

/// What tells a site's tickets from others'.
fn binding(site: &str, client_ca: Option<&ClientCa>) -> Secret {
    let mut digest = Context::new(&SHA256);
    digest.update(&(site.len() as u64).to_be_bytes());
    digest.update(site.as_bytes());
    if let Some(ca) = client_ca {
        digest.update(&ca.digest);
    }
    let mut binding = Secret::default();
    // Both have 32 bytes.
    for (to, from) in binding.iter_mut().zip(digest.finish().as_ref()) {
        *to = *from;
    }
    binding
}
