//! Settings -> the sites' TLS.

use super::build::Builder;
use super::settings::{Settings, SiteSettings};
use crate::config::Diagnostic;
use crate::tls::{Common, SiteOrder, SiteTls};
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
        let sites = sites.collect();
        (common, sites)
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
