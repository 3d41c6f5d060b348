//! From what a request left behind to what is kept of it: [`Sighting`] -> [`Visit`].

use super::address::AddressKind;
use super::agent::{Agents, Hints};
use super::geo::{Geography, Place};
use super::guest::Skip;
use super::policy::SitePolicy;
use super::sighting::Sighting;
use super::spool::Batch;
use super::statistics::Date;
use super::visit::{Source, Visit, cut};
use super::visitor::{DayKeys, Sessions};
use crate::wire::target;
use std::borrow::Cow;
use std::net::IpAddr;

/// Texts are kept up to these many bytes.
const PATH: usize = 1000;
const REFERRER: usize = 1000;
const UTM: usize = 100;

/// What the worker remembers from visit to visit.
#[derive(Debug)]
pub struct Enricher {
    /// What user agents say, as they come again and again.
    pub agents: Agents,
    /// The keys of the days.
    pub keys: DayKeys,
    /// Who is in which session.
    pub sessions: Sessions,
    /// What may be written down of an address.
    pub address: AddressKind,
}

impl Enricher {
    /// Appends the visit to the batch, and says of which kind it is. `earliest`: the first day that is not over anywhere.
    ///
    /// # Errors
    /// Why it is none.
    pub fn enrich(
        &mut self,
        seen: &Sighting<'_>,
        site: &SitePolicy,
        geography: &Geography,
        earliest: Date,
        batch: &mut Batch,
    ) -> Result<Source, Skip> {
        let (raw_path, query) = target::split_target(seen.target);
        // A path that was cut may end in the middle of a percent sequence.
        let path =
            target::normalise(raw_path).unwrap_or_else(|| target::decode_leniently(raw_path));
        let api = site.is_api(&path);
        if seen.view.json && !api {
            return Err(Skip::NoPage);
        }
        if site.excludes(&path) {
            return Err(Skip::Excluded);
        }
        let user_agent = text(seen.user_agent);
        // A library that no browser uses is a bot, unless the client says that it is the site's app.
        let agent = match seen.view.app {
            true => self.agents.read_app(&user_agent),
            false => self.agents.read(&user_agent),
        };
        let agent = agent.told(&Hints {
            brands: &String::from_utf8_lossy(seen.brands),
            platform: &String::from_utf8_lossy(seen.platform),
            mobile: seen.view.mobile,
        });
        let source = match seen.view.app || (agent.app && api) {
            true => Source::App,
            false => Source::Web,
        };
        // JSON that is not the app's is no view, whoever asks for it.
        if seen.view.json && source != Source::App {
            return Err(Skip::NoPage);
        }
        if agent.bot {
            return Err(Skip::Bot);
        }
        let (date, _) = site.zone.place(seen.time);
        let client = seen.client.map(|client| client.to_canonical());
        let (v4, v6);
        let whence: &[u8] = match client {
            Some(IpAddr::V4(address)) => {
                v4 = address.octets();
                &v4
            }
            Some(IpAddr::V6(address)) => {
                v6 = address.octets();
                &v6
            }
            None => &[],
        };
        let parts: [&[u8]; 3] = [site.name.as_bytes(), whence, seen.user_agent];
        let visitor = self.keys.visitor(date, earliest, &parts);
        let place = client.map_or(Place::UNKNOWN, |client| geography.look_up(client));
        let referrer = text(seen.referrer);
        let referrer = without_query(&referrer);
        let host = text(seen.host);
        let referrer_host = other_host(referrer, &host);
        let utm = query.map(Utm::of).unwrap_or_default();
        let path = text(&path);
        let language = language(seen.language);
        batch.push(&Visit {
            id: id(seen.time),
            time: seen.time,
            site: &site.name,
            source,
            partial: seen.view.partial,
            status: seen.status,
            took: seen.took,
            address: client.and_then(|client| self.address.apply(client)),
            visitor,
            session: self.sessions.session(visitor, seen.time),
            country: place.country,
            region: place.region,
            city: place.city,
            asn: place.asn,
            device: agent.device,
            browser: agent.browser,
            os: agent.os,
            language: &language,
            path: cut(&path, PATH),
            referrer: cut(referrer, REFERRER),
            referrer_host: &referrer_host,
            user_agent: &user_agent,
            utm_source: cut(&utm.source, UTM),
            utm_medium: cut(&utm.medium, UTM),
            utm_campaign: cut(&utm.campaign, UTM),
        });
        Ok(source)
    }
}

/// As text. Nearly all is, and from_utf8 looks at many bytes at a time.
fn text(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(bytes),
    }
}

/// A new id with this time in it (RFC 9562 section 5.7).
fn id(time: i64) -> u128 {
    let millis = u64::try_from(time / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &rand::random())
        .into_uuid()
        .as_u128()
}

