//! Certificates, as `/status` and `parvis certs` tell of them, and reminders of those that end.

use crate::edge::Edge;
use crate::proxy::Running;
use crate::tls::acme::status::OrderStatus;
use crate::tls::{CertificateSource, CertificateStatus, WARN_BEFORE};
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const DAY: i64 = 86_400;
/// How often it is looked which certificates end. Each is told of once a day.
const LOOK: Duration = Duration::from_secs(3600);
/// One that ACME renews is worth a word when less than this part of its life is left: it is renewed
/// at a third.
const LATE: i64 = 6;
/// Names that are told of many that end.
const NAMED: usize = 3;

/// A certificate that a site's clients may see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SiteCertificate {
    /// The site's name.
    pub site: String,
    /// What it says of itself, and where it is from.
    #[serde(flatten)]
    pub certificate: CertificateStatus,
    /// When it ends (RFC 3339).
    pub ends: String,
    /// Whole days until then; negative when it has.
    pub days_left: i64,
    /// What that means.
    pub state: Validity,
}

/// Whether clients accept a certificate, as far as its dates say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Validity {
    /// It is good for a while.
    Good,
    /// Somebody should see to a new one.
    EndsSoon,
    /// Clients refuse it.
    Expired,
    /// Clients refuse it until it begins.
    NotYet,
    /// It stands in for one that is not there yet: clients refuse it.
    StandIn,
}

/// The certificates of all sites. `now`: seconds since the Unix epoch.
pub fn certificates(edge: &Edge, now: i64) -> Vec<SiteCertificate> {
    let sites = edge.sites.iter();
    let secured = sites.filter_map(|site| Some((site, site.tls.as_ref()?)));
    secured
        .flat_map(|(site, tls)| {
            let all = tls.certificates().into_iter();
            all.map(|certificate| SiteCertificate::new(&site.name, certificate, now))
        })
        .collect()
}

/// The time, seconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

impl SiteCertificate {
    fn new(site: &str, certificate: CertificateStatus, now: i64) -> Self {
        let left = certificate.not_after.saturating_sub(now);
        SiteCertificate {
            site: site.to_string(),
            ends: rfc3339(certificate.not_after),
            days_left: left.div_euclid(DAY),
            state: Validity::of(&certificate, now),
            certificate,
        }
    }

    /// Where it is from, in a word: its file, `acme`, `stand-in`.
    pub fn label(&self) -> String {
        match &self.certificate.source {
            CertificateSource::File { certificate, .. } => certificate.display().to_string(),
            CertificateSource::Acme => "acme".to_string(),
            CertificateSource::StandIn => "stand-in".to_string(),
        }
    }

    /// When it ends, in words: `ends on 2026-12-01, in 10 days`.
    pub fn end(&self) -> String {
        let day = self.ends.get(..10).unwrap_or(&self.ends);
        match self.days_left {
            left if left < 0 => format!("ended on {day}, {} ago", days(left.saturating_neg())),
            left => format!("ends on {day}, in {}", days(left)),
        }
    }
}

impl Validity {
    fn of(certificate: &CertificateStatus, now: i64) -> Self {
        let (start, end) = (certificate.not_before, certificate.not_after);
        let left = end.saturating_sub(now);
        // Some of ACME's live for a week only.
        let is_late = match certificate.source {
            CertificateSource::StandIn if left >= 0 => return Validity::StandIn,
            CertificateSource::Acme => left < end.saturating_sub(start) / LATE,
            CertificateSource::StandIn | CertificateSource::File { .. } => true,
        };
        match left {
            ..0 => Validity::Expired,
            _ if start > now => Validity::NotYet,
            _ if is_late && certificate.ends_soon(now) => Validity::EndsSoon,
            _ => Validity::Good,
        }
    }
}

fn days(count: i64) -> String {
    match count {
        1 => "1 day".to_string(),
        _ => format!("{count} days"),
    }
}

fn rfc3339(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds);
    time.map_or_else(|_| seconds.to_string(), |time| time.to_string())
}

