//! Settings -> the sites' TLS.

use super::build::Builder;
use super::settings::{Settings, SiteSettings};
use crate::config::{Diagnostic, Place};
use crate::tls::acme::settings::Challenge;
use crate::tls::{Common, SiteOrder, SiteTls};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

impl Builder<'_> {
    /// What all sites share of TLS, and each site's own.
    pub(super) fn tls(
        &mut self,
        settings: &Settings,
        http2: bool,
    ) -> (Arc<Common>, Vec<Option<Arc<SiteTls>>>) {
        // Watched before they are read, and also when they are wrong.
        let own = settings.sites.iter().filter_map(|site| site.tls.as_ref());
        for path in settings.tls.files().chain(own.flat_map(|tls| tls.files())) {
            self.sources.watch(path);
        }
        let before = self.before.map(|edge| &edge.tls);
        let common = Common::build(&settings.tls, before, self.errors);
        let sites = settings.sites.iter();
        let sites = sites.map(|site| self.site_tls(site, settings, &common, http2));
        let sites: Vec<_> = sites.collect();
        self.refuse_disputed(settings, &sites);
        self.warn_of_unasked(settings);
        (common, sites)
    }

    /// Two sites may share a certificate of ACME's, by having the same hosts on other listeners; not
    /// when they have it ordered in different ways, of which one would be ignored.
    fn refuse_disputed(&mut self, settings: &Settings, sites: &[Option<Arc<SiteTls>>]) {
        let mut first = BTreeMap::new();
        for (site, tls) in settings.sites.iter().zip(sites) {
            let orders = tls.iter().flat_map(|tls| tls.orders());
            let acme = site.tls.as_ref().and_then(|tls| tls.acme.as_ref());
            // Names that clients ask for are told apart by the sites' hosts.
            let orders = orders.filter(|order| !order.names.is_empty());
            for (order, acme) in orders.zip(acme) {
                let place = start_of(acme.place);
                let Some((policy, other, theirs)) = first.get(&order.id) else {
                    first.insert(&order.id, (&order.policy, &site.name.value, place));
                    continue;
                };
                let Some(key) = order.policy.difference(policy) else {
                    continue;
                };
                let name = &site.name.value;
                let what = format!(
                    "the sites `{other}` and `{name}` have the same certificate ordered in different ways"
                );
                self.errors.push(
                    Diagnostic::new(place, what)
                        .label(format!("another `{key}`"))
                        .related(*theirs, format!("that of the site `{other}`"))
                        .help("it is ordered once for both, for they have the same hosts: give both the same `acme`"),
                );
            }
        }
    }

    /// Warns when no listener is where ACME authorities ask; what is in front may lead them to one.
    fn warn_of_unasked(&mut self, settings: &Settings) {
        // What could not be read may be the listener.
        if !settings.sites.iter().all(|site| site.sound) {
            return;
        }
        let listeners = || {
            let sites = settings.sites.iter();
            let own = sites.map(|site| site.listen.as_deref().unwrap_or(&settings.server.listen));
            own.flatten().map(|at| &at.value)
        };
        let ordering = settings.sites.iter().filter_map(|site| {
            let acme = site.tls.as_ref()?.acme.as_ref()?;
            acme.sound.then_some((&site.name.value, acme))
        });
        let ordering: Vec<_> = ordering.collect();
        // Whichever listener is asked, it answers for all sites.
        let plain = listeners().any(|listener| !listener.terms.tls);
        let secured = listeners().any(|own| own.terms.tls && own.address.port() == 443);
        for (challenge, is_asked, what, label, help) in [
            (
                Challenge::Http01,
                plain,
                "no listener speaks plain HTTP, by which the CA checks the hosts of the site",
                "by http-01, the CA asks each host's port 80 for http://HOST/.well-known/acme-challenge/...",
                "add \"0.0.0.0:80\" to `listen`, or another one without `tls` that port 80 is \
                 forwarded to; or take challenge = \"tls-alpn-01\", which needs port 443 alone",
            ),
            (
                Challenge::TlsAlpn01,
                secured,
                "no listener with `tls = true` has port 443, where the CA checks the hosts of the site",
                "by tls-alpn-01, the CA opens a TLS connection to each host's port 443",
                "if something in front of parvis (a router, a container's port) forwards port 443 to a \
                 listener with `tls = true`, all is well; else listen on 0.0.0.0:443",
            ),
        ] {
            let mut sites = ordering
                .iter()
                .filter(|(_, acme)| acme.challenge == challenge);
            let (false, Some((name, acme))) = (is_asked, sites.next()) else {
                continue;
            };
            let more = match sites.count() {
                0 => String::new(),
                count => format!(" and of {count} more"),
            };
            self.errors.push(
                Diagnostic::new(start_of(acme.place), format!("{what} `{name}`{more}"))
                    .label(label)
                    .help(help)
                    .warning(),
            );
        }
    }

    fn site_tls(
        &mut self,
        site: &SiteSettings,
        settings: &Settings,
        common: &Arc<Common>,
        http2: bool,
    ) -> Option<Arc<SiteTls>> {
        let own = site.listen.as_deref().unwrap_or(&settings.server.listen);
        let secured = own.iter().find(|at| at.value.terms.tls);
        let name = &site.name.value;
        let tls = match (secured, &site.tls) {
            (Some(_), Some(tls)) => tls,
            (None, None) => return None,
            (Some(listener), None) => {
                if site.sound {
                    let what = format!("the site `{name}` has no certificate for this listener");
                    self.errors.push(
                        Diagnostic::new(listener.place, what)
                            .label("`tls = true`, and the site has no `tls` table")
                            .related(site.name.place, "the site")
                            .help(
                                "add [site.tls] with `certificate` and `key`, or with \
                                 `acme = { email = \"...\" }`",
                            ),
                    );
                }
                return None;
            }
            (None, Some(_)) => {
                if site.sound {
                    let what =
                        format!("the site `{name}` has certificates and no listener for them");
                    self.errors.push(
                        Diagnostic::new(site.name.place, what).help(
                            "say where: listen = [\"0.0.0.0:80\", { address = \"0.0.0.0:443\", tls = true }]",
                        ),
                    );
                }
                return None;
            }
        };
        let names: Vec<_> = site
            .hosts
            .iter()
            .map(|host| (host.value.to_string(), host.place))
            .collect();
        let before = self.before.and_then(|edge| {
            let site = edge.sites.iter().find(|site| site.name == *name)?;
            site.tls.as_deref()
        });
        let order = SiteOrder {
            site: name,
            names: &names,
            place: site.name.place,
            settings: tls,
            common,
            http2,
            before,
        };
        SiteTls::build(&order, self.errors).map(Arc::new)
    }

    /// The port that clients of plain HTTP are sent to: 443 where the site has it, else its first
    /// with TLS. One that is bound only after a restart is none yet.
    pub(super) fn https_port(
        &self,
        site: &SiteSettings,
        settings: &Settings,
        tls: Option<&SiteTls>,
    ) -> Option<u16> {
        if !tls?.redirect() {
            return None;
        }
        let bound = |address: &SocketAddr| match self.before {
            Some(before) => before.bound.contains(address),
            None => true,
        };
        let own = site.listen.as_deref().unwrap_or(&settings.server.listen);
        let secured = own.iter().filter(|at| at.value.terms.tls);
        let addresses = secured.map(|at| at.value.address);
        let mut ports = addresses.filter(bound).map(|address| address.port());
        let Some(first) = ports.next() else {
            // None of them is bound yet. Those that the site had are still served.
            let sites = self.before.map(|before| before.sites.iter());
            let mut before = sites.into_iter().flatten();
            return before.find(|old| old.name == site.name.value)?.https_port;
        };
        Some(if ports.any(|port| port == 443) {
            443
        } else {
            first
        })
    }
}

/// Of a table: else the whole of it would be underlined.
fn start_of(place: Place) -> Place {
    Place {
        end: place.start,
        ..place
    }
}

#[cfg(test)]
mod tests;