/// Without what stands behind `?` or `#`: there people have tokens that are nobody's business.
fn without_query(referrer: &str) -> &str {
    referrer.split(['?', '#']).next().unwrap_or("")
}

/// The host of a referrer, lower case and without `www.`; empty when it is the request's own.
fn other_host(referrer: &str, own: &str) -> String {
    let Some((_, rest)) = referrer.split_once("://") else {
        return String::new();
    };
    let authority = rest.split('/').next().unwrap_or("");
    let host = authority.rsplit('@').next().unwrap_or("");
    if host.eq_ignore_ascii_case(own) {
        return String::new();
    }
    let host = plain_host(host);
    match host == plain_host(own) {
        true => String::new(),
        false => host,
    }
}

fn plain_host(host: &str) -> String {
    let host = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or(""),
    };
    let lower = host.trim_end_matches('.').to_ascii_lowercase();
    let plain = lower.strip_prefix("www.").unwrap_or(&lower);
    cut(plain, 253).to_string()
}

/// The language that a client likes best (RFC 9110 section 12.5.4); empty for none.
fn language(field: &[u8]) -> String {
    let text = text(field);
    let mut best: Option<(f32, &str)> = None;
    for item in text.split(',') {
        let mut parts = item.split(';');
        let tag = parts.next().unwrap_or("").trim();
        let quality = parts
            .find_map(|part| part.trim().strip_prefix("q=")?.parse::<f32>().ok())
            .unwrap_or(1.0);
        let sound = !tag.is_empty()
            && tag.len() <= 16
            && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if sound && quality > 0.0 && best.is_none_or(|(other, _)| quality > other) {
            best = Some((quality, tag));
            // None can be liked better.
            if quality >= 1.0 {
                break;
            }
        }
    }
    best.map(|(_, tag)| tag.to_string()).unwrap_or_default()
}

/// Which campaign a visitor came by.
#[derive(Debug, Default, PartialEq, Eq)]
struct Utm<'a> {
    source: Cow<'a, str>,
    medium: Cow<'a, str>,
    campaign: Cow<'a, str>,
}

impl<'a> Utm<'a> {
    fn of(query: &'a [u8]) -> Self {
        let mut found = Utm::default();
        if memchr::memmem::find(query, b"utm_").is_none() {
            return found;
        }
        for pair in query.split(|b| *b == b'&') {
            let Some(at) = memchr::memchr(b'=', pair) else {
                continue;
            };
            let (name, value) = pair.split_at_checked(at).unwrap_or_default();
            let slot = match name {
                b"utm_source" => &mut found.source,
                b"utm_medium" => &mut found.medium,
                b"utm_campaign" => &mut found.campaign,
                _ => continue,
            };
            if slot.is_empty() {
                *slot = Cow::Owned(form_text(value.get(1..).unwrap_or_default()));
            }
        }
        found
    }
}

/// A value of a form: `+` is a space.
fn form_text(value: &[u8]) -> String {
    let spaced: Vec<u8> = value
        .iter()
        .map(|b| if *b == b'+' { b' ' } else { *b })
        .collect();
    String::from_utf8_lossy(&target::decode_leniently(&spaced)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn referrers_are_told_by_their_host() {
        for (referrer, own, expected) in [
            ("https://www.Example.org/a/b", "shop.test", "example.org"),
            ("https://example.org:8443", "example.org", ""),
            ("https://www.shop.test/x", "shop.test:8080", ""),
            ("https://user:secret@news.test/", "shop.test", "news.test"),
            (
                "android-app://com.google.android.gm/",
                "shop.test",
                "com.google.android.gm",
            ),
            ("http://[2001:db8::1]:80/", "[2001:db8::1]", ""),
            ("rubbish", "shop.test", ""),
            ("", "shop.test", ""),
            ("://", "", ""),
        ] {
            assert_eq!(other_host(referrer, own), expected, "{referrer}");
        }
        assert_eq!(
            without_query("https://a.test/reset?token=secret#x"),
            "https://a.test/reset"
        );
    }

    #[test]
    fn the_best_language_is_told() {
        for (field, expected) in [
            ("fr-FR,fr;q=0.9,en;q=0.8", "fr-FR"),
            ("en;q=0.5, de", "de"),
            ("*", ""),
            ("", ""),
            ("<script>, en", "en"),
            ("xx;q=0", ""),
        ] {
            assert_eq!(language(field.as_bytes()), expected, "{field}");
        }
    }

    #[test]
    fn campaigns_are_read_from_the_query() {
        let utm = Utm::of(b"a=b&utm_source=news+letter&utm_medium=e%2Dmail&utm_campaign=%C3%A9t%C3%A9&utm_source=second");
        assert_eq!(
            (&*utm.source, &*utm.medium, &*utm.campaign),
            ("news letter", "e-mail", "été")
        );
        assert_eq!(Utm::of(b"utm_source&utm_mediumx=1"), Utm::default());
    }
}