/// Reminds of certificates that end, once a day each, for as long as the task lives.
pub async fn remind(running: Arc<Running>) {
    let mut reminders = Reminders::default();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let edge = running.edge.load_full();
        let now = now();
        for text in reminders.due(&certificates(&edge, now), &running.issuer.status(), now) {
            tracing::warn!("{text}");
        }
    }
}

/// What was told, and when.
#[derive(Debug, Default)]
struct Reminders {
    told: HashMap<String, i64>,
    /// Whether this is not the first look: what files hold was said when they were loaded.
    began: bool,
}

impl Reminders {
    /// What is to be told now. `now`: seconds since the Unix epoch.
    fn due(&mut self, all: &[SiteCertificate], orders: &[OrderStatus], now: i64) -> Vec<String> {
        let mut told = HashMap::new();
        let mut due = Vec::new();
        let single = all.iter().filter_map(|one| {
            let key = format!("{} {}", one.site, one.certificate.fingerprint);
            let quiet = matches!(one.certificate.source, CertificateSource::File { .. });
            Some((key, reminder(one, orders)?, quiet && !self.began))
        });
        let asked = asked_for(orders, now).into_iter();
        let asked = asked.map(|(site, text)| (format!("{site} on demand"), text, false));
        for (key, text, quiet) in single.chain(asked) {
            let before = self.told.get(&key).copied();
            match before.filter(|at| now.saturating_sub(*at) < DAY) {
                Some(at) => drop(told.insert(key, at)),
                None => {
                    told.insert(key, now);
                    if !quiet {
                        due.push(text);
                    }
                }
            }
        }
        self.told = told;
        self.began = true;
        due
    }
}

/// What is to be said of a certificate; `None`: nothing.
fn reminder(one: &SiteCertificate, orders: &[OrderStatus]) -> Option<String> {
    let order = orders
        .iter()
        .find(|order| order.site == one.site && !order.on_demand);
    let trouble = order.and_then(|order| order.trouble.as_ref());
    let (site, end) = (&one.site, one.end());
    match (&one.certificate.source, one.state) {
        (_, Validity::Good | Validity::NotYet) => None,
        (CertificateSource::File { certificate, .. }, _) => Some(format!(
            "the certificate in {} of the site `{site}` {end}: put a new one there",
            certificate.display()
        )),
        (CertificateSource::Acme, state) => match trouble {
            Some(trouble) => Some(format!(
                "the certificate of the site `{site}` {end}, and could not be renewed: {}",
                trouble.message
            )),
            None if state == Validity::Expired => Some(format!(
                "the certificate of the site `{site}` {end}: it was not renewed"
            )),
            None => None,
        },
        (CertificateSource::StandIn, _) => trouble.map(|trouble| {
            format!(
                "the site `{site}` has only a self-signed certificate, and could not get another: {}",
                trouble.message
            )
        }),
    }
}

/// What is to be said of certificates that clients asked for, by site: there may be thousands.
fn asked_for(orders: &[OrderStatus], now: i64) -> Vec<(String, String)> {
    let mut sites: Vec<(&str, Vec<&str>, &str)> = Vec::new();
    for order in orders.iter().filter(|order| order.on_demand) {
        let (Some(trouble), Some(end)) = (&order.trouble, &order.not_after) else {
            continue;
        };
        let end = end.parse::<jiff::Timestamp>().map(|end| end.as_second());
        if end.is_ok_and(|end| end.saturating_sub(now) >= WARN_BEFORE) {
            continue;
        }
        let names = order.names.iter().map(String::as_str);
        match sites.iter_mut().find(|(site, ..)| *site == order.site) {
            Some((_, all, _)) => all.extend(names),
            None => sites.push((&order.site, names.collect(), &trouble.message)),
        }
    }
    let told = sites.into_iter().map(|(site, names, why)| {
        let first: Vec<&str> = names.iter().copied().take(NAMED).collect();
        let more = match names.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let text = format!(
            "certificates of the site `{site}` end soon and could not be renewed: those for {}{more}: {why}",
            first.join(", ")
        );
        (site.to_string(), text)
    });
    told.collect()
}

#[cfg(test)]
mod tests;
